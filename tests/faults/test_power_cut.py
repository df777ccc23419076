"""The power fails: all that was not synced by then is gone, as the kernel's own shutdown has it."""

import os
import random
import signal
import time
from pathlib import Path
from typing import Callable, Iterable, Iterator

import pytest

from faults.disks import Disk
from faults.processes import Action, Fault, Kind, Nurseries, Nursery, Outcome, arguments
from faults.world import SLOW_OLD, World, some_or, verify

SEED = 20_260_606
_BYTES = 32 << 20
_BATCHES = ("--batch-seconds=0.01",)
_SMALL = {"stale": 1_000, "fresh": 1_000}
in_all_ways = pytest.mark.parametrize(
    ("mode", "options"),
    [("wal", ()), ("wal", _BATCHES), ("delete", ()), ("delete", _BATCHES)],
    ids=["wal-whole", "wal-batches", "delete-whole", "delete-batches"],
)


# A nursery, its disk, the database there and what is to be tried: how the run ended.
Run = Callable[[Nursery, Disk, Path, float], Outcome]


class Machine:
    """What has disks that lose their power, one for each nursery."""

    def __init__(self, nurseries: Nurseries) -> None:
        self._nurseries = nurseries
        self._disks: dict[Path, Disk] = {}

    def each(
        self, world: World, items: Iterable[float], run: Run, *, whole: bool
    ) -> set[tuple[int, int]]:
        """Run with each item, cut the power at the latest then, and verify what comes back.

        Return the exit statuses, each with the number of rows that were gone.
        """
        states = set()

        def trial(nursery: Nursery, place: Path, item: float) -> None:
            disk = self._disk(place)
            path = world.copy(disk.place)
            disk.sync()
            outcome = run(nursery, disk, path, item)
            disk.cut_power()
            disk.power_up()
            gone = verify(world, path, outcome, whole=whole)
            # SQLite may take a read error for damage.
            assert outcome.status in {-signal.SIGKILL, 0, 65, 74}, outcome
            assert outcome.status or gone == world.stale
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
def machine(nurseries: Nurseries) -> Iterator[Machine]:
    """Return what the trials are made on."""
    machine = Machine(nurseries)
    yield machine
    machine.stop()


@in_all_ways
@pytest.mark.parametrize("trials", some_or(2, 6))
def test_right_after_a_run(
    machine: Machine, world_of: Callable[..., World], trials: int, mode: str, options: list[str]
) -> None:
    """What a run has told as done is done."""
    world = world_of(mode, **_SMALL)

    def run(nursery: Nursery, _disk: Disk, path: Path, _: float) -> Outcome:
        return nursery.run(*arguments(path, *options))

    states = machine.each(world, [0] * trials, run, whole=not options)
    assert states == {(0, world.stale)}


@in_all_ways
@pytest.mark.parametrize("trials", some_or(4, 40))
def test_at_any_moment(
    machine: Machine, world_of: Callable[..., World], trials: int, mode: str, options: list[str]
) -> None:
    """As before the run or as after it; half of the runs live on to see that the disk is gone."""
    world = world_of(mode, stale=4_000, fresh=1_000, seen=SLOW_OLD)
    lengths: list[float] = []
    chance = random.Random(SEED)

    def run(nursery: Nursery, disk: Disk, path: Path, share: float) -> Outcome:
        def cut(pid: int) -> None:
            time.sleep(share * lengths[0])
            disk.cut_power()
            if chance.random() < 0.5:
                os.kill(pid, signal.SIGKILL)

        return nursery.run(*arguments(path, *options), during=cut)

    def undisturbed(nursery: Nursery, _disk: Disk, path: Path, _: float) -> Outcome:
        outcome = nursery.run(*arguments(path, *options))
        lengths.append(outcome.seconds)
        return outcome

    machine.each(world, [0] * 4, undisturbed, whole=not options)
    lengths.sort()
    shares = [chance.uniform(0, 1.2) for _ in range(trials)]
    states = machine.each(world, shares, run, whole=not options)
    assert any(status for status, _ in states)


@in_all_ways
@pytest.mark.parametrize("trials", some_or(4, 40))
def test_at_any_change(
    machine: Machine, world_of: Callable[..., World], trials: int, mode: str, options: list[str]
) -> None:
    """Just before a write, a sync or a deletion of a file, of which the run learns."""
    world = world_of(mode, **_SMALL)
    seen: list[int] = []

    def run(nursery: Nursery, disk: Disk, path: Path, share: float) -> Outcome:
        nth = 1 + int(share * seen[0]) if seen else 0
        fault = Fault(Kind.CHANGE, nth, Action.CUT_POWER, part=str(disk.place))
        outcome = nursery.run(*arguments(path, *options), fault=fault)
        seen.append(outcome.seen)
        return outcome

    machine.each(world, [0], run, whole=not options)
    chance = random.Random(SEED)
    states = machine.each(world, [chance.random() for _ in range(trials)], run, whole=not options)
    assert 74 in {status for status, _ in states}
