"""The search for stale rows on a server, where everything is judged in SQL."""

import datetime as dt
from decimal import Decimal
from typing import Callable, Iterable, Optional, Protocol, Sequence, Union

import sqlalchemy as sa

from geocache_cleanup.engines.base import Condition, Search
from geocache_cleanup.engines.server import text_search
from geocache_cleanup.engines.server.table import Kind, ServerTarget
from geocache_cleanup.engines.server.text_search import Column, Phrases
from geocache_cleanup.times import stored_ranges, typed_ranges

_INT64_MAX = 2**63 - 1
_SCALES = {digits: 10 ** (6 - digits) for digits in range(7)}


class Words(Phrases, Protocol):
    """How an engine writes the values that columns are compared with."""

    def literal(self, kind: Kind, text: str) -> Column:
        """Return a constant of the type that a kind of column has."""

    def whole_days(self, column: Column, kind: Kind) -> Optional[Condition]:
        """Return the condition that a native time is in the calendar, None if all are."""


def searches(
    target: ServerTarget, cutoff: int, now: int, zone: dt.tzinfo, words: Words
) -> Sequence[Search]:
    """Return the searches which together find every stale row, each row once."""
    if target.kind is Kind.OTHER:
        return [Search(stale=None, unreadable=target.column.isnot(None))]
    if target.kind is Kind.TEXT:
        return _text(target, cutoff, now, zone, words)
    if target.kind in {Kind.WHOLE, Kind.DECIMAL, Kind.FLOAT}:
        found = _numbers(target, cutoff, words)
        # Without an index every search reads the whole table: then one has to do for all.
        return found if target.index else [_merge(found)]
    return _native(target, cutoff, zone, words)


def _merge(found: Sequence[Search]) -> Search:
    stale = [search.stale for search in found if search.stale is not None]
    unreadable = [search.unreadable for search in found if search.unreadable is not None]
    return Search(stale=sa.or_(*stale) if stale else None, unreadable=sa.or_(*unreadable))


def _numbers(target: ServerTarget, cutoff: int, words: Words) -> Sequence[Search]:
    column, kind = target.column, target.kind
    spans: Iterable[tuple[Union[int, float, Decimal], Union[int, float, Decimal]]]
    if kind is Kind.WHOLE:
        spans = typed_ranges.whole_spans(cutoff)
    else:
        spans = (typed_ranges.decimal_spans if kind is Kind.DECIMAL else typed_ranges.float_spans)(
            cutoff
        )
    zero = words.literal(kind, "0")
    ranges = []
    for low, high in spans:
        first = column >= words.literal(kind, _written(low)) if low else column > zero
        # A constant beyond the column's type would take the index away from the comparison.
        if kind is Kind.WHOLE and high > _INT64_MAX:
            ranges.append(first)
        else:
            ranges.append(sa.and_(first, column < words.literal(kind, _written(high))))
    return [*(Search(stale=found) for found in ranges), Search(None, unreadable=column <= zero)]


def _written(value: Union[float, Decimal]) -> str:
    return (
        format(value, "f" if isinstance(value, Decimal) else "")
        if not isinstance(value, float)
        else format(value, ".17e")
    )


def _native(target: ServerTarget, cutoff: int, zone: dt.tzinfo, words: Words) -> Sequence[Search]:
    """Return the search in a column of dates or times, which orders them itself."""
    column, kind = target.column, target.kind

    def bound(local: int) -> Column:
        text = typed_ranges.local_text(local)
        return words.literal(kind, text[:10] if kind is Kind.DATE else text)

    first = bound(typed_ranges.FIRST)
    spans = typed_ranges.local_spans(cutoff, dt.UTC if kind is Kind.MOMENT else zone)
    ranges = [
        _range(column, low, high, bound)
        for low, high in (_rounded(span, target) for span in spans)
        if high > typed_ranges.FIRST
    ]
    if not ranges:
        return [Search(stale=None, unreadable=column < first)]
    stale = sa.or_(*ranges)
    real = words.whole_days(column, kind)
    if real is None:
        return [Search(stale=stale, unreadable=column < first)]
    unreal = sa.or_(column < first, sa.and_(stale, sa.not_(real)))
    return [Search(stale=sa.and_(stale, real), unreadable=unreal)]


def _rounded(span: typed_ranges.Span, target: ServerTarget) -> tuple[int, int]:
    """Return the bounds as the column can hold them: no value lies between the two."""
    unit = 86_400_000_000 if target.kind is Kind.DATE else _SCALES[target.digits]
    low, high = span
    low = typed_ranges.FIRST if low is None else max(low, typed_ranges.FIRST)
    return -(-low // unit) * unit, -(-high // unit) * unit


def _range(column: Column, low: int, high: int, bound: Callable[[int], Column]) -> Condition:
    if high > typed_ranges.LAST:
        return sa.and_(column >= bound(low), column <= bound(typed_ranges.LAST))
    return sa.and_(column >= bound(low), column < bound(high))


def _text(
    target: ServerTarget, cutoff: int, now: int, zone: dt.tzinfo, words: Words
) -> Sequence[Search]:
    text = words.text(target.column)
    found = text_search.is_stale(text, cutoff, zone, words)
    unreadable = text_search.is_unreadable(text, words)
    if target.ranged is None:
        # In another order of characters no bound is sure to take in every stale value.
        return [Search(stale=found, unreadable=unreadable)]
    return [
        Search(stale=sa.and_(inside, found), unreadable=sa.and_(inside, unreadable))
        for inside in _text_ranges(target.ranged, cutoff, now, words)
    ]


def _text_ranges(column: Column, cutoff: int, now: int, words: Words) -> Iterable[Condition]:
    for span in stored_ranges.text_spans(cutoff, now):
        high: Condition = column < _bound(span.high, words)
        low: Optional[Condition] = column >= _bound(span.low, words) if span.low else None
        yield high if low is None else sa.and_(low, high)


def _bound(value: object, words: Words) -> Column:
    # Letters come after digits and punctuation in every collation; ":" does not.
    return words.literal(Kind.TEXT, str(value).replace(":", "A"))
