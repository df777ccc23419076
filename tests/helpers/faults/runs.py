"""Runs of the command by the hundred: forked, several at once, with a fault each."""

import contextlib
import dataclasses
import json
import os
import queue
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from helpers import commands, jobs
from helpers.faults.fault import Fault

_HERE = Path(__file__).parent
_Item = TypeVar("_Item")
# Some trials wait rather than work.
_AT_ONCE = 2 * (os.cpu_count() or 1)


@dataclass(frozen=True)
class Outcome:
    """How a run ended: status (negative: the signal), output, events, and the calls counted."""

    status: int
    output: str
    errors: str
    seconds: float
    seen: int = 0
    hits: int = 0

    @property
    def events(self) -> list[dict[str, Any]]:
        """The events, without the line that a kill cut off.

        libpq has words of its own for a server that dies in the middle of a log-in.
        """
        lines = self.errors.splitlines(keepends=True)
        lines = [line for line in lines if not line.startswith("FATAL:  terminating connection")]
        if self.status == -signal.SIGKILL and lines and not lines[-1].endswith("\n"):
            lines.pop()
        assert all(line.startswith("{") for line in lines), self.errors
        return [json.loads(line) for line in lines]

    @property
    def last(self) -> dict[str, Any]:
        """The last event."""
        return self.events[-1]


class ForkServer:
    """One process that forks the command; see fork_server.py."""

    def __init__(self, directory: Path, shim: Path | None) -> None:
        self._directory = directory
        preload = {"LD_PRELOAD": str(shim)} if shim else {}
        self._process = subprocess.Popen(
            [sys.executable, str(_HERE / "fork_server.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=commands.environment(preload),
        )

    def run(
        self,
        *arguments: str,
        fault: Fault | None = None,
        env: Mapping[str, str] | None = None,
        during: Callable[[int], None] = lambda _: None,
    ) -> Outcome:
        """Run the command to its end; ``during`` is called with its pid once it has started."""
        fields = dataclasses.asdict(fault) if fault else None
        for name in ("out", "err"):  # a child may be killed before it makes its own
            (self._directory / name).write_text("")
        began = time.monotonic()
        pid = self._ask(
            output=str(self._directory),
            environment=commands.environment(env),
            arguments=arguments,
            fault=fields,
        )
        try:
            during(pid)
        finally:
            status = self._ask(reap=True)
        seconds = time.monotonic() - began
        output, errors = ((self._directory / name).read_text() for name in ("out", "err"))
        report = self._directory / "io"
        # A kill may come in the middle of the report.
        counts = json.loads(report.read_text()) if status >= 0 and report.exists() else []
        report.unlink(missing_ok=True)
        return Outcome(status, output, errors, seconds, *counts)

    def _ask(self, **request: object) -> int:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> int:
        assert self._process.stdout is not None
        return int(self._process.stdout.readline())

    def stop(self) -> None:
        """End it; it has no child by then."""
        self._process.communicate()


class ForkServers:
    """As many as there are processors, each with a directory of its own for one test at a time."""

    def __init__(self, directory: Path, shim: Path | None) -> None:
        self._free: queue.Queue[tuple[ForkServer, Path]] = queue.Queue()
        self._all = []
        for number in range(_AT_ONCE):
            place = directory / str(number)
            place.mkdir(parents=True)
            self._all.append(ForkServer(place, shim))
            self._free.put((self._all[-1], place))

    @contextlib.contextmanager
    def one(self) -> Iterator[tuple[ForkServer, Path]]:
        """Borrow one, with a directory to put files in."""
        found = self._free.get()
        try:
            yield found
        finally:
            self._free.put(found)

    def each(
        self, items: Iterable[_Item], trial: Callable[[ForkServer, Path, _Item], None]
    ) -> None:
        """Try every item, several at once; raise the first failure, with its item."""

        def work(item: _Item) -> None:
            with self.one() as (fork_server, place):
                try:
                    trial(fork_server, place, item)
                except Exception as error:
                    error.add_note(f"in the trial {item!r}")
                    raise

        with ThreadPoolExecutor(_AT_ONCE) as pool:
            for done in [pool.submit(work, item) for item in items]:
                done.result()

    def stop(self) -> None:
        """End all."""
        for fork_server in self._all:
            fork_server.stop()


def arguments(path: object, *more: str) -> Sequence[str]:
    """Return what starts a run on a file."""
    return ("run", commands.url(path), f"--before={jobs.CUTOFF}", *more)
