"""Stored text judged in SQL, exactly as ``instants`` judges it in Python.

One regular expression tells the text that is a time; only such text is taken apart, inside
CASE, so that no value can fail the statement.
"""

import datetime as dt

import sqlalchemy as sa

from geocache_cleanup.engines.server.expressions import SQLExpressions
from geocache_cleanup.engines.server.kinds import Column
from geocache_cleanup.engines.table import Condition
from geocache_cleanup.times import instants, typed_ranges
from geocache_cleanup.times.number_windows import number_windows

# The calendar itself: leap years, the lengths of months, no year 0. Written with what the
# regular expressions of PostgreSQL, PCRE and ICU share, and without backslashes.
_LEAP = "(?:[0-9][0-9](?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)"
_DATE = (
    "(?!0000)(?:[0-9]{4}-(?:"
    "(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])"
    "|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)"
    "|02-(?:0[1-9]|1[0-9]|2[0-8]))"
    f"|{_LEAP}-02-29)"
)
_CLOCK = "(?:[01][0-9]|2[0-3]):[0-5][0-9]"
TIME = f"^{_DATE}(?:[T ]{_CLOCK}(?::[0-5][0-9](?:[.][0-9]+)?)?)?(?:Z|[+-]{_CLOCK})?"
# Numbers beyond this in length or exponent are no times here: no engine can compute with all.
NUMBER = "^[0-9]{1,200}(?:[.][0-9]{0,200})?(?:[eE][+-]?0*[0-9]{1,3})?"
_OFFSET = "[+-][0-9][0-9]:[0-9][0-9]$"
_ZONE = "(?:Z|[+-][0-9][0-9]:[0-9][0-9])$"
_MIDNIGHT = "0000-00-00 00:00:00.000000"


def is_stale(text: Column, cutoff: int, zone: dt.tzinfo, expressions: SQLExpressions) -> Condition:
    """Return the condition that text is a time before the cutoff."""
    return sa.case(
        (expressions.matches(text, TIME), _is_before(text, cutoff, zone, expressions)),
        (expressions.matches(text, NUMBER), _is_low(expressions.decimal(text), cutoff)),
        else_=sa.false(),
    )


def is_unreadable(text: Column, expressions: SQLExpressions) -> Condition:
    """Return the condition that text is no time."""
    return sa.case(
        (expressions.matches(text, TIME), sa.false()),
        (expressions.matches(text, NUMBER), expressions.decimal(text) <= 0),
        else_=sa.true(),
    )


def _is_low(number: Column, cutoff: int) -> Condition:
    return sa.or_(
        sa.false(),
        *(
            sa.and_(
                number >= sa.literal_column(f"{low:f}") if low else number > 0,
                number < sa.literal_column(f"{high:f}"),
            )
            for low, high in number_windows(cutoff)
        ),
    )


def _is_before(
    text: Column, cutoff: int, zone: dt.tzinfo, expressions: SQLExpressions
) -> Condition:
    """Return the condition for text that is a date or time, most of which the date decides."""
    date = sa.func.substr(text, 1, 10)
    exactly = _is_exactly_before(text, cutoff, zone, expressions)
    first, last = _date(cutoff, -1), _date(cutoff, 2)
    known: list[tuple[Condition, Condition]] = []
    if first is not None:
        known.append((date < first, sa.true()))
    if last is not None:
        known.append((date >= last, sa.false()))
    return sa.case(*known, else_=exactly) if known else exactly


def _is_exactly_before(
    text: Column, cutoff: int, zone: dt.tzinfo, expressions: SQLExpressions
) -> Condition:
    local = _local(text, expressions)
    zoned = local - _east(text, expressions) < _big(cutoff)
    ranges = typed_ranges.local_ranges(cutoff, zone)
    if ranges == [(None, cutoff)]:
        return zoned
    bare = [
        local < _big(high) if low is None else sa.and_(local >= _big(low), local < _big(high))
        for low, high in ranges
    ]
    return sa.case((expressions.matches(text, _ZONE, whole=False), zoned), else_=sa.or_(*bare))


def _east(text: Column, expressions: SQLExpressions) -> Column:
    """Return the offset from UTC that is written at the end of text, in microseconds."""
    zone = sa.func.right(text, 6)
    minutes = 60 * expressions.whole(sa.func.substr(zone, 2, 2)) + expressions.whole(
        sa.func.substr(zone, 5, 2)
    )
    sign = sa.case((sa.func.substr(zone, 1, 1) == "-", -60), else_=60)
    offset = sign * minutes * instants.SECOND
    return sa.case((expressions.matches(text, _OFFSET, whole=False), offset), else_=_big(0))


def _local(text: Column, expressions: SQLExpressions) -> Column:
    """Return the microseconds from 1970 that a clock beside the text would show."""
    body = sa.func.regexp_replace(text, _ZONE, "")
    length = sa.func.char_length(body)
    padded = sa.func.concat(body, sa.func.substr(sa.literal(_MIDNIGHT), length + 1))

    def part(start: int, digits: int) -> Column:
        return expressions.whole(sa.func.substr(padded, start, digits))

    hours = expressions.days(sa.func.substr(text, 1, 10)) * 24 + part(12, 2)
    seconds = (hours * 60 + part(15, 2)) * 60 + part(18, 2)
    return seconds * instants.SECOND + part(21, 6)


def _big(value: int) -> Column:
    return sa.literal_column(str(value), sa.BigInteger)


def _date(cutoff: int, days: int) -> str | None:
    moment = cutoff + days * instants.DAY
    return (
        typed_ranges.local_text(moment)[:10]
        if typed_ranges.FIRST <= moment <= typed_ranges.LAST
        else None
    )
