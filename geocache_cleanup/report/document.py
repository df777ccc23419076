"""The document of check: typed up to the moment it is printed, as text or as JSON."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from geocache_cleanup.engines.connection_info import ConnectionInfo
    from geocache_cleanup.report.preview import RunEstimate, TableReport
    from geocache_cleanup.report.statistics import Counts
    from geocache_cleanup.systemd.timers import Timers

# These are left out of the JSON where check did not come to them.
_PARTS = (
    "connection",
    "ledger",
    "table",
    "migrate",
    "would_delete",
    "unreadable",
    "kept",
    "lock",
    "writable",
    "problem",
)


@dataclass(frozen=True)
class ShownSetting:
    """One setting: its value, safe to show, and where the value came from."""

    option: str
    variable: str
    value: str | None
    source: str


@dataclass(frozen=True)
class LedgerReport:
    """Whether there is a ledger, and the last run of the table in it, by the ledger's columns."""

    exists: bool
    last_run: Mapping[str, Any] | None


@dataclass(frozen=True)
class Advice:
    """Something that is not as it should be, and what to do about it."""

    finding: str
    remedy: str


@dataclass(frozen=True)
class Problem:
    """What would stop a run, what to do about it, and how the run would end."""

    reason: str
    remedy: str
    exit_status: int


@dataclass
class CheckDocument:
    """What check has found so far; a part that it did not come to is None.

    ``cutoff`` is RFC 3339 text. ``statistics`` are shown as a part of the table, ``findings`` on
    the database as a part of the advice.
    """

    version: str
    settings: Sequence[ShownSetting]
    cutoff: str
    retention_days: int | None
    timers: "Timers"
    connection: "ConnectionInfo | None" = None
    ledger: LedgerReport | None = None
    table: "TableReport | None" = None
    statistics: "Counts | None" = None
    migrate: Sequence[str] | None = None
    would_delete: int | None = None
    unreadable: int | None = None
    kept: int | None = None
    lock: "RunEstimate | None" = None
    writable: bool | None = None
    problem: Problem | None = None
    findings: Sequence[Advice] = ()
    advice: Sequence[Advice] = field(default_factory=list)

    def setting(self, option: str) -> ShownSetting | None:
        """Return the setting of an option, None where the command has it not."""
        return next((found for found in self.settings if found.option == option), None)

    def as_json(self) -> Mapping[str, Any]:
        """Return what --json prints; see JSON in the manual page."""
        document = dataclasses.asdict(self)
        statistics = document.pop("statistics")
        del document["findings"]
        if statistics is not None:
            document["table"].update(statistics)
        return {
            name: value
            for name, value in document.items()
            if value is not None or name not in _PARTS
        }
