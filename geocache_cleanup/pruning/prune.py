"""The job itself: one transaction that deletes the stale rows and records the run."""

import contextlib
import dataclasses
from collections.abc import Iterator

from geocache_cleanup.deadline import Deadline
from geocache_cleanup.engines.base import Engine
from geocache_cleanup.engines.table import Table, any_stale
from geocache_cleanup.errors import CleanupError, DataError, DeadlineError
from geocache_cleanup.pruning.job import Job
from geocache_cleanup.pruning.ledger import NAME, Ledger
from geocache_cleanup.pruning.progress import SILENT, Progress
from geocache_cleanup.result import Result

# The run is late already.
_SECONDS_TO_COUNT = 0.7


def prune(engine: Engine, job: Job, deadline: Deadline, progress: Progress = SILENT) -> Result:
    """Delete the stale rows, all or none of them, or count them with ``dry_run``.

    Raise CleanupError if anything stops the run, Interrupted after a signal; the database is
    then as it was.
    """
    table = None
    atomic = True
    try:
        with job.at_table(engine, write=not job.dry_run) as table:
            progress.started(deadline.remaining)
            if not (table.atomic or job.dry_run):
                _look_first(table, job)
            atomic = is_atomic(table)
            result = _delete_and_record(table, job, deadline)
            # Past this point the run is committed, whatever arrives.
            deadline.check()
    except Exception as error:
        if not (atomic or job.dry_run):
            vars(error)["partial"] = Result(atomic=False)
        # All is undone: how much there is to do can be counted.
        elif isinstance(error, DeadlineError) and table is not None and not job.dry_run:
            raise _too_slow(engine, job, deadline, error) from None
        raise
    seconds = round(deadline.elapsed, 3)
    return dataclasses.replace(result, atomic=atomic, duration_seconds=seconds)


def is_atomic(table: Table) -> bool:
    """Tell whether the database can undo a run: what it does to the table, and to the ledger."""
    return table.atomic and table.engine.has_transactions(table.connection, NAME)


def _too_slow(engine: Engine, job: Job, deadline: Deadline, error: DeadlineError) -> DeadlineError:
    """Say how much there is to do, unless that takes long as well."""
    deadline.extend(_SECONDS_TO_COUNT)
    stale = "more stale rows than can be counted quickly"
    with contextlib.suppress(CleanupError):
        with job.at_table(engine, write=False) as table:
            counted = _delete_all(table, dataclasses.replace(job, dry_run=True))
        stale = f"{counted.deleted} stale rows"
    return DeadlineError(
        f"{error.reason}: there are {stale}; nothing was deleted",
        f"use --batch-seconds {min(1.0, deadline.timeout / 10):g}, which deletes them in a series "
        "of transactions and goes on where the last run stopped; or raise --timeout",
    )


class _Rollback(Exception):  # noqa: N818 - it ends a trial, nothing is wrong
    """Raised to roll a transaction back."""


@contextlib.contextmanager
def trial(engine: Engine, job: Job) -> Iterator[Table]:
    """Open a transaction at the table, locked, and roll it back.

    Even a DELETE that meets no row fires the triggers of statements, which may write.

    Raise CleanupError for what would stop a run.
    """
    with contextlib.suppress(_Rollback), job.at_table(engine, write=True) as table:
        yield table
        raise _Rollback


def try_delete(engine: Engine, job: Job) -> Result:
    """Delete the stale rows and undo it: only doing shows what triggers and foreign keys do.

    Return what a run would have done. Raise CleanupError if they would stop it.
    """
    with trial(engine, job) as table, table.constraints_in_time():
        return _delete_guarded(table, dataclasses.replace(job, dry_run=False))


def foresee(engine: Engine, job: Job, counted: Result) -> Result:
    """Return what a dry run has counted, with what triggers and foreign keys would make of it.

    That can only be tried, where it can be undone. Raise CleanupError if they would stop a run.
    """
    if not counted.deleted:
        return counted
    with job.at_table(engine, write=False) as table:
        is_tried = table.may_cascade() and table.can_be_tried()
    if not is_tried:
        return counted
    tried = try_delete(engine, job)
    return dataclasses.replace(counted, deleted=tried.deleted, kept=tried.kept)


def _delete_and_record(table: Table, job: Job, deadline: Deadline) -> Result:
    engine, connection = table.engine, table.connection
    pages = engine.spare_pages(connection)
    result = _delete_guarded(table, job)
    if job.dry_run:
        return result
    result = dataclasses.replace(
        result,
        duration_seconds=round(deadline.elapsed, 3),
        freed_pages=freed(pages, engine.spare_pages(connection)),
    )
    if ledger := Ledger.find(engine, connection):
        ledger.write(job, result)
    return result


def freed(before: int | None, after: int | None) -> int | None:
    """Return the pages freed between two looks at the spare ones; others may have used some."""
    return None if before is None or after is None else max(0, after - before)


def _look_first(table: Table, job: Job) -> None:
    """Raise DataError if more than the share that may go would go, which nothing could undo."""
    if job.max_delete_percent < 100:
        counted = _delete_all(table, dataclasses.replace(job, dry_run=True))
        check_share(counted.deleted, table.count(), job.max_delete_percent)


def _delete_guarded(table: Table, job: Job) -> Result:
    others_act = not job.dry_run and table.may_cascade()
    is_limited = job.max_delete_percent < 100
    total = table.count() if is_limited else 0
    before = table.tally() if others_act else 0
    result = _delete_all(table, job)
    if others_act:
        conditions = table.stale_conditions(job.cutoff, job.now, job.time_zone)
        result = dataclasses.replace(
            result,
            deleted=table.count_deleted(before, result.deleted),
            kept=table.count(any_stale(conditions)),
        )
    if is_limited:
        check_share(result.deleted, total, job.max_delete_percent)
    return result


def _delete_all(table: Table, job: Job) -> Result:
    deleted = unreadable = 0
    for part in table.stale_conditions(job.cutoff, job.now, job.time_zone):
        stale, unknown = table.prune(part, dry_run=job.dry_run)
        deleted, unreadable = deleted + stale, unreadable + unknown
    return Result(deleted=deleted, unreadable=unreadable, batches=0 if job.dry_run else 1)


def check_share(deleted: int, total: int, percent: int) -> None:
    """Raise DataError if ``deleted`` rows are more than ``percent`` of ``total``."""
    if deleted * 100 > total * percent:
        raise DataError(
            f"a run would delete {deleted} of {total} rows, more than the {percent} percent that "
            "--max-delete-percent allows",
            "look at the system clock and at geocache-cleanup check; if it is right, raise "
            "--max-delete-percent, run it, and set it back",
        )
