"""The stale rows of a SQLite table, found without keeping writers out for long."""

import contextlib
import json
import time
from typing import Any, Callable, ContextManager, Iterator, Optional, Sequence

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from geocache_cleanup.engines.backlog import Backlog, KeyedBacklog, SortedKeys
from geocache_cleanup.engines.base import (
    Condition,
    StaleCondition,
    any_stale,
    count_rows,
    count_unreadable,
)
from geocache_cleanup.engines.sqlite.table import Column, SQLiteTarget, encoding_of, qualified

Begin = Callable[[], ContextManager[None]]

_STALE, _UNREADABLE = 1, 2


def find(
    connection: Connection,
    begin: Begin,
    target: SQLiteTarget,
    conditions: Sequence[StaleCondition],
    seconds: float,
) -> Backlog:
    """Return the backlog; ``begin`` opens a transaction, and none is open longer than ``seconds``.

    Where a file has no write-ahead log, nobody can write while it is read.
    """
    condition = any_stale(conditions)
    if target.rowid is None:
        with begin():
            return _UnnumberedBacklog(connection, target, conditions, condition)
    with begin():
        ends: Any = sa.select(sa.func.min(target.rowid), sa.func.max(target.rowid))
        low, high = connection.execute(ends.select_from(target.table)).one()
    keys, unreadable = SortedKeys(low or 0, high or 0), 0
    for search in conditions:
        for rowid, verdict in _read(connection, begin, _Reading(target, search), seconds):
            if verdict == _STALE:
                keys.add(rowid)
            unreadable += verdict == _UNREADABLE
    return KeyedBacklog(keys, unreadable, lambda rows: _delete_keys(target, condition, rows))


class _UnnumberedBacklog(Backlog):
    """The stale rows of a table without rowids, which have to be found anew for each batch."""

    def __init__(
        self,
        connection: Connection,
        target: SQLiteTarget,
        conditions: Sequence[StaleCondition],
        condition: Condition,
    ) -> None:
        self._target = target
        self._condition = condition
        self._remaining = count_rows(connection, target, condition)
        # Rows that a trigger keeps: the next batch begins after as many.
        self._kept = 0
        self.unreadable = count_unreadable(connection, target, conditions)

    @property
    def remaining(self) -> int:
        """See ``Backlog.remaining``."""
        return self._remaining

    def delete(self, connection: Connection, rows: int) -> int:
        """See ``Backlog.delete``."""
        statement = _delete_some(self._target, self._condition, rows, self._kept)
        deleted = int(connection.execute(statement).rowcount)
        self._remaining = max(0, self._remaining - deleted)
        if deleted < rows:
            stale = count_rows(connection, self._target, self._condition)
            self._kept = min(stale, self._kept + rows - deleted)
            self._remaining = stale - self._kept
        return deleted


def _delete_keys(
    target: SQLiteTarget, condition: Condition, rowids: Sequence[int]
) -> sa.sql.expression.Delete:
    assert target.rowid is not None
    listed = sa.text("SELECT value FROM json_each(:rowids)").bindparams(rowids=json.dumps(rowids))
    return sa.delete(target.table).where(target.rowid.in_(listed), condition)


def _delete_some(
    target: SQLiteTarget, condition: Condition, rows: int, after: int
) -> sa.sql.expression.Delete:
    """Return the statement for a table without rowids: by its primary key.

    Only one that hides them behind columns may have none: then all rows go at once.
    """
    delete = sa.delete(target.table).where(condition)
    if not target.key:
        return delete
    # Of keys that the columns' collation takes for one, the condition tells which is stale.
    key: Sequence[Column] = [qualified(target.name, name) for name in target.key]
    found = sa.select(*key).select_from(target.table).where(condition).limit(rows).offset(after)
    return delete.where(sa.tuple_(*key).in_(found.correlate(None)))


class _Reading:
    """Reads what one search covers, from where the last transaction stopped."""

    def __init__(self, target: SQLiteTarget, search: StaleCondition) -> None:
        assert target.rowid is not None
        self._column = target.column
        self._rowid = target.rowid
        self._bounds = search.bounds
        verdict = sa.case(
            *(
                (condition, sa.literal_column(str(number)))
                for condition, number in ((search.stale, _STALE), (search.unreadable, _UNREADABLE))
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
        ).select_from(target.table)

    def after(self, last: Optional[tuple[int, object]]) -> "sa.sql.expression.Select[Any]":
        """Return the statement that goes on after a rowid and its value, in the order of both."""
        if self._bounds is None:
            statement = self._select.order_by(self._rowid)
            return statement if last is None else statement.where(self._rowid > last[0])
        statement = self._select.where(self._column < self._bounds.high)
        statement = statement.order_by(self._column, self._rowid)
        if last is None:
            low = self._bounds.low
            return statement if low is None else statement.where(self._column >= low)
        value = sa.literal(last[1])
        return statement.where(
            self._column >= value, sa.or_(self._column > value, self._rowid > last[0])
        )


def _bound(value: object, encoding: str) -> object:
    """Return a stored value as one that can be given back; raise UnicodeError if it cannot be."""
    return value.decode(encoding) if isinstance(value, bytes) else value


def _read(
    connection: Connection, begin: Begin, reading: _Reading, seconds: float
) -> Iterator[tuple[int, int]]:
    with begin():
        encoding = encoding_of(connection)
    last: Optional[tuple[int, object]] = None
    is_over = False
    while not is_over:
        end = time.monotonic() + seconds
        with begin():
            # The driver's cursor: a row of SQLAlchemy's takes longer than all the rest.
            cursor: Any = connection.execute(reading.after(last)).cursor
            is_over = True
            for rowid, verdict, value in cursor:
                yield rowid, verdict
                if time.monotonic() >= end:
                    with contextlib.suppress(UnicodeError):
                        last, is_over = (rowid, _bound(value, encoding)), False
                        break
            cursor.close()
