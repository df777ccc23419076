"""The database that most tests of the command work on."""

from pathlib import Path

import pytest

from helpers.databases import ROWS, make_database


@pytest.fixture(params=["wal", "delete"])
def database(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """Return a database of some size, half of it stale, with a ledger."""
    return make_database(tmp_path / "geo.db", ROWS, request.param)
