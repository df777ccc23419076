"""Every way in which a server refuses has its exit status and a hint, and no password."""

import subprocess
from pathlib import Path
from typing import Any

import pytest

from geocache_cleanup.engines.mysql import engine as mysql
from geocache_cleanup.engines.server import errors as server_errors
from helpers.processes import wait_until
from helpers.servers.commands import geocache_cleanup
from helpers.servers.daemon import free_port, private_directory
from helpers.servers.dialects import admin_of, is_mysql, is_postgresql, numbered, text_of
from helpers.servers.mariadb import MariaDBServer
from helpers.servers.postgresql import PostgreSQLServer

BEFORE = "--before=2026-01-01"
WRONG = "wr0ng"
PASSWORD_PARTS = ("s3cr3t", WRONG)


def fails(url: Any, *arguments: str, command: str = "run") -> Any:
    """Run a command that must fail without showing a password; return the last event."""
    outcome = geocache_cleanup(command, *arguments, url=text_of(url))
    assert outcome.last["event"] == "geo_cache_cleanup_failed", outcome
    assert outcome.last["exit_status"] == outcome.status
    assert outcome.last["hint"]
    assert not any(part in str(outcome) for part in PASSWORD_PARTS)
    return outcome.last


def make_table(server: Any, database: str, rows: int = 3) -> None:
    """Create a table of stale rows, of app's on PostgreSQL."""
    server.query("CREATE TABLE geo_cache (ip INTEGER, last_seen DATE)", database)
    values = ", ".join(f"({number}, '2020-01-01')" for number in range(rows))
    server.query(f"INSERT INTO geo_cache VALUES {values}", database)
    if is_postgresql(server):
        server.query("ALTER TABLE geo_cache OWNER TO app", database)


def each_driver(server: Any, database: str, **options: Any) -> Any:
    """Return a URL for each of the server's drivers."""
    drivers = (
        ["postgresql+psycopg2", "postgresql+psycopg"]
        if is_postgresql(server)
        else ["mysql+pymysql", "mysql+mysqldb"]
    )
    return [server.url(database, driver=driver, tcp=True, **options) for driver in drivers]


def statuses(server: Any, database: str, change: Any) -> set[Any]:
    """Return the exit statuses of a run by each driver, with its URL changed."""
    found = set()
    for url in each_driver(server, database):
        last = fails(change(url))
        if "newer SQLAlchemy" not in last["reason"]:
            found.add(last["exit_status"])
    return found


def test_connections_that_fail(server: Any, database: str) -> None:
    """Refused, unknown host, wrong password, unknown user, no such database, no such socket."""
    make_table(server, database)
    assert statuses(server, database, lambda url: url.set(port=free_port())) == {69}
    assert statuses(server, database, lambda url: url.set(host="nowhere.invalid")) == {69}
    assert statuses(server, database, lambda url: url.set(password=WRONG)) == {77}
    assert statuses(server, database, lambda url: url.set(username="nobody")) == {77}
    key = "host" if is_postgresql(server) else "unix_socket"
    missing = {key: "/nonexistent/socket"}

    def by_socket(url: Any) -> Any:
        return server.url(database, driver=url.drivername).update_query_dict(missing)

    assert statuses(server, database, by_socket) == {69}
    wanted = {78} if is_postgresql(server) else {77, 78}
    assert statuses(server, database, lambda url: url.set(database="missing")) <= wanted
    server.query("CREATE DATABASE nobody_in")
    assert statuses(server, database, lambda url: url.set(database="nobody_in")) == {77}
    server.query("DROP DATABASE nobody_in")


def test_urls_that_cannot_be_used(server: Any, database: str) -> None:
    """Options that the driver does not know, a driver that there is not, no database."""
    url = server.url(database, tcp=True)
    assert fails(url.update_query_dict({"nonsense": "1"}))["exit_status"] == 78
    assert fails(url.update_query_dict({"0 0": "0"}))["exit_status"] == 78
    engine = url.get_backend_name()
    last = fails(url.set(drivername=f"{engine}+pg8000"))
    assert (last["exit_status"], f"{engine}+p" in last["hint"]) == (78, True)
    if not is_postgresql(server):
        assert fails(url.set(database=None))["exit_status"] == 78


def test_tables_that_do_not_fit(server: Any, database: str) -> None:
    """No such table, column or schema, and a view: the message says what there is instead."""
    url = server.url(database)
    assert "no table at all" in fails(url)["reason"]
    make_table(server, database)
    server.query("CREATE VIEW shown AS SELECT * FROM geo_cache", database)
    for arguments, words in [
        (["--table=missing"], "geo_cache"),
        (["--time-column=seen"], "ip, last_seen"),
        (["--table=shown"], "is a view"),
    ]:
        last = fails(url, *arguments)
        assert (last["exit_status"], words in last["reason"]) == (78, True)


def test_another_database_may_be_hidden(server: Any, database: str) -> None:
    """PostgreSQL says what there is not; MariaDB tells nobody who has no privilege there."""
    make_table(server, database)
    last = fails(server.url(database), "--table=elsewhere.geo_cache")
    assert last["exit_status"] == (78 if is_postgresql(server) else 77)


def test_privileges_that_lack(server: Any, database: str) -> None:
    """May not see the table, may only read it, may not write the ledger."""
    make_table(server, database)
    url = server.url(database)
    assert geocache_cleanup("migrate", url=text_of(url)).status == 0
    if is_postgresql(server):
        server.query("ALTER TABLE geo_cache OWNER TO postgres", database)
        server.query("ALTER TABLE geocache_cleanup_runs OWNER TO postgres", database)
        to = "app"
    else:
        server.query(f"REVOKE ALL ON {database}.* FROM app")
        assert fails(url)["exit_status"] == 77
        server.query(f"GRANT CREATE ON {database}.* TO app")
        to = "app"
    assert fails(url, BEFORE)["exit_status"] == 77
    server.query(f"GRANT SELECT ON geo_cache TO {to}", database)
    assert geocache_cleanup("run", "--dry-run", BEFORE, url=text_of(url)).status == 0
    assert fails(url, BEFORE)["exit_status"] == 77
    server.query(f"GRANT DELETE ON geo_cache TO {to}", database)
    server.query(f"GRANT SELECT ON geocache_cleanup_runs TO {to}", database)
    assert fails(url, BEFORE)["exit_status"] == 77
    assert geocache_cleanup("check", BEFORE, url=text_of(url)).status == 77
    assert server.query("SELECT count(*) FROM geo_cache", database) == [(3,)]


def test_rights_on_the_table_alone(server: Any, database: str) -> None:
    """They do without a ledger; one that the account may not see is none on MariaDB and MySQL."""
    make_table(server, database)
    url = text_of(server.url(database))
    admin = text_of(server.url(database, user=admin_of(server)))
    if is_postgresql(server):
        server.query("ALTER TABLE geo_cache OWNER TO postgres", database)
    else:
        server.query(f"REVOKE ALL ON {database}.* FROM app")
    server.query("GRANT SELECT, DELETE ON geo_cache TO app", database)
    done = geocache_cleanup("run", BEFORE, url=url)
    assert (done.status, done.last["deleted"]) == (0, 3)
    assert geocache_cleanup("migrate", url=admin).status == 0
    hidden = 77 if is_postgresql(server) else 0
    assert geocache_cleanup("run", BEFORE, url=url).status == hidden
    assert geocache_cleanup("history", url=url).status == (hidden or 78)


def test_constraints_and_triggers(server: Any, database: str) -> None:
    """A foreign key without cascade and a trigger that refuses: 65, and nothing is deleted."""
    make_table(server, database)
    server.query("ALTER TABLE geo_cache ADD PRIMARY KEY (ip)", database)
    server.query(
        "CREATE TABLE log (about INTEGER, FOREIGN KEY (about) REFERENCES geo_cache (ip))", database
    )
    server.query("INSERT INTO log VALUES (1)", database)
    assert fails(server.url(database), BEFORE)["exit_status"] == 65
    server.query("DELETE FROM log", database)
    if is_postgresql(server):
        define = (
            "CREATE OR REPLACE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS"
            " 'BEGIN RAISE ''no'' USING ERRCODE = ''{}''; END'"
        )
        server.query(
            f"{define.format('P0001')}; CREATE TRIGGER t BEFORE DELETE ON geo_cache"
            " FOR EACH ROW EXECUTE FUNCTION no()",
            database,
        )
        raising = [("P0001", 65), ("40001", 75), ("53100", 74), ("53200", 75), ("58030", 74)]
        # What goes wrong in the trigger itself is no bug of the run; nor is a code of its own.
        raising += [("P0004", 65), ("22012", 65), ("42883", 65), ("U0001", 65)]
        for state, status in raising:
            server.query(define.format(state), database)
            assert fails(server.url(database), BEFORE)["exit_status"] == status
    else:
        server.query("CREATE TABLE kept (ip INTEGER PRIMARY KEY CHECK (ip < 9))", database)
        server.query("CREATE TABLE two (ip INTEGER);\nINSERT INTO two VALUES (1), (2)", database)
        # A trigger keeps the mode that it was made in.
        mode = "SET SESSION sql_mode = 'STRICT_ALL_TABLES,ERROR_FOR_DIVISION_BY_ZERO';\n"
        for action in (
            "SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'no'",
            "INSERT INTO kept VALUES (1)",
            "INSERT INTO kept VALUES (9)",
            "UPDATE geo_cache SET ip = 9",
            # What goes wrong in the trigger itself is no bug of the run; nor is its own number.
            "SIGNAL SQLSTATE '45000' SET MYSQL_ERRNO = 30001, MESSAGE_TEXT = 'no'",
            "SIGNAL SQLSTATE '45000' SET MYSQL_ERRNO = 50001, MESSAGE_TEXT = 'no'",
            "INSERT INTO kept VALUES ('x')",
            "INSERT INTO kept VALUES (99999999999)",
            "INSERT INTO kept VALUES (1, 2)",
            "INSERT INTO kept VALUES (1 / 0)",
            "SET @missing = missing_function()",
            "SET @far = 9223372036854775807 + OLD.ip",
            "SET @many = (SELECT ip FROM two)",
        ):
            trigger = f"CREATE TRIGGER t BEFORE DELETE ON geo_cache FOR EACH ROW {action}"
            server.query(f"DROP TRIGGER IF EXISTS t;\n{mode}{trigger}", database)
            assert fails(server.url(database), BEFORE)["exit_status"] == 65
    assert server.query("SELECT count(*) FROM geo_cache", database) == [(3,)]


def test_deletions_that_are_published(postgresql: Any, database_of: Any) -> None:
    """A publication of a table without a key lets nobody delete: 78, and check tells before."""
    database = database_of(postgresql)
    make_table(postgresql, database)
    postgresql.query("CREATE PUBLICATION all_of_it FOR TABLE geo_cache", database)
    for options in ((), ("--batch-seconds=1",)):
        event = fails(postgresql.url(database), BEFORE, *options)
        assert (event["exit_status"], "replica identity" in event["reason"]) == (78, True)
    assert geocache_cleanup("check", url=text_of(postgresql.url(database))).status == 78
    assert postgresql.query("SELECT count(*) FROM geo_cache", database) == [(3,)]


@pytest.mark.parametrize(("setting", "dry"), [("read_only", 0), ("offline_mode", 69)])
def test_a_server_that_takes_no_work(
    mariadb: Any, database_of: Any, setting: str, dry: int
) -> None:
    """A replica takes no run: 69, before anything is locked; a dry run it does take."""
    if setting == "offline_mode" and not is_mysql(mariadb):
        assert not mariadb.query("SHOW VARIABLES LIKE 'offline_mode'")
        return
    database = database_of(mariadb)
    make_table(mariadb, database)
    mariadb.query(f"SET GLOBAL {setting} = 1")
    try:
        assert fails(mariadb.url(database), BEFORE)["exit_status"] == 69
        url = text_of(mariadb.url(database))
        assert geocache_cleanup("run", "--dry-run", url=url).status == dry
    finally:
        mariadb.query(f"SET GLOBAL {setting} = 0")


def test_a_standby(postgresql: Any, database_of: Any) -> None:
    """A real standby that streams from the server: 69 for a run, 0 for a dry run."""
    database = database_of(postgresql)
    make_table(postgresql, database)
    with private_directory("postgres") as directory:
        standby = PostgreSQLServer(directory, programs=postgresql.programs)
        postgresql.programs.run(
            "postgres", f"{postgresql.binaries}/pg_basebackup", "-h", postgresql.directory,
            "-p", postgresql.port, "-D", standby.data, "-R", "--no-sync", "-c", "fast",
        )  # fmt: skip
        standby.start()
        try:
            last = fails(standby.url(database), BEFORE)
            assert last["exit_status"] == 69, last
            url = text_of(standby.url(database))
            assert geocache_cleanup("run", "--dry-run", url=url).last["deleted"] == 3
        finally:
            standby.stop()


def test_too_many_connections(postgresql: Any, database_of: Any) -> None:
    """A server, or a user, out of connections is to be tried again."""
    database = database_of(postgresql)
    make_table(postgresql, database)
    postgresql.query("ALTER ROLE app CONNECTION LIMIT 0")
    try:
        assert fails(postgresql.url(database), BEFORE)["exit_status"] == 69
    finally:
        postgresql.query("ALTER ROLE app CONNECTION LIMIT -1")


def test_limits_of_mariadb() -> None:
    """A deletion larger than max_binlog_cache_size is refused whole, with what to do about it."""
    options = ["--log-bin", "--max-binlog-cache-size=4096", "--binlog-cache-size=4096"]
    with private_directory("mysql") as directory:
        server = MariaDBServer(directory, *options, "--binlog-format=ROW")
        server.create()
        server.start()
        try:
            server.query("CREATE DATABASE one")
            server.query("CREATE TABLE geo_cache (ip INTEGER, last_seen DATE)", "one")
            for _ in range(20):
                server.query(
                    "INSERT INTO geo_cache SELECT seq, '2020-01-01' FROM seq_1_to_100", "one"
                )
            last = fails(server.url("one", user="root"), BEFORE)
            assert (last["exit_status"], "--batch-seconds" in last["hint"]) == (65, True)
            assert server.query("SELECT count(*) FROM geo_cache", "one") == [(2_000,)]
        finally:
            server.stop()


def test_a_full_disk(server: Any) -> None:
    """The server's disk is full in mid-run: 74 or, where it falls over, 69; nothing is lost."""
    user = "postgres" if is_postgresql(server) else "mysql"
    with private_directory(user) as directory:
        data = directory / "small"
        data.mkdir()
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=400m,mode=0777", "tmpfs", data], check=False
        )
        if mounted.returncode:
            pytest.fail("this test needs to mount a file system of its own")
        # Of recycled log PostgreSQL could live for a long time.
        recycling = ["wal_recycle=off", "min_wal_size=32MB"] if is_postgresql(server) else []
        small: Any = type(server)(data, *recycling, programs=server.programs)
        try:
            small.create()
            small.start()
            small.query("CREATE DATABASE one")
            _fill_disk(small, data)
            last = fails(small.url("one", user=admin_of(server)), BEFORE)
            assert last["exit_status"] in {69, 74}, str(last)
            (data / "ballast").unlink()

            def answers() -> Any:
                if not small.daemon.runs:
                    small.start()  # PostgreSQL does not go on without its log
                return small.query("SELECT count(*) FROM geo_cache", "one")

            wait_until("the server", answers)
            assert small.query("SELECT count(*) FROM geo_cache", "one") == [(200_000,)]
        finally:
            small.stop()
            subprocess.run(["umount", "-l", data], check=True)


def _fill_disk(small: Any, data: Path) -> None:
    # Long keys, as InnoDB keeps nothing else of a row that is deleted.
    small.query("CREATE TABLE geo_cache (ip VARCHAR(250) PRIMARY KEY, last_seen DATE)", "one")
    key = "concat(repeat('x', 200), n)"
    small.query(f"INSERT INTO geo_cache SELECT {key}, '2020-01-01' FROM {numbered(200_000)}", "one")
    if is_postgresql(small):
        small.query("CHECKPOINT; SELECT pg_switch_wal()")
    with (data / "ballast").open("wb", buffering=0) as ballast:
        try:
            while True:
                ballast.write(b"\0" * 65_536)
        except OSError:
            return


def test_the_tables_of_errors_are_consistent() -> None:
    """No error number has two meanings, and what only words tell is found by them."""
    numbers = list(server_errors.ERRNOS)
    assert len(numbers) == len(set(numbers))
    assert not set(numbers) & mysql.MISLEADING
