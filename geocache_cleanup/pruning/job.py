"""What a run is to do."""

import dataclasses
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
    batch_seconds: float = 0.0

    @classmethod
    def of(cls, settings: Settings, *, dry_run: bool, run_id: str) -> "Job":
        """Take what the work needs from the settings: the fields of the same names."""
        names = {field.name for field in dataclasses.fields(cls)}
        shared = {name: value for name, value in vars(settings).items() if name in names}
        return cls(**shared, dry_run=dry_run, run_id=run_id)

    def at_table(self, engine: "Engine", *, write: bool) -> AbstractContextManager["Table"]:
        """Open a transaction at the table; see ``Engine.at_table``."""
        return engine.at_table(self.table, self.time_column, write=write)
