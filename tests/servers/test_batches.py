"""Batches on real servers: the same rows as at once, one run in the ledger, a part is kept."""

import json
from typing import Any

import pytest

from helpers.processes import wait_until
from helpers.servers.commands import Command, geocache_cleanup
from helpers.servers.dialects import is_postgresql, numbered, text_of

ROWS = 20_000
BEFORE = "--before=2026-01-01"
BATCHES = "--batch-seconds=0.02"
KEYED = "ip VARCHAR(40) PRIMARY KEY, last_seen {type}"
SHAPES = {
    "text": KEYED.format(type="VARCHAR(40)"),
    "native": KEYED.format(type="TIMESTAMP NULL"),
    "dates": KEYED.format(type="DATE"),
    "epochs": KEYED.format(type="BIGINT"),
    "no key": "ip VARCHAR(40), last_seen VARCHAR(40)",
}
# An expression of the number n for a stale and for a fresh time.
TIMES = {
    "epochs": ("1600000000 + n", "1900000000 + n"),
    "text": ("concat('2025-01-01T00:00:', 10 + n % 50)", "'2026-06-01T00:00:00Z'"),
}


def fill(server: Any, database: str, shape: str, partitions: str = "") -> None:
    """Make a table of 20000 rows, half of them stale, an index and a ledger."""
    stale, fresh = TIMES.get(shape, ("'2025-01-01'", "'2026-06-01'"))
    if shape == "no key":
        stale, fresh = TIMES["text"]
    server.query(f"CREATE TABLE geo_cache ({SHAPES[shape]}) {partitions}", database)
    cast = {"native": "::timestamp", "dates": "::date"}.get(shape, "")
    cast *= is_postgresql(server)
    server.query(
        f"INSERT INTO geo_cache SELECT concat('ip', n), (CASE WHEN n % 2 = 0 THEN {stale}"
        f" ELSE {fresh} END){cast} FROM {numbered(ROWS)}",
        database,
    )
    if is_postgresql(server):
        server.query("ALTER TABLE geo_cache OWNER TO app", database)
    assert geocache_cleanup("migrate", url=text_of(server.url(database))).status == 0


def number(server: Any, database: str, what: str) -> int:
    return int(server.query(f"SELECT {what}", database)[0][0])


@pytest.mark.parametrize("shape", SHAPES)
def test_all_stale_rows_go(server: Any, database: str, shape: str) -> None:
    """Every kind of column loses just its stale rows; the ledger has one run."""
    fill(server, database, shape)
    url = text_of(server.url(database))
    done = geocache_cleanup("run", BEFORE, BATCHES, url=url)
    assert (done.status, done.last["deleted"]) == (0, ROWS // 2), done.last.get(
        "traceback", done.last
    )
    assert done.last["batches"] > 1
    assert number(server, database, "count(*) FROM geo_cache") == ROWS // 2
    (run,) = json.loads(geocache_cleanup("history", "--json", url=url).output)["runs"]
    assert (run["deleted"], run["batches"]) == (ROWS // 2, done.last["batches"])
    again = geocache_cleanup("run", BEFORE, BATCHES, url=url)
    assert (again.status, again.last["deleted"], again.last["batches"]) == (0, 0, 1)


def test_no_batch_counts_those_before_it(server: Any, database: str) -> None:
    """Where a trigger has a say the server is asked how many went: each batch's own."""
    fill(server, database, "text")
    act = "SET @gone = 1"
    if is_postgresql(server):
        server.query(
            "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN OLD; END'",
            database,
        )
        act = "EXECUTE FUNCTION f()"
    server.query(f"CREATE TRIGGER t BEFORE DELETE ON geo_cache FOR EACH ROW {act}", database)
    done = geocache_cleanup("run", BEFORE, BATCHES, url=text_of(server.url(database)))
    assert (done.status, done.last["deleted"]) == (0, ROWS // 2), done.last
    assert done.last["batches"] > 1
    recorded = number(server, database, "sum(deleted) FROM geocache_cleanup_runs")
    assert recorded == ROWS // 2


def test_parts_of_a_table_have_the_same_places(postgresql: Any, database_of: Any) -> None:
    """In a partitioned table each part has rows in the same places: only stale ones go."""
    database, numbers = database_of(postgresql), "generate_series(1, 5000) AS s (n)"
    postgresql.query(
        "CREATE TABLE geo_cache (ip text, last_seen timestamptz) PARTITION BY LIST (left(ip, 1));"
        "CREATE TABLE a PARTITION OF geo_cache FOR VALUES IN ('a');"
        "CREATE TABLE b PARTITION OF geo_cache FOR VALUES IN ('b');"
        f"INSERT INTO geo_cache SELECT 'a' || n, '2025-01-01' FROM {numbers};"
        f"INSERT INTO geo_cache SELECT 'b' || n, '2026-06-01' FROM {numbers};"
        "ALTER TABLE geo_cache OWNER TO app",
        database,
    )
    done = geocache_cleanup("run", BEFORE, BATCHES, url=text_of(postgresql.url(database)))
    assert (done.status, done.last["deleted"]) == (0, 5000), done.last
    assert number(postgresql, database, "count(*) FROM geo_cache WHERE ip LIKE 'b%'") == 5000


def test_a_stop_keeps_what_is_done(server: Any, database: str) -> None:
    """SIGTERM between batches ends the run; ledger, rows and event agree, the next run goes on."""
    fill(server, database, "text")
    url = text_of(server.url(database))
    with server.engine(database).connect() as connection:
        # Of the last rows, by their place as by their time: whoever deletes them all waits for it.
        connection.exec_driver_sql(
            "UPDATE geo_cache SET last_seen = last_seen WHERE ip = 'ip19998'"
        )
        command = Command("run", BEFORE, "--batch-seconds=0.0001", url=url)
        wait_until(
            "the first batch",
            lambda: number(server, database, "count(*) FROM geocache_cleanup_runs"),
        )
        command.process.terminate()
        done = command.end()
        connection.rollback()
    assert (done.status, done.last["event"]) == (0, "geo_cache_cleanup_interrupted"), done.last
    assert 0 < done.last["deleted"] == ROWS // 2 - done.last["remaining"]
    kept = number(server, database, "count(*) FROM geo_cache")
    assert kept == ROWS - done.last["deleted"]
    recorded = number(server, database, "sum(deleted) FROM geocache_cleanup_runs")
    assert recorded == done.last["deleted"]
    again = geocache_cleanup("run", BEFORE, BATCHES, url=url)
    assert again.last["deleted"] == done.last["remaining"]


def test_a_second_run_ends_at_once(server: Any, database: str) -> None:
    """Two runs in batches at a time: one may end with 75, and no row is counted twice."""
    fill(server, database, "text")
    url = text_of(server.url(database))
    commands = [Command("run", BEFORE, "--batch-seconds=0.0001", url=url) for _ in range(2)]
    done = [command.end() for command in commands]
    assert {outcome.status for outcome in done} <= {0, 75}
    assert geocache_cleanup("run", BEFORE, BATCHES, url=url).status == 0
    assert number(server, database, "count(*) FROM geo_cache") == ROWS // 2
    assert number(server, database, "sum(deleted) FROM geocache_cleanup_runs") == ROWS // 2
    assert sum(outcome.last["deleted"] for outcome in done) <= ROWS // 2
