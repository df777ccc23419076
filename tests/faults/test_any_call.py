"""Runs in batches, runs that give space back, and migrations: killed or failing at any call."""

import dataclasses
import errno
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from geocache_cleanup.pruning.ledger import NAME
from geocache_cleanup.schema.migrate import VERSION_TABLE
from helpers import processes, tables
from helpers.commands import url
from helpers.faults.fault import Action, Fault, Kind
from helpers.faults.runs import ForkServer, ForkServers, Outcome, arguments
from helpers.faults.template import DOCUMENTED, DatabaseTemplate, trials, verify
from helpers.reporting import tally

SEED = 20_260_609
_TIMEOUT = 2
_CALLS = Kind.CHANGE | Kind.READ | Kind.OPEN | Kind.LOCK
_NUMBERS = ("EIO", "ENOSPC", "EINTR", "EACCES", "EDQUOT", "EROFS")
_OPTIONS = {"batches": "--batch-seconds=0.001", "reclaim": "--reclaim=yes"}


@pytest.mark.parametrize("work", ["batches", "reclaim", "migrate"])
@pytest.mark.parametrize("mode", ["wal", "delete"])
@pytest.mark.parametrize("trials", trials(8, 24))
def test_any_call_of_any_work(
    fork_servers: ForkServers, template_of: Callable[..., DatabaseTemplate], mode: str, work: str,
    trials: int,
) -> None:  # fmt: skip
    """It ends as documented, loses nothing, tells what it did, and the next one does the rest."""
    template = template_of(mode, stale=620, fresh=100)
    ends: Counter[int] = Counter()

    def attempt(fork_server: ForkServer, place: Path, fault: Fault) -> Outcome:
        path = prepared(template, place, work)
        armed = dataclasses.replace(fault, part=str(path))
        return fork_server.run(*command(path, work), fault=armed)

    def trial(fork_server: ForkServer, place: Path, fault: Fault) -> None:
        outcome = attempt(fork_server, place, fault)
        path = place / "geo.db"
        assert outcome.status in {*DOCUMENTED, -9}, outcome
        assert outcome.seconds < _TIMEOUT + processes.PROMPT
        ends[outcome.status] += 1
        if work == "migrate":
            verify_migration(template, path, outcome)
        else:
            # What a failure to give space back says is not of the run.
            told = outcome if work == "batches" else None
            verify(template, path, told, whole=work != "batches")
        assert fork_server.run(*command(path, work)).status == 0
        if work != "migrate":
            assert verify(template, path, None, whole=work != "batches") == template.stale
        assert [file.name for file in place.glob("geo.db*")] == ["geo.db"]

    with fork_servers.one() as (fork_server, place):
        counts = {kind: attempt(fork_server, place, Fault(kind)).seen for kind in _CALLS}
    chance = random.Random(SEED)
    fork_servers.each([drawn(chance, counts) for _ in range(trials)], trial)
    print(ends)  # noqa: T201 - on failure
    assert ends[-9] > trials / 5


def drawn(chance: random.Random, counts: dict[Kind, int]) -> Fault:
    """Return a death or a failure at a call, each call being as likely as any other."""
    kind = chance.choices(list(counts), list(counts.values()))[0]
    action = chance.choice([Action.DIE_BEFORE, Action.FAIL])
    number = getattr(errno, chance.choice(_NUMBERS))
    return Fault(kind, chance.randint(1, counts[kind]), action, number)


def prepared(template: DatabaseTemplate, place: Path, work: str) -> Path:
    """Return a copy of the database, without what a migration has to make."""
    path = template.copy(place)
    if work == "migrate":
        with tables.connected(path) as connection:
            connection.executescript(
                f"DROP TABLE {NAME}; DROP TABLE {VERSION_TABLE}; DROP INDEX ix"
            )
    return path


def command(path: Path, work: str) -> list[str]:
    """Return what is to be tried."""
    options = [f"--timeout={_TIMEOUT}"]
    if work == "migrate":
        return ["migrate", url(path), *options]
    return [*arguments(path, _OPTIONS[work], *options)]


def verify_migration(template: DatabaseTemplate, path: Path, outcome: Outcome) -> None:
    """Assert that all is made or nothing, and all if that was told; no row goes."""
    tally["faults tried"] += 1
    assert tables.fetch(path, "PRAGMA integrity_check") == ["ok"]
    rows = tables.fetch(path, "SELECT count(*) FROM geo_cache NOT INDEXED")
    tally["rows lost"] += abs(template.stale + template.fresh - rows[0])
    assert rows == [template.stale + template.fresh]
    names = tables.fetch(
        path, "SELECT name FROM sqlite_master WHERE name GLOB '*geocache_cleanup*'"
    )
    made = [name for name in names if not name.startswith("sqlite_")]
    assert len(made) in {0, 4}, made
    assert made or outcome.status, outcome
