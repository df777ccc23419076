"""A role whose search_path is empty, as some harden it: what has its schema named is found."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from helpers.servers.commands import fails, geocache_cleanup
from helpers.servers.dialects import make_stale_table, text_of

BEFORE = "--before=2026-01-01"
TABLES = ("--table=public.geo_cache", "--table=Public.Geo_Cache")


@pytest.fixture
def hardened(postgresql: Any, database_of: Any) -> Iterator[str]:
    """Return a database with a table of stale rows, for a role that looks in no schema."""
    database = database_of(postgresql)
    make_stale_table(postgresql, database)
    postgresql.query("GRANT ALL ON SCHEMA public TO app", database)
    postgresql.query("ALTER ROLE app SET search_path = ''")
    yield database
    postgresql.query("ALTER ROLE app RESET ALL")


@pytest.mark.parametrize("table", TABLES)
def test_the_ledger_is_found_in_every_schema(postgresql: Any, hardened: str, table: str) -> None:
    """By all commands, and made beside the table: no run is left out of it."""
    url = text_of(postgresql.url(hardened))
    for _ in range(2):
        assert geocache_cleanup("migrate", table, url=url).status == 0
    for arguments, deleted in ((["--batch-seconds=0.1"], 3), ([], 0)):
        done = geocache_cleanup("run", BEFORE, table, *arguments, url=url)
        assert (done.status, done.last["deleted"]) == (0, deleted), done.last
    (last, first) = json.loads(geocache_cleanup("history", "--json", url=url).output)["runs"]
    assert (first["deleted"], last["deleted"]) == (3, 0)
    checked = json.loads(geocache_cleanup("check", table, "--json", url=url).output)
    assert checked["ledger"]["last_run"]["run_id"] == last["run_id"]
    where = "SELECT schemaname FROM pg_tables WHERE tablename LIKE 'geocache_cleanup%'"
    assert postgresql.query(where, hardened) == [("public",)] * 2


def test_what_is_not_found_is_told(postgresql: Any, hardened: str) -> None:
    """Neither the table nor a place for one is guessed."""
    url = postgresql.url(hardened)
    assert "there is: public.geo_cache" in fails(url, BEFORE)["reason"]
    last = fails(url, command="migrate")
    assert (last["exit_status"], "search_path" in last["hint"]) == (78, True), last
    assert fails(url, command="history")["exit_status"] == 78
