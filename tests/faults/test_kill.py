"""``kill -9`` at random moments of a run, and at every single change that it makes to a file."""

import os
import random
import signal
import time
from pathlib import Path
from typing import Callable

import pytest

from faults.processes import Nurseries, Nursery, arguments
from faults.world import SLOW_OLD, World, some_or, verify

SEED = 20_260_603


@pytest.mark.parametrize("options", [(), ("--batch-seconds=0.05",)], ids=["whole", "batches"])
@pytest.mark.parametrize("mode", ["wal", "delete"])
@pytest.mark.parametrize("trials", some_or(8, 150))
def test_kill_at_any_moment(
    nurseries: Nurseries,
    world_of: Callable[..., World],
    mode: str,
    trials: int,
    options: tuple[str, ...],
) -> None:
    """Over the whole length of a run the table and the ledger are as before it or as after it."""
    world = world_of(mode, stale=6_000, seen=SLOW_OLD)
    length = typical_seconds(nurseries, world, options)
    chance = random.Random(SEED)
    moments = [chance.uniform(0, length * 1.05) for _ in range(trials)]
    states = set()

    def trial(nursery: Nursery, place: Path, moment: float) -> None:
        def kill(pid: int) -> None:
            time.sleep(moment)
            os.kill(pid, signal.SIGKILL)

        path = world.copy(place)
        outcome = nursery.run(*arguments(path, *options), during=kill)
        states.add((outcome.status, verify(world, path, outcome, whole=not options)))

    nurseries.each(moments, trial)
    print(f"seed {SEED}, over {length:.3f} s, states {sorted(states)}")  # noqa: T201 - on failure
    assert (-signal.SIGKILL, 0) in states


def typical_seconds(nurseries: Nurseries, world: World, options: tuple[str, ...]) -> float:
    """Return how long runs take while as many are at work as in the trials."""
    seconds: list[float] = []

    def trial(nursery: Nursery, place: Path, _: int) -> None:
        path = world.copy(place)
        outcome = nursery.run(*arguments(path, *options))
        assert verify(world, path, outcome, whole=not options) == world.stale
        seconds.append(outcome.seconds)

    nurseries.each(range(6), trial)
    return sorted(seconds)[3]
