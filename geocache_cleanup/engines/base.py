"""What every engine offers: how a database is opened, and how its table is found.

A new engine is a folder beside this file, with an ``Engine`` and a ``Table``, and one line in
``urls.py``.
"""

import abc
import contextlib
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from typing import Any, ClassVar

import sqlalchemy as sa
from sqlalchemy.engine import URL, Connection
from sqlalchemy.schema import CreateIndex
from sqlalchemy.types import TypeEngine

from geocache_cleanup.config.redaction import is_misread
from geocache_cleanup.deadline import Deadline
from geocache_cleanup.engines.connection_info import ConnectionInfo
from geocache_cleanup.engines.table import Table
from geocache_cleanup.errors import CleanupError


class Engine(abc.ABC):
    """One database; every method raises CleanupError for what the admin can change.

    ``is_embedded``: it works in this process, so that nobody else can be asked to stop it.
    ``has_schemas``: a dot in the name of a table separates its schema. ``time_type`` is text in
    the order of its characters' codes, which an index then serves; ``moment_type`` is the type
    of the ledger's times, UTC without a zone, to the microsecond. ``storage`` names the storage
    engine for tables of this program's own, where there are some without transactions; ``lasting``
    is what ALTER TABLE does to those that would not keep what was told.
    """

    is_embedded: ClassVar[bool] = False
    has_schemas: ClassVar[bool] = True
    time_type: ClassVar[TypeEngine[Any]] = sa.Text()
    moment_type: ClassVar[TypeEngine[Any]] = sa.DateTime()
    storage: ClassVar[str | None] = None
    lasting: ClassVar[str | None] = None

    def __init__(
        self,
        url: URL,
        deadline: Deadline,
        *,
        create: bool = False,  # noqa: ARG002 - of a server no database is made
    ) -> None:
        """Take the URL; with ``create`` a missing SQLite file is made when it is opened."""
        self.url = url
        self.deadline = deadline
        self._committing = False

    @classmethod
    def read_url(cls, url: URL, text: str) -> URL:
        """Return the URL that text was parsed into.

        Raise ValueError if it is not UTF-8, or what is shown of it holds a part of a password.
        """
        text.encode()
        if is_misread(url.username, url.host, url.database):
            raise ValueError
        return url

    @classmethod
    def shown_url(cls, url: URL) -> str:
        """Write the URL for people and logs: no password, and no query, which may hold one."""
        return url.set(query={}).render_as_string(hide_password=True)

    @classmethod
    def files_of(cls, url: URL) -> frozenset[str]:  # noqa: ARG003 - a server's are its own affair
        """Return the real paths of files that are the database's own, there or not."""
        return frozenset()

    @classmethod
    def index_sql(cls, dialect: sa.engine.Dialect, index: sa.Index) -> Any:  # noqa: ARG003 - as above
        """Return what creates an index, to be printed for a database that cannot be asked."""
        return CreateIndex(index, if_not_exists=True)

    @classmethod
    def can_skip_index(cls, dialect: sa.engine.Dialect) -> bool:  # noqa: ARG003 - as above
        """Tell whether CREATE INDEX can leave out an index that is there."""
        return True

    @abc.abstractmethod
    def open(self, *, write: bool) -> AbstractContextManager[Connection]:
        """Open a connection, for ``transaction``. Raise Interrupted after a signal."""

    @abc.abstractmethod
    def transaction(self, connection: Connection, *, write: bool) -> AbstractContextManager[None]:
        """Open a transaction: committed at the end, undone by any error.

        With ``write`` nobody else can write, once the table is locked as well.
        """

    @abc.abstractmethod
    def connect_to_migrate(self) -> AbstractContextManager[Connection]:
        """Open a connection for migrations: in one transaction where the database can do that."""

    @abc.abstractmethod
    def table(self, connection: Connection, name: str, column: str) -> Table:
        """Look a table up; raise NoTableError or ConfigError naming what there is instead."""

    @abc.abstractmethod
    def reclaim(self, name: str, column: str) -> int | None:
        """Give a table's free space back, outside any transaction; return the bytes, if known.

        Raise CleanupError if that cannot be done; the rows are left alone in any case.
        """

    @abc.abstractmethod
    def describe(self, connection: Connection) -> ConnectionInfo:
        """Ask the database who it is."""

    @abc.abstractmethod
    def diagnose(self, error: Exception) -> CleanupError | None:
        """Return what an error of the driver means to the admin, None for a bug."""

    @abc.abstractmethod
    def was_stopped(self, error: Exception) -> bool:
        """Tell whether it may be us who stopped what ended with an error."""

    @abc.abstractmethod
    def is_in_doubt(self, error: Exception, diagnosed: CleanupError) -> bool:
        """Tell whether a commit that ended with an error may have taken effect."""

    def schema_of(self, connection: Connection, name: str) -> str | None:  # noqa: ARG002 - as above
        """Return the schema of a table, None for the one that is looked in first, if any is."""
        return None

    def prepare_migration(self, connection: Connection, schema: str | None) -> None:
        """Let new tables be in a schema, where they would be in none.

        Raise TemporaryError if another migration is at work, where it would be in the way.
        """

    def has_table(self, connection: Connection, name: str, schema: str | None) -> bool:
        """Tell whether there is a table of that name in a schema; see ``schema_of``."""
        return bool(sa.inspect(connection).has_table(name, schema=schema))

    def has_transactions(self, connection: Connection, name: str) -> bool:  # noqa: ARG002 - as above
        """Tell whether what is done to a table can be undone, or there is none of that name."""
        return True

    def outlasts_crash(self, connection: Connection, name: str, schema: str | None) -> bool:  # noqa: ARG002 - as above
        """Tell whether a table keeps what is committed if the server crashes."""
        return True

    def check_beside(self, connection: Connection, name: str) -> None:
        """Raise CleanupError if no transaction may change a table that has none beside others."""

    def findings(self, connection: Connection) -> Iterable[tuple[str, str]]:  # noqa: ARG002 - as above
        """Return what of the server's settings may undo what was told, each with a remedy."""
        return ()

    def after_batch(self, connection: Connection) -> None:
        """Do what is due after a batch, while the write lock is free."""

    def layout(self, connection: Connection) -> int | None:  # noqa: ARG002 - as above
        """Return a number that changes when rowids may have changed; None if nothing tells."""
        return None

    def spare_pages(self, connection: Connection) -> int | None:  # noqa: ARG002 - as above
        """Return what grows by one with each page that is freed; None if nothing tells."""
        return None

    @contextlib.contextmanager
    def connect(self, *, write: bool) -> Iterator[Connection]:
        """Open a connection inside a transaction; see ``transaction``."""
        with self.open(write=write) as connection, self.transaction(connection, write=write):
            yield connection

    @contextlib.contextmanager
    def at_table(self, name: str, column: str, *, write: bool) -> Iterator[Table]:
        """Open a transaction and find the table, locked if it is to be written."""
        with self.connect(write=write) as connection:
            table = self.table(connection, name, column)
            if write:
                table.lock()
            yield table

    def translate_error(self, error: Exception) -> Exception:
        """Return what an error means to the admin; a bug stays what it is.

        Raise Interrupted or DeadlineError where that is why the statement was stopped.
        """
        original = error.orig if isinstance(error, sa.exc.DBAPIError) else error
        assert isinstance(original, Exception)
        diagnosed = self.diagnose(original)
        if diagnosed and self._committing and self.is_in_doubt(original, diagnosed):
            return diagnosed.of_commit()
        if self.was_stopped(original):
            self.deadline.check()
        return diagnosed or error
