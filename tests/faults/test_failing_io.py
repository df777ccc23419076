"""Every system call on the database's files fails once, in each way it can."""

import errno
import itertools
import random
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from helpers import jobs, processes
from helpers.commands import url
from helpers.faults.fault import Action, Fault, Kind
from helpers.faults.runs import ForkServer, ForkServers, arguments
from helpers.faults.template import DatabaseTemplate, verify

SEED = 6
_SIZE = {"stale": 300, "fresh": 300}
_DEATHS = (Action.DIE_BEFORE, Action.DIE_IN_THE_MIDDLE, Action.DIE_AFTER)
# What the kernel says of broken, full and read-only storage, and of locks over a network.
_NUMBERS = {
    Kind.WRITE: (errno.EIO, errno.ENOSPC),
    Kind.OPEN: (errno.EIO, errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EMFILE),
    Kind.LOCK: (errno.EIO, errno.ENOLCK),
}
_TIMEOUT = 1


def faults(counts: dict[Kind, int], deaths: bool) -> Iterator[Fault]:
    """Yield a fault for each call that a run makes, each action and each error number."""
    for kind, count in counts.items():
        actions = _DEATHS if deaths else (Action.FAIL, Action.FAIL_FROM_HERE)
        if kind is Kind.WRITE and not deaths:
            actions = (*actions, Action.TEAR)
        for action, nth in itertools.product(actions, range(1, count + 1)):
            for number in (0,) if deaths else _NUMBERS.get(kind, (errno.EIO,)):
                yield Fault(kind, nth, action, number)


def counted(fork_servers: ForkServers, template: DatabaseTemplate, kinds: Kind) -> dict[Kind, int]:
    """Return how many calls of each kind an undisturbed run makes."""
    counts = {}
    for kind in kinds:
        with fork_servers.one() as (fork_server, place):
            path = template.copy(place)
            outcome = fork_server.run(*arguments(path), fault=Fault(kind, part=str(place)))
            assert outcome.seen, f"the shim sees no {kind.name} of this SQLite"
            verify(template, path, outcome)
            counts[kind] = outcome.seen
    return counts


def chosen(found: Iterator[Fault], some: bool) -> list[Fault]:
    """Return a few faults for the ordinary run, else all."""
    work = list(found)
    return random.Random(SEED).sample(work, 60) if some else work


_HOW_MANY = pytest.mark.parametrize(
    "some", [pytest.param(True, id="some"), pytest.param(False, id="all", marks=pytest.mark.faults)]
)


@_HOW_MANY
@pytest.mark.parametrize("mode", ["wal", "delete"])
def test_each_call_fails(
    fork_servers: ForkServers, template_of: Callable[..., DatabaseTemplate], mode: str, some: bool
) -> None:
    """Once or from then on, wholly or half done: the run ends as documented and loses nothing."""
    template = template_of(mode, **_SIZE)
    kinds = Kind.CHANGE | Kind.READ | Kind.OPEN | Kind.LOCK
    if mode == "delete":
        kinds &= ~Kind.TRUNCATE
    ends: Counter[tuple[str, str, int]] = Counter()
    doubts: list[Fault] = []

    def trial(fork_server: ForkServer, place: Path, fault: Fault) -> None:
        path = template.copy(place)
        armed = Fault(fault.kinds, fault.nth, fault.action, fault.number, part=str(place))
        outcome = fork_server.run(*arguments(path, f"--timeout={_TIMEOUT}"), fault=armed)
        verify(template, path, outcome)
        assert outcome.seconds < _TIMEOUT + processes.PROMPT
        assert outcome.status in {0, 65, 74, 75}, outcome
        ends[str(fault.kinds.name), errno.errorcode[fault.number], outcome.status] += 1
        if outcome.last["deleted"] is None:
            doubts.append(fault)

    fork_servers.each(
        chosen(faults(counted(fork_servers, template, kinds), deaths=False), some), trial
    )
    print(ends, doubts)  # noqa: T201 - on failure
    assert any(status == 74 for _, _, status in ends)
    # Giving up the lock fails, or a sync of the directory, when the rows are gone already.
    assert doubts or some or mode == "wal"


@_HOW_MANY
@pytest.mark.parametrize("mode", ["wal", "delete"])
def test_death_at_each_change(
    fork_servers: ForkServers, template_of: Callable[..., DatabaseTemplate], mode: str, some: bool
) -> None:
    """Killed before, in the middle of and after each write, sync and deletion of a file."""
    template = template_of(mode, **_SIZE)
    kinds = Kind.CHANGE if mode == "wal" else Kind.CHANGE & ~Kind.TRUNCATE
    states = set()

    def trial(fork_server: ForkServer, place: Path, fault: Fault) -> None:
        path = template.copy(place)
        armed = Fault(fault.kinds, fault.nth, fault.action, part=str(place))
        outcome = fork_server.run(*arguments(path), fault=armed)
        assert outcome.status == -9
        states.add(verify(template, path, outcome))

    fork_servers.each(
        chosen(faults(counted(fork_servers, template, kinds), deaths=True), some), trial
    )
    assert states == {0, template.stale} or some


@pytest.mark.parametrize("fault", [None, Fault(Kind.WRITE, 3, Action.FAIL_FROM_HERE)])
@pytest.mark.parametrize("name", ["a b", "quo'te", 'dou"ble', "wh%3Fat", "h#sh", "%41", "naïve ☃"])
def test_faults_on_awkward_paths(
    fork_servers: ForkServers, template: DatabaseTemplate, name: str, fault: Fault | None
) -> None:
    """The path is opened, and named in the failure, as it is."""
    with fork_servers.one() as (fork_server, place):
        directory = place / name.replace("%3F", "?")
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir()
        path = template.copy(directory)
        outcome = fork_server.run(
            "run", url(place / name / "geo.db"), f"--before={jobs.CUTOFF}", fault=fault
        )
        gone = verify(template, path, outcome)
        assert (outcome.status, gone) == ((74, 0) if fault else (0, template.stale)), outcome
        if fault:
            assert repr(str(path)) in outcome.last["reason"]
        shutil.rmtree(directory)
