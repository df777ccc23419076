"""A MariaDB or MySQL table: its lock, its stored times, how it is deleted from."""

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.sql.expression import Delete

from geocache_cleanup.engines.backlog import Backlog, CountedBacklog
from geocache_cleanup.engines.mysql import guards, session
from geocache_cleanup.engines.mysql.index import create_index
from geocache_cleanup.engines.server import diagnoses
from geocache_cleanup.engines.server.kinds import NUMBERS, Column, Kind
from geocache_cleanup.engines.server.table import ServerTable
from geocache_cleanup.engines.table import Condition, StaleCondition
from geocache_cleanup.errors import ConfigError

_WRITTEN = {
    Kind.MOMENT: "%Y-%m-%dT%H:%i:%s.%fZ",
    Kind.LOCAL: "%Y-%m-%d %H:%i:%s.%f",
    Kind.DATE: "%Y-%m-%d",
}


@dataclass(frozen=True, eq=False, kw_only=True)
class MySQLTable(ServerTable):
    """The table, of whatever storage engine."""

    def try_lock(self) -> bool:
        """Take the lock, which ends with the connection."""
        lock = session.lock_sql(f"{self.clause.schema}.{self.name}")
        taken, mode = self.execute(f"SELECT {lock}, @@GLOBAL.read_only").one()
        if mode not in {0, "OFF"}:
            # An administrator's account may write all the same.
            raise diagnoses.READ_ONLY.explain("read_only is set")
        return bool(taken)

    def stale_conditions(self, cutoff: int, now: int, zone: dt.tzinfo) -> Sequence[StaleCondition]:
        """Return the unreadable ones first, while the index alone tells.

        Every row that was just deleted InnoDB would look up in the table, which takes about as
        long again as half the deletion.
        """
        parts: list[StaleCondition] = []
        for part in super().stale_conditions(cutoff, now, zone):
            parts += [StaleCondition(None, part.unreadable), StaleCondition(part.stale)]
        return [part for part in parts if not (part.stale is None and part.unreadable is None)]

    def stale_rows(self, stale: Condition, count_unreadable: Callable[[], int]) -> Backlog:
        def count(most: int) -> int:
            with self.engine.transaction(self.connection, write=False):
                return self.count(stale, most)

        def some(rows: int) -> Delete:
            # SQLAlchemy has a limit for DELETE only since 2.0.37.
            return sa.delete(self.clause).where(stale, sa.text(f"TRUE LIMIT {rows}"))

        return CountedBacklog(count, count_unreadable, some)

    def may_cascade(self) -> bool:
        return guards.may_cascade(self)

    def can_be_tried(self) -> bool:
        return guards.can_be_tried(self)

    def shown_time(self) -> Column:
        column, kind = self.time.bare, self.time.kind
        if kind in _WRITTEN:
            return sa.func.date_format(column, _WRITTEN[kind])
        if kind is Kind.FLOAT:
            return column + sa.literal_column("0e0")
        if kind in NUMBERS:
            return column
        return self.engine.expressions.text(column) if kind is Kind.TEXT else sa.func.hex(column)

    def create_index(self, index: sa.Index) -> bool:
        return create_index(self, str(index.name))

    def vacuum(self) -> None:
        """Rebuild the table; raise ConfigError on a cluster, all of which would stand still."""
        cluster = self.execute("SHOW STATUS LIKE 'wsrep_ready'").first()
        if cluster is not None and cluster[1] == "ON":
            raise ConfigError(
                "OPTIMIZE TABLE would stop a Galera cluster",
                "leave --reclaim out, or rebuild the table node by node (wsrep_OSU_method = RSU)",
            )
        for row in self.execute(f"OPTIMIZE TABLE {self.quoted}"):
            # Errors come as rows of the result.
            if str(row[2]).lower() == "error":
                raise ConfigError(f"the table cannot be rebuilt: {row[3]}", "see the server's log")
