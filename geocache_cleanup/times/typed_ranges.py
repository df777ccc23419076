"""The stored values that lie before a cutoff, as half-open ranges, for columns of one type.

Every range is exact: it agrees with ``instants.read_instant`` on each value of its type.
"""

import datetime as dt
import math
import struct
from decimal import Decimal
from typing import Iterator, Optional, Sequence

from geocache_cleanup.times import instants

# An offset from UTC is less than a day.
_DAY = instants.DAY
# Two changes of a zone's offset are further apart than this, and fall on whole seconds.
_STEP = 600 * instants.SECOND
FIRST = -62_135_596_800 * instants.SECOND
LAST = 253_402_300_800 * instants.SECOND - 1

Range = tuple[Optional[int], int]


def whole_ranges(cutoff: int) -> Iterator[tuple[int, int]]:
    """Yield the stale ranges of whole numbers, one for each unit an epoch may count in."""
    low = 1
    for limit, _, per_second in instants.EPOCH_UNITS:
        bound = -(-cutoff * per_second // instants.SECOND)
        high = bound if math.isinf(limit) else min(bound, int(limit))
        if low < high:
            yield low, high
        low = high if math.isinf(limit) else int(limit)


def decimal_ranges(cutoff: int) -> Iterator[tuple[Decimal, Decimal]]:
    """Yield the stale ranges of decimals; the lower bound 0 is itself excluded."""
    low = Decimal(0)
    for limit, _, per_second in instants.EPOCH_UNITS:
        # Exact: the quotient has no more than six decimals.
        bound = Decimal(cutoff * per_second).scaleb(-6)
        high = bound if math.isinf(limit) else min(bound, Decimal(limit))
        if low < high:
            yield low, high
        low = Decimal(limit)


def float_ranges(cutoff: int) -> Iterator[tuple[float, float]]:
    """Yield the stale ranges of floats; the lower bound 0 is itself excluded."""
    for low, high in decimal_ranges(cutoff):
        yield float(low), _first_float(high)


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


def local_ranges(cutoff: int, zone: dt.tzinfo) -> Sequence[Range]:
    """Return the ranges of local times before a cutoff, in microseconds since 1970 on that clock.

    More than one only within a day of the clocks going forward: a local time that was skipped
    is read with the offset from before, and so lies after some that follow it.
    """
    found: list[Range] = []
    for low, high, offset in _offsets(cutoff, zone):
        end = min(high, cutoff + offset)
        if low is not None and low >= end:
            continue
        joins = bool(found) and found[-1][1] == low
        found.append((found.pop()[0] if joins else low, end))
    return found


def _offsets(cutoff: int, zone: dt.tzinfo) -> Iterator[tuple[Optional[int], int, int]]:
    """Yield the stretches of local time around the cutoff, each with its offset from UTC."""
    start, last = (min(max(cutoff + days * _DAY, FIRST), LAST) for days in (-1, 1))
    low: Optional[int] = None
    offset = _offset(start, zone)
    for moment in [*range(start + _STEP, last, _STEP), last]:
        following = _offset(moment, zone)
        if following != offset:
            change = _change(max(moment - _STEP, start), moment, zone)
            yield low, change, offset
            low, offset = change, following
    yield low, LAST + 1, offset


def _change(low: int, high: int, zone: dt.tzinfo) -> int:
    """Return the first moment after ``low`` that has another offset, as ``high`` has."""
    before = _offset(low, zone)
    while high - low > 1:
        middle = (low + high) // 2
        if _offset(middle, zone) == before:
            low = middle
        else:
            high = middle
    return high


def _offset(local: int, zone: dt.tzinfo) -> int:
    naive = instants.EPOCH.replace(tzinfo=None) + dt.timedelta(microseconds=local)
    offset = naive.replace(tzinfo=zone).utcoffset()
    assert offset is not None
    return offset // dt.timedelta(microseconds=1)


def local_text(local: int) -> str:
    """Write a local time as SQL does, to the microsecond."""
    naive = instants.EPOCH.replace(tzinfo=None) + dt.timedelta(microseconds=local)
    return naive.isoformat(" ", "microseconds")
