"""Time runs on SQLite side by side with what they are measured against, and print the ratios.

    .venv/bin/python tests/benchmarks/sqlite.py [ROUNDS]

Needs the sqlite3 shell. Each round times every command of a comparison once, in turn, so that
a machine which slows down slows down all of them; a ratio is one of medians.
"""

import os
import random
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Callable, Sequence

ROWS, STALE = 1_000_000, 300_000
CUTOFF = "2026-06-03T12:00:00Z"
IMPORTS = "import sqlalchemy, typer, pythonjsonlogger"
DAY = 86_400
NOON = 1_780_488_000


def main() -> None:
    """Print the two comparisons."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    with tempfile.TemporaryDirectory() as directory:
        large, small = Path(directory, "large.db"), Path(directory, "small.db")
        make(large, ROWS, STALE)
        make(small, 100_000, 0)
        delete = f"DELETE FROM geo_cache WHERE last_seen < '{CUTOFF}'"
        compare(
            f"{STALE} of {ROWS} rows, indexed, WAL",
            ("run", lambda: timed(run(copy(large)))),
            ("sqlite3 shell", lambda: timed(["sqlite3", str(copy(large)), delete])),
            rounds,
            0.6,
        )
        compare(
            "nothing to delete in 100000 rows",
            ("run", lambda: timed(run(small))),
            ("imports alone", lambda: timed([sys.executable, "-c", IMPORTS])),
            rounds * 3,
            1.2,
        )


def make(path: Path, rows: int, stale: int) -> None:
    """Make a table in BanGUI's shape, its rows in random order of time."""
    chance = random.Random(1)
    seconds = [NOON - 1 - chance.randrange(200 * DAY) for _ in range(stale)]
    seconds += [NOON + chance.randrange(90 * DAY) for _ in range(rows - stale)]
    chance.shuffle(seconds)
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute(
        "CREATE TABLE geo_cache (ip TEXT PRIMARY KEY, country_code TEXT, country_name TEXT,"
        " asn TEXT, org TEXT, cached_at TEXT NOT NULL, last_seen TEXT NOT NULL)"
    )
    connection.executemany(
        "INSERT INTO geo_cache VALUES (?, 'NL', 'Netherlands', 'AS64500', 'Example', ?, ?)",
        (
            (f"{number >> 16}.{number >> 8 & 255}.{number & 255}.1", seen, seen)
            for number, second in enumerate(seconds)
            for seen in [time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(second))]
        ),
    )
    connection.execute("CREATE INDEX ix_last_seen ON geo_cache (last_seen)")
    connection.commit()
    connection.close()


def copy(path: Path) -> Path:
    """Return a fresh copy of a database, read once so that both sides find it in memory."""
    target = path.with_suffix(".copy")
    shutil.copyfile(path, target)
    os.sync()
    return target


def run(path: Path) -> Sequence[str]:
    """Return the command that prunes a file."""
    url = f"--database-url=sqlite:///{path}"
    return [sys.executable, "-m", "geocache_cleanup", "run", url, f"--before={CUTOFF}"]


def timed(command: Sequence[str]) -> float:
    """Return the seconds a command takes; stop if it fails."""
    began = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - began


def compare(
    title: str,
    ours: tuple[str, Callable[[], float]],
    theirs: tuple[str, Callable[[], float]],
    rounds: int,
    target: float,
) -> None:
    """Print the medians of both and their ratio."""
    times = [(ours[1](), theirs[1]()) for _ in range(rounds)]
    median, other = (statistics.median(column) for column in zip(*times, strict=True))
    print(f"{title}, median of {rounds}:")
    print(f"  {ours[0]} {median:.2f} s, {theirs[0]} {other:.2f} s")
    print(f"  ratio {median / other:.2f} (target: at most {target})", flush=True)


if __name__ == "__main__":
    main()
