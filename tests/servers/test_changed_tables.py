"""Tables that an application or an administrator changes while a run is at work."""

from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa

from geocache_cleanup.deadline import Deadline
from geocache_cleanup.engines.urls import open_engine
from geocache_cleanup.errors import ConfigError
from geocache_cleanup.pruning import batches
from geocache_cleanup.pruning.ledger import NAME, Ledger
from geocache_cleanup.pruning.progress import Progress
from geocache_cleanup.result import Result
from helpers import jobs
from helpers.servers.commands import geocache_cleanup
from helpers.servers.dialects import admin_of, is_postgresql, numbered, text_of

ROWS = 4_000
BEFORE = jobs.instant("2020-01-01")


def prune_beside(server: Any, database: str, meddler: Progress, seconds: float) -> Result:
    """Prune, in batches of so many seconds if any, while somebody meddles."""
    deadline = Deadline(60)
    engine = open_engine(server.url(database, user=admin_of(server)), deadline)
    job = jobs.job(cutoff=BEFORE, batch_seconds=seconds)
    return batches.run(engine, job, deadline, meddler)


def prune(server: Any, database: str, statement: str) -> Result:
    """Prune in batches of some hundred rows while somebody executes a statement."""
    meddler = jobs.Meddler(lambda: server.query(statement, database))
    return prune_beside(server, database, meddler, 1e-6)


class Early(Progress):
    """Somebody who does something as soon as the run has found its table."""

    def __init__(self, act: Callable[[], object]) -> None:
        self._act = act

    def started(self, seconds: float) -> None:  # noqa: ARG002 - one signature for all
        """Do it, once."""
        self._act()


def prune_early(server: Any, database: str, act: Callable[[], object], seconds: float) -> Result:
    """Prune while somebody meddles before anything is searched."""
    return prune_beside(server, database, Early(act), seconds)


def to_text(server: Any) -> str:
    """Return what turns the time column into text."""
    change = "ALTER COLUMN last_seen TYPE" if is_postgresql(server) else "MODIFY last_seen"
    return f"ALTER TABLE geo_cache {change} VARCHAR(40)"


def fill(server: Any, database: str, declared: str, stale: str, fresh: str) -> None:
    """Make a table of which every other row is stale."""
    server.query(f"CREATE TABLE geo_cache (ip INTEGER PRIMARY KEY, last_seen {declared})", database)
    server.query(
        f"INSERT INTO geo_cache SELECT n, CASE WHEN n % 2 = 0 THEN {stale} ELSE {fresh} END"
        f" FROM {numbered(ROWS)}",
        database,
    )


def fill_recorded(server: Any, database: str) -> None:
    """Make a table of numbers, and a ledger."""
    fill(server, database, "BIGINT", "1500000000", "1900000000")
    url = text_of(server.url(database, user=admin_of(server)))
    assert geocache_cleanup("migrate", url=url).status == 0


def test_a_column_whose_type_changes_ends_the_run(server: Any, database: str) -> None:
    """Yesterday's idea of an epoch would delete the fresh rows of a column of text."""
    fill(server, database, "BIGINT", "1500000000", "1900000000")
    with pytest.raises(ConfigError, match="was changed from") as caught:
        prune(server, database, to_text(server))
    assert caught.value.partial is not None
    assert 0 < caught.value.partial.deleted < ROWS // 2
    fresh = server.query("SELECT count(*) FROM geo_cache WHERE last_seen = '1900000000'", database)
    assert fresh == [(ROWS // 2,)]


def test_a_column_that_changes_before_the_search_ends_the_run(server: Any, database: str) -> None:
    """What the server then says of the search is no bug, and says nothing to an admin."""
    fill(server, database, "DATE", "DATE '2019-01-01'", "DATE '2026-01-01'")
    with pytest.raises(ConfigError, match="was changed from"):
        prune_early(server, database, lambda: server.query(to_text(server), database), 1)
    assert server.query("SELECT count(*) FROM geo_cache", database) == [(ROWS,)]


def test_no_change_comes_between_the_look_and_the_deletion(server: Any, database: str) -> None:
    """In one transaction the table is held from the first look on: who would change it waits."""
    fill(server, database, "DATE", "DATE '2019-01-01'", "DATE '2026-01-01'")
    impatient = "SET lock_timeout = 300" if is_postgresql(server) else "SET lock_wait_timeout = 1"
    separator = "; " if is_postgresql(server) else ";\n"

    def change() -> None:
        with pytest.raises(sa.exc.DBAPIError, match=r"[Ll]ock"):
            server.query(f"{impatient}{separator}{to_text(server)}", database)

    assert prune_early(server, database, change, 0).deleted == ROWS // 2


def test_a_ledger_that_is_dropped_at_the_look_is_none(
    server: Any, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the list of tables and the look at its columns; what it held is gone anyway."""
    deadline = Deadline(60)
    engine = open_engine(server.url(database, user=admin_of(server)), deadline)

    def has_table(*_: object) -> bool:
        server.query(f"DROP TABLE {NAME}", database)
        return True

    server.query(f"CREATE TABLE {NAME} (id INTEGER)", database)
    monkeypatch.setattr(engine, "has_table", has_table)
    with engine.connect(write=True) as connection:
        assert Ledger.find(engine, connection) is None


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


LEDGER_CHANGES = {
    f"DROP TABLE {NAME}": "there is no ledger",
    f"ALTER TABLE {NAME} DROP COLUMN host": "is not the ledger",
}


@pytest.mark.parametrize("change", LEDGER_CHANGES)
def test_a_ledger_that_goes_between_batches_ends_the_run(
    server: Any, database: str, change: str
) -> None:
    """What was recorded in it is told, and no trigger is blamed."""
    fill_recorded(server, database)
    with pytest.raises(ConfigError, match=LEDGER_CHANGES[change]) as caught:
        prune(server, database, change)
    assert caught.value.partial is not None
    gone = ROWS - server.query("SELECT count(*) FROM geo_cache", database)[0][0]
    assert 0 < caught.value.partial.deleted == gone < ROWS // 2


@pytest.mark.parametrize(
    "change",
    [f"DELETE FROM {NAME}", f"UPDATE {NAME} SET run_id = 'another'"],
    ids=["empty", "taken"],
)
def test_a_record_that_goes_between_batches_is_written_anew(
    server: Any, database: str, change: str
) -> None:
    """The ledger has all of the run in one entry, and another run's is left alone."""
    fill_recorded(server, database)
    result = prune(server, database, change)
    found = server.query(f"SELECT deleted, batches FROM {NAME} WHERE run_id = 'test'", database)
    assert found == [(result.deleted, result.batches)] == [(ROWS // 2, result.batches)]
    others = server.query(f"SELECT batches FROM {NAME} WHERE run_id = 'another'", database)
    assert others == [(1,)] * change.startswith("UPDATE")
