"""Stored times, read one by one: what a value is, and which instant it names.

An instant is a whole number of microseconds since 1970-01-01T00:00:00Z. Finer fractions
are cut off, which loses no comparison: cutoffs are whole microseconds themselves.
"""

import datetime as dt
import decimal
import math

from geocache_cleanup.times import grammar, units

SECOND = 1_000_000
DAY = 86_400 * SECOND
EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_EPOCH_DAY = EPOCH.toordinal()

# Nothing was seen before 2000: an earlier time means that none is set.
FIRST_SET = 946_684_800 * SECOND
# The instant of what stands for no time at all, such as 0 and empty text.
UNSET = -(2**62)

_FLOOR = decimal.Context(prec=60, rounding=decimal.ROUND_FLOOR)

Stored = None | int | float | str | bytes


def read_instant(value: object, zone: dt.tzinfo) -> int | None:
    """Return the instant a stored value names, or None where it cannot be read.

    One before ``FIRST_SET`` means that no time is set. ``zone`` is that of text without a zone;
    a time that occurs twice when the clocks go back is the first of the two (``fold=0`` of
    PEP 495).
    """
    if isinstance(value, str):
        match = grammar.TEXT.fullmatch(value)
        if match is not None:
            return _read_text(match, zone)
        if value == "":
            return UNSET
    if isinstance(value, (int, float, str)):
        number = read_number(value)
        return None if number is None else _read_number(number)
    return None


def is_stale(instant: int | None, cutoff: int) -> bool:
    """Tell whether a value that was read as an instant, or not at all, lies before a cutoff."""
    return instant is not None and FIRST_SET <= instant < cutoff


def render(instant: int) -> str:
    """Write an instant as RFC 3339 in UTC, fractions only where there are any."""
    return to_datetime(instant).isoformat().replace("+00:00", "Z")


def to_datetime(instant: int) -> dt.datetime:
    """Return an instant as a datetime in UTC; raise OverflowError outside the calendar."""
    return EPOCH + dt.timedelta(microseconds=instant)


def date_text(instant: int, days: int) -> str | None:
    """Return the date, so many days after an instant, as text, or None outside the calendar."""
    try:
        return (to_datetime(instant) + dt.timedelta(days=days)).date().isoformat()
    except OverflowError:
        return None


def of_datetime(moment: dt.datetime) -> int:
    """Return the instant of an aware datetime."""
    return (moment - EPOCH) // dt.timedelta(microseconds=1)


def read_number(value: float | str) -> int | decimal.Decimal | None:
    """Return a number exactly as it is written: binary fractions would round over a cutoff."""
    if isinstance(value, int):
        return value
    if isinstance(value, float):
        return decimal.Decimal(repr(value)) if math.isfinite(value) else None
    if not grammar.NUMBER.fullmatch(value):
        return None
    try:
        # int() refuses very long text, but is much the faster one.
        return int(value) if len(value) <= 20 and value.isdigit() else decimal.Decimal(value)
    except decimal.InvalidOperation:  # an exponent beyond all measure
        return None


def _read_number(value: int | decimal.Decimal) -> int | None:
    if value == 0:
        return UNSET
    unit = units.unit_of(value)
    if unit is None:
        return None
    if unit.per_second == 0:
        days = _FLOOR.subtract(decimal.Decimal(value), units.JULIAN_EPOCH)
        return math.floor(_FLOOR.multiply(days, DAY))
    if isinstance(value, int):
        return value * SECOND // unit.per_second
    return math.floor(_FLOOR.divide(_FLOOR.multiply(value, SECOND), unit.per_second))


def _read_text(match: grammar.Match, zone: dt.tzinfo) -> int | None:
    years, months, days, hours, minutes, seconds, fraction, zone_text = match.groups("0")
    hour, minute, second = int(hours), int(minutes), int(seconds)
    if hour > 23 or minute > 59 or second > 59:
        return None
    # There is no year 0: its dates, 0000-00-00 above all, say that no time is set.
    is_zero = years == "0000"
    date = (1, 1, 1) if is_zero else (int(years), int(months), int(days))
    try:
        moment = dt.datetime(*date, hour, minute, second)
        offset = _offset(zone_text, moment, zone)
    except ValueError:
        return None
    whole = ((moment.toordinal() - _EPOCH_DAY) * 24 + hour) * 3_600 + minute * 60 + second
    return UNSET if is_zero else whole * SECOND - offset + int((fraction + "000000")[:6])


def _offset(text: str, naive: dt.datetime, zone: dt.tzinfo) -> int:
    """Return microseconds east of UTC; raise ValueError if the offset is none of a clock's.

    ``text`` is "0" where there is no zone.
    """
    if text == "0":
        offset = naive.replace(tzinfo=zone).utcoffset()
        assert offset is not None
        return offset // dt.timedelta(microseconds=1)
    if text[0] not in "+-":
        return 0
    hours, minutes = int(text[1:3]), int(text[3:].lstrip(":") or "0")
    if hours > 23 or minutes > 59:
        raise ValueError(text)
    return (hours * 60 + minutes) * 60 * SECOND * (-1 if text[0] == "-" else 1)
