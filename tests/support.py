"""What several tests share: running the job in this process or as a command, making tables."""

import contextlib
import datetime as dt
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from geocache_cleanup.deadline import Deadline
from geocache_cleanup.engines.urls import open_engine, parse_url
from geocache_cleanup.pruning import batches
from geocache_cleanup.pruning.job import Job
from geocache_cleanup.result import Result
from geocache_cleanup.times.instants import read_instant

_FOREIGN = ("GEOCACHE_CLEANUP_", "JOURNAL_", "NOTIFY_", "INVOCATION_", "PYTHON")
_CAP_SYS_ADMIN = 21  # see capabilities(7)
# Seconds within which a signal is answered for sure: one, on a machine busy with other things.
PROMPT = 5.0
CUTOFF = "2026-06-03T12:00:00Z"
BANGUI_TABLE = (
    "CREATE TABLE geo_cache (ip TEXT PRIMARY KEY, country_code TEXT, country_name TEXT,"
    " asn TEXT, org TEXT, cached_at TEXT NOT NULL, last_seen TEXT NOT NULL)"
)


# What was left out, and why, to be told at the end.
left_out: set[str] = set()
# How many faults and inputs were tried, and what was lost, to be told at the end.
tally: Counter[str] = Counter()


def leave_out(
    config: pytest.Config, items: list[pytest.Item], some: Sequence[pytest.Item], why: str = ""
) -> None:
    """Take tests out of those to run, and remember why if there is something to tell."""
    gone = set(some)
    config.hook.pytest_deselected(items=list(some))
    items[:] = [item for item in items if item not in gone]
    if gone and why:
        left_out.add(f"{len(gone)} tests were left out: {why}")


def instant(text: str) -> int:
    """Return the instant that time text names, in microseconds."""
    found = read_instant(text, dt.UTC)
    assert found is not None
    return found


def job(**changes: Any) -> Job:
    """Return an order for the usual table and cutoff."""
    values: dict[str, Any] = {
        "table": "geo_cache",
        "time_column": "last_seen",
        "time_zone": dt.UTC,
        "cutoff": instant(CUTOFF),
        "now": instant("2026-09-01T12:00:00Z"),
        "retention_days": 90,
        "max_delete_percent": 100,
        "dry_run": False,
        "run_id": "test",
    }
    return Job(**{**values, **changes})


def run_here(path: Path, **changes: Any) -> Result:
    """Prune a SQLite file in this process."""
    deadline = Deadline(60)
    return batches.run(
        open_engine(parse_url(f"sqlite:///{path}"), deadline), job(**changes), deadline
    )


@contextlib.contextmanager
def connected(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a SQLite file as an application would; each statement commits."""
    connection = sqlite3.connect(path, isolation_level=None, timeout=10)
    try:
        yield connection
    finally:
        connection.close()


def make_table(
    path: Path, rows: Sequence[tuple[str, object]], declared: str = "TEXT", *, index: bool = True
) -> None:
    """Make a geo_cache of (ip, last_seen) rows whose time column has the declared type."""
    with connected(path) as connection:
        connection.execute(f"CREATE TABLE geo_cache (ip TEXT PRIMARY KEY, last_seen {declared})")
        if index:
            connection.execute("CREATE INDEX ix_last_seen ON geo_cache (last_seen)")
        connection.execute("BEGIN")
        connection.executemany("INSERT INTO geo_cache VALUES (?, ?)", rows)
        connection.execute("COMMIT")


@contextlib.contextmanager
def one_row_at_a_time() -> Iterator[None]:
    """Let the search for batches read one row in each transaction."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batches, "LEAST_SEARCH_SECONDS", 0.0)
        yield


def fetch(path: Path, statement: str) -> list[Any]:
    """Return the first column of what a query finds."""
    with connected(path) as connection:
        return [row[0] for row in connection.execute(statement)]


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return this environment without what would configure the program, the journal or Python."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}
    return {**kept, **(extra or {})}


COMMAND = (sys.executable, "-m", "geocache_cleanup")


def command(
    *arguments: str, env: Mapping[str, str] | None = None, **options: Any
) -> "subprocess.CompletedProcess[str]":
    """Run geocache-cleanup as a process, with nothing of ours in its environment."""
    return subprocess.run(
        [*COMMAND, *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        env=environment(env),
        check=False,
        **options,
    )


def in_python(*arguments: str, first: str) -> "subprocess.CompletedProcess[str]":
    """Run geocache-cleanup as a process in which some Python was executed ``first``."""
    code = (
        f"import sys\n{first}\nsys.argv = ['geocache-cleanup', *{list(arguments)!r}]\n"
        "from geocache_cleanup.__main__ import main\nmain()\n"
    )
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env=environment(),
        check=False,
    )


def make_large_table(path: Path, rows: Iterable[tuple[str, str]], journal: str) -> None:
    """Make a table in BanGUI's shape of (ip, last_seen) rows, an index, and a ledger."""
    with connected(path) as connection:
        connection.execute(f"PRAGMA journal_mode = {journal}")
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute(BANGUI_TABLE)
        connection.execute("CREATE INDEX ix ON geo_cache (last_seen)")
        connection.execute("BEGIN")
        connection.executemany(
            "INSERT INTO geo_cache (ip, org, cached_at, last_seen)"
            " VALUES (?1, 'An organisation', ?2, ?2)",
            rows,
        )
        connection.execute("COMMIT")
    assert command("migrate", f"--database-url=sqlite:///{path}").returncode == 0


def events(output: str) -> list[dict[str, Any]]:
    """Parse the events of a command's stderr: one JSON document a line, nothing else."""
    return [json.loads(line) for line in output.splitlines()]


def may_mount() -> bool:
    """Tell whether this is a root that may mount file systems, which one in a container is not."""
    found = re.search(r"^CapEff:\s*([0-9a-f]+)$", _status(os.getpid()), re.MULTILINE)
    return os.geteuid() == 0 and found is not None and bool(int(found[1], 16) >> _CAP_SYS_ADMIN & 1)


def wait_until_it_listens(process: "subprocess.Popen[str]") -> None:
    """Return once a process has a handler of its own for SIGTERM."""
    end = time.monotonic() + 30
    while time.monotonic() < end:
        found = re.search(r"^SigCgt:\s*([0-9a-f]+)$", _status(process.pid), re.MULTILINE)
        if found and int(found[1], 16) >> (signal.SIGTERM - 1) & 1:
            return
        time.sleep(0.02)
    raise AssertionError("the process has not come to listen for signals")


def _status(pid: int) -> str:
    return Path(f"/proc/{pid}/status").read_text()


def hold(path: Path, lock: str, seconds: float) -> "subprocess.Popen[str]":
    """Hold a lock on a SQLite file from another process; return once it is held."""
    code = (
        "import sqlite3, sys, time\n"
        "connection = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
        "connection.execute(f'BEGIN {sys.argv[2]}')\n"
        "print('held', flush=True)\n"
        "time.sleep(float(sys.argv[3]))\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(path), lock, str(seconds)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    process.stdout.readline()
    return process
