"""Processes that are waited for: how long they may take, and when they are ready."""

import re
import signal
import subprocess
import time
from pathlib import Path

# Seconds within which a signal is answered for sure: one, on a machine busy with other things.
PROMPT = 5.0


def wait_until_it_listens(process: "subprocess.Popen[str]") -> None:
    """Return once a process has a handler of its own for SIGTERM."""
    end = time.monotonic() + 30
    while time.monotonic() < end:
        found = re.search(r"^SigCgt:\s*([0-9a-f]+)$", status_of(process.pid), re.MULTILINE)
        if found and int(found[1], 16) >> (signal.SIGTERM - 1) & 1:
            return
        time.sleep(0.02)
    raise AssertionError("the process has not come to listen for signals")


def status_of(pid: int) -> str:
    """Return what the kernel tells of a process."""
    return Path(f"/proc/{pid}/status").read_text()
