"""Told as done stays done: what a crash of the server may undo is raised, or told by check."""

import json
from collections.abc import Iterator
from signal import SIGKILL
from typing import Any

import pytest

from geocache_cleanup.deadline import Deadline
from geocache_cleanup.engines.urls import open_engine
from helpers.servers.commands import geocache_cleanup
from helpers.servers.daemon import private_directory
from helpers.servers.dialects import make_stale_table, text_of
from helpers.servers.postgresql import PostgreSQLServer

BEFORE = "--before=2026-01-01"


@pytest.fixture
def late_writer() -> Iterator[PostgreSQLServer]:
    """Return a server that writes late what nobody waits for, as that role's commits do not."""
    with private_directory("postgres") as directory:
        server = PostgreSQLServer(directory, "wal_writer_delay=10s", "bgwriter_lru_maxpages=0")
        server.create()
        server.start()
        server.create_app()
        server.query("ALTER ROLE app SET synchronous_commit = off")
        try:
            yield server
        finally:
            server.stop()


@pytest.mark.parametrize("arguments", [(), ("--batch-seconds=0.1",)], ids=["at once", "batches"])
def test_a_crash_undoes_no_run(late_writer: PostgreSQLServer, arguments: tuple[str, ...]) -> None:
    """Also where the role does not wait for its commits: rows and ledger are as was told."""
    late_writer.query("ALTER DATABASE postgres OWNER TO app; ALTER SCHEMA public OWNER TO app")
    make_stale_table(late_writer, "postgres", 300)
    url = text_of(late_writer.url("postgres"))
    assert geocache_cleanup("migrate", url=url).status == 0
    late_writer.query("CHECKPOINT")
    done = geocache_cleanup("run", BEFORE, *arguments, url=url)
    late_writer.stop(SIGKILL)
    assert (done.status, done.last["deleted"]) == (0, 300), done.last
    (late_writer.data / "postmaster.pid").unlink()
    late_writer.start()
    assert late_writer.query("SELECT count(*) FROM geo_cache") == [(0,)]
    assert late_writer.query("SELECT deleted FROM geocache_cleanup_runs") == [(300,)]


@pytest.mark.parametrize(
    ("given", "found"),
    [("off", "on"), ("local", "local"), ("remote_write", "remote_write"), ("on", "on")],
)
def test_no_commit_is_told_before_it_is_written(
    postgresql: Any, database_of: Any, given: str, found: str
) -> None:
    """What waits for less is raised, for the transaction alone; what waits for more is left."""
    database = database_of(postgresql)
    postgresql.query(f"ALTER ROLE app SET synchronous_commit = {given}")
    engine = open_engine(postgresql.url(database), Deadline(60))
    try:
        with engine.connect(write=True) as connection:
            shown = connection.exec_driver_sql("SHOW synchronous_commit").scalar_one()
        assert shown == found
    finally:
        postgresql.query("ALTER ROLE app RESET ALL")


@pytest.mark.parametrize(
    ("name", "value", "is_told"),
    [("innodb_flush_log_at_trx_commit", "0", True), ("innodb_flush_log_at_trx_commit", "1", False)],
)
def test_what_no_session_can_set_is_told(
    mariadb: Any, database_of: Any, name: str, value: str, is_told: bool
) -> None:
    """Where a commit is told before it is written, check says so, and a run does its work."""
    database = database_of(mariadb)
    make_stale_table(mariadb, database)
    ((before,),) = mariadb.query(f"SELECT @@GLOBAL.{name}")
    mariadb.query(f"SET GLOBAL {name} = {value}")
    try:
        assert any(name in found for found in advised(mariadb.url(database))) == is_told
    finally:
        mariadb.query(f"SET GLOBAL {name} = {before}")


def test_a_server_that_does_not_write_is_told(postgresql: Any, database_of: Any) -> None:
    """The tests' own servers are such ones: they need not outlast a power cut."""
    database = database_of(postgresql)
    make_stale_table(postgresql, database)
    found = advised(postgresql.url(database))
    assert [finding.partition(" ")[0] for finding in found if "power cut" in finding] == ["fsync"]


def test_a_ledger_that_a_crash_empties_is_told_and_changed(
    postgresql: Any, database_of: Any
) -> None:
    """UNLOGGED, it would lose every run; the table of others is their own affair."""
    database = database_of(postgresql)
    make_stale_table(postgresql, database)
    url = text_of(postgresql.url(database))
    own = ("geocache_cleanup_runs", "geocache_cleanup_alembic_version")
    assert geocache_cleanup("migrate", url=url).status == 0
    for table in (*own, "geo_cache"):
        postgresql.query(f"ALTER TABLE {table} SET UNLOGGED", database)
    found = [finding for finding in advised(postgresql.url(database)) if "UNLOGGED" in finding]
    assert [finding[:10] for finding in found] == ["the ledger"]
    changed = geocache_cleanup("migrate", url=url).output.splitlines()
    assert changed == [f"changed the table {name}: SET LOGGED" for name in own]
    unlogged = "SELECT relname FROM pg_class WHERE relpersistence = 'u' AND relkind = 'r'"
    assert postgresql.query(unlogged, database) == [("geo_cache",)]
    assert not any("UNLOGGED" in finding for finding in advised(postgresql.url(database)))


def advised(url: Any) -> list[str]:
    """Return what check has to say."""
    checked = geocache_cleanup("check", BEFORE, "--json", url=text_of(url))
    assert checked.status == 0, checked.last
    return [part["finding"] for part in json.loads(checked.output)["advice"]]
