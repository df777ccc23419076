"""A database on a server: connections that are bounded in time and can be interrupted."""

import abc
import contextlib
import enum
import math
import os
import socket
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

import sqlalchemy as sa
from sqlalchemy.engine import URL, Connection
from sqlalchemy.pool import NullPool

from geocache_cleanup.deadline import Deadline
from geocache_cleanup.engines.base import Engine
from geocache_cleanup.engines.connection_info import ConnectionInfo, user_name
from geocache_cleanup.engines.server import diagnoses
from geocache_cleanup.engines.server.cancellation import Canceller
from geocache_cleanup.engines.server.drivers import Driver, version_of, with_driver
from geocache_cleanup.engines.server.expressions import SQLExpressions
from geocache_cleanup.engines.server.table import ServerTable
from geocache_cleanup.errors import CleanupError, ConfigError, UnavailableError
from geocache_cleanup.threads import call_interruptibly

# Waiting for a lock ends a little earlier than the run, to be told from other slowness.
_LOCK_SHARE = 0.8
_LONGEST_SECONDS = 86_400


class Mode(enum.Enum):
    """What a connection is for."""

    READ = "read"
    WRITE = "write"
    MIGRATE = "migrate"


class ServerEngine(Engine):
    """One database on a server; what differs between them is in the methods to override.

    ``drivers`` are those it can be opened with, the first that is installed; ``extra`` is the
    one of this package that brings one. ``quote_mark`` stands around names.
    """

    drivers: ClassVar[Sequence[Driver]]
    extra: ClassVar[str]
    quote_mark: ClassVar[str]
    version_query: ClassVar[str]
    expressions: ClassVar[SQLExpressions]

    def __init__(self, url: URL, deadline: Deadline, *, create: bool = False) -> None:
        """Choose the driver; raise ConfigError if there is none, or the URL cannot be used."""
        super().__init__(with_driver(url, self.drivers, self.extra), deadline, create=create)
        self.mode = Mode.READ
        self._raw: Any = None
        # A second descriptor of the connection's socket: drivers let no other thread ask for it.
        self._line: socket.socket | None = None
        try:
            self._engine = sa.create_engine(
                self.url, creator=self._open, poolclass=NullPool, future=True
            )
        except (sa.exc.ArgumentError, ImportError, TypeError, ValueError) as error:
            raise ConfigError(
                f"the database URL cannot be used: {type(error).__name__}",
                "check what follows ? in --database-url, and that the driver works",
            ) from None
        self.dialect: Any = self._engine.dialect
        sa.event.listen(self._engine, "begin", self._begin)
        sa.event.listen(self._engine, "commit", self._commit)
        sa.event.listen(self._engine, "before_cursor_execute", self._check_deadline)

    @classmethod
    def quote(cls, name: str) -> str:
        """Quote a name; SQLAlchemy would also double every "%" in it."""
        return cls.quote_mark + name.replace(cls.quote_mark, 2 * cls.quote_mark) + cls.quote_mark

    @contextlib.contextmanager
    def open(self, *, write: bool) -> Iterator[Connection]:  # noqa: ARG002 - transaction() is told
        with self._translated(), self._engine.connect() as connection:
            yield connection

    @contextlib.contextmanager
    def transaction(self, connection: Connection, *, write: bool) -> Iterator[None]:
        """Open a transaction; others are kept out by ``ServerTable.lock``."""
        self.mode = Mode.WRITE if write else Mode.READ
        with connection.begin():
            yield

    @contextlib.contextmanager
    def connect_to_migrate(self) -> Iterator[Connection]:
        """Open a connection on which each statement is a transaction of its own.

        An index that is built beside writers can be built in no other way.
        """
        self.mode = Mode.MIGRATE
        with self._translated(), self._engine.connect() as connection:
            yield connection.execution_options(isolation_level="AUTOCOMMIT")

    @abc.abstractmethod
    def table(self, connection: Connection, name: str, column: str) -> ServerTable: ...

    def reclaim(self, name: str, column: str) -> int | None:
        with self.connect_to_migrate() as connection:
            self.table(connection, name, column).vacuum()
        return None

    def describe(self, connection: Connection) -> ConnectionInfo:
        version = str(connection.exec_driver_sql(self.version_query).scalar_one())
        driver = f"{self.dialect.driver} {version_of(self.dialect.dbapi)}".strip()
        return ConnectionInfo(self.product(version), version, driver, user_name(os.geteuid()))

    def was_stopped(self, error: Exception) -> bool:  # noqa: ARG002 - one signature for all engines
        return self.deadline.expired()

    def is_in_doubt(self, error: Exception, diagnosed: CleanupError) -> bool:  # noqa: ARG002 - as above
        return isinstance(diagnosed, UnavailableError)

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        self.deadline.check()
        try:
            with Canceller(self.deadline, self._cancel, self._cut):
                yield
        except (sa.exc.DBAPIError, sa.exc.InvalidRequestError, self.dialect.dbapi.Error) as error:
            raise self.translate_error(error) from None
        finally:
            if self._line is not None:
                self._line.close()
            self._raw = self._line = None
            self._engine.dispose()

    def _open(self) -> Any:
        """Connect; a name server or a host that does not answer must not outlast a signal."""
        arguments, options = self.dialect.create_connect_args(self.url)
        seconds = math.ceil(min(self.deadline.remaining, _LONGEST_SECONDS))
        options = {**self.options(seconds), **options}
        try:
            self._raw = call_interruptibly(
                lambda: self.dialect.connect(*arguments, **options), self.deadline
            )
        except (AttributeError, LookupError, TypeError, ValueError) as error:
            raise diagnoses.BAD_URL.explain() from error
        except self.dialect.dbapi.ProgrammingError as error:
            # Nothing has been asked of the server yet: it is what the URL says.
            raise self.diagnose(error) or diagnoses.BAD_URL.explain() from error
        except RuntimeError as error:  # PyMySQL: a way to log in that needs another package
            raise ConfigError(
                f"the driver cannot log in: {error}", "apt install python3-cryptography"
            ) from None
        self._line = socket.socket(fileno=socket.dup(self.descriptor(self._raw)))
        return self._raw

    def _begin(self, _: Connection) -> None:
        remaining = self.deadline.remaining if math.isfinite(self.deadline.timeout) else None
        self._committing = False
        cursor = self._raw.cursor()
        for statement in self.preamble(self.mode, remaining):
            cursor.execute(statement)
        cursor.close()

    def _check_deadline(self, *_: object) -> None:
        self.deadline.check()

    def _commit(self, _: Connection) -> None:
        self._committing = self.mode is Mode.WRITE

    def _cancel(self) -> None:
        if self._raw is not None:
            self.cancel(self._raw)

    def _cut(self) -> None:
        if self._line is not None:
            self._line.shutdown(socket.SHUT_RDWR)

    @abc.abstractmethod
    def product(self, version: str) -> str:
        """Return what the server is called, by the version that it tells."""

    @abc.abstractmethod
    def options(self, seconds: int) -> dict[str, object]:
        """Return the driver's options for a connection that may take so long."""

    @abc.abstractmethod
    def preamble(self, mode: Mode, seconds: float | None) -> Sequence[str]:
        """Return what to execute first in a transaction that may take so long (None: for ever)."""

    @abc.abstractmethod
    def cancel(self, raw: Any) -> None:
        """Ask the server to end the statement that the driver's connection waits for."""

    @abc.abstractmethod
    def descriptor(self, raw: Any) -> int:
        """Return the socket of the driver's connection."""


def lock_seconds(seconds: float) -> float:
    """Return how long to wait for one lock in a run that may take so long."""
    return max(seconds * _LOCK_SHARE, 0.001)
