"""Connections that fail, and servers that take no work: a status for each, and no password."""

from typing import Any

import pytest

from helpers import commands
from helpers.servers.commands import WRONG, fails, geocache_cleanup
from helpers.servers.daemon import free_port, private_directory
from helpers.servers.dialects import is_mysql, is_postgresql, make_stale_table, text_of
from helpers.servers.postgresql import PostgreSQLServer

BEFORE = "--before=2026-01-01"


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
    make_stale_table(server, database)
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


def test_no_room_for_a_thread(server: Any, database: str) -> None:
    """It is no bug, nor a driver that lacks something; there may be room another time."""
    make_stale_table(server, database)
    for url in each_driver(server, database):
        arguments = ["check", f"--database-url={text_of(url)}"]
        limit = f"""
import os, resource
from geocache_cleanup.__main__ import run
sys.argv = ["geocache-cleanup", *{arguments!r}]
run()  # loads what an ordinary user may not be able to read
resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
os.setresuid(54321, 54321, 54321)
"""
        event = commands.events(commands.execute_in_python(*arguments, first=limit).stderr)[-1]
        if "newer SQLAlchemy" not in event["reason"]:
            assert (event["exit_status"], "thread" in event["reason"]) == (75, True), event


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


def test_too_many_connections(postgresql: Any, database_of: Any) -> None:
    """A server, or a user, out of connections is to be tried again."""
    database = database_of(postgresql)
    make_stale_table(postgresql, database)
    postgresql.query("ALTER ROLE app CONNECTION LIMIT 0")
    try:
        assert fails(postgresql.url(database), BEFORE)["exit_status"] == 69
    finally:
        postgresql.query("ALTER ROLE app CONNECTION LIMIT -1")


@pytest.mark.parametrize(("setting", "dry"), [("read_only", 0), ("offline_mode", 69)])
def test_a_server_that_takes_no_work(
    mariadb: Any, database_of: Any, setting: str, dry: int
) -> None:
    """A replica takes no run: 69, before anything is locked; a dry run it does take."""
    if setting == "offline_mode" and not is_mysql(mariadb):
        assert not mariadb.query("SHOW VARIABLES LIKE 'offline_mode'")
        return
    database = database_of(mariadb)
    make_stale_table(mariadb, database)
    mariadb.query(f"SET GLOBAL {setting} = 1")
    try:
        assert fails(mariadb.url(database), BEFORE)["exit_status"] == 69
        # The server would let an administrator's account write to a replica.
        if setting == "read_only":
            assert fails(mariadb.url(database, user="root"), BEFORE)["exit_status"] == 69
        url = text_of(mariadb.url(database))
        assert geocache_cleanup("run", "--dry-run", url=url).status == dry
    finally:
        mariadb.query(f"SET GLOBAL {setting} = 0")


def test_a_standby(postgresql: Any, database_of: Any) -> None:
    """A real standby that streams from the server: 69 for a run, 0 for a dry run."""
    database = database_of(postgresql)
    make_stale_table(postgresql, database)
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
