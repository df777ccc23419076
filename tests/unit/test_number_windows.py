"""The windows of numbers agree with what is read from each number, one by one."""

import datetime as dt
import math
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geocache_cleanup.times import instants
from geocache_cleanup.times.number_windows import (
    float_windows,
    number_windows,
    stored_windows,
    whole_windows,
)

CUTOFFS = st.datetimes(
    dt.datetime(1960, 1, 1), dt.datetime(9999, 12, 31), timezones=st.just(dt.UTC)
).map(instants.of_datetime)
EDGES = [0, 1, 10**11 - 1, 10**11, 10**14 - 1, 10**14, 10**17 - 1, 10**17, 2**63 - 1]


def is_stale(value: float, cutoff: int) -> bool:
    """Tell whether a number names an instant before the cutoff."""
    instant = instants.read_instant(value, dt.UTC)
    return instant is not None and instant < cutoff


@given(cutoff=CUTOFFS, number=st.one_of(st.integers(-10, 2**63 - 1), st.sampled_from(EDGES)))
def test_whole_numbers(cutoff: int, number: int) -> None:
    """Each stale one is in one window, each other one in none."""
    check_whole(cutoff, number)


def check_whole(cutoff: int, number: int) -> None:
    """Compare the windows with what is read."""
    found = [low <= number < high for low, high in whole_windows(cutoff)]
    assert sum(found) == is_stale(number, cutoff)


@given(cutoff=CUTOFFS, unit=st.sampled_from(instants.EPOCH_UNITS), step=st.integers(-3, 3))
def test_whole_numbers_at_the_cutoff(cutoff: int, unit: tuple[float, str, int], step: int) -> None:
    """The last stale number and the first fresh one are told apart in every unit."""
    check_whole(cutoff, cutoff * unit[2] // instants.SECOND + step)


@given(cutoff=CUTOFFS, number=st.floats(1e-300, 1e19))
def test_floats(cutoff: int, number: float) -> None:
    """A float is judged as it is written, whatever its binary fractions are."""
    found = [low <= number < high for low, high in float_windows(cutoff)]
    assert sum(found) == is_stale(number, cutoff)


@given(cutoff=CUTOFFS)
def test_bounds_of_every_type_are_those_of_the_exact_window(cutoff: int) -> None:
    """A rounded bound has no stale number beyond it and no fresh one before it."""
    exact = list(number_windows(cutoff))
    assert all(low < high for low, high in exact)
    wholes = {high for _, high in whole_windows(cutoff)}
    assert wholes <= {math.ceil(high) for _, high in exact}
    for (_, high), (_, rounded) in zip(exact, float_windows(cutoff), strict=True):
        assert Decimal(repr(rounded)) >= high


def test_a_bound_that_is_whole_is_compared_as_one() -> None:
    """A float as bound would be off by some nanoseconds from the integers of the column."""
    cutoff = instants.read_instant("2026-06-03T12:00:00Z", dt.UTC)
    assert cutoff is not None
    *_, (_, nanoseconds) = stored_windows(cutoff)
    assert (type(nanoseconds), nanoseconds) == (int, cutoff * 1_000)


@pytest.mark.parametrize("cutoff", [-(10**15), 0])
def test_no_number_is_before_the_epoch(cutoff: int) -> None:
    """Numbers are positive: before 1970 there is nothing to be stale."""
    assert list(number_windows(cutoff)) == []
    assert list(whole_windows(cutoff)) == []
