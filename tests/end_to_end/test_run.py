"""A run as systemd starts it: its events, its ledger, what it deletes."""

import json
import os
import re
from pathlib import Path

import pytest

from helpers import commands, jobs, tables
from helpers.commands import url
from helpers.databases import ROWS, count

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


def test_last_second_of_the_calendar(two_rows: Path) -> None:
    """The cutoff may be any instant that can be written."""
    done = commands.execute("run", url(two_rows), "--before=9999-12-31T23:59:59.5Z")
    assert done.returncode == 0, done.stderr
    assert tables.fetch(two_rows, "SELECT count(*) FROM geo_cache") == [0]
