"""Time runs on SQLite side by side with what they are measured against, and print a table.

    .venv/bin/python tests/benchmarks/sqlite.py [ROUNDS]

Needs the sqlite3 shell, 6 GB of disk and half an hour.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks import measure
from benchmarks.measure import CUTOFF, Sample, fact, in_turn, row, timed
from benchmarks.sqlite_tables import fresh_copy, make, make_stale

MILLION = 1_000_000
DELETE = f"DELETE FROM geo_cache WHERE last_seen < '{CUTOFF}'"
# What an application's own scheduler does, and this program replaces.
TEN_LINES = f"""
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1])
with connection:
    connection.execute("{DELETE}")
connection.close()
"""
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


def main() -> None:
    """Print the table."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    measure.head(["sqlite3", "--version"])
    with tempfile.TemporaryDirectory() as directory:
        here = Path(directory)
        million = make(here / "million.db", MILLION, 300_000)
        at_once("keys in random order", million, rounds, 0.7)
        at_once("keys in the table's order",
                make(here / "ordered.db", MILLION, 300_000, "table"), rounds, 0.6)  # fmt: skip
        for indexes in (2, 5):
            many = make(here / "indexes.db", MILLION, 300_000, indexes=indexes)
            at_once(f"random keys, {indexes} more indexes", many, rounds, 0.7)
            many.unlink()
        in_batches(million, rounds)
        nightly = make(here / "nightly.db", 100_000, 1_000)
        against_the_imports(nightly, rounds * 3)
        large(here, nightly, million, rounds)
        equal_times(here)


def at_once(title: str, path: Path, rounds: int, target: float) -> None:
    """Compare one transaction with the sqlite3 shell, and with ten lines of Python."""
    ours, shell, lines = in_turn(
        rounds,
        lambda: timed(run(path)),
        lambda: timed(["sqlite3", str(fresh_copy(path)), DELETE]),
        lambda: timed([sys.executable, "-c", TEN_LINES, str(fresh_copy(path))]),
    )
    row(f"300,000 of 1,000,000, {title}: the sqlite3 shell", ours, shell, target)
    row("the same: ten lines of Python", ours, lines, 0.9)


def in_batches(path: Path, rounds: int) -> None:
    """Compare batches beside a writer with one transaction alone, and tell how long it waited."""
    waits: list[float] = []
    lost: list[int] = []

    def batched() -> float:
        copy = fresh_copy(path)
        with subprocess.Popen(
            [sys.executable, "-c", WRITER, str(copy)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as writer:
            assert writer.stdout is not None
            writer.stdout.readline()
            took = timed(measure.run(f"sqlite:///{copy}", "--batch-seconds=0.1"))
            longest, written, kept = writer.communicate("\n")[0].split()
        waits.append(float(longest))
        lost.append(int(written) - int(kept))
        return took

    batches, whole = in_turn(rounds, batched, lambda: timed(run(path)))
    row("`--batch-seconds 0.1` beside a writer: one transaction alone", batches, whole, 1.8)
    worst = f"{Sample(waits)} s; {sum(lost)} writes lost"
    fact(f"the longest wait of that writer, in each of {rounds} runs", worst, "0.2 s; 0")


def against_the_imports(nightly: Path, rounds: int) -> None:
    """Compare a nightly run with what Python needs to load the libraries."""
    done = fresh_copy(nightly).rename(nightly.with_suffix(".done"))
    timed(measure.run(f"sqlite:///{done}"))
    ours, nothing, imports = in_turn(
        rounds,
        lambda: timed(run(nightly)),
        lambda: timed(measure.run(f"sqlite:///{done}")),
        lambda: timed([sys.executable, "-c", measure.IMPORTS]),
    )
    row("a nightly run, 1,000 of 100,000: the imports alone", ours, imports, 1.2)
    row("nothing to delete: the imports alone", nothing, imports, 1.1)
    memory = measure.peak(f"sqlite:///{fresh_copy(nightly)}")
    fact("its peak memory", f"{memory:.0f} MiB", "at most 56 MiB")


def large(here: Path, nightly: Path, million: Path, rounds: int) -> None:
    """Compare ten million rows with a hundred thousand, and with a million."""
    many = make(here / "many.db", 10 * MILLION, 1_000)
    ours, small = in_turn(rounds, lambda: timed(run(many)), lambda: timed(run(nightly)))
    row("1,000 of 10,000,000: 1,000 of 100,000", ours, small, 1.25)
    many.unlink()
    many = make(here / "many.db", 10 * MILLION, 3 * MILLION)
    ours, part = in_turn(
        rounds, lambda: microseconds(many, 3_000_000), lambda: microseconds(million, 300_000)
    )
    row("3,000,000 of 10,000,000, µs a row: 300,000 of 1,000,000", ours, part, 1.25)
    memory = measure.peak(f"sqlite:///{fresh_copy(many)}")
    fact("its peak memory", f"{memory:.0f} MiB", "at most 200 MiB")


def equal_times(here: Path) -> None:
    """Compare batches on rows of one time with batches on rows of distinct times."""
    path = here / "stale.db"

    def prepare(one_time: bool) -> str:
        path.unlink(missing_ok=True)
        return f"sqlite:///{make_stale(path, 10 * MILLION, one_time=one_time)}"

    measure.equal_times("", prepare)


def run(path: Path) -> Sequence[str]:
    """Return the command that prunes a fresh copy of a file."""
    return measure.run(f"sqlite:///{fresh_copy(path)}")


def microseconds(path: Path, rows: int) -> float:
    """Return the microseconds for each row that a run says it took, without Python's start."""
    done = subprocess.run(run(path), check=True, capture_output=True, text=True)
    return float(json.loads(done.stderr.splitlines()[-1])["duration_seconds"]) / rows * MILLION


if __name__ == "__main__":
    main()
