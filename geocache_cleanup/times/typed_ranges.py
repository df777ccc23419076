"""The local times that lie before a cutoff, as half-open ranges, for columns of dates and times.

Every range is exact: it agrees with ``instants.read_instant`` on each value.
"""

import datetime as dt
from collections.abc import Iterator, Sequence

from geocache_cleanup.times import instants

# An offset from UTC is less than a day.
_DAY = instants.DAY
# Two changes of a zone's offset are further apart than this, and fall on whole seconds.
_STEP = 600 * instants.SECOND
FIRST = -62_135_596_800 * instants.SECOND
LAST = 253_402_300_800 * instants.SECOND - 1


def stale_ranges(cutoff: int, zone: dt.tzinfo) -> Sequence[tuple[int, int]]:
    """Return the ranges of local times that are set, and lie before a cutoff.

    They are in microseconds since 1970 on that clock.
    """
    found = [(FIRST if low is None else low, high) for low, high in _local_ranges(cutoff, zone)]
    for first, end in _local_ranges(instants.FIRST_SET, zone):
        found = [
            part
            for low, high in found
            for part in ((low, min(high, FIRST if first is None else first)), (max(low, end), high))
            if part[0] < part[1]
        ]
    return found


def _local_ranges(cutoff: int, zone: dt.tzinfo) -> Sequence[tuple[int | None, int]]:
    """Return the ranges of local times before a cutoff, in microseconds since 1970 on that clock.

    More than one only within a day of the clocks going forward: a local time that was skipped
    is read with the offset from before, and so lies after some that follow it.
    """
    found: list[tuple[int | None, int]] = []
    for low, high, offset in _offsets(cutoff, zone):
        end = min(high, cutoff + offset)
        if low is not None and low >= end:
            continue
        joins = bool(found) and found[-1][1] == low
        found.append((found.pop()[0] if joins else low, end))
    return found


def _offsets(cutoff: int, zone: dt.tzinfo) -> Iterator[tuple[int | None, int, int]]:
    """Yield the stretches of local time around the cutoff, each with its offset from UTC."""
    start, last = (min(max(cutoff + days * _DAY, FIRST), LAST) for days in (-1, 1))
    low: int | None = None
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
