"""What an account's, a database's or a server's settings do to a run: nothing, or they stop it."""

import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pytest
import sqlalchemy as sa

from geocache_cleanup.deadline import Deadline
from geocache_cleanup.engines.base import Engine
from geocache_cleanup.engines.urls import open_engine
from geocache_cleanup.pruning import batches
from geocache_cleanup.pruning.job import Job
from geocache_cleanup.pruning.ledger import Ledger
from geocache_cleanup.report import preview
from geocache_cleanup.schema.migrate import TableNames, upgrade
from helpers.jobs import job
from helpers.servers.commands import fails, geocache_cleanup
from helpers.servers.daemon import private_directory
from helpers.servers.dialects import is_postgresql, numbered, text_of
from helpers.servers.mariadb import MariaDBServer

ROWS = 60
# The other one where the dependencies are Debian 12's: what differs is in how they read and write.
DRIVER = "postgresql+psycopg2" if sa.__version__.startswith("1.") else "postgresql+psycopg"
CHILD = (
    "CREATE TABLE child (about INTEGER,"
    " FOREIGN KEY (about) REFERENCES native (ip) ON DELETE CASCADE)"
)
# Longer than the limits above.
SLOW = (
    "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS"
    " 'BEGIN PERFORM pg_sleep(0.4); RETURN NULL; END';"
    "CREATE TRIGGER slow BEFORE DELETE ON native FOR EACH STATEMENT EXECUTE FUNCTION slow()"
)
NUMBERS = "\u65e5\u672c"  # what Latin letters cannot write
BEFORE = "--before=2026-06-03T12:00:00Z"
# As if they were not set. Those that only make a run slow are here too.
ON_POSTGRESQL: Mapping[str, str] = {
    "synchronous_commit": "off",
    "default_transaction_isolation": "serializable",
    "default_transaction_deferrable": "on",
    "statement_timeout": "200ms",
    "lock_timeout": "1ms",
    "idle_in_transaction_session_timeout": "200ms",
    "idle_session_timeout": "1s",
    "transaction_timeout": "200ms",
    "row_security": "off",
    "DateStyle": "German, DMY",
    "IntervalStyle": "sql_standard",
    "TimeZone": "America/St_Johns",
    "timezone_abbreviations": "India",
    "client_encoding": "LATIN1",
    "bytea_output": "escape",
    "extra_float_digits": "-15",
    "standard_conforming_strings": "off",
    "backslash_quote": "off",
    "escape_string_warning": "on",
    "quote_all_identifiers": "on",
    "transform_null_equals": "on",
    "array_nulls": "off",
    "track_counts": "off",
    "enable_indexscan": "off",
    "enable_tidscan": "off",
    "enable_seqscan": "off",
    "cursor_tuple_fraction": "0",
    "plan_cache_mode": "force_generic_plan",
    "work_mem": "64kB",
    "client_min_messages": "debug1",
}
ON_MARIADB: Mapping[str, str] = {
    "sql_mode": "'ANSI_QUOTES'",
    "sql_mode = 'NO_BACKSLASH_ESCAPES', sql_notes": "0",
    "sql_mode = 'PAD_CHAR_TO_FULL_LENGTH', sql_notes": "0",
    "sql_mode = 'NO_ZERO_DATE,NO_ZERO_IN_DATE,STRICT_ALL_TABLES,TRADITIONAL', sql_notes": "0",
    "sql_mode = 'IGNORE_SPACE,HIGH_NOT_PRECEDENCE,REAL_AS_FLOAT', sql_notes": "0",
    "sql_mode = 'ORACLE,EMPTY_STRING_IS_NULL', sql_notes": "0",
    "sql_mode = 'MAXDB,MSSQL,DB2,PIPES_AS_CONCAT', sql_notes": "0",
    "autocommit": "0",
    "completion_type": "'CHAIN'",
    "completion_type = 'RELEASE', sql_notes": "0",
    "tx_isolation": "'SERIALIZABLE'",
    "transaction_isolation": "'READ-UNCOMMITTED'",
    "sql_safe_updates": "1",
    "sql_select_limit": "0",
    "sql_big_selects": "0",
    "max_join_size": "1",
    "max_statement_time": "0.000001",
    "max_execution_time": "1",
    "lock_wait_timeout": "1",
    "innodb_lock_wait_timeout": "1",
    "wait_timeout": "1",
    "idle_transaction_timeout": "1",
    "idle_write_transaction_timeout": "1",
    "foreign_key_checks": "0",
    "unique_checks": "0",
    "check_constraint_checks": "0",
    "time_zone": "'-03:30'",
    "timestamp": "1",
    "lc_time_names": "'de_DE'",
    "character_set_client = 'latin1', character_set_results = 'latin1', collation_connection": (
        "'latin1_german2_ci'"
    ),
    "default_regex_flags": "'EXTENDED,MULTILINE,DOTALL'",
    "sql_quote_show_create": "0",
    "sql_auto_is_null": "1",
    "low_priority_updates": "1",
    "div_precision_increment": "0",
    "default_week_format": "7",
    "group_concat_max_len": "4",
    "max_sort_length": "64",
    "alter_algorithm": "'COPY'",
    "innodb_strict_mode": "0",
    "default_storage_engine": "'MyISAM'",
    "sql_require_primary_key": "1",
}
STALE = [
    "2020-01-01",
    "2026-06-03T11:59:59Z",
    "2026-06-03 14:59:59+03:00",
    "1600000000",
]
FRESH = [
    "2026-06-03T12:00:00Z",
    "2026-06-04",
    "1900000000",
    "20260603",
    "2020-01-01\n",
    "2020 -01-01",
]


@contextlib.contextmanager
def given(server: Any, name: str, value: str) -> Iterator[bool]:
    """Let the user app have a setting; yield false where the server does not know it."""
    pattern = name.rpartition(" ")[2]
    if is_postgresql(server):
        known = "SELECT 1 FROM pg_settings WHERE name = '{}'"
        give, take = f"ALTER ROLE app SET {name} = '{value}'", "ALTER ROLE app RESET ALL"
    else:
        known = "SHOW VARIABLES WHERE variable_name = '{}'"
        give = f'SET GLOBAL init_connect = "SET {name} = {value}"'
        take = "SET GLOBAL init_connect = ''"
    if not server.query(known.format(pattern)):
        yield False
        return
    server.query(give)
    try:
        yield True
    finally:
        server.query(take)


def make_tables(server: Any, database: str) -> None:
    """Make tables of text, of native times that others refer to, and of numbers, partly stale."""
    on_postgresql = is_postgresql(server)
    native = "TIMESTAMPTZ" if on_postgresql else "DATETIME(6)"
    numbers = f'"{NUMBERS}"' if on_postgresql else f"`{NUMBERS}`"
    statements = [
        "CREATE TABLE geo_cache (ip INTEGER PRIMARY KEY, last_seen VARCHAR(40))",
        f"CREATE TABLE native (ip INTEGER PRIMARY KEY, last_seen {native})",
        f"CREATE TABLE {numbers} (ip INTEGER PRIMARY KEY, last_seen DOUBLE PRECISION)",
        CHILD,
        "INSERT INTO geo_cache VALUES "
        + ", ".join(f"({n}, '{text}')" for n, text in enumerate([*STALE, *FRESH])),
        f"INSERT INTO native SELECT n, '2020-02-03 04:05:06' FROM {numbered(ROWS)}",
        f"INSERT INTO {numbers} VALUES (1, 1600000000.123456), (2, 1900000000.654321)",
        "INSERT INTO child VALUES (1)",
    ]
    if on_postgresql:
        statements.append("INSERT INTO native VALUES (0, '0044-03-15 00:00:00 BC')")
        statements += [f"ALTER TABLE {name} OWNER TO app" for name in ("native", numbers)]
        statements += [f"ALTER TABLE {name} OWNER TO app" for name in ("geo_cache", "child")]
    for statement in statements:
        server.query(statement, database)


def outcome(engine: Engine, url: Any) -> Mapping[str, Any]:
    """Return what all the commands find and do, in the order in which an admin uses them."""
    deadline = engine.deadline
    orders = job(), job(table="native", batch_seconds=0.001), job(table=NUMBERS)
    names = [TableNames(order.table, order.time_column) for order in orders]
    looks = [dataclasses.replace(order, dry_run=True) for order in orders]
    found: dict[str, Any] = {
        "migrated": [upgrade(url, name, deadline) for name in names],
        "would delete": [told(preview.preview(engine, look, deadline).result) for look in looks],
        "stored": [stored(engine, look) for look in looks],
        "deleted": [told(batches.run(engine, order, deadline)) for order in orders],
        "reclaimed": engine.reclaim("native", "last_seen"),
        "migrated again": [upgrade(url, name, deadline) for name in names],
    }
    with engine.connect(write=False) as connection:
        runs = Ledger.require(engine, connection).runs(9)
    return {**found, "ledger": sorted(map(str, map(lasting, runs)))}


def stored(engine: Engine, order: Job) -> Sequence[str]:
    """Return the times of a table as check reads them, whatever their order."""
    with order.at_table(engine, write=False) as table:
        return sorted(map(str, table.stored_times()))


def lasting(run: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what the ledger says of a run, without what is of the machine."""
    fleeting = {"duration_seconds", "batches", "host"}
    return {name: value for name, value in run.items() if name not in fleeting}


def told(result: Any) -> Any:
    """Return a result without what is of the machine; batches are counted as one or more."""
    return dataclasses.replace(result, duration_seconds=0.0, batches=min(result.batches, 1))


def rows(server: Any, database: str) -> Sequence[object]:
    """Return what the tables hold."""
    tables = ("* FROM geo_cache", "ip FROM native", "* FROM child")
    return [server.query(f"SELECT {table} ORDER BY 1", database) for table in tables]


@pytest.fixture(scope="module")
def expected() -> dict[str, Any]:
    """Return what there is to expect of each server, once it is known."""
    return {}


def compare(server: Any, database: str, name: str, value: str, expected: dict[str, Any]) -> None:
    """Do all there is to do under a setting, and expect what happened without it."""
    with given(server, name, value) as is_known:
        if not is_known:
            return
        make_tables(server, database)
        if name.endswith("_timeout") and is_postgresql(server):
            server.query(SLOW, database)
        url = server.url(database, driver=DRIVER) if is_postgresql(server) else server.url(database)
        found = outcome(open_engine(url, Deadline(60)), url)
        found = {**found, "rows": rows(server, database)}
    assert found == expected.setdefault(str(server.directory), found)
    assert [result.deleted for result in found["deleted"]] == [len(STALE), ROWS, 1]
    assert found["rows"][-1] == []


@pytest.mark.parametrize("name", ["none", *ON_POSTGRESQL])
def test_settings_of_postgresql_that_change_nothing(
    postgresql: Any, database_of: Any, expected: dict[str, Any], name: str
) -> None:
    setting = (name, ON_POSTGRESQL[name]) if name in ON_POSTGRESQL else ("application_name", "x")
    compare(postgresql, database_of(postgresql), *setting, expected)


@pytest.mark.parametrize("name", ["none", *ON_MARIADB])
def test_settings_of_mariadb_that_change_nothing(
    mariadb: Any, database_of: Any, expected: dict[str, Any], name: str
) -> None:
    setting = (name, ON_MARIADB[name]) if name in ON_MARIADB else ("sql_notes", "1")
    compare(mariadb, database_of(mariadb), *setting, expected)


ON_POSTGRESQL_REFUSED = {
    "default_transaction_read_only": ("on", 69, "read-only"),
    "session_replication_role": ("replica", 78, "no trigger and no foreign key would act"),
    "search_path": ("", 78, "there is: public.geo_cache"),
}


@pytest.mark.parametrize("name", ON_POSTGRESQL_REFUSED)
def test_settings_of_postgresql_that_stop_a_run(
    postgresql: Any, database_of: Any, name: str
) -> None:
    """Those that were made on purpose, or that say where the table is."""
    value, status, words = ON_POSTGRESQL_REFUSED[name]
    assert_stops(postgresql, database_of(postgresql), (name, value), status, words)


ON_MARIADB_REFUSED = {
    "tx_read_only": ("1", 69, "READ ONLY transaction"),
    "transaction_read_only": ("1", 69, "READ ONLY transaction"),
    "max_session_mem_used": ("8192", 78, "max-session-mem-used"),
}


@pytest.mark.parametrize("name", ON_MARIADB_REFUSED)
def test_settings_of_mariadb_that_stop_a_run(mariadb: Any, database_of: Any, name: str) -> None:
    """What is set read-only on purpose stays so."""
    value, status, words = ON_MARIADB_REFUSED[name]
    assert_stops(mariadb, database_of(mariadb), (name, value), status, words)


def assert_stops(
    server: Any, database: str, setting: tuple[str, str], status: int, words: str
) -> None:
    """Expect that a run, one in batches and a check end alike, and that no row goes."""
    with given(server, *setting) as is_known:
        if not is_known:
            return
        make_tables(server, database)
        before, url = rows(server, database), server.url(database)
        for arguments in ((BEFORE,), (BEFORE, "--batch-seconds=0.1")):
            last = fails(url, *arguments)
            assert (last["exit_status"], words in last["reason"]) == (status, True), last
        checked = geocache_cleanup("check", BEFORE, url=text_of(url))
        assert (checked.status, words in checked.last["reason"]) == (status, True), checked
        assert rows(server, database) == before


@pytest.fixture(params=["OFF", "ON"], scope="module")
def on_timeout(request: pytest.FixtureRequest, running: Callable[[str], Any]) -> Iterator[Any]:
    """Return a server on which a wait that is too long undoes the statement, or all before it."""
    if request.param == "OFF":
        yield running("mariadb")
        return
    with private_directory("mysql") as directory:
        server = MariaDBServer(directory, "--innodb-rollback-on-timeout=ON")
        server.create()
        server.start()
        try:
            server.create_app()
            yield server
        finally:
            server.stop()


@pytest.mark.parametrize("arguments", [(), ("--batch-seconds=0.001",)], ids=["at once", "batches"])
def test_a_wait_that_is_too_long_undoes_the_whole_transaction(
    on_timeout: Any, database_of: Any, arguments: tuple[str, ...]
) -> None:
    """In its second statement or batch: rows, ledger and event agree, and the rest goes later."""
    database = database_of(on_timeout)
    on_timeout.query("CREATE TABLE geo_cache (ip INT PRIMARY KEY, last_seen BIGINT)", database)
    # In seconds and in milliseconds: each is a statement of its own.
    stale = "IF(n % 2 = 0, 1500000000, 1500000000000) + n"
    on_timeout.query(f"INSERT INTO geo_cache SELECT n, {stale} FROM {numbered(3_000)}", database)
    url = text_of(on_timeout.url(database))
    assert geocache_cleanup("migrate", url=url).status == 0
    with on_timeout.engine(database).connect() as connection:
        connection.exec_driver_sql("SELECT * FROM geo_cache WHERE ip = 2999 FOR UPDATE")
        done = geocache_cleanup("run", BEFORE, "--timeout=4", *arguments, url=url)
        connection.rollback()
    assert (done.status, "holds a lock" in done.last["reason"]) == (75, True), done.last
    gone = 3_000 - on_timeout.query("SELECT count(*) FROM geo_cache", database)[0][0]
    ledger = on_timeout.query("SELECT sum(deleted) FROM geocache_cleanup_runs", database)
    assert (done.last["deleted"], ledger) == (gone, [(gone or None,)])
    assert bool(gone) == bool(arguments)
    assert geocache_cleanup("run", BEFORE, url=url).last["deleted"] == 3_000 - gone
