"""The units that numbers count time in, each with the window in which a number is taken for one.

The windows reach from 2000 to 2199 and do not overlap: a number in none of them, such as a date
key, is no time that this program knows.
"""

from decimal import Decimal
from typing import NamedTuple

_FIRST, _END = 946_684_800, 7_258_118_400  # seconds: 2000-01-01 and 2200-01-01
_SECONDS_PER_DAY = 86_400
# The Julian day of 1970-01-01, which begins at noon before.
JULIAN_EPOCH = Decimal("2440587.5")


class Unit(NamedTuple):
    """A unit: numbers from ``low`` up to ``high`` (excluded) count in it.

    ``per_second`` is how many there are in a second; of Julian days, of which a second has less
    than one, it is 0.
    """

    name: str
    per_second: int
    low: Decimal
    high: Decimal


def _epoch(name: str, per_second: int) -> Unit:
    return Unit(
        f"epoch {name}", per_second, Decimal(_FIRST * per_second), Decimal(_END * per_second)
    )


# In ascending order of their windows.
UNITS = (
    Unit(
        "Julian days",
        0,
        JULIAN_EPOCH + _FIRST // _SECONDS_PER_DAY,
        JULIAN_EPOCH + _END // _SECONDS_PER_DAY,
    ),
    _epoch("seconds", 1),
    _epoch("milliseconds", 10**3),
    _epoch("microseconds", 10**6),
    _epoch("nanoseconds", 10**9),
)


def unit_of(value: int | Decimal) -> Unit | None:
    """Return the unit that a number counts in, None if it names no time in any."""
    return next((unit for unit in UNITS if unit.low <= value < unit.high), None)
