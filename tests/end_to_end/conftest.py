"""The databases that most tests of the command work on."""

from pathlib import Path

import pytest

from helpers import tables
from helpers.databases import ROWS, make_database

OLD, NEW = "2020-01-01T00:00:00Z", "2099-01-01T00:00:00Z"


@pytest.fixture(params=["wal", "delete"])
def database(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """Return a database of some size, half of it stale, with a ledger."""
    return make_database(tmp_path / "geo.db", ROWS, request.param)


@pytest.fixture
def two_rows(tmp_path: Path) -> Path:
    """Return a database with a stale and a fresh row."""
    path = tmp_path / "geo.db"
    tables.make_table(path, [("old", OLD), ("new", NEW)])
    return path
