"""A database of some size, and runs on it as systemd would start them."""

import random
import subprocess
from pathlib import Path
from typing import Iterator

import pytest
from helpers import commands, jobs, tables

ROWS = 200_000


@pytest.fixture(params=["wal", "delete"])
def database(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """Return a database of some size, half of it stale, with a ledger."""
    return make_database(tmp_path / "geo.db", ROWS, request.param)


def make_database(path: Path, size: int, journal: str) -> Path:
    """Make a table of so many rows, half of them stale, and a ledger."""
    tables.make_large_table(path, rows(size), journal)
    return path


def rows(size: int) -> Iterator[tuple[str, str]]:
    """Yield rows in random order, stale and fresh in turn; stale ones cost reading in Python."""
    shuffled = random.Random(1).sample(range(size), size)
    for number in shuffled:
        seen = ("2026-06-01T00:00:00.5+00:00", "2026-09-01T00:00:00Z")[number % 2]
        yield f"192.0.2.{number}", seen


def url(path: Path) -> str:
    """Return the option that names a SQLite file."""
    return f"--database-url=sqlite:///{path}"


def start(path: Path, *arguments: str) -> "subprocess.Popen[str]":
    """Start a run that goes on for a while."""
    return subprocess.Popen(
        [*commands.COMMAND, "run", url(path), f"--before={jobs.CUTOFF}", *arguments],
        stderr=subprocess.PIPE,
        text=True,
        env=commands.environment(),
    )


def slow_down(path: Path) -> None:
    """Let each row take a millisecond or so to delete."""
    long = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 3000)"
    with tables.connected(path) as connection:
        connection.execute("CREATE TABLE sink (n)")
        connection.execute(
            "CREATE TRIGGER slow AFTER DELETE ON geo_cache BEGIN"
            f" INSERT INTO sink SELECT ({long} SELECT max(n) FROM c); END"
        )


def count(path: Path) -> int:
    """Return how many rows the table has; raise if the database is damaged."""
    assert tables.fetch(path, "PRAGMA integrity_check") == ["ok"]
    return int(tables.fetch(path, "SELECT count(*) FROM geo_cache")[0])
