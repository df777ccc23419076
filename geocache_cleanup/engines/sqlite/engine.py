"""SQLite files: opened without ever creating one, locked with patience, errors explained."""

import contextlib
import os
import sqlite3
import time
import urllib.parse
from typing import ContextManager, Iterator, NoReturn, Sequence, Union

import sqlalchemy as sa
from sqlalchemy.engine import URL, Connection
from sqlalchemy.pool import NullPool

from geocache_cleanup.deadline import Deadline
from geocache_cleanup.engines.backlog import Backlog
from geocache_cleanup.engines.base import StaleCondition, Target, connect
from geocache_cleanup.engines.sqlite import backlog, errors, search, wal
from geocache_cleanup.engines.sqlite import table as sqlite_table
from geocache_cleanup.engines.sqlite.path import check_file, file_path
from geocache_cleanup.errors import PermissionRefusedError

# SQLite's own wait answers no signal, and asks ever less often: an application that writes
# without a pause would keep the run out for long.
_SECONDS_BETWEEN_TRIES = 0.002
# Enough for what a large DELETE changes, and well inside the memory limit of the unit.
_CACHE_KIB = 128 * 1024
# The virtual machine runs some thousands of instructions in a millisecond.
_INSTRUCTIONS_PER_LOOK = 4_000


class SQLite:
    """One SQLite database file."""

    inspect_table = staticmethod(sqlite_table.inspect_table)
    stale_conditions = staticmethod(search.stale_conditions)
    delete_statement = staticmethod(sqlite_table.delete_statement)
    stored_times = staticmethod(sqlite_table.stored_times)
    spare_pages = staticmethod(sqlite_table.spare_pages)
    may_cascade = staticmethod(sqlite_table.may_cascade)

    def __init__(self, path: str, deadline: Deadline, *, create: bool = False) -> None:
        # SQLite keeps the journal and the log beside the file itself, never beside a link to it.
        self.path = os.path.realpath(path)
        self._deadline = deadline
        self._create = create
        self._write = self._committing = False
        self._engine = sa.create_engine(
            "sqlite://", creator=self._open, poolclass=NullPool, future=True
        )
        sa.event.listen(self._engine, "begin", self._begin)
        sa.event.listen(self._engine, "commit", self._commit)
        sa.event.listen(self._engine, "rollback", self._roll_back)

    @classmethod
    def from_url(cls, url: URL, deadline: Deadline, *, create: bool = False) -> "SQLite":
        """Return the backend for a URL.

        Raise ConfigError if it names no file, NoInputError if there is no such file.
        """
        path = file_path(url)
        if not (create and not os.path.lexists(path)):
            check_file(path)
        return cls(path, deadline, create=create)

    @contextlib.contextmanager
    def open(self, *, write: bool) -> Iterator[Connection]:
        """Open the file; see ``backend.Backend.open``."""
        self._write = write
        try:
            with self._engine.connect() as connection:
                yield connection
        except (sqlite3.Error, sa.exc.DBAPIError) as error:
            self._explain(error)
        except UnicodeDecodeError:  # sqlite3 fails to decode the message about a damaged schema
            raise errors.damaged_schema(self.path) from None
        finally:
            self._engine.dispose()

    @contextlib.contextmanager
    def transaction(self, connection: Connection, *, write: bool) -> Iterator[None]:
        """See ``backend.Backend.transaction``."""
        self._write = write
        with connection.begin():
            yield

    def connect_to_migrate(self) -> ContextManager[Connection]:
        """See ``backend.Backend.connect_to_migrate``."""
        return connect(self, write=True)

    def backlog(
        self,
        connection: Connection,
        target: Target,
        conditions: Sequence[StaleCondition],
        seconds: float,
    ) -> Backlog:
        """See ``backend.Backend.backlog``."""
        assert isinstance(target, sqlite_table.SQLiteTarget)
        wal.prepare(sqlite_table.driver_connection(connection))
        return backlog.find(
            connection,
            lambda: self.transaction(connection, write=False),
            target,
            conditions,
            seconds,
        )

    def after_batch(self, connection: Connection) -> None:
        """See ``backend.Backend.after_batch``."""
        wal.write_back(sqlite_table.driver_connection(connection), self.path)

    def reclaim(self, table: str, column: str) -> int:  # noqa: ARG002 - it is the file that shrinks
        """See ``backend.Backend.reclaim``."""
        from geocache_cleanup.engines.sqlite import reclaim  # imports what few runs need

        with self.open(write=True) as connection:
            raw = sqlite_table.driver_connection(connection)
            try:
                return reclaim.reclaim(
                    raw, self.path, lambda text: self._execute_waiting(raw, text)
                )
            except OSError as error:  # the file is gone, for instance
                raise errors.failing(self.path, error) from None

    def lock(self, connection: Connection, target: Target) -> None:
        """See ``backend.Backend.lock``: the file's own lock is held already."""

    def check_deferred_constraints(self, connection: Connection) -> None:
        """SQLite tells only at the commit itself."""

    def check_writable(self, connection: Connection, target: Target) -> None:
        """Raise CleanupError if rows of the table could not be deleted; change nothing."""
        connection.execute(sa.delete(target.table).where(sa.false()))
        journal = connection.exec_driver_sql("PRAGMA journal_mode").scalar_one()
        # Only the first change would make this journal, and tell that it cannot be made.
        if journal == "delete" and not os.access(errors.directory(self.path), os.W_OK):
            raise PermissionRefusedError(
                f"no permission to write the directory of {self.path!r}", errors.AS_OWNER
            )

    def _open(self) -> sqlite3.Connection:
        # Quoting makes any path a valid part of a URI.
        mode = "rwc" if self._create else "rw"
        uri = f"file:{urllib.parse.quote(os.fsencode(os.path.abspath(self.path)))}?mode={mode}"
        is_new = not os.path.exists(self.path)
        connection = sqlite3.connect(uri, uri=True, timeout=0, isolation_level=None)
        if is_new and os.geteuid() == 0:
            # What root makes in the directory of a service belongs to that service.
            owner = os.stat(errors.directory(self.path))
            os.chown(self.path, owner.st_uid, owner.st_gid)
        self._deadline.finishing = False
        connection.set_progress_handler(self._is_over, _INSTRUCTIONS_PER_LOOK)
        # Setting the size of the cache reads the schema, and so may have to wait for others.
        self._execute_waiting(connection, f"PRAGMA cache_size = -{_CACHE_KIB}")
        self._execute_waiting(connection, "PRAGMA foreign_keys = ON")
        # Syncs the directory too: else a power cut brings back the journal that undoes a commit.
        self._execute_waiting(connection, "PRAGMA synchronous = EXTRA")
        if not self._write:
            self._execute_waiting(connection, "PRAGMA query_only = ON")
        return connection

    def _is_over(self) -> bool:
        """Tell whether a statement must end; what writes then undoes all before it returns."""
        is_over = self._deadline.expired()
        if is_over and self._write:
            self._deadline.finishing = True
        return is_over

    def _begin(self, connection: Connection) -> None:
        raw = sqlite_table.driver_connection(connection)
        self._deadline.finishing = False
        if self._write:
            self._execute_waiting(raw, "BEGIN IMMEDIATE")
            return
        self._execute_waiting(raw, "BEGIN")
        # The first read takes the lock that the later ones then have.
        self._execute_waiting(raw, "SELECT count(*) FROM sqlite_master")

    def _commit(self, connection: Connection) -> None:
        self._committing = self._write
        self._deadline.finishing = True
        self._execute_waiting(sqlite_table.driver_connection(connection), "COMMIT")
        self._committing = False

    def _roll_back(self, _: Connection) -> None:
        self._deadline.finishing = True

    def _execute_waiting(self, raw: sqlite3.Connection, statement: str) -> None:
        """Execute a statement that may have to wait for the locks of others."""
        while True:
            try:
                raw.execute(statement).fetchall()
            except sqlite3.OperationalError as error:
                if errors.primary_code(error) != sqlite3.SQLITE_BUSY or self._deadline.expired():
                    raise
                time.sleep(_SECONDS_BETWEEN_TRIES)
            else:
                return

    def _explain(self, error: Union[sqlite3.Error, sa.exc.DBAPIError]) -> NoReturn:
        """Raise what an error of SQLite means to the admin; a bug stays what it is."""
        original = error.orig if isinstance(error, sa.exc.DBAPIError) else error
        assert isinstance(original, BaseException)
        code = errors.primary_code(original)
        explained = errors.explain(original, self.path)
        # Where it is the end of a commit that fails, such as giving up the lock, the rows are gone.
        if explained and self._committing and code == sqlite3.SQLITE_IOERR:
            raise explained.of_commit()
        # A busy database is the cause of a timeout, a signal that of nothing but itself.
        if code == sqlite3.SQLITE_INTERRUPT or self._deadline.signal is not None:
            self._deadline.check()
        raise explained or error
