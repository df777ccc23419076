"""Others change the ledger, the table or the file between two transactions of a run in batches."""

from pathlib import Path

import pytest

from geocache_cleanup.deadline import Deadline
from geocache_cleanup.engines.urls import open_engine, parse_url
from geocache_cleanup.errors import ConfigError, DataError, TemporaryError
from geocache_cleanup.pruning import batches, ledger
from geocache_cleanup.pruning.progress import Progress
from helpers import commands, jobs, tables

STALE, FRESH = "2026-05-01T00:00:00Z", "2026-09-01T00:00:00Z"
ROWS = 3_000
_LEDGER = "SELECT run_id || ' ' || deleted FROM geocache_cleanup_runs ORDER BY id"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return a database with a ledger, every other row of which is stale."""
    made = tmp_path / "geo.db"
    tables.make_table(made, [(f"i{n}", FRESH if n % 2 else STALE) for n in range(ROWS)])
    assert commands.execute("migrate", commands.url(made)).returncode == 0
    return made


def test_the_ledger_is_emptied(path: Path) -> None:
    """The run is recorded anew: the ledger has all that it deleted."""
    result = jobs.run_beside(path, "DELETE FROM geocache_cleanup_runs", Deadline(60))
    assert result.deleted == ROWS // 2
    assert tables.fetch(path, _LEDGER) == [f"test {ROWS // 2}"]


def test_the_number_in_the_ledger_is_of_another_run(path: Path) -> None:
    """What that has recorded stays, whatever it is."""
    values = {"started_at": "2026-09-01", "run_id": "other", "deleted": 7}
    row = ", ".join(repr(values.get(name, 0)) for name in ledger.LEDGER.c.keys()[1:])
    others = (
        f"DELETE FROM geocache_cleanup_runs; INSERT INTO geocache_cleanup_runs VALUES (1, {row})"
    )
    assert jobs.run_beside(path, others, Deadline(60)).deleted == ROWS // 2
    assert tables.fetch(path, _LEDGER) == ["other 7", f"test {ROWS // 2}"]


@pytest.mark.parametrize("event", ["INSERT", "UPDATE"])
def test_the_ledger_takes_nothing_more(path: Path, event: str) -> None:
    """Nothing is deleted without a record: neither in the first batch nor in a later one."""
    ignore = (
        f"CREATE TRIGGER t BEFORE {event} ON geocache_cleanup_runs BEGIN SELECT RAISE(IGNORE); END"
    )
    emptied = "DELETE FROM geocache_cleanup_runs;" if event == "INSERT" else ""
    with pytest.raises(DataError, match="keeps the run from") as caught:
        jobs.run_beside(path, emptied + ignore, Deadline(60))
    assert caught.value.partial is not None
    left = tables.fetch(path, "SELECT count(*) FROM geo_cache")
    assert left == [ROWS - caught.value.partial.deleted]


@pytest.mark.parametrize("column", ["rowid", "ROWID INTEGER DEFAULT 7"])
def test_a_column_takes_the_name_of_the_rowid(path: Path, column: str) -> None:
    """What was found by the one is not looked for by the other."""
    with pytest.raises(ConfigError, match=r"the rowid of 'geo_cache' was .* and is"):
        jobs.run_beside(path, f"ALTER TABLE geo_cache ADD COLUMN {column}", Deadline(60))
    assert len(tables.fetch(path, f"SELECT ip FROM geo_cache WHERE last_seen = '{FRESH}'")) == 1_500


def test_the_file_is_moved(path: Path) -> None:
    """SQLite refuses to write it: it is not the storage that fails, and a retry may succeed."""
    deadline = Deadline(60)
    engine = open_engine(parse_url(f"sqlite:///{path}"), deadline)
    meddler = jobs.Meddler(lambda: path.rename(path.with_name("moved.db")))
    with pytest.raises(TemporaryError, match="moved, replaced or deleted") as caught:
        batches.run(engine, jobs.job(batch_seconds=0.001), deadline, meddler)
    assert caught.value.partial is not None
    left = tables.fetch(path.with_name("moved.db"), "SELECT count(*) FROM geo_cache")
    assert left == [ROWS - caught.value.partial.deleted]


def test_rows_that_a_vacuum_moves_under_the_search(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It numbers rows anew, some of them lower than where the search is: they are found as well."""
    path = tmp_path / "geo.db"
    with tables.connected(path) as connection:
        # In one that has an index, be it of a key, they keep their numbers.
        connection.execute("CREATE TABLE geo_cache (ip, last_seen)")
        rows = [(n, n, STALE) for n in (1, *range(21, 61))]
        connection.executemany(
            "INSERT INTO geo_cache (rowid, ip, last_seen) VALUES (?, ?, ?)", rows
        )

    class Vacuum(Progress):
        def advance(self, done: int, total: int) -> None:  # noqa: ARG002 - as in the base
            with tables.connected(path) as connection:
                if connection.execute("SELECT max(rowid) > count(*) FROM geo_cache").fetchone()[0]:
                    connection.execute("VACUUM")

    deadline = Deadline(60)
    engine = open_engine(parse_url(f"sqlite:///{path}"), deadline)
    monkeypatch.setattr(batches, "_FIRST_SEARCH_SECONDS", 0.0)
    with jobs.one_row_at_a_time():
        result = batches.run(engine, jobs.job(batch_seconds=1e-6), deadline, Vacuum())
    assert (result.deleted, tables.fetch(path, "SELECT count(*) FROM geo_cache")) == (41, [0])
