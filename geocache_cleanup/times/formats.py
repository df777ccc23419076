"""Names for what is stored: formats as check lists them, and what numbers of no unit look like."""

import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from typing import NamedTuple

from geocache_cleanup.times import grammar, units
from geocache_cleanup.times.instants import FIRST_SET, read_number

_FIRST_YEAR, _END_YEAR = 2000, 2200
_FIRST = dt.datetime(_FIRST_YEAR, 1, 1)
_DAYS = 73_049  # from 2000-01-01 up to 2200-01-01


class _Count(NamedTuple):
    """A way to count time that this program does not read: its name, its zero, units in a day."""

    name: str
    zero: dt.datetime
    per_day: int

    def holds(self, value: Decimal) -> bool:
        """Tell whether a number names a moment from 2000 to 2199."""
        first = (_FIRST - self.zero).days * self.per_day
        return first <= value < first + _DAYS * self.per_day


def _is_date_key(form: str) -> Callable[[Decimal], bool]:
    def holds(value: Decimal) -> bool:
        if value != int(value):
            return False
        try:
            year = dt.datetime.strptime(str(int(value)), form).year  # noqa: DTZ007 - only its year
        except ValueError:
            return False
        return _FIRST_YEAR <= year < _END_YEAR

    return holds


_LOOKS: tuple[tuple[str, Callable[[Decimal], bool]], ...] = (
    ("a year", lambda value: value == int(value) and _FIRST_YEAR <= value < _END_YEAR),
    ("a date key (YYYYMMDD)", _is_date_key("%Y%m%d")),
    ("a date and time as digits (YYYYMMDDHHMMSS)", _is_date_key("%Y%m%d%H%M%S")),
    *(
        (count.name, count.holds)
        for count in (
            # Of two that fit, the one that is in its first decades.
            _Count("an Excel serial date", dt.datetime(1899, 12, 30), 1),
            _Count("days since 1970", dt.datetime(1970, 1, 1), 1),
            _Count("hours since 1970", dt.datetime(1970, 1, 1), 24),
            _Count("minutes since 1970", dt.datetime(1970, 1, 1), 1_440),
            _Count("seconds since 2001 (Core Data)", dt.datetime(2001, 1, 1), 86_400),
            _Count("microseconds since 1601 (WebKit)", dt.datetime(1601, 1, 1), 86_400 * 10**6),
            _Count("a Windows FILETIME", dt.datetime(1601, 1, 1), 864 * 10**9),
            _Count(".NET ticks", dt.datetime(1, 1, 1), 864 * 10**9),
        )
    ),
)


def name_format(value: object, instant: int | None) -> str:
    """Name the format of a stored value, of which the instant is None if it cannot be read."""
    if value is None:
        return "NULL"
    if instant is None:
        return f"unreadable {_kind(value)}"
    if instant < FIRST_SET:
        return "no time set"
    if isinstance(value, str) and (match := grammar.TEXT.fullmatch(value)):
        return _name_text(match)
    assert isinstance(value, (int, float, str))
    number = read_number(value)
    unit = units.unit_of(number) if number is not None else None
    assert unit is not None
    return unit.name + (" as text" if isinstance(value, str) else "")


def _name_text(match: grammar.Match) -> str:
    if match[4] is None:
        return "date" + (" with zone" if match[8] else "")
    separator = "space" if match[0][10] == " " else "T"
    zones = {None: "no zone", "Z": "Z", "z": "Z", "UTC": "UTC", "GMT": "GMT"}
    zone = zones.get(match[8], "offset")
    if match.end(8) not in {-1, match.end()}:
        zone += " and its name"
    fraction = f", {len(match[7])} digits of fraction" if match[7] else ""
    return f"text with {separator}, {zone}{fraction}"


def _kind(value: object) -> str:
    if isinstance(value, bytes):
        return "binary value"
    number = read_number(value) if isinstance(value, (int, float, str)) else None
    if number is None:
        return "text" if isinstance(value, str) else "number"
    as_text = " as text" if isinstance(value, str) else ""
    looks = next((name for name, holds in _LOOKS if number > 0 and holds(Decimal(number))), None)
    return f"number{as_text}" + (f", looks like {looks}" if looks else "")
