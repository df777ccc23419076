"""What the trials share: the shim, forked commands, databases, and the counts at the end."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Callable, Iterator

import pytest
import support

from faults.processes import Nurseries
from faults.world import World, make_world

_HERE = Path(__file__).parent


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out, saying so, what this machine cannot do."""
    lacking = set()
    if not shutil.which("gcc"):
        lacking |= {"nurseries"}
    if not support.may_mount():
        lacking |= {"small_disk", "machine"}
    some = [item for item in items if lacking & set(getattr(item, "fixturenames", ()))]
    support.leave_out(config, items, some, "trials of faults need gcc and a root that may mount")


@pytest.fixture(scope="session")
def nurseries(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nurseries]:
    """Return what forks the command, with the shim that makes system calls fail."""
    directory = tmp_path_factory.mktemp("nurseries")
    memory = Path("/dev/shm")  # noqa: S108 - a kill and a failing call are the same there, but quick
    fast = Path(tempfile.mkdtemp(dir=memory if os.access(memory, os.W_OK) else directory))
    shim = directory / "failing_io.so"
    subprocess.run(
        ["gcc", "-O2", "-shared", "-fPIC", "-o", shim, _HERE / "failing_io.c", "-ldl"], check=True
    )
    found = Nurseries(fast, shim)
    yield found
    found.stop()
    shutil.rmtree(fast)


@pytest.fixture(scope="session")
def world_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., World]:
    """Return a function that makes a database once for each journal mode and size."""
    made: dict[object, World] = {}

    def make(mode: str, **sizes: object) -> World:
        key = (mode, *sizes.items())
        if key not in made:
            path = tmp_path_factory.mktemp("world") / "template.db"
            made[key] = make_world(path, mode, **sizes)  # type: ignore[arg-type]
        return made[key]

    return make


@pytest.fixture(params=["wal", "delete"])
def world(world_of: Callable[..., World], request: pytest.FixtureRequest) -> World:
    """Return a database of each journal mode in turn."""
    return world_of(request.param)


@pytest.fixture(params=["postgresql", "mariadb"], scope="module")
def server(request: pytest.FixtureRequest, running: Callable[[str], object]) -> object:
    """Return each of the servers of this machine; those of other releases are asked elsewhere."""
    return running(request.param)
