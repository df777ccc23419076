"""SQLite tables: made, filled, locked and looked into as an application would."""

import contextlib
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any


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


def fetch(path: Path, statement: str) -> list[Any]:
    """Return the first column of what a query finds."""
    with connected(path) as connection:
        return [row[0] for row in connection.execute(statement)]


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
