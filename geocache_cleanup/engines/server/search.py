"""The search for stale rows on a server, where everything is judged in SQL."""

import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal

import sqlalchemy as sa

from geocache_cleanup.engines.server import text_search
from geocache_cleanup.engines.server.expressions import SQLExpressions
from geocache_cleanup.engines.server.kinds import NUMBERS, Column, Kind, TimeColumn
from geocache_cleanup.engines.table import Condition, StaleCondition, merged
from geocache_cleanup.times import number_windows, stored_ranges, typed_ranges

_INT64_MAX = 2**63 - 1
_SCALES = {digits: 10 ** (6 - digits) for digits in range(7)}
_Windows = Callable[[int], Iterator[tuple[float | Decimal, float | Decimal]]]
_WINDOWS: Mapping[Kind, _Windows] = {
    Kind.WHOLE: number_windows.whole_windows,
    Kind.DECIMAL: number_windows.number_windows,
    Kind.FLOAT: number_windows.float_windows,
}


def stale_conditions(
    time: TimeColumn, cutoff: int, now: int, zone: dt.tzinfo, expressions: SQLExpressions
) -> Sequence[StaleCondition]:
    """Return the conditions which together find every stale row, each row once."""
    if time.kind is Kind.OTHER:
        return [StaleCondition(stale=None, unreadable=time.bare.isnot(None))]
    if time.kind is Kind.TEXT:
        return _text(time, cutoff, now, zone, expressions)
    if time.kind in NUMBERS:
        found = _numbers(time, cutoff, expressions)
        # Without an index every search reads the whole table: then one has to do for all.
        return found if time.is_indexed else [merged(found)]
    return _native(time, cutoff, zone, expressions)


def _numbers(
    time: TimeColumn, cutoff: int, expressions: SQLExpressions
) -> Sequence[StaleCondition]:
    column, kind = time.bare, time.kind
    zero = expressions.literal(kind, "0")
    conditions = []
    for low, high in _WINDOWS[kind](cutoff):
        first = column >= expressions.literal(kind, _written(low)) if low else column > zero
        # A constant beyond the column's type would take the index away from the comparison.
        if kind is Kind.WHOLE and high > _INT64_MAX:
            conditions.append(first)
        else:
            conditions.append(sa.and_(first, column < expressions.literal(kind, _written(high))))
    return [
        *(StaleCondition(stale=found) for found in conditions),
        StaleCondition(None, unreadable=column <= zero),
    ]


def _written(value: float | Decimal) -> str:
    form = "f" if isinstance(value, Decimal) else ".17e" if isinstance(value, float) else ""
    return format(value, form)


def _native(
    time: TimeColumn, cutoff: int, zone: dt.tzinfo, expressions: SQLExpressions
) -> Sequence[StaleCondition]:
    """Return the search in a column of dates or times, which orders them itself."""
    column, kind = time.bare, time.kind

    def bound(local: int) -> Column:
        text = typed_ranges.local_text(local)
        return expressions.literal(kind, text[:10] if kind is Kind.DATE else text)

    first = bound(typed_ranges.FIRST)
    ranges = typed_ranges.local_ranges(cutoff, dt.UTC if kind is Kind.MOMENT else zone)
    conditions = [
        _bounds(column, low, high, bound)
        for low, high in (_rounded(bounds, time) for bounds in ranges)
        if high > typed_ranges.FIRST
    ]
    if not conditions:
        return [StaleCondition(stale=None, unreadable=column < first)]
    stale = sa.or_(*conditions)
    real = expressions.whole_days(column, kind)
    if real is None:
        return [StaleCondition(stale=stale, unreadable=column < first)]
    unreal = sa.or_(column < first, sa.and_(stale, sa.not_(real)))
    return [StaleCondition(stale=sa.and_(stale, real), unreadable=unreal)]


def _rounded(bounds: tuple[int | None, int], time: TimeColumn) -> tuple[int, int]:
    """Return the bounds as the column can hold them: no value lies between the two."""
    unit = 86_400_000_000 if time.kind is Kind.DATE else _SCALES[time.digits]
    low, high = bounds
    low = typed_ranges.FIRST if low is None else max(low, typed_ranges.FIRST)
    return -(-low // unit) * unit, -(-high // unit) * unit


def _bounds(column: Column, low: int, high: int, bound: Callable[[int], Column]) -> Condition:
    if high > typed_ranges.LAST:
        return sa.and_(column >= bound(low), column <= bound(typed_ranges.LAST))
    return sa.and_(column >= bound(low), column < bound(high))


def _text(
    time: TimeColumn, cutoff: int, now: int, zone: dt.tzinfo, expressions: SQLExpressions
) -> Sequence[StaleCondition]:
    text = expressions.text(time.bare)
    found = text_search.is_stale(text, cutoff, zone, expressions)
    unreadable = text_search.is_unreadable(text, expressions)
    if time.ranged is None:
        # In another order of characters no bound is sure to take in every stale value.
        return [StaleCondition(stale=found, unreadable=unreadable)]
    return [
        StaleCondition(stale=sa.and_(inside, found), unreadable=sa.and_(inside, unreadable))
        for inside in _text_parts(time.ranged, cutoff, now, expressions)
    ]


def _text_parts(
    column: Column, cutoff: int, now: int, expressions: SQLExpressions
) -> Iterable[Condition]:
    for bounds in stored_ranges.text_ranges(cutoff, now):
        high: Condition = column < _bound(bounds.high, expressions)
        low: Condition | None = column >= _bound(bounds.low, expressions) if bounds.low else None
        yield high if low is None else sa.and_(low, high)


def _bound(value: object, expressions: SQLExpressions) -> Column:
    # Letters come after digits and punctuation in every collation; ":" does not.
    return expressions.literal(Kind.TEXT, str(value).replace(":", "A"))
