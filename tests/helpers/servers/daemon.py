"""Processes of database servers: private data directories, free ports, gone at the end."""

import contextlib
import os
import pwd
import random
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from helpers.host import LARGE_FILES
from helpers.processes import PATIENCE_SECONDS, wait_until

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
    directory = Path(tempfile.mkdtemp(prefix="gcc-", dir=LARGE_FILES))
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
