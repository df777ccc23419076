"""What a run is to do."""

import datetime as dt
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from geocache_cleanup.config.settings import Settings

if TYPE_CHECKING:
    from geocache_cleanup.engines.base import Engine
    from geocache_cleanup.engines.table import Table


@dataclass(frozen=True)
class Job:
    """What to prune. ``cutoff`` and ``now`` are instants in microseconds."""

    table: str
    time_column: str
    time_zone: dt.tzinfo
    cutoff: int
    now: int
    retention_days: int | None
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

    def at_table(self, engine: "Engine", *, write: bool) -> AbstractContextManager["Table"]:
        """Open a transaction at the table; see ``Engine.at_table``."""
        return engine.at_table(self.table, self.time_column, write=write)
