"""Migrations on real SQLite files: what they make, keep, and take back."""

from pathlib import Path

import pytest
import sqlalchemy as sa

from alembic import command
from geocache_cleanup.deadline import Deadline
from geocache_cleanup.engines.urls import parse_url
from geocache_cleanup.errors import ConfigError
from geocache_cleanup.pruning import ledger
from geocache_cleanup.schema import migrate
from helpers import jobs, tables

NAMES = migrate.TableNames("geo_cache", "last_seen")
MADE = [
    "created the table geo_cache",
    "created the index ix_geocache_cleanup_geo_cache_last_seen",
    "created the table geocache_cleanup_runs",
    "created the index ix_geocache_cleanup_runs_started_at",
]


def upgrade(path: Path, names: migrate.TableNames = NAMES) -> list[str]:
    return list(migrate.upgrade(parse_url(f"sqlite:///{path}"), names, Deadline(60)))


def downgrade(path: Path, revision: str, names: migrate.TableNames = NAMES) -> None:
    """Downgrade a SQLite file as the alembic command would."""
    url = f"sqlite:///{path}"
    config = migrate.configure(parse_url(url), names)
    config.attributes["url"] = parse_url(url)
    command.downgrade(config, revision)


def schema(path: Path) -> set[str]:
    """Return the names of all tables and indexes that somebody made."""
    return set(tables.fetch(path, "SELECT name FROM sqlite_master WHERE sql IS NOT NULL"))


def test_new_file(tmp_path: Path) -> None:
    """A file that is not there is made, with the table, the index and the ledger."""
    path = tmp_path / "new.db"
    assert upgrade(path) == [f"created the database sqlite:///{path}", *MADE]
    assert upgrade(path) == ["everything is in place already"]
    assert jobs.run_here(path).deleted == 0
    assert tables.fetch(path, "SELECT deleted FROM geocache_cleanup_runs") == [0]


def test_table_of_the_application(tmp_path: Path) -> None:
    """An application's table stays as it is, whatever its shape; it only gains an index."""
    path = tmp_path / "app.db"
    tables.make_table(path, [("ip", "2020-01-01")], index=False)
    before = tables.fetch(path, "SELECT sql FROM sqlite_master WHERE name = 'geo_cache'")
    assert upgrade(path) == MADE[1:]
    assert tables.fetch(path, "SELECT sql FROM sqlite_master WHERE name = 'geo_cache'") == before
    downgrade(path, "base")
    assert schema(path) == {"geo_cache", migrate.VERSION_TABLE}
    assert tables.fetch(path, "SELECT last_seen FROM geo_cache") == ["2020-01-01"]


def test_index_of_the_application(tmp_path: Path) -> None:
    """Where an index leads with the column no second one is made, and a downgrade keeps it."""
    path = tmp_path / "app.db"
    tables.make_table(path, [])
    assert upgrade(path) == MADE[2:]
    downgrade(path, "base")
    assert "ix_last_seen" in schema(path)


def test_downgrade_keeps_the_rows_of_our_own_table(tmp_path: Path) -> None:
    """Even a table that a migration made may hold rows by the time of a downgrade."""
    path = tmp_path / "new.db"
    upgrade(path)
    with tables.connected(path) as connection:
        connection.execute("INSERT INTO geo_cache (ip, last_seen) VALUES ('a', '2020-01-01')")
    downgrade(path, "base")
    assert tables.fetch(path, "SELECT ip FROM geo_cache") == ["a"]
    assert schema(path) == {"geo_cache", migrate.VERSION_TABLE}
    assert upgrade(path) == MADE[1:]


def test_downgrade_of_a_table_that_fits_no_longer(tmp_path: Path) -> None:
    """The ledger can be removed all the same."""
    path = tmp_path / "new.db"
    upgrade(path)
    with tables.connected(path) as connection:
        connection.execute("ALTER TABLE geo_cache RENAME COLUMN last_seen TO seen_at")
    downgrade(path, "base")
    assert "geocache_cleanup_runs" not in schema(path)


def test_second_table_and_lost_index(tmp_path: Path) -> None:
    """Another table of the same database gets its index too, and a dropped index comes back."""
    path = tmp_path / "app.db"
    upgrade(path)
    other = migrate.TableNames(
        'odd "name" of a table that is far too long for an index' * 2, "order"
    )
    assert len(upgrade(path, other)) == 2
    with tables.connected(path) as connection:
        connection.execute(f"DROP INDEX {MADE[1].split()[-1]}")
    assert upgrade(path) == [MADE[1]]


def test_version_table_of_the_application(tmp_path: Path) -> None:
    """An application that uses Alembic itself is not disturbed."""
    path = tmp_path / "app.db"
    with tables.connected(path) as connection:
        connection.execute("CREATE TABLE alembic_version (version_num TEXT)")
        connection.execute("INSERT INTO alembic_version VALUES ('of the app')")
    upgrade(path)
    downgrade(path, "base")
    assert tables.fetch(path, "SELECT version_num FROM alembic_version") == ["of the app"]


def test_missing_column_changes_nothing(tmp_path: Path) -> None:
    """A wrong --time-column is found before anything is kept."""
    path = tmp_path / "app.db"
    tables.make_table(path, [], index=False)
    with pytest.raises(ConfigError, match="last_seen"):
        upgrade(path, migrate.TableNames("geo_cache", "seen_at"))
    assert schema(path) == {"geo_cache"}


def test_printed_sql_does_the_same(tmp_path: Path) -> None:
    """What --sql prints, executed by hand, leaves the same schema; printing opens nothing."""
    printed, migrated = tmp_path / "printed.db", tmp_path / "migrated.db"
    text = "\n".join(migrate.print_sql(parse_url(f"sqlite:///{printed}"), NAMES))
    assert not printed.exists()
    assert "RETURNING" not in text
    with tables.connected(printed) as connection:
        connection.executescript(text)
    upgrade(migrated)
    assert schema(printed) == schema(migrated)
    assert upgrade(printed) == ["everything is in place already"]


def test_ledger_is_what_the_program_writes(tmp_path: Path) -> None:
    """The migrations together leave the table that ledger.py reads and writes."""
    path = tmp_path / "new.db"
    upgrade(path)
    engine = sa.create_engine(f"sqlite:///{path}", future=True)
    found = sa.Table(ledger.NAME, sa.MetaData(), autoload_with=engine)
    engine.dispose()
    assert [column_facts(c) for c in found.c] == [column_facts(c) for c in ledger.LEDGER.c]


def column_facts(column: "sa.Column[object]") -> tuple[str, bool, str]:
    """Return what two definitions of a column have to agree on."""
    return column.name, bool(column.nullable), str(column.type)


def test_ledger_keeps_400_days(tmp_path: Path) -> None:
    """Each run drops the runs that are older than the ledger keeps, and no others."""
    path = tmp_path / "new.db"
    upgrade(path)
    start = jobs.instant("2026-01-01")
    for day in (0, 1, 400, 401):
        jobs.run_here(path, now=start + day * 86_400 * 10**6, run_id=str(day))
    assert tables.fetch(path, "SELECT run_id FROM geocache_cleanup_runs") == ["1", "400", "401"]
