"""Which statements delete from a SQLite table, and what they believe."""

from pathlib import Path

import pytest

from geocache_cleanup.deadline import Deadline
from geocache_cleanup.engines.sqlite import deletion
from geocache_cleanup.engines.sqlite.table import SQLiteTable
from geocache_cleanup.engines.urls import open_engine, parse_url
from geocache_cleanup.errors import DataError
from helpers import jobs, tables

OLD, FRESH = "2026-05-01T00:00:00Z", "2026-09-01T00:00:00Z"


@pytest.mark.parametrize(("stale", "in_its_order"), [(3, False), (3_000, True)])
def test_a_table_is_read_through_where_most_of_it_changes(
    tmp_path: Path, stale: int, in_its_order: bool
) -> None:
    """Rows are set aside only where they are fewer than pages; no statement calls a function."""
    path = tmp_path / "t.db"
    rows = [(f"ip{number}", OLD if number < stale else FRESH) for number in range(4_000)]
    tables.make_table(path, rows)
    job = jobs.job()
    statements = []
    with open_engine(parse_url(f"sqlite:///{path}"), Deadline(60)).at_table(
        "geo_cache", "last_seen", write=True
    ) as table:
        assert isinstance(table, SQLiteTable)
        for part in table.stale_conditions(job.cutoff, job.now, job.time_zone):
            if part.stale is not None and (found := deletion.examine(table, part))[0]:
                assert found == (stale, 0, True)
                statements.append(str(deletion.delete_part(table, part, stale, is_all=True)))
    (statement,) = statements
    assert ("geocache_cleanup_stale" not in statement) is in_its_order
    assert "NOT INDEXED" in statement
    assert "geocache_stale(" not in statement
    assert jobs.run_here(path).deleted == stale


@pytest.mark.parametrize("stale", [3, 900])
def test_an_index_of_other_values_deletes_nothing(tmp_path: Path, stale: int) -> None:
    """An index that does not fit its table is told as damage: rows it calls stale are fresh."""
    path = tmp_path / "t.db"
    misleading(path, stale)
    with pytest.raises(DataError, match="index 'ix' does not fit its table"):
        jobs.run_here(path)
    assert tables.fetch(path, "SELECT count(*) FROM geo_cache NOT INDEXED") == [1_000]


def test_an_index_of_other_values_in_batches(tmp_path: Path) -> None:
    """Each row is looked at once more: nothing is deleted that the table itself calls fresh."""
    path = tmp_path / "t.db"
    misleading(path, 900)
    assert jobs.run_here(path, batch_seconds=0.05).deleted == 0
    assert tables.fetch(path, "SELECT count(*) FROM geo_cache NOT INDEXED") == [1_000]


def misleading(path: Path, stale: int) -> None:
    """Make a table of fresh rows, and in the place of its index one of another, old column."""
    with tables.connected(path) as connection:
        connection.execute("CREATE TABLE geo_cache (ip TEXT, cached_at TEXT, last_seen TEXT)")
        connection.executemany(
            "INSERT INTO geo_cache VALUES (?, ?, ?)",
            ((f"ip{n}", OLD if n < stale else FRESH, FRESH) for n in range(1_000)),
        )
        connection.execute("CREATE INDEX ix ON geo_cache (last_seen)")
        connection.execute("CREATE INDEX other ON geo_cache (cached_at)")
        connection.execute("PRAGMA writable_schema = ON")
        roots = dict(connection.execute("SELECT name, rootpage FROM sqlite_master"))
        for name, root in (("ix", roots["other"]), ("other", roots["ix"])):
            connection.execute("UPDATE sqlite_master SET rootpage = ? WHERE name = ?", (root, name))
