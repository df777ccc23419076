"""Database servers of the tests' own: private data directories, free ports, gone at the end."""

import contextlib
import json
import os
import pwd
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from servers.programs import PATIENCE_SECONDS

_PORTS = range(20_000, 32_000)
_MARKS: list[socket.socket] = []


def free_port() -> int:
    """Return a TCP port of the loopback interface that nothing listens on.

    It is none that the kernel gives to clients, and marked as taken, for other sessions too, until
    this process ends: a server may come to use it late, or for a second time.
    """
    for port in random.sample(_PORTS, len(_PORTS)):
        mark = socket.socket(socket.AF_UNIX)
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            mark.bind(f"\0geocache-cleanup-test-{port}")
            _MARKS.append(mark)
            return port
        mark.close()
    raise AssertionError("all ports are taken")


@contextlib.contextmanager
def private_directory(user: str) -> Iterator[Path]:
    """Yield a directory of a system user's own, short enough for a socket's path."""
    directory = Path(tempfile.mkdtemp(prefix="gcc-"))
    try:
        os.chown(directory, pwd.getpwnam(user).pw_uid, pwd.getpwnam(user).pw_gid)
        directory.chmod(0o755)
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


class Daemon:
    """A server process in the foreground, with its log in a file."""

    def __init__(self, command: Sequence[str], log: Path) -> None:
        self._command = command
        self.log = log
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the server; ``wait`` returns when it can be used."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self._command,
                cwd="/",
                env={"PATH": os.environ["PATH"], "LC_ALL": "C"},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def wait(self, answers: Any) -> None:
        """Return when the server answers; raise AssertionError if it does not."""
        wait_until("the server's start", lambda: not self.runs or answers())
        assert self.runs, self.log.read_text(errors="replace")[-2_000:]

    @property
    def runs(self) -> bool:
        """Whether the server has not ended by itself."""
        return self.process is not None and self.process.poll() is None

    def stop(self, number: int = signal.SIGTERM) -> None:
        """End the server, at once with SIGKILL."""
        if self.process is not None:
            if number == signal.SIGKILL:
                os.killpg(self.process.pid, number)
            else:
                self.process.send_signal(number)
            self.process.wait(PATIENCE_SECONDS)
            self.process = None


def numbered(rows: int) -> str:
    """Return a table with a column n from 1 up, in SQL that all servers know."""
    return (
        "(WITH RECURSIVE counted (n) AS"
        f" (SELECT 1 UNION ALL SELECT n + 1 FROM counted WHERE n < {rows})"
        " SELECT n FROM counted) AS numbered"
    )


def wait_until(what: str, holds: Any, seconds: float = PATIENCE_SECONDS) -> None:
    """Return when a function does not raise and returns something true."""
    deadline = time.monotonic() + seconds
    last: object = None
    while time.monotonic() < deadline:
        try:
            if holds():
                return
        except Exception as error:  # noqa: BLE001 - it is what the wait is for
            last = error
        time.sleep(0.05)
    raise AssertionError(f"{what} took more than {seconds} seconds; last: {last!r}")


@dataclass(frozen=True)
class Outcome:
    """How a command ended: exit status, what it printed, and its events."""

    status: int
    output: str
    events: Sequence[Mapping[str, Any]]
    seconds: float = 0.0

    @property
    def last(self) -> Mapping[str, Any]:
        """The last event."""
        return self.events[-1]


class Command:
    """The command under test, started as a user would start it."""

    def __init__(self, *arguments: object, url: object, **environment: str) -> None:
        self.started = time.monotonic()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "geocache_cleanup", *(str(part) for part in arguments)],
            env={
                **{key: value for key, value in os.environ.items() if "GEOCACHE" not in key},
                "GEOCACHE_CLEANUP_DATABASE_URL": str(url),
                "GEOCACHE_CLEANUP_LOG_FORMAT": "json",
                "SQLALCHEMY_WARN_20": "1",
                "PYTHONWARNINGS": "error,ignore::ResourceWarning",  # PyMySQL leaves a socket
                **environment,
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def end(self) -> Outcome:
        """Wait for the end, and return how it went."""
        output, log = self.process.communicate(timeout=PATIENCE_SECONDS)
        seconds = time.monotonic() - self.started
        lines = log.splitlines()
        assert all(line.startswith("{") for line in lines), log
        return Outcome(self.process.returncode, output, list(map(json.loads, lines)), seconds)


def geocache_cleanup(*arguments: object, url: object, **environment: str) -> Outcome:
    """Run the command under test to its end."""
    return Command(*arguments, url=url, **environment).end()
