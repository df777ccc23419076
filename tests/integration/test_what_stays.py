"""Rows that stay, and rows that go beside the stale ones, are told: on SQLite."""

from pathlib import Path
from typing import Any

import pytest

from geocache_cleanup.deadline import Deadline
from geocache_cleanup.engines.urls import open_engine, parse_url
from geocache_cleanup.errors import DataError
from geocache_cleanup.result import Result
from helpers import jobs, tables

STALE, FRESH = "2026-05-01T00:00:00Z", "2026-09-01T00:00:00Z"
# One of each place in the order of the column, in which a run meets it.
UNREADABLE: list[Any] = [
    *(" 2026-05-01", "#", "12:00", "1_000", "20260603", "2005-13-01", "2026-05-32T00:00:00Z"),
    *("2026/06/03 10:00:00", "2027/01/01", "9999-:", "Wed, 03 Jun 2026 10:00:00 GMT", "~"),
    *(b"2026-05-01T00:00:00Z", b""),
]
NUMBERS: list[Any] = [
    *(-1, 0.5, 2026, 20608, 20260603, 802188000.5, 8e9, 20260603100000),
    *(134249688000000000, 639160920000000000, 9.1e18),
]
UNSET: list[Any] = [None, "", "0", "0000-00-00", "0001-01-01 00:00:00", "1970-01-01T01:00:00+01:00"]


@pytest.mark.parametrize("batch_seconds", [0.0, 0.001])
@pytest.mark.parametrize("index", [True, False])
@pytest.mark.parametrize("declared", ["TEXT", ""])
def test_unreadable_values_are_counted_wherever_they_are(
    tmp_path: Path, declared: str, index: bool, batch_seconds: float
) -> None:
    """Before, between and behind what is searched; what says that no time is set is no such."""
    junk = UNREADABLE + (NUMBERS if declared == "" else [])
    values = [STALE, FRESH, *junk, *UNSET, *([0, 0.0] if declared == "" else [])]
    path = tmp_path / "t.db"
    tables.make_table(path, [(str(n), v) for n, v in enumerate(values)], declared, index=index)
    result = jobs.run_here(path, batch_seconds=batch_seconds)
    assert (result.deleted, result.unreadable) == (1, len(junk))
    assert len(tables.fetch(path, "SELECT ip FROM geo_cache")) == len(values) - 1


def test_the_cost_follows_what_is_stale_or_unreadable(tmp_path: Path) -> None:
    """Every part of the search is a range of the index, also those of unreadable values."""
    path = tmp_path / "t.db"
    tables.make_table(path, [("a", STALE)], "")
    with open_engine(parse_url(f"sqlite:///{path}"), Deadline(60)).at_table(
        "geo_cache", "last_seen", write=False
    ) as table:
        job = jobs.job()
        for part in table.stale_conditions(job.cutoff, job.now, job.time_zone):
            for condition in (part.stale, part.unreadable):
                if condition is not None:
                    text = condition.compile(
                        table.connection, compile_kwargs={"literal_binds": True}
                    )
                    plan = table.connection.exec_driver_sql(
                        f"EXPLAIN QUERY PLAN SELECT count(*) FROM geo_cache WHERE {text}"
                    ).all()
                    assert "SEARCH" in str(plan), plan


@pytest.mark.parametrize("batch_seconds", [0.0, 0.001])
def test_stale_rows_that_a_trigger_keeps(tmp_path: Path, batch_seconds: float) -> None:
    """A soft delete: what stays is counted, and what goes all the same."""
    path = tmp_path / "t.db"
    tables.make_table(path, [("keep", STALE), ("go", STALE), ("fresh", FRESH)])
    with tables.connected(path) as connection:
        connection.execute(
            "CREATE TRIGGER soft BEFORE DELETE ON geo_cache WHEN OLD.ip = 'keep'"
            " BEGIN SELECT RAISE(IGNORE); END"
        )
    result = jobs.run_here(path, batch_seconds=batch_seconds)
    assert (result.deleted, result.kept) == (1, 1)
    assert tables.fetch(path, "SELECT ip FROM geo_cache ORDER BY ip") == ["fresh", "keep"]


def test_what_a_trigger_does_away_with_is_not_told(tmp_path: Path) -> None:
    """A time that cannot be read, and that goes with a stale row."""
    path = tmp_path / "t.db"
    tables.make_table(path, [("go", STALE), ("bad", "2019-13-01"), ("fresh", FRESH)])
    with tables.connected(path) as connection:
        connection.execute(
            "CREATE TRIGGER t AFTER DELETE ON geo_cache BEGIN"
            " DELETE FROM geo_cache WHERE ip = 'bad'; END"
        )
    result = jobs.run_here(path)
    assert (result.deleted, result.unreadable) == (2, 0)
    assert tables.fetch(path, "SELECT ip FROM geo_cache") == ["fresh"]


@pytest.mark.parametrize("batch_seconds", [0.0, 0.001])
def test_deleted_counts_what_a_cascade_takes(tmp_path: Path, batch_seconds: float) -> None:
    """Fresh rows that depend on stale ones go with them: the event and the ledger say so."""
    path = tmp_path / "t.db"
    with tables.connected(path) as connection:
        connection.executescript(
            "CREATE TABLE geo_cache (ip TEXT PRIMARY KEY, last_seen TEXT,"
            " parent TEXT REFERENCES geo_cache (ip) ON DELETE CASCADE)"
        )
        for number in range(50):
            connection.execute("INSERT INTO geo_cache VALUES (?, ?, NULL)", (f"old{number}", STALE))
            child = (f"new{number}", FRESH, f"old{number}")
            connection.execute("INSERT INTO geo_cache VALUES (?, ?, ?)", child)
    assert jobs.run_here(path, batch_seconds=batch_seconds).deleted == 100
    assert tables.fetch(path, "SELECT count(*) FROM geo_cache") == [0]


def prune_beside(path: Path, statement: str, **changes: Any) -> Result:
    """Prune 3,000 rows, every other of which is stale, in batches while somebody meddles."""
    rows = [(f"i{n:05}", STALE if n % 2 == 0 else FRESH) for n in range(3_000)]
    tables.make_table(path, rows)
    return jobs.run_beside(path, statement, Deadline(60), **changes)


def test_a_trigger_that_is_new_between_two_batches(tmp_path: Path) -> None:
    """What it takes is counted, and guarded; what it keeps is told."""
    cascade = (
        "CREATE TRIGGER t AFTER DELETE ON geo_cache BEGIN DELETE FROM geo_cache"
        " WHERE ip = printf('i%05d', substr(OLD.ip, 2) + 1); END"
    )
    result = prune_beside(tmp_path / "a.db", cascade)
    left = tables.fetch(tmp_path / "a.db", "SELECT count(*) FROM geo_cache")
    assert left == [3_000 - result.deleted]
    with pytest.raises(DataError, match="more than the 51 percent"):
        prune_beside(tmp_path / "b.db", cascade, max_delete_percent=51)
    keep = (
        "CREATE TRIGGER t BEFORE DELETE ON geo_cache WHEN substr(OLD.ip, -1) IN ('0', '4')"
        " BEGIN SELECT RAISE(IGNORE); END"
    )
    result = prune_beside(tmp_path / "c.db", keep)
    assert result.kept == 1_500 - result.deleted > 0


def test_the_guard_holds_for_every_search(tmp_path: Path) -> None:
    """Rows that grow old in the middle of a run, by a mistake in bulk, do not all go."""
    mistake = (
        "DELETE FROM geo_cache WHERE ip = 'i02998';"
        f" UPDATE geo_cache SET last_seen = '{STALE}' WHERE last_seen = '{FRESH}'"
    )
    path = tmp_path / "t.db"
    with pytest.raises(DataError, match="more than the 60 percent"):
        prune_beside(path, mistake, max_delete_percent=60)
    assert tables.fetch(path, "SELECT count(*) FROM geo_cache")[0] > 1_000


def test_a_soft_delete_is_tried_once_a_run(tmp_path: Path) -> None:
    """Its second DELETE purges a row: that is for the next run, at once and in batches alike."""
    path = tmp_path / "t.db"
    with tables.connected(path) as connection:
        connection.executescript(
            "CREATE TABLE geo_cache (ip TEXT PRIMARY KEY, last_seen TEXT, deleted INT);"
            "CREATE TRIGGER soft BEFORE DELETE ON geo_cache WHEN OLD.deleted IS NULL BEGIN"
            " UPDATE geo_cache SET deleted = 1 WHERE ip = OLD.ip; SELECT RAISE(IGNORE); END"
        )
        connection.execute("INSERT INTO geo_cache VALUES ('a', ?, NULL)", (STALE,))
    assert (result := jobs.run_here(path, batch_seconds=0.001)).deleted == 0
    assert result.kept == 1
    assert jobs.run_here(path, batch_seconds=0.001).deleted == 1


def test_a_key_that_holds_null(tmp_path: Path) -> None:
    """Where columns hide the rowid as well, nothing else would find the row."""
    path = tmp_path / "t.db"
    with tables.connected(path) as connection:
        connection.execute(
            "CREATE TABLE geo_cache (ip TEXT, n INT, last_seen TEXT, rowid, _rowid_, oid,"
            " PRIMARY KEY (ip, n))"
        )
        for number in range(60):
            row = (None if number % 3 == 0 else str(number), number, STALE)
            connection.execute("INSERT INTO geo_cache (ip, n, last_seen) VALUES (?, ?, ?)", row)
    assert jobs.run_here(path, batch_seconds=0.001).deleted == 60
