"""Others change the schema or the file in the middle of a run: at any of its calls for a lock."""

import os
import random
import signal
import sqlite3
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from helpers import processes, tables
from helpers.faults.fault import Action, Fault, Kind
from helpers.faults.runs import ForkServer, ForkServers, Outcome, arguments
from helpers.faults.template import DOCUMENTED, DatabaseTemplate, trials
from helpers.reporting import tally

SEED = 20_260_608
_COLUMNS = "ip, country_code, country_name, asn, org, cached_at, last_seen"
_TIMEOUT = 20


def again(definition: str) -> str:
    """Make the table anew, its rows in random order, as a migration of an application would."""
    return (
        f"CREATE TABLE anew ({definition}; INSERT INTO anew ({_COLUMNS})"
        f" SELECT {_COLUMNS} FROM geo_cache ORDER BY random();"
        " DROP TABLE geo_cache; ALTER TABLE anew RENAME TO geo_cache"
    )


_REST = "country_code, country_name, asn, org, cached_at"
CHANGES = (
    *(
        f"ALTER TABLE geo_cache ADD COLUMN {name}"
        for name in ("more", "rowid", "oid INT DEFAULT 7")
    ),
    "ALTER TABLE geo_cache DROP COLUMN org",
    *(f"ALTER TABLE geo_cache RENAME COLUMN {name} TO renamed" for name in ("org", "last_seen")),
    "ALTER TABLE geo_cache RENAME TO moved",
    "ALTER TABLE geo_cache RENAME TO moved; CREATE VIEW geo_cache AS SELECT * FROM moved",
    again(f"ip PRIMARY KEY, {_REST}, last_seen TEXT)"),
    again(f"ip TEXT PRIMARY KEY, {_REST}, last_seen TEXT) WITHOUT ROWID"),
    again(f"ip, {_REST}, last_seen TEXT, rowid, oid, _rowid_)"),
    again(f"ip, {_REST}, last_seen INTEGER)"),
    again(f"ip, {_REST}, last_seen TEXT COLLATE NOCASE)"),
    *("DROP INDEX ix", "REINDEX", "VACUUM", "ANALYZE", "PRAGMA auto_vacuum = FULL; VACUUM"),
    *("CREATE INDEX more ON geo_cache (last_seen, ip)", "PRAGMA page_size = 1024; VACUUM"),
    *(f"PRAGMA journal_mode = {mode}" for mode in ("wal", "delete")),
    "DROP TABLE geocache_cleanup_runs",
    "CREATE TRIGGER t BEFORE UPDATE ON geocache_cleanup_runs BEGIN SELECT RAISE(IGNORE); END",
    "CREATE TRIGGER t BEFORE INSERT ON geocache_cleanup_runs BEGIN SELECT RAISE(IGNORE); END",
    "CREATE TRIGGER t BEFORE DELETE ON geo_cache BEGIN SELECT RAISE(ROLLBACK, 'no'); END",
    (
        "CREATE TRIGGER t BEFORE DELETE ON geo_cache WHEN OLD.ip > 'stale5'"
        " BEGIN SELECT RAISE(IGNORE); END"
    ),
    (
        "CREATE TABLE kid (ip TEXT REFERENCES geo_cache (ip) DEFERRABLE INITIALLY DEFERRED);"
        " INSERT INTO kid SELECT ip FROM geo_cache"
    ),
)


@pytest.mark.parametrize("options", [(), ("--batch-seconds=0.001",)], ids=["whole", "batches"])
@pytest.mark.parametrize("mode", ["wal", "delete"])
@pytest.mark.parametrize("times", trials(1, 2))
def test_others_change_the_schema(
    fork_servers: ForkServers, template_of: Callable[..., DatabaseTemplate], mode: str,
    options: tuple[str, ...], times: int,
) -> None:  # fmt: skip
    """Whatever it is: no fresh row goes, and what is told, kept in the ledger and gone agree."""
    template = template_of(mode, stale=700, fresh=100)
    calls = number_of_calls(fork_servers, template, options)
    chance = random.Random(SEED)
    ends: Counter[str | int] = Counter()

    def trial(fork_server: ForkServer, place: Path, item: tuple[str, int]) -> None:
        change, nth = item
        path = template.copy(place)
        stop = Fault(Kind.LOCK, nth, Action.STOP, part=str(path))
        more = (*options, f"--timeout={_TIMEOUT}")
        with tables.connected(path) as application:
            application.execute("SELECT 1 FROM geo_cache").fetchone()

            def meddle(pid: int) -> None:
                processes.wait_until_it_stops(pid)
                is_made = make(application, change, 0)
                os.kill(pid, signal.SIGCONT)
                ends["made"] += is_made or make(application, change, _TIMEOUT)

            outcome = fork_server.run(*arguments(path, *more), fault=stop, during=meddle)
        verify_told(template, path, outcome)
        ends[outcome.status] += 1

    work = [(change, chance.randint(1, calls)) for change in CHANGES for _ in range(times)]
    fork_servers.each(work, trial)
    print(ends)  # noqa: T201 - on failure
    assert ends["made"] > len(work) / 2
    assert ends[0] > len(work) / 4


def number_of_calls(
    fork_servers: ForkServers, template: DatabaseTemplate, options: tuple[str, ...]
) -> int:
    """Return how often an undisturbed run asks for a lock, or gives one up."""
    with fork_servers.one() as (fork_server, place):
        path = template.copy(place)
        counted = Fault(Kind.LOCK, part=str(path))
        return fork_server.run(*arguments(path, *options), fault=counted).seen


def make(application: sqlite3.Connection, change: str, seconds: float) -> bool:
    """Make a change, waiting for locks so long; tell whether they allow it."""
    application.execute(f"PRAGMA busy_timeout = {int(seconds * 1000)}")
    try:
        alone = "VACUUM" in change or "journal_mode" in change
        application.executescript(change if alone else f"BEGIN IMMEDIATE; {change}; COMMIT")
    except sqlite3.OperationalError:
        if application.in_transaction:
            application.execute("ROLLBACK")
        return False
    return True


def verify_told(template: DatabaseTemplate, path: Path, outcome: Outcome) -> None:
    """Assert it of a table that may have another name or shape by now."""
    tally["faults tried"] += 1
    assert outcome.status in DOCUMENTED - {70}, outcome
    assert "traceback" not in outcome.last, outcome
    assert outcome.seconds < _TIMEOUT + processes.PROMPT
    assert tables.fetch(path, "PRAGMA integrity_check") == ["ok"]
    names = tables.fetch(path, "SELECT name FROM sqlite_master WHERE type = 'table'")
    table = "moved" if "moved" in names else "geo_cache"
    left = set(tables.fetch(path, f"SELECT ip FROM {table} NOT INDEXED"))
    fresh = {ip for ip in left if ip.startswith("fresh")}
    gone = template.stale - len(left - fresh)
    tally["rows lost"] += template.fresh - len(fresh)
    assert len(fresh) == template.fresh, outcome
    assert outcome.last["deleted"] == gone, outcome
    if "geocache_cleanup_runs" in names:
        recorded = tables.fetch(path, "SELECT total(deleted) FROM geocache_cleanup_runs")
        assert recorded == [gone], outcome
    if outcome.status == 0:
        assert template.stale - gone == outcome.last.get("kept", 0), outcome
    suffixes = {file.name.removeprefix(path.name) for file in path.parent.glob("geo.db*")}
    assert suffixes == {""}, outcome
