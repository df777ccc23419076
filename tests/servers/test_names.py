"""Names that fit several tables or columns: an exact one is taken, else none is guessed."""

from collections.abc import Iterator
from typing import Any

import pytest

from helpers.servers.commands import fails, geocache_cleanup
from helpers.servers.daemon import private_directory
from helpers.servers.dialects import admin_of, is_postgresql, make_stale_table, text_of
from helpers.servers.mariadb import MariaDBServer

BEFORE = "--before=2026-01-01"


def quoted(server: Any, name: str) -> str:
    mark = '"' if is_postgresql(server) else "`"
    return f"{mark}{name}{mark}"


def make(server: Any, database: str, table: str) -> None:
    """Make a table of one stale row."""
    server.query(f"CREATE TABLE {table} (ip INTEGER, last_seen DATE)", database)
    server.query(f"INSERT INTO {table} VALUES (1, '2020-01-01')", database)


def rows(server: Any, database: str, *tables: str) -> list[int]:
    """Count the rows of each table."""
    counts = (server.query(f"SELECT count(*) FROM {table}", database) for table in tables)
    return [count for ((count,),) in counts]


def test_tables_whose_names_differ_by_case(server: Any, database: str) -> None:
    """Each can be named exactly; in a third way neither is, whatever comes first."""
    tables = [quoted(server, name) for name in ("GEO_CACHE", "geo_cache")]
    for table in tables:
        make(server, database, table)
    url = server.url(database, user=admin_of(server))
    for command in ("run", "check", "migrate"):
        last = fails(url, "--table=Geo_Cache", command=command)
        told = (last["exit_status"], "'GEO_CACHE'" in last["reason"], "--table" in last["hint"])
        assert told == (78, True, True), last
        assert "'geo_cache'" in last["reason"]
    assert rows(server, database, *tables) == [1, 1]
    for name, left in (("geo_cache", [1, 0]), ("GEO_CACHE", [0, 0])):
        assert geocache_cleanup("run", BEFORE, f"--table={name}", url=text_of(url)).status == 0
        assert rows(server, database, *tables) == left


def test_columns_whose_names_differ_by_case(postgresql: Any, database_of: Any) -> None:
    """Of one that is all fresh, and one that is all stale, none is guessed."""
    database = database_of(postgresql)
    make(postgresql, database, "geo_cache")
    postgresql.query("ALTER TABLE geo_cache ADD COLUMN \"Last_Seen\" DATE DEFAULT 'now'", database)
    url = postgresql.url(database, user="postgres")
    for wanted in ("LAST_SEEN", "last_Seen"):
        last = fails(url, BEFORE, f"--time-column={wanted}")
        assert (last["exit_status"], "last_seen, Last_Seen" in last["reason"]) == (78, True), last
        assert "--time-column" in last["hint"]
    for wanted, deleted in (("Last_Seen", 0), ("last_seen", 1)):
        done = geocache_cleanup("run", BEFORE, f"--time-column={wanted}", url=text_of(url))
        assert (done.status, done.last["deleted"]) == (0, deleted), done.last


@pytest.fixture
def elsewhere(server: Any, database: str) -> Iterator[str]:
    """Return a schema beside that of the database: on MariaDB and MySQL another database."""
    name = f"{database}_geo"
    server.query(f"CREATE SCHEMA {name}", database)
    yield name
    if not is_postgresql(server):
        server.query(f"DROP SCHEMA {name}")


def test_a_name_with_a_dot_that_can_be_read_in_two_ways(
    server: Any, database: str, elsewhere: str
) -> None:
    """As a table of another schema, or one that has the dot in its name: by that it is found."""
    dotted = f"{elsewhere}.cache"
    tables = [quoted(server, dotted), dotted]
    for table in tables:
        make(server, database, table)
    url = server.url(database, user=admin_of(server))
    last = fails(url, BEFORE, f"--table={dotted}")
    assert (last["exit_status"], f"'cache' in '{elsewhere}'" in last["reason"]) == (78, True), last
    assert rows(server, database, *tables) == [1, 1]
    full = f"{'public' if is_postgresql(server) else database}.{dotted}"
    assert geocache_cleanup("run", BEFORE, f"--table={full}", url=text_of(url)).status == 0
    assert rows(server, database, *tables) == [0, 1]
    server.query(f"DROP TABLE {tables[0]}", database)
    assert geocache_cleanup("run", BEFORE, f"--table={dotted}", url=text_of(url)).status == 0
    assert rows(server, database, dotted) == [0]


def test_databases_whose_names_differ_by_case(mariadb: Any, database_of: Any) -> None:
    """The one that is named loses its rows, not the one that the URL names."""
    database = database_of(mariadb)
    other = database.upper()
    mariadb.query(f"CREATE DATABASE {other}")
    try:
        tables = [f"{name}.geo_cache" for name in (database, other)]
        for table in tables:
            make(mariadb, database, table)
        url = text_of(mariadb.url(database, user="root"))
        for arguments, left in (([f"--table={other}.geo_cache"], [1, 0]), ([], [0, 0])):
            assert geocache_cleanup("run", BEFORE, *arguments, url=url).status == 0
            assert rows(mariadb, database, *tables) == left
    finally:
        mariadb.query(f"DROP DATABASE {other}")


def test_a_server_that_keeps_no_case() -> None:
    """There every case is the same table, also with the database named; migrate makes no other."""
    with private_directory("mysql") as directory:
        server = MariaDBServer(directory, "--lower-case-table-names=1")
        server.create()
        server.start()
        try:
            server.query("CREATE DATABASE one")
            make_stale_table(server, "one")
            url = text_of(server.url("One", user="root"))
            for name in ("Geo_Cache", "ONE.geo_cache"):
                migrated = geocache_cleanup("migrate", f"--table={name}", url=url)
                assert (migrated.status, "table Geo" in migrated.output) == (0, False), migrated
            done = geocache_cleanup("run", BEFORE, "--table=ONE.Geo_Cache", url=url)
            assert (done.status, done.last["deleted"]) == (0, 3), done.last
        finally:
            server.stop()
