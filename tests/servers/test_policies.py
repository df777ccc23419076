"""What keeps rows from a run, on servers: policies, rules and triggers; and their errors."""

from typing import Any

import pytest

from helpers.servers.commands import fails, geocache_cleanup
from helpers.servers.dialects import is_postgresql, make_stale_table, text_of

BEFORE = "--before=2026-01-01"
BATCHES = ((), ("--batch-seconds=0.1",))


def refuse(server: Any, database: str, statement: str) -> None:
    """Make a trigger function that does something else instead."""
    server.query(
        f"CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN {statement}; END'",
        database,
    )
    server.query(
        "CREATE TRIGGER t BEFORE DELETE ON geo_cache FOR EACH ROW EXECUTE FUNCTION f()", database
    )


@pytest.mark.parametrize("arguments", BATCHES)
@pytest.mark.parametrize("means", ["trigger", "rule"])
def test_stale_rows_that_are_kept_are_told(
    postgresql: Any, database_of: Any, means: str, arguments: tuple[str, ...]
) -> None:
    """A soft delete: nothing goes, and the event is a warning with the number."""
    database = database_of(postgresql)
    make_stale_table(postgresql, database)
    ((stale,),) = postgresql.query(
        "SELECT count(*) FROM geo_cache WHERE last_seen < '2026-01-01'", database
    )
    if means == "trigger":
        refuse(postgresql, database, "RETURN NULL")
    else:
        rule = "CREATE RULE r AS ON DELETE TO geo_cache DO INSTEAD NOTHING"
        postgresql.query(rule, database)
    url = text_of(postgresql.url(database))
    outcome = geocache_cleanup("run", BEFORE, "--dry-run", url=url)
    assert (outcome.last["deleted"], outcome.last["kept"]) == (0, stale)
    outcome = geocache_cleanup("run", BEFORE, *arguments, url=url)
    assert (outcome.status, outcome.last["level"]) == (0, "warning")
    assert (outcome.last["deleted"], outcome.last["kept"]) == (0, stale)
    assert f"{stale} stale rows would stay" in geocache_cleanup("check", BEFORE, url=url).output


@pytest.mark.parametrize("arguments", BATCHES)
def test_deleted_counts_what_a_cascade_takes(
    server: Any, database: str, arguments: tuple[str, ...]
) -> None:
    """A fresh row that depends on a stale one goes with it, and is counted."""
    make_stale_table(server, database)
    server.query("ALTER TABLE geo_cache ADD PRIMARY KEY (ip)", database)
    server.query("ALTER TABLE geo_cache ADD COLUMN parent INTEGER", database)
    server.query(
        "ALTER TABLE geo_cache ADD CONSTRAINT self FOREIGN KEY (parent)"
        " REFERENCES geo_cache (ip) ON DELETE CASCADE",
        database,
    )
    ((stale, one),) = server.query(
        "SELECT count(*), min(ip) FROM geo_cache WHERE last_seen < '2026-01-01'", database
    )
    server.query(
        f"INSERT INTO geo_cache (ip, last_seen, parent) VALUES (901, '2099-01-01', {one})", database
    )
    url = text_of(server.url(database))
    assert geocache_cleanup("run", BEFORE, "--dry-run", url=url).last["deleted"] == stale + 1
    outcome = geocache_cleanup("run", BEFORE, *arguments, url=url)
    assert (outcome.status, outcome.last["deleted"]) == (0, stale + 1), outcome


@pytest.mark.parametrize("arguments", [*BATCHES, ("--dry-run",)])
@pytest.mark.parametrize("policy", ["USING (false)", "USING (ip > 1)", "USING (true)"])
def test_row_level_security_is_refused(
    postgresql: Any, database_of: Any, policy: str, arguments: tuple[str, ...]
) -> None:
    """Rows that are hidden are never told as none: 77, with what would help."""
    database = database_of(postgresql)
    make_stale_table(postgresql, database)
    postgresql.query(f"CREATE POLICY p ON geo_cache {policy}", database)
    postgresql.query("ALTER TABLE geo_cache ENABLE ROW LEVEL SECURITY", database)
    postgresql.query("ALTER TABLE geo_cache OWNER TO postgres", database)
    postgresql.query("GRANT SELECT, DELETE ON geo_cache TO app", database)
    event = fails(postgresql.url(database), BEFORE, *arguments)
    assert event["exit_status"] == 77
    assert "BYPASSRLS" in event["hint"]
    assert fails(postgresql.url(database), BEFORE, command="check")["exit_status"] == 77


def test_a_trigger_that_is_broken_is_told_as_that(server: Any, database: str) -> None:
    """Its missing table is not ours: no advice to look at --table."""
    make_stale_table(server, database)
    if is_postgresql(server):
        refuse(server, database, "DELETE FROM missing; RETURN OLD")
    else:
        server.query(
            "CREATE TRIGGER t BEFORE DELETE ON geo_cache FOR EACH ROW DELETE FROM missing", database
        )
    event = fails(server.url(database), BEFORE)
    assert event["exit_status"] == 65
    assert "--table" not in event["hint"]


def test_answers_that_no_table_lists(postgresql: Any, mariadb: Any, database_of: Any) -> None:
    """A rule that recurses, a trigger whose definer is gone: what the server says, and 65."""
    database = database_of(postgresql)
    make_stale_table(postgresql, database)
    postgresql.query(
        "CREATE RULE r AS ON DELETE TO geo_cache"
        " DO INSTEAD DELETE FROM geo_cache WHERE ip = OLD.ip",
        database,
    )
    event = fails(postgresql.url(database), BEFORE)
    assert (event["exit_status"], "recursion" in event["reason"]) == (65, True)
    database = database_of(mariadb)
    make_stale_table(mariadb, database)
    mariadb.query(
        "CREATE DEFINER = nobody@nowhere TRIGGER t BEFORE DELETE ON geo_cache FOR EACH ROW"
        " SET @x = 1",
        database,
    )
    event = fails(mariadb.url(database), BEFORE)
    assert (event["exit_status"], "1449" in event["reason"]) == (65, True)
