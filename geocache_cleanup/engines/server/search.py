"""The search for stale rows on a server, where everything is judged in SQL."""

import datetime as dt
from decimal import Decimal
from typing import Callable, Iterable, Optional, Sequence, Union

import sqlalchemy as sa

from geocache_cleanup.engines.base import Condition, StaleCondition
from geocache_cleanup.engines.server import text_search
from geocache_cleanup.engines.server.expressions import Column, SQLExpressions
from geocache_cleanup.engines.server.table import Kind, ServerTarget
from geocache_cleanup.times import stored_ranges, typed_ranges

_INT64_MAX = 2**63 - 1
_SCALES = {digits: 10 ** (6 - digits) for digits in range(7)}


def stale_conditions(
    target: ServerTarget, cutoff: int, now: int, zone: dt.tzinfo, expressions: SQLExpressions
) -> Sequence[StaleCondition]:
    """Return the searches which together find every stale row, each row once."""
    if target.kind is Kind.OTHER:
        return [StaleCondition(stale=None, unreadable=target.column.isnot(None))]
    if target.kind is Kind.TEXT:
        return _text(target, cutoff, now, zone, expressions)
    if target.kind in {Kind.WHOLE, Kind.DECIMAL, Kind.FLOAT}:
        found = _numbers(target, cutoff, expressions)
        # Without an index every search reads the whole table: then one has to do for all.
        return found if target.index else [_merge(found)]
    return _native(target, cutoff, zone, expressions)


def _merge(found: Sequence[StaleCondition]) -> StaleCondition:
    stale = [search.stale for search in found if search.stale is not None]
    unreadable = [search.unreadable for search in found if search.unreadable is not None]
    return StaleCondition(stale=sa.or_(*stale) if stale else None, unreadable=sa.or_(*unreadable))


def _numbers(
    target: ServerTarget, cutoff: int, expressions: SQLExpressions
) -> Sequence[StaleCondition]:
    column, kind = target.column, target.kind
    ranges: Iterable[tuple[Union[int, float, Decimal], Union[int, float, Decimal]]]
    if kind is Kind.WHOLE:
        ranges = typed_ranges.whole_ranges(cutoff)
    else:
        ranges = (
            typed_ranges.decimal_ranges if kind is Kind.DECIMAL else typed_ranges.float_ranges
        )(cutoff)
    zero = expressions.literal(kind, "0")
    conditions = []
    for low, high in ranges:
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


def _written(value: Union[float, Decimal]) -> str:
    return (
        format(value, "f" if isinstance(value, Decimal) else "")
        if not isinstance(value, float)
        else format(value, ".17e")
    )


def _native(
    target: ServerTarget, cutoff: int, zone: dt.tzinfo, expressions: SQLExpressions
) -> Sequence[StaleCondition]:
    """Return the search in a column of dates or times, which orders them itself."""
    column, kind = target.column, target.kind

    def bound(local: int) -> Column:
        text = typed_ranges.local_text(local)
        return expressions.literal(kind, text[:10] if kind is Kind.DATE else text)

    first = bound(typed_ranges.FIRST)
    ranges = typed_ranges.local_ranges(cutoff, dt.UTC if kind is Kind.MOMENT else zone)
    conditions = [
        _bounds(column, low, high, bound)
        for low, high in (_rounded(bounds, target) for bounds in ranges)
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


def _rounded(bounds: typed_ranges.Range, target: ServerTarget) -> tuple[int, int]:
    """Return the bounds as the column can hold them: no value lies between the two."""
    unit = 86_400_000_000 if target.kind is Kind.DATE else _SCALES[target.digits]
    low, high = bounds
    low = typed_ranges.FIRST if low is None else max(low, typed_ranges.FIRST)
    return -(-low // unit) * unit, -(-high // unit) * unit


def _bounds(column: Column, low: int, high: int, bound: Callable[[int], Column]) -> Condition:
    if high > typed_ranges.LAST:
        return sa.and_(column >= bound(low), column <= bound(typed_ranges.LAST))
    return sa.and_(column >= bound(low), column < bound(high))


def _text(
    target: ServerTarget, cutoff: int, now: int, zone: dt.tzinfo, expressions: SQLExpressions
) -> Sequence[StaleCondition]:
    text = expressions.text(target.column)
    found = text_search.is_stale(text, cutoff, zone, expressions)
    unreadable = text_search.is_unreadable(text, expressions)
    if target.ranged is None:
        # In another order of characters no bound is sure to take in every stale value.
        return [StaleCondition(stale=found, unreadable=unreadable)]
    return [
        StaleCondition(stale=sa.and_(inside, found), unreadable=sa.and_(inside, unreadable))
        for inside in _text_parts(target.ranged, cutoff, now, expressions)
    ]


def _text_parts(
    column: Column, cutoff: int, now: int, expressions: SQLExpressions
) -> Iterable[Condition]:
    for bounds in stored_ranges.text_ranges(cutoff, now):
        high: Condition = column < _bound(bounds.high, expressions)
        low: Optional[Condition] = column >= _bound(bounds.low, expressions) if bounds.low else None
        yield high if low is None else sa.and_(low, high)


def _bound(value: object, expressions: SQLExpressions) -> Column:
    # Letters come after digits and punctuation in every collation; ":" does not.
    return expressions.literal(Kind.TEXT, str(value).replace(":", "A"))
