"""The search for stale rows on a server, where everything is judged in SQL."""

import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal

import sqlalchemy as sa

from geocache_cleanup.engines.server import text_search
from geocache_cleanup.engines.server.expressions import SQLExpressions
from geocache_cleanup.engines.server.kinds import NUMBERS, Column, Kind, TimeColumn
from geocache_cleanup.engines.table import Condition, StaleCondition, merged
from geocache_cleanup.times import stored_ranges, typed_ranges
from geocache_cleanup.times.number_windows import (
    float_bound,
    stale_windows,
    unknown_windows,
    whole_bound,
)

_SCALES = {digits: 10 ** (6 - digits) for digits in range(7)}


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
    def between(low: Decimal | None, high: Decimal | None) -> Condition:
        parts: list[Condition] = []
        if low is not None:
            bound = _literal(low, time.kind, expressions)
            # 0 stands for no time.
            parts.append(time.bare >= bound if low else time.bare > bound)
        if high is not None:
            parts.append(time.bare < _literal(high, time.kind, expressions))
        return sa.and_(*parts)

    stale = [StaleCondition(between(*window)) for window in stale_windows(cutoff)]
    unknown = sa.or_(*(between(*window) for window in unknown_windows()))
    return [*stale, StaleCondition(None, unknown)]


def _literal(bound: Decimal, kind: Kind, expressions: SQLExpressions) -> Column:
    """Return a bound as a constant of the column's kind: no value lies between the two."""
    if kind is Kind.WHOLE:
        return expressions.literal(kind, str(whole_bound(bound)))
    if kind is Kind.FLOAT:
        return expressions.literal(kind, format(float_bound(bound) if bound else 0.0, ".17e"))
    return expressions.literal(kind, format(bound, "f"))


def _native(
    time: TimeColumn, cutoff: int, zone: dt.tzinfo, expressions: SQLExpressions
) -> Sequence[StaleCondition]:
    """Return the search in a column of dates or times, which orders them itself."""
    column, kind = time.bare, time.kind

    def bound(local: int) -> Column:
        text = typed_ranges.local_text(local)
        return expressions.literal(kind, text[:10] if kind is Kind.DATE else text)

    conditions = [
        _between(column, low, high, bound)
        for low, high in (
            _rounded(stretch, time)
            for stretch in typed_ranges.stale_ranges(
                cutoff, dt.UTC if kind is Kind.MOMENT else zone
            )
        )
    ]
    if not conditions:
        return []
    stale = sa.or_(*conditions)
    real = expressions.whole_days(column, kind)
    if real is None:
        return [StaleCondition(stale=stale)]
    return [StaleCondition(stale=sa.and_(stale, real), unreadable=sa.and_(stale, sa.not_(real)))]


def _rounded(stretch: tuple[int, int], time: TimeColumn) -> tuple[int, int]:
    """Return the bounds as the column can hold them: no value lies between the two."""
    unit = 86_400_000_000 if time.kind is Kind.DATE else _SCALES[time.digits]
    low, high = stretch
    return -(-low // unit) * unit, -(-high // unit) * unit


def _between(column: Column, low: int, high: int, bound: Callable[[int], Column]) -> Condition:
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
    # One condition for all ranges: to write and to compile the judgement takes a while.
    inside = sa.or_(*_text_parts(time.ranged, cutoff, now, expressions))
    return [StaleCondition(stale=sa.and_(inside, found), unreadable=sa.and_(inside, unreadable))]


def _text_parts(
    column: Column, cutoff: int, now: int, expressions: SQLExpressions
) -> Iterator[Condition]:
    for bounds in stored_ranges.text_ranges(cutoff, now):
        parts: list[Condition] = []
        if bounds.low:
            parts.append(column >= _bound(bounds.low, expressions))
        if bounds.high is not None:
            parts.append(column < _bound(bounds.high, expressions))
        yield sa.and_(*parts)


def _bound(value: object, expressions: SQLExpressions) -> Column:
    # Letters come after digits and punctuation in every collation; ":" does not.
    return expressions.literal(Kind.TEXT, str(value).replace(":", "A"))
