"""What a run is to do, and what it has done."""

import dataclasses
import datetime as dt
from dataclasses import dataclass
from typing import ContextManager, Mapping, Optional

from sqlalchemy.engine import Connection

from geocache_cleanup.config.settings import Settings
from geocache_cleanup.engines.base import Backend, Target, at_table


@dataclass(frozen=True)
class Job:
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
    timeout: float = 60.0
    batch_seconds: float = 0.0

    @classmethod
    def of(cls, settings: Settings, *, dry_run: bool, run_id: str) -> "Job":
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
            timeout=settings.timeout,
            batch_seconds=settings.batch_seconds,
        )

    def at_table(
        self, backend: Backend, *, write: bool
    ) -> ContextManager[tuple[Connection, Target]]:
        """Open a transaction at the table; see ``backend.at_table``."""
        return at_table(backend, self.table, self.time_column, write=write)


@dataclass(frozen=True)
class Result:
    """What a run did: rows deleted, values it could not read, transactions, seconds.

    ``atomic`` is false on an engine that could not have undone it, had it been interrupted.
    ``freed_pages`` are pages of a SQLite file that new rows can use; elsewhere it is None.
    """

    deleted: int = 0
    unreadable: int = 0
    batches: int = 0
    duration_seconds: float = 0.0
    atomic: bool = True
    freed_pages: Optional[int] = None

    def as_fields(self) -> Mapping[str, object]:
        """Return the result as fields of an event, without those that have nothing to say."""
        silent = {"atomic": True, "freed_pages": None}
        return {
            name: value
            for name, value in dataclasses.asdict(self).items()
            if name not in silent or value != silent[name]
        }
