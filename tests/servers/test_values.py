"""Servers judge every stored value in SQL just as ``instants`` does in Python."""

import contextlib
import datetime as dt
import itertools
import math
import re
import zoneinfo
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from random import Random
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy.engine import Connection

from geocache_cleanup.deadline import Deadline
from geocache_cleanup.engines.mysql.inspection import DISORDERED
from geocache_cleanup.engines.urls import open_engine
from geocache_cleanup.times import instants, units
from helpers import reporting
from helpers.servers.dialects import admin_of, is_postgresql

CUTOFF = instants.of_datetime(dt.datetime(2026, 6, 3, 12, 0, tzinfo=dt.UTC))
NOW = CUTOFF + 90 * instants.DAY
ZONES = [
    dt.UTC,
    *map(zoneinfo.ZoneInfo, ("Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe")),
    zoneinfo.ZoneInfo("Asia/Kathmandu"),
    zoneinfo.ZoneInfo("Africa/Monrovia"),
]
RELAXED = settings(
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    derandomize=True,
    max_examples=20,
    suppress_health_check=list(HealthCheck),
    database=None,
)

FIRST, LAST = -62_135_596_800_000_000, 253_402_300_799_999_999
_HOUR = 3_600 * instants.SECOND
_NEAR = [*range(-3, 4), 2 * _HOUR, -2 * _HOUR, 30 * _HOUR, -30 * _HOUR, -800 * _HOUR, 800 * _HOUR]
_SUFFIXES = [*[""] * 4, "Z", "Z", "+00:00", "+02:00", "-05:30", "+23:59", "-23:59", "+24:00", "z"]
_SUFFIXES += [" UTC", "GMT", "\n", "+0200", " +02", "-0530", " -0600 CST", " +0545 +0545", " CST"]
_SUFFIXES += [" +0000 UTC m=+4177.1", "+02:00[Europe/Paris]", "Z[UTC]", "[UTC]", "+02:00<x>", "<"]
_DATE_LIKE = re.compile("[0-9]{4}-")
# The ends of the windows of the units of numbers.
_EDGES = [int(edge) for unit in units.UNITS for edge in (unit.low, unit.high)]

# Cutoffs on both sides of the hours in which clocks go forward and back, and at the ends of time.
CUTOFFS = st.one_of(
    st.just(CUTOFF),
    st.builds(
        lambda day, second: instants.of_datetime(day) + second * instants.SECOND,
        st.sampled_from(
            [
                dt.datetime(2026, 3, 29, 1, tzinfo=dt.UTC),
                dt.datetime(2026, 10, 25, 1, tzinfo=dt.UTC),
                dt.datetime(2026, 10, 3, 15, 30, tzinfo=dt.UTC),
                dt.datetime(2026, 3, 8, 5, 30, tzinfo=dt.UTC),
                dt.datetime(1972, 1, 7, 0, 44, tzinfo=dt.UTC),
            ]
        ),
        st.integers(-7_200, 7_200),
    ),
    st.integers(FIRST, LAST),
)


def texts(random: Random, cutoff: int, count: int) -> Sequence[str]:
    """Return text of which most is a time, and much of that near the cutoff."""
    return [_text(random, cutoff) for _ in range(count)]


def _text(random: Random, cutoff: int) -> str:
    kind = random.randrange(10)
    if kind == 0:
        junk = "0123456789-:T Z+.eE/\n\t\u00e4\u0663\uff12"
        return "".join(random.choices(junk, k=random.randrange(24)))
    near = cutoff + random.choice(_NEAR) + random.choice([0, 0, random.randint(-2, 2) * _HOUR])
    if kind == 1:
        return _number(random, near)
    return _misspelt(random, _time(random, near)) + random.choice(_SUFFIXES)


def _time(random: Random, near: int) -> str:
    near = min(max(near, FIRST), LAST)
    local = instants.EPOCH.replace(tzinfo=None) + dt.timedelta(microseconds=near)
    precision = random.choice(["minutes", "seconds", "microseconds"])
    text = local.isoformat(random.choice("Tt "), precision)
    return random.choice(
        [text, text, text, text[:10], text[:-2], text + "123", text.replace(".", ",")]
    )


def _misspelt(random: Random, text: str) -> str:
    if random.randrange(5):
        return text
    place = random.randrange(len(text))
    return text[:place] + random.choice("0123456789 :-T") + text[place + 1 :]


def _number(random: Random, instant: int) -> str:
    seconds = Decimal(instant).scaleb(-6) if instant > 0 else Decimal(instant % 1_000)
    number = seconds * random.choice([1, 10**3, 10**6, 10**9])
    number += random.choice(
        [Decimal(0), Decimal("0.0000001"), Decimal("-0.0000001"), Decimal(1), Decimal(-1)]
    )
    if not random.randrange(4):
        number = Decimal("2440587.5") + Decimal(instant) / instants.DAY
    forms = [f"{number:f}", str(int(number)), f"{number:.12E}", f"{number:E}", f"0{number:f}"]
    return random.choice([*forms, *forms, "0", "0.0", "0e9", "1e400", "1e-20", "9" * 19])


def _judge(
    connection: Connection, engine: Any, cutoff: int, zone: dt.tzinfo
) -> tuple[set[int], set[int]]:
    """Return the ids of the rows that are stale, and of those met that cannot be read."""
    table = engine.table(connection, "t", "v")
    stale: list[int] = []
    unreadable: list[int] = []
    for search in table.stale_conditions(cutoff, max(NOW, cutoff), zone):
        for condition, found in ((search.stale, stale), (search.unreadable, unreadable)):
            if condition is not None:
                column: Any = sa.literal_column("id")
                statement = sa.select(column).select_from(table.clause)
                found.extend(connection.execute(statement.where(condition)).scalars().all())
    assert len(stale) == len(set(stale))
    return set(stale), set(unreadable)


@contextlib.contextmanager
def table_of(server: Any, database: str, declared: str) -> Iterator[Callable[..., Any]]:
    """Create the table t and yield a function that fills it, and judges what it holds."""
    server.query(f"CREATE TABLE t (id INTEGER, v {declared})", database)
    engine = open_engine(server.url(database, user=admin_of(server)), Deadline(math.inf))

    def judge(values: Sequence[Any], cutoff: int, zone: dt.tzinfo) -> tuple[set[int], set[int]]:
        with engine.connect(write=True) as connection:
            connection.exec_driver_sql("DELETE FROM t")
            rows = [{"id": number, "v": value} for number, value in enumerate(values)]
            connection.execute(
                sa.insert(sa.table("t", sa.column("id"), sa.column("v", sa.String))), rows
            )
            return _judge(connection, engine, cutoff, zone)

    yield judge


@pytest.mark.parametrize("index", ["", "CREATE INDEX i ON t (v)"])
def test_text_is_judged_value_by_value(server: Any, database: str, index: str) -> None:
    """Thousands of texts in mixed formats, by the index (in spans) and without (in one scan)."""
    by_code = ' COLLATE "C"' if is_postgresql(server) and index else ""
    with table_of(server, database, "VARCHAR(200)" + by_code) as judge:
        if index:
            server.query(index, database)

        @RELAXED
        @given(st.data())
        def check(data: Any) -> None:
            cutoff = data.draw(CUTOFFS)
            zone = data.draw(st.sampled_from(ZONES))
            drawn = texts(Random(data.draw(st.integers(0, 2**32))), cutoff, 400)
            values = list(drawn)
            stale, unreadable = judge(values, cutoff, zone)
            reporting.tally["tables tried"] += 1
            reporting.tally["values judged"] += len(values)
            read = [instants.read_instant(value, zone) for value in values]
            wanted = {n for n, found in enumerate(read) if instants.is_stale(found, cutoff)}
            assert {values[n] for n in stale ^ wanted} == set()
            junk = {number for number, found in enumerate(read) if found is None}
            wrong = unreadable ^ junk
            if index:
                # What begins like a fresh date lies among them.
                wrong -= {n for n in junk if _DATE_LIKE.match(values[n])}
            assert {values[n] for n in wrong} == set()

        check()


@pytest.mark.parametrize("declared", ["TIMESTAMP", "TIMESTAMPTZ", "DATE"])
def test_native_times_of_postgresql(postgresql: Any, database_of: Any, declared: str) -> None:
    """Each type around each kind of cutoff: an instant is one, a local time is of --time-zone."""
    shown = 10 if declared == "DATE" else 26
    is_instant = declared == "TIMESTAMPTZ"
    native_times_are_judged(
        postgresql, database_of(postgresql), declared, shown, is_instant, (FIRST, LAST)
    )


@pytest.mark.parametrize(
    ("declared", "shown"), [("TIMESTAMP", 19), ("DATETIME(6)", 26), ("DATETIME", 19), ("DATE", 10)]
)
def test_native_times_of_mariadb(mariadb: Any, database_of: Any, declared: str, shown: int) -> None:
    """Likewise; TIMESTAMP ends in 2038."""
    is_instant = declared == "TIMESTAMP"
    limits = (instants.SECOND, 2**31 * instants.SECOND - 1) if is_instant else (FIRST, LAST)
    native_times_are_judged(mariadb, database_of(mariadb), declared, shown, is_instant, limits)


def native_times_are_judged(
    server: Any, database: str, declared: str, shown: int, is_instant: bool, limits: tuple[int, int]
) -> None:
    """Expect that times around a cutoff, as long as they are shown, are judged in their zone."""
    first, last = limits
    with table_of(server, database, declared) as judge:

        @RELAXED
        @given(CUTOFFS, st.sampled_from(ZONES), st.integers(0, 2**32))
        def check(cutoff: int, zone: dt.tzinfo, seed: int) -> None:
            random = Random(seed)
            values = []
            for _ in range(200):
                near = cutoff + random.choice(_NEAR) + random.randint(-2, 2) * _HOUR
                moment = instants.EPOCH + dt.timedelta(microseconds=min(max(near, first), last))
                values.append(moment.replace(tzinfo=None).isoformat(" ", "microseconds")[:shown])
            stale, unreadable = judge(values, cutoff, zone)
            of = dt.UTC if is_instant else zone
            read = [instants.read_instant(value, of) for value in values]
            wanted = {n for n, found in enumerate(read) if instants.is_stale(found, cutoff)}
            assert {values[n] for n in stale ^ wanted} == set()
            assert not unreadable

        check()


@pytest.mark.parametrize(
    "declared", ["SMALLINT", "INTEGER", "BIGINT", "NUMERIC(30,6)", "DOUBLE PRECISION"]
)
@pytest.mark.parametrize("index", ["", "CREATE INDEX i ON t (v)"])
def test_numbers_are_judged_by_unit(server: Any, database: str, declared: str, index: str) -> None:
    numbers_are_judged(server, database, declared, index)


@pytest.mark.parametrize("declared", ["INTEGER UNSIGNED", "BIGINT UNSIGNED"])
def test_numbers_without_a_sign_are_judged_by_unit(
    mariadb: Any, database_of: Any, declared: str
) -> None:
    """Also those beyond what a signed column holds."""
    index = "CREATE INDEX i ON t (v)"
    numbers_are_judged(mariadb, database_of(mariadb), declared, index)


def numbers_are_judged(server: Any, database: str, declared: str, index: str) -> None:
    """Expect numbers in each unit to be read, around the cutoff and the edges of the windows."""
    most = {
        "SMALLINT": 2**15,
        "INTEGER": 2**31,
        "INTEGER UNSIGNED": 2**32,
        "BIGINT": 2**63,
        "BIGINT UNSIGNED": 2**64,
        "NUMERIC(30,6)": 10**24,
    }
    with table_of(server, database, declared) as judge:
        if index:
            server.query(index, database)

        @RELAXED
        @given(CUTOFFS, st.integers(0, 2**32))
        def check(cutoff: int, seed: int) -> None:
            random = Random(seed)
            values: list[Any] = []
            for _ in range(200):
                unit = random.choice([10**6, 10**3, 1])
                day = 2_440_588 + cutoff // instants.DAY
                near = random.choice([cutoff // unit, cutoff * 1_000, day, *_EDGES, 0, 2**64])
                value: Any = near + random.randint(-2, 2) * random.choice([1, 10**6])
                if declared == "NUMERIC(30,6)":
                    value += Decimal(random.randint(0, 10**6)).scaleb(-6)
                elif declared.startswith("DOUBLE"):
                    value = math.nextafter(value + random.choice([0, 0.5]), math.inf)
                limit = most.get(declared, 10**300) - 1
                least = 0 if "UNSIGNED" in declared else -limit
                values.append(min(max(value, least), limit))
            stale, unreadable = judge(values, cutoff, dt.UTC)
            read = [
                instants.read_instant(str(v) if isinstance(v, Decimal) else v, dt.UTC)
                for v in values
            ]
            pairs = list(zip(values, read, strict=True))
            assert {values[n] for n in stale} == {
                v for v, r in pairs if instants.is_stale(r, cutoff)
            }
            assert {values[n] for n in unreadable} == {v for v, r in pairs if r is None}

        check()


@pytest.fixture
def any_dates(server: Any) -> Iterator[None]:
    """Let MariaDB and MySQL take dates that are none."""
    if is_postgresql(server):
        yield
        return
    ((before,),) = server.query("SELECT @@GLOBAL.sql_mode")
    server.query("SET GLOBAL sql_mode = 'ALLOW_INVALID_DATES'")
    yield
    server.query(f"SET GLOBAL sql_mode = '{before}'")


@pytest.mark.usefixtures("any_dates")
def test_what_is_no_time_of_the_calendar_is_never_stale(server: Any, database: str) -> None:
    """31 February is counted, not deleted; infinity and times before 2000 say that none is set."""
    if is_postgresql(server):
        statement = "INSERT INTO t VALUES (0, '-infinity'), (1, '0044-03-15 BC'), (2, 'infinity')"
        unreadable: set[int] = set()
    else:
        statement = (
            "INSERT INTO t VALUES (0, '0000-00-00'), (1, '2020-00-00'), (2, '2020-06-00'),"
            " (3, '2020-02-31'), (4, '0000-01-01')"
        )
        unreadable = {1, 2, 3}
    for declared in ("DATE", "TIMESTAMP" if is_postgresql(server) else "DATETIME"):
        server.query(f"CREATE TABLE t (id INTEGER, v {declared})", database)
        server.query(statement, database)
        server.query(
            "INSERT INTO t VALUES (9, '2020-02-29'), (10, NULL), (11, '1970-01-01'),"
            " (12, '1999-12-31')",
            database,
        )
        engine: Any = open_engine(server.url(database, user=admin_of(server)), Deadline(60))
        with engine.connect(write=False) as connection:
            assert _judge(connection, engine, CUTOFF, dt.UTC) == ({9}, unreadable)
        server.query("DROP TABLE t", database)


def test_mysql_collations_keep_dates_in_order(mariadb: Any) -> None:
    """The bounds take in the same text in every collation that the server has."""
    rows = mariadb.query(
        "SELECT collation_name, character_set_name FROM"
        " information_schema.collation_character_set_applicability"
    )
    ordered = ["0", "1970-", "2026-0", "2026-06-03", "2026-06-03 10:00", "2026-06-05", "2026-A"]
    ordered += ["2026.5", "20260", "2027-", "9", "A"]
    pairs = list(itertools.pairwise(ordered))
    queries = [
        "SELECT '{}', {}".format(
            collation,
            " AND ".join(
                f"CONVERT('{low}' USING {charset}) COLLATE {collation}"
                f" < CONVERT('{high}' USING {charset})"
                for low, high in pairs
            ),
        )
        for collation, charset in rows
        if charset != "binary" and collation not in DISORDERED
    ]
    assert len(queries) > 250
    assert [name for name, holds in mariadb.query(" UNION ALL ".join(queries)) if holds != 1] == []
