"""Real servers, installed where they are missing and started once for all tests."""

import contextlib
import functools
import itertools
import os
from pathlib import Path
from typing import Any, Callable, Iterator, Optional, Sequence

import debian
import pytest
from helpers import host, reporting
from sqlalchemy.engine import URL
from system.machine import cache_lock

from servers import mariadb_server, mysql_server, postgresql_server
from servers.releases import HERE, MYSQL, POSTGRESQL, RELEASES, Server, started

_PACKAGES = ["postgresql", "mariadb-server", "galera-4", "rsync"]
_HERE = Path(__file__).parent
_NUMBERS = itertools.count()
_SERVERS = ("server", "postgresql", "mariadb")
# What is run on the oldest and the newest servers as well, if not asked for otherwise.
_ON_ALL = {"test_errors", "test_migrations", "test_runs", "test_values"}


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark these tests."""
    item.add_marker(pytest.mark.servers)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave tests out, saying so, where their server is not wanted or cannot be had."""
    ours = [item for item in items if _HERE in item.path.parents]
    unwanted = [item for item in ours if not _is_wanted(item, config.getoption("servers"))]
    reporting.leave_out(config, items, unwanted)
    if not host.may_mount():
        mounting = [item for item in ours if item.name.startswith("test_a_full_disk")]
        reporting.leave_out(config, items, mounting, "a small disk needs a root that may mount")
    ours = [item for item in ours if item in set(items)]
    if ours and (problem := _problem()):
        reporting.leave_out(config, items, ours, problem)


def _server_of(item: pytest.Item) -> Optional[str]:
    parameters = getattr(getattr(item, "callspec", None), "params", {})
    return next((parameters[name] for name in _SERVERS if name in parameters), None)


def _is_wanted(item: pytest.Item, wanted: str) -> bool:
    on = _server_of(item)
    if wanted == "some":
        part = item.path.stem in _ON_ALL and not item.name.startswith("test_a_full_disk")
        return on is None or on in HERE or (part and host.may_mount())
    return wanted == "all" or on in wanted.split(",")


def _problem() -> Optional[str]:
    if os.geteuid() != 0:
        return "only root can start servers as the users postgres and mysql"
    with cache_lock():
        if not (postgresql_server.is_installed() and mariadb_server.is_installed()):
            return debian.install(*_PACKAGES)
    return None


@pytest.fixture(scope="session")
def running() -> Iterator[Callable[[str], Server]]:
    """Return a function that returns a server, and starts it if it is the first to ask."""
    with contextlib.ExitStack() as stack:
        yield functools.cache(lambda name: stack.enter_context(started(name)))


def _fixture(names: Sequence[str]) -> Any:
    @pytest.fixture(params=names, scope="session")
    def each(request: pytest.FixtureRequest, running: Callable[[str], Server]) -> Server:
        return running(request.param)

    return each


# Each server in turn; those of one kind; those of the other, MySQL among them.
server = _fixture(list(RELEASES))
postgresql = _fixture(POSTGRESQL)
mariadb = _fixture(MYSQL)


def is_postgresql(server: Server) -> bool:
    """Tell the two kinds of server apart."""
    return isinstance(server, postgresql_server.PostgreSQLServer)


def admin_of(server: Server) -> str:
    """Return the user who may do anything."""
    return "postgres" if is_postgresql(server) else "root"


def is_mysql(server: Server) -> bool:
    """Tell MySQL itself from MariaDB."""
    return isinstance(server, mysql_server.MySQLServer)


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
