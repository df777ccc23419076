"""A table on a server: what is the same on all of them."""

import abc
import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from geocache_cleanup.engines.backlog import Backlog
from geocache_cleanup.engines.server import search
from geocache_cleanup.engines.server.kinds import NATIVE, Column, TimeColumn, stored
from geocache_cleanup.engines.table import Condition, StaleCondition, Table, any_stale
from geocache_cleanup.errors import TemporaryError
from geocache_cleanup.times.instants import Stored

if TYPE_CHECKING:
    from geocache_cleanup.engines.server.engine import ServerEngine


@dataclass(frozen=True, eq=False, kw_only=True)
class ServerTable(Table):
    """The table on a server; ``identity`` is the server's own number for it, where it has one."""

    engine: "ServerEngine"
    time: TimeColumn
    identity: int = 0

    @property
    def is_native(self) -> bool:
        return self.time.kind in NATIVE

    @property
    def quoted(self) -> str:
        """The table's name with its schema, as the server wants it quoted."""
        return self.engine.quote(str(self.clause.schema)) + "." + self.engine.quote(self.name)

    def lock(self) -> None:
        if not self.try_lock():
            raise TemporaryError(
                f"another run is at work on {self.name!r}", "wait for it; running again is safe"
            )

    def stale_conditions(self, cutoff: int, now: int, zone: dt.tzinfo) -> Sequence[StaleCondition]:
        return search.stale_conditions(self.time, cutoff, now, zone, self.engine.expressions)

    def backlog(
        self,
        conditions: Sequence[StaleCondition],
        seconds: float,  # noqa: ARG002 - reading locks nobody out
    ) -> Backlog:
        def count_unreadable() -> int:
            with self.engine.transaction(self.connection, write=False):
                return self.count_unreadable(conditions)

        return self.stale_rows(any_stale(conditions), count_unreadable)

    def stored_times(self) -> Iterator[tuple[Stored, int]]:
        statement = sa.select(self.shown_time(), sa.func.count()).group_by(sa.literal_column("1"))
        statement = statement.select_from(self.clause).execution_options(stream_results=True)
        for value, rows in self.connection.execute(statement):
            yield stored(value, self.time.kind), rows

    def execute(self, statement: str) -> Any:
        """Execute a statement that holds names: in them a "%" is no parameter of the drivers."""
        return self.connection.exec_driver_sql(statement.replace("%", "%%"))

    @abc.abstractmethod
    def try_lock(self) -> bool:
        """Take the table's advisory lock if it is free."""

    @abc.abstractmethod
    def stale_rows(self, stale: Condition, count_unreadable: Callable[[], int]) -> Backlog:
        """Return the backlog of the rows of a condition.

        What cannot be read is counted last, when most of the stale rows are out of the way.
        """

    @abc.abstractmethod
    def shown_time(self) -> Column:
        """Return the time column as text or a number that ``instants`` reads alike."""

    @abc.abstractmethod
    def vacuum(self) -> None:
        """Let the table's free space be used again; raise CleanupError if the user may not."""
