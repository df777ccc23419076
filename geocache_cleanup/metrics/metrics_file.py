"""The metrics file: what the node exporter of Prometheus reads of the last run."""

import contextlib
import importlib.util
import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from geocache_cleanup.errors import ConfigError, PermissionRefusedError
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
_OF_ITS_OWN = "set --metrics-file to a file of its own"


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


def check(path: str, forbidden: frozenset[str] = frozenset()) -> None:
    """Raise CleanupError if the file could not be written, or is forbidden; nothing is changed.

    ``forbidden`` are real paths.
    """
    if importlib.util.find_spec("prometheus_client") is None:
        raise ConfigError(
            "prometheus_client, which --metrics-file needs, is not installed",
            "apt install python3-prometheus-client, or pip install 'geocache-cleanup[metrics]'",
        )
    directory = os.path.dirname(os.path.realpath(path))
    if not os.path.isdir(directory):
        raise ConfigError(
            f"there is no directory {directory!r} for the metrics file", "set --metrics-file"
        )
    # The file is replaced by another, so that it is the directory that counts.
    if not os.access(directory, os.W_OK | os.X_OK):
        raise PermissionRefusedError(
            f"no permission to write the metrics file in {directory!r}",
            "give the directory to the user of the job",
            "give the directory to the user of the job, and copy the example metrics.conf to the "
            "unit's drop-ins: ReadWritePaths= is the directory",
        )
    # One of a name that SQLite uses, even where there is none yet, would keep others out.
    if os.path.realpath(path) in forbidden:
        raise ConfigError(f"the metrics file {path!r} is a file of the database", _OF_ITS_OWN)
    _check_old(path)


def _check_old(path: str) -> None:
    """Refuse to replace what is no metrics file, whatever made somebody name it."""
    try:
        old, directory = os.stat(path), os.stat(os.path.dirname(os.path.realpath(path)))
    except OSError:
        return
    if directory.st_mode & stat.S_ISVTX and os.geteuid() not in {0, old.st_uid, directory.st_uid}:
        raise PermissionRefusedError(
            f"the metrics file {path!r} belongs to another user, and its directory is sticky",
            "remove the file: the next run makes it anew",
        )
    # The beginning, not any part: the database itself, which has our ledger, holds the prefix too.
    if not stat.S_ISREG(old.st_mode) or (
        old.st_size and not _read(path).startswith(f"# HELP {PREFIX}".encode())
    ):
        raise ConfigError(
            f"{path!r} exists and is not a metrics file of geocache-cleanup", _OF_ITS_OWN
        )


def _read(path: str) -> bytes:
    with contextlib.suppress(OSError), open(path, "rb") as file:
        return file.read(1 << 16)
    return b""


def read(path: str) -> Sample | None:
    """Return what the file says, None if there is none that can be read."""
    from prometheus_client.parser import text_string_to_metric_families

    try:
        families = list(text_string_to_metric_families(_read(path).decode(errors="replace")))
    except (ValueError, KeyError, IndexError):  # however the parser trips over what is no metric
        return None
    samples = [sample for family in families for sample in family.samples]
    ours = [sample for sample in samples if sample.name.startswith(PREFIX)]
    if not ours or not set(_LABELS) <= set(ours[0].labels):
        return None
    values = {sample.name.removeprefix(PREFIX): sample.value for sample in ours}
    return Sample(ours[0].labels["database"], ours[0].labels["table"], values)


def write(path: str, sample: Sample) -> None:
    """Replace the file in one step; raise OSError if that fails, the old file is then intact.

    The library's own way leaves a partial file behind on a full disk, and takes the permissions
    from the umask, with which the node exporter could not read it.
    """
    import tempfile  # costs a run without a metrics file too much

    from prometheus_client import CollectorRegistry, generate_latest

    registry = CollectorRegistry()
    registry.register(_Collector(sample))
    target = os.path.realpath(path)
    number, temporary = tempfile.mkstemp(dir=os.path.dirname(target), prefix=".geocache-cleanup-")
    try:
        with open(number, "wb") as file:
            file.write(generate_latest(registry))
            file.flush()
            os.fchmod(number, 0o644)
            os.fsync(number)
        os.replace(temporary, target)
    except BaseException:
        os.unlink(temporary)
        raise


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
