"""``kill -9`` of a run on PostgreSQL and MariaDB, and of the server under a run."""

import os
import random
import signal
import time
from collections.abc import Sequence
from typing import Any

import pytest

from helpers.faults.runs import ForkServers, Outcome
from helpers.faults.template import RAN, trials
from helpers.processes import wait_until
from helpers.reporting import tally
from helpers.servers.dialects import is_postgresql, text_of

SEED = 20_260_604
ROWS = 4_000
BEFORE = "--before=2026-01-01"
pytestmark = pytest.mark.servers
in_both_ways = pytest.mark.parametrize(
    "options", [(), ("--batch-seconds=0.001",)], ids=["whole", "batches"]
)


@pytest.fixture
def filled(server: Any, database: str, fork_servers: ForkServers) -> str:
    """Return a database of app's with a ledger, and what the table is filled from."""
    for table in ("geo_cache", "master"):
        server.query(f"CREATE TABLE {table} (ip VARCHAR(40) PRIMARY KEY, last_seen DATE)", database)
        if is_postgresql(server):
            server.query(f"ALTER TABLE {table} OWNER TO app", database)
    numbers = f"generate_series(1, {ROWS}) AS seq" if is_postgresql(server) else f"seq_1_to_{ROWS}"
    for ip, seen in (("stale", "2020-01-01"), ("fresh", "2026-09-01")):
        server.query(
            f"INSERT INTO master SELECT concat('{ip}', seq), '{seen}' FROM {numbers}", database
        )
    with fork_servers.one() as (fork_server, _):
        assert fork_server.run("migrate", env=settings(server, database)).status == 0
    return database


def settings(server: Any, database: str) -> dict[str, str]:
    """Return the environment of a run by TCP, with the first driver."""
    driver = "postgresql+psycopg2" if is_postgresql(server) else "mysql+pymysql"
    return {"GEOCACHE_CLEANUP_DATABASE_URL": text_of(server.url(database, driver=driver, tcp=True))}


def refill(server: Any, database: str) -> None:
    """Put all rows back, and empty the ledger."""
    for statement in (
        "DELETE FROM geocache_cleanup_runs",
        "DELETE FROM geo_cache",
        "INSERT INTO geo_cache SELECT * FROM master",
    ):
        server.query(statement, database)


def verify(server: Any, database: str, outcome: Outcome, *, whole: bool) -> int:
    """Assert that the rows, the ledger and the events agree; return how many rows are gone.

    ``whole``: one transaction, of which either everything is there or nothing.
    """
    tally["faults tried"] += 1
    wait_until("the end of the killed run", lambda: not sessions(server, database))
    kept = dict(
        server.query("SELECT left(ip, 5), count(*) FROM geo_cache GROUP BY left(ip, 5)", database)
    )
    runs = server.query("SELECT run_id, deleted FROM geocache_cleanup_runs", database)
    gone: int = ROWS - kept.get("stale", 0)
    tally["rows lost"] += ROWS - kept["fresh"] + abs(gone - sum(deleted for _, deleted in runs))
    assert kept["fresh"] == ROWS
    assert [deleted for _, deleted in runs] == ([gone] if gone else [])
    assert not whole or gone in {0, ROWS}
    for event in outcome.events:
        assert "traceback" not in event, event
        if event["event"] == RAN:
            assert [(event["run_id"], event["deleted"])] == runs
        elif event.get("deleted") is not None:
            assert event["deleted"] == gone, event
    # The application goes on at once.
    server.query("UPDATE geo_cache SET last_seen = last_seen", database)
    return gone


def sessions(server: Any, database: str) -> int:
    """Return how many sessions app has on a database."""
    where = "information_schema.processlist WHERE user = 'app' AND db"
    if is_postgresql(server):
        where = "pg_stat_activity WHERE usename = 'app' AND datname"
    return int(server.query(f"SELECT count(*) FROM {where} = '{database}'")[0][0])


def typical_seconds(
    fork_servers: ForkServers, server: Any, database: str, options: Sequence[str]
) -> float:
    """Return how long an undisturbed run takes."""
    seconds = []
    for _ in range(3):
        refill(server, database)
        with fork_servers.one() as (fork_server, _place):
            outcome = fork_server.run("run", BEFORE, *options, env=settings(server, database))
        assert verify(server, database, outcome, whole=not options) == ROWS
        seconds.append(outcome.seconds)
    return sorted(seconds)[1]


@in_both_ways
@pytest.mark.parametrize("trials", trials(3, 40))
def test_kill_at_any_moment(
    fork_servers: ForkServers, server: Any, filled: str, trials: int, options: Sequence[str]
) -> None:
    """The server undoes what the run had not committed, and nothing else."""
    length = typical_seconds(fork_servers, server, filled, options)
    chance = random.Random(SEED)
    states = set()
    for _ in range(trials):
        moment = chance.uniform(0, length * 1.05)

        def kill(pid: int, moment: float = moment) -> None:
            time.sleep(moment)
            os.kill(pid, signal.SIGKILL)

        refill(server, filled)
        with fork_servers.one() as (fork_server, _place):
            outcome = fork_server.run(
                "run", BEFORE, *options, env=settings(server, filled), during=kill
            )
        states.add((outcome.status, verify(server, filled, outcome, whole=not options)))
    print(f"seed {SEED}, over {length:.3f} s, states {sorted(states)}")  # noqa: T201 - on failure
    assert {status for status, _ in states} >= {-signal.SIGKILL}


@in_both_ways
@pytest.mark.parametrize("trials", [pytest.param(6, id="all", marks=pytest.mark.faults)])
def test_a_server_killed_at_any_moment(
    fork_servers: ForkServers, server: Any, filled: str, trials: int, options: Sequence[str]
) -> None:
    """After its recovery all is as before the run or as after it; the run says 69, or succeeded."""
    length = typical_seconds(fork_servers, server, filled, options)
    chance = random.Random(SEED)
    for _ in range(trials):
        moment = chance.uniform(length * 0.2, length)

        def kill(_pid: int, moment: float = moment) -> None:
            time.sleep(moment)
            server.stop(signal.SIGKILL)

        refill(server, filled)
        with fork_servers.one() as (fork_server, _place):
            outcome = fork_server.run(
                "run", BEFORE, *options, env=settings(server, filled), during=kill
            )
        server.start()
        verify(server, filled, outcome, whole=not options)
        assert outcome.status in {0, 69}, outcome
