"""MariaDB 10.5 and later, MySQL 8, and Galera clusters of them, by PyMySQL or mysqlclient."""

import contextlib
import datetime as dt
import hashlib
import math
import os
import secrets
from typing import Any, Optional, Sequence

import sqlalchemy as sa
from sqlalchemy.engine import URL, Connection

from geocache_cleanup.deadline import Deadline
from geocache_cleanup.engines.backlog import Backlog, CountedBacklog
from geocache_cleanup.engines.base import Condition, StaleCondition, Target, count_rows
from geocache_cleanup.engines.mysql import guards as mysql_guards
from geocache_cleanup.engines.mysql import table as mysql_table
from geocache_cleanup.engines.mysql.expressions import MySQLExpressions
from geocache_cleanup.engines.server import errors
from geocache_cleanup.engines.server.engine import Server
from geocache_cleanup.engines.server.session import Mode, lock_seconds, one_line
from geocache_cleanup.engines.server.table import ServerTarget
from geocache_cleanup.errors import CleanupError, ConfigError

_SOCKET = "/run/mysqld/mysqld.sock"
# What the server and the driver allow on top: this program cancels first and says why.
_GRACE_SECONDS = 5
# Errors with a number that says nothing, told by their words.
_WORDS = {
    "writeset size exceeded": errors.TOO_LARGE,
    "wsrep_max_ws": errors.TOO_LARGE,
    "WSREP": errors.CONFLICT,
    "wsrep": errors.CONFLICT,
}
MISLEADING = {1105, 1180}
# Other error numbers are no server's own: a trigger has chosen them for SIGNAL. Those from
# 32,768 on PyMySQL takes for negative ones.
_OWN_ERRNOS = range(6_000)


class MySQL(Server):
    """One MariaDB or MySQL database."""

    expressions = MySQLExpressions()
    stored_times = staticmethod(mysql_table.stored_times)
    may_cascade = staticmethod(mysql_guards.may_cascade)

    def __init__(self, url: URL, deadline: Deadline) -> None:
        """See ``Session``; raise ConfigError if the URL names no database, where the ledger is."""
        if not url.database:
            raise ConfigError(
                "the URL names no database", f"append it: {url.drivername}://HOST/DATABASE"
            )
        super().__init__(url, deadline)
        self._token = f"geocache_cleanup.{secrets.token_hex(16)}"

    def inspect_table(self, connection: Connection, table: str, column: str) -> ServerTarget:
        """See ``backend.Backend.inspect_table``."""
        relation = mysql_table.find_table(connection, table)
        return mysql_table.describe(connection, relation, column)

    def stale_conditions(
        self, connection: Connection, target: Target, cutoff: int, now: int, zone: dt.tzinfo
    ) -> Sequence[StaleCondition]:
        """See ``Server.conditions``; what is unreadable comes first, while the index alone tells.

        Every row that was just deleted InnoDB would look up in the table, which takes about as
        long again as half the deletion.
        """
        parts: list[StaleCondition] = []
        for search in super().stale_conditions(connection, target, cutoff, now, zone):
            parts += [StaleCondition(None, search.unreadable), StaleCondition(search.stale)]
        return [part for part in parts if not (part.stale is None and part.unreadable is None)]

    def vacuum(self, connection: Connection, target: ServerTarget) -> None:
        """See ``Server.vacuum``."""
        mysql_table.optimize(connection, target)

    def stale_rows(
        self, connection: Connection, target: Target, stale: Condition, unreadable: int
    ) -> Backlog:
        """See ``Server.stale_rows``."""

        def some(rows: int) -> sa.sql.expression.Delete:
            # SQLAlchemy has a limit for DELETE only since 2.0.37.
            return sa.delete(target.table).where(stale, sa.text(f"TRUE LIMIT {rows}"))

        return CountedBacklog(count_rows(connection, target, stale), unreadable, some)

    def check_deferred_constraints(self, connection: Connection) -> None:
        """See ``backend.Backend.check_deferred_constraints``: nothing is put off until then."""

    def options(self, seconds: int) -> dict[str, object]:
        """See ``Session.options``. The mode of the server would decide what a cast may do."""
        options: dict[str, object] = {
            "charset": "utf8mb4",
            "sql_mode": "NO_ENGINE_SUBSTITUTION",
            "connect_timeout": max(1, seconds),
            "read_timeout": seconds + _GRACE_SECONDS,
            "write_timeout": seconds + _GRACE_SECONDS,
        }
        if not self.url.host and os.path.exists(_SOCKET):
            options["unix_socket"] = _SOCKET
        return options

    def preamble(self, mode: Mode, seconds: Optional[float]) -> Sequence[str]:
        """See ``Session.preamble``."""
        is_mariadb = bool(self.dialect.is_mariadb)
        isolation = "tx_isolation" if is_mariadb else "transaction_isolation"
        settings = [
            "time_zone = '+00:00'",
            "sql_safe_updates = 0",
            # Locks no row that stays; but a binary log of statements does not go with it.
            (
                f"{isolation} = IF(@@log_bin AND @@binlog_format = 'STATEMENT',"
                " 'REPEATABLE-READ', 'READ-COMMITTED')"
            ),
        ]
        if seconds is not None:
            lock, idle = max(1, int(lock_seconds(seconds))), math.ceil(seconds) + _GRACE_SECONDS
            settings += [
                f"lock_wait_timeout = {lock}",
                f"innodb_lock_wait_timeout = {lock}",
                f"wait_timeout = {idle}",
                *([f"max_statement_time = {idle}"] if is_mariadb else []),
            ]
        statements = [f"SET SESSION {', '.join(settings)}", f"DO GET_LOCK('{self._token}', 0)"]
        if mode is not Mode.MIGRATE:
            access = "READ WRITE" if mode is Mode.WRITE else "READ ONLY"
            statements.append(f"START TRANSACTION {access}")
        return statements

    def cancel(self, raw: Any) -> None:  # noqa: ARG002 - one signature for all engines
        """See ``Session.cancel``. A balancer may choose another server: the token tells."""
        arguments, options = self.dialect.create_connect_args(self.url)
        killer = self.dialect.connect(*arguments, **{**self.options(_GRACE_SECONDS), **options})
        with contextlib.closing(killer):
            cursor = killer.cursor()
            cursor.execute(f"SELECT IS_USED_LOCK('{self._token}')")
            number = cursor.fetchone()[0]
            if number is not None:
                cursor.execute(f"KILL QUERY {int(number)}")

    def descriptor(self, raw: Any) -> Optional[int]:
        """See ``Session.descriptor``. mysqlclient keeps its socket to itself; see read_timeout."""
        number = getattr(getattr(raw, "_sock", None), "fileno", lambda: None)()
        return None if number is None else int(number)

    def explain(self, error: Exception) -> Optional[CleanupError]:
        """See ``Session.explain``."""
        number = error.args[0] if error.args else None
        said = one_line(str(error.args[1] if len(error.args) > 1 else error))
        meaning = errors.ERRNOS.get(number) if isinstance(number, int) else None
        if number in MISLEADING:
            meaning = next((found for words, found in _WORDS.items() if words in said), None)
        if isinstance(number, int) and number not in _OWN_ERRNOS:
            meaning = errors.CONSTRAINT
        if meaning is None and type(error).__name__ == "InterfaceError":
            meaning = errors.LOST
        return meaning.explain(f"{said} ({number})") if meaning else None

    def try_lock(self, connection: Connection, target: ServerTarget) -> bool:
        """See ``Server.try_lock``. The lock ends with the connection."""
        # A lock's name has 64 characters at most, a table's up to twice as many.
        table = f"{target.table.schema}.{target.name}"
        name = f"geocache_cleanup.{hashlib.sha256(table.encode()).hexdigest()[:32]}"
        return bool(connection.exec_driver_sql(f"SELECT GET_LOCK('{name}', 0)").scalar_one())
