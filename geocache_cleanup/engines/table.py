"""A table to prune: what each engine tells of it and does with it, on one connection."""

import abc
import contextlib
import datetime as dt
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.sql.expression import ColumnElement, TableClause

from geocache_cleanup.errors import ConfigError
from geocache_cleanup.times.instants import Stored

if TYPE_CHECKING:
    from geocache_cleanup.engines.backlog import Backlog
    from geocache_cleanup.engines.base import Engine
    from geocache_cleanup.times.stored_ranges import Range

Condition = ColumnElement[bool]


@dataclass(frozen=True)
class StaleCondition:
    """Two exact predicates for one part of the table: its stale rows, and its unreadable ones.

    None means that there can be none. ``bounds`` hold both in the order of an index, if one is
    to be used, and ``judged`` leaves out of these what is soon seen to be fresh.
    """

    stale: Condition | None
    unreadable: Condition | None = None
    bounds: "Range | None" = None
    judged: Condition | None = None


@dataclass(frozen=True, eq=False)
class Table(abc.ABC):
    """The table as it was found in the database; every method raises CleanupError.

    ``index`` names an index that leads with the time column. ``atomic`` is false where the
    engine cannot undo what an interrupted run did.
    """

    engine: "Engine"
    connection: Connection
    clause: TableClause
    column: ColumnElement[object]
    name: str
    column_name: str
    column_type: str
    index: str | None
    columns: Sequence[str]
    key: Sequence[str]
    atomic: bool = True

    @property
    def is_native(self) -> bool:
        """Whether the type of the time column is one of dates or times."""
        return False

    def compare(self, now: "Table") -> None:
        """Raise ConfigError if the time column is ``now`` not what its conditions were made for."""
        if (now.column_name, now.column_type) != (self.column_name, self.column_type):
            raise self.changed(
                f"the column {self.column_name!r} was changed from {self.column_type!r} to "
                f"{now.column_type!r}"
            )

    def changed(self, what: str) -> ConfigError:
        """Return the error that somebody has changed the table in the middle of a run."""
        return ConfigError(
            f"{what} while the run was at work",
            "look at it with geocache-cleanup check, and run it again",
        )

    @abc.abstractmethod
    def stale_conditions(self, cutoff: int, now: int, zone: dt.tzinfo) -> Sequence[StaleCondition]:
        """Return the conditions which together find every stale row, each row once.

        ``cutoff`` and ``now`` are instants, ``zone`` that of stored times without one.
        """

    @abc.abstractmethod
    def backlog(self, conditions: Sequence[StaleCondition], seconds: float) -> "Backlog":
        """Return what finds the stale rows.

        Where others wait for it, in transactions of no more than ``seconds``.
        """

    def count_stale(
        self,
        conditions: Sequence[StaleCondition],
        seconds: float,  # noqa: ARG002 - for those that lock others out
    ) -> int:
        """Count the stale rows, in transactions as short as those of ``backlog``."""
        with self.engine.transaction(self.connection, write=False):
            return self.count(any_stale(conditions))

    @abc.abstractmethod
    def stored_times(self) -> Iterable[tuple[Stored, int]]:
        """Yield every stored time as it is, with the number of rows that hold it."""

    @abc.abstractmethod
    def may_cascade(self) -> bool:
        """Tell whether triggers or foreign keys may keep rows or take others."""

    def can_be_tried(self) -> bool:
        """Tell whether a deletion can be undone, with what triggers and foreign keys do."""
        return self.atomic

    def constraints_in_time(self) -> AbstractContextManager[None]:
        """Raise CleanupError at the end for what would only be refused at the commit."""
        return contextlib.nullcontext()

    @abc.abstractmethod
    def create_index(self, index: sa.Index) -> bool:
        """Create an index on the time column; return whether there was none of its name."""

    @abc.abstractmethod
    def lock(self) -> None:
        """Keep other runs from the table until the transaction ends.

        Raise TemporaryError if one is at work.
        """

    def prune(self, part: StaleCondition, *, dry_run: bool) -> tuple[int, int]:
        """Delete the stale rows of a part, or only count them; count what cannot be read there.

        Return both numbers.
        """
        stale = 0
        if part.stale is not None:
            stale = self.count(part.stale) if dry_run else self.delete(part.stale)
        # Counted afterwards, when the stale rows are out of the way; see the table of MySQL.
        return stale, self.count_unreadable([part])

    def delete(self, condition: Condition) -> int:
        """Delete the rows of a condition; return how many there were."""
        return int(self.connection.execute(sa.delete(self.clause).where(condition)).rowcount)

    def tally(self) -> int:
        """Return a number that falls by one with each row that goes; the rows, if nothing else."""
        return self.count()

    def count_deleted(self, before: int, rows: int) -> int:
        """Return how many rows went since ``tally`` was ``before``; ``rows`` of them were stale.

        More than those, where cascades and triggers take others; what others add meanwhile
        may hide some of these.
        """
        return max(rows, before - self.tally())

    def check_writable(self) -> None:
        """Raise CleanupError if rows of the table could not be deleted; change nothing."""
        self.connection.execute(sa.delete(self.clause).where(sa.false()))

    def count(self, condition: Condition | None = None, most: int | None = None) -> int:
        """Count the rows of a condition, or all of them; stop at ``most``."""
        rows: Any = sa.select(sa.literal_column("1")).select_from(self.clause)
        if condition is not None:
            rows = rows.where(condition)
        counted = sa.select(sa.func.count()).select_from(rows.limit(most).subquery())
        return int(self.connection.execute(counted).scalar_one())

    def count_unreadable(self, conditions: Sequence[StaleCondition]) -> int:
        """Count the values that the conditions meet and cannot read."""
        return sum(
            self.count(condition.unreadable)
            for condition in conditions
            if condition.unreadable is not None
        )


def any_stale(conditions: Sequence[StaleCondition]) -> Condition:
    """Return the condition that some condition finds a row stale."""
    return sa.or_(sa.false(), *(found.stale for found in conditions if found.stale is not None))


def merged(conditions: Sequence[StaleCondition]) -> StaleCondition:
    """Return one condition in place of several, for a table that has to be read as a whole."""
    stale = [found.stale for found in conditions if found.stale is not None]
    unreadable = [found.unreadable for found in conditions if found.unreadable is not None]
    return StaleCondition(
        stale=sa.or_(*stale) if stale else None,
        unreadable=sa.or_(*unreadable) if unreadable else None,
    )
