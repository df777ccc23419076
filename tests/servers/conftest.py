"""Real servers, installed where they are missing and started once for all tests."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Iterator

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import postgresql_server
from private_server import private_directory

_PACKAGES = ["postgresql", "mariadb-server", "galera-4", "rsync"]
_HERE = Path(__file__).parent


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark these tests, and leave them out, saying so, where no server can be had."""
    ours = [item for item in items if _HERE in item.path.parents]
    for item in ours:
        item.add_marker(pytest.mark.servers)
    problem = _problem() if ours else None
    if problem:
        config.hook.pytest_deselected(items=ours)
        items[:] = [item for item in items if item not in ours]
        sys.stderr.write(f"tests/servers is left out: {problem}\n")


def _problem() -> "str | None":
    if os.geteuid() != 0:
        return "only root can start servers as the users postgres and mysql"
    if not all(map(os.path.exists, ("/usr/sbin/mariadbd", "/usr/lib/galera/libgalera_smm.so"))) or (
        not postgresql_server.is_installed()
    ):
        return _install()
    return None


def _install() -> "str | None":
    # The packages would start servers of their own; no test uses those.
    subprocess.run(["apt-get", "update", "-qq"], check=False, capture_output=True)
    done = subprocess.run(
        ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *_PACKAGES],
        env={**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"},
        check=False,
        capture_output=True,
        text=True,
    )
    return f"apt-get cannot install {' '.join(_PACKAGES)}" if done.returncode else None


@pytest.fixture(scope="session")
def postgresql() -> Iterator[postgresql_server.PostgreSQLServer]:
    """Return a PostgreSQL server with the user app."""
    with private_directory("postgres") as directory:
        server = postgresql_server.PostgreSQLServer(directory)
        server.create()
        server.start()
        try:
            server.query(f"CREATE ROLE app LOGIN PASSWORD '{postgresql_server.PASSWORD}'")
            yield server
        finally:
            server.stop()
