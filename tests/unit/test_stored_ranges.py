"""The spans: together they hold every stale value, and no more is claimed of them than is true."""

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
    """Return the spans that hold a value, compared as SQLite compares."""
    return [
        bounds
        for bounds in ranges
        if value < bounds.high and (bounds.low is None or bounds.low <= value)  # type: ignore[operator]
    ]


def is_stale(value: object, cutoff: int) -> bool:
    """Tell whether a value names an instant before the cutoff."""
    instant = instants.read_instant(value, UTC)
    return instant is not None and instant < cutoff


@given(cutoff=CUTOFFS, text=TEXTS)
def test_text_spans(cutoff: int, text: str) -> None:
    """Stale text is in exactly one span; a date in a span of stale dates is stale."""
    found = holding(list(stored_ranges.text_ranges(cutoff, NOW)), text)
    assert len(found) <= 1
    if is_stale(text, cutoff):
        assert found
    if found and found[0].verdict is stored_ranges.Verdict.DATES_STALE and "-" in text[:5]:
        assert is_stale(text, cutoff)


@given(
    cutoff=CUTOFFS,
    number=st.one_of(
        st.integers(-(2**63), 2**63 - 1),
        st.floats(allow_nan=False, max_value=1e17, allow_infinity=False, allow_subnormal=False),
        st.sampled_from([0, 1, 10**11, 10**14, 10**17, 10**11 - 1, 1780488000]),
    ),
)
def test_number_spans(cutoff: int, number: float) -> None:
    """The bounds decide numbers alone: stale, no time at all, or in no span."""
    found = [
        bounds.verdict for bounds in holding(list(stored_ranges.number_ranges(cutoff)), number)
    ]
    if is_stale(number, cutoff):
        assert found == [stored_ranges.Verdict.ALL_STALE]
    elif number <= 0:
        assert found == [stored_ranges.Verdict.NONE_READABLE]
    else:
        assert found == []


def test_fresh_dates_are_in_no_span() -> None:
    """What a nightly run must not read: every date from two days after the cutoff on."""
    ranges = list(stored_ranges.text_ranges(jobs.instant(jobs.CUTOFF), NOW))
    for text in ("2026-06-05", "2026-09-01T12:00:00Z", "2027-01-01", "9999-12-31 23:59:59"):
        assert holding(ranges, text) == []
    assert len(ranges) < 10


def test_a_century_of_retention_has_few_spans() -> None:
    """A cutoff far back in time makes no more spans than SQLite takes in one condition."""
    assert len(list(stored_ranges.text_ranges(jobs.instant("0001-01-01"), NOW))) < 110
