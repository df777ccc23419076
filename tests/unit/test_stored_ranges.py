"""The ranges together hold every stale value, and no more is claimed of them than is true."""

import datetime as dt

from hypothesis import given
from hypothesis import strategies as st

from geocache_cleanup.times import instants, stored_ranges
from helpers import jobs

UTC = dt.UTC
NOW = jobs.instant("2026-09-01T12:00:00Z")
CUTOFFS = st.datetimes(dt.datetime(1, 1, 1), dt.datetime(9999, 12, 31), timezones=st.just(UTC)).map(
    instants.of_datetime
)
OFFSETS = st.integers(-1439, 1439).map(
    lambda m: f"{'-+'[m >= 0]}{abs(m) // 60:02}:{abs(m) % 60:02}"
)
TEXTS = st.one_of(
    st.builds(
        lambda moment, offset: moment.isoformat(sep=" ") + offset,
        st.datetimes(dt.datetime(1, 1, 1), dt.datetime(9999, 12, 31)),
        OFFSETS,
    ),
    st.integers(1, 10**19).map(str),
    st.from_regex(r"\A[0-9]{1,12}(\.[0-9]{1,3})?(e[0-9])?\Z"),
)


def holding(ranges: list[stored_ranges.Range], value: float | str) -> list[stored_ranges.Range]:
    """Return the ranges that hold a value, compared as SQLite compares."""
    key = rank(value)
    return [
        bounds
        for bounds in ranges
        if (bounds.low is None or rank(bounds.low) <= key)
        and (bounds.high is None or key < rank(bounds.high))
    ]


def rank(value: float | str | bytes) -> tuple[int, float | str | bytes]:
    """Return a key that puts all numbers before any text, and all text before any bytes."""
    return isinstance(value, str) + 2 * isinstance(value, bytes), value


def is_stale(value: object, cutoff: int) -> bool:
    """Tell whether a value names an instant before the cutoff, and after what is not set."""
    return instants.is_stale(instants.read_instant(value, UTC), cutoff)


@given(cutoff=CUTOFFS, text=st.one_of(TEXTS, st.text()))
def test_text_ranges(cutoff: int, text: str) -> None:
    """Stale text is in exactly one range; a date in a range of stale dates is stale."""
    found = holding(list(stored_ranges.text_ranges(cutoff, NOW)), text)
    assert len(found) <= 1
    if is_stale(text, cutoff):
        assert found
    if found and found[0].verdict is stored_ranges.Verdict.DATES_STALE and "-" in text[:5]:
        assert is_stale(text, cutoff) or instants.read_instant(text, UTC) is None
    if found and found[0].verdict is stored_ranges.Verdict.UNREADABLE:
        assert instants.read_instant(text, UTC) is None
    if not found:
        # Passed over is only what begins like a fresh date.
        assert text[:4].isdecimal()
        assert text[4] == "-"


@given(
    cutoff=CUTOFFS,
    number=st.one_of(
        st.integers(-(2**63), 2**63 - 1),
        st.floats(allow_nan=False, max_value=1e19, allow_infinity=False, allow_subnormal=False),
        st.sampled_from([0, 1, 946684800, 946684799, 2451544, 2451545, 7258118400, 1780488000]),
    ),
)
def test_number_ranges(cutoff: int, number: float) -> None:
    """The bounds decide numbers alone: stale, unreadable, or in no range."""
    ranges = list(stored_ranges.number_ranges(cutoff))
    found = [bounds.verdict for bounds in holding(ranges, number)]
    if is_stale(number, cutoff):
        assert found == [stored_ranges.Verdict.ALL_STALE]
    elif instants.read_instant(number, UTC) is None:
        assert found == [stored_ranges.Verdict.UNREADABLE]
    else:
        assert found == []


def test_fresh_dates_are_in_no_range() -> None:
    """What a nightly run must not read: every date from two days after the cutoff on."""
    ranges = list(stored_ranges.text_ranges(jobs.instant(jobs.CUTOFF), NOW))
    for text in ("2026-06-05", "2026-09-01T12:00:00Z", "2027-01-01", "9999-12-31 23:59:59"):
        assert holding(ranges, text) == []
    assert len(ranges) < 10


def test_a_century_of_retention_has_few_ranges() -> None:
    """A cutoff far back in time makes no more ranges than SQLite takes in one condition."""
    assert len(list(stored_ranges.text_ranges(jobs.instant("0001-01-01"), NOW))) < 115
