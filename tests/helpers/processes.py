"""Processes that are waited for: how long they may take, and when they are ready."""

import re
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

# Seconds within which a signal is answered for sure: one, on a machine busy with other things.
PROMPT = 5.0
# Only failures take so long.
PATIENCE_SECONDS = 300


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


def wait_until_it_listens(process: "subprocess.Popen[str]") -> None:
    """Return once a process has a handler of its own for SIGTERM."""
    wait_until("to listen for signals", lambda: listens(process), 30)


def listens(process: "subprocess.Popen[str]") -> bool:
    """Tell whether a process has a handler of its own for SIGTERM."""
    found = re.search(r"^SigCgt:\s*([0-9a-f]+)$", status_of(process.pid), re.MULTILINE)
    return bool(found and int(found[1], 16) >> (signal.SIGTERM - 1) & 1)


def wait_until_it_stops(pid: int) -> None:
    """Wait until a process that was told to stop is in none of the kernel's calls, or has ended."""
    while Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] not in "TZ":
        time.sleep(0.001)


def status_of(pid: int) -> str:
    """Return what the kernel tells of a process."""
    return Path(f"/proc/{pid}/status").read_text()
