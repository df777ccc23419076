"""The windows of numbers agree with what is read from each number, one by one."""

import datetime as dt
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geocache_cleanup.times import instants, units
from geocache_cleanup.times.number_windows import (
    float_bound,
    stale_windows,
    stored_bound,
    unknown_windows,
    whole_bound,
)

CUTOFFS = st.datetimes(
    dt.datetime(1960, 1, 1), dt.datetime(9999, 12, 31), timezones=st.just(dt.UTC)
).map(instants.of_datetime)
EDGES = [int(edge) for unit in units.UNITS for edge in (unit.low, unit.high)]
NUMBERS = st.one_of(
    st.integers(-10, 2**63 - 1),
    st.builds(lambda edge, step: edge + step, st.sampled_from([0, *EDGES]), st.integers(-2, 2)),
)


def is_in(number: float, windows: object, bound: object) -> int:
    """Return in how many windows a number lies, their bounds rounded for its type."""
    assert callable(bound)
    assert hasattr(windows, "__iter__")
    return sum(
        (low is None or (bound(low) <= number if low else number > 0))
        and (high is None or number < bound(high))
        for low, high in windows
    )


def check(number: float, cutoff: int, bound: object) -> None:
    """Expect that a number is in one stale window if it is stale, in one unknown if unreadable."""
    instant = instants.read_instant(number, dt.UTC)
    assert is_in(number, stale_windows(cutoff), bound) == instants.is_stale(instant, cutoff)
    assert is_in(number, unknown_windows(), bound) == (instant is None)


@given(cutoff=CUTOFFS, number=NUMBERS)
def test_whole_numbers(cutoff: int, number: int) -> None:
    check(number, cutoff, lambda bound: whole_bound(bound) if bound else 0)


@given(
    cutoff=CUTOFFS,
    unit=st.sampled_from([unit for unit in units.UNITS if unit.per_second]),
    step=st.integers(-3, 3),
)
def test_whole_numbers_at_the_cutoff(cutoff: int, unit: units.Unit, step: int) -> None:
    """The last stale number and the first fresh one are told apart in every unit."""
    number = cutoff * unit.per_second // instants.SECOND + step
    check(number, cutoff, lambda bound: whole_bound(bound) if bound else 0)


@given(
    cutoff=CUTOFFS,
    number=st.one_of(st.floats(-1e3, 1e19), st.floats(2.4e6, 2.6e6), st.floats(9e8, 8e9)),
)
def test_floats(cutoff: int, number: float) -> None:
    """A float is judged as it is written, whatever its binary fractions are."""
    check(number, cutoff, lambda bound: float_bound(bound) if bound else 0.0)
    check(number, cutoff, lambda bound: stored_bound(bound) if bound else 0)


@given(
    cutoff=st.integers(instants.FIRST_SET + instants.DAY, instants.FIRST_SET * 7),
    ticks=st.integers(-2, 2),
)
def test_julian_days_at_the_cutoff(cutoff: int, ticks: int) -> None:
    """To the microsecond, of which a day has no whole decimal part."""
    day = Decimal("2440587.5") + Decimal(cutoff + ticks) / Decimal(instants.DAY)
    exact = Decimal(f"{day:.24f}")
    instant = instants.read_instant(str(exact), dt.UTC)
    assert instant is not None
    is_low = any(low <= exact < high for low, high in stale_windows(cutoff))
    assert is_low == instants.is_stale(instant, cutoff)


def test_a_bound_that_is_whole_is_compared_as_one() -> None:
    """A float as bound would be off by some nanoseconds from the integers of the column."""
    cutoff = instants.read_instant("2026-06-03T12:00:00Z", dt.UTC)
    assert cutoff is not None
    *_, (_, nanoseconds) = stale_windows(cutoff)
    bound = stored_bound(nanoseconds)
    assert (type(bound), bound) == (int, cutoff * 1_000)


@pytest.mark.parametrize("cutoff", [-(10**15), 0, instants.FIRST_SET])
def test_nothing_was_seen_before_2000(cutoff: int) -> None:
    assert list(stale_windows(cutoff)) == []


def test_the_windows_do_not_overlap() -> None:
    """And are in ascending order."""
    edges = [edge for unit in units.UNITS for edge in (unit.low, unit.high)]
    assert edges == sorted(edges)
