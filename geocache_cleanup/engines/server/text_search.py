"""Stored text judged in SQL, exactly as ``instants`` judges it in Python.

One regular expression tells the text that is a time; only such text is taken apart, inside
CASE, so that no value can fail the statement.
"""

import datetime as dt
from collections.abc import Iterable
from decimal import Decimal

import sqlalchemy as sa

from geocache_cleanup.engines.server.expressions import SQLExpressions
from geocache_cleanup.engines.server.kinds import Column
from geocache_cleanup.engines.table import Condition
from geocache_cleanup.times import instants, typed_ranges
from geocache_cleanup.times.number_windows import stale_windows, unknown_windows

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
_HOURS = "(?:[01][0-9]|2[0-3])"
_OFFSET = f"[+-]{_HOURS}(?::?[0-5][0-9])?"
_REST = f"(?:[Tt ]{_CLOCK}(?::[0-5][0-9](?:[.,][0-9]+)?)?)?"
TIME = f"^{_DATE}{_REST}(?: ?(?:Z|z|UTC|GMT|{_OFFSET}))?"
# What follows an offset: the brackets of a region are seen as < and >.
_TAIL = (
    "(?: (?:[A-Za-z]{1,10}|[+-][0-9]{2}(?:[0-9]{2})?))?(?: m=[+-][0-9]+(?:[.][0-9]+)?)?"
    "(?:<[A-Za-z0-9_+:/-]{1,40}>)?"
)
_TAILED = f"{_REST} ?(?:Z|{_OFFSET}){_TAIL}"
TAILED_TIME = f"^{_DATE}{_TAILED}"
# There is no year 0: such dates say that no time is set.
_ZERO = "^0000-[0-9]{2}-[0-9]{2}"
ZERO_TIME = f"{_ZERO}(?:{_REST}(?: ?(?:Z|z|UTC|GMT|{_OFFSET}))?|{_TAILED})"
# Numbers beyond this in length or exponent are no times here: no engine can compute with all.
NUMBER = "^[0-9]{1,200}(?:[.][0-9]{0,200})?(?:[eE][+-]?0*[0-9]{1,3})?"


def is_stale(text: Column, cutoff: int, zone: dt.tzinfo, expressions: SQLExpressions) -> Condition:
    """Return the condition that text is a time before the cutoff."""
    is_time = sa.or_(
        expressions.matches(text, TIME), expressions.matches(_angled(text), TAILED_TIME)
    )
    return sa.case(
        (is_time, _is_before(text, cutoff, zone, expressions)),
        (expressions.matches(text, NUMBER), _is_low(expressions.decimal(text), cutoff)),
        else_=sa.false(),
    )


def is_unreadable(text: Column, expressions: SQLExpressions) -> Condition:
    """Return the condition that text is no time, and does not say either that none is set."""
    return sa.case(
        # Spaces alone are equal to empty text in many a collation.
        (sa.func.char_length(text) == sa.literal_column("0"), sa.false()),
        (expressions.matches(text, TIME), sa.false()),
        (expressions.matches(text, NUMBER), _is_unknown(expressions.decimal(text))),
        (expressions.matches(_angled(text), f"(?:{TAILED_TIME}|{ZERO_TIME})"), sa.false()),
        else_=sa.true(),
    )


def _angled(text: Column) -> Column:
    """Return text with angle brackets for square ones: no pattern of all engines has those."""
    for old, new in (("<", "!"), (">", "!"), ("[", "<"), ("]", ">")):
        text = sa.func.replace(text, _quoted(old), _quoted(new))
    return text


def _is_low(number: Column, cutoff: int) -> Condition:
    return _is_in(number, stale_windows(cutoff))


def _is_unknown(number: Column) -> Condition:
    return _is_in(number, unknown_windows())


def _is_in(number: Column, windows: Iterable[tuple[Decimal | None, Decimal | None]]) -> Condition:
    found: list[Condition] = [sa.false()]
    for low, high in windows:
        parts: list[Condition] = []
        if low is not None:
            parts.append(number >= sa.literal_column(f"{low:f}") if low else number > 0)
        if high is not None:
            parts.append(number < sa.literal_column(f"{high:f}"))
        found.append(sa.and_(*parts))
    return sa.or_(*found)


def _is_before(
    text: Column, cutoff: int, zone: dt.tzinfo, expressions: SQLExpressions
) -> Condition:
    """Return the condition for text that is a date or time, most of which the date decides."""
    date = sa.func.substr(text, 1, 10)
    set_ = instants.date_text(instants.FIRST_SET, 2)
    first, last = instants.date_text(cutoff, -1), instants.date_text(cutoff, 2)
    known: list[tuple[Condition, Condition]] = [
        (date < instants.date_text(instants.FIRST_SET, -1), sa.false()),
        (sa.and_(date >= set_, date < first), sa.true()),
    ]
    if last is not None:
        known.append((date >= last, sa.false()))
    return sa.case(*known, else_=_is_exactly_before(text, cutoff, zone, expressions))


def _is_exactly_before(
    text: Column, cutoff: int, zone: dt.tzinfo, expressions: SQLExpressions
) -> Condition:
    has_clock = expressions.matches(sa.func.substr(text, 11, 2), "^[Tt ][0-9]")
    local = _local(text, has_clock, expressions)
    written = _zone(text, has_clock)
    instant = local - _east(written, expressions)
    in_utc = [(instants.FIRST_SET, cutoff)]
    zoned = _lies_in(instant, in_utc)
    ranges = typed_ranges.stale_ranges(cutoff, zone)
    if ranges == in_utc:
        return zoned
    bare = _lies_in(local, ranges)
    return sa.case((written == _quoted(""), bare), else_=zoned)


def _lies_in(moment: Column, ranges: Iterable[tuple[int, int]]) -> Condition:
    # What is long to write, and to compile, is written once.
    found = (moment.between(_big(low), _big(high - 1)) for low, high in ranges)
    return sa.or_(sa.false(), *found)


def _zone(text: Column, has_clock: Condition) -> Column:
    """Return what follows the date and the time of day, without a space before it."""
    behind = sa.func.regexp_replace(sa.func.substr(text, 12), "^[0-9:.,]+", "")
    return sa.func.ltrim(sa.case((has_clock, behind), else_=sa.func.substr(text, 11)))


def _east(zone: Column, expressions: SQLExpressions) -> Column:
    """Return the offset from UTC that a zone says, in microseconds."""
    digits = sa.case(
        (sa.func.substr(zone, 4, 1) == _quoted(":"), sa.func.substr(zone, 5, 2)),
        (expressions.matches(zone, "^[+-][0-9]{4}", whole=False), sa.func.substr(zone, 4, 2)),
        else_=_quoted("00"),
    )
    minutes = 60 * expressions.whole(sa.func.substr(zone, 2, 2)) + expressions.whole(digits)
    sign = sa.case((sa.func.substr(zone, 1, 1) == _quoted("-"), -60), else_=60)
    offset = sign * minutes * instants.SECOND
    return sa.case((expressions.matches(zone, "^[+-]", whole=False), offset), else_=_big(0))


def _local(text: Column, has_clock: Condition, expressions: SQLExpressions) -> Column:
    """Return the microseconds from 1970 that a clock beside the text would show."""

    def part(start: int) -> Column:
        return expressions.whole(sa.func.substr(text, start, 2))

    digits = sa.func.regexp_replace(sa.func.substr(text, 21), "[^0-9].*$", "")
    padded = sa.func.substr(sa.func.concat(digits, _quoted("00000")), 1, 6)
    has_fraction = sa.func.substr(text, 20, 1).in_([_quoted("."), _quoted(",")])
    fraction = sa.case((has_fraction, expressions.whole(padded)), else_=_big(0))
    seconds = part(18) * instants.SECOND + fraction
    has_seconds = sa.func.substr(text, 17, 1) == _quoted(":")
    minutes = (part(12) * 60 + part(15)) * 60 * instants.SECOND
    clock = minutes + sa.case((has_seconds, seconds), else_=_big(0))
    day = expressions.days(sa.func.substr(text, 1, 10)) * instants.DAY
    return day + sa.case((has_clock, clock), else_=_big(0))


def _quoted(text: str) -> Column:
    return sa.literal_column(f"'{text}'")


def _big(value: int) -> Column:
    return sa.literal_column(str(value), sa.BigInteger)
