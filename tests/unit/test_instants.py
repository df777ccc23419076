"""Values in, instants out."""

import datetime as dt
import zoneinfo

import pytest

from geocache_cleanup.times import grammar, instants
from geocache_cleanup.times.formats import name_format
from helpers import jobs

UTC = dt.UTC
BERLIN = zoneinfo.ZoneInfo("Europe/Berlin")
NOON = jobs.instant(jobs.CUTOFF)


@pytest.mark.parametrize(
    "value",
    [
        "2026-06-03T12:00:00Z",
        "2026-06-03 12:00:00",
        "2026-06-03T12:00",
        "2026-06-03T14:00:00.000+02:00",
        "2026-06-03 06:30:00.000000000-05:30",
        1780488000,
        1780488000.0,
        1780488000000,
        1780488000000000,
        1780488000000000000,
        2461195.0,
        "2461195.0",
        "2026-06-03t12:00:00z",
        "2026-06-03 12:00:00,000",
        "2026-06-03 12:00:00 UTC",
        "2026-06-03T12:00GMT",
        "2026-06-03T14:00:00+0200",
        "2026-06-03 12:00:00+00",
        "2026-06-03 17:45:00 +0545 +0545",
        "2026-06-03 06:00:00.000000001 -0600 CST m=+4177.1",
        "2026-06-03 12:00:00 +0000 UTC",
        "2026-06-03T14:00:00+02:00[Europe/Paris]",
        "2026-06-03T12:00:00Z[UTC]",
        "1780488000",
        "1780488000.0",
        "1.780488e9",
        "1780488000000000000",
    ],
)
def test_one_instant_in_many_formats(value: object) -> None:
    assert instants.read_instant(value, UTC) == NOON


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2026-06-03 14:00:00", "2026-06-03T12:00:00Z"),
        ("2026-06-03", "2026-06-02T22:00:00Z"),
        ("2026-03-29 01:59:59", "2026-03-29T00:59:59Z"),
        ("2026-03-29 02:30:00", "2026-03-29T01:30:00Z"),
        ("2026-03-29 03:00:00", "2026-03-29T01:00:00Z"),
        ("2026-10-25 02:30:00", "2026-10-25T00:30:00Z"),
        ("2026-10-25 03:00:00", "2026-10-25T02:00:00Z"),
        ("2026-10-25T02:30:00+01:00", "2026-10-25T01:30:00Z"),
    ],
)
def test_naive_times_across_clock_changes(text: str, utc: str) -> None:
    """Times that the clocks skip or repeat are read as PEP 495 does with fold=0."""
    assert instants.read_instant(text, BERLIN) == jobs.instant(utc)


@pytest.mark.parametrize(
    "value",
    [None, b"2026-06-03", "now", "12:00", "not-a-date", "2026-02-29", -5, "-5", "2026-00-00"]
    + ["2026-06-03T24:00:00Z", "2026-06-03T12:60Z", float("inf"), "nan", "1_780_488_000"]
    + ["2026-06-03T12:00:00+24:00", " 1780488000", "1e99999999999999999999", "2026-6-3"]
    + ["2026-06-03 12:00:00 CST", "2026-06-03 12:00:00 UTC CST", "2026-06-03T12:00:00[UTC]"]
    + ["2026-06-03 12:00:00 +0000 m=x", "2026-06-03  12:00:00", "2026-06-03 12:00:00Z[]"]
    + [20260603, 639160920000000000, 134249688000000000, 802188000.5, 46176.59, 20608]
    + [29674920, 2026, 20260603100000, "20260603100000", 2451544.4, 946684799, 7258118400],
)
def test_no_times(value: object) -> None:
    """Anything else names no instant, and is told to be unreadable."""
    assert instants.read_instant(value, UTC) is None
    assert name_format(value, instants.read_instant(value, UTC)).startswith(("NULL", "unreadable"))


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ("2026-06-03T12:00:00Z", "text with T, Z"),
        ("2026-06-03 12:00:00.123456+02:00", "text with space, offset, 6 digits of fraction"),
        ("2026-06-03 12:00", "text with space, no zone"),
        ("2026-06-03", "date"),
        (1780488000, "epoch seconds"),
        ("1780488000123", "epoch milliseconds as text"),
        (1.5e15, "epoch microseconds"),
        (2**62, "epoch nanoseconds"),
        (2461195.08, "Julian days"),
        ("2026-06-03 04:00:00 -0600 CST", "text with space, offset and its name"),
        (20260603, "unreadable number, looks like a date key (YYYYMMDD)"),
        (639160920000000000, "unreadable number, looks like .NET ticks"),
        (134249688000000000, "unreadable number, looks like a Windows FILETIME"),
        (802188000.5, "unreadable number, looks like seconds since 2001 (Core Data)"),
        (46176.59, "unreadable number, looks like an Excel serial date"),
        (20608, "unreadable number, looks like days since 1970"),
        (29674920, "unreadable number, looks like minutes since 1970"),
        (2026, "unreadable number, looks like a year"),
        (-5, "unreadable number"),
    ],
)
def test_formats_have_names(value: object, name: str) -> None:
    """``check`` tells formats apart."""
    assert name_format(value, instants.read_instant(value, UTC)) == name


def test_extremes_are_read() -> None:
    """The ends of the calendar take part in comparisons; numbers beyond it do not."""
    first = instants.read_instant("0001-01-01T00:00:00+23:59", UTC)
    last = instants.read_instant("9999-12-31T23:59:59.999999999-23:59", UTC)
    assert first is not None
    assert last is not None
    assert instants.UNSET < first < 0 < last
    assert instants.read_instant("9" * 5_000, UTC) is None


@pytest.mark.parametrize(
    "value",
    [0, 0.0, "0", "0.0", "0e9", "", "0000-00-00", "0000-00-00 00:00:00", "0000-01-01T00:00Z"]
    + ["0001-01-01 00:00:00", "0001-01-01 00:00:00 +0000 UTC", "1970-01-01 01:00:00"]
    + ["1970-01-01T00:00:00+05:30", "1999-12-31T23:59:59.999999Z", "2000-01-01T00:59:59+01:00"],
)
def test_no_time_is_set_before_2000(value: object) -> None:
    """Zeros of all kinds stand for never: they are neither stale nor unreadable."""
    instant = instants.read_instant(value, UTC)
    assert instant is not None
    assert instant < instants.FIRST_SET
    assert name_format(value, instant) == "no time set"
    assert not instants.is_stale(instant, NOON)
    assert instants.is_stale(instants.FIRST_SET, NOON)


@pytest.mark.parametrize(
    ("instant", "text"), [(NOON, "2026-06-03T12:00:00Z"), (NOON + 1, "2026-06-03T12:00:00.000001Z")]
)
def test_render(instant: int, text: str) -> None:
    """Instants are written in RFC 3339."""
    assert instants.render(instant) == text


@pytest.mark.parametrize(
    ("text", "zoned"),
    [("2026-06-03", True), ("2026-06-03T12:00Z", True), ("2026-06-03T12:00", False), ("x", None)],
)
def test_has_zone(text: str, zoned: bool | None) -> None:
    """A bare date counts as midnight UTC; a bare time of day does not say where."""
    assert grammar.has_zone(text) is bool(zoned)
