"""The ledger never disagrees with the table: it is on an engine that undoes what a run undoes."""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from helpers.processes import wait_until
from helpers.servers.commands import Command, fails, geocache_cleanup
from helpers.servers.dialects import is_mysql, make_stale_table, numbered, text_of

BEFORE = "--before=2026-01-01"
ROWS = 300
LEDGER, VERSIONS = "geocache_cleanup_runs", "geocache_cleanup_alembic_version"
ENGINES = ["MyISAM", "Aria"]
# MariaDB tells of the statement in the trigger, MySQL of the one that fires it.
SLEEPING = (
    "SELECT 1 FROM information_schema.processlist WHERE info LIKE 'DO SLEEP%' OR info LIKE '{}%'"
)
WAYS = pytest.mark.parametrize(
    "arguments", [(), ("--batch-seconds=5",)], ids=["at once", "batches"]
)


@pytest.fixture(params=ENGINES)
def without_transactions(mariadb: Any, request: pytest.FixtureRequest) -> Iterator[str]:
    """Let tables be made on an engine without transactions where none is named."""
    name = "MyISAM" if is_mysql(mariadb) else str(request.param)
    ((before,),) = mariadb.query("SELECT @@GLOBAL.default_storage_engine")
    mariadb.query(f"SET GLOBAL default_storage_engine = {name}")
    yield name
    mariadb.query(f"SET GLOBAL default_storage_engine = {before}")


@pytest.fixture
def filled(mariadb: Any, database_of: Callable[[Any], str]) -> str:
    """Return a database with a table of stale rows, on an engine with transactions."""
    database = database_of(mariadb)
    make_stale_table(mariadb, database, ROWS)
    mariadb.query("ALTER TABLE geo_cache ENGINE=InnoDB", database)
    return database


def engines(server: Any, database: str) -> dict[str, str]:
    """Return the engine of each table."""
    shown = "SELECT table_name, engine FROM information_schema.tables WHERE table_schema = "
    rows = server.query(f"{shown}'{database}'")
    return {str(name): str(engine) for name, engine in rows}


def check(url: str, status: int = 0) -> Any:
    """Return what check finds, which must be no problem."""
    outcome = geocache_cleanup("check", BEFORE, "--json", url=url)
    assert outcome.status == status, outcome.last
    return json.loads(outcome.output)


def is_advised(document: Any) -> bool:
    """Tell whether check has something to say of the ledger's engine, and of migrate."""
    said = [part["finding"] for part in document["advice"]]
    advised = any("the ledger's engine has no transactions" in finding for finding in said)
    assert advised == any("InnoDB" in part for part in document["migrate"]), document
    return advised


@pytest.mark.usefixtures("without_transactions")
def test_what_migrate_makes_has_transactions(mariadb: Any, database_of: Any) -> None:
    """Whatever the default is, by the command and by the SQL that it prints."""
    database, printed = database_of(mariadb), database_of(mariadb)
    url = text_of(mariadb.url(database))
    assert geocache_cleanup("migrate", url=url).status == 0
    script = geocache_cleanup("migrate", "--sql", url=url).output
    assert mariadb.client(script, printed).returncode == 0
    for name in (database, printed):
        assert engines(mariadb, name) == dict.fromkeys(("geo_cache", LEDGER, VERSIONS), "InnoDB")
    assert not is_advised(check(url))
    assert geocache_cleanup("migrate", url=url).output == "everything is in place already\n"


@WAYS
def test_no_record_is_left_of_a_run_that_was_undone(
    mariadb: Any, filled: str, without_transactions: str, arguments: tuple[str, ...]
) -> None:
    """Stopped between the record and the commit: none of either is there."""
    assert without_transactions
    url = text_of(mariadb.url(filled))
    assert geocache_cleanup("migrate", url=url).status == 0
    done = stopped(mariadb, filled, *arguments)
    assert (done.status, done.last["deleted"]) == (0, 0), done.last
    assert "nothing was deleted" in done.last["message"]
    assert "atomic" not in done.last
    assert mariadb.query(f"SELECT * FROM {LEDGER}", filled) == []
    assert mariadb.query("SELECT count(*) FROM geo_cache", filled) == [(ROWS,)]


def stopped(server: Any, database: str, *arguments: str) -> Any:
    """Run, and stop it while the record waits for its trigger."""
    trigger = f"CREATE DEFINER=app TRIGGER t AFTER INSERT ON {LEDGER} FOR EACH ROW DO SLEEP(5)"
    server.query(trigger, database)
    command = Command("run", BEFORE, *arguments, url=text_of(server.url(database)))
    wait_until("the record", lambda: server.query(SLEEPING.format("INSERT INTO geocache_")))
    time.sleep(0.3)
    command.process.terminate()
    done = command.end()
    server.query("DROP TRIGGER t", database)
    return done


@WAYS
def test_a_ledger_of_another_engine_is_told_and_moved(
    mariadb: Any, filled: str, without_transactions: str, arguments: tuple[str, ...]
) -> None:
    """An older one: each event says what it cannot do, check advises, migrate keeps its rows."""
    url = text_of(mariadb.url(filled))
    assert geocache_cleanup("migrate", url=url).status == 0
    for name in (LEDGER, VERSIONS):
        mariadb.query(f"ALTER TABLE {name} ENGINE={without_transactions}", filled)
    assert is_advised(check(url, 78 * is_mysql(mariadb)))
    if is_mysql(mariadb):
        # With GTIDs, as it comes, it lets no transaction change tables of both kinds.
        last = fails(mariadb.url(filled), BEFORE, *arguments)
        assert (last["exit_status"], "GTID" in last["reason"]) == (78, True), last
        assert "migrate moves the ledger" in last["hint"]
        assert mariadb.query("SELECT count(*) FROM geo_cache", filled) == [(ROWS,)]
    else:
        tells_what_it_cannot_undo(mariadb, filled, arguments)
    recorded = mariadb.query(f"SELECT run_id, deleted FROM {LEDGER} ORDER BY id", filled)
    moved = geocache_cleanup("migrate", url=url)
    assert moved.output.splitlines() == [
        f"changed the table {n}: ENGINE=InnoDB" for n in (LEDGER, VERSIONS)
    ]
    assert mariadb.query(f"SELECT run_id, deleted FROM {LEDGER} ORDER BY id", filled) == recorded
    assert set(engines(mariadb, filled).values()) == {"InnoDB"}
    assert not is_advised(check(url))
    assert "atomic" not in geocache_cleanup("run", BEFORE, *arguments, url=url).last


def tells_what_it_cannot_undo(server: Any, database: str, arguments: Sequence[str]) -> None:
    """Expect it of a run that is stopped, of one that counts only, and of one that succeeds."""
    url = text_of(server.url(database))
    done = stopped(server, database, *arguments)
    assert (done.status, done.last["atomic"], done.last["deleted"]) == (0, False, None), done.last
    assert "no transactions" in done.last["message"]
    assert geocache_cleanup("run", BEFORE, "--dry-run", url=url).last["atomic"] is False
    done = geocache_cleanup("run", BEFORE, *arguments, url=url)
    told = (done.last["deleted"], done.last["atomic"], done.last["level"])
    assert told == (ROWS, False, "warning"), done.last


def test_a_table_of_another_engine_is_told(mariadb: Any, filled: str) -> None:
    """What a run that is stopped has deleted by then is gone, and nobody knows how much it is."""
    mariadb.query("ALTER TABLE geo_cache ENGINE=MyISAM", filled)
    trigger = "CREATE DEFINER=app TRIGGER t BEFORE DELETE ON geo_cache FOR EACH ROW DO SLEEP(0.05)"
    mariadb.query(trigger, filled)
    command = Command("run", BEFORE, url=text_of(mariadb.url(filled)))
    wait_until("the first row", lambda: mariadb.query(SLEEPING.format("DELETE FROM ")))
    time.sleep(0.3)
    command.process.terminate()
    done = command.end()
    assert (done.status, done.last["atomic"], done.last["deleted"]) == (0, False, None), done.last
    assert "nothing was deleted" not in done.last["message"]
    assert 0 < mariadb.query("SELECT count(*) FROM geo_cache", filled)[0][0] < ROWS


def test_a_batch_on_another_engine_that_is_stopped_is_told(mariadb: Any, filled: str) -> None:
    """Those before it are in the ledger; what the event would say of this one, nobody knows."""
    url = text_of(mariadb.url(filled))
    assert geocache_cleanup("migrate", url=url).status == 0
    more = f"INSERT INTO geo_cache SELECT n + {ROWS}, '2020-01-01' FROM {numbered(500)}"
    mariadb.query(f"{more};\nALTER TABLE geo_cache ENGINE=MyISAM", filled)
    trigger = "CREATE DEFINER=app TRIGGER t BEFORE DELETE ON geo_cache FOR EACH ROW DO SLEEP(0.002)"
    mariadb.query(trigger, filled)
    command = Command("run", BEFORE, "--batch-seconds=2", url=url)
    wait_until("the second batch", lambda: mariadb.query(f"SELECT 1 FROM {LEDGER}", filled))
    wait_until("its rows", lambda: mariadb.query(SLEEPING.format("DELETE FROM ")))
    time.sleep(0.2)
    command.process.terminate()
    done = command.end()
    assert (done.status, done.last["atomic"], done.last["deleted"]) == (0, False, None), done.last
    assert mariadb.query(f"SELECT deleted FROM {LEDGER}", filled) == [(500,)]
    assert 0 < mariadb.query("SELECT count(*) FROM geo_cache", filled)[0][0] < ROWS


def test_an_engine_that_is_enforced_is_no_fault_of_the_connection(
    mariadb: Any, database_of: Any
) -> None:
    """Where tables may be of no other engine no ledger is made, and the server's word is told."""
    if is_mysql(mariadb):
        assert not mariadb.query("SHOW VARIABLES LIKE 'enforce_storage_engine'")
        return
    url = mariadb.url(database_of(mariadb))
    mariadb.query("SET GLOBAL enforce_storage_engine = Aria")
    try:
        last = fails(url, command="migrate")
    finally:
        mariadb.query("SET GLOBAL enforce_storage_engine = NULL")
    assert (last["exit_status"], "setting of the server" in last["reason"]) == (78, True), last
