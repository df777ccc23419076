"""A look at the database that changes nothing: its table, and what a run would do to it."""

import time
from dataclasses import dataclass
from typing import Any, Mapping, Optional, Sequence

from geocache_cleanup.deadline import Deadline
from geocache_cleanup.engines.base import Backend
from geocache_cleanup.pruning import ledger, prune
from geocache_cleanup.pruning.job import Job, Result
from geocache_cleanup.report.statistics import Counts, TimeStatistics

# Where no past run tells: SQLite took 4.5 seconds for 300,000 indexed rows of a million, on a
# machine of two cores that was busy with other things.
_ROWS_PER_SECOND = 50_000
# Smaller runs say more of how long it takes to connect.
_LEAST_ROWS = 1_000
# What a run writes at least, if not zero.
_LEAST_SECONDS = 0.001


@dataclass(frozen=True)
class TableReport:
    """What the table is; what it holds is in ``report.tally.Counts``."""

    table: str
    time_column: str
    time_column_type: str
    columns: Sequence[str]
    key: Sequence[str]
    index: Optional[str]
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


def describe(backend: Backend, job: Job) -> TableReport:
    """Look the table up; raise CleanupError if that cannot be done."""
    with job.at_table(backend, write=False) as (_, target):
        pass
    return TableReport(
        table=target.name,
        time_column=target.column_name,
        time_column_type=target.column_type,
        columns=target.columns,
        key=target.key,
        index=target.index,
        atomic=target.atomic,
    )


def count(backend: Backend, job: Job) -> Counts:
    """Read every stored time of the table; raise CleanupError if that cannot be done."""
    with job.at_table(backend, write=False) as (connection, target):
        native = target.column_type if target.native else None
        tally = TimeStatistics(job.now, job.cutoff, job.time_zone, native)
        for value, rows in backend.stored_times(connection, target):
            tally.add(value, rows)
    return tally.counts()


def preview(backend: Backend, job: Job, deadline: Deadline) -> Preview:
    """Count what a run would delete; raise CleanupError for anything that would stop it."""
    with job.at_table(backend, write=True) as (connection, target):
        backend.check_writable(connection, target)
        if ledger.exists(connection):
            ledger.check_writable(connection)
        guarded = backend.may_cascade(connection, target)
    began = time.monotonic()
    result = prune.prune(backend, job, deadline)
    seconds = time.monotonic() - began
    if guarded and result.deleted:
        prune.try_delete(backend, job)
    return Preview(result, seconds)


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
