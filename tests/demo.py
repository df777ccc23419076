"""Prune an embedded SQLite database made in BanGUI's shape, showing each step."""

import datetime as dt
import os
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

ROWS = 1_000


def main() -> None:
    """Run check, run, and history on a database made for the occasion."""
    with tempfile.TemporaryDirectory(prefix="geocache-cleanup-demo-") as directory:
        path = Path(directory, "bangui.db")
        make_database(path)
        print(f"Made {path} with {ROWS} rows, last seen up to 180 days ago.")
        show(path, "migrate")
        show(path, "check")
        show(path, "run", "--log-format=text", "--log-level=debug")
        show(path, "history")
        print(f"\n{count(path)} rows are left.")


def make_database(path: Path) -> None:
    """Make a geo_cache as BanGUI has it, a row for every few hours of the last 180 days."""
    now = dt.datetime.now(dt.UTC)
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute(
        "CREATE TABLE geo_cache (ip TEXT PRIMARY KEY, country_code TEXT, country_name TEXT,"
        " asn TEXT, org TEXT, cached_at TEXT NOT NULL, last_seen TEXT NOT NULL)"
    )
    for number in range(ROWS):
        seen = (now - dt.timedelta(days=180 * number / ROWS)).strftime("%Y-%m-%dT%H:%M:%SZ")
        row = (f"198.51.{number // 256}.{number % 256}", "NL", "Netherlands", "AS64500", "Example")
        connection.execute("INSERT INTO geo_cache VALUES (?, ?, ?, ?, ?, ?, ?)", (*row, seen, seen))
    connection.commit()
    connection.close()


def show(path: Path, *arguments: str) -> None:
    """Print a command and run it; stop if it fails."""
    print("\n$ geocache-cleanup", *arguments, flush=True)
    environment = {**os.environ, "GEOCACHE_CLEANUP_DATABASE_URL": f"sqlite:///{path}"}
    subprocess.run(
        [sys.executable, "-m", "geocache_cleanup", *arguments], env=environment, check=True
    )


def count(path: Path) -> int:
    """Return how many rows the table has."""
    connection = sqlite3.connect(path)
    (rows,) = connection.execute("SELECT count(*) FROM geo_cache").fetchone()
    connection.close()
    return int(rows)


if __name__ == "__main__":
    main()
