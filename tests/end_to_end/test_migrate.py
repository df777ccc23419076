"""migrate: what a schema does not allow, and which index counts."""

import os
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


@pytest.mark.parametrize("sql", [(), ("--sql",)])
@pytest.mark.parametrize("engine", ["oracle", "nonsense"])
def test_migration_of_what_is_not_supported(engine: str, sql: tuple[str, ...]) -> None:
    """Nothing is printed for an engine on which nothing would run."""
    done = commands.execute("migrate", f"--database-url={engine}://localhost/d", *sql)
    assert (done.returncode, done.stdout) == (78, "")
    assert engine in commands.events(done.stderr)[-1]["reason"]


def test_root_gives_away_the_new_file_and_no_other(tmp_path: Path) -> None:
    """Whoever owns the directory may put a link in its place at any moment."""
    place, target = tmp_path / "place", tmp_path / "target"
    place.mkdir()
    target.touch()
    owner = 54321 if os.geteuid() == 0 else os.geteuid()
    os.chown(place, owner, -1)
    swap = f"""
import os
def swap(event, arguments):
    if event == "os.chown":
        os.rename("{place}/new.db", "{place}/moved.db")
        os.symlink("{target}", "{place}/new.db")
sys.addaudithook(swap)
"""
    commands.execute_in_python("migrate", url(place / "new.db"), first=swap)
    assert target.stat().st_uid == os.geteuid()
    made = "moved.db" if os.geteuid() == 0 else "new.db"
    assert (place / made).stat().st_uid == owner


def test_index_of_another_collation_does_not_count(two_rows: Path) -> None:
    """An index that the comparison cannot use is as good as none."""
    with tables.connected(two_rows) as connection:
        connection.execute("DROP INDEX ix_last_seen")
        connection.execute("CREATE INDEX nc ON geo_cache (last_seen COLLATE NOCASE)")
    assert "created the index" in commands.execute("migrate", url(two_rows)).stdout
