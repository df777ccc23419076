"""What check advises: each thing that is wrong is said, with a remedy, and nothing else."""

import datetime as dt
import json
import os
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from helpers import commands, processes, tables

URL = "--database-url=sqlite:///{}"
NOW = dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
FRESH: list[tuple[str, object]] = [(str(number), NOW) for number in range(4)]


@pytest.fixture(scope="module")
def well_kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a database of which there is nothing to say: fresh rows, migrated, just pruned."""
    path = tmp_path_factory.mktemp("advice") / "geo.db"
    tables.make_table(path, FRESH)
    for command in ("migrate", "run"):
        assert commands.execute(command, URL.format(path)).returncode == 0
    return path


@pytest.fixture
def database(well_kept: Path, tmp_path: Path) -> Path:
    """Return a copy of it, to be spoilt."""
    return Path(shutil.copy(well_kept, tmp_path))


def advice(path: Path, *arguments: str, env: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return what check advises, remedies by findings; and they are what the text ends with."""
    done = commands.execute("check", URL.format(path), "--json", *arguments, env=env)
    assert done.returncode == 0, done.stderr
    found = {row["finding"]: row["remedy"] for row in json.loads(done.stdout)["advice"]}
    assert all(found.values())
    return found


def test_nothing_to_say(database: Path) -> None:
    """It says so."""
    assert advice(database) == {}
    text = commands.execute("check", URL.format(database)).stdout
    assert text.endswith("Problems and advice\n  None.\n")


INSERT = "INSERT INTO geo_cache VALUES ('x', {})"
FUTURE = "strftime('%Y-%m-%dT%H:%M:%SZ', 'now', '+{}')"


@pytest.mark.parametrize(
    ("change", "finding", "remedy"),
    [
        ("DROP INDEX ix_last_seen", "no index leads with last_seen", "migrate"),
        ("DROP TABLE geocache_cleanup_runs", "no ledger", "migrate"),
        ("DELETE FROM geocache_cleanup_runs", "no run of this table has ever", "systemctl start"),
        (INSERT.format("'12:00'"), "cannot be read: 1;", "examples above"),
        (INSERT.format("NULL"), "without a time set in last_seen: 1;", "IS NULL"),
        (INSERT.format(FUTURE.format("2 hours")), "ahead of this host's clock: 1;", "time-zone"),
        ("UPDATE geo_cache SET last_seen = '{}'", "no value of last_seen can be", "--time-column"),
        ("UPDATE geo_cache SET last_seen = '2020-01-01'", "delete 4 of 4 rows", "backup"),
        (
            "UPDATE geocache_cleanup_runs SET started_at = '2026-01-01 04:30:00'",
            "the last run that succeeded was",
            "journalctl",
        ),
        (
            "UPDATE geocache_cleanup_runs SET started_at = '2099-01-01 04:30:00'",
            "ahead of the clock",
            "timedatectl",
        ),
    ],
)
def test_one_finding(database: Path, change: str, finding: str, remedy: str) -> None:
    """Each by a change of its own."""
    with tables.connected(database) as connection:
        connection.execute(change)
    ((said, what_to_do),) = advice(database).items()
    assert finding in said
    assert remedy in what_to_do


@pytest.mark.parametrize(
    ("arguments", "env", "finding"),
    [
        ((), {"GEOCACHE_CLEANUP_BEFORE": "2020-01-01"}, "--before is a fixed moment"),
        (("--metrics-file={}/geo.txt",), {}, "does not end in .prom"),
    ],
)
def test_a_finding_of_the_settings(
    database: Path, arguments: tuple[str, ...], env: Mapping[str, str], finding: str
) -> None:
    """Settings that are valid, and not what is wanted."""
    options = [argument.format(database.parent) for argument in arguments]
    (said,) = advice(database, *options, env=env)
    assert finding in said
    assert not (database.parent / "geo.txt").exists()


def test_expiry_times_lie_ahead(database: Path) -> None:
    """With a cutoff of now they are as they should be."""
    with tables.connected(database) as connection:
        connection.execute(INSERT.format(FUTURE.format("9 days")))
    found = advice(database, "--before=now")
    assert not any("clock" in said for said in found)


def test_a_password_in_view(tmp_path: Path) -> None:
    """Said although the server cannot be reached, and not repeated."""
    secret = "s3cr3t"  # noqa: S105 - of a server that does not exist
    url = f"--database-url=mysql+pymysql://user:{secret}@127.0.0.1:1/app"
    done = commands.execute("check", url, "--json", "--timeout=2", cwd=tmp_path)
    assert done.returncode != 0
    document = json.loads(done.stdout)
    assert any("password" in row["finding"] for row in document["advice"])
    assert secret not in done.stdout + done.stderr


def test_a_damaged_index_is_not_called_too_large(database: Path) -> None:
    """The look ended early, and no longer timeout would help."""
    (size,) = tables.fetch(database, "PRAGMA page_size")
    (page,) = tables.fetch(
        database, "SELECT rootpage FROM sqlite_master WHERE name = 'ix_last_seen'"
    )
    with database.open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xff" * size)
    done = commands.execute("check", URL.format(database), "--json")
    document = json.loads(done.stdout)
    assert done.returncode == document["problem"]["exit_status"] == 65
    assert document["table"]["table"] == "geo_cache"
    assert not any("too large" in row["finding"] for row in document["advice"])


def test_a_run_that_would_not_end_in_time(database: Path) -> None:
    """By the speed of past runs; small ones say nothing of it."""
    with tables.connected(database) as connection:
        rows = [(f"old{number}", "2020-01-01") for number in range(99)]
        connection.executemany("INSERT INTO geo_cache VALUES (?, ?)", rows)
        slow = "deleted = 1000, duration_seconds = 1e5"
        connection.execute(f"UPDATE geocache_cleanup_runs SET {slow}")
    assert any("--timeout stops it" in said for said in advice(database))
    with tables.connected(database) as connection:
        connection.execute("UPDATE geocache_cleanup_runs SET deleted = 999")
    assert not any("--timeout stops it" in said for said in advice(database))


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("exec sleep 60", "did not answer within 2 seconds"),
        ("echo no bus >&2; exit 1", "no bus"),
        (None, "there is no systemctl here"),
    ],
)
def test_systemd_never_stops_a_check(database: Path, script: str | None, words: str) -> None:
    """Whatever becomes of systemctl: it is said, and soon."""
    directory = database.parent / "bin"
    directory.mkdir()
    if script is not None:
        (directory / "systemctl").write_text(f"#!/bin/sh\n{script}\n")
        (directory / "systemctl").chmod(0o755)
    path = f"{directory}:{os.environ['PATH']}" if script else str(directory)
    began = time.monotonic()
    done = commands.execute("check", URL.format(database), "--json", env={"PATH": path})
    assert time.monotonic() - began < 2 + 4 * processes.PROMPT
    assert done.returncode == 0
    timers = json.loads(done.stdout)["timers"]
    assert words in timers["unknown"]
    assert timers["units"] == []
