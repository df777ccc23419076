"""What a run did: the one record from which event, ledger and metrics file take their numbers.

A new number of the audit is a field here. The metrics file has it once the field names a metric,
the ledger once a migration gives it a column of that name.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

# What the events of a run say from its start on, None where that is not known yet.
JOB_KEYS = ("table", "time_column", "database", "cutoff", "retention_days", "dry_run", "run_id")
# What a run has to say that is not atomic.
NOT_ATOMIC = (
    "the engine of the table or of the ledger has no transactions: a run that is stopped leaves "
    "a part done"
)
_NEVER = object()


class Metric(NamedTuple):
    """A metric of the last run: its name, without the prefix, and what it means."""

    name: str
    help: str


def _number(default: Any, *, silent: Any = _NEVER, metric: Metric | None = None) -> Any:
    """Declare a field; an event leaves it out where it holds what is ``silent``."""
    return dataclasses.field(default=default, metadata={"silent": silent, "metric": metric})


@dataclass(frozen=True)
class Result:
    """What a run did: rows deleted, values it could not read, transactions, seconds.

    ``deleted`` rows include those of the table that went by cascades and triggers, ``kept`` ones
    are stale and stay because a trigger or a rule keeps them.
    ``remaining`` is how many stale rows a run in batches that ended early has left. ``atomic``
    is false where an engine, of the table or of the ledger, cannot undo a run that is interrupted.
    ``freed_pages`` are pages of a SQLite file that new rows can use; elsewhere it is None.
    """

    deleted: int = _number(
        0, metric=Metric("last_run_deleted_rows", "Rows that the last run deleted.")
    )
    unreadable: int = _number(
        0,
        metric=Metric(
            "last_run_unreadable_values", "Stored times that the last run met and could not read."
        ),
    )
    kept: int = _number(
        0,
        silent=0,
        metric=Metric("last_run_kept_rows", "Stale rows that a trigger or a rule kept."),
    )
    batches: int = _number(0)
    remaining: int | None = _number(None, silent=None)
    duration_seconds: float = _number(
        0.0, metric=Metric("last_run_duration_seconds", "Seconds that the last run took.")
    )
    atomic: bool = _number(True, silent=True)
    freed_pages: int | None = _number(None, silent=None)

    def as_fields(self, *, in_doubt: bool = False) -> Mapping[str, object]:
        """Return the fields of an event, without those that have nothing to say.

        Where it is ``in_doubt`` whether the last commit took effect, the counts are None.
        """
        told = {
            field.name: getattr(self, field.name)
            for field in dataclasses.fields(self)
            if getattr(self, field.name) != field.metadata["silent"]
        }
        known = {"duration_seconds", "atomic"} if in_doubt else told.keys()
        return {name: value if name in known else None for name, value in told.items()}


METRICS: Mapping[str, Metric] = {
    field.name: field.metadata["metric"]
    for field in dataclasses.fields(Result)
    if field.metadata["metric"] is not None
}
