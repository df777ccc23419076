"""Jobs that prune in the process of the test itself."""

import contextlib
import datetime as dt
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from geocache_cleanup.deadline import Deadline
from geocache_cleanup.engines.sqlite import backlog
from geocache_cleanup.engines.urls import open_engine, parse_url
from geocache_cleanup.pruning import batches
from geocache_cleanup.pruning.job import Job
from geocache_cleanup.pruning.progress import Progress
from geocache_cleanup.result import Result
from geocache_cleanup.times.instants import read_instant
from helpers.tables import connected

CUTOFF = "2026-06-03T12:00:00Z"


def instant(text: str) -> int:
    """Return the instant that time text names, in microseconds."""
    found = read_instant(text, dt.UTC)
    assert found is not None
    return found


def job(**changes: Any) -> Job:
    """Return an order for the usual table and cutoff."""
    values: dict[str, Any] = {
        "table": "geo_cache",
        "time_column": "last_seen",
        "time_zone": dt.UTC,
        "cutoff": instant(CUTOFF),
        "now": instant("2026-09-01T12:00:00Z"),
        "retention_days": 90,
        "max_delete_percent": 100,
        "dry_run": False,
        "run_id": "test",
    }
    return Job(**{**values, **changes})


def run_here(path: Path, **changes: Any) -> Result:
    """Prune a SQLite file in this process."""
    deadline = Deadline(60)
    return batches.run(
        open_engine(parse_url(f"sqlite:///{path}"), deadline), job(**changes), deadline
    )


@contextlib.contextmanager
def one_row_at_a_time() -> Iterator[None]:
    """Let the search for batches read one row in each transaction."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batches, "LEAST_SEARCH_SECONDS", 0.0)
        patch.setattr(backlog, "ROWS_PER_LOOK", 1)
        yield


class Meddler(Progress):
    """Somebody who does something once the first batch is committed, if more are to come."""

    def __init__(self, act: Callable[[], object]) -> None:
        self._act: Callable[[], object] | None = act

    def advance(self, done: int, total: int) -> None:
        """Do it, once."""
        if self._act and done < total:
            self._act()
            self._act = None


def run_beside(path: Path, statements: str, deadline: Deadline, **changes: Any) -> Result:
    """Prune a SQLite file in batches beside an application that meddles with SQL."""

    def meddle() -> None:
        with connected(path) as connection:
            connection.executescript(statements)

    engine = open_engine(parse_url(f"sqlite:///{path}"), deadline)
    order = job(batch_seconds=0.001, **changes)
    return batches.run(engine, order, deadline, Meddler(meddle))
