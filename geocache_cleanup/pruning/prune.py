"""The job itself: one transaction that deletes the stale rows and records the run."""

import contextlib
import dataclasses
import socket
from typing import Optional

from sqlalchemy.engine import Connection

from geocache_cleanup import __version__
from geocache_cleanup.deadline import Watch
from geocache_cleanup.engines.base import Backend, Target, count_rows
from geocache_cleanup.errors import CleanupError, DataError, DeadlineError
from geocache_cleanup.pruning import ledger
from geocache_cleanup.pruning.job import Order, Result
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


def prune(backend: Backend, order: Order, watch: Watch, progress: Progress = SILENT) -> Result:
    """Delete the stale rows, all or none of them, or count them with ``dry_run``.

    Raise CleanupError if anything stops the run, Interrupted after a signal; the database is
    then as it was.
    """
    target = None
    try:
        with order.at_table(backend, write=not order.dry_run) as (connection, target):
            progress.started(watch.remaining)
            result = _delete_and_record(backend, connection, target, order, watch)
            # Past this point the run is committed, whatever arrives.
            watch.check()
    except DeadlineError as error:
        # Either it never came to delete anything, or a part of it is done.
        if target is None or order.dry_run or not target.atomic:
            raise
        raise _too_slow(backend, order, watch, error) from None
    return dataclasses.replace(result, duration_seconds=round(watch.elapsed, 3))


def _too_slow(backend: Backend, order: Order, watch: Watch, error: DeadlineError) -> DeadlineError:
    """Say how much there is to do, unless that takes long as well."""
    watch.extend(_SECONDS_TO_COUNT)
    stale = "more stale rows than can be counted quickly"
    with contextlib.suppress(CleanupError):
        with order.at_table(backend, write=False) as (connection, target):
            counted = _delete_all(
                backend, connection, target, dataclasses.replace(order, dry_run=True)
            )
        stale = f"{counted.deleted} stale rows"
    return DeadlineError(
        f"{error.reason}: there are {stale}; nothing was deleted",
        f"use --batch-seconds {min(1.0, order.timeout / 10):g}, which deletes them in a series of "
        "transactions and goes on where the last run stopped; or raise --timeout",
    )


class _Undo(Exception):  # noqa: N818 - it ends a rehearsal, nothing is wrong
    """Raised to roll a transaction back."""


def rehearse(backend: Backend, order: Order) -> None:
    """Delete the stale rows and undo it: only doing shows what triggers and foreign keys refuse.

    Raise CleanupError if they would stop a run.
    """
    with contextlib.suppress(_Undo), order.at_table(backend, write=True) as (connection, target):
        _delete_guarded(backend, connection, target, dataclasses.replace(order, dry_run=False))
        backend.settle(connection)
        raise _Undo


def _delete_and_record(
    backend: Backend, connection: Connection, target: Target, order: Order, watch: Watch
) -> Result:
    pages = backend.spare_pages(connection)
    result = _delete_guarded(backend, connection, target, order)
    if order.dry_run:
        return result
    result = dataclasses.replace(
        result,
        duration_seconds=round(watch.elapsed, 3),
        freed_pages=freed(pages, backend.spare_pages(connection)),
    )
    if ledger.exists(connection):
        ledger.write(connection, record(order, result))
    return result


def freed(before: Optional[int], after: Optional[int]) -> Optional[int]:
    """Return the pages freed between two looks at the spare ones; others may have used some."""
    return None if before is None or after is None else max(0, after - before)


def _delete_guarded(
    backend: Backend, connection: Connection, target: Target, order: Order
) -> Result:
    if order.max_delete_percent == 100:
        return _delete_all(backend, connection, target, order)
    total = count_rows(connection, target, None)
    result = _delete_all(backend, connection, target, order)
    # Cascades and triggers may have taken more rows of the table than were stale.
    gone = total - count_rows(connection, target, None)
    check_share(max(result.deleted, gone), total, order.max_delete_percent)
    return result


def _delete_all(backend: Backend, connection: Connection, target: Target, order: Order) -> Result:
    deleted = unreadable = 0
    for search in backend.searches(connection, target, order.cutoff, order.now, order.time_zone):
        if search.stale is not None and order.dry_run:
            deleted += count_rows(connection, target, search.stale)
        elif search.stale is not None:
            deleted += connection.execute(backend.deletion(target, search.stale)).rowcount
        # Counted afterwards, when the stale rows are out of the way; see MySQL.searches.
        if search.unreadable is not None:
            unreadable += count_rows(connection, target, search.unreadable)
    return Result(
        deleted=deleted,
        unreadable=unreadable,
        batches=0 if order.dry_run else 1,
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


def record(order: Order, result: Result) -> ledger.Record:
    """Return what the ledger keeps of a run."""
    return ledger.Record(
        run_id=order.run_id,
        started_at=instants.to_datetime(order.now),
        duration_seconds=result.duration_seconds,
        table_name=order.table,
        time_column=order.time_column,
        cutoff=instants.to_datetime(order.cutoff),
        retention_days=order.retention_days,
        deleted=result.deleted,
        unreadable=result.unreadable,
        batches=result.batches,
        host=socket.gethostname(),
        version=__version__,
    )
