"""The job in batches: a series of transactions, each short enough for a busy application."""

import dataclasses
import gc
import time
from collections.abc import Sequence

from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError

from geocache_cleanup.deadline import Deadline
from geocache_cleanup.engines.backlog import Backlog
from geocache_cleanup.engines.base import Engine
from geocache_cleanup.engines.table import StaleCondition, Table
from geocache_cleanup.errors import CleanupError, DeadlineError
from geocache_cleanup.pruning import prune
from geocache_cleanup.pruning.batch_guard import BatchGuard
from geocache_cleanup.pruning.batch_sizer import BatchSizer
from geocache_cleanup.pruning.job import Job
from geocache_cleanup.pruning.progress import SILENT, Progress
from geocache_cleanup.pruning.prune import freed
from geocache_cleanup.result import Result

# The search, too, may keep writers out, and each of its transactions has a cost.
LEAST_SEARCH_SECONDS = 0.02
# Searches in a row of which nothing could be deleted: a table may be rewritten after one.
_MOST_FRUITLESS = 2
# Of the first search, so that something is deleted soon; each next one may take twice as long.
_FIRST_SEARCH_SECONDS = 2.0


def run(engine: Engine, job: Job, deadline: Deadline, progress: Progress = SILENT) -> Result:
    """Prune as ordered, at once or in batches; raise what ``prune.prune`` raises."""
    work = prune_in_batches if job.batch_seconds and not job.dry_run else prune.prune
    return work(engine, job, deadline, progress)


def prune_in_batches(
    engine: Engine, job: Job, deadline: Deadline, progress: Progress = SILENT
) -> Result:
    """Delete the stale rows in transactions of about ``job.batch_seconds`` each.

    Raise what ``prune.prune`` raises: the batches before are kept, and told as ``partial``.
    """
    # Off since the start: but statements leave cycles behind, and these hold a batch's keys.
    gc.freeze()
    gc.enable()
    batch_run = BatchRun(engine, job, deadline, progress)
    try:
        with engine.open(write=True) as connection:
            batch_run.run(connection)
    except Exception as error:
        batch_run.tell(error)
        raise
    return dataclasses.replace(batch_run.result, duration_seconds=round(deadline.elapsed, 3))


class BatchRun:
    """One run in batches: what is done so far, and what is left."""

    def __init__(self, engine: Engine, job: Job, deadline: Deadline, progress: Progress) -> None:
        self._engine = engine
        self._job = job
        self._deadline = deadline
        self._progress = progress
        self._sizer = BatchSizer(job.batch_seconds)
        self._seconds = max(job.batch_seconds, LEAST_SEARCH_SECONDS)
        self._guard = BatchGuard(engine, job)
        self._stale_deleted = 0
        self._is_open = False
        self._pages: int | None = None
        self._remaining = 0
        # Until then there may be more stale rows than remain of those found.
        self._is_all_found = False
        self.result = Result()

    def run(self, connection: Connection) -> None:
        """Search, then delete batch by batch; raise what ``prune.prune`` raises."""
        with self._engine.transaction(connection, write=True):
            table = self._guard.find(connection)
            self._pages = self._engine.spare_pages(connection)
        self._progress.started(self._deadline.remaining)
        try:
            self._prune(table)
        except DBAPIError as error:
            found = self._engine.translate_error(error)
            if not (isinstance(found, CleanupError) and found.status.retryable):
                # The search fails where the column is another one by now, or the ledger is gone.
                self._guard.look_again(table)
            raise

    def _prune(self, table: Table) -> None:
        fruitless = found = gone = 0
        while fruitless < _MOST_FRUITLESS:
            layout = self._engine.layout(table.connection)
            found, gone = self._pass(table)
            has_moved = self._engine.layout(table.connection) != layout
            # What a trigger keeps, or has marked, is not tried a second time.
            if self._guard.others_act or (gone >= found and not has_moved):
                break
            # Rows have moved or changed since they were found, or were passed over: look again.
            fruitless = 0 if gone else fruitless + 1
            self._guard.look_again(table)
        if gone < found or self._guard.others_act:
            self.result = dataclasses.replace(self.result, kept=self._count_stale(table))

    def _count_stale(self, table: Table) -> int:
        self._guard.look_again(table)
        return table.count_stale(self._conditions(table), self._seconds)

    def _pass(self, table: Table) -> tuple[int, int]:
        """Delete what is found; return how many rows that were, and how many of them went."""
        backlog = table.backlog(self._conditions(table), self._seconds)
        if self._guard.limits(table):
            self._guard.check_share(self.result.deleted + self._count_stale(table))
        before, found, seconds = self._stale_deleted, 0, _FIRST_SEARCH_SECONDS
        while not backlog.is_complete:
            self._deadline.check()
            gone = self._stale_deleted
            backlog.search(min(seconds, self._deadline.remaining / 4))
            seconds *= 2
            self._is_all_found = backlog.is_complete
            found += backlog.remaining
            if self._delete_found(table, backlog, found) and self._stale_deleted == gone:
                break  # others change or keep them all: another search would find the same
        return found, self._stale_deleted - before

    def _delete_found(self, table: Table, backlog: Backlog, total: int) -> bool:
        """Delete the rows of one search, ``total`` being those of all; tell whether it had any."""
        has_found = bool(backlog.remaining)
        self._remaining = backlog.remaining
        while self._remaining or self._is_untold(backlog):
            self._deadline.check()
            self._batch(table, backlog)
            self._progress.advance(total - self._remaining, total)
            began = time.monotonic()
            self._engine.after_batch(table.connection)
            if self._remaining:
                time.sleep(self._sizer.pause(time.monotonic() - began))
        return has_found

    def _is_untold(self, backlog: Backlog) -> bool:
        """Tell whether the ledger lacks the run, or what the last search could not read."""
        told = self.result
        return backlog.is_complete and not (told.batches and told.unreadable == backlog.unreadable)

    def tell(self, error: Exception) -> None:
        """Say in the error, be it a bug, what is done already."""
        remaining = self._remaining if self._is_all_found else None
        atomic = self._guard.atomic or not (self._is_open or self.result.batches)
        if self._is_open and not atomic:
            # A part of this batch may be done.
            self.result = Result()
        vars(error)["partial"] = dataclasses.replace(
            self.result, atomic=atomic, remaining=remaining, freed_pages=None
        )
        if isinstance(error, DeadlineError) and self.result.batches:
            error.hint = error.service_hint = (
                "run it again and it goes on, as systemd does; or raise --timeout"
            )

    def _conditions(self, table: Table) -> Sequence[StaleCondition]:
        job = self._job
        with self._engine.transaction(table.connection, write=False):
            return table.stale_conditions(job.cutoff, job.now, job.time_zone)

    def _batch(self, table: Table, backlog: Backlog) -> None:
        rows = min(self._sizer.rows(self._deadline.remaining), self._remaining)
        self._is_open = True
        with self._engine.transaction(table.connection, write=True):
            locked = time.monotonic()
            table.lock()
            self._guard.compare(table)
            result = dataclasses.replace(
                self.result,
                deleted=self.result.deleted + self._delete(table, backlog, rows),
                unreadable=backlog.unreadable,
                batches=self.result.batches + 1,
                atomic=self._guard.atomic,
                freed_pages=freed(self._pages, self._engine.spare_pages(table.connection)),
                duration_seconds=round(self._deadline.elapsed, 3),
            )
            self._guard.record(result)
            self._deadline.check()
        self._is_open = False
        self._sizer.learn(rows, time.monotonic() - locked)
        self.result, self._remaining = result, backlog.remaining

    def _delete(self, table: Table, backlog: Backlog, rows: int) -> int:
        if not self._guard.others_act:
            deleted = backlog.delete(table.connection, rows)
            self._stale_deleted += deleted
            return deleted
        before = table.tally()
        deleted = backlog.delete(table.connection, rows)
        self._stale_deleted += deleted
        gone = table.count_deleted(before, deleted)
        self._guard.check_share(self.result.deleted + gone)
        return gone
