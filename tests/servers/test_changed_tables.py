"""Tables that an application or an administrator changes while a run in batches is at work."""

from typing import Any

import pytest

from geocache_cleanup.deadline import Deadline
from geocache_cleanup.engines.urls import open_engine
from geocache_cleanup.errors import ConfigError
from geocache_cleanup.pruning import batches
from geocache_cleanup.result import Result
from helpers import jobs
from helpers.servers.dialects import admin_of, is_postgresql, numbered

ROWS = 4_000
BEFORE = jobs.instant("2020-01-01")


def prune(server: Any, database: str, statement: str) -> Result:
    """Prune in batches of some hundred rows while somebody meddles."""
    deadline = Deadline(60)
    engine = open_engine(server.url(database, user=admin_of(server)), deadline)
    job = jobs.job(cutoff=BEFORE, batch_seconds=1e-6)
    return batches.run(
        engine, job, deadline, jobs.Meddler(lambda: server.query(statement, database))
    )


def fill(server: Any, database: str, declared: str, stale: str, fresh: str) -> None:
    """Make a table of which every other row is stale."""
    server.query(f"CREATE TABLE geo_cache (ip INTEGER PRIMARY KEY, last_seen {declared})", database)
    server.query(
        f"INSERT INTO geo_cache SELECT n, CASE WHEN n % 2 = 0 THEN {stale} ELSE {fresh} END"
        f" FROM {numbered(ROWS)}",
        database,
    )


def test_a_column_whose_type_changes_ends_the_run(server: Any, database: str) -> None:
    """Yesterday's idea of an epoch would delete the fresh rows of a column of text."""
    fill(server, database, "BIGINT", "1500000000", "1900000000")
    change = (
        "ALTER TABLE geo_cache ALTER COLUMN last_seen TYPE VARCHAR(40)"
        if is_postgresql(server)
        else "ALTER TABLE geo_cache MODIFY last_seen VARCHAR(40)"
    )
    with pytest.raises(ConfigError, match="was changed from") as caught:
        prune(server, database, change)
    assert caught.value.partial is not None
    assert 0 < caught.value.partial.deleted < ROWS // 2
    fresh = server.query("SELECT count(*) FROM geo_cache WHERE last_seen = '1900000000'", database)
    assert fresh == [(ROWS // 2,)]


def test_a_column_that_is_renamed_ends_the_run(server: Any, database: str) -> None:
    fill(server, database, "BIGINT", "1500000000", "1900000000")
    with pytest.raises(ConfigError, match="has no column") as caught:
        prune(server, database, "ALTER TABLE geo_cache RENAME COLUMN last_seen TO seen")
    assert caught.value.partial is not None


def test_a_table_that_is_rewritten_is_searched_again(server: Any, database: str) -> None:
    """Every row lies elsewhere then: success is told only once all stale ones are gone."""
    fill(server, database, "BIGINT", "1500000000", "1900000000")
    rewrite = "VACUUM FULL geo_cache" if is_postgresql(server) else "ALTER TABLE geo_cache FORCE"
    result = prune(server, database, rewrite)
    assert result.deleted == ROWS // 2
    assert server.query("SELECT count(*) FROM geo_cache", database) == [(ROWS // 2,)]
