"""migrate: what a schema does not allow, and which index counts."""

from pathlib import Path

import pytest

from helpers import commands, tables
from helpers.commands import url


@pytest.mark.parametrize(
    "schema",
    [
        "CREATE VIRTUAL TABLE geo_cache USING fts5 (ip, last_seen)",
        "CREATE TABLE geo_cache (last_seen); CREATE TABLE {index} (x)",
    ],
)
def test_migration_that_the_schema_does_not_allow(tmp_path: Path, schema: str) -> None:
    """A migration that cannot be applied is a matter of configuration, and changes nothing."""
    path = tmp_path / "geo.db"
    with tables.connected(path) as connection:
        connection.executescript(schema.format(index="ix_geocache_cleanup_geo_cache_last_seen"))
    done = commands.execute("migrate", url(path))
    assert done.returncode == 78, done.stderr
    assert tables.fetch(path, "SELECT name FROM sqlite_master WHERE name LIKE 'geocache%'") == []


@pytest.mark.parametrize("sql", [(), ("--sql",)])
@pytest.mark.parametrize("name", ["ip", "ORG"])
def test_migration_with_one_name_for_two_columns(tmp_path: Path, name: str, sql: str) -> None:
    """The time cannot be in a column that has another meaning."""
    done = commands.execute("migrate", url(tmp_path / "new.db"), f"--time-column={name}", *sql)
    assert (done.returncode, done.stdout) == (78, "")
    assert "--time-column" in commands.events(done.stderr)[-1]["hint"]


def test_index_of_another_collation_does_not_count(two_rows: Path) -> None:
    """An index that the comparison cannot use is as good as none."""
    with tables.connected(two_rows) as connection:
        connection.execute("DROP INDEX ix_last_seen")
        connection.execute("CREATE INDEX nc ON geo_cache (last_seen COLLATE NOCASE)")
    assert "created the index" in commands.execute("migrate", url(two_rows)).stdout
