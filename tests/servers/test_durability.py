"""Told as done stays done: what a crash of the server may undo is raised, or told by check."""

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
