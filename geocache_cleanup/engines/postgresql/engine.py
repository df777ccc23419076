"""PostgreSQL 13 and later, by psycopg2 or psycopg 3."""

import math
from typing import Any, Optional, Sequence

from sqlalchemy.engine import Connection

from geocache_cleanup.engines.backlog import Backlog, KeyedBacklog, SortedKeys
from geocache_cleanup.engines.base import Condition, Target
from geocache_cleanup.engines.postgresql import table as postgresql_table
from geocache_cleanup.engines.postgresql.expressions import PostgreSQLExpressions
from geocache_cleanup.engines.server import errors
from geocache_cleanup.engines.server.engine import Server
from geocache_cleanup.engines.server.session import Mode, lock_seconds, one_line
from geocache_cleanup.engines.server.table import ServerTarget
from geocache_cleanup.errors import CleanupError

# The first half of the advisory lock's key; the second is the table's own number.
_LOCK_CLASS = 0x67656F63
# What the server allows itself on top: this program cancels first and says why.
_GRACE_SECONDS = 5
# A replica says so at once, before anything is searched; asking for READ WRITE would override
# a role that is set read-only on purpose.
_MUST_WRITE = (
    "DO $$BEGIN IF current_setting('transaction_read_only')::boolean THEN"
    " RAISE read_only_sql_transaction USING MESSAGE = 'a replica, or a read-only role';"
    " END IF; END$$"
)


class PostgreSQL(Server):
    """One PostgreSQL database."""

    expressions = PostgreSQLExpressions()
    stored_times = staticmethod(postgresql_table.stored_times)
    may_cascade = staticmethod(postgresql_table.may_cascade)

    def inspect_table(self, connection: Connection, table: str, column: str) -> ServerTarget:
        """See ``backend.Backend.inspect_table``."""
        relation = postgresql_table.find_table(connection, table)
        return postgresql_table.describe(connection, relation, column)

    def vacuum(self, connection: Connection, target: ServerTarget) -> None:
        """See ``Server.vacuum``. A full one would keep the application out."""
        postgresql_table.vacuum(connection, target)

    def stale_rows(
        self, connection: Connection, target: Target, stale: Condition, unreadable: int
    ) -> Backlog:
        """See ``Server.stale_rows``: by place, so that a batch touches few pages."""
        keys = SortedKeys()
        for place in postgresql_table.places(connection, target, stale):
            keys.add(place)
        return KeyedBacklog(
            keys, unreadable, lambda some: postgresql_table.delete_places(target, stale, some)
        )

    def check_deferred_constraints(self, connection: Connection) -> None:
        """See ``backend.Backend.check_deferred_constraints``."""
        connection.exec_driver_sql("SET CONSTRAINTS ALL IMMEDIATE")

    def options(self, seconds: int) -> dict[str, object]:
        """See ``Session.options``. A host that has gone without a word is noticed by probes."""
        return {
            "application_name": "geocache-cleanup",
            "connect_timeout": max(2, seconds),
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 3,
        }

    def preamble(self, mode: Mode, seconds: Optional[float]) -> Sequence[str]:
        """See ``Session.preamble``. Local settings suit connection poolers as well."""
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
            # Of a row that is being refreshed, READ COMMITTED judges what it then holds.
            begin = ["SET TRANSACTION ISOLATION LEVEL READ COMMITTED"]
            begin.append("SET TRANSACTION READ ONLY" if mode is Mode.READ else _MUST_WRITE)
        return [*begin, *(f"SET {scope} {setting}" for setting in settings)]

    def cancel(self, raw: Any) -> None:
        """See ``Session.cancel``."""
        raw.cancel()

    def descriptor(self, raw: Any) -> Optional[int]:
        """See ``Session.descriptor``."""
        return int(raw.fileno())

    def explain(self, error: Exception) -> Optional[CleanupError]:
        """See ``Session.explain``."""
        state = getattr(error, "pgcode", None) or getattr(error, "sqlstate", None)
        diagnosis = getattr(error, "diag", None)
        said = getattr(diagnosis, "message_primary", None) or one_line(str(error))
        meaning = errors.of_sqlstate(state)
        if meaning is None and getattr(diagnosis, "context", None):
            # It went wrong inside of a function of the database: that of a trigger.
            meaning = errors.CONSTRAINT
        if meaning is None and state is None:
            meaning = _by_words(error, said)
        return meaning.explain(said) if meaning else None

    def try_lock(self, connection: Connection, target: ServerTarget) -> bool:
        """See ``Server.try_lock``. The lock ends with the transaction."""
        key = target.identity if target.identity < 2**31 else target.identity - 2**32
        statement = f"SELECT pg_try_advisory_xact_lock({_LOCK_CLASS}, {key})"
        return bool(connection.exec_driver_sql(statement).scalar_one())


def _by_words(error: Exception, said: str) -> Optional[errors.Meaning]:
    for words, meaning in errors.POSTGRESQL_WORDS.items():
        if words in said:
            return meaning
    kind = type(error).__name__
    if kind == "InterfaceError" or ("connection" in said and "SSL" in said):
        return errors.LOST
    return errors.UNREACHABLE if kind in {"OperationalError", "ConnectionTimeout"} else None


def _milliseconds(seconds: float) -> int:
    return min(max(1, math.ceil(seconds * 1_000)), 2**31 - 1)
