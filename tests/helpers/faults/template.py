"""A database to harm, and what must hold of it whatever happened to a run."""

import random
import shutil
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from helpers import tables
from helpers.databases import make_large_table
from helpers.faults.runs import Outcome
from helpers.reporting import tally

OLD, NEW = "2026-05-01T00:00:00Z", "2026-09-01T00:00:00Z"
# Read in Python, which takes as long as in a large table of the common form.
SLOW_OLD = "2026-05-01T00:00:00.5+00:00"
DOCUMENTED = {0, 2, 65, 66, 69, 74, 75, 77, 78, 130}
FAILED, RAN = "geo_cache_cleanup_failed", "geo_cache_cleanup_ran"
# Printed at the end, see conftest.py.


def trials(few: int, number: int) -> list[object]:
    """Return a few trials for the ordinary run, and a number for the long one."""
    return [pytest.param(few, id="some"), pytest.param(number, id="all", marks=pytest.mark.faults)]


@dataclass(frozen=True)
class DatabaseTemplate:
    """A template of a database; trials work on copies."""

    path: Path
    stale: int
    fresh: int

    def copy(self, place: Path, name: str = "geo.db") -> Path:
        """Put a fresh copy into a directory, and drop what an earlier trial left there."""
        path = place / name
        for old in place.glob(name + "*"):
            old.unlink()
        shutil.copyfile(self.path, path)
        return path


def make_template(
    path: Path, mode: str, stale: int = 4_000, fresh: int = 4_000, *, seen: str = OLD
) -> DatabaseTemplate:
    """Make a database with a ledger: rows of BanGUI's shape in random order of time."""
    rows = [
        *((f"stale{n}", seen) for n in range(stale)),
        *((f"fresh{n}", NEW) for n in range(fresh)),
    ]
    make_large_table(path, random.Random(1).sample(rows, len(rows)), mode)
    return DatabaseTemplate(path, stale, fresh)


def verify(
    template: DatabaseTemplate, path: Path, outcome: Outcome | None, *, whole: bool = True
) -> int:
    """Assert that nothing is lost and every record true; return how many rows are gone.

    ``whole``: one transaction, of which either everything is there or nothing.
    """
    tally["faults tried"] += 1
    with tables.connected(path) as connection:
        # The application's own timeout is short here: nothing may be left locked.
        connection.execute("PRAGMA busy_timeout = 0")
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        gone = template.stale - count(connection, "stale")
        lost = template.fresh - count(connection, "fresh")
        runs = connection.execute("SELECT run_id, deleted FROM geocache_cleanup_runs").fetchall()
        recorded = sum(deleted for _, deleted in runs)
        tally["rows lost"] += lost + abs(gone - recorded)
        assert (lost, gone) == (0, recorded)
        connection.execute(
            "INSERT INTO geo_cache (ip, cached_at, last_seen) VALUES ('app', ?1, ?1)", (NEW,)
        )
        connection.execute("DELETE FROM geo_cache WHERE ip = 'app'")
    if whole:
        assert gone in {0, template.stale}
    if outcome is not None:
        _agree(outcome, runs, gone)
    return gone


def count(connection: sqlite3.Connection, prefix: str) -> int:
    """Return how many rows of a kind there are, by the table and by its index."""
    where = f"WHERE ip >= '{prefix}' AND ip < '{prefix}~'"
    seen = [OLD, SLOW_OLD] if prefix == "stale" else [NEW, NEW]
    found = [
        connection.execute(f"SELECT count(*) FROM geo_cache NOT INDEXED {where}").fetchone()[0],
        connection.execute(
            "SELECT count(*) FROM geo_cache INDEXED BY ix WHERE last_seen IN (?, ?)", seen
        ).fetchone()[0],
    ]
    assert found[0] == found[1]
    return int(found[0])


def _agree(outcome: Outcome, runs: Sequence[tuple[str, int]], gone: int) -> None:
    """Check the events against the ledger.

    An event of success comes after the commit: it implies the ledger's row, and a kill may come
    in between. A failure says how much is gone.
    """
    events = outcome.events
    for event in events:
        assert "traceback" not in event, event
        if event["event"] == RAN:
            assert [(event["run_id"], event["deleted"])] == runs
            assert event["deleted"] == gone
        elif "deleted" in event and not (event["deleted"] is None and "ledger" in event["reason"]):
            assert event["deleted"] == gone, (event, runs)
    if outcome.status >= 0:
        assert outcome.status in DOCUMENTED, outcome
        assert events[-1].get("exit_status", 0) == outcome.status
        assert outcome.status or events[-1]["event"] != FAILED


def one_event(outcome: Outcome) -> dict[str, Any]:
    """Return the failure that a run ended with."""
    assert outcome.last["event"] == FAILED, outcome
    return outcome.last
