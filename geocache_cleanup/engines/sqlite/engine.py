"""SQLite files: opened without ever creating one unasked, locked with patience."""

import contextlib
import os
import sqlite3
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import URL, Connection
from sqlalchemy.pool import NullPool

from geocache_cleanup.deadline import Deadline
from geocache_cleanup.engines.base import Engine
from geocache_cleanup.engines.connection_info import ConnectionInfo, owner_name, user_name
from geocache_cleanup.engines.sqlite import errors
from geocache_cleanup.engines.sqlite.driver import connect, driver_connection, pragma
from geocache_cleanup.engines.sqlite.inspection import inspect_table
from geocache_cleanup.engines.sqlite.path import check_file, file_path, files_of, may_hold_password
from geocache_cleanup.engines.sqlite.table import SQLiteTable
from geocache_cleanup.errors import CleanupError

# SQLite's own wait answers no signal, and asks ever less often: an application that writes
# without a pause would keep the run out for long.
_SECONDS_BETWEEN_TRIES = 0.002
# Enough for what a large DELETE changes, and well inside the memory limit of the unit.
_CACHE_KIB = 128 * 1024
# The virtual machine runs some thousands of instructions in a millisecond.
_INSTRUCTIONS_PER_LOOK = 4_000


class SQLiteEngine(Engine):
    """One SQLite database file."""

    is_embedded = True
    has_schemas = False

    def __init__(self, url: URL, deadline: Deadline, *, create: bool = False) -> None:
        """Raise ConfigError if the URL names no file, NoInputError if there is no such file."""
        super().__init__(url, deadline, create=create)
        path = file_path(url)
        if not (create and not os.path.lexists(path)):
            check_file(path)
        # SQLite keeps the journal and the log beside the file itself, never beside a link to it.
        self.path = os.path.realpath(path)
        self._create = create
        self._write = False
        self._engine = sa.create_engine(
            "sqlite://", creator=self._open, poolclass=NullPool, future=True
        )
        sa.event.listen(self._engine, "begin", self._begin)
        sa.event.listen(self._engine, "commit", self._commit)
        sa.event.listen(self._engine, "rollback", self._roll_back)

    @classmethod
    def read_url(cls, url: URL, text: str) -> URL:
        """Keep the path as it was written: SQLAlchemy decodes percent-encoding since 2.1."""
        url = url.set(database=text.partition(":///")[2].partition("?")[0]) if url.database else url
        if "@" in (url.host or "") or may_hold_password(url.database or ""):
            raise ValueError
        return url

    @classmethod
    def shown_url(cls, url: URL) -> str:
        return f"{url.drivername}:///{url.database or ''}"

    @classmethod
    def files_of(cls, url: URL) -> frozenset[str]:
        return files_of(url)

    @contextlib.contextmanager
    def open(self, *, write: bool) -> Iterator[Connection]:
        self._write = write
        try:
            with self._engine.connect() as connection:
                yield connection
        except (sqlite3.Error, sa.exc.DBAPIError) as error:
            raise self.translate_error(error)  # noqa: B904 - the cause is part of what a bug says
        except UnicodeDecodeError:  # sqlite3 fails to decode the message about a damaged schema
            raise errors.damaged(self.path, "its schema is not valid UTF-8") from None
        finally:
            self._engine.dispose()

    @contextlib.contextmanager
    def transaction(self, connection: Connection, *, write: bool) -> Iterator[None]:
        self._write = write
        with connection.begin():
            yield

    def connect_to_migrate(self) -> AbstractContextManager[Connection]:
        return self.connect(write=True)

    def table(self, connection: Connection, name: str, column: str) -> SQLiteTable:
        return inspect_table(self, connection, name, column)

    def after_batch(self, connection: Connection) -> None:
        from geocache_cleanup.engines.sqlite import wal  # a run at once needs it not

        wal.write_back(driver_connection(connection), self.path)

    def reclaim(self, name: str, column: str) -> int:  # noqa: ARG002 - it is the file that shrinks
        from geocache_cleanup.engines.sqlite import reclaim  # imports what few runs need

        with self.open(write=True) as connection:
            raw = driver_connection(connection)
            try:
                return reclaim.reclaim(self.path, lambda text: self._execute_waiting(raw, text))
            except OSError as error:  # the file is gone, for instance
                raise errors.failing(self.path, error) from None

    def layout(self, connection: Connection) -> int:
        """Return the version of the schema, which a VACUUM changes as well."""
        with self.transaction(connection, write=False):
            return int(pragma(connection, "schema_version"))

    def spare_pages(self, connection: Connection) -> int:
        """Return the pages that hold nothing, less all pages: an automatic vacuum drops some."""
        return int(pragma(connection, "freelist_count") - pragma(connection, "page_count"))

    def describe(self, connection: Connection) -> ConnectionInfo:
        status = os.stat(self.path)
        return ConnectionInfo(
            engine="SQLite",
            version=sqlite3.sqlite_version,
            driver=f"sqlite3 of Python {sys.version.split()[0]}",
            user=user_name(os.geteuid()),
            file=file_path(self.url),
            file_owner=owner_name(status.st_uid),
            file_bytes=status.st_size,
            free_bytes=pragma(connection, "freelist_count") * pragma(connection, "page_size"),
            journal_mode=pragma(connection, "journal_mode"),
        )

    def diagnose(self, error: Exception) -> CleanupError | None:
        return errors.diagnose(error, self.path)

    def was_stopped(self, error: Exception) -> bool:
        # A busy database is the cause of a timeout, a signal that of nothing but itself.
        is_interrupt = errors.primary_code(error) == sqlite3.SQLITE_INTERRUPT
        return is_interrupt or self.deadline.signal is not None

    def is_in_doubt(self, error: Exception, diagnosed: CleanupError) -> bool:  # noqa: ARG002 - one signature for all engines
        # Where it is the end of a commit that fails, such as giving up the lock, the rows are gone.
        return errors.primary_code(error) == sqlite3.SQLITE_IOERR

    def _open(self) -> sqlite3.Connection:
        connection = connect(self.path, create=self._create)
        self.deadline.finishing = False
        connection.set_progress_handler(self._check_deadline, _INSTRUCTIONS_PER_LOOK)
        # Setting the size of the cache reads the schema, and so may have to wait for others.
        self._execute_waiting(connection, f"PRAGMA cache_size = -{_CACHE_KIB}")
        self._execute_waiting(connection, "PRAGMA foreign_keys = ON")
        # Syncs the directory too: else a power cut brings back the journal that undoes a commit.
        self._execute_waiting(connection, "PRAGMA synchronous = EXTRA")
        if not self._write:
            self._execute_waiting(connection, "PRAGMA query_only = ON")
        return connection

    def _check_deadline(self) -> bool:
        """Tell whether a statement must end; what writes then undoes all before it returns."""
        is_over = self.deadline.expired()
        if is_over and self._write:
            self.deadline.finishing = True
        return is_over

    def _begin(self, connection: Connection) -> None:
        raw = driver_connection(connection)
        self.deadline.finishing = self._committing = False
        if self._write:
            self._execute_waiting(raw, "BEGIN IMMEDIATE")
            return
        self._execute_waiting(raw, "BEGIN")
        # The first read takes the lock that the later ones then have.
        self._execute_waiting(raw, "SELECT count(*) FROM sqlite_master")

    def _commit(self, connection: Connection) -> None:
        self._committing = self._write
        self.deadline.finishing = True
        self._execute_waiting(driver_connection(connection), "COMMIT")
        self._committing = False

    def _roll_back(self, _: Connection) -> None:
        self.deadline.finishing = True

    def _execute_waiting(self, raw: sqlite3.Connection, statement: str) -> list[Any]:
        """Execute a statement that may have to wait for the locks of others; return its rows."""
        while True:
            try:
                return raw.execute(statement).fetchall()
            except sqlite3.OperationalError as error:
                is_busy = errors.primary_code(error) == sqlite3.SQLITE_BUSY
                if not is_busy or self.deadline.expired():
                    raise
                time.sleep(_SECONDS_BETWEEN_TRIES)
