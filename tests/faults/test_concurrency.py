"""Others at the database while runs prune: no write is lost, and no error reaches them."""

import os
import signal
import sqlite3
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from helpers import commands, processes, tables
from helpers.faults.fault import Action, Fault, Kind
from helpers.faults.runs import ForkServer, ForkServers, Outcome, arguments
from helpers.faults.template import FAILED, NEW, OLD, DatabaseTemplate, verify
from helpers.reporting import tally

_TIMEOUT = 2


@pytest.mark.parametrize("options", [(), ("--batch-seconds=0.05",)], ids=["whole", "batches"])
@pytest.mark.parametrize(
    "prunes", [pytest.param(3, id="some"), pytest.param(50, id="all", marks=pytest.mark.faults)]
)
def test_a_writer_at_full_speed(
    fork_servers: ForkServers,
    template_of: Callable[..., DatabaseTemplate],
    prunes: int,
    options: tuple[str, ...],
) -> None:
    """With the busy timeout that Python has by default, through every run."""
    template = template_of("wal")
    with fork_servers.one() as (fork_server, place):
        path = template.copy(place)
        stop = threading.Event()
        written: list[str] = []
        errors: list[sqlite3.Error] = []

        def write() -> None:
            connection = sqlite3.connect(path, isolation_level=None)
            statement = "INSERT INTO geo_cache (ip, cached_at, last_seen) VALUES (?, ?, ?)"
            while not stop.is_set() and not errors:
                name = f"w{len(written)}"
                try:
                    connection.execute(statement, (name, NEW, NEW))
                    written.append(name)
                except sqlite3.Error as error:
                    errors.append(error)
            connection.close()

        writer = threading.Thread(target=write)
        writer.start()
        try:
            for _ in range(prunes):
                outcome = fork_server.run(*arguments(path, *options))
                tally["faults tried"] += 1
                assert outcome.status == 0, outcome
                with tables.connected(path) as connection:
                    connection.execute(
                        "INSERT OR IGNORE INTO geo_cache (ip, cached_at, last_seen)"
                        " SELECT 'again' || ip, ?1, ?1 FROM geo_cache LIMIT 200",
                        (OLD,),
                    )
        finally:
            stop.set()
            writer.join()
        assert (errors, tables.fetch(path, "PRAGMA integrity_check")) == ([], ["ok"])
        kept = tables.fetch(path, "SELECT ip FROM geo_cache WHERE ip GLOB 'w[0-9]*'")
        tally["rows lost"] += len(set(written) - set(kept))
        assert set(kept) == set(written)
        assert len(written) > prunes


@pytest.mark.parametrize("options", [(), ("--batch-seconds=0.05",)], ids=["whole", "batches"])
def test_two_runs_at_once(
    fork_servers: ForkServers, template: DatabaseTemplate, options: tuple[str, ...]
) -> None:
    """Each row is deleted once, and counted once."""
    with fork_servers.one() as (first, place), fork_servers.one() as (second, _):
        path = template.copy(place)
        outcomes: list[Outcome] = []
        threads = [
            threading.Thread(
                target=lambda one=one: outcomes.append(one.run(*arguments(path, *options)))
            )
            for one in (first, second)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert [outcome.status for outcome in outcomes] == [0, 0]
    assert sum(outcome.last["deleted"] for outcome in outcomes) == template.stale
    assert verify(template, path, None, whole=False) == template.stale


@pytest.mark.parametrize("options", [(), ("--batch-seconds=0.05",)], ids=["whole", "batches"])
def test_a_migration_during_a_run(
    fork_servers: ForkServers, template: DatabaseTemplate, tmp_path: Path, options: tuple[str, ...]
) -> None:
    """Both end well: the ledger that is made meanwhile is written or, made too late, left."""
    path = tmp_path / "geo.db"
    path.write_bytes(template.path.read_bytes())
    with tables.connected(path) as connection:
        for name in ("geocache_cleanup_runs", "geocache_cleanup_alembic_version"):
            connection.execute(f"DROP TABLE {name}")
        connection.execute("DROP INDEX ix")
    migrations: list[subprocess.CompletedProcess[str]] = []

    def migrate(_pid: int) -> None:
        migrations.append(commands.execute("migrate", f"--database-url=sqlite:///{path}"))

    with fork_servers.one() as (fork_server, _):
        outcome = fork_server.run(*arguments(path, *options), during=migrate)
    assert (outcome.status, migrations[0].returncode) == (0, 0), (outcome, migrations)
    assert outcome.last["deleted"] == template.stale
    recorded = tables.fetch(path, "SELECT deleted FROM geocache_cleanup_runs")
    assert recorded in ([], [template.stale])
    assert tables.fetch(path, "PRAGMA integrity_check") == ["ok"]
    assert tables.fetch(path, "SELECT count(*) FROM geo_cache") == [template.fresh]


def test_the_schema_changes_under_batches(
    fork_servers: ForkServers, template: DatabaseTemplate
) -> None:
    """Columns added and indexes rebuilt between batches are no failure."""
    with fork_servers.one() as (fork_server, place):
        path = template.copy(place)

        def change(_pid: int) -> None:
            with tables.connected(path) as connection:
                for number in range(5):
                    connection.execute(f"ALTER TABLE geo_cache ADD COLUMN extra{number} TEXT")
                    connection.execute("REINDEX ix")

        outcome = fork_server.run(*arguments(path, "--batch-seconds=0.01"), during=change)
        assert outcome.status == 0, outcome
        assert verify(template, path, outcome, whole=False) == template.stale


@pytest.mark.parametrize("lock", ["IMMEDIATE", "EXCLUSIVE", "locking_mode"])
def test_locked_for_ever(fork_servers: ForkServers, template: DatabaseTemplate, lock: str) -> None:
    """Status 75 within the time, and nothing done."""
    with fork_servers.one() as (fork_server, place):
        path = template.copy(place)
        holder = sqlite3.connect(path, isolation_level=None)
        if lock == "locking_mode":
            holder.execute("PRAGMA locking_mode = EXCLUSIVE")
            holder.execute("CREATE TABLE other (x)")
        else:
            holder.execute(f"BEGIN {lock}")
        outcome = fork_server.run(*arguments(path, f"--timeout={_TIMEOUT}"))
        holder.close()
        assert (outcome.status, outcome.last["event"]) == (75, FAILED), outcome
        assert outcome.seconds < _TIMEOUT + processes.PROMPT
        assert verify(template, path, outcome) == 0


def test_locks_while_space_is_given_back(
    fork_servers: ForkServers, template_of: Callable[..., DatabaseTemplate]
) -> None:
    """Others lock the file for a moment at each of its calls for a lock: it waits, and goes on."""
    template = template_of("delete", stale=620, fresh=100)
    held: list[bool] = []

    def trial(fork_server: ForkServer, place: Path, nth: int) -> None:
        path = template.copy(place)
        stop = Fault(Kind.LOCK, nth, Action.STOP, part=str(path))
        with tables.connected(path) as application:
            outcome = fork_server.run(
                *arguments(path, "--reclaim=yes"),
                fault=stop,
                during=lambda pid: held.append(hold_for_a_moment(application, pid)),
            )
        assert (outcome.status, outcome.last["level"]) == (0, "info"), outcome
        assert verify(template, path, None) == template.stale

    with fork_servers.one() as (fork_server, place):
        counts = []
        for options in ((), ("--reclaim=yes",)):
            path = template.copy(place)
            calls = Fault(Kind.LOCK, part=str(path))
            counts.append(fork_server.run(*arguments(path, *options), fault=calls).seen)
    fork_servers.each(range(counts[0] + 1, counts[1] + 1), trial)
    assert any(held)


def hold_for_a_moment(application: sqlite3.Connection, pid: int) -> bool:
    """Lock a file while the run stands still, and let go soon; tell whether it was free."""
    processes.wait_until_it_stops(pid)
    application.execute("PRAGMA busy_timeout = 0")
    try:
        application.execute("BEGIN EXCLUSIVE")
    except sqlite3.OperationalError:
        return False
    finally:
        os.kill(pid, signal.SIGCONT)
    time.sleep(0.1)
    application.execute("COMMIT")
    return True
