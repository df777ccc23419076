"""The job itself: one transaction that deletes the stale rows and records the run."""

import contextlib
import dataclasses
import socket
from typing import Optional

from sqlalchemy.engine import Connection

from geocache_cleanup import __version__
from geocache_cleanup.deadline import Deadline
from geocache_cleanup.engines.base import Backend, Target, count_rows
from geocache_cleanup.errors import CleanupError, DataError, DeadlineError
from geocache_cleanup.pruning import ledger
from geocache_cleanup.pruning.job import Job, Result
from geocache_cleanup.times import instants

# The run is late already.
_SECONDS_TO_COUNT = 0.7


class Progress:
    """Hears how a run gets on; this one ignores it."""

    def started(self, seconds: float) -> None:
        """Note that the table is found and, unless this is a dry run, was locked.

        ``seconds`` are left of the time that the run may take.
        """

    def advance(self, done: int, total: int) -> None:
        """Note how many of the stale rows have been dealt with."""


SILENT = Progress()


def prune(backend: Backend, job: Job, deadline: Deadline, progress: Progress = SILENT) -> Result:
    """Delete the stale rows, all or none of them, or count them with ``dry_run``.

    Raise CleanupError if anything stops the run, Interrupted after a signal; the database is
    then as it was.
    """
    target = None
    try:
        with job.at_table(backend, write=not job.dry_run) as (connection, target):
            progress.started(deadline.remaining)
            result = _delete_and_record(backend, connection, target, job, deadline)
            # Past this point the run is committed, whatever arrives.
            deadline.check()
    except DeadlineError as error:
        # Either it never came to delete anything, or a part of it is done.
        if target is None or job.dry_run or not target.atomic:
            raise
        raise _too_slow(backend, job, deadline, error) from None
    return dataclasses.replace(result, duration_seconds=round(deadline.elapsed, 3))


def _too_slow(
    backend: Backend, job: Job, deadline: Deadline, error: DeadlineError
) -> DeadlineError:
    """Say how much there is to do, unless that takes long as well."""
    deadline.extend(_SECONDS_TO_COUNT)
    stale = "more stale rows than can be counted quickly"
    with contextlib.suppress(CleanupError):
        with job.at_table(backend, write=False) as (connection, target):
            counted = _delete_all(
                backend, connection, target, dataclasses.replace(job, dry_run=True)
            )
        stale = f"{counted.deleted} stale rows"
    return DeadlineError(
        f"{error.reason}: there are {stale}; nothing was deleted",
        f"use --batch-seconds {min(1.0, job.timeout / 10):g}, which deletes them in a series of "
        "transactions and goes on where the last run stopped; or raise --timeout",
    )


class _Rollback(Exception):  # noqa: N818 - it ends a rehearsal, nothing is wrong
    """Raised to roll a transaction back."""


def try_delete(backend: Backend, job: Job) -> None:
    """Delete the stale rows and undo it: only doing shows what triggers and foreign keys refuse.

    Raise CleanupError if they would stop a run.
    """
    with contextlib.suppress(_Rollback), job.at_table(backend, write=True) as (connection, target):
        _delete_guarded(backend, connection, target, dataclasses.replace(job, dry_run=False))
        backend.check_deferred_constraints(connection)
        raise _Rollback


def _delete_and_record(
    backend: Backend, connection: Connection, target: Target, job: Job, deadline: Deadline
) -> Result:
    pages = backend.spare_pages(connection)
    result = _delete_guarded(backend, connection, target, job)
    if job.dry_run:
        return result
    result = dataclasses.replace(
        result,
        duration_seconds=round(deadline.elapsed, 3),
        freed_pages=freed(pages, backend.spare_pages(connection)),
    )
    if ledger.exists(connection):
        ledger.write(connection, record(job, result))
    return result


def freed(before: Optional[int], after: Optional[int]) -> Optional[int]:
    """Return the pages freed between two looks at the spare ones; others may have used some."""
    return None if before is None or after is None else max(0, after - before)


def _delete_guarded(backend: Backend, connection: Connection, target: Target, job: Job) -> Result:
    if job.max_delete_percent == 100:
        return _delete_all(backend, connection, target, job)
    total = count_rows(connection, target, None)
    result = _delete_all(backend, connection, target, job)
    # Cascades and triggers may have taken more rows of the table than were stale.
    gone = total - count_rows(connection, target, None)
    check_share(max(result.deleted, gone), total, job.max_delete_percent)
    return result


def _delete_all(backend: Backend, connection: Connection, target: Target, job: Job) -> Result:
    deleted = unreadable = 0
    for search in backend.stale_conditions(connection, target, job.cutoff, job.now, job.time_zone):
        if search.stale is not None and job.dry_run:
            deleted += count_rows(connection, target, search.stale)
        elif search.stale is not None:
            deleted += connection.execute(backend.delete_statement(target, search.stale)).rowcount
        # Counted afterwards, when the stale rows are out of the way; see MySQL.searches.
        if search.unreadable is not None:
            unreadable += count_rows(connection, target, search.unreadable)
    return Result(
        deleted=deleted,
        unreadable=unreadable,
        batches=0 if job.dry_run else 1,
        atomic=target.atomic,
    )


def check_share(deleted: int, total: int, percent: int) -> None:
    """Raise DataError if ``deleted`` rows are more than ``percent`` of ``total``."""
    if deleted * 100 > total * percent:
        raise DataError(
            f"a run would delete {deleted} of {total} rows, more than the {percent} percent that "
            "--max-delete-percent allows",
            "look at the system clock and at geocache-cleanup check; if it is right, raise the "
            "limit for one run",
        )


def record(job: Job, result: Result) -> ledger.Record:
    """Return what the ledger keeps of a run."""
    return ledger.Record(
        run_id=job.run_id,
        started_at=instants.to_datetime(job.now),
        duration_seconds=result.duration_seconds,
        table_name=job.table,
        time_column=job.time_column,
        cutoff=instants.to_datetime(job.cutoff),
        retention_days=job.retention_days,
        deleted=result.deleted,
        unreadable=result.unreadable,
        batches=result.batches,
        host=socket.gethostname(),
        version=__version__,
    )
