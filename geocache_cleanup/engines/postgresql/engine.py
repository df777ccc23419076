"""PostgreSQL 13 and later, by psycopg2 or psycopg 3."""

import re
import socket
from collections.abc import Iterator, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from geocache_cleanup.engines.postgresql import catalog, errors, inspection, session
from geocache_cleanup.engines.postgresql.expressions import PostgreSQLExpressions
from geocache_cleanup.engines.postgresql.table import MIGRATION_LOCK, PostgreSQLTable
from geocache_cleanup.engines.server import diagnoses
from geocache_cleanup.engines.server.drivers import Driver
from geocache_cleanup.engines.server.engine import Mode, ServerEngine
from geocache_cleanup.engines.server.index import printed_index
from geocache_cleanup.errors import CleanupError

_ANSWER_SECONDS = 3


class PostgreSQLEngine(ServerEngine):
    """One PostgreSQL database."""

    drivers = (
        Driver("psycopg2", "psycopg2", "python3-psycopg2"),
        Driver("psycopg", "psycopg", "python3-psycopg"),
    )
    extra = "postgresql"
    quote_mark = '"'
    version_query = "SHOW server_version"
    expressions = PostgreSQLExpressions()
    time_type = sa.Text(collation="C")
    lasting = "SET LOGGED"

    @classmethod
    def index_sql(cls, dialect: sa.engine.Dialect, index: sa.Index) -> str:  # noqa: ARG003 - one signature for all engines
        return printed_index(index, cls.quote, "CREATE INDEX CONCURRENTLY IF NOT EXISTS")

    def table(self, connection: Connection, name: str, column: str) -> PostgreSQLTable:
        return inspection.inspect_table(self, connection, name, column)

    def schema_of(self, connection: Connection, name: str) -> str | None:
        found = connection.execute(catalog.SCHEMA_OF, {"name": name}).scalar()
        return None if found is None else str(found)

    def prepare_migration(self, connection: Connection, schema: str | None) -> None:
        """Set the search path and lock, but for a pooler, which would give both to others."""
        if session.is_pooled(self._raw):
            return
        if schema:
            connection.execute(catalog.ENTER, {"schema": schema})
        if not connection.exec_driver_sql(MIGRATION_LOCK).scalar_one():
            raise diagnoses.MIGRATING.explain()

    def outlasts_crash(self, connection: Connection, name: str, schema: str | None) -> bool:
        """Look whether it is UNLOGGED: the server empties such tables after a crash."""
        full = ".".join(self.quote(part) for part in (schema, name) if part)
        found = connection.execute(catalog.IS_LOGGED, {"name": full}).scalar()
        return bool(found is not False)

    def findings(self, connection: Connection) -> Iterator[tuple[str, str]]:
        for name in connection.execute(catalog.NOT_DURABLE).scalars():
            yield (
                f"{name} of the server is off: a power cut may undo a run, or damage the table",
                f"set {name} = on in postgresql.conf",
            )

    def product(self, version: str) -> str:  # noqa: ARG002 - as above
        return "PostgreSQL"

    def options(self, seconds: int) -> dict[str, object]:
        """Return the driver's options; probes notice a host that has gone without a word."""
        options: dict[str, object] = {
            "application_name": "geocache-cleanup",
            "client_encoding": "utf8",
            "connect_timeout": max(2, seconds),
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 3,
        }
        if self.dialect.driver == "psycopg":
            # A statement that is prepared on one connection a pooler may send to another.
            options["prepare_threshold"] = None
        return options

    def preamble(self, mode: Mode, seconds: float | None) -> Sequence[str]:
        if mode is Mode.MIGRATE:
            return session.migration_preamble(self._raw, seconds)
        return session.preamble(mode, seconds)

    def cancel(self, raw: Any) -> None:
        """Ask a server that is known to answer: to wait, libpq would stop all of Python."""
        assert self._line is not None
        with socket.socket(self._line.family) as trial:
            trial.settimeout(_ANSWER_SECONDS)
            trial.connect(self._address(raw))
            # Who sends nothing is only disconnected; the server logs nothing of it.
            trial.shutdown(socket.SHUT_WR)
            trial.recv(1)
        raw.cancel()

    def _address(self, raw: Any) -> Any:
        """Return where the server listens; its socket may have another path for itself."""
        assert self._line is not None
        if self._line.family == socket.AF_UNIX:
            return re.sub("^@", "\0", f"{raw.info.host}/.s.PGSQL.{raw.info.port}")
        return self._line.getpeername()

    def descriptor(self, raw: Any) -> int:
        return int(raw.fileno())

    def diagnose(self, error: Exception) -> CleanupError | None:
        return errors.diagnose(error)
