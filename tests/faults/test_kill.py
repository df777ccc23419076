"""``kill -9`` at random moments of a run: of its work, and of a process from its very start."""

import os
import random
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from helpers import commands
from helpers.faults.runs import ForkServer, ForkServers, Outcome, arguments
from helpers.faults.template import SLOW_OLD, DatabaseTemplate, trials, verify

SEED = 20_260_603


in_both_ways = pytest.mark.parametrize(
    "options", [(), ("--batch-seconds=0.05",)], ids=["whole", "batches"]
)
in_both_modes = pytest.mark.parametrize("mode", ["wal", "delete"])


@in_both_ways
@in_both_modes
@pytest.mark.parametrize("trials", trials(8, 150))
def test_kill_at_any_moment(
    fork_servers: ForkServers,
    template_of: Callable[..., DatabaseTemplate],
    mode: str,
    trials: int,
    options: tuple[str, ...],
) -> None:
    """Over the whole length of a run the table and the ledger are as before it or as after it."""
    template = template_of(mode, stale=6_000, seen=SLOW_OLD)
    length = typical_seconds(fork_servers, template, options)
    chance = random.Random(SEED)
    moments = [chance.uniform(0, length * 1.05) for _ in range(trials)]
    states = set()

    def trial(fork_server: ForkServer, place: Path, moment: float) -> None:
        def kill(pid: int) -> None:
            time.sleep(moment)
            os.kill(pid, signal.SIGKILL)

        path = template.copy(place)
        outcome = fork_server.run(*arguments(path, *options), during=kill)
        states.add((outcome.status, verify(template, path, outcome, whole=not options)))

    fork_servers.each(moments, trial)
    print(f"seed {SEED}, over {length:.3f} s, states {sorted(states)}")  # noqa: T201 - on failure
    assert (-signal.SIGKILL, 0) in states


def typical_seconds(
    fork_servers: ForkServers, template: DatabaseTemplate, options: tuple[str, ...]
) -> float:
    """Return how long runs take while as many are at work as in the trials."""
    seconds: list[float] = []

    def trial(fork_server: ForkServer, place: Path, _: int) -> None:
        path = template.copy(place)
        outcome = fork_server.run(*arguments(path, *options))
        assert verify(template, path, outcome, whole=not options) == template.stale
        seconds.append(outcome.seconds)

    fork_servers.each(range(6), trial)
    return sorted(seconds)[3]


@in_both_ways
@in_both_modes
@pytest.mark.parametrize("trials", trials(4, 30))
def test_kill_from_the_start(
    tmp_path: Path,
    template_of: Callable[..., DatabaseTemplate],
    mode: str,
    trials: int,
    options: tuple[str, ...],
) -> None:
    """A process of its own, on a disk: while Python starts, imports, works and ends."""
    template = template_of(mode, stale=6_000, seen=SLOW_OLD)
    states = set()

    def trial(moment: float | None) -> float:
        with tempfile.TemporaryDirectory(dir=tmp_path) as place:
            path = template.copy(Path(place))
            outcome = execute(path, options, moment)
            states.add((outcome.status, verify(template, path, outcome, whole=not options)))
            return outcome.seconds

    chance = random.Random(SEED)
    with ThreadPoolExecutor(2) as pool:
        length = max(pool.map(trial, [None, None]))
        list(pool.map(trial, [chance.uniform(0, length * 1.1) for _ in range(trials)]))
    print(f"seed {SEED}, over {length:.3f} s, states {sorted(states)}")  # noqa: T201 - on failure
    assert states >= {(0, template.stale), (-signal.SIGKILL, 0)}


def execute(path: Path, options: tuple[str, ...], moment: float | None) -> Outcome:
    """Run the command as a process, and kill it so many seconds after its start."""
    began = time.monotonic()
    process = subprocess.Popen(
        [*commands.COMMAND, *arguments(path, *options)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=commands.environment(),
    )
    if moment is not None:
        time.sleep(moment)
        process.kill()
    output, errors = process.communicate(timeout=120)
    return Outcome(process.returncode, output, errors, time.monotonic() - began)
