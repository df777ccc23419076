"""The metrics file: what the node exporter of Prometheus reads of the last run."""

import importlib.util
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from geocache_cleanup.errors import ConfigError
from geocache_cleanup.metrics.replaced_file import ReplacedFile
from geocache_cleanup.result import METRICS

if TYPE_CHECKING:
    from prometheus_client.core import GaugeMetricFamily

PREFIX = "geocache_cleanup_"
# All are gauges, since each run writes the file anew. Times are moments, not ages: an age would
# stand still exactly when the runs stop.
HELP: Mapping[str, str] = {
    "last_run_timestamp_seconds": "When the last run ended, in seconds since 1970.",
    "last_run_success": "Whether the last run did its work: 1 if so, else 0.",
    "last_run_exit_status": "Exit status of the last run; 0 also when it was stopped.",
    **dict(METRICS.values()),
    "last_success_timestamp_seconds": "When a run last succeeded; 0 if that is not known.",
    "oldest_remaining_timestamp_seconds": "Oldest stored time left by the last successful run.",
}
_LABELS = ("database", "table")


@dataclass(frozen=True)
class Sample:
    """What the file says: of which database (no password) and table, and the values by name.

    A name that is missing from ``values`` is left out of the file.
    """

    database: str
    table: str
    values: Mapping[str, float] = field(default_factory=dict)

    def is_of(self, other: "Sample") -> bool:
        """Tell whether both are of one table."""
        return (self.database, self.table) == (other.database, other.table)


def open_file(path: str) -> ReplacedFile:
    """Return the file to replace; raise CleanupError if it cannot be used, or made."""
    if importlib.util.find_spec("prometheus_client") is None:
        raise ConfigError(
            "prometheus_client, which --metrics-file needs, is not installed",
            "apt install python3-prometheus-client, or pip install 'geocache-cleanup[metrics]'",
        )
    return ReplacedFile(path, f"# HELP {PREFIX}".encode())


def read(file: ReplacedFile) -> Sample | None:
    """Return what the file says, None if there is none, or nothing that can be understood."""
    from prometheus_client.parser import text_string_to_metric_families

    try:
        families = list(text_string_to_metric_families(file.read().decode(errors="replace")))
    except (
        FileNotFoundError,
        ValueError,
        KeyError,
        IndexError,
    ):  # however the parser trips over what is no metric
        return None
    samples = [sample for family in families for sample in family.samples]
    ours = [sample for sample in samples if sample.name.startswith(PREFIX)]
    if not ours or not set(_LABELS) <= set(ours[0].labels):
        return None
    values = {sample.name.removeprefix(PREFIX): sample.value for sample in ours}
    return Sample(ours[0].labels["database"], ours[0].labels["table"], values)


def write(file: ReplacedFile, sample: Sample) -> None:
    """Replace the file in one step; raise OSError if that fails, the old file is then intact.

    The text is the library's; its own way of writing follows names, leaves a partial file behind
    on a full disk, and takes the permissions from the umask.
    """
    from prometheus_client import CollectorRegistry, generate_latest

    registry = CollectorRegistry()
    registry.register(_Collector(sample))
    file.replace(generate_latest(registry))


class _Collector:
    """Gives the library the values, without its global state."""

    def __init__(self, sample: Sample) -> None:
        self._sample = sample

    def collect(self) -> "Iterator[GaugeMetricFamily]":
        """Yield one family for each value."""
        from prometheus_client.core import GaugeMetricFamily

        for name, text in HELP.items():
            if name in self._sample.values:
                family = GaugeMetricFamily(PREFIX + name, text, labels=_LABELS)
                family.add_metric(
                    [self._sample.database, self._sample.table], self._sample.values[name]
                )
                yield family
