"""From the event that ends a run to the metrics file."""

import contextlib
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from geocache_cleanup.config import parsers
from geocache_cleanup.deadline import Deadline
from geocache_cleanup.errors import CleanupError
from geocache_cleanup.events import Event, exit_status_of
from geocache_cleanup.invocation import Invocation
from geocache_cleanup.metrics import metrics_file
from geocache_cleanup.result import METRICS
from geocache_cleanup.threads import call_interruptibly
from geocache_cleanup.times import instants

if TYPE_CHECKING:
    from sqlalchemy.engine import URL

    from geocache_cleanup.metrics.replaced_file import ReplacedFile
    from geocache_cleanup.pruning.job import Job

# What the look for the oldest row may take: it comes after the work, and is not worth more.
_LOOK_SECONDS = 2.0
# What all of it may take.
_WRITING_SECONDS = 10.0
_LAST_SUCCESS = "last_success_timestamp_seconds"
_OLDEST = "oldest_remaining_timestamp_seconds"
_ENDS = (Event.RAN, Event.INTERRUPTED, Event.FAILED)


class Recorder:
    """Writes the metrics file, if one is set, just before the last event of a run is logged."""

    def __init__(self, invocation: Invocation, *, dry_run: bool) -> None:
        """Follow the events of a command; a dry run writes nothing."""
        self._invocation = invocation
        self._file: ReplacedFile | None = None
        self._is_refused = False
        self._forbidden: frozenset[str] = frozenset()
        self._oldest: Callable[[], int | None] = lambda: None
        if not dry_run:
            invocation.observe = self._record

    def prepare(self, url: "URL") -> None:
        """Raise CleanupError if the file that is set could not be written."""
        if path := self._path():
            from geocache_cleanup.engines.urls import files_of  # imports SQLAlchemy

            self._is_refused = True
            self._forbidden = files_of(url)
            self._file = metrics_file.open_file(path)
            self._file.check(self._forbidden)
            self._is_refused = False

    def prepare_look(self, url: "URL", job: "Job") -> None:
        """Take what is needed to look for the oldest row after the run."""

        def look() -> int | None:
            from geocache_cleanup.engines.urls import open_engine
            from geocache_cleanup.metrics.oldest import find_oldest

            return find_oldest(open_engine(url, Deadline(_LOOK_SECONDS)), job)

        self._oldest = look

    def _path(self) -> str | None:
        found = self._invocation.given.get("metrics_file")
        if not (found and found.text):
            return None
        with contextlib.suppress(ValueError):  # which the run itself is refused for
            return parsers.path(found.text)
        return None

    def _record(self, event: Event, fields: Mapping[str, Any]) -> str | None:
        """Write the file; return what went wrong, as a sentence."""
        path = self._path()
        if event not in _ENDS or not path or self._is_refused:
            return None
        try:
            # Its storage may hang, and the event is to be logged all the same.
            call_interruptibly(lambda: self._write(path, event, fields), Deadline(_WRITING_SECONDS))
        except (OSError, CleanupError) as error:
            return f"the metrics file could not be written: {error}"
        return None

    def _write(self, path: str, event: Event, fields: Mapping[str, Any]) -> None:
        # In the directory that it was looked at in, unless settings were refused before that; and
        # looked at again, as a run takes a while.
        file = self._file or metrics_file.open_file(path)
        file.check(self._forbidden)
        if sample := self._sample(file, event, fields):
            metrics_file.write(file, sample)

    def _sample(
        self, file: "ReplacedFile", event: Event, fields: Mapping[str, Any]
    ) -> metrics_file.Sample | None:
        """Return what to write, None where it is not known of which database."""
        old = metrics_file.read(file)
        now = metrics_file.Sample(_label(fields.get("database")), _label(fields.get("table")))
        if not (now.database and now.table):
            # The settings could not be read: it is still the job that the file tells of.
            now = old or now
        if not now.database:
            return None
        moment = time.time()
        values = self._of_success(moment) if event is Event.RAN else _of_failure(old, now)
        # What is None is not known; what is absent, such as ``kept``, is nothing.
        told = {metric.name: fields.get(key, 0) for key, metric in METRICS.items()}
        values |= {name: float(number) for name, number in told.items() if number is not None}
        values["last_run_timestamp_seconds"] = moment
        values["last_run_exit_status"] = float(exit_status_of(event, fields))
        values["last_run_success"] = float(event is Event.RAN)
        return metrics_file.Sample(now.database, now.table, values)

    def _of_success(self, moment: float) -> dict[str, float]:
        values = {_LAST_SUCCESS: moment}
        # The run is over and done: nothing that happens here may change what is said of it.
        with contextlib.suppress(Exception):
            if (oldest := self._oldest()) is not None:
                values[_OLDEST] = oldest / instants.SECOND
        return values


def _label(value: object) -> str:
    """Return a name for the file, which is UTF-8; a path may hold any bytes."""
    return str(value or "").encode(errors="backslashreplace").decode()


def _of_failure(old: metrics_file.Sample | None, now: metrics_file.Sample) -> dict[str, float]:
    """Return what a failed run leaves as the file has it.

    The ledger knows it too, but is in the database, which may be what has failed.
    """
    kept = old.values if old is not None and old.is_of(now) else {}
    values = {name: kept[name] for name in (_LAST_SUCCESS, _OLDEST) if name in kept}
    return {_LAST_SUCCESS: 0.0, **values}
