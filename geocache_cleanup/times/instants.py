"""Stored times, read one by one: what a value is, and which instant it names.

An instant is a whole number of microseconds since 1970-01-01T00:00:00Z. Finer fractions
are cut off, which loses no comparison: cutoffs are whole microseconds themselves.
"""

import datetime as dt
import decimal
import math
import re

SECOND = 1_000_000
DAY = 86_400 * SECOND
EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_EPOCH_DAY = EPOCH.toordinal()

# Below each limit a number counts in that unit: limit, name, and units in a second.
EPOCH_UNITS = (
    (10**11, "seconds", 1),
    (10**14, "milliseconds", 10**3),
    (10**17, "microseconds", 10**6),
    (math.inf, "nanoseconds", 10**9),
)

_TEXT = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})"
    r"(?:[T ]([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:\.([0-9]+))?)?)?"
    r"(Z|[+-][0-9]{2}:[0-9]{2})?"
)
_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?")

# Numbers beyond this are all the same far future: arithmetic on them could take for ever.
_MOST = 10**30
_FLOOR = decimal.Context(prec=60, rounding=decimal.ROUND_FLOOR)

Stored = None | int | float | str | bytes


def read_instant(value: object, zone: dt.tzinfo) -> int | None:
    """Return the instant a stored value names, or None where it names none.

    ``zone`` is that of text without a zone; a time that occurs twice when the clocks go
    back is the first of the two (``fold=0`` of PEP 495).
    """
    if isinstance(value, str):
        return _read_text(value, zone)
    if isinstance(value, (int, float)):
        number = _number(value)
        return None if number is None else _read_number(number)
    return None


def name_format(value: object, instant: int | None) -> str:
    """Name the format of a stored value of which the instant is known, None if it has none."""
    if value is None:
        return "NULL"
    if instant is None:
        return f"unreadable {_kind(value)}"
    if isinstance(value, str) and (match := _TEXT.fullmatch(value)):
        return _describe_text(match)
    assert isinstance(value, (int, float, str))
    number = _number(value)
    assert number is not None
    unit = next(name for limit, name, _ in EPOCH_UNITS if number < limit)
    return f"epoch {unit}" + (" as text" if isinstance(value, str) else "")


def render(instant: int) -> str:
    """Write an instant as RFC 3339 in UTC, fractions only where there are any."""
    return to_datetime(instant).isoformat().replace("+00:00", "Z")


def to_datetime(instant: int) -> dt.datetime:
    """Return an instant as a datetime in UTC; raise OverflowError outside the calendar."""
    return EPOCH + dt.timedelta(microseconds=instant)


def of_datetime(moment: dt.datetime) -> int:
    """Return the instant of an aware datetime."""
    return (moment - EPOCH) // dt.timedelta(microseconds=1)


def has_zone(text: str) -> bool:
    """Tell whether time text says its own zone; a bare date counts as midnight UTC."""
    match = _TEXT.fullmatch(text)
    return match is not None and (match[8] is not None or match[4] is None)


def _read_number(value: int | decimal.Decimal) -> int | None:
    if value <= 0:
        return None
    value = min(value, _MOST)
    per_second = next(unit for limit, _, unit in EPOCH_UNITS if value < limit)
    if isinstance(value, int):
        return value * SECOND // per_second
    return int(_FLOOR.divide(_FLOOR.multiply(value, SECOND), per_second))


def _number(value: float | str) -> int | decimal.Decimal | None:
    """Return a number exactly as it is written: binary fractions would round over a cutoff."""
    if isinstance(value, int):
        return value
    if isinstance(value, float):
        return decimal.Decimal(repr(value)) if math.isfinite(value) else None
    if not _NUMBER.fullmatch(value):
        return None
    try:
        # int() refuses very long text, but is much the faster one.
        return int(value) if len(value) <= 20 and value.isdigit() else decimal.Decimal(value)
    except decimal.InvalidOperation:  # an exponent beyond all measure
        return None


def _read_text(text: str, zone: dt.tzinfo) -> int | None:
    match = _TEXT.fullmatch(text)
    if match is None:
        number = _number(text)
        return None if number is None else _read_number(number)
    years, months, days, hours, minutes, seconds, fraction, zone_text = match.groups("0")
    hour, minute, second = int(hours), int(minutes), int(seconds)
    if hour > 23 or minute > 59 or second > 59:
        return None
    try:
        moment = dt.datetime(int(years), int(months), int(days), hour, minute, second)
        offset = _offset(zone_text, moment, zone)
    except ValueError:
        return None
    whole = ((moment.toordinal() - _EPOCH_DAY) * 24 + hour) * 3_600 + minute * 60 + second
    return whole * SECOND - offset + int((fraction + "000000")[:6])


def _offset(text: str, naive: dt.datetime, zone: dt.tzinfo) -> int:
    """Return microseconds east of UTC; raise ValueError if the offset is none of a clock's.

    ``text`` is "0" where there is no zone.
    """
    if text == "Z":
        return 0
    if text == "0":
        offset = naive.replace(tzinfo=zone).utcoffset()
        assert offset is not None
        return offset // dt.timedelta(microseconds=1)
    hours, minutes = int(text[1:3]), int(text[4:6])
    if hours > 23 or minutes > 59:
        raise ValueError(text)
    return (hours * 60 + minutes) * 60 * SECOND * (-1 if text[0] == "-" else 1)


def _describe_text(match: "re.Match[str]") -> str:
    if match[4] is None:
        return "date" + (" with zone" if match[8] else "")
    separator = "T" if "T" in match[0] else "space"
    zone = {None: "no zone", "Z": "Z"}.get(match[8], "offset")
    fraction = f", {len(match[7])} digits of fraction" if match[7] else ""
    return f"text with {separator}, {zone}{fraction}"


def _kind(value: object) -> str:
    if isinstance(value, str):
        return "text"
    return "number" if isinstance(value, (int, float)) else "binary value"
