"""Locks: held for ever, for a while, by another run, and by an application that writes."""

import sqlite3
import threading
import time
from pathlib import Path

import pytest

from helpers import commands, processes, tables
from helpers.commands import start, url
from helpers.databases import ROWS, count


def test_locked_for_ever(database: Path) -> None:
    """A lock that stays ends the run as a transient failure, within its time."""
    with tables.connected(database) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        began = time.monotonic()
        done = commands.execute("run", url(database), "--timeout", "2")
        assert time.monotonic() - began < 2 + processes.PROMPT
    event = commands.events(done.stderr)[-1]
    assert (done.returncode, event["retryable"]) == (75, True)
    assert "locked" in event["reason"]


def test_waits_for_a_lock(database: Path) -> None:
    connection = sqlite3.connect(database, isolation_level=None, check_same_thread=False)
    connection.execute("BEGIN IMMEDIATE")
    release = threading.Timer(1.0, connection.execute, ["ROLLBACK"])
    release.start()
    assert commands.execute("run", url(database), "--timeout=30").returncode == 0
    release.join()
    connection.close()


def test_two_runs_at_once(database: Path) -> None:
    """The second run waits for the first; together they delete each row once."""
    runs = [start(database), start(database)]
    events = [commands.events(run.communicate(timeout=60)[1])[-1] for run in runs]
    assert sorted(event["deleted"] for event in events) == [0, ROWS // 2]
    assert count(database) == ROWS // 2


def test_application_that_writes_all_the_time(tmp_path: Path) -> None:
    """An application that writes during prunes loses no write, and no row that it refreshed."""
    path = tmp_path / "geo.db"
    tables.make_table(path, [(f"ip{n}", "2020-01-01T00:00:00Z") for n in range(20_000)])
    with tables.connected(path) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
    stop = threading.Event()
    written: list[str] = []

    def write() -> None:
        with tables.connected(path) as connection:
            while not stop.is_set():
                ip = f"ip{len(written)}"
                row = (ip, "2099-01-01T00:00:00Z")
                connection.execute("INSERT OR REPLACE INTO geo_cache VALUES (?, ?)", row)
                written.append(ip)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        statuses = [commands.execute("run", url(path)).returncode for _ in range(4)]
    finally:
        stop.set()
        writer.join()
    assert statuses == [0] * 4
    assert written
    assert set(tables.fetch(path, "SELECT ip FROM geo_cache")) == set(written)


@pytest.mark.parametrize("command", ["run", "check"])
def test_exclusive_lock_while_opening(two_rows: Path, command: str) -> None:
    """A lock that keeps even readers out is waited for from the first look on."""
    holder = tables.hold(two_rows, "EXCLUSIVE", seconds=1.5)
    done = commands.execute(command, url(two_rows), "--timeout=30")
    holder.wait()
    assert done.returncode == 0, done.stderr
