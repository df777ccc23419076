"""What ``check`` says on servers: the types of columns, and what would refuse a run."""

import json
from typing import Any

import pytest

from helpers.servers.commands import Outcome, geocache_cleanup
from helpers.servers.dialects import is_mysql, is_postgresql, make_stale_table, text_of

BEFORE = "--before=2026-01-01"


def check(server: Any, database: str) -> Outcome:
    """Look at the database as app; the table must be as it was."""
    rows = server.query("SELECT * FROM geo_cache ORDER BY ip", database)
    outcome = geocache_cleanup("check", BEFORE, "--json", url=text_of(server.url(database)))
    assert server.query("SELECT * FROM geo_cache ORDER BY ip", database) == rows
    return outcome


def make(server: Any, database: str, *statements: str, declared: str = "DATE") -> None:
    """Make a table of which app may only read and delete, and more with other statements."""
    server.query(f"CREATE TABLE geo_cache (ip INTEGER PRIMARY KEY, last_seen {declared})", database)
    server.query("INSERT INTO geo_cache VALUES (1, '2020-01-01'), (2, NULL)", database)
    if not is_postgresql(server):
        # MariaDB says that there is no ledger only to those who could make it.
        server.query(f"REVOKE ALL ON {database}.* FROM app")
        server.query("GRANT SELECT, CREATE ON geocache_cleanup_runs TO app", database)
    server.query("GRANT SELECT, DELETE ON geo_cache TO app", database)
    for statement in statements:
        server.query(statement, database)


@pytest.mark.parametrize("declared", ["DATE", "TIMESTAMP NULL", "VARCHAR(99)", "moment"])
def test_formats_are_named_by_the_type(server: Any, database: str, declared: str) -> None:
    """A native type is a format of its own; text is told by what it says."""
    moment, shown = (
        ("TIMESTAMPTZ", "timestamp with time zone")
        if is_postgresql(server)
        else ("DATETIME(6)", "datetime(6)")
    )
    shown = {
        "DATE": "date",
        "TIMESTAMP NULL": "timestamp without time zone" if is_postgresql(server) else "timestamp",
        "VARCHAR(99)": "date",
    }.get(declared, shown)
    make(server, database, declared=moment if declared == "moment" else declared)
    found = json.loads(check(server, database).output)["table"]
    assert {(part["name"], part["rows"]) for part in found["formats"]} == {(shown, 1), ("NULL", 1)}


CHILD = "CREATE TABLE child (about INTEGER, FOREIGN KEY (about) REFERENCES geo_cache (ip){})"
REFUSING = (
    "CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE ''no''; END';"
    "CREATE TRIGGER t BEFORE DELETE ON geo_cache FOR EACH ROW EXECUTE FUNCTION no()"
)
REFUSING_IN_MYSQL = (
    "CREATE TRIGGER t BEFORE DELETE ON geo_cache FOR EACH ROW SIGNAL SQLSTATE '45000'"
)


@pytest.mark.parametrize("owner", [False, True], ids=["least rights", "all rights"])
def test_what_would_refuse_a_run_is_told(
    server: Any,
    database: str,
    owner: bool,
) -> None:
    """A reference and a trigger are found, also by an account that may not see them."""
    make(server, database, CHILD.format(""))
    if owner and is_postgresql(server):
        server.query("ALTER TABLE geo_cache OWNER TO app", database)
    elif owner:
        server.query(f"GRANT ALL ON {database}.* TO app")
    assert check(server, database).status == 0
    server.query("INSERT INTO child VALUES (1)", database)
    outcome = check(server, database)
    problem = json.loads(outcome.output)["problem"]
    assert (outcome.status, "refuses the deletion" in problem["reason"]) == (65, True), problem
    server.query("DROP TABLE child", database)
    assert check(server, database).status == 0
    server.query(REFUSING if is_postgresql(server) else REFUSING_IN_MYSQL, database)
    assert check(server, database).status == 65


def test_what_the_commit_would_refuse_is_told(postgresql: Any, database_of: Any) -> None:
    """A deferred constraint has its say at the end."""
    database = database_of(postgresql)
    make(postgresql, database, CHILD.format(" DEFERRABLE INITIALLY DEFERRED"))
    postgresql.query("INSERT INTO child VALUES (1)", database)
    assert check(postgresql, database).status == 65


def test_what_a_statement_fires_is_undone(postgresql: Any, database_of: Any) -> None:
    """A trigger of the statement acts also where no row goes: check leaves nothing of it."""
    database = database_of(postgresql)
    make_stale_table(postgresql, database)
    postgresql.query(
        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS"
        " 'BEGIN INSERT INTO geo_cache VALUES (9, ''2020-01-01''); RETURN NULL; END';"
        "CREATE TRIGGER t AFTER DELETE ON geo_cache FOR EACH STATEMENT EXECUTE FUNCTION f()",
        database,
    )
    assert geocache_cleanup("check", BEFORE, url=text_of(postgresql.url(database))).status == 0
    assert postgresql.query("SELECT count(*) FROM geo_cache", database) == [(3,)]


@pytest.mark.parametrize("arguments", [(), ("--batch-seconds=1",)], ids=["at once", "batches"])
def test_what_keeps_a_run_from_the_ledger_is_told(
    server: Any, database: str, arguments: tuple[str, ...]
) -> None:
    """Without its record nothing is deleted; check tries it, and leaves no record of that."""
    make_stale_table(server, database)
    url = text_of(server.url(database))
    assert geocache_cleanup("migrate", url=url).status == 0
    assert geocache_cleanup("check", BEFORE, *arguments, url=url).status == 0
    assert server.query("SELECT * FROM geocache_cleanup_runs", database) == []
    act = "SIGNAL SQLSTATE '45000'"
    if is_postgresql(server):
        act = "EXECUTE FUNCTION f()"
        keep = "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'"
        server.query(keep, database)
    trigger = f"CREATE TRIGGER t BEFORE INSERT ON geocache_cleanup_runs FOR EACH ROW {act}"
    server.query(trigger, database)
    for command in ("check", "run"):
        assert geocache_cleanup(command, BEFORE, *arguments, url=url).status == 65
    assert server.query("SELECT count(*) FROM geo_cache", database) == [(3,)]


def test_a_ledger_whose_numbers_are_used_up_is_told(server: Any, database: str) -> None:
    """By a number of its own that says the engine's, not the server's: no bug of the run."""
    make_stale_table(server, database)
    url = text_of(server.url(database))
    assert geocache_cleanup("migrate", url=url).status == 0
    last = 2**31 - 1
    if is_postgresql(server):
        server.query(f"SELECT setval('geocache_cleanup_runs_id_seq', {last})", database)
    else:
        values = f"{last}, '', NOW(), 0, '', '', NOW(), 0, 0, 0, 0, '', ''"
        server.query(f"INSERT INTO geocache_cleanup_runs VALUES ({values})", database)
    for command in ("check", "run"):
        assert geocache_cleanup(command, BEFORE, url=url).status == 65
    assert server.query("SELECT count(*) FROM geo_cache", database) == [(3,)]


def test_nothing_is_rehearsed_that_cannot_be_undone(mariadb: Any, database_of: Any) -> None:
    """Neither on MyISAM, nor where a trigger writes to a table of it, which MySQL may refuse."""
    status = 78 if is_mysql(mariadb) else 0
    database = database_of(mariadb)
    trigger = "CREATE TRIGGER t BEFORE DELETE ON geo_cache FOR EACH ROW INSERT INTO kept VALUES (1)"
    make(mariadb, database, "CREATE TABLE kept (ip INTEGER) ENGINE=MyISAM", trigger)
    mariadb.query("GRANT SELECT ON kept TO app", database)
    assert check(mariadb, database).status == status
    mariadb.query("ALTER TABLE geo_cache ENGINE=MyISAM", database)
    assert check(mariadb, database).status == 0
    assert mariadb.query("SELECT * FROM kept", database) == []
    assert geocache_cleanup("run", BEFORE, url=text_of(mariadb.url(database))).status == 0
    assert mariadb.query("SELECT * FROM kept", database) == [(1,)]
