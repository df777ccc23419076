"""Deletions that the schema or the guard refuses: no row goes."""

from pathlib import Path

import pytest

from geocache_cleanup.pruning.ledger import LEDGER
from helpers import commands, tables
from helpers.commands import url

OLD, NEW = "2020-01-01T00:00:00Z", "2099-01-01T00:00:00Z"
LATE = "DEFERRABLE INITIALLY DEFERRED"
_NOTHING = ", ".join(f"1 AS {column.name}" for column in LEDGER.c)


@pytest.mark.parametrize(
    "obstacle",
    [
        "CREATE TRIGGER no BEFORE DELETE ON geo_cache BEGIN SELECT RAISE(ABORT, 'no'); END",
        "CREATE TABLE notes (ip REFERENCES geo_cache (ip)); INSERT INTO notes VALUES ('old')",
        f"CREATE TABLE late (ip REFERENCES geo_cache (ip) {LATE}); INSERT INTO late VALUES ('old')",
        (
            "CREATE TABLE tags (ip PRIMARY KEY REFERENCES geo_cache (ip) ON DELETE CASCADE);"
            f"CREATE TABLE notes (ip REFERENCES tags (ip) {LATE});"
            "INSERT INTO tags VALUES ('old'); INSERT INTO notes VALUES ('old')"
        ),
        "CREATE TABLE geocache_cleanup_runs (something)",
        f"CREATE VIEW geocache_cleanup_runs AS SELECT {_NOTHING} WHERE 0",
    ],
)
def test_check_sees_what_would_stop_a_run(two_rows: Path, obstacle: str) -> None:
    """Triggers, foreign keys and a strange ledger stop both alike; no row goes."""
    with tables.connected(two_rows) as connection:
        connection.executescript(obstacle)
    before = two_rows.read_bytes()
    ways = (["check"], ["run"], ["run", "--batch-seconds=1"])
    statuses = [commands.execute(*way, url(two_rows)).returncode for way in ways]
    assert statuses in ([65] * 3, [78] * 3)
    assert two_rows.read_bytes() == before


@pytest.mark.parametrize(
    "schema",
    [
        "x); INSERT INTO notes (ip) VALUES ('nowhere'), ('new')",
        "x REFERENCES other (x)); CREATE TABLE other (x)",
    ],
    ids=["a reference to no row", "a reference to no key"],
)
def test_what_was_broken_before_stops_nothing(two_rows: Path, schema: str) -> None:
    """It is the application's; only what the run itself breaks is refused."""
    with tables.connected(two_rows) as connection:
        connection.executescript(
            f"CREATE TABLE notes (ip REFERENCES geo_cache (ip) {LATE}, {schema}"
        )
    for way in (["check"], ["run", "--dry-run"], ["run"]):
        assert commands.execute(*way, url(two_rows)).returncode == 0
    assert tables.fetch(two_rows, "SELECT ip FROM geo_cache") == ["new"]


def test_guard_counts_what_cascades_take(tmp_path: Path) -> None:
    """A stale row may take fresh rows of its own table along: the guard counts them too."""
    path = tmp_path / "geo.db"
    with tables.connected(path) as connection:
        connection.execute(
            "CREATE TABLE geo_cache (ip PRIMARY KEY, last_seen,"
            " parent REFERENCES geo_cache (ip) ON DELETE CASCADE)"
        )
        connection.execute(f"INSERT INTO geo_cache VALUES ('p', '{OLD}', NULL)")
        for number in range(99):
            connection.execute(f"INSERT INTO geo_cache VALUES ('c{number}', '{NEW}', 'p')")
    for command in (["check"], ["run"], ["run", "--batch-seconds=1"]):
        done = commands.execute(*command, url(path), "--max-delete-percent=5")
        assert done.returncode == 65, done.stderr
    assert tables.fetch(path, "SELECT count(*) FROM geo_cache") == [100]


def test_percent_guard_deletes_nothing(two_rows: Path) -> None:
    """A run that would delete more than allowed fails and leaves every row."""
    before = two_rows.read_bytes()
    fails_with_start(two_rows, "--max-delete-percent=49")
    assert two_rows.read_bytes() == before
    done = commands.execute(
        "run", f"--database-url=sqlite:///{two_rows}", "--max-delete-percent=50"
    )
    assert done.returncode == 0
    assert tables.fetch(two_rows, "SELECT ip FROM geo_cache") == ["new"]


def fails_with_start(two_rows: Path, *arguments: str) -> None:
    """Run into the guard, which can only fail once the run has started and counted the rows."""
    done = commands.execute("run", f"--database-url=sqlite:///{two_rows}", *arguments)
    assert done.returncode == 65
    assert [event["event"] for event in commands.events(done.stderr)] == [
        "geo_cache_cleanup_started",
        "geo_cache_cleanup_failed",
    ]
