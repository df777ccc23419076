"""The metrics file: what it says after runs of every outcome, and what it leaves alone."""

import datetime as dt
import os
import socket
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from geocache_cleanup.metrics import metrics_file
from helpers import commands, processes, tables

NOW = dt.datetime.now(dt.UTC).replace(microsecond=0)


def ago(days: float) -> str:
    """Return the time so long ago as text."""
    return (NOW - dt.timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """Return an indexed database with two stale rows, two fresh ones, and one without a time."""
    path = tmp_path / "geo.db"
    rows: list[tuple[str, object]] = [("a", ago(200)), ("b", ago(100)), ("c", ago(50))]
    tables.make_table(path, [*rows, ("d", ago(1)), ("e", "12:00")])
    return path


def run(
    database: Path, *arguments: str, env: Mapping[str, str] | None = None, **options: Any
) -> "subprocess.CompletedProcess[str]":
    """Run the job on a database, with the metrics beside it in geo.prom."""
    url, path = f"sqlite:///{database}", database.with_name("geo.prom")
    variables = {"GEOCACHE_CLEANUP_METRICS_FILE": str(path), **(env or {})}
    return commands.execute("run", f"--database-url={url}", *arguments, env=variables, **options)


def values(database: Path) -> dict[str, float]:
    """Return what the file says of the database's table, by the names without their prefix."""
    text = database.with_name("geo.prom").read_text()
    found = {}
    for family in text_string_to_metric_families(text):
        assert family.type == "gauge"
        (sample,) = family.samples
        assert sample.labels == {"database": f"sqlite:///{database}", "table": "geo_cache"}
        found[sample.name.removeprefix(metrics_file.PREFIX)] = sample.value
    return found


def test_after_a_success(database: Path) -> None:
    """All of it, readable by the node exporter whatever the umask, and no other file."""
    done = run(database, umask=0o077)
    assert done.returncode == 0, done.stderr
    found = values(database)
    assert list(found) == list(metrics_file.HELP)
    assert time.time() - 60 < found["last_success_timestamp_seconds"] <= time.time()
    assert found["last_run_timestamp_seconds"] == found["last_success_timestamp_seconds"]
    assert (found["last_run_success"], found["last_run_exit_status"]) == (1, 0)
    assert (found["last_run_deleted_rows"], found["last_run_unreadable_values"]) == (2, 1)
    assert (
        found["last_run_duration_seconds"] == commands.events(done.stderr)[-1]["duration_seconds"]
    )
    oldest = (NOW - dt.timedelta(days=50)).timestamp()
    assert found["oldest_remaining_timestamp_seconds"] == oldest
    assert database.with_name("geo.prom").stat().st_mode & 0o777 == 0o644
    assert sorted(os.listdir(database.parent)) == ["geo.db", "geo.prom"]


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["--time-column=seen"], 78),
        (["--max-delete-percent=10"], 65),
        (["--retention-days=soon"], 2),
    ],
)
def test_a_failure_keeps_the_last_success(
    database: Path, arguments: list[str], status: int
) -> None:
    """Its time and the oldest row; the rest is of the failed run, even if no setting was read."""
    assert run(database, "--before=2000-01-01").returncode == 0
    before = values(database)
    assert run(database, *arguments).returncode == status
    after = values(database)
    assert (after["last_run_success"], after["last_run_exit_status"]) == (0, status)
    assert after["last_run_timestamp_seconds"] > before["last_run_timestamp_seconds"]
    for kept in ("last_success_timestamp_seconds", "oldest_remaining_timestamp_seconds"):
        assert after[kept] == before[kept]


def test_a_failure_without_a_success_before(database: Path) -> None:
    """The file of another table knows nothing of this one's success."""
    assert run(database).returncode == 0
    assert run(database, "--table=other").returncode == 78
    text = database.with_name("geo.prom").read_text()
    assert f"{metrics_file.PREFIX}last_success_timestamp_seconds{{" in text
    assert 'table="other"} 0.0' in text
    assert "oldest" not in text


def test_a_run_that_is_stopped(database: Path) -> None:
    """It exits 0 and was no success."""
    with tables.connected(database) as connection:
        connection.execute("BEGIN IMMEDIATE")
        process = subprocess.Popen(
            [*commands.COMMAND, "run", f"--database-url=sqlite:///{database}"],
            env=commands.environment(
                {"GEOCACHE_CLEANUP_METRICS_FILE": str(database.with_name("geo.prom"))}
            ),
            stderr=subprocess.PIPE,
            text=True,
        )
        processes.wait_until_it_listens(process)
        process.terminate()
        process.communicate(timeout=60)
    assert process.returncode == 0
    found = values(database)
    assert (found["last_run_success"], found["last_run_exit_status"]) == (0, 0)
    assert found["last_success_timestamp_seconds"] == 0


def test_a_dry_run_writes_nothing(database: Path) -> None:
    """It is no run."""
    assert run(database, "--dry-run").returncode == 0
    assert os.listdir(database.parent) == ["geo.db"]


def test_a_path_of_any_bytes(tmp_path: Path) -> None:
    """What is no UTF-8 in it is escaped in the label."""
    path = tmp_path / os.fsdecode(b"ge\xff\n.db")
    tables.make_table(path, [("a", ago(200)), ("b", ago(9))])
    assert run(path).returncode == 0
    text = (tmp_path / "geo.prom").read_text()
    assert r"ge\\udcff\n.db" in text
    assert len(list(text_string_to_metric_families(text))) == len(metrics_file.HELP)


def refuse_directory(directory: Path) -> str:
    """Name a file in a directory that is not there."""
    return str(directory / "absent" / "geo.prom")


def refuse_other_file(directory: Path) -> str:
    """Name a file that is something else."""
    (directory / "notes.txt").write_text("mine\n")
    return str(directory / "notes.txt")


def refuse_device(directory: Path) -> str:
    """Name what is no file, in a directory that everybody who runs this may write."""
    os.mkfifo(directory / "pipe.prom")
    return str(directory / "pipe.prom")


@pytest.mark.parametrize("cause", [refuse_directory, refuse_other_file, refuse_device])
def test_a_file_that_cannot_be_written_is_refused_beforehand(database: Path, cause: Any) -> None:
    """Nothing is deleted, by run; check says the same."""
    path = cause(database.parent)
    for command in ("run", "check"):
        done = commands.execute(
            command, f"--database-url=sqlite:///{database}", f"--metrics-file={path}"
        )
        assert done.returncode == 78
        assert "metrics" in commands.events(done.stderr)[-1]["reason"]
    assert len(tables.fetch(database, "SELECT 1 FROM geo_cache")) == 5
    assert cause is not refuse_other_file or Path(path).read_text() == "mine\n"


def test_without_the_library(database: Path) -> None:
    """The package for apt and the extra for pip are named, before anything is opened."""
    done = commands.execute_in_python(
        "run",
        f"--database-url=sqlite:///{database}",
        f"--metrics-file={database.with_name('geo.prom')}",
        first="sys.modules['prometheus_client'] = None",
    )
    assert done.returncode == 78
    hint = commands.events(done.stderr)[-1]["hint"]
    assert "python3-prometheus-client" in hint
    assert "geocache-cleanup[metrics]" in hint
    assert os.listdir(database.parent) == ["geo.db"]


def test_a_write_that_hangs(database: Path) -> None:
    """It is given up after a while: the run is told as done, with the problem."""
    hang = """
import time
def hang(event, arguments):
    if event == "os.rename":
        time.sleep(100)
sys.addaudithook(hang)
"""
    target = f"--metrics-file={database.with_name('geo.prom')}"
    began = time.monotonic()
    done = commands.execute_in_python("run", commands.url(database), target, first=hang)
    event = commands.events(done.stderr)[-1]
    assert (done.returncode, event["event"]) == (0, "geo_cache_cleanup_ran")
    assert "within 10 seconds" in event["metrics_problem"]
    assert time.monotonic() - began < 60


def test_a_write_that_fails_afterwards_does_not_hide_the_run(database: Path) -> None:
    """The rows are gone, the audit event says so as a warning, and the status is the run's."""
    target, address = database.with_name("geo.prom"), database.with_name("notify")
    variables = {
        "GEOCACHE_CLEANUP_METRICS_FILE": str(target),
        "NOTIFY_SOCKET": str(address),
    }
    with (
        tables.connected(database) as connection,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager,
    ):
        manager.bind(str(address))
        manager.settimeout(30)
        connection.execute("BEGIN IMMEDIATE")
        process = subprocess.Popen(
            [*commands.COMMAND, "run", f"--database-url=sqlite:///{database}"],
            env=commands.environment(variables),
            stderr=subprocess.PIPE,
            text=True,
        )
        while b"Waiting" not in manager.recv(4096):
            pass
        target.mkdir()  # it was looked at before the run began to wait
    event = commands.events(process.communicate(timeout=60)[1])[-1]
    assert (process.returncode, event["event"]) == (0, "geo_cache_cleanup_ran")
    assert (event["level"], event["deleted"]) == ("warning", 2)
    assert "metrics file could not be written" in event["metrics_problem"]
    assert sorted(os.listdir(database.parent)) == ["geo.db", "geo.prom", "notify"]
    assert len(tables.fetch(database, "SELECT 1 FROM geo_cache")) == 3
