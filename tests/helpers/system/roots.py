"""Root file systems of Debian releases, made once and kept in the user's cache directory.

Each session works on an overlay of them in memory, so that it begins with the same files whatever
the last one did.
"""

import datetime as dt
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from helpers.host import CACHE, WAIT_FOR_OTHERS, cache_lock, call

RELEASES = {"bookworm": 252, "trixie": 257}
# The release in the making, for early warnings: as it was on some day of this week.
DEVELOPMENT = "sid"

# What the package depends on is there before, for the containers have no network; a test asks
# apt whether the package's dependencies name all of it.
RUNTIME = (
    "python3-alembic",
    "python3-prometheus-client",
    "python3-pythonjsonlogger",
    "python3-sqlalchemy",
    "python3-typer",
    "tzdata",
)
TOOLS = (
    "autopkgtest bash-completion dbus fish jq libnss-systemd lintian man-db procps python3-venv"
    " sqlite3 systemd passwd systemd-sysv zsh"
)
BUILD = (
    "build-essential debhelper dh-python fakeroot pybuild-plugin-pyproject python3-all"
    " python3-hatchling python3-hypothesis python3-pytest"
)


def install_tools() -> None:
    """Install what the host needs to make and boot a Debian."""
    if not (shutil.which("mmdebstrap") and shutil.which("systemd-nspawn")):
        call("apt-get", "update")
        call(
            *("apt-get", "install", "--yes", "--no-install-recommends", WAIT_FOR_OTHERS),
            *("mmdebstrap", "systemd-container"),
        )


def apt_options() -> list[str]:
    """Return the host's settings of how apt reaches a mirror: proxies, certificates."""
    dump = call("apt-config", "dump").splitlines()
    return [f"--aptopt={line}" for line in dump if line.startswith("Acquire::http")]


def release_root(release: str) -> Path:
    """Return what is booted of a release; that in the making can build the package as well.

    Raise AssertionError if it cannot be made.
    """
    packages = (*TOOLS.split(), *RUNTIME)
    if release in RELEASES:
        return cached_root(release, release, packages)
    year, week, _ = dt.datetime.now(dt.UTC).isocalendar()
    return cached_root(release, release, (*packages, *BUILD.split(), "mount"), f"{year}-{week}")


def cached_root(name: str, suite: str, packages: tuple[str, ...], version: str = "2") -> Path:
    """Return a root file system with the packages, made now if it is not in the cache."""
    recipe = json.dumps([suite, packages, version])
    root = CACHE / f"{name}-{hashlib.sha256(recipe.encode()).hexdigest()[:16]}"
    with cache_lock():
        if root.exists():
            return root
        install_tools()
        # The root of an older recipe is never used again.
        for old in CACHE.glob(f"{name}-*"):
            shutil.rmtree(old)
        partial = CACHE / f"{name}-partial"
        call(
            *("mmdebstrap", "--mode=root", "--variant=apt", f"--include={','.join(packages)}"),
            *('--aptopt=APT::Install-Recommends "false"', *apt_options()),
            # A mirror of a release in the making may stand still for a while.
            '--aptopt=Acquire::Check-Valid-Until "false"',
            *(suite, str(partial), *os.environ.get("GEOCACHE_TEST_MIRROR", "").split()),
        )
        partial.rename(root)
    return root


@contextmanager
def overlay(base: Path, scratch: Path) -> Iterator[Path]:
    """Mount a writable view of a root file system which forgets all changes."""
    call("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", scratch)
    with ExitStack() as undo:
        # Lazily: a process that is only just ending may still hold a file.
        undo.callback(call, "umount", "--lazy", scratch)
        for part in ("upper", "work", "root"):
            (scratch / part).mkdir()
        layers = f"lowerdir={base},upperdir={scratch}/upper,workdir={scratch}/work"
        call("mount", "-t", "overlay", "overlay", "-o", layers, scratch / "root")
        undo.callback(call, "umount", "--lazy", scratch / "root")
        yield scratch / "root"
