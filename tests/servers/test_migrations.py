"""Migrations on servers: beside writers, after an attempt that was cut short, and as SQL."""

import json
from typing import Any

import pytest
import sqlalchemy as sa

from alembic import command
from geocache_cleanup.deadline import Deadline
from geocache_cleanup.engines.urls import open_engine
from geocache_cleanup.schema import migrate
from helpers.processes import wait_until
from helpers.servers.commands import Command, fails, geocache_cleanup
from helpers.servers.dialects import is_postgresql, numbered, text_of

INDEX = "ix_geocache_cleanup_geo_cache_last_seen"


def indexes(server: Any, database: str) -> dict[str, bool]:
    """Return the names of the table's indexes, and whether each can be used."""
    if is_postgresql(server):
        rows = server.query(
            "SELECT c.relname, x.indisvalid FROM pg_index x JOIN pg_class c ON c.oid = x.indexrelid"
            " WHERE x.indrelid = 'geo_cache'::regclass",
            database,
        )
    else:
        rows = server.query(
            "SELECT DISTINCT index_name, 1 FROM information_schema.statistics"
            f" WHERE table_schema = '{database}' AND table_name = 'geo_cache'"
        )
    return {name: bool(valid) for name, valid in rows}


def fill(server: Any, database: str, declared: str, rows: int) -> None:
    """Create a table of so many rows."""
    server.query(f"CREATE TABLE geo_cache (ip INTEGER PRIMARY KEY, last_seen {declared})", database)
    server.query(f"INSERT INTO geo_cache SELECT n, '2026-06-01' FROM {numbered(rows)}", database)
    if is_postgresql(server):
        server.query("ALTER TABLE geo_cache OWNER TO app", database)


def test_the_index_is_built_beside_writers(server: Any, database: str) -> None:
    """The application inserts all the while the index is built, and no insert waits long."""
    fill(server, database, "VARCHAR(99)", 300_000)
    building = Command("migrate", url=text_of(server.url(database)))
    written = beside = 0
    with server.engine(database).connect() as connection:
        setting = (
            "SET lock_timeout = '20s'" if is_postgresql(server) else "SET lock_wait_timeout = 20"
        )
        connection.exec_driver_sql(setting)
        connection.commit()
        while building.process.poll() is None:
            was_built = is_built(connection, server)
            connection.exec_driver_sql(
                f"INSERT INTO geo_cache VALUES ({-written - 1}, '2026-06-02')"
            )
            connection.commit()
            written += 1
            beside += was_built and is_built(connection, server)
    outcome = building.end()
    # One that was kept out would have found the build over.
    assert (outcome.status, beside > 3) == (0, True), (outcome, written, beside)
    assert indexes(server, database)[INDEX]


def is_built(connection: sa.engine.Connection, server: Any) -> bool:
    """Tell whether a statement that makes the index is at work."""
    where = "information_schema.processlist WHERE info"
    if is_postgresql(server):
        where = "pg_stat_activity WHERE state = 'active' AND query"
    statement = f"SELECT count(*) FROM {where} LIKE 'CREATE INDEX%%'"
    return bool(connection.exec_driver_sql(statement).scalar_one())


def test_an_index_that_was_cut_short_is_built_anew(postgresql: Any, database_of: Any) -> None:
    """A build that failed leaves an invalid index, which serves nobody: it is replaced."""
    database = database_of(postgresql)
    fill(postgresql, database, "TEXT", 1_000)
    with postgresql.engine(database).connect() as holder:
        holder.exec_driver_sql("UPDATE geo_cache SET last_seen = '2026-06-03' WHERE ip = 1")
        outcome = geocache_cleanup("migrate", "--timeout=8", url=text_of(postgresql.url(database)))
        assert outcome.status == 75
        assert indexes(postgresql, database) == {"geo_cache_pkey": True, INDEX: False}
        holder.rollback()
    assert geocache_cleanup("migrate", url=text_of(postgresql.url(database))).status == 0
    assert indexes(postgresql, database) == {"geo_cache_pkey": True, INDEX: True}


def test_text_in_another_order_gets_an_index_in_that_of_codes(
    postgresql: Any, database_of: Any
) -> None:
    """An index by a language's order is no use to the search, and one by codes is made."""
    database = database_of(postgresql)
    fill(postgresql, database, 'TEXT COLLATE "en-x-icu"', 100)
    postgresql.query("CREATE INDEX own ON geo_cache (last_seen)", database)
    url = text_of(postgresql.url(database))
    assert geocache_cleanup("migrate", url=url).status == 0
    assert set(indexes(postgresql, database)) == {"geo_cache_pkey", "own", INDEX}
    assert geocache_cleanup("run", "--before=2026-07-01", url=url).last["deleted"] == 100


def test_printed_sql_is_what_the_clients_execute(server: Any, database: str) -> None:
    """The clients take the script; nothing is left to do after it."""
    url = text_of(server.url(database))
    script = geocache_cleanup("migrate", "--sql", url=url).output
    assert ("CONCURRENTLY" if is_postgresql(server) else "LOCK=NONE") in script
    if is_postgresql(server):
        done = server.psql("SET ROLE app;\n" + script, database)
    else:
        done = server.client(script, database)
    assert (done.returncode, done.stderr) == (0, "")
    wait_until("the index", lambda: INDEX in indexes(server, database))
    assert geocache_cleanup("migrate", url=url).output == "everything is in place already\n"


def test_long_columns_of_mysql_are_indexed_by_their_start(mariadb: Any, database_of: Any) -> None:
    """TEXT cannot be indexed whole; the start says all about a time."""
    for declared in ("TEXT", "VARCHAR(2000)"):
        database = database_of(mariadb)
        fill(mariadb, database, declared, 10)
        url = text_of(mariadb.url(database))
        assert geocache_cleanup("migrate", url=url).status == 0
        assert geocache_cleanup("run", "--before=2026-07-01", url=url).last["deleted"] == 10


@pytest.mark.parametrize(
    ("declared", "value"), [("json", "'{}'"), ("text", "string_agg(md5(n::text), '')")]
)
def test_what_postgresql_cannot_index(
    postgresql: Any, database_of: Any, declared: str, value: str
) -> None:
    """A type without an order, and text longer than an index takes, are no bugs: 78."""
    database = database_of(postgresql)
    postgresql.query(f"CREATE TABLE geo_cache (last_seen {declared})", database)
    postgresql.query(f"INSERT INTO geo_cache SELECT {value} FROM {numbered(999)}", database)
    postgresql.query("ALTER TABLE geo_cache OWNER TO app", database)
    outcome = geocache_cleanup("migrate", url=text_of(postgresql.url(database)))
    assert outcome.status == 78, outcome.last


def test_the_ledger_holds_any_name(mariadb: Any, database_of: Any) -> None:
    """Also in a database whose own characters are fewer."""
    database, table = database_of(mariadb), "\u65e5\u672c"
    mariadb.query(f"ALTER DATABASE {database} CHARACTER SET latin1")
    url, name = text_of(mariadb.url(database)), f"--table={table}"
    assert geocache_cleanup("migrate", name, url=url).status == 0
    assert geocache_cleanup("run", name, url=url).status == 0
    outcome = geocache_cleanup("check", name, "--json", url=url)
    assert outcome.status == 0, outcome.last
    assert json.loads(outcome.output)["ledger"]["last_run"]["table_name"] == table


def test_the_table_that_runs_find_is_migrated(server: Any, database: str) -> None:
    """By a name in another case none is made beside it; a downgrade takes its index back."""
    fill(server, database, "VARCHAR(99)", 5)
    url = text_of(server.url(database))
    names = ("--table=Geo_Cache", "--time-column=Last_Seen")
    made = geocache_cleanup("migrate", *names, url=url).output.splitlines()
    index = "ix_geocache_cleanup_Geo_Cache_Last_Seen"
    assert made[:2] == [f"created the index {index}", "created the table geocache_cleanup_runs"]
    assert indexes(server, database)[index]
    config = migrate.configure(server.url(database), migrate.TableNames("Geo_Cache", "Last_Seen"))
    config.attributes["url"] = server.url(database)
    command.downgrade(config, "base")
    assert index not in indexes(server, database)
    assert geocache_cleanup("migrate", *names, url=url).output.splitlines() == made
    done = geocache_cleanup("run", "--before=2026-07-01", *names, url=url)
    assert (done.status, done.last["deleted"]) == (0, 5), done.last


@pytest.mark.parametrize("arguments", [("--table=Shown",), ("--time-column=seen",)])
def test_what_does_not_fit_is_told_before_anything_is_made(
    server: Any, database: str, arguments: tuple[str, ...]
) -> None:
    """A view, by a name in another case, and a column that is not there."""
    fill(server, database, "VARCHAR(99)", 5)
    server.query("CREATE VIEW shown AS SELECT * FROM geo_cache", database)
    if is_postgresql(server):
        server.query("ALTER VIEW shown OWNER TO app", database)
    url = server.url(database)
    assert fails(url, *arguments, command="migrate")["exit_status"] == 78
    engine = server.engine(database)
    assert sa.inspect(engine).get_table_names() == ["geo_cache"]
    engine.dispose()


def test_one_migration_at_a_time(server: Any, database: str) -> None:
    """Two that look and act by turns would be in each other's way: the second is told to wait."""
    engine = open_engine(server.url(database), Deadline(60))
    with engine.connect_to_migrate() as connection:
        engine.prepare_migration(connection, None)
        last = fails(server.url(database), command="migrate")
        assert (last["exit_status"], "another migration" in last["reason"]) == (75, True), last
    assert geocache_cleanup("migrate", url=text_of(server.url(database))).status == 0
