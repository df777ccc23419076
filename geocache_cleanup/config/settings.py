"""Settings: options over environment over systemd credential over default.

All of them are read before anything is opened, and every problem is reported at once.
"""

import datetime as dt
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from geocache_cleanup.config import parsers

VARIABLE_PREFIX = "GEOCACHE_CLEANUP_"
CREDENTIAL = "geocache-cleanup.database-url"
DEFAULT_DATABASE = "/var/lib/geocache-cleanup/geo_cache.db"
LOG_FORMATS = ("auto", "json", "text")
LOG_LEVELS = ("debug", "info", "warning", "error")


@dataclass(frozen=True)
class Setting:
    """One setting: what it takes, its default as text, its help, and what reads its text.

    The function raises ValueError with what is expected.
    """

    name: str
    metavar: str
    default: str | None
    help: str
    read: Callable[[str], object]

    @property
    def option(self) -> str:
        """The option's name on the command line."""
        return "--" + self.name.replace("_", "-")

    @property
    def variable(self) -> str:
        """The environment variable's name."""
        return VARIABLE_PREFIX + self.name.upper()


@dataclass(frozen=True)
class Settings:
    """The settings of one command, each read and checked, by the names of ``SETTINGS``.

    Those that the command has no option for have a value that changes nothing. ``cutoff`` and
    ``now`` are instants (microseconds); ``retention_days`` is None where ``--before`` sets the
    cutoff. ``sources`` says where each came from.
    """

    cutoff: int
    now: int
    sources: Mapping[str, str]
    database_url: str = ""
    table: str = ""
    time_column: str = ""
    time_zone: dt.tzinfo = dt.UTC
    timeout: float = math.inf
    batch_seconds: float = 0.0
    reclaim: bool = False
    max_delete_percent: int = 100
    metrics_file: str | None = None
    retention_days: int | None = None

    @property
    def configured(self) -> bool:
        """Whether anyone has said which database to use."""
        return self.sources["database_url"] != "default"


SETTINGS: Mapping[str, Setting] = {
    setting.name: setting
    for setting in (
        Setting(
            "database_url",
            "URL",
            "sqlite:///" + DEFAULT_DATABASE,
            "SQLAlchemy URL of the database.",
            parsers.database_url,
        ),
        Setting(
            "table", "NAME", "geo_cache", "Table to prune; schema.table on servers.", parsers.name
        ),
        Setting(
            "time_column",
            "NAME",
            "last_seen",
            "Column with the time a row is judged by.",
            parsers.name,
        ),
        Setting(
            "retention_days",
            "DAYS",
            "90",
            "Days a row is kept, 1 to 36500.",
            parsers.whole(1, 36_500, "days"),
        ),
        Setting(
            "before",
            "INSTANT",
            None,
            "Instead of retention: delete rows before this instant (ISO 8601), or 'now'.",
            parsers.before,
        ),
        Setting("time_zone", "ZONE", "UTC", "Zone of stored times that carry none.", parsers.zone),
        Setting(
            "timeout",
            "SECONDS",
            "60",
            "Seconds a run may take, waits included.",
            parsers.seconds(86_400),
        ),
        Setting(
            "batch_seconds",
            "SECONDS",
            "0",
            "0: one transaction; more: a series of them, each of about so many seconds.",
            parsers.seconds(3_600, zero=True),
        ),
        Setting(
            "reclaim",
            "yes|no",
            "no",
            "yes: after a run that deleted rows, give the space they took back.",
            parsers.yes_or_no,
        ),
        Setting(
            "max_delete_percent",
            "PERCENT",
            "100",
            "Fail and delete nothing if a run would delete more of the table than this.",
            parsers.whole(1, 100, "percent"),
        ),
        Setting(
            "metrics_file",
            "FILE",
            None,
            "Prometheus text file (.prom), replaced after each run.",
            parsers.path,
        ),
        Setting(
            "log_format",
            "auto|json|text",
            "auto",
            "json, text, or auto: text on a terminal, JSON elsewhere.",
            parsers.one_of(LOG_FORMATS),
        ),
        Setting(
            "log_level",
            "LEVEL",
            None,
            "debug, info, warning or error; info on a terminal, debug elsewhere.",
            parsers.one_of(LOG_LEVELS),
        ),
    )
}
