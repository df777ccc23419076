"""The ranges of local times agree with what is read, also around changes of the clocks."""

import datetime as dt
import zoneinfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geocache_cleanup.times import instants, typed_ranges

ZONES = [
    dt.UTC,
    *map(zoneinfo.ZoneInfo, ("Europe/Berlin", "Australia/Lord_Howe", "America/St_Johns")),
]
# The clocks go forward and back, by an hour and by half of one.
CHANGES = [
    "2000-01-01T00:00:00Z",
    "2026-03-29T01:00:00Z",
    "2026-10-25T01:00:00Z",
    "2026-04-04T15:00:00Z",
]
MINUTE = 60 * instants.SECOND


def instant_of(text: str) -> int:
    """Return the instant of text in UTC."""
    found = instants.read_instant(text, dt.UTC)
    assert found is not None
    return found


@given(
    zone=st.sampled_from(ZONES),
    change=st.sampled_from(CHANGES),
    before=st.integers(-120, 120),
    local=st.integers(-600, 900),
)
def test_local_times_around_a_change(zone: dt.tzinfo, change: str, before: int, local: int) -> None:
    """A local time lies in a range if, and only if, it is read as an instant before the cutoff."""
    cutoff = instant_of(change) + before * MINUTE
    moment = instant_of(change) + local * MINUTE
    ranges = typed_ranges.stale_ranges(cutoff, zone)
    found = any(low <= moment < high for low, high in ranges)
    read = instants.read_instant(typed_ranges.local_text(moment), zone)
    assert read is not None
    assert found == instants.is_stale(read, cutoff)


def test_utc_has_one_range() -> None:
    """Its clocks never change."""
    cutoff = instant_of(CHANGES[1])
    assert typed_ranges.stale_ranges(cutoff, dt.UTC) == [(instants.FIRST_SET, cutoff)]


@pytest.mark.parametrize("zone", ZONES)
def test_the_ends_of_the_calendar(zone: dt.tzinfo) -> None:
    """There is no offset to ask for beyond them."""
    assert typed_ranges.stale_ranges(typed_ranges.FIRST, zone) == []
    ((low, high),) = typed_ranges.stale_ranges(typed_ranges.LAST, zone)
    assert abs(low - instants.FIRST_SET) < instants.DAY
    assert high > typed_ranges.LAST - 2 * instants.DAY
