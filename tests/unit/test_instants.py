"""Values in, instants out."""

import datetime as dt
import zoneinfo

import pytest

from geocache_cleanup.times import instants
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
    [None, b"2026-06-03", "", "now", "12:00", "not-a-date", "2026-02-29", "0000-01-01", 0, -5, "0"]
    + ["2026-06-03T24:00:00Z", "2026-06-03T12:60Z", "2026-06-03t12:00:00z", float("inf"), "nan"]
    + [
        "2026-06-03T12:00:00+24:00",
        "2026-06-03 12:00:00 UTC",
        " 1780488000",
        "1e99999999999999999999",
    ],
)
def test_no_times(value: object) -> None:
    """Anything else names no instant, and is told to be unreadable."""
    assert instants.read_instant(value, UTC) is None
    assert instants.name_format(value, instants.read_instant(value, UTC)).startswith(
        ("NULL", "unreadable")
    )


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
    ],
)
def test_formats_have_names(value: object, name: str) -> None:
    """``check`` tells formats apart."""
    assert instants.name_format(value, instants.read_instant(value, UTC)) == name


def test_extremes_are_read() -> None:
    """The ends of the calendar and numbers beyond it take part in comparisons."""
    first = instants.read_instant("0001-01-01T00:00:00+23:59", UTC)
    last = instants.read_instant("9999-12-31T23:59:59.999999999-23:59", UTC)
    beyond = instants.read_instant("9" * 5_000, UTC)
    assert first is not None
    assert last is not None
    assert beyond is not None
    assert first < 0 < last < beyond


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
    assert instants.has_zone(text) is bool(zoned)
