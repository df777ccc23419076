"""What is stale, value by value, against an oracle that shares no code with the program."""

import datetime as dt
import tempfile
import zoneinfo
from decimal import Decimal
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from helpers import jobs, reporting, tables

UTC = dt.UTC
EPOCH = dt.datetime(1970, 1, 1, tzinfo=UTC)
ZONES = ("UTC", "Europe/Berlin", "America/St_Johns", "Pacific/Apia", "Australia/Lord_Howe")
LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
DIGITS = "0123456789"
TYPES = ("TEXT", "INTEGER", "REAL", "NUMERIC", "DATETIME", "BLOB", "", "VARCHAR(40) COLLATE NOCASE")


# The answers of the oracle beside the seconds since the epoch that a value names.
UNSET, UNREADABLE = Decimal("-Infinity"), None
FIRST, END = 946_684_800, 7_258_118_400  # 2000-01-01 and 2200-01-01


def oracle(value: object, zone: dt.tzinfo) -> Decimal | None:
    """Return the seconds since the epoch that a stored value names, or what it is instead."""
    if value is None or value == "":
        return UNSET
    if isinstance(value, (int, float)):
        return number(Decimal(repr(value)))
    if not isinstance(value, str) or not value.isascii():
        return UNREADABLE
    try:
        return moment(value, zone)
    except ValueError:
        pass
    digits = value.replace("e-", "e").replace("e+", "e").replace(".", "", 1).replace("e", "", 1)
    if not value[:1].isdigit() or not digits.isdigit() or value.endswith("e"):
        return UNREADABLE
    return number(Decimal(value))


def number(value: Decimal) -> Decimal | None:
    """Read a number in the one unit in which it names a moment from 2000 to 2199."""
    if not value.is_finite():
        return UNREADABLE
    if value == 0:
        return UNSET
    day = value - Decimal("2440587.5")
    if FIRST <= day * 86_400 < END:
        return day * 86_400
    for exponent in (0, 3, 6, 9):
        if FIRST <= value.scaleb(-exponent) < END:
            return value.scaleb(-exponent)
    return UNREADABLE


def moment(text: str, zone: dt.tzinfo) -> Decimal:
    """Read time text word by word; raise ValueError if it has none of the formats."""
    date, rest = text[:10], text[10:]
    clock = ""
    if rest[:1] and rest[0] in "Tt " and rest[1:2].isdigit():
        clock = rest[1:]
        for place, character in enumerate(clock):
            if character not in "0123456789:.,":
                clock = clock[:place]
                break
        rest = rest[1 + len(clock) :]
    offset = written_zone(rest.removeprefix(" ")) if rest else zone
    whole, _, fraction = clock.replace(",", ".").partition(".")
    if "." in clock.replace(",", ".") and not (fraction.isdigit() and len(whole) == 8):
        raise ValueError(text)
    if not all(part.isdigit() for part in date.split("-")):
        raise ValueError(text)
    forms = {0: "", 5: "%H:%M", 8: "%H:%M:%S"}
    time = dt.datetime.strptime(whole, forms[len(whole)]) if len(whole) in forms else None  # noqa: DTZ007 - the zone is put in below
    if time is None or len(date) != 10 or whole[:2].strip("0123456789"):
        raise ValueError(text)
    if date.startswith("0000-"):
        if date[7] != "-":
            raise ValueError(text)
        return UNSET
    day = dt.datetime.strptime(date, "%Y-%m-%d")  # noqa: DTZ007 - likewise
    naive = dt.datetime.combine(day, time.time())
    since = naive.replace(tzinfo=offset) - EPOCH
    seconds = Decimal(since // dt.timedelta(seconds=1)) + Decimal(f"0.{fraction or 0}")
    return seconds if seconds >= FIRST else UNSET


def written_zone(text: str) -> dt.tzinfo:
    """Read what follows the time of day; raise ValueError if it is no zone."""
    if text in {"Z", "z", "UTC", "GMT"}:
        return UTC
    if text.endswith("]"):
        text, _, region = text[:-1].partition("[")
        if not 0 < len(region) <= 40 or region.strip(LETTERS + DIGITS + "_+:/-"):
            raise ValueError(text)
    head, *words = text.split(" ")
    if words and words[-1].startswith("m="):
        reading = words.pop()[2:]
        whole, dot, part = reading[1:].partition(".")
        if reading[:1] not in {"+", "-"} or not whole.isdigit() or bool(dot) != part.isdigit():
            raise ValueError(text)
    if len(words) > 1 or not all(is_zone_name(word) for word in words):
        raise ValueError(text)
    if head == "Z":
        return UTC
    hours, minutes = head[1:3], head[3:].removeprefix(":") or "00"
    if head[:1] not in {"+", "-"} or head.endswith(":") or len(hours + minutes) != 4:
        raise ValueError(text)
    if not (hours + minutes).isdigit() or int(hours) > 23 or int(minutes) > 59:
        raise ValueError(text)
    east = dt.timedelta(hours=int(hours), minutes=int(minutes))
    return dt.timezone(east if head[0] == "+" else -east)


def is_zone_name(word: str) -> bool:
    """Tell whether Go would write a word as the name of a zone."""
    if word[:1] in {"+", "-"}:
        return len(word) in {3, 5} and word[1:].isdigit()
    return 0 < len(word) <= 10 and not word.strip(LETTERS)


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
        separator = draw.draw(st.sampled_from("Tt "))
        spec = draw.draw(st.sampled_from(["minutes", "seconds", "milliseconds", "microseconds"]))
        zone = draw.draw(st.sampled_from(["", "Z", "z", " UTC", "GMT", "offset", "offset"]))
        shown = local if zone == "offset" else when
        text = shown.replace(tzinfo=None).isoformat("T", spec).replace("T", separator)
        text = draw.draw(st.sampled_from([text, text, text.replace(".", ",")]))
        if draw.draw(st.integers(0, 9)) == 0:
            text = text[:10]
        total = int((shown.utcoffset() or dt.timedelta()).total_seconds()) // 60
        sign, total = ("-" if total < 0 else "+"), abs(total)
        if zone != "offset":
            return text + zone
        space, colon = draw.draw(st.sampled_from(["", " "])), draw.draw(st.sampled_from([":", ""]))
        hours = f"{space}{sign}{total // 60:02}"
        written = hours if total % 60 == 0 and colon else f"{hours}{colon}{total % 60:02}"
        return text + written + draw.draw(st.sampled_from(TAILS))
    if draw.draw(st.integers(0, 4)) == 0:
        day = 2440587.5 + (when - EPOCH).total_seconds() / 86_400
        return str(day) if kind == "number text" else day
    scale = draw.draw(st.sampled_from([1, 10**3, 10**6, 10**9]))
    value: object = (when - EPOCH) // dt.timedelta(microseconds=1) * scale // 10**6
    if draw.draw(st.booleans()) and scale < 10**9:
        value = (when - EPOCH).total_seconds() * scale
    if isinstance(value, int) and abs(value) >= 2**63:
        value = 0
    return str(value) if kind == "number text" else value


TAILS = ["", "", "", " CST", " +0545", " UTC m=+4177.1", " m=-1", "[Europe/Paris]", " MSK[x]"]
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
    st.sampled_from([20260603, 639160920000000000, 134249688000000000, 802188000.5, 46176.59]),
    st.sampled_from([20608, 29674920, 2026, 20260603100000, "20260603100000", "2461195.08"]),
    st.builds(
        lambda edge, step: edge + step,
        st.sampled_from(
            [2451544.5, 2524593.5, *(FIRST * 10**n for n in (0, 3, 6, 9)), END, END * 1000]
        ),
        st.sampled_from([-1, -0.5, 0, 0.5, 1]),
    ),
    st.sampled_from(
        ["0001-01-01 00:00:00", "1970-01-01 01:00:00", "0001-01-01 00:00:00 +0000 UTC"]
    ),
    st.sampled_from(
        ["Wed, 03 Jun 2026 10:00:00 GMT", "2026/06/03 10:00:00", "2099-06-31", "~", ":"]
    ),
    st.sampled_from(["1999-12-31T23:59:59Z", "2000-01-01", "2000-01-01T00:30+01:00", "0", "0.0"]),
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
        st.just(dt.datetime(2000, 1, 1, 12, tzinfo=UTC)),
        st.datetimes(dt.datetime(1900, 1, 1), dt.datetime(2400, 1, 1), timezones=st.just(UTC)),
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


def test_text_as_long_as_the_formats_most_in_use(tmp_path: Path) -> None:
    """Which is not read where its signs say that it is fresh: in another zone it may be stale."""
    days, times = ("2026-06-02", "2026-06-03", "2026-06-04"), ("00:00", "11:59", "12:00", "23:59")
    forms = ["T{}:00Z", " {}:00Z", "t{}:00Z", "T{}:00z", " {}:00", "T{}:00", " {}+14", "T{}-14"]
    forms += ["T{}+14 A", "T{}Z", "T{}:00 ", "T{}:0xZ", " {}:0x", "T{}x00Z", " {}:00+14", "T{} UTC"]
    values = [day + form.format(time) for day in days for time in times for form in forms]
    values += [day + tail for day in days for tail in (" Z[:aa:a]", " Z[0:a:aa]", "Z[aa:bb:cc]")]
    tables.make_table(tmp_path / "t.db", [(value, value) for value in values])
    check_table(tmp_path / "t.db", dt.datetime(2026, 6, 3, 12, tzinfo=UTC), "UTC", 0)


def check_table(path: Path, cutoff: dt.datetime, zone: str, batch_seconds: float) -> None:
    """Prune a table and compare what is left with the oracle."""
    tzinfo = UTC if zone == "UTC" else zoneinfo.ZoneInfo(zone)
    with tables.connected(path) as connection:
        stored = dict(connection.execute("SELECT ip, last_seen FROM geo_cache"))
    limit = Decimal((cutoff - EPOCH) // dt.timedelta(microseconds=1)) / 10**6
    times = {ip: oracle(value, tzinfo) for ip, value in stored.items()}
    stale = {ip for ip, time in times.items() if time is not None and FIRST <= time < limit}
    with jobs.one_row_at_a_time():
        result = jobs.run_here(
            path, cutoff=int(limit * 10**6), time_zone=tzinfo, batch_seconds=batch_seconds
        )
    gone = stored.keys() - set(tables.fetch(path, "SELECT ip FROM geo_cache"))
    reporting.tally["tables tried"] += 1
    reporting.tally["values judged"] += len(stored)
    reporting.tally["rows lost"] += sum(not is_coarse(stored[ip]) for ip in gone - stale)
    wrong = {ip: stored[ip] for ip in gone ^ stale}
    assert [value for value in wrong.values() if not is_coarse(value)] == []
    assert result.deleted == len(gone)
    unreadable = [stored[ip] for ip, time in times.items() if time is UNREADABLE]
    told = [value for value in unreadable if not begins_like_a_date(value)]
    assert len(told) <= result.unreadable <= len(unreadable)


def begins_like_a_date(value: object) -> bool:
    """Such text lies among fresh dates: it is counted once the cutoff has passed it."""
    return isinstance(value, str) and value[:4].isdigit() and value[4:5] == "-"


def is_coarse(value: object) -> bool:
    """Nanoseconds as a binary fraction are some 200 ns apart: too coarse for a verdict."""
    return isinstance(value, float) and value >= 1e17
