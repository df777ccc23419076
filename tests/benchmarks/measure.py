"""What the benchmarks share: times taken in turn, medians with their spread, peak memory, rows."""

import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version

MIB = 1 << 20
CUTOFF = "2026-06-03T12:00:00Z"
IMPORTS = "import sqlalchemy, typer, pythonjsonlogger"
_HEAD = "| what | run | beside it | ratio | target |\n|---|---|---|---|---|"
# The process tells its own peak: what the kernel tells of a child may be its parent's.
_PEAK = (
    "import re, sys\n"
    "from geocache_cleanup.__main__ import run\n"
    "status = run()\n"
    "print(re.search('VmHWM:.*?([0-9]+)', open('/proc/self/status').read())[1])\n"
    "sys.exit(status)\n"
)
Timed = Callable[[], float]


@dataclass(frozen=True)
class Sample:
    """Seconds of several rounds."""

    seconds: Sequence[float]

    @property
    def median(self) -> float:
        """The median, which one slow round does not move."""
        return statistics.median(self.seconds)

    def __str__(self) -> str:
        """Show the median, and the least and the most beside it."""
        least, most = min(self.seconds), max(self.seconds)
        return f"{self.median:.2f} ({least:.2f} to {most:.2f})"


def head(*programs: Sequence[str]) -> None:
    """Print the machine, every version, and the head of a table."""
    with open("/proc/cpuinfo", encoding="utf-8") as lines:
        cpu = next(line.partition(": ")[2].strip() for line in lines if "model name" in line)
    versions = [f"Python {platform.python_version()}"]
    versions += [f"{name} {version(name)}" for name in ("SQLAlchemy", "typer")]
    versions += [_first_line(program) for program in programs]
    print(f"{os.cpu_count()} cores, {cpu}; {platform.system()} {platform.release()}; ", end="")
    print("; ".join(versions), end="\n\n")
    print(_HEAD, flush=True)


def _first_line(program: Sequence[str]) -> str:
    lines = subprocess.run(program, capture_output=True, text=True, check=True).stdout
    return f"{program[0]} {lines.splitlines()[0]}"


def in_turn(rounds: int, *works: Timed) -> Sequence[Sample]:
    """Time each work once a round: a machine that slows down slows down all of them."""
    times = [[work() for work in works] for _ in range(rounds)]
    return [Sample(column) for column in zip(*times, strict=True)]


def row(title: str, ours: Sample, theirs: Sample, target: float, less: float = 0.0) -> None:
    """Print a comparison; ``less`` seconds, those of the start, are no part of the ratio."""
    ratio = (ours.median - less) / theirs.median
    lost = "" if ratio <= target else ", missed"
    print(f"| {title} | {ours} | {theirs} | {ratio:.2f} | at most {target:g}{lost} |", flush=True)


def equal_times(title: str, prepare: Callable[[bool], str]) -> None:
    """Compare batches on ten million rows of one time with batches on rows of distinct times.

    ``prepare`` makes the table, of one time or not, and returns the URL of its database.
    """
    memory: list[float] = []

    def batches(one_time: bool) -> float:
        url = prepare(one_time)
        began = time.perf_counter()
        memory.append(peak(url, "--batch-seconds=0.2"))
        return time.perf_counter() - began

    same, others = in_turn(1, lambda: batches(True), lambda: batches(False))
    row(f"{title}10,000,000 rows of one time in batches: distinct", same, others, 1.5)
    fact("its peak memory", f"{max(memory):.0f} MiB", "at most 128 MiB")


def fact(title: str, found: str, target: str) -> None:
    """Print what has nothing beside it."""
    print(f"| {title} | {found} | | | {target} |", flush=True)


def timed(command: Sequence[str]) -> float:
    """Return the seconds that a command takes; stop if it fails."""
    began = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{command[0]}: {done.stdout}{done.stderr}")
    return time.perf_counter() - began


def run(url: str, *options: str) -> Sequence[str]:
    """Return the command that prunes a database."""
    return [f"{sys.prefix}/bin/geocache-cleanup", *_arguments(url, options)]


def peak(url: str, *options: str) -> float:
    """Return the most memory that a run has had by itself, in MiB."""
    command = [sys.executable, "-c", _PEAK, *_arguments(url, options)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return int(done.stdout) * 1024 / MIB


def _arguments(url: str, options: Sequence[str]) -> Sequence[str]:
    limit = "--timeout=3000"
    return ["run", f"--database-url={url}", f"--before={CUTOFF}", limit, *options]
