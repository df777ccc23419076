"""Fixtures of running servers and databases on them, for the conftest of a directory to import."""

import contextlib
import functools
import itertools
from collections.abc import Callable, Iterator

import pytest

from helpers.servers.dialects import is_postgresql
from helpers.servers.releases import Server, started

_NUMBERS = itertools.count()


@pytest.fixture(scope="session")
def running() -> Iterator[Callable[[str], Server]]:
    """Return a function that returns a server, and starts it if it is the first to ask."""
    with contextlib.ExitStack() as stack:
        yield functools.cache(lambda name: stack.enter_context(started(name)))


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
