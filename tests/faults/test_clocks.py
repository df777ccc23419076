"""Clocks that are years off or step under way, and times that clocks do not show."""

import datetime as dt
from pathlib import Path

import pytest

from helpers import tables
from helpers.commands import url
from helpers.faults.fault import Action, Fault, Kind
from helpers.faults.runs import ForkServers
from helpers.reporting import tally

_YEAR = 366 * 86_400


@pytest.fixture
def recent(tmp_path: Path) -> Path:
    """Return a database with a row of yesterday, one that is stale, one of the future."""
    path = tmp_path / "geo.db"
    days = {"yesterday": -1, "old": -200, "ahead": 44 * 366}
    now = dt.datetime.now(dt.UTC)
    times = {ip: now + dt.timedelta(days=number) for ip, number in days.items()}
    tables.make_table(path, [(ip, time.isoformat()) for ip, time in times.items()])
    return path


def run(fork_servers: ForkServers, path: Path, fault: Fault, *options: str) -> tuple[int, set[str]]:
    """Run under a clock; return the status and the rows that are left."""
    tally["faults tried"] += 1
    with fork_servers.one() as (fork_server, _):
        outcome = fork_server.run("run", url(path), *options, fault=fault)
    assert outcome.hits == (fault.nth > 0), outcome
    assert "traceback" not in outcome.last, outcome
    return outcome.status, set(tables.fetch(path, "SELECT ip FROM geo_cache"))


@pytest.mark.parametrize("years", [1, 20, 100, 200])
def test_a_clock_ahead_meets_the_guard(fork_servers: ForkServers, recent: Path, years: int) -> None:
    """All rows seem stale: with --max-delete-percent it fails with 65 and deletes nothing."""
    ahead = Fault(clock=(years * _YEAR, 0))
    everything = {"yesterday", "old", "ahead"}
    assert run(fork_servers, recent, ahead, "--max-delete-percent=50") == (65, everything)
    # Without the guard it does what it is told.
    assert run(fork_servers, recent, ahead)[0] == 0


@pytest.mark.parametrize("years", [1, 20, 56])
def test_a_clock_behind_deletes_less(fork_servers: ForkServers, recent: Path, years: int) -> None:
    """Nothing is stale yet, down to 1970; a row of the future is just fresh."""
    status, kept = run(fork_servers, recent, Fault(clock=(-years * _YEAR, 0)))
    assert (status, kept) == (0, {"yesterday", "old", "ahead"})


@pytest.mark.parametrize("step", [-30 * _YEAR, -3_600, 3_600, 100 * _YEAR])
@pytest.mark.parametrize("nth", [1, 8, 20])
def test_a_clock_that_steps_under_way(
    fork_servers: ForkServers, recent: Path, step: int, nth: int
) -> None:
    """The cutoff is taken once, and waits are measured by a clock that does not step."""
    stepping = Fault(Kind.READ | Kind.WRITE, nth, Action.STEP_CLOCK, part="geo.db", clock=(0, step))
    assert run(fork_servers, recent, stepping, "--timeout=20") == (0, {"yesterday", "ahead"})


# Stored text, its zone, and the instant it names, None where it is no time at all.
_TIMES = [
    ("2026-06-03 12:00:00", "Pacific/Kiritimati", "2026-06-02T22:00:00Z"),
    ("2026-06-03 12:00:00", "Pacific/Marquesas", "2026-06-03T21:30:00Z"),
    ("2026-06-03 12:00:00", "Asia/Kathmandu", "2026-06-03T06:15:00Z"),
    ("2026-06-03 12:00:00", "Australia/Eucla", "2026-06-03T03:15:00Z"),
    ("2026-10-04 02:15:00", "Australia/Lord_Howe", "2026-10-03T15:45:00Z"),
    ("2026-03-29 02:30:00", "Europe/Berlin", "2026-03-29T01:30:00Z"),
    ("2026-10-25 02:30:00", "Europe/Berlin", "2026-10-25T00:30:00Z"),
    ("2007-12-09 02:45:00", "America/Caracas", "2007-12-09T06:45:00Z"),
    ("2011-12-30 12:00:00", "Pacific/Apia", "2011-12-30T22:00:00Z"),
    ("2026-06-03T12:00:00+23:59", "UTC", "2026-06-02T12:01:00Z"),
    ("2016-12-31T23:59:60Z", "UTC", None),
    ("2016-12-31T24:00:00Z", "UTC", None),
    ("2026-02-29T00:00:00Z", "UTC", None),
]


@pytest.mark.parametrize(("text", "zone", "names"), _TIMES)
def test_times_that_clocks_hardly_show(
    fork_servers: ForkServers, tmp_path: Path, text: str, zone: str, names: str | None
) -> None:
    """A second later it is stale, at the second it is not; a leap second is no time and is kept."""
    instant = dt.datetime.fromisoformat(names or "2030-01-01T00:00:00Z")
    path = tmp_path / "geo.db"
    tables.make_table(path, [("row", text)])
    for seconds, kept in ((0, {"row"}), (1, {"row"} if names is None else set())):
        before = (instant + dt.timedelta(seconds=seconds)).isoformat()
        with fork_servers.one() as (fork_server, _):
            outcome = fork_server.run("run", url(path), f"--before={before}", f"--time-zone={zone}")
        tally["inputs tried"] += 1
        assert outcome.status == 0, outcome
        assert set(tables.fetch(path, "SELECT ip FROM geo_cache")) == kept
