"""Runs in batches as systemd starts them: what is kept when they end early, what they show."""

import os
import pty
import re
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

import pytest

from helpers import commands, jobs, tables
from helpers.commands import start, url
from helpers.databases import count, make_database, slow_down

ROWS = 60_000
FEW_ROWS = 4_000
BATCHES = "--batch-seconds=0.02"
# As small as they come: some hundreds of them.
TINY_BATCHES = "--batch-seconds=0.0001"


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """Return a database that takes a while to prune in batches."""
    return make_database(tmp_path / "geo.db", ROWS, "wal")


def test_events_of_a_run_in_batches(database: Path) -> None:
    """The event and the ledger have the sum of all batches, and systemd hears of each."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        path = str(database.parent / "notify")
        manager.bind(path)
        manager.setblocking(False)
        heard: list[str] = []
        process = subprocess.Popen(
            [*commands.COMMAND, "run", url(database), f"--before={jobs.CUTOFF}", BATCHES],
            env=commands.environment({"NOTIFY_SOCKET": path}),
            stderr=subprocess.PIPE,
            text=True,
        )
        while process.poll() is None:
            time.sleep(0.01)
            heard += received(manager)
        heard += received(manager)
        assert process.stderr is not None
        ran = commands.events(process.stderr.read())[-1]
    assert (process.returncode, ran["event"]) == (0, "geo_cache_cleanup_ran")
    assert (ran["deleted"], ran["batches"] > 5) == (ROWS // 2, True)
    assert tables.fetch(database, "SELECT deleted FROM geocache_cleanup_runs") == [ROWS // 2]
    assert tables.fetch(database, "SELECT batches FROM geocache_cleanup_runs") == [ran["batches"]]
    assert sum(f"of {ROWS // 2} are done" in message for message in heard) > 5
    assert count(database) == ROWS // 2


@pytest.fixture
def slow(database: Path) -> Path:
    """Return a database each of whose rows takes a millisecond or so to delete."""
    slow_down(database)
    return database


def received(manager: socket.socket) -> list[str]:
    """Return the messages that have arrived."""
    messages = []
    while True:
        try:
            messages.append(manager.recv(4096).decode())
        except BlockingIOError:
            return messages


@pytest.fixture
def stuck(tmp_path: Path) -> Path:
    """Return a database, soon searched, of which five hundred rows can be deleted and no more."""
    database = make_database(tmp_path / "geo.db", FEW_ROWS, "wal")
    for_ever = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c)"
    with tables.connected(database) as connection:
        connection.execute("CREATE TABLE gone (n)")
        connection.execute(
            "CREATE TRIGGER note AFTER DELETE ON geo_cache BEGIN INSERT INTO gone VALUES (1); END"
        )
        connection.execute(
            "CREATE TRIGGER stuck BEFORE DELETE ON geo_cache"
            " WHEN (SELECT max(rowid) FROM gone) >= 500 BEGIN"
            f" INSERT INTO gone SELECT ({for_ever} SELECT max(n) FROM c); END"
        )
    return database


def test_timeout_keeps_what_is_done(stuck: Path) -> None:
    """A run that does not finish in time ends with 75, tells what remains, and can go on."""
    done = commands.execute(
        "run", url(stuck), "--before", jobs.CUTOFF, TINY_BATCHES, "--timeout", "10"
    )
    event = commands.events(done.stderr)[-1]
    assert (done.returncode, event["event"]) == (75, "geo_cache_cleanup_failed")
    assert event["batches"] > 0
    assert event["deleted"] + event["remaining"] == FEW_ROWS // 2
    assert f"{event['remaining']} remain" in event["reason"]
    assert (event["retryable"], "goes on" in event["hint"]) == (True, True)
    assert count(stuck) == FEW_ROWS - event["deleted"]
    assert tables.fetch(stuck, "SELECT deleted FROM geocache_cleanup_runs") == [event["deleted"]]
    with tables.connected(stuck) as connection:
        connection.execute("DROP TRIGGER stuck")
    second = commands.execute("run", url(stuck), "--before", jobs.CUTOFF, BATCHES)
    assert commands.events(second.stderr)[-1]["deleted"] == event["remaining"]


def test_a_bug_keeps_what_is_done(database: Path) -> None:
    """The event of a bug says as well how far the run came."""
    bug = (
        "from geocache_cleanup.commands.progress import ShownProgress\n"
        "ShownProgress.advance = lambda self, done, total: 1 // 0"
    )
    arguments = ("run", url(database), f"--before={jobs.CUTOFF}", BATCHES)
    failed = commands.events(commands.execute_in_python(*arguments, first=bug).stderr)[-1]
    assert (failed["exit_status"], failed["batches"]) == (70, 1)
    assert count(database) == ROWS - failed["deleted"]
    assert failed["remaining"] == ROWS // 2 - failed["deleted"] > 0


def test_a_signal_keeps_what_is_done(slow: Path) -> None:
    """SIGTERM between or in batches undoes the open one only; the event says so."""
    process = start(slow, TINY_BATCHES)
    while not tables.fetch(slow, "SELECT count(*) FROM geocache_cleanup_runs")[0]:
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    _, output = process.communicate(timeout=30)
    event = commands.events(output)[-1]
    assert (process.returncode, event["event"]) == (0, "geo_cache_cleanup_interrupted")
    assert 0 < event["deleted"] == ROWS // 2 - event["remaining"]
    assert f"{event['deleted']} rows were deleted in {event['batches']} batches" in event["message"]
    assert count(slow) == ROWS - event["deleted"]
    assert tables.fetch(slow, "SELECT deleted FROM geocache_cleanup_runs") == [event["deleted"]]


def test_writers_get_in_between(database: Path) -> None:
    """An application that writes meanwhile loses nothing, and is not kept out to the end."""
    process = start(database, BATCHES)
    written = 0
    met: set[int] = set()
    with tables.connected(database) as connection:
        while process.poll() is None:
            statement = "INSERT INTO geo_cache (ip, cached_at, last_seen) VALUES (?, ?, ?)"
            fresh = "2099-01-01T00:00:00Z"
            connection.execute(statement, (f"198.51.100.{written}", fresh, fresh))
            written += 1
            met.update(*connection.execute("SELECT batches FROM geocache_cleanup_runs"))
            time.sleep(0.005)
    assert process.returncode == 0
    # It would meet the last number alone if the lock were held from the start to the end.
    assert len(met) > 2
    assert count(database) == ROWS // 2 + written


def test_a_bar_on_a_terminal(database: Path) -> None:
    """People see how far it is, and the outcome on a line of its own."""
    status, text = on_a_terminal(database, BATCHES)
    assert (status, text.count("\r") > 3) == (0, True)
    assert f"{ROWS // 2}/{ROWS // 2}" in text
    assert f"Deleted {ROWS // 2} rows" in text.splitlines()[-1]


def test_the_time_on_a_terminal(slow: Path) -> None:
    """Of one long transaction people see that it works, and how long it may go on."""
    status, text = on_a_terminal(slow, "--timeout=6")
    assert status == 75
    assert "seconds of --timeout" in text
    shown = [tuple(map(int, pair)) for pair in re.findall(r"\b(\d)/(\d)\b", text)]
    seconds = sorted({second for second, _ in shown} - {0})
    assert seconds == list(range(1, len(seconds) + 1))
    # What is left of the time, to the second, when the start is over.
    (whole,) = {whole for _, whole in shown}
    assert 1 < len(seconds) <= whole <= 6
    assert text.splitlines()[-2].startswith("error: Failed: not finished within 6 seconds")


def on_a_terminal(path: Path, *arguments: str) -> tuple[int, str]:
    """Run where stderr is a terminal; return the exit status and what was shown."""
    screen, terminal = pty.openpty()
    process = subprocess.Popen(
        [*commands.COMMAND, "run", url(path), f"--before={jobs.CUTOFF}", *arguments],
        env=commands.environment({"TERM": "xterm", "COLUMNS": "120"}),
        stderr=terminal,
    )
    os.close(terminal)
    shown = bytearray()
    reader = threading.Thread(target=drain, args=(screen, shown))
    reader.start()
    status = process.wait(60)
    reader.join()
    return status, shown.decode()


def drain(screen: int, shown: bytearray) -> None:
    """Collect what is shown on a terminal until nobody holds its other side."""
    while True:
        try:
            shown += os.read(screen, 4096)
        except OSError:
            os.close(screen)
            return


def test_batches_must_fit_the_timeout(database: Path) -> None:
    """A batch that may take as long as the run is a mistake, told before anything is opened."""
    done = commands.execute("run", url(database), "--batch-seconds=5", "--timeout=5")
    (event,) = commands.events(done.stderr)
    assert (done.returncode, len(event["problems"])) == (2, 1)
    assert "--batch-seconds" in event["reason"]
    assert "--timeout" in event["reason"]
