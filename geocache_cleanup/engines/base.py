"""What the work needs from a database, whichever it is."""

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, ContextManager, Iterable, Iterator, Optional, Protocol, Sequence

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from geocache_cleanup.times.instants import Stored

if TYPE_CHECKING:
    import datetime as dt

    from geocache_cleanup.engines.backlog import Backlog
    from geocache_cleanup.times.stored_ranges import Range

Condition = sa.sql.expression.ColumnElement[bool]


@dataclass(frozen=True)
class Target:
    """The table to prune, as found in the database.

    ``numbers`` says whether the time column can hold numbers, ``index`` names an index that
    leads with it. ``native`` says whether its type is one of dates or times. ``atomic`` is false
    where the engine cannot undo what an interrupted run did.
    """

    table: sa.sql.expression.TableClause
    column: sa.sql.expression.ColumnElement[object]
    name: str
    column_name: str
    column_type: str
    numbers: bool
    index: Optional[str]
    columns: Sequence[str]
    key: Sequence[str]
    atomic: bool = True
    native: bool = False


@dataclass(frozen=True)
class StaleCondition:
    """One part of the search: exact conditions for stale rows and for unreadable ones.

    None means that there can be none. ``bounds`` bounds both in the order of an index, if one is
    to be used.
    """

    stale: Optional[Condition]
    unreadable: Optional[Condition] = None
    bounds: Optional["Range"] = None


class Backend(Protocol):
    """One database; every method raises CleanupError for what the admin can change."""

    def open(self, *, write: bool) -> ContextManager[Connection]:
        """Open a connection, for ``transaction``. Raise Interrupted after a signal."""

    def transaction(self, connection: Connection, *, write: bool) -> ContextManager[None]:
        """Open a transaction: committed at the end, undone by any error.

        With ``write`` the write lock is held from the start.
        """

    def connect_to_migrate(self) -> ContextManager[Connection]:
        """Open a connection for migrations: in one transaction where the database can do that."""

    def inspect_table(self, connection: Connection, table: str, column: str) -> Target:
        """Look the table up; raise ConfigError naming what there is instead."""

    def lock(self, connection: Connection, target: Target) -> None:
        """Keep other runs from the table until the transaction ends.

        Raise TemporaryError if one is at work.
        """

    def stale_conditions(
        self, connection: Connection, target: Target, cutoff: int, now: int, zone: "dt.tzinfo"
    ) -> Sequence[StaleCondition]:
        """Return the searches which together find every stale row, each row once."""

    def delete_statement(self, target: Target, condition: Condition) -> sa.sql.expression.Delete:
        """Return the statement that deletes the rows of a condition fastest."""

    def backlog(
        self,
        connection: Connection,
        target: Target,
        conditions: Sequence[StaleCondition],
        seconds: float,
    ) -> "Backlog":
        """Find the stale rows, in transactions of no more than ``seconds`` where others wait."""

    def after_batch(self, connection: Connection) -> None:
        """Do what is due after a batch, while the write lock is free."""

    def spare_pages(self, connection: Connection) -> Optional[int]:
        """Return what grows by one with each page that is freed; None if nothing tells."""

    def reclaim(self, table: str, column: str) -> Optional[int]:
        """Give free space back, outside any transaction; return the bytes, None if unknown.

        Raise CleanupError if that cannot be done; the rows are left alone in any case.
        """

    def check_writable(self, connection: Connection, target: Target) -> None:
        """Raise CleanupError if rows of the table could not be deleted; change nothing."""

    def may_cascade(self, connection: Connection, target: Target) -> bool:
        """Tell whether triggers or foreign keys may have a say, and a deletion can be undone."""

    def check_deferred_constraints(self, connection: Connection) -> None:
        """Raise CleanupError for what would be refused at the commit, where that can be told."""

    def stored_times(self, connection: Connection, target: Target) -> Iterable[tuple[Stored, int]]:
        """Yield every stored time as it is, with the number of rows that hold it."""


@contextlib.contextmanager
def connect(backend: Backend, *, write: bool) -> Iterator[Connection]:
    """Open a connection inside a transaction; see ``Backend.transaction``."""
    with backend.open(write=write) as connection, backend.transaction(connection, write=write):
        yield connection


@contextlib.contextmanager
def at_table(
    backend: Backend, table: str, column: str, *, write: bool
) -> Iterator[tuple[Connection, Target]]:
    """Open a connection inside a transaction and find the table, locked if it is to be written."""
    with connect(backend, write=write) as connection:
        target = backend.inspect_table(connection, table, column)
        if write:
            backend.lock(connection, target)
        yield connection, target


def count_rows(connection: Connection, target: Target, condition: Optional[Condition]) -> int:
    """Count the rows of a condition, or all of them."""
    statement = sa.select(sa.func.count()).select_from(target.table)
    if condition is not None:
        statement = statement.where(condition)
    return int(connection.execute(statement).scalar_one())


def any_stale(conditions: Sequence[StaleCondition]) -> Condition:
    """Return the condition that some search finds a row stale."""
    return sa.or_(sa.false(), *(search.stale for search in conditions if search.stale is not None))


def count_unreadable(
    connection: Connection, target: Target, conditions: Sequence[StaleCondition]
) -> int:
    """Count the values that the searches meet and cannot read."""
    return sum(
        count_rows(connection, target, search.unreadable)
        for search in conditions
        if search.unreadable is not None
    )
