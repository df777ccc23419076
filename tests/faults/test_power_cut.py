"""The power fails: all that was not synced by then is gone, as the kernel's own shutdown has it."""

import dataclasses
import os
import random
import signal
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path

import pytest

from helpers import processes
from helpers.faults.disks import Disk
from helpers.faults.fault import Action, Fault, Kind
from helpers.faults.runs import ForkServer, ForkServers, Outcome, arguments
from helpers.faults.template import SLOW_OLD, DatabaseTemplate, trials, verify

SEED = 20_260_606
_BYTES = 32 << 20
_BATCHES = ("--batch-seconds=0.01",)
_SMALL = {"stale": 1_000, "fresh": 1_000}
in_all_ways = pytest.mark.parametrize(
    ("mode", "options"),
    [("wal", ()), ("wal", _BATCHES), ("delete", ()), ("delete", _BATCHES)],
    ids=["wal-whole", "wal-batches", "delete-whole", "delete-batches"],
)


# A fork server, its disk, the database there and what is to be tried: how the run ended.
Run = Callable[[ForkServer, Disk, Path, float], Outcome]


class Machine:
    """What has disks that lose their power, one for each fork server."""

    def __init__(self, fork_servers: ForkServers) -> None:
        self._nurseries = fork_servers
        self._disks: dict[Path, Disk] = {}

    def each(
        self, template: DatabaseTemplate, items: Iterable[float], run: Run, *, whole: bool
    ) -> set[tuple[int, int]]:
        """Run with each item, cut the power at the latest then, and verify what comes back.

        Return the exit statuses, each with the number of rows that were gone.
        """
        states = set()

        def trial(fork_server: ForkServer, place: Path, item: float) -> None:
            disk = self._disk(place)
            path = template.copy(disk.place)
            disk.sync()
            outcome = run(fork_server, disk, path, item)
            disk.cut_power()
            disk.power_up()
            gone = verify(template, path, outcome, whole=whole)
            # SQLite may take a read error for damage.
            assert outcome.status in {-signal.SIGKILL, 0, 65, 74}, outcome
            assert outcome.status or gone == template.stale
            states.add((outcome.status, gone))

        self._nurseries.each(items, trial)
        print(f"seed {SEED}, states {sorted(states)}")  # noqa: T201 - on failure
        return states

    def _disk(self, place: Path) -> Disk:
        if place not in self._disks:
            self._disks[place] = Disk(place, "ext4", _BYTES)
        return self._disks[place]

    def stop(self) -> None:
        """Give the disks back."""
        for disk in self._disks.values():
            disk.unmount()


@pytest.fixture(scope="module")
def machine(fork_servers: ForkServers) -> Iterator[Machine]:
    """Return what the trials are made on."""
    machine = Machine(fork_servers)
    yield machine
    machine.stop()


@in_all_ways
@pytest.mark.parametrize("trials", trials(2, 6))
def test_right_after_a_run(
    machine: Machine,
    template_of: Callable[..., DatabaseTemplate],
    trials: int,
    mode: str,
    options: list[str],
) -> None:
    """What a run has told as done is done."""
    template = template_of(mode, **_SMALL)

    def run(fork_server: ForkServer, _disk: Disk, path: Path, _: float) -> Outcome:
        return fork_server.run(*arguments(path, *options))

    states = machine.each(template, [0] * trials, run, whole=not options)
    assert states == {(0, template.stale)}


def _cut_power(disk: Disk, pid: int, then: signal.Signals) -> None:
    """Cut it while a process is stopped, which the signal ends in any case."""
    try:
        disk.cut_power()
    finally:
        os.kill(pid, then)


@in_all_ways
@pytest.mark.parametrize("trials", trials(4, 40))
def test_at_any_moment(
    machine: Machine,
    template_of: Callable[..., DatabaseTemplate],
    trials: int,
    mode: str,
    options: list[str],
) -> None:
    """As before the run or as after it; half of the runs live on to see that the disk is gone.

    A sync that is under way as the power fails returns to nobody. The kernel's shutdown lets it
    return, and often without an error, though nothing was written: no run may hear of that one.
    """
    template = template_of(mode, stale=4_000, fresh=1_000, seen=SLOW_OLD)
    lengths: list[float] = []
    chance = random.Random(SEED)

    def run(fork_server: ForkServer, disk: Disk, path: Path, share: float) -> Outcome:
        def cut(pid: int) -> None:
            lives_on = chance.random() < 0.5
            time.sleep(share * lengths[0])
            os.kill(pid, signal.SIGSTOP)
            if lives_on:
                processes.wait_until_it_stops(pid)
            _cut_power(disk, pid, signal.SIGCONT if lives_on else signal.SIGKILL)

        return fork_server.run(*arguments(path, *options), during=cut)

    def undisturbed(fork_server: ForkServer, _disk: Disk, path: Path, _: float) -> Outcome:
        outcome = fork_server.run(*arguments(path, *options))
        lengths.append(outcome.seconds)
        return outcome

    machine.each(template, [0] * 4, undisturbed, whole=not options)
    lengths.sort()
    shares = [chance.uniform(0, 1.2) for _ in range(trials)]
    states = machine.each(template, shares, run, whole=not options)
    assert any(status for status, _ in states)


@in_all_ways
@pytest.mark.parametrize("trials", trials(4, 40))
def test_at_any_change(
    machine: Machine,
    template_of: Callable[..., DatabaseTemplate],
    trials: int,
    mode: str,
    options: list[str],
) -> None:
    """Just before a write, a sync or a deletion of a file, of which the run learns."""
    template = template_of(mode, **_SMALL)
    states = _at_calls(
        machine, template, trials, Fault(Kind.CHANGE, action=Action.CUT_POWER), options
    )
    assert 74 in {status for status, _ in states}


@in_all_ways
@pytest.mark.parametrize("trials", trials(4, 40))
def test_in_the_middle_of_a_sync(
    machine: Machine,
    template_of: Callable[..., DatabaseTemplate],
    trials: int,
    mode: str,
    options: list[str],
) -> None:
    """Of a file or a directory; no run hears how that one ended."""
    chance = random.Random(SEED)

    def cut(disk: Disk, pid: int) -> None:
        processes.wait_until_it_stops(pid)
        os.kill(pid, signal.SIGCONT)
        time.sleep(chance.uniform(0, 0.004))
        os.kill(pid, signal.SIGSTOP)
        _cut_power(disk, pid, signal.SIGKILL)

    template = template_of(mode, **_SMALL)
    states = _at_calls(
        machine, template, trials, Fault(Kind.SYNC, action=Action.STOP), options, cut
    )
    assert -signal.SIGKILL in {status for status, _ in states}


def _at_calls(
    machine: Machine,
    template: DatabaseTemplate,
    trials: int,
    fault: Fault,
    options: Sequence[str],
    during: Callable[[Disk, int], None] = lambda _disk, _pid: None,
) -> set[tuple[int, int]]:
    """Try the fault at calls of its kind that are chosen at random among those of a whole run."""
    seen: list[int] = []

    def run(fork_server: ForkServer, disk: Disk, path: Path, share: float) -> Outcome:
        nth = 1 + int(share * seen[0]) if seen else 0
        at_nth = dataclasses.replace(fault, nth=nth, part=str(disk.place))
        of_disk = partial(during, disk)
        outcome = fork_server.run(*arguments(path, *options), fault=at_nth, during=of_disk)
        seen.append(outcome.seen)
        return outcome

    machine.each(template, [0], run, whole=not options)
    chance = random.Random(SEED)
    return machine.each(template, [chance.random() for _ in range(trials)], run, whole=not options)
