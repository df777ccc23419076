"""A look at the database that changes nothing: its table, and what a run would do to it."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from geocache_cleanup.deadline import Deadline
from geocache_cleanup.engines.base import Engine
from geocache_cleanup.pruning import prune
from geocache_cleanup.pruning.job import Job
from geocache_cleanup.pruning.ledger import Ledger
from geocache_cleanup.report.statistics import Counts, TimeStatistics
from geocache_cleanup.result import Result

# Where no past run tells: SQLite took 4.5 seconds for 300,000 indexed rows of a million, on a
# machine of two cores that was busy with other things.
_ROWS_PER_SECOND = 50_000
# Smaller runs say more of how long it takes to connect.
_LEAST_ROWS = 1_000
# What a run writes at least, if not zero.
_LEAST_SECONDS = 0.001


@dataclass(frozen=True)
class TableReport:
    """What the table is; what it holds is in ``statistics.Counts``."""

    table: str
    time_column: str
    time_column_type: str
    columns: Sequence[str]
    key: Sequence[str]
    index: str | None
    atomic: bool


@dataclass(frozen=True)
class RunEstimate:
    """How long a run would hold the write lock without a pause, and what that is made of.

    All in seconds. ``run_seconds`` is the whole run, which is more only in batches;
    ``search_seconds`` were measured just now; ``past_runs`` is the number of runs in the ledger
    that ``rows_per_second`` comes from, 0 for a constant.
    """

    seconds: float
    run_seconds: float
    search_seconds: float
    rows_per_second: int
    past_runs: int


@dataclass(frozen=True)
class Preview:
    """What a run would do, and the seconds that finding it took."""

    result: Result
    seconds: float


def describe(engine: Engine, job: Job) -> TableReport:
    """Look the table up; raise CleanupError if that cannot be done."""
    with job.at_table(engine, write=False) as table:
        return TableReport(
            table=table.name,
            time_column=table.column_name,
            time_column_type=table.column_type,
            columns=table.columns,
            key=table.key,
            index=table.index,
            atomic=table.atomic,
        )


def count(engine: Engine, job: Job) -> Counts:
    """Read every stored time of the table; raise CleanupError if that cannot be done."""
    with job.at_table(engine, write=False) as table:
        native = table.column_type if table.is_native else None
        statistics = TimeStatistics(job.now, job.cutoff, job.time_zone, native)
        for value, rows in table.stored_times():
            statistics.add(value, rows)
    return statistics.counts()


def preview(engine: Engine, job: Job, deadline: Deadline) -> Preview:
    """Count what a run would delete; raise CleanupError for anything that would stop it."""
    with prune.trial(engine, job) as table:
        table.check_writable()
        if ledger := Ledger.find(engine, table.connection):
            ledger.check_writable(table, job)
    began = time.monotonic()
    result = prune.prune(engine, job, deadline)
    seconds = time.monotonic() - began
    return Preview(prune.foresee(engine, job, result), seconds)


def estimate(
    preview: Preview, past: Sequence[Mapping[str, Any]], batch_seconds: float
) -> RunEstimate:
    """Estimate how long the write lock would be held, by what earlier runs of the table took."""
    large = [run for run in past if _tells_speed(run)]
    rate = _ROWS_PER_SECOND
    if large:
        seconds = sum(run["duration_seconds"] for run in large)
        rate = int(sum(run["deleted"] for run in large) / seconds) or 1
    whole = preview.seconds + preview.result.deleted / rate
    return RunEstimate(
        seconds=round(min(whole, batch_seconds) if batch_seconds else whole, 3),
        run_seconds=round(whole, 3),
        search_seconds=round(preview.seconds, 3),
        rows_per_second=rate,
        past_runs=len(large),
    )


def _tells_speed(run: Mapping[str, Any]) -> bool:
    """Tell whether a run was large and without pauses; what it holds may be anything."""
    deleted, seconds = run["deleted"], run["duration_seconds"]
    if not (isinstance(deleted, int) and isinstance(seconds, float)):
        return False
    return deleted >= _LEAST_ROWS and seconds >= _LEAST_SECONDS and run["batches"] == 1
