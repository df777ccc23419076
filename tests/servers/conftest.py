"""Real servers, installed where they are missing and started once for all tests."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from helpers import host, reporting
from helpers.host import cache_lock, install
from helpers.servers import mariadb as mariadb_server
from helpers.servers import pgbouncer
from helpers.servers import postgresql as postgresql_server
from helpers.servers.fixtures import database, database_of, running
from helpers.servers.releases import HERE, MYSQL, POSTGRESQL, RELEASES, Server
from helpers.servers.slow_table import filled

__all__ = ["database", "database_of", "filled", "running"]  # fixtures
_PACKAGES = ["postgresql", "mariadb-server", "galera-4", "rsync", "pgbouncer"]
_HERE = Path(__file__).parent
_SERVERS = ("server", "postgresql", "mariadb")
# What is run on the oldest and the newest servers as well, if not asked for otherwise.
_ON_ALL = {
    *("test_connections", "test_migrations", "test_privileges", "test_refused_deletions"),
    *("test_runs", "test_values"),
}


def pytest_itemcollected(item: pytest.Item) -> None:
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


def _server_of(item: pytest.Item) -> str | None:
    parameters = getattr(getattr(item, "callspec", None), "params", {})
    return next((parameters[name] for name in _SERVERS if name in parameters), None)


def _is_wanted(item: pytest.Item, wanted: str) -> bool:
    on = _server_of(item)
    if wanted == "some":
        part = item.path.stem in _ON_ALL and not item.name.startswith("test_a_full_disk")
        return on is None or on in HERE or (part and host.may_mount())
    return wanted == "all" or on in wanted.split(",")


def _problem() -> str | None:
    if os.geteuid() != 0:
        return "only root can start servers as the users postgres and mysql"
    with cache_lock():
        parts = (postgresql_server, mariadb_server, pgbouncer)
        if not all(part.is_installed() for part in parts):
            return install(*_PACKAGES)
    return None


def _fixture(names: Sequence[str]) -> Any:
    @pytest.fixture(params=names, scope="session")
    def each(request: pytest.FixtureRequest, running: Callable[[str], Server]) -> Server:
        return running(request.param)

    return each


# Each server in turn; those of one kind; those of the other, MySQL among them.
server = _fixture(list(RELEASES))
postgresql = _fixture(POSTGRESQL)
mariadb = _fixture(MYSQL)
