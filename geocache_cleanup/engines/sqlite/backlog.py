"""The stale rows of a SQLite table, found without keeping writers out for long."""

import contextlib
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.sql.expression import Delete

from geocache_cleanup.engines.backlog import MOST_COUNTED, Backlog, KeyedBacklog, Slice
from geocache_cleanup.engines.sqlite import deletion
from geocache_cleanup.engines.sqlite.driver import Column, encoding_of, pragma, qualified
from geocache_cleanup.engines.table import Condition, StaleCondition, any_stale

if TYPE_CHECKING:
    from geocache_cleanup.engines.sqlite.table import SQLiteTable

_STALE, _UNREADABLE = 1, 2
# Between looks at the clock: a millisecond's reading, or a few where Python has to judge each row.
ROWS_PER_LOOK = 500


def find_stale(
    table: "SQLiteTable", conditions: Sequence[StaleCondition], seconds: float
) -> Backlog:
    """Return the backlog; no transaction is open longer than ``seconds``.

    Where a file has no write-ahead log, nobody can write while it is read.
    """
    condition = any_stale(conditions)
    if table.rowid is None:
        return _UnnumberedBacklog(table, conditions, condition)
    with _transaction(table):
        ends: Any = sa.select(sa.func.min(table.rowid), sa.func.max(table.rowid))
        low, high = table.connection.execute(ends.select_from(table.clause)).one()
    span = (low or 0, high or 0)
    found = slices(table, conditions, seconds)
    return KeyedBacklog(span, found, lambda rows: deletion.delete_keys(table, condition, rows))


@contextlib.contextmanager
def _transaction(table: "SQLiteTable") -> Iterator[None]:
    """Open one in which the table is what it was when it was found; else raise ConfigError."""
    connection, engine = table.connection, table.engine
    with engine.transaction(connection, write=False):
        if pragma(connection, "schema_version") != table.version:
            table.compare(engine.table(connection, table.name, table.column_name))
        yield


class _UnnumberedBacklog(Backlog):
    """The stale rows of a table without rowids, which have to be found anew for each batch."""

    def __init__(
        self,
        table: "SQLiteTable",
        conditions: Sequence[StaleCondition],
        condition: Condition,
    ) -> None:
        self._table = table
        self._conditions = conditions
        self._condition = condition
        self._remaining = 0
        # Rows that a trigger keeps: the next batch begins after as many.
        self._kept = 0

    @property
    def remaining(self) -> int:
        return self._remaining

    def search(self, seconds: float) -> None:  # noqa: ARG002 - the number is bounded
        with _transaction(self._table):
            self._count()
            if self.is_complete:
                self.unreadable = self._table.count_unreadable(self._conditions)

    def _count(self) -> None:
        most = self._kept + MOST_COUNTED
        stale = self._table.count(self._condition, most)
        self._kept = min(stale, self._kept)
        self._remaining = stale - self._kept
        self.is_complete = stale < most

    def delete(self, connection: Connection, rows: int) -> int:
        statement = _delete_some(self._table, self._condition, rows, self._kept)
        deleted = int(connection.execute(statement).rowcount)
        self._remaining = max(0, self._remaining - deleted)
        if deleted < rows:
            self._kept += rows - deleted
            self._count()
        return deleted


def _delete_some(table: "SQLiteTable", condition: Condition, rows: int, after: int) -> Delete:
    """Return the statement for a table without rowids: by its primary key.

    Only one that hides them behind columns may have none: then all rows go at once.
    """
    delete = sa.delete(table.clause).where(condition)
    if not table.key:
        return delete
    # Of keys that the columns' collation takes for one, the condition tells which is stale.
    key: Sequence[Column] = [qualified(table.name, name) for name in table.key]
    found = sa.select(*key).select_from(table.clause).where(condition).limit(rows).offset(after)
    # Nothing is equal to NULL, which the key of a table with rowids may hold: such rows go at once.
    is_found = sa.tuple_(*key).in_(found.correlate(None))
    return delete.where(sa.or_(is_found, *(part.is_(None) for part in key)))


class _Reading:
    """Reads what one condition covers, from where the last transaction stopped."""

    def __init__(self, table: "SQLiteTable", part: StaleCondition) -> None:
        assert table.rowid is not None
        self._column = table.column
        self._rowid = table.rowid
        self._bounds = part.bounds
        verdict = sa.case(
            *(
                (condition, sa.literal_column(str(number)))
                for condition, number in ((part.stale, _STALE), (part.unreadable, _UNREADABLE))
                if condition is not None
            ),
            else_=sa.literal_column("0"),
        )
        # Text as its bytes: it may not be valid.
        value = sa.case(
            (sa.func.typeof(self._column) == "text", sa.cast(self._column, sa.LargeBinary)),
            else_=self._column,
        )
        self._select = sa.select(
            self._rowid, verdict, value if self._bounds else sa.null()
        ).select_from(table.clause)

    def after(self, last: tuple[int, object] | None) -> Sequence["sa.sql.expression.Select[Any]"]:
        """Return the statements that go on after a rowid and its value, in the order of both."""
        if self._bounds is None:
            statement = self._select.order_by(self._rowid)
            return [statement if last is None else statement.where(self._rowid > last[0])]
        ordered = self._select.order_by(self._column, self._rowid)
        statement = ordered
        if self._bounds.high is not None:
            statement = statement.where(self._column < self._bounds.high)
        if last is None:
            low = self._bounds.low
            return [statement if low is None else statement.where(self._column >= low)]
        value = sa.literal(last[1])
        # One statement for both would read all the equal values from their first on.
        equal = ordered.where(self._column == value, self._rowid > last[0])
        return [equal, statement.where(self._column > value)]

    def given_back(self, value: object, encoding: str) -> object:
        """Return a value that was read as a parameter; raise UnicodeError if it can be none."""
        is_text = self._bounds is not None and not isinstance(self._bounds.low, bytes)
        return value.decode(encoding) if is_text and isinstance(value, bytes) else value


def slices(
    table: "SQLiteTable", conditions: Sequence[StaleCondition], seconds: float
) -> Iterator[Slice]:
    """Yield what is found, in transactions of so many seconds that are over when it is told."""
    for part in conditions:
        yield from _slices(table, _Reading(table, part), seconds)


def _slices(table: "SQLiteTable", reading: _Reading, seconds: float) -> Iterator[Slice]:
    with _transaction(table):
        encoding = encoding_of(table.connection)
    last: tuple[int, object] | None = None
    is_over = False
    while not is_over:
        found = Slice()
        with _transaction(table):
            end = time.monotonic() + seconds
            chunks = (chunk for each in reading.after(last) for chunk in _chunks(table, each))
            is_over = True
            for chunk in chunks:
                found.keys.extend(rowid for rowid, verdict, _ in chunk if verdict == _STALE)
                found.unreadable += sum(verdict == _UNREADABLE for _, verdict, _ in chunk)
                if time.monotonic() >= end:
                    rowid, _, value = chunk[-1]
                    with contextlib.suppress(UnicodeError):
                        last, is_over = (rowid, reading.given_back(value, encoding)), False
                        break
            chunks.close()
        yield found


def _chunks(
    table: "SQLiteTable", statement: "sa.sql.expression.Select[Any]"
) -> Iterator[Sequence[tuple[int, int, object]]]:
    # The driver's cursor: a row of SQLAlchemy's takes longer than all the rest.
    cursor: Any = table.connection.execute(statement).cursor
    with contextlib.closing(cursor):
        yield from iter(lambda: cursor.fetchmany(ROWS_PER_LOOK), [])
