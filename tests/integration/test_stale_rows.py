"""What is stale, value by value, against an oracle that shares no code with the program."""

import datetime as dt
import tempfile
import zoneinfo
from decimal import Decimal
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from helpers import jobs, tables

UTC = dt.UTC
EPOCH = dt.datetime(1970, 1, 1, tzinfo=UTC)
ZONES = ("UTC", "Europe/Berlin", "America/St_Johns", "Pacific/Apia", "Australia/Lord_Howe")
TYPES = ("TEXT", "INTEGER", "REAL", "NUMERIC", "DATETIME", "BLOB", "", "VARCHAR(40) COLLATE NOCASE")


def oracle(value: object, zone: dt.tzinfo) -> Decimal | None:
    """Return the seconds since the epoch that a stored value names, None if it names no time."""
    if isinstance(value, (int, float)):
        return number(Decimal(repr(value)))
    if not isinstance(value, str) or not value.isascii():
        return None
    try:
        return moment(value, zone)
    except ValueError:
        pass
    digits = value.replace("e-", "e").replace("e+", "e").replace(".", "", 1).replace("e", "", 1)
    if not value[:1].isdigit() or not digits.isdigit() or value.endswith("e"):
        return None
    return number(Decimal(value))


def number(value: Decimal) -> Decimal | None:
    """Scale a number by its magnitude."""
    if not value.is_finite() or value <= 0:
        return None
    for limit, unit in ((11, 0), (14, 3), (17, 6)):
        if value < Decimal(10) ** limit:
            return value / Decimal(10) ** unit
    return value / Decimal(10) ** 9


def moment(text: str, zone: dt.tzinfo) -> Decimal:
    """Read time text with strptime; raise ValueError if it has none of the formats."""
    body, offset, fraction = text, zone, ""
    if text.endswith("Z"):
        body, offset = text[:-1], UTC
    elif len(text) > 15 and text[-6] in "+-" and text[-3] == ":":
        body = text[:-6]
        offset = dt.datetime.strptime(text[-6:], "%z").tzinfo or zone
    if "." in body:
        body, _, fraction = body.partition(".")
        if not fraction.isdigit() or len(body) != 19:
            raise ValueError(text)
    for form, length in (("%Y-%m-%d", 10), ("%Y-%m-%d{}%H:%M", 16), ("%Y-%m-%d{}%H:%M:%S", 19)):
        if len(body) == length:
            naive = dt.datetime.strptime(body, form.format("T" if "T" in body else " "))  # noqa: DTZ007 - the zone is put in below
            whole = naive.replace(tzinfo=offset) - EPOCH
            return Decimal(whole // dt.timedelta(seconds=1)) + Decimal(f"0.{fraction or 0}")
    raise ValueError(text)


def near(cutoff: dt.datetime) -> st.SearchStrategy[dt.datetime]:
    """Draw moments, most of them close to the cutoff."""
    close = st.timedeltas(dt.timedelta(days=-3), dt.timedelta(days=3))
    tiny = st.sampled_from(
        [dt.timedelta(microseconds=us) for us in (-1_000_000, -1, 0, 1, 999_999)]
    )
    far = st.datetimes(dt.datetime(1, 1, 2), dt.datetime(9999, 12, 30)).map(
        lambda naive: naive.replace(tzinfo=UTC)
    )
    return st.one_of(far, st.one_of(close, tiny).map(lambda shift: cutoff + shift))


def written(when: dt.datetime, draw: st.DataObject) -> object:
    """Write a moment in one of the formats that applications use."""
    local = when
    if dt.timedelta(days=2) < when - dt.datetime.min.replace(tzinfo=UTC):
        minutes = draw.draw(st.sampled_from([0, 60, -300, 345, 1439, -1439]))
        local = when.astimezone(dt.timezone(dt.timedelta(minutes=minutes)))
    kind = draw.draw(st.sampled_from(["text", "text", "number", "number text"]))
    if kind == "text":
        separator = draw.draw(st.sampled_from("T "))
        spec = draw.draw(st.sampled_from(["minutes", "seconds", "milliseconds", "microseconds"]))
        zone = draw.draw(st.sampled_from(["", "Z", "offset", "offset"]))
        shown = local if zone == "offset" else when
        text = shown.replace(tzinfo=None).isoformat(separator, spec)
        if draw.draw(st.integers(0, 9)) == 0:
            text = text[:10]
        total = int((shown.utcoffset() or dt.timedelta()).total_seconds()) // 60
        sign, total = ("-" if total < 0 else "+"), abs(total)
        return text + {"offset": f"{sign}{total // 60:02}:{total % 60:02}"}.get(zone, zone)
    scale = draw.draw(st.sampled_from([1, 10**3, 10**6, 10**9]))
    value: object = (when - EPOCH) // dt.timedelta(microseconds=1) * scale // 10**6
    if draw.draw(st.booleans()) and scale < 10**9:
        value = (when - EPOCH).total_seconds() * scale
    if isinstance(value, int) and abs(value) >= 2**63:
        value = 0
    return str(value) if kind == "number text" else value


JUNK = st.one_of(
    st.none(),
    st.sampled_from(
        [
            "",
            "now",
            "12:00",
            "not-a-date",
            "0000-00-00 00:00:00",
            "2026-02-30",
            "2025-02-29T00:00:00Z",
        ]
        + ["2026-06-03T24:00:00Z", "2016-12-31T23:59:60Z", "2026-06-03T12:00:00z", "0000-01-01"]
        + ["2020-01-01T00:00:00+24:00", "2020-01-01 00:00:00 UTC", " 2020-01-01", "2020-01-01\n"]
        + ["2020-01-01T00:00:00\0junk", "2020-1-1", "20200101T000000Z", "١٧٨٠٤٨٨٠٠٠", "1e400", "-5"]
        + ["2020-01-01T00:00:00.Z", "1_000", "0x10", "nan", "inf", "9999-12-31 23:59:59", "2024"]
    ),
    st.sampled_from([0, -1, 0.0, -1e18, 5e-324, 1e-300]),
    st.sampled_from([1, 10**11 - 1, 10**11, 10**14, 10**17, 2**63 - 1]),
    st.sampled_from(
        [1e300, float("inf"), float("-inf"), 1780487999.9999999, b"2020-01-01", b"\xff"]
    ),
    st.text(max_size=8),
    st.from_regex(r"\A[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9]{2}:[0-9]{2}(:[0-9]{2})?)?\Z"),
    st.from_regex(r"\A[0-9]{1,19}(\.[0-9]{0,3})?(e[+-]?[0-9]{1,2})?\Z"),
)


@given(
    draw=st.data(),
    cutoff=st.one_of(
        st.just(dt.datetime(2026, 6, 3, 12, tzinfo=UTC)),
        st.sampled_from(
            [
                dt.datetime(2026, 3, 29, 1, 30, tzinfo=UTC),
                dt.datetime(2026, 10, 25, 0, 59, 59, 999999, UTC),
            ]
        ),
        st.datetimes(dt.datetime(1900, 1, 1), dt.datetime(2200, 1, 1), timezones=st.just(UTC)),
    ),
    zone=st.sampled_from(ZONES),
    declared=st.sampled_from(TYPES),
    index=st.booleans(),
    batch_seconds=st.sampled_from([0.0, 1e-6]),
)
def test_no_fresh_row_lost_and_no_stale_row_kept(
    draw: st.DataObject,
    cutoff: dt.datetime,
    zone: str,
    declared: str,
    index: bool,
    batch_seconds: float,
) -> None:
    """A table of mixed formats keeps just the rows that the oracle calls fresh or no time."""
    moments = draw.draw(st.lists(near(cutoff), max_size=25))
    values = [written(when, draw) for when in moments] + draw.draw(st.lists(JUNK, max_size=12))
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "t.db")
        rows = [(f"ip{number}", value) for number, value in enumerate(values)]
        tables.make_table(path, rows, declared, index=index)
        check_table(path, cutoff, zone, batch_seconds)


def check_table(path: Path, cutoff: dt.datetime, zone: str, batch_seconds: float) -> None:
    """Prune a table and compare what is left with the oracle."""
    tzinfo = UTC if zone == "UTC" else zoneinfo.ZoneInfo(zone)
    with tables.connected(path) as connection:
        stored = dict(connection.execute("SELECT ip, last_seen FROM geo_cache"))
    limit = Decimal((cutoff - EPOCH) // dt.timedelta(microseconds=1)) / 10**6
    times = {ip: oracle(value, tzinfo) for ip, value in stored.items()}
    fresh = {ip for ip, time in times.items() if time is None or time >= limit}
    with jobs.one_row_at_a_time():
        result = jobs.run_here(
            path, cutoff=int(limit * 10**6), time_zone=tzinfo, batch_seconds=batch_seconds
        )
    kept = set(tables.fetch(path, "SELECT ip FROM geo_cache"))
    wrong = {ip: stored[ip] for ip in kept ^ fresh}
    assert [value for value in wrong.values() if not is_coarse(value)] == []
    assert result.deleted == len(stored) - len(kept)
    assert result.unreadable <= sum(time is None for time in times.values())


def is_coarse(value: object) -> bool:
    """Nanoseconds as a binary fraction are some 200 ns apart: too coarse for a verdict."""
    return isinstance(value, float) and value >= 1e17
