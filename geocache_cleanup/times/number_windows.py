"""The numbers that lie before a cutoff, one half-open window for each unit; and those of no unit.

One generator serves all engines and types: its windows are exact, and each type has a function
that rounds a bound to its own values so that it agrees with ``instants.read_instant`` on all of
them.
"""

import math
import struct
from collections.abc import Iterator
from decimal import ROUND_CEILING, Context, Decimal

from geocache_cleanup.times import instants, units

# Bounds of Julian days are no decimals: rounded up at a place where no stored number differs.
_EXACT = Context(prec=60)
_PLACE = Decimal(1).scaleb(-30)

LEAST_FLOAT = math.ulp(0.0)


def stale_windows(cutoff: int) -> Iterator[tuple[Decimal, Decimal]]:
    """Yield the windows of stale numbers, in ascending order."""
    for unit in units.UNITS:
        high = min(_bound(cutoff, unit), unit.high)
        if unit.low < high:
            yield unit.low, high


def unknown_windows() -> Iterator[tuple[Decimal | None, Decimal | None]]:
    """Yield the windows of numbers that count in no unit; None is no bound.

    0 is in none of them: the second window begins just above.
    """
    yield None, Decimal(0)
    lows = [Decimal(0), *(unit.high for unit in units.UNITS)]
    highs = [*(unit.low for unit in units.UNITS), None]
    yield from zip(lows, highs, strict=True)


def _bound(cutoff: int, unit: units.Unit) -> Decimal:
    if unit.per_second:
        # Exact: the quotient has no more than six decimals.
        return Decimal(cutoff * unit.per_second).scaleb(-6)
    days = _EXACT.divide(Decimal(cutoff), Decimal(instants.DAY))
    bound = _EXACT.add(units.JULIAN_EPOCH, days)
    return bound.quantize(_PLACE, ROUND_CEILING, _EXACT)


def whole_bound(bound: Decimal) -> int:
    """Return the least whole number that is not below a bound."""
    return math.ceil(bound)


def stored_bound(bound: Decimal) -> float:
    """Return a bound for a column that holds integers beside floats, as SQLite's do.

    It is an integer where it is whole: as a float it could be off from the column's integers.
    """
    return int(bound) if bound == int(bound) else float_bound(bound)


def float_bound(bound: Decimal) -> float:
    """Return the least positive float that, as it is written, is not below a bound."""
    low, high = 0, _bits(2 * float(max(bound, Decimal(1))))
    while low < high:
        middle = (low + high) // 2
        if Decimal(repr(_of_bits(middle))) >= bound:
            high = middle
        else:
            low = middle + 1
    return _of_bits(low)


def _bits(value: float) -> int:
    """Return a positive float as the integer that has its place among them."""
    return int(struct.unpack("<q", struct.pack("<d", value))[0])


def _of_bits(bits: int) -> float:
    return float(struct.unpack("<d", struct.pack("<q", bits))[0])
