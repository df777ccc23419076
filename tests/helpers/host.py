"""The machine that the tests run on: what they may do there, install there and keep there."""

import fcntl
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from helpers.processes import status_of

PROJECT = Path(__file__).parents[2]
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "geocache-cleanup"
# For the data of servers: what is for temporary files, and often in memory, is soon full of them.
LARGE_FILES = "/var/tmp"  # noqa: S108 - only names that nobody can guess are made there
# For who else installs something, such as another session.
WAIT_FOR_OTHERS = "--option=DPkg::Lock::Timeout=900"
_CAP_SYS_ADMIN = 21  # see capabilities(7)


def may_mount() -> bool:
    """Tell whether this is a root that may mount file systems, which one in a container is not."""
    found = re.search(r"^CapEff:\s*([0-9a-f]+)$", status_of(os.getpid()), re.MULTILINE)
    return os.geteuid() == 0 and found is not None and bool(int(found[1], 16) >> _CAP_SYS_ADMIN & 1)


def call(*command: str | Path, timeout: float = 900) -> str:
    """Run a command on the host and return its output; raise AssertionError if it fails."""
    # A virtual environment's Python must not be found by the tools of the system.
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}
    proxies = {key: value for key, value in os.environ.items() if key.lower().endswith("_proxy")}
    done = subprocess.run(
        command,
        check=False,
        env={**environment, **proxies, "DEBIAN_FRONTEND": "noninteractive"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        timeout=timeout,
    )
    assert done.returncode == 0, f"{command} exited {done.returncode}:\n{done.stdout}"
    return done.stdout


def install(*packages: str) -> str | None:
    """Install packages; return what stands in the way, if anything does.

    Packages of servers would start some of their own, which no test uses: they do not here.
    """
    problem = f"apt-get cannot install {' '.join(packages)}"
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        return problem
    subprocess.run(["apt-get", "update", "-qq"], check=False, capture_output=True)
    done = subprocess.run(
        ["apt-get", "install", "-y", "-qq", "--no-install-recommends", WAIT_FOR_OTHERS, *packages],
        env={**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"},
        check=False,
        capture_output=True,
    )
    return problem if done.returncode else None


@contextmanager
def cache_lock() -> Iterator[None]:
    """Let one session at a time fill the cache."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with locked(CACHE / "lock"):
        yield


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Let one process at a time do something."""
    with open(path, "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
