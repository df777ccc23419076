"""Tables as they are in the wild: names, keys, generated columns, cascades, triggers, indexes."""

import sqlite3
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import sqlite as dialect

from geocache_cleanup.deadline import Deadline
from geocache_cleanup.engines.base import Engine
from geocache_cleanup.engines.sqlite import deletion
from geocache_cleanup.engines.sqlite.driver import driver_connection
from geocache_cleanup.engines.sqlite.table import SQLiteTable
from geocache_cleanup.engines.urls import open_engine, parse_url
from geocache_cleanup.errors import ConfigError, DataError
from helpers import jobs, tables

OLD, NEW = "2026-06-03T11:59:59Z", "2026-06-03T12:00:00Z"


def make(path: Path, *statements: str) -> None:
    """Execute statements as the application would."""
    with tables.connected(path) as connection:
        for statement in statements:
            connection.execute(statement)


def engine_of(path: Path) -> Engine:
    """Open a SQLite file for a minute."""
    return open_engine(parse_url(f"sqlite:///{path}"), Deadline(60))


@pytest.mark.parametrize(
    ("table", "column"),
    [
        ("order", "select"),
        ("Geo Cache", "Last Seen"),
        ('we"ird', "colu'mn"),
        ("a.b", "c.d"),
        ("geo]cache", "[ts]"),
        ("таблица", "время"),
        ("x; DROP TABLE keep; --", "%s :name ?"),
        ("geo_cache", "rowid"),
        ("geo_cache", "OID"),
    ],
)
def test_any_name(tmp_path: Path, table: str, column: str) -> None:
    """Names are quoted, never interpreted; nothing but the stale row goes."""
    path = tmp_path / "t.db"
    quoted_table, quoted_column = (
        f'"{name.replace(chr(34), chr(34) * 2)}"' for name in (table, column)
    )
    make(
        path,
        f"CREATE TABLE {quoted_table} ({quoted_column} TEXT, id INTEGER)",
        f"INSERT INTO {quoted_table} VALUES ('{OLD}', 1), ('{NEW}', 2)",
        "CREATE TABLE keep (id)",
    )
    assert jobs.run_here(path, table=table, time_column=column).deleted == 1
    assert tables.fetch(path, f"SELECT id FROM {quoted_table}") == [2]
    assert tables.fetch(path, "SELECT count(*) FROM keep") == [0]


def test_names_are_matched_as_sqlite_does(tmp_path: Path) -> None:
    """SQLite ignores the case of names, so the settings may differ in it."""
    path = tmp_path / "t.db"
    tables.make_table(path, [("a", OLD)])
    assert jobs.run_here(path, table="GEO_Cache", time_column="LAST_SEEN").deleted == 1


@pytest.mark.parametrize(
    "definition",
    [
        "(ip TEXT, last_seen TEXT, PRIMARY KEY (ip, last_seen))",
        "(ip TEXT, last_seen TEXT)",
        "(ip TEXT PRIMARY KEY, last_seen TEXT) WITHOUT ROWID",
        "(ip TEXT, last_seen TEXT, PRIMARY KEY (last_seen, ip)) WITHOUT ROWID",
        "(ip TEXT, last_seen TEXT UNIQUE, year GENERATED ALWAYS AS (substr(last_seen, 1, 4)))",
        "(ip TEXT CHECK (ip <> ''), last_seen TEXT DEFAULT CURRENT_TIMESTAMP NOT NULL)",
    ],
)
@pytest.mark.parametrize("journal", ["wal", "delete"])
def test_any_definition(tmp_path: Path, definition: str, journal: str) -> None:
    """Keys, generated columns and journal modes make no difference."""
    path = tmp_path / "t.db"
    make(
        path,
        f"PRAGMA journal_mode = {journal}",
        f"CREATE TABLE geo_cache {definition}",
        f"INSERT INTO geo_cache (ip, last_seen) VALUES ('old', '{OLD}'), ('new', '{NEW}')",
    )
    assert jobs.run_here(path).deleted == 1
    assert tables.fetch(path, "SELECT ip FROM geo_cache") == ["new"]
    assert tables.fetch(path, "PRAGMA journal_mode") == [journal]
    assert tables.fetch(path, "PRAGMA integrity_check") == ["ok"]


def test_generated_time_column(tmp_path: Path) -> None:
    """The time may be computed from another column, stored or not."""
    for number, kind in enumerate(("VIRTUAL", "STORED")):
        path = tmp_path / f"{number}.db"
        make(
            path,
            "CREATE TABLE geo_cache (ms INTEGER,"
            f" last_seen INTEGER GENERATED ALWAYS AS (ms / 1000) {kind})",
            "INSERT INTO geo_cache (ms) VALUES (1780487999000), (1780488000000)",
        )
        assert jobs.run_here(path).deleted == 1
        assert tables.fetch(path, "SELECT ms FROM geo_cache") == [1780488000000]


def test_integer_primary_key_as_time(tmp_path: Path) -> None:
    """The rowid itself may be the time; it is its own index."""
    path = tmp_path / "t.db"
    make(
        path,
        "CREATE TABLE geo_cache (last_seen INTEGER PRIMARY KEY, ip TEXT)",
        "INSERT INTO geo_cache VALUES (1780487999, 'old'), (1780488000, 'new')",
    )
    assert jobs.run_here(path).deleted == 1


def test_cascade_and_trigger(tmp_path: Path) -> None:
    """What hangs on a row goes with it, as the schema says; only the rows of the table count."""
    path = tmp_path / "t.db"
    tables.make_table(path, [("old", OLD), ("new", NEW)])
    make(
        path,
        "CREATE TABLE notes (ip TEXT REFERENCES geo_cache (ip) ON DELETE CASCADE)",
        "INSERT INTO notes VALUES ('old'), ('old'), ('new')",
        "CREATE TABLE log (ip TEXT)",
        "CREATE TRIGGER gone AFTER DELETE ON geo_cache BEGIN INSERT INTO log VALUES (old.ip); END",
    )
    assert jobs.run_here(path).deleted == 1
    assert tables.fetch(path, "SELECT ip FROM notes") == ["new"]
    assert tables.fetch(path, "SELECT ip FROM log") == ["old"]


@pytest.mark.parametrize(
    "obstacle",
    [
        "CREATE TABLE notes (ip REFERENCES geo_cache (ip)); INSERT INTO notes VALUES ('old 2')",
        "CREATE TRIGGER no BEFORE DELETE ON geo_cache BEGIN SELECT RAISE(ABORT, 'no'); END",
    ],
)
def test_refused_rows_stop_the_run_whole(tmp_path: Path, obstacle: str) -> None:
    path = tmp_path / "t.db"
    tables.make_table(path, [("old 1", OLD), ("old 2", OLD), ("new", NEW)])
    with tables.connected(path) as connection:
        connection.executescript(obstacle)
    with pytest.raises(DataError):
        jobs.run_here(path)
    assert len(tables.fetch(path, "SELECT ip FROM geo_cache")) == 3


def test_functions_of_the_application_are_explained(tmp_path: Path) -> None:
    """A trigger that calls a function of the application cannot run here, and says so."""
    path = tmp_path / "t.db"
    tables.make_table(path, [("old", OLD)])
    make(path, "CREATE TRIGGER t AFTER DELETE ON geo_cache BEGIN SELECT app_hash(old.ip); END")
    with pytest.raises(ConfigError, match="app_hash"):
        jobs.run_here(path)
    assert tables.fetch(path, "SELECT ip FROM geo_cache") == ["old"]


@pytest.mark.parametrize(
    ("encoding", "invalid"),
    [
        ("UTF-8", "323032302dff"),
        ("UTF-16le", "320030003200300000d8"),
        ("UTF-16be", "0032003000320030d800"),
    ],
)
def test_database_encodings(tmp_path: Path, encoding: str, invalid: str) -> None:
    """Text is read in the encoding of the database, and text that is not valid in it is kept."""
    path = tmp_path / "t.db"
    make(path, f"PRAGMA encoding = '{encoding}'", "CREATE TABLE geo_cache (ip, last_seen TEXT)")
    with tables.connected(path) as connection:
        connection.execute("INSERT INTO geo_cache VALUES ('old', '2026-06-03 13:00:00+02:00')")
        connection.execute("INSERT INTO geo_cache VALUES ('new', '2026-06-03 15:00:00+02:00')")
        connection.execute(f"INSERT INTO geo_cache VALUES ('bad', CAST(x'{invalid}' AS TEXT))")
    result = jobs.run_here(path)
    assert (result.deleted, result.unreadable) == (1, 1)
    assert tables.fetch(path, "SELECT ip FROM geo_cache ORDER BY ip") == ["bad", "new"]


@pytest.mark.parametrize("declared", ["TEXT", "INTEGER", "", "REAL"])
def test_every_statement_uses_the_index(tmp_path: Path, declared: str) -> None:
    """The range conditions leave the column bare: SQLite searches the index, and scans nothing."""
    path = tmp_path / "t.db"
    tables.make_table(path, [("old", OLD), ("new", NEW)], declared)
    engine, job = engine_of(path), jobs.job()
    with engine.connect(write=False) as connection:
        table = engine.table(connection, job.table, job.time_column)
        assert isinstance(table, SQLiteTable)
        assert table.index == "ix_last_seen"
        conditions = table.stale_conditions(job.cutoff, job.now, job.time_zone)
        for search in conditions:
            for condition in (search.stale, search.unreadable):
                if condition is not None:
                    plan = query_plan(connection, deletion.rows(table, condition))
                    assert "INDEX ix_last_seen" in plan
                    assert "SCAN" not in plan


def query_plan(connection: sa.engine.Connection, statement: sa.sql.expression.Select[Any]) -> str:
    """Return SQLite's plan for a statement."""
    text = statement.compile(
        dialect=dialect.dialect(), compile_kwargs={"literal_binds": True}
    ).string
    raw = driver_connection(connection)
    return " ".join(row[3] for row in raw.execute(f"EXPLAIN QUERY PLAN {text}"))


@pytest.mark.parametrize(
    ("index", "usable"),
    [
        ("CREATE INDEX i ON geo_cache (last_seen, ip)", True),
        ("CREATE INDEX i ON geo_cache (last_seen DESC)", True),
        ("CREATE INDEX i ON geo_cache (ip, last_seen)", False),
        ("CREATE INDEX i ON geo_cache (last_seen) WHERE ip = 'x'", False),
        ("CREATE INDEX i ON geo_cache (substr(last_seen, 1, 10))", False),
    ],
)
def test_which_indexes_count(tmp_path: Path, index: str, usable: bool) -> None:
    """An index counts if it is whole and leads with the column itself."""
    path = tmp_path / "t.db"
    tables.make_table(path, [("old", OLD), ("new", NEW)], index=False)
    make(path, index)
    engine = engine_of(path)
    with engine.connect(write=False) as connection:
        assert (engine.table(connection, "geo_cache", "last_seen").index == "i") is usable
    assert jobs.run_here(path).deleted == 1


def test_strict_any_column(tmp_path: Path) -> None:
    """A STRICT table's ANY column keeps numbers in text as text; they are read all the same."""
    if sqlite3.sqlite_version_info < (3, 37):
        pytest.fail("this SQLite knows no STRICT tables; the project's tests need 3.37")
    path = tmp_path / "t.db"
    make(path, "CREATE TABLE geo_cache (ip TEXT, last_seen ANY) STRICT")
    with tables.connected(path) as connection:
        values = ["1780487999", "1780488000", 1780487999, 1780488000.0, OLD, NEW, "999999999"]
        connection.executemany("INSERT INTO geo_cache VALUES (?, ?)", enumerate(values))
    assert jobs.run_here(path).deleted == 4
    assert tables.fetch(path, "SELECT ip FROM geo_cache ORDER BY ip") == ["1", "3", "5"]


def test_rowid_that_no_statement_can_name(tmp_path: Path) -> None:
    """Columns may hide all three names of the rowid."""
    path = tmp_path / "t.db"
    make(
        path,
        "CREATE TABLE geo_cache (rowid TEXT, _rowid_ TEXT, OID TEXT, last_seen TEXT)",
        f"INSERT INTO geo_cache VALUES ('1', '1', '1', '{OLD}'), ('1', '1', '1', '{NEW}')",
    )
    assert jobs.run_here(path).deleted == 1
    assert tables.fetch(path, "SELECT last_seen FROM geo_cache") == [NEW]
