"""``kill -9`` at random moments of a run: of its work, and of a process from its very start."""

import os
import random
import signal
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Callable, Optional

import pytest
import support

from faults.processes import Nurseries, Nursery, Outcome, arguments
from faults.world import SLOW_OLD, World, some_or, verify

SEED = 20_260_603


in_both_ways = pytest.mark.parametrize(
    "options", [(), ("--batch-seconds=0.05",)], ids=["whole", "batches"]
)
in_both_modes = pytest.mark.parametrize("mode", ["wal", "delete"])


@in_both_ways
@in_both_modes
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


@in_both_ways
@in_both_modes
@pytest.mark.parametrize("trials", some_or(4, 30))
def test_kill_from_the_start(
    tmp_path: Path,
    world_of: Callable[..., World],
    mode: str,
    trials: int,
    options: tuple[str, ...],
) -> None:
    """A process of its own, on a disk: while Python starts, imports, works and ends."""
    world = world_of(mode, stale=6_000, seen=SLOW_OLD)
    states = set()

    def trial(moment: Optional[float]) -> float:
        with tempfile.TemporaryDirectory(dir=tmp_path) as place:
            path = world.copy(Path(place))
            outcome = execute(path, options, moment)
            states.add((outcome.status, verify(world, path, outcome, whole=not options)))
            return outcome.seconds

    chance = random.Random(SEED)
    with ThreadPoolExecutor(2) as pool:
        length = max(pool.map(trial, [None, None]))
        list(pool.map(trial, [chance.uniform(0, length * 1.1) for _ in range(trials)]))
    print(f"seed {SEED}, over {length:.3f} s, states {sorted(states)}")  # noqa: T201 - on failure
    assert states >= {(0, world.stale), (-signal.SIGKILL, 0)}


def execute(path: Path, options: tuple[str, ...], moment: Optional[float]) -> Outcome:
    """Run the command as a process, and kill it so many seconds after its start."""
    began = time.monotonic()
    process = subprocess.Popen(
        [*support.COMMAND, *arguments(path, *options)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=support.environment(),
    )
    if moment is not None:
        time.sleep(moment)
        process.kill()
    output, errors = process.communicate(timeout=120)
    return Outcome(process.returncode, output, errors, time.monotonic() - began)
