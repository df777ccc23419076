"""The run as systemd starts it: events, exit statuses, locks, signals, kill -9."""

import json
import os
import random
import re
import signal
import sqlite3
import subprocess
import threading
import time
from pathlib import Path

import pytest

from helpers import commands, jobs, processes, tables
from helpers.commands import start, url
from helpers.databases import ROWS, count, slow_down

RUN_KEYS = {"table", "time_column", "database", "cutoff", "retention_days", "dry_run", "run_id"}
DONE_KEYS = {"deleted", "unreadable", "batches", "duration_seconds"}
ALWAYS_KEYS = {"timestamp", "level", "event", "message", "version"}


def test_events_of_a_run(database: Path) -> None:
    """Two events with all their keys; the rows, the ledger and the event agree."""
    done = commands.execute(
        "run", url(database), f"--before={jobs.CUTOFF}", env={"INVOCATION_ID": "abc123"}
    )
    assert (done.returncode, done.stdout) == (0, "")
    started, ran = commands.events(done.stderr)
    assert set(started) == ALWAYS_KEYS | RUN_KEYS
    assert set(ran) == ALWAYS_KEYS | RUN_KEYS | DONE_KEYS | {"freed_pages"}
    assert (started["event"], started["level"]) == ("geo_cache_cleanup_started", "debug")
    assert (ran["event"], ran["level"]) == ("geo_cache_cleanup_ran", "info")
    assert (ran["deleted"], ran["unreadable"], ran["batches"]) == (ROWS // 2, 0, 1)
    assert (ran["run_id"], ran["cutoff"]) == ("abc123", jobs.CUTOFF)
    assert ran["retention_days"] is None
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", ran["timestamp"])
    assert count(database) == ROWS // 2
    history = json.loads(commands.execute("history", url(database), "--json").stdout)
    (run,) = history["runs"]
    assert (run["deleted"], run["run_id"], run["cutoff"]) == (ROWS // 2, "abc123", jobs.CUTOFF)


def test_second_run_finds_nothing(database: Path) -> None:
    """Running again is safe; that nothing was stale is told at debug level."""
    for deleted, level in ((ROWS // 2, "info"), (0, "debug")):
        done = commands.execute("run", url(database), "--before", jobs.CUTOFF)
        event = commands.events(done.stderr)[-1]
        assert (done.returncode, event["deleted"], event["level"]) == (0, deleted, level)


def test_dry_run_changes_nothing(database: Path) -> None:
    """A dry run counts what a run would delete, and writes nothing, no ledger row either."""
    before = database.read_bytes()
    done = commands.execute("run", url(database), "--before", jobs.CUTOFF, "--dry-run")
    event = commands.events(done.stderr)[-1]
    assert (done.returncode, event["event"]) == (0, "geo_cache_cleanup_would_run")
    assert (event["deleted"], event["level"], event["dry_run"]) == (ROWS // 2, "info", True)
    assert database.read_bytes() == before
    assert os.listdir(database.parent) == ["geo.db"]


def test_unreadable_values_are_a_warning(tmp_path: Path) -> None:
    """Values that cannot be read are kept, counted, and told at warning level."""
    path = tmp_path / "geo.db"
    tables.make_table(path, [("a", "12:00"), ("b", "2026-02-30"), ("c", "2020-01-01"), ("d", None)])
    event = commands.events(commands.execute("run", url(path)).stderr)[-1]
    assert (event["deleted"], event["unreadable"], event["level"]) == (1, 2, "warning")


def test_without_ledger(tmp_path: Path) -> None:
    """A run needs no migration; history says what is missing."""
    path = tmp_path / "geo.db"
    tables.make_table(path, [("a", "2020-01-01")])
    assert commands.execute("run", url(path)).returncode == 0
    done = commands.execute("history", url(path))
    assert done.returncode == 78
    assert "migrate" in commands.events(done.stderr)[0]["hint"]


def test_nothing_configured() -> None:
    """Without any setting and without the default database there is nothing to do."""
    if os.path.exists("/var/lib/geocache-cleanup/geo_cache.db"):
        pytest.fail("this machine has a database of its own; the test needs one that has not")
    for command in ("run", "check", "history"):
        done = commands.execute(command)
        (event,) = commands.events(done.stderr)
        assert (done.returncode, event["event"]) == (0, "geo_cache_cleanup_skipped")


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
    """A lock that goes away in time is waited for."""
    connection = sqlite3.connect(database, isolation_level=None, check_same_thread=False)
    connection.execute("BEGIN IMMEDIATE")
    release = threading.Timer(1.0, connection.execute, ["ROLLBACK"])
    release.start()
    assert commands.execute("run", url(database), "--timeout=30").returncode == 0
    release.join()
    connection.close()


def test_timeout_in_the_middle_of_the_delete(database: Path) -> None:
    """One long statement is cut off too, and then nothing is deleted."""
    slow_down(database)
    done = commands.execute("run", url(database), "--before", jobs.CUTOFF, "--timeout", "4")
    event = commands.events(done.stderr)[-1]
    assert (done.returncode, event["event"]) == (75, "geo_cache_cleanup_failed")
    assert (event["deleted"], event["batches"]) == (0, 0)
    assert re.search("there are .* stale rows", event["reason"])
    assert "--batch-seconds 0.4" in event["hint"]
    assert count(database) == ROWS


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
@pytest.mark.parametrize("where", ["statement", "lock"])
def test_signals(database: Path, number: signal.Signals, status: int, where: str) -> None:
    """A signal is answered within a second, in a long statement as in a wait, and undoes all."""
    slow_down(database)
    holder = sqlite3.connect(database, isolation_level=None)
    if where == "lock":
        holder.execute("BEGIN IMMEDIATE")
    process = start(database)
    assert process.stderr is not None
    if where == "lock":
        processes.wait_until_it_listens(process)
        time.sleep(0.5)
    else:
        assert "geo_cache_cleanup_started" in process.stderr.readline()
        time.sleep(0.1)
    process.send_signal(number)
    sent = time.monotonic()
    _, output = process.communicate(timeout=30)
    answered = time.monotonic() - sent
    holder.close()
    event = commands.events(output)[-1]
    assert (process.returncode, event["event"]) == (status, "geo_cache_cleanup_interrupted")
    assert (event["level"], event["deleted"]) == ("warning", 0)
    assert count(database) == ROWS
    assert answered < processes.PROMPT


def test_kill_at_any_moment(database: Path) -> None:
    """After kill -9 the table, and the ledger with it, are as before the run or as after it."""
    chance = random.Random(2)
    for _ in range(12):
        process = start(database)
        time.sleep(chance.uniform(0.2, 1.4))
        process.kill()
        process.communicate()
        runs = tables.fetch(database, "SELECT deleted FROM geocache_cleanup_runs")
        assert (count(database), runs) in ((ROWS, []), (ROWS // 2, [ROWS // 2]))
        if runs:
            break
    assert commands.execute("run", url(database), "--before", jobs.CUTOFF).returncode == 0
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


def test_two_runs_at_once(database: Path) -> None:
    """The second run waits for the first; together they delete each row once."""
    runs = [start(database), start(database)]
    events = [commands.events(run.communicate(timeout=60)[1])[-1] for run in runs]
    assert sorted(event["deleted"] for event in events) == [0, ROWS // 2]
    assert count(database) == ROWS // 2


@pytest.mark.parametrize(
    "name",
    ["with space", "quo'te", 'dou"ble', "per%20cent", "hash#", "ünïcode", "a&b=c", "new\nline"],
)
def test_awkward_paths(tmp_path: Path, name: str) -> None:
    """Any path that SQLAlchemy's URL can name is opened as it is."""
    path = tmp_path / name / "geo.db"
    path.parent.mkdir()
    tables.make_table(path, [("a", "2020-01-01"), ("b", "2099-01-01")])
    done = commands.execute("run", url(path))
    assert done.returncode == 0, done.stderr
    assert tables.fetch(path, "SELECT ip FROM geo_cache") == ["b"]
    assert len(done.stderr.splitlines()) == 2


@pytest.mark.parametrize("form", ["sqlite:///{}", "sqlite:///file:{}?uri=true"])
def test_question_mark_in_a_path(tmp_path: Path, form: str) -> None:
    """SQLAlchemy ends a path at ``?``: percent-encoded it is part of the path."""
    path = tmp_path / "what?.db"
    tables.make_table(path, [("a", "2020-01-01")])
    named = form.format(str(path).replace("?", "%3F"))
    assert commands.execute("run", f"--database-url={named}").returncode == 0
    assert tables.fetch(path, "SELECT ip FROM geo_cache") == []


@pytest.mark.parametrize("what", ["file", "directory"])
def test_read_only_for_this_user(tmp_path: Path, what: str) -> None:
    """A file or directory that may not be written ends the run as refused permission."""
    path = tmp_path / "geo.db"
    tables.make_table(path, [("a", "2020-01-01")])
    before = path.read_bytes()
    {"file": path, "directory": tmp_path}[what].chmod(0o555)
    for command in ("run", "check"):
        done = without_privileges(command, url(path))
        assert done.returncode == 77, done.stderr
        event = commands.events(done.stderr)[-1]
        assert (event["exit_status"], event["retryable"]) == (77, False)
    tmp_path.chmod(0o755)
    assert path.read_bytes() == before


def test_link_beside_which_nothing_can_be_written(tmp_path: Path) -> None:
    """SQLite makes its journal beside the file itself: it is there that one has to be able to."""
    path, link = tmp_path / "geo.db", tmp_path / "links" / "geo.db"
    tables.make_table(path, [("a", "2020-01-01")])
    link.parent.mkdir()
    link.symlink_to(path)
    link.parent.chmod(0o555)
    for command in (["check"], ["run", "--batch-seconds=1"]):
        done = without_privileges(*command, url(link))
        assert done.returncode == 0, done.stderr
    link.parent.chmod(0o755)


def without_privileges(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run the command as this user, but without root's power over permissions."""
    prefix = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"]
    return subprocess.run(
        [*(prefix if os.geteuid() == 0 else []), *commands.COMMAND, *arguments],
        capture_output=True,
        text=True,
        env=commands.environment(),
        timeout=60,
        check=False,
    )
