"""The job itself: one transaction that deletes the stale rows and records the run."""

import contextlib
import dataclasses
import datetime as dt
import socket
from dataclasses import dataclass
from typing import Callable, Mapping, Optional

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from geocache_cleanup import __version__, instants, ledger
from geocache_cleanup.database import Backend, Condition, Target
from geocache_cleanup.errors import DataError
from geocache_cleanup.settings import Settings
from geocache_cleanup.watch import Watch


@dataclass(frozen=True)
class Order:
    """What to prune. ``cutoff`` and ``now`` are instants in microseconds."""

    table: str
    time_column: str
    time_zone: dt.tzinfo
    cutoff: int
    now: int
    retention_days: Optional[int]
    max_delete_percent: int
    dry_run: bool
    run_id: str

    @classmethod
    def of(cls, settings: Settings, *, dry_run: bool, run_id: str) -> "Order":
        """Take what the work needs from the settings."""
        return cls(
            table=settings.table,
            time_column=settings.time_column,
            time_zone=settings.time_zone,
            cutoff=settings.cutoff,
            now=settings.now,
            retention_days=settings.retention_days,
            max_delete_percent=settings.max_delete_percent,
            dry_run=dry_run,
            run_id=run_id,
        )


@dataclass(frozen=True)
class Result:
    """What a run did: rows deleted, values it could not read, transactions, seconds.

    ``atomic`` is false on an engine that could not have undone it, had it been interrupted.
    """

    deleted: int = 0
    unreadable: int = 0
    batches: int = 0
    duration_seconds: float = 0.0
    atomic: bool = True

    def as_fields(self) -> Mapping[str, object]:
        """Return the result as fields of an event: ``atomic`` only where it is out of order."""
        fields = dataclasses.asdict(self)
        if self.atomic:
            del fields["atomic"]
        return fields


def prune(
    backend: Backend, order: Order, watch: Watch, started: Callable[[], None] = lambda: None
) -> Result:
    """Delete the stale rows, all or none of them, or count them with ``dry_run``.

    ``started`` is called once the table is found and, unless this is a dry run, locked.
    Raise CleanupError if anything stops the run, Interrupted after a signal; the database is
    then as it was.
    """
    with backend.connect(write=not order.dry_run) as connection:
        target = backend.find(connection, order.table, order.time_column)
        started()
        result = _delete_guarded(backend, connection, target, order)
        result = dataclasses.replace(result, duration_seconds=round(watch.elapsed, 3))
        if not order.dry_run and ledger.exists(connection):
            ledger.write(connection, _record(order, result))
        # Past this point the run is committed, whatever arrives.
        watch.check()
    return dataclasses.replace(result, duration_seconds=round(watch.elapsed, 3))


class _Undo(Exception):  # noqa: N818 - it ends a rehearsal, nothing is wrong
    """Raised to roll a transaction back."""


def rehearse(backend: Backend, order: Order) -> None:
    """Delete the stale rows and undo it: only doing shows what triggers and foreign keys refuse.

    Raise CleanupError if they would stop a run.
    """
    with contextlib.suppress(_Undo), backend.connect(write=True) as connection:
        target = backend.find(connection, order.table, order.time_column)
        _delete_guarded(backend, connection, target, dataclasses.replace(order, dry_run=False))
        raise _Undo


def _delete_guarded(
    backend: Backend, connection: Connection, target: Target, order: Order
) -> Result:
    if order.max_delete_percent == 100:
        return _delete_all(backend, connection, target, order)
    total = _count(connection, target, None)
    result = _delete_all(backend, connection, target, order)
    # Cascades and triggers may have taken more rows of the table than were stale.
    gone = total - _count(connection, target, None)
    check_share(max(result.deleted, gone), total, order.max_delete_percent)
    return result


def _delete_all(backend: Backend, connection: Connection, target: Target, order: Order) -> Result:
    deleted = unreadable = 0
    for search in backend.searches(connection, target, order.cutoff, order.now, order.time_zone):
        if search.stale is not None and order.dry_run:
            deleted += _count(connection, target, search.stale)
        elif search.stale is not None:
            deleted += connection.execute(backend.deletion(target, search.stale)).rowcount
        # Counted afterwards, when the stale rows are out of the way.
        if search.unreadable is not None:
            unreadable += _count(connection, target, search.unreadable)
    return Result(
        deleted=deleted,
        unreadable=unreadable,
        batches=0 if order.dry_run else 1,
        atomic=target.atomic,
    )


def _count(connection: Connection, target: Target, condition: Optional[Condition]) -> int:
    statement = sa.select(sa.func.count()).select_from(target.table)
    if condition is not None:
        statement = statement.where(condition)
    return int(connection.execute(statement).scalar_one())


def check_share(deleted: int, total: int, percent: int) -> None:
    """Raise DataError if ``deleted`` rows are more than ``percent`` of ``total``."""
    if deleted * 100 > total * percent:
        raise DataError(
            f"a run would delete {deleted} of {total} rows, more than the {percent} percent that "
            "--max-delete-percent allows; nothing was deleted",
            "look at the system clock and at geocache-cleanup check; if it is right, raise the "
            "limit for one run",
        )


def _record(order: Order, result: Result) -> ledger.Record:
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
