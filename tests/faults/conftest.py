"""What the trials share: the shim, forked commands, databases, and the counts at the end."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from helpers import host, reporting
from helpers.faults.runs import ForkServers
from helpers.faults.template import DatabaseTemplate, make_template
from helpers.host import PROJECT, cache_lock, install
from helpers.servers.fixtures import database, database_of, running

__all__ = ["database", "database_of", "running"]  # fixtures
_SHIM = PROJECT / "tests" / "helpers" / "faults" / "failing_io.c"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out, saying so, what this machine cannot do."""
    lacking = set()
    if not shutil.which("gcc"):
        lacking |= {"fork_servers"}
    if not host.may_mount():
        lacking |= {"small_disk", "machine", "quota_disk", "protected_symlinks"}
    some = _that_use(items, lacking)
    reporting.leave_out(config, items, some, "trials of faults need gcc and a root that may mount")
    some = _that_use(items, {"quota_disk"})
    if some and (problem := _problem_with_btrfs()):
        reporting.leave_out(config, items, some, problem)


def _that_use(items: list[pytest.Item], fixtures: set[str]) -> list[pytest.Item]:
    return [item for item in items if fixtures & set(getattr(item, "fixturenames", ()))]


def _problem_with_btrfs() -> str | None:
    with cache_lock():
        return None if shutil.which("mkfs.btrfs") else install("btrfs-progs")


@pytest.fixture(scope="session")
def memory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return a directory in memory: a kill and a failing call are the same there, but quick."""
    shared = Path("/dev/shm")  # noqa: S108 - only root and this user reach what is made there
    where = shared if os.access(shared, os.W_OK) else tmp_path_factory.mktemp("memory")
    made = Path(tempfile.mkdtemp(dir=where))
    yield made
    shutil.rmtree(made)


@pytest.fixture(scope="session")
def fork_servers(memory: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ForkServers]:
    """Return what forks the command, with the shim that makes system calls fail."""
    shim = tmp_path_factory.mktemp("fork_servers") / "failing_io.so"
    subprocess.run(["gcc", "-O2", "-shared", "-fPIC", "-o", shim, _SHIM, "-ldl"], check=True)
    found = ForkServers(memory / "fork_servers", shim)
    yield found
    found.stop()


@pytest.fixture(scope="session")
def template_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., DatabaseTemplate]:
    """Return a function that makes a database once for each journal mode and size."""
    made: dict[object, DatabaseTemplate] = {}

    def make(mode: str, **sizes: object) -> DatabaseTemplate:
        key = (mode, *sizes.items())
        if key not in made:
            path = tmp_path_factory.mktemp("template") / "template.db"
            made[key] = make_template(path, mode, **sizes)  # type: ignore[arg-type]
        return made[key]

    return make


@pytest.fixture(params=["wal", "delete"])
def template(
    template_of: Callable[..., DatabaseTemplate], request: pytest.FixtureRequest
) -> DatabaseTemplate:
    """Return a database of each journal mode in turn."""
    return template_of(request.param)


@pytest.fixture(params=["postgresql", "mariadb"], scope="module")
def server(request: pytest.FixtureRequest, running: Callable[[str], object]) -> object:
    """Return each of the servers of this machine; those of other releases are asked elsewhere."""
    return running(request.param)
