"""Whole runs on real servers: what is deleted, from which tables, with which driver."""

import datetime as dt
import json
from typing import Any

import pytest
import sqlalchemy as sa

from geocache_cleanup.deadline import Deadline
from geocache_cleanup.engines.urls import open_engine
from helpers.servers.commands import geocache_cleanup
from helpers.servers.dialects import is_mysql, is_postgresql, text_of

FILL = "INSERT INTO geo_cache VALUES ('a', '2020-01-01'), ('b', '2025-12-31'), ('c', '2026-06-01')"
BEFORE = "--before=2026-01-01"


def left(server: Any, database: str, table: str = "geo_cache", column: str = "ip") -> str:
    """Return the keys that are left, in order."""
    return "".join(
        str(row[0]) for row in server.query(f"SELECT {column} FROM {table} ORDER BY 1", database)
    )


@pytest.mark.parametrize("tcp", [False, True], ids=["socket", "tcp"])
@pytest.mark.parametrize("driver", ["", "psycopg2", "psycopg"])
def test_a_run_on_postgresql(postgresql: Any, database_of: Any, driver: str, tcp: bool) -> None:
    """Whatever the driver and the way there."""
    name = f"postgresql+{driver}".rstrip("+")
    deletes_and_records(postgresql, database_of(postgresql), name, tcp=tcp)


@pytest.mark.parametrize("tcp", [False, True], ids=["socket", "tcp"])
@pytest.mark.parametrize("driver", ["mysql", "mariadb", "mysql+pymysql", "mysql+mysqldb"])
def test_a_run_on_mariadb(mariadb: Any, database_of: Any, driver: str, tcp: bool) -> None:
    """Whatever the driver and the way there; MySQL is no mariadb://."""
    database = database_of(mariadb)
    if driver == "mariadb" and is_mysql(mariadb):
        url = text_of(mariadb.url(database, driver=driver, tcp=tcp))
        failed = geocache_cleanup("run", url=url)
        assert (failed.status, "is MySQL" in failed.last["reason"]) == (78, True), failed.last
        return
    deletes_and_records(mariadb, database, driver, tcp=tcp)


def deletes_and_records(server: Any, database: str, driver: str, *, tcp: bool) -> None:
    """Expect that the rows, the ledger and the event agree."""
    url = text_of(server.url(database, driver=driver, tcp=tcp))
    migrated = geocache_cleanup("migrate", url=url)
    if driver.endswith("psycopg") and sa.__version__.startswith("1."):
        assert migrated.status == 78
        assert "newer SQLAlchemy" in migrated.last["reason"]
        return
    assert migrated.status == 0
    server.query(
        "INSERT INTO geo_cache (ip, last_seen) VALUES ('a', '2020-01-01T00:00:00Z'),"
        " ('b', '1600000000'), ('c', 'junk'), ('d', '2026-06-01 00:00')",
        database,
    )
    rehearsed = geocache_cleanup("run", "--dry-run", BEFORE, url=url)
    assert (rehearsed.status, rehearsed.last["deleted"]) == (0, 2)
    assert left(server, database) == "abcd"
    done = geocache_cleanup("run", BEFORE, url=url, INVOCATION_ID="0123abcd")
    assert done.status == 0
    assert (done.last["event"], done.last["deleted"]) == ("geo_cache_cleanup_ran", 2)
    assert left(server, database) == "cd"
    runs = json.loads(geocache_cleanup("history", "--json", url=url).output)["runs"]
    assert [(run["run_id"], run["deleted"]) for run in runs] == [("0123abcd", 2)]
    checked = json.loads(geocache_cleanup("check", "--json", url=url).output)
    assert checked["table"]["index"] == "ix_geocache_cleanup_geo_cache_last_seen"
    assert "s3cr3t" not in str(checked)


_CASCADE = (
    "CREATE TABLE log (about VARCHAR(9),"
    " FOREIGN KEY (about) REFERENCES geo_cache (ip) ON DELETE CASCADE)"
)


@pytest.mark.parametrize(
    ("declared", "extra"),
    [
        ("ip VARCHAR(9), last_seen DATE", ""),
        ("ip VARCHAR(9), last_seen TIMESTAMP, PRIMARY KEY (ip, last_seen)", ""),
        ("ip VARCHAR(9) PRIMARY KEY, last_seen DATE", _CASCADE),
    ],
    ids=["no key", "composite key", "cascade"],
)
def test_any_shape_of_table(server: Any, database: str, declared: str, extra: str) -> None:
    """Rows go by the condition alone, and take with them what hangs on them."""
    server.query(f"CREATE TABLE geo_cache ({declared})", database)
    grant(server, database)
    server.query(FILL, database)
    if extra:
        server.query(extra, database)
        server.query("INSERT INTO log VALUES ('a'), ('c')", database)
        grant(server, database, "log")
    done = geocache_cleanup("run", BEFORE, url=text_of(server.url(database)))
    assert (done.status, done.last["deleted"]) == (0, 2)
    assert left(server, database) == "c"
    if extra:
        assert left(server, database, "log", "about") == "c"


def grant(server: Any, database: str, table: str = "geo_cache") -> None:
    """Let app have a table that the superuser made."""
    if is_postgresql(server):
        server.query(f"ALTER TABLE {table} OWNER TO app", database)


def test_partitions(server: Any, database: str) -> None:
    """A partitioned table is one table: rows of every part go."""
    if is_postgresql(server):
        server.query(
            "CREATE TABLE geo_cache (ip text, last_seen timestamptz)"
            " PARTITION BY RANGE (last_seen);"
            "CREATE TABLE old PARTITION OF geo_cache FOR VALUES FROM (MINVALUE) TO ('2026-01-01')"
            " PARTITION BY LIST (ip);"
            "CREATE TABLE older PARTITION OF old DEFAULT;"
            "CREATE TABLE recent PARTITION OF geo_cache"
            " FOR VALUES FROM ('2026-01-01') TO (MAXVALUE);"
            "ALTER TABLE geo_cache OWNER TO app; ALTER TABLE old OWNER TO app;"
            "ALTER TABLE older OWNER TO app; ALTER TABLE recent OWNER TO app",
            database,
        )
    else:
        server.query(
            "CREATE TABLE geo_cache (ip VARCHAR(9), last_seen DATETIME(6)) PARTITION BY RANGE"
            " COLUMNS (last_seen) (PARTITION old VALUES LESS THAN ('2026-01-01'),"
            " PARTITION recent VALUES LESS THAN (MAXVALUE))",
            database,
        )
    server.query(FILL, database)
    url = text_of(server.url(database))
    migrated = geocache_cleanup("migrate", url=url)
    assert "created the index ix_geocache_cleanup_geo_cache_last_seen" in migrated.output
    assert geocache_cleanup("migrate", url=url).output == "everything is in place already\n"
    assert geocache_cleanup("run", BEFORE, url=url).last["deleted"] == 2
    assert left(server, database) == "c"


def test_names_that_need_quoting(server: Any, database: str) -> None:
    """Another schema, reserved words, capitals, spaces, and "%" which drivers look for."""
    quoted = (
        ('"%"', '"Order"', '"select 5%s"')
        if is_postgresql(server)
        else ("`%`", "`Order`", "`select 5%s`")
    )
    if is_postgresql(server):
        server.query('CREATE SCHEMA "%" AUTHORIZATION app', database)
    else:
        server.query("CREATE DATABASE `%`;\nGRANT ALL ON `\\%`.* TO app")
    schema, table, column = quoted
    try:
        server.query(f"CREATE TABLE {schema}.{table} (ip VARCHAR(9), {column} DATE)", database)
        grant(server, database, f"{schema}.{table}")
        server.query(FILL.replace("geo_cache", f"{schema}.{table}"), database)
        arguments = ["--table=%.order", "--time-column=select 5%s"]
        url = text_of(server.url(database))
        migrated = geocache_cleanup("migrate", "--table=%.Order", arguments[1], url=url)
        assert migrated.status == 0, migrated.events
        assert geocache_cleanup("check", *arguments, url=url).status == 0
        done = geocache_cleanup("run", *arguments, BEFORE, url=url)
        assert (done.status, done.last["deleted"]) == (0, 2), done.last
        assert left(server, database, f"{schema}.{table}") == "c"
    finally:
        if not is_postgresql(server):
            server.query("DROP DATABASE `%`")


def test_an_engine_without_transactions_is_told_apart(mariadb: Any, database_of: Any) -> None:
    """MyISAM tables are pruned, and known as tables where an interruption would leave a half."""
    database = database_of(mariadb)
    mariadb.query("CREATE TABLE geo_cache (ip VARCHAR(9), last_seen DATE) ENGINE=MyISAM", database)
    mariadb.query(FILL, database)
    engine = open_engine(mariadb.url(database), Deadline(60))
    with engine.connect(write=False) as connection:
        assert not engine.table(connection, "geo_cache", "last_seen").atomic
    url = text_of(mariadb.url(database))
    assert geocache_cleanup("migrate", url=url).status == 0
    for arguments in ([], ["--batch-seconds=1"], ["--dry-run"]):
        limited = geocache_cleanup("run", BEFORE, "--max-delete-percent=50", *arguments, url=url)
        assert (limited.status, limited.last["deleted"]) == (65, 0)
        assert mariadb.query("SELECT count(*) FROM geo_cache", database) == [(3,)]
    assert geocache_cleanup("run", BEFORE, url=url).last["deleted"] == 2


@pytest.mark.parametrize(
    "declared",
    ["TIMESTAMP", "DATE", "BIGINT", "NUMERIC(20,3)", "DOUBLE PRECISION", "VARCHAR(40)"],
)
def test_the_index_is_used(server: Any, database: str, declared: str) -> None:
    """What is stale and what is unreadable is a range of the index, for every type of column."""
    server.query(f"CREATE TABLE geo_cache (ip INTEGER, last_seen {declared})", database)
    grant(server, database)
    times = {"TIMESTAMP": "'2026-06-0{}'", "DATE": "'2026-06-0{}'", "VARCHAR(40)": "'2026-06-0{}'"}
    form = times.get(declared, "178048800{}")
    rows = ", ".join(f"({n}, {form.format(n % 9 + 1)})" for n in range(3_000))
    server.query(f"INSERT INTO geo_cache VALUES {rows}", database)
    assert geocache_cleanup("migrate", url=text_of(server.url(database))).status == 0
    server.query(
        "ANALYZE geo_cache" if is_postgresql(server) else "ANALYZE TABLE geo_cache", database
    )
    engine: Any = open_engine(server.url(database), Deadline(60))
    with engine.connect(write=True) as connection:
        table = engine.table(connection, "geo_cache", "last_seen")
        assert table.index == "ix_geocache_cleanup_geo_cache_last_seen"
        old = 978_307_200_000_000  # 2001-01-01
        now = 1_780_488_000_000_000
        parts = table.stale_conditions(old, now, dt.UTC)
        stale = [part.stale for part in parts if part.stale is not None]
        unreadable = [part.unreadable for part in parts if part.unreadable is not None]
        assert stale
        for verb, conditions in (("DELETE", stale), ("SELECT count(*)", unreadable)):
            for condition in conditions:
                where = condition.compile(connection, compile_kwargs={"literal_binds": True})
                schema = f"{table.clause.schema}." if is_postgresql(server) else ""
                plan = str(
                    connection.exec_driver_sql(
                        f"EXPLAIN {verb} FROM {schema}geo_cache WHERE {where}"
                    ).all()
                )
                # MySQL knows that no such number fits into the column.
                assert "ix_geocache_cleanup" in plan or "Impossible WHERE" in plan, plan
                assert "Seq Scan" not in plan


def test_who_one_is_lets_one_in(server: Any) -> None:
    """Peer and unix_socket authentication: no password, the socket, the user of the process."""
    server.query("CREATE DATABASE peer_only")
    user = "root"
    if is_postgresql(server):
        server.query("ALTER DATABASE peer_only OWNER TO app")
        user = "app"
    url = server.url("peer_only", user=user)
    assert url.password is None
    assert geocache_cleanup("migrate", url=text_of(url)).status == 0
    assert geocache_cleanup("run", url=text_of(url)).status == 0
    if is_postgresql(server):
        refused = geocache_cleanup("run", url=text_of(server.url("peer_only", user="postgres")))
        assert refused.status == 77


def test_space_is_given_back_on_demand(server: Any, database: str) -> None:
    """VACUUM or OPTIMIZE after the run, which is told first; who may not do it is warned."""
    server.query("CREATE TABLE geo_cache (ip VARCHAR(9) PRIMARY KEY, last_seen DATE)", database)
    grant(server, database)
    server.query(FILL, database)
    url = text_of(server.url(database))
    done = geocache_cleanup("run", BEFORE, "--reclaim=yes", url=url)
    assert done.status == 0
    assert [event["event"] for event in done.events[1:]] == [
        "geo_cache_cleanup_ran",
        "geo_cache_cleanup_reclaimed",
    ]
    assert (done.last["level"], done.last["reclaimed_bytes"]) == ("info", None)
    if not is_postgresql(server):
        return
    server.query("ALTER TABLE geo_cache OWNER TO postgres", database)
    server.query("GRANT SELECT, DELETE ON geo_cache TO app", database)
    server.query("INSERT INTO geo_cache VALUES ('d', '2020-01-01')", database)
    refused = geocache_cleanup("run", BEFORE, "--reclaim=yes", url=url)
    assert (refused.status, refused.last["level"]) == (0, "warning")
    assert "may not vacuum" in refused.last["reason"]
