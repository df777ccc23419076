"""PostgreSQL 13 and later, by psycopg2 or psycopg 3."""

import math
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from geocache_cleanup.engines.postgresql import errors, inspection
from geocache_cleanup.engines.postgresql.expressions import PostgreSQLExpressions
from geocache_cleanup.engines.postgresql.index import printed_index
from geocache_cleanup.engines.postgresql.table import PostgreSQLTable
from geocache_cleanup.engines.server.drivers import Driver
from geocache_cleanup.engines.server.engine import Mode, ServerEngine, lock_seconds
from geocache_cleanup.errors import CleanupError

# What the server allows itself on top: this program cancels first and says why.
_GRACE_SECONDS = 5
# A replica says so at once, before anything is searched; asking for READ WRITE would override
# a role that is set read-only on purpose.
_MUST_WRITE = (
    "DO $$BEGIN IF current_setting('transaction_read_only')::boolean THEN"
    " RAISE read_only_sql_transaction USING MESSAGE = 'a replica, or a read-only role';"
    " END IF; END$$"
)


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

    @classmethod
    def index_sql(cls, dialect: sa.engine.Dialect, index: sa.Index) -> str:  # noqa: ARG003 - one signature for all engines
        return printed_index(index, cls.quote)

    def table(self, connection: Connection, name: str, column: str) -> PostgreSQLTable:
        return inspection.inspect_table(self, connection, name, column)

    def check_deferred_constraints(self, connection: Connection) -> None:
        connection.exec_driver_sql("SET CONSTRAINTS ALL IMMEDIATE")

    def product(self, version: str) -> str:  # noqa: ARG002 - as above
        return "PostgreSQL"

    def options(self, seconds: int) -> dict[str, object]:
        """Return the driver's options; probes notice a host that has gone without a word."""
        return {
            "application_name": "geocache-cleanup",
            "connect_timeout": max(2, seconds),
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 3,
        }

    def preamble(self, mode: Mode, seconds: float | None) -> Sequence[str]:
        """Return what to execute first; local settings suit connection poolers as well."""
        scope = "SESSION" if mode is Mode.MIGRATE else "LOCAL"
        settings = ["TIME ZONE 'UTC'", "standard_conforming_strings = on"]
        if seconds is not None:
            settings += [
                f"lock_timeout = {_milliseconds(lock_seconds(seconds))}",
                f"statement_timeout = {_milliseconds(seconds + _GRACE_SECONDS)}",
                f"idle_in_transaction_session_timeout = {_milliseconds(seconds + _GRACE_SECONDS)}",
            ]
        begin = []
        if mode is not Mode.MIGRATE:
            # Rows that a policy would hide are not told from rows that are not there.
            settings.append("row_security = off")
            # Of a row that is being refreshed, READ COMMITTED judges what it then holds.
            begin = ["SET TRANSACTION ISOLATION LEVEL READ COMMITTED"]
            begin.append("SET TRANSACTION READ ONLY" if mode is Mode.READ else _MUST_WRITE)
        return [*begin, *(f"SET {scope} {setting}" for setting in settings)]

    def cancel(self, raw: Any) -> None:
        raw.cancel()

    def descriptor(self, raw: Any) -> int | None:
        return int(raw.fileno())

    def diagnose(self, error: Exception) -> CleanupError | None:
        return errors.diagnose(error)


def _milliseconds(seconds: float) -> int:
    return min(max(1, math.ceil(seconds * 1_000)), 2**31 - 1)
