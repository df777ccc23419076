"""The job in batches: a series of transactions, each short enough for a busy application."""

import dataclasses
import time
from typing import Optional

from sqlalchemy.engine import Connection

from geocache_cleanup.deadline import Deadline
from geocache_cleanup.engines.backlog import Backlog
from geocache_cleanup.engines.base import Backend, Target, count_rows
from geocache_cleanup.errors import DeadlineError, Partial
from geocache_cleanup.pruning import ledger, prune
from geocache_cleanup.pruning.job import Job, Result
from geocache_cleanup.pruning.prune import SILENT, Progress, check_share, freed, record

_FIRST_ROWS = 500
# A commit takes its time whatever it holds: fewer rows would only mean more commits.
_LEAST_ROWS = 100
# What was measured last is no promise: aim a little lower, and grow in steps.
_CAUTION = 0.9
_GROWTH = 2
# The search, too, may keep writers out, and each of its transactions has a cost.
LEAST_SEARCH_SECONDS = 0.02
# Writers that wait for SQLite's lock ask ever more rarely, at last ten times a second.
_LONGEST_PAUSE = 0.1
_PAUSE_SHARE = 0.5


def run(backend: Backend, job: Job, deadline: Deadline, progress: Progress = SILENT) -> Result:
    """Prune as ordered, at once or in batches; raise what ``prune.prune`` raises."""
    work = prune_in_batches if job.batch_seconds and not job.dry_run else prune.prune
    return work(backend, job, deadline, progress)


def prune_in_batches(
    backend: Backend, job: Job, deadline: Deadline, progress: Progress = SILENT
) -> Result:
    """Delete the stale rows in transactions of about ``job.batch_seconds`` each.

    Raise what ``prune.prune`` raises: the batches before are kept, and told as ``partial``.
    """
    batch_run = BatchRun(backend, job, deadline, progress)
    try:
        with backend.open(write=True) as connection:
            batch_run.run(connection)
    except Exception as error:
        batch_run.tell(error)
        raise
    return dataclasses.replace(batch_run.result, duration_seconds=round(deadline.elapsed, 3))


class BatchSizer:
    """Chooses how many rows the next batch gets, by how long the last one took."""

    def __init__(self, seconds: float) -> None:
        """Aim at batches of so many seconds."""
        self._seconds = seconds
        self._rows = _FIRST_ROWS

    def rows(self, remaining: float) -> int:
        """Return the rows of a batch that has to end well within so many seconds."""
        return max(1, int(self._rows * min(1.0, remaining / 2 / self._seconds)))

    def learn(self, rows: int, took: float) -> None:
        """Take in that so many rows took so many seconds."""
        fitting = _CAUTION * self._seconds * rows / max(took, 1e-6)
        self._rows = max(_LEAST_ROWS, min(int(fitting), rows * _GROWTH))

    def pause(self, spent: float) -> float:
        """Return how long to leave the database alone, when some of the time is over already."""
        whole = min(self._seconds * _PAUSE_SHARE, _LONGEST_PAUSE)
        return max(whole - spent, whole / 4)


class BatchRun:
    """One run in batches: what is done so far, and what is left."""

    def __init__(self, backend: Backend, job: Job, deadline: Deadline, progress: Progress) -> None:
        self._backend = backend
        self._job = job
        self._deadline = deadline
        self._progress = progress
        self._sizer = BatchSizer(job.batch_seconds)
        self._has_ledger = False
        # Rows of the table at the start, where more of them may go than are stale; and gone ones.
        self._rows_guarded: Optional[int] = None
        self._gone = 0
        self._record: Optional[int] = None
        self._remaining = 0
        self.result = Result()

    def run(self, connection: Connection) -> None:
        """Search, then delete batch by batch; raise what ``prune.prune`` raises."""
        target, pages = self._find(connection)
        backlog = self._search(connection, target)
        total = self._remaining = backlog.remaining
        while self._remaining or not self.result.batches:
            self._deadline.check()
            self._batch(connection, target, backlog, pages)
            self._progress.advance(total - self._remaining, total)
            began = time.monotonic()
            self._backend.after_batch(connection)
            if self._remaining:
                time.sleep(self._sizer.pause(time.monotonic() - began))

    def tell(self, error: Exception) -> None:
        """Say in the error, be it a bug, what is done already."""
        vars(error)["partial"] = Partial(
            deleted=self.result.deleted,
            unreadable=self.result.unreadable,
            batches=self.result.batches,
            remaining=self._remaining,
        )
        if isinstance(error, DeadlineError) and self.result.batches:
            error.hint = "run it again and it goes on, as systemd does; or raise --timeout"

    def _find(self, connection: Connection) -> tuple[Target, Optional[int]]:
        """Find the table, locked: whoever may not write learns it before a long search."""
        with self._backend.transaction(connection, write=True):
            target = self._backend.inspect_table(connection, self._job.table, self._job.time_column)
            self._backend.lock(connection, target)
            self._backend.check_writable(connection, target)
            self._has_ledger = ledger.exists(connection)
            pages = self._backend.spare_pages(connection)
        self.result = dataclasses.replace(self.result, atomic=target.atomic)
        self._progress.started(self._deadline.remaining)
        return target, pages

    def _search(self, connection: Connection, target: Target) -> Backlog:
        job = self._job
        with self._backend.transaction(connection, write=False):
            conditions = self._backend.stale_conditions(
                connection, target, job.cutoff, job.now, job.time_zone
            )
        seconds = max(job.batch_seconds, LEAST_SEARCH_SECONDS)
        backlog = self._backend.backlog(connection, target, conditions, seconds)
        if job.max_delete_percent < 100:
            with self._backend.transaction(connection, write=False):
                total = count_rows(connection, target, None)
                if self._backend.may_cascade(connection, target):
                    self._rows_guarded = total
            check_share(backlog.remaining, total, job.max_delete_percent)
        return backlog

    def _batch(
        self, connection: Connection, target: Target, backlog: Backlog, pages: Optional[int]
    ) -> None:
        rows = self._sizer.rows(self._deadline.remaining)
        with self._backend.transaction(connection, write=True):
            locked = time.monotonic()
            self._backend.lock(connection, target)
            result = dataclasses.replace(
                self.result,
                deleted=self.result.deleted + self._delete(connection, target, backlog, rows),
                unreadable=backlog.unreadable,
                batches=self.result.batches + 1,
                freed_pages=freed(pages, self._backend.spare_pages(connection)),
                duration_seconds=round(self._deadline.elapsed, 3),
            )
            self._write(connection, result)
            self._deadline.check()
        self._sizer.learn(rows, time.monotonic() - locked)
        self.result, self._remaining = result, backlog.remaining

    def _delete(self, connection: Connection, target: Target, backlog: Backlog, rows: int) -> int:
        if self._rows_guarded is None:
            return backlog.delete(connection, rows)
        # Cascades and triggers may take more rows of the table than are stale.
        before = count_rows(connection, target, None)
        deleted = backlog.delete(connection, rows)
        self._gone += max(deleted, before - count_rows(connection, target, None))
        check_share(self._gone, self._rows_guarded, self._job.max_delete_percent)
        return deleted

    def _write(self, connection: Connection, result: Result) -> None:
        if not self._has_ledger:
            return
        entry = record(self._job, result)
        if self._record is None:
            self._record = ledger.write(connection, entry)
        else:
            ledger.update(connection, self._record, entry)
