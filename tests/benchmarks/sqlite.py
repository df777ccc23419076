"""Time runs on SQLite side by side with what they are measured against, and print a table.

    .venv/bin/python tests/benchmarks/sqlite.py [ROUNDS]

Needs the sqlite3 shell, 5 GB of disk and some ten minutes. Each round times both commands of a
comparison in turn, so that a machine which slows down slows down both; a ratio is one of medians.
"""

import json
import os
import random
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

MILLION = 1_000_000
CUTOFF = "2026-06-03T12:00:00Z"
IMPORTS = "import sqlalchemy, typer, pythonjsonlogger"
DAY = 86_400
NOON = 1_780_488_000
MIB = 1 << 20
# An application: one write every 5 ms, until its standard input ends; prints what it went through.
WRITER = """
import select, sqlite3, sys, time
connection = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=60)
longest, written = 0.0, 0
while not select.select([sys.stdin], [], [], 0)[0]:
    began = time.perf_counter()
    row = (f"writer {written}", "2099-01-01T00:00:00Z", "2099-01-01T00:00:00Z")
    connection.execute("INSERT INTO geo_cache (ip, cached_at, last_seen) VALUES (?, ?, ?)", row)
    took = time.perf_counter() - began
    longest, written = max(longest, took), written + 1
    if written == 1:
        print("ready", flush=True)
    time.sleep(max(0.0, 0.005 - took))
kept = connection.execute("SELECT count(*) FROM geo_cache WHERE ip LIKE 'writer %'").fetchone()[0]
print(longest, written, kept)
"""
Timed = Callable[[], float]


def main() -> None:
    """Print the table."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    print("| SQLite, WAL, indexed | measured | beside it | ratio | target |")
    print("|---|---|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory() as directory:
        here = Path(directory)
        million = make(here / "million.db", MILLION, 300_000)
        against_the_shell(million, rounds)
        in_batches(million, rounds)
        nightly = make(here / "nightly.db", 100_000, 1_000)
        against_the_imports(nightly, rounds * 3)
        many = make(here / "many.db", 10 * MILLION, 1_000)
        row(
            "1,000 of 10,000,000 rows, against 1,000 of 100,000",
            *medians(lambda: timed(run(copy(many))), lambda: timed(run(copy(nightly))), rounds),
            1.3,
        )
        many.unlink()
        many = make(here / "many.db", 10 * MILLION, 3 * MILLION)
        per_row(many, million, max(1, rounds // 2))


def against_the_shell(million: Path, rounds: int) -> None:
    """Compare one transaction with the DELETE of the sqlite3 shell."""
    delete = f"DELETE FROM geo_cache WHERE last_seen < '{CUTOFF}'"
    row(
        "300,000 of 1,000,000 rows at once, against the sqlite3 shell",
        *medians(
            lambda: timed(run(copy(million))),
            lambda: timed(["sqlite3", str(copy(million)), delete]),
            rounds,
        ),
        0.6,
    )


def in_batches(million: Path, rounds: int) -> None:
    """Compare batches beside a writer with one transaction alone, and tell how long it waited."""
    waits: list[float] = []
    lost = 0

    def batched() -> float:
        nonlocal lost
        path = copy(million)
        with subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as writer:
            assert writer.stdout is not None
            writer.stdout.readline()
            took = timed([*run(path), "--batch-seconds=0.1", "--timeout=600"])
            longest, written, kept = writer.communicate("\n")[0].split()
        waits.append(float(longest))
        lost += int(written) - int(kept)
        return took

    row(
        "the same with `--batch-seconds 0.1` beside a writer, against one transaction alone",
        *medians(batched, lambda: timed(run(copy(million))), rounds),
        3,
    )
    worst = f"{max(waits):.2f} s; {lost} writes lost"
    print(f"| the longest wait of that writer, in {rounds} runs | {worst} | | | 0.3 s; 0 |")


def against_the_imports(nightly: Path, rounds: int) -> None:
    """Compare a nightly run with what Python needs to load the libraries."""
    row(
        "a nightly run, 1,000 of 100,000, against the imports alone",
        *medians(
            lambda: timed(run(copy(nightly))),
            lambda: timed([sys.executable, "-c", IMPORTS]),
            rounds,
        ),
        1.2,
    )
    print(f"| its peak memory | {peak(copy(nightly)) / MIB:.0f} MiB | | | 64 MiB |", flush=True)


def per_row(many: Path, million: Path, rounds: int) -> None:
    """Compare the time for each row in a table of ten million and in one of a million."""
    row(
        "3,000,000 of 10,000,000, for each row, against 300,000 of 1,000,000",
        *medians(
            lambda: duration(copy(many)) / 3_000_000 * MILLION,
            lambda: duration(copy(million)) / 300_000 * MILLION,
            rounds,
        ),
        1.3,
        "µs",
    )
    print(f"| its peak memory | {peak(copy(many)) / MIB:.0f} MiB | | | 200 MiB |", flush=True)


def make(path: Path, rows: int, stale: int) -> Path:
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
    return path


def copy(path: Path) -> Path:
    """Return a fresh copy of a database, on the disk and in memory, so that all begin alike."""
    target = path.with_suffix(".copy")
    for suffix in ("-wal", "-shm"):
        Path(f"{target}{suffix}").unlink(missing_ok=True)
    shutil.copyfile(path, target)
    os.sync()
    return target


def run(path: Path) -> Sequence[str]:
    """Return the command that prunes a file."""
    url = f"--database-url=sqlite:///{path}"
    limit = ("--timeout=600",)
    return [sys.executable, "-m", "geocache_cleanup", "run", url, f"--before={CUTOFF}", *limit]


def timed(command: Sequence[str]) -> float:
    """Return the seconds a command takes; stop if it fails."""
    began = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - began


def duration(path: Path) -> float:
    """Return the seconds that a run says it took: without the start of the interpreter."""
    done = subprocess.run(run(path), check=True, capture_output=True, text=True)
    return float(json.loads(done.stderr.splitlines()[-1])["duration_seconds"])


def peak(path: Path) -> int:
    """Return the most memory that a run has had, in bytes."""
    process = subprocess.Popen(run(path), stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    assert status == 0
    return usage.ru_maxrss * 1024


def medians(ours: Timed, theirs: Timed, rounds: int) -> tuple[float, float]:
    """Return the median of each, both timed in turn."""
    times = [(ours(), theirs()) for _ in range(rounds)]
    first, second = (statistics.median(column) for column in zip(*times, strict=True))
    return first, second


def row(title: str, ours: float, theirs: float, target: float, unit: str = "s") -> None:
    """Print a line of the table."""
    ratio = f"{ours / theirs:.2f} | at most {target:g}"
    print(f"| {title} | {ours:.2f} {unit} | {theirs:.2f} {unit} | {ratio} |", flush=True)


if __name__ == "__main__":
    main()
