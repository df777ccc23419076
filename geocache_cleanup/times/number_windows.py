"""The numbers that lie before a cutoff: one half-open window for each unit an epoch counts in.

One generator serves all engines and types: its windows are exact, and each type has a function
that rounds one to its own values so that it agrees with ``instants.read_instant`` on all of them.
"""

import math
import struct
from collections.abc import Iterator
from decimal import Decimal

from geocache_cleanup.times import instants

Window = tuple[Decimal, Decimal]

_INT64_MAX = 2**63 - 1
LEAST_FLOAT = math.ulp(0.0)


def number_windows(cutoff: int) -> Iterator[Window]:
    """Yield the stale windows; of the first the lower bound, 0, is itself excluded."""
    low = Decimal(0)
    for limit, _, per_second in instants.EPOCH_UNITS:
        # Exact: the quotient has no more than six decimals.
        bound = Decimal(cutoff * per_second).scaleb(-6)
        high = bound if math.isinf(limit) else min(bound, Decimal(limit))
        if low < high:
            yield low, high
        low = Decimal(limit)


def whole_windows(cutoff: int) -> Iterator[tuple[int, int]]:
    """Yield the stale windows of whole numbers, both bounds as whole numbers themselves."""
    for low, high in number_windows(cutoff):
        first, end = max(1, math.ceil(low)), math.ceil(high)
        if first < end:
            yield first, end


def float_windows(cutoff: int) -> Iterator[tuple[float, float]]:
    """Yield the stale windows of floats; 0 is excluded as in ``number_windows``."""
    for low, high in number_windows(cutoff):
        yield float(low), _first_float(high)


def stored_windows(cutoff: int) -> Iterator[tuple[float, float]]:
    """Yield the stale windows of a column that holds integers beside floats, as SQLite's do.

    A bound is an integer where it is whole and fits the database's integers.
    """
    for low, high in number_windows(cutoff):
        is_whole = high == int(high) and high <= _INT64_MAX
        yield (int(low) if low else LEAST_FLOAT), (int(high) if is_whole else float(high))


def _first_float(bound: Decimal) -> float:
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
