"""Real servers, installed where they are missing and started once for all tests."""

import itertools
import os
import subprocess
import sys
from pathlib import Path
from typing import Callable, Iterator, Optional, Union

import pytest
import support
from sqlalchemy.engine import URL

from servers import mariadb_server, postgresql_server
from servers.private_server import private_directory

_PACKAGES = ["postgresql", "mariadb-server", "galera-4", "rsync"]
_HERE = Path(__file__).parent
_NUMBERS = itertools.count()
Server = Union[postgresql_server.PostgreSQLServer, mariadb_server.MariaDBServer]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark these tests, and leave them out, saying so, where no server can be had."""
    ours = [item for item in items if _HERE in item.path.parents]
    for item in ours:
        item.add_marker(pytest.mark.servers)
    mounting = [item for item in ours if item.name.startswith("test_a_full_disk")]
    if mounting and not support.may_mount():
        config.hook.pytest_deselected(items=mounting)
        items[:] = [item for item in items if item not in mounting]
        sys.stderr.write("test_a_full_disk is left out: it needs a root that may mount\n")
    problem = _problem() if ours else None
    if problem:
        config.hook.pytest_deselected(items=ours)
        items[:] = [item for item in items if item not in ours]
        sys.stderr.write(f"tests/servers is left out: {problem}\n")


def _problem() -> Optional[str]:
    if os.geteuid() != 0:
        return "only root can start servers as the users postgres and mysql"
    if not (postgresql_server.is_installed() and mariadb_server.is_installed()):
        return _install()
    return None


def _install() -> Optional[str]:
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


@pytest.fixture(scope="session")
def mariadb() -> Iterator[mariadb_server.MariaDBServer]:
    """Return a MariaDB server with the user app, and root who comes in by the socket."""
    with private_directory("mysql") as directory:
        server = mariadb_server.MariaDBServer(directory)
        server.create()
        try:
            server.start()
            server.query(f"CREATE USER app IDENTIFIED BY '{mariadb_server.PASSWORD}'")
            yield server
        finally:
            server.stop()


@pytest.fixture(params=["postgresql", "mariadb"], scope="session")
def server(request: pytest.FixtureRequest) -> "Server":
    """Return each of the two servers in turn."""
    found: Server = request.getfixturevalue(request.param)
    return found


def is_postgresql(server: Server) -> bool:
    """Tell the two kinds of server apart."""
    return isinstance(server, postgresql_server.PostgreSQLServer)


def text_of(url: URL) -> str:
    """Return a URL with its password, as a user writes it."""
    return url.render_as_string(hide_password=False)


@pytest.fixture
def database_of() -> Iterator[Callable[[Server], str]]:
    """Return a function that makes an empty database of app's own on a server."""
    made: list[tuple[Server, str]] = []

    def make(server: Server) -> str:
        name = f"d{next(_NUMBERS)}"
        if is_postgresql(server):
            server.query(f"CREATE DATABASE {name} OWNER app")
        else:
            server.query(f"CREATE DATABASE {name};\nGRANT ALL ON {name}.* TO app")
        made.append((server, name))
        return name

    yield make
    for server, name in made:
        server.query(f"DROP DATABASE {name}{' WITH (FORCE)' * is_postgresql(server)}")


@pytest.fixture
def database(server: Server, database_of: Callable[[Server], str]) -> str:
    """Return the name of an empty database of app's own."""
    return database_of(server)
