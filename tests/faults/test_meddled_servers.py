"""Somebody changes the schema, the rights or the line at any message of a run on a server."""

import contextlib
import random
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from helpers.faults.runs import ForkServers, Outcome
from helpers.faults.template import RAN, trials
from helpers.processes import wait_until
from helpers.reporting import tally
from helpers.servers.dialects import is_postgresql, numbered, text_of
from helpers.servers.proxy import Proxy

SEED = 20_261_129
ROWS = 1_500
BEFORE = "--before=2026-01-01"
LEDGER = "geocache_cleanup_runs"
# More than a run at once has; one in batches has more still.
MESSAGES = 75
CUTS = ("message", "answer")
PATIENCE = {True: "SET lock_timeout = 200", False: "SET lock_wait_timeout = 1"}
CHILD = (
    "CREATE TABLE child (about VARCHAR(40), FOREIGN KEY (about) REFERENCES geo_cache (ip))",
    "INSERT INTO child VALUES ('stale700')",
)
ON_ALL: Mapping[str, Sequence[str]] = {
    "renamed": ["ALTER TABLE geo_cache RENAME COLUMN last_seen TO seen"],
    "dropped": ["ALTER TABLE geo_cache DROP COLUMN last_seen"],
    "referred to": CHILD,
    "unrecorded": [f"DELETE FROM {LEDGER}"],
    "without a ledger": [f"ALTER TABLE {LEDGER} RENAME TO away"],
}
ON_POSTGRESQL: Mapping[str, Sequence[str]] = {
    **ON_ALL,
    "text": ["ALTER TABLE geo_cache ALTER COLUMN last_seen TYPE VARCHAR(40)"],
    "rewritten": ["VACUUM FULL geo_cache"],
    "kept": ["CREATE TRIGGER t BEFORE DELETE ON geo_cache FOR EACH ROW EXECUTE FUNCTION keep()"],
    "ruled": ["CREATE RULE r AS ON DELETE TO geo_cache DO INSTEAD NOTHING"],
    "forbidden": ["ALTER TABLE geo_cache OWNER TO postgres"],
    "hidden": ["ALTER TABLE geo_cache FORCE ROW LEVEL SECURITY, ENABLE ROW LEVEL SECURITY"],
    "unseen": ["ALTER SCHEMA public RENAME TO another"],
    "ended": ["SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'app'"],
}
ON_MARIADB: Mapping[str, Sequence[str]] = {
    **ON_ALL,
    "text": ["ALTER TABLE geo_cache MODIFY last_seen VARCHAR(40)"],
    "rewritten": ["ALTER TABLE geo_cache FORCE"],
    "refused": ["CREATE TRIGGER t BEFORE DELETE ON geo_cache FOR EACH ROW SIGNAL SQLSTATE '45000'"],
    "read-only": ["SET GLOBAL read_only = 1"],
    "ended": ["KILL USER app"],
}
FORGOTTEN = {"unrecorded", "without a ledger"}
pytestmark = pytest.mark.servers


def make(fork_servers: ForkServers, server: Any, database: str) -> None:
    """Make the table and the ledger anew, whatever became of them."""
    with contextlib.suppress(Exception):
        server.query("ALTER SCHEMA another RENAME TO public", database)
    if not is_postgresql(server):
        server.query("SET GLOBAL read_only = 0")
    for table in ("child", "geo_cache", LEDGER, "geocache_cleanup_alembic_version", "away"):
        server.query(f"DROP TABLE IF EXISTS {table}", database)
    server.query("CREATE TABLE geo_cache (ip VARCHAR(40) PRIMARY KEY, last_seen DATE)", database)
    for name, seen in (("stale", "2020-01-01"), ("fresh", "2026-09-01")):
        rows = f"SELECT concat('{name}', n), DATE '{seen}' FROM {numbered(ROWS)}"
        server.query(f"INSERT INTO geo_cache {rows}", database)
    if is_postgresql(server):
        keep = "CREATE OR REPLACE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS"
        server.query(f"{keep} 'BEGIN RETURN NULL; END'", database)
        server.query("ALTER TABLE geo_cache OWNER TO app", database)
    with fork_servers.one() as (fork_server, _):
        url = {"GEOCACHE_CLEANUP_DATABASE_URL": text_of(server.url(database))}
        assert fork_server.run("migrate", env=url).status == 0


def meddle(server: Any, database: str, statements: Sequence[str]) -> None:
    """Do it, unless the run holds what it takes."""
    on_postgresql = is_postgresql(server)
    engine = server.engine(database).execution_options(isolation_level="AUTOCOMMIT")
    with contextlib.suppress(Exception), engine.connect() as connection:
        for statement in (PATIENCE[on_postgresql], *statements):
            connection.exec_driver_sql(statement)


def verify(server: Any, database: str, outcome: Outcome, *, is_recorded: bool) -> None:
    """Assert that no fresh row is gone, and that rows, ledger and events agree."""
    tally["faults tried"] += 1
    with contextlib.suppress(Exception):
        server.query("ALTER SCHEMA another RENAME TO public", database)
    wait_until("the end of the run's session", lambda: not sessions(server, database))
    counted = "SELECT left(ip, 5), count(*) FROM geo_cache GROUP BY 1"
    kept = dict(server.query(counted, database))
    gone = ROWS - kept.get("stale", 0)
    tally["rows lost"] += ROWS - kept["fresh"]
    assert kept["fresh"] == ROWS
    assert outcome.status in {0, 65, 69, 75, 77, 78}, outcome
    for event in outcome.events:
        assert "traceback" not in event, event
        assert event.get("deleted") in {gone, None}, (event, gone)
        if event["event"] == RAN:
            assert gone + event.get("kept", 0) == ROWS, event
    if is_recorded:
        recorded = f"SELECT coalesce(sum(deleted), 0) FROM {LEDGER}"
        assert server.query(recorded, database) == [(gone,)]


def sessions(server: Any, database: str) -> int:
    """Return how many sessions app has on a database."""
    where = "information_schema.processlist WHERE user = 'app' AND db"
    if is_postgresql(server):
        where = "pg_stat_activity WHERE usename = 'app' AND datname"
    return int(server.query(f"SELECT count(*) FROM {where} = '{database}'")[0][0])


@pytest.mark.parametrize("options", [(), ("--batch-seconds=0.0001",)], ids=["whole", "batches"])
@pytest.mark.parametrize("trials", trials(2, 9))
def test_meddled_with_at_any_message(
    fork_servers: ForkServers, server: Any, database: str, trials: int, options: Sequence[str]
) -> None:
    """What is told is done and nothing else; no run hangs, or takes it for a bug of its own."""
    chance = random.Random(SEED + trials)
    changes = ON_POSTGRESQL if is_postgresql(server) else ON_MARIADB
    driver = "postgresql+psycopg2" if is_postgresql(server) else "mysql+pymysql"
    names = chance.sample([*changes, *CUTS], min(trials, len(changes) + len(CUTS)))
    for name in names:
        make(fork_servers, server, database)
        statements, cuts = changes.get(name, ()), name * (name in CUTS)
        number = chance.randint(5, MESSAGES)

        def act(statements: Sequence[str] = statements) -> None:
            meddle(server, database, statements)

        proxy = Proxy(server.port, number, act, cuts)
        url = server.url(database, driver=driver, tcp=True).set(port=proxy.port)
        with proxy.running(), fork_servers.one() as (fork_server, _):
            outcome = fork_server.run(
                "run", BEFORE, "--timeout=20", *options,
                env={"GEOCACHE_CLEANUP_DATABASE_URL": text_of(url)},
            )  # fmt: skip
        try:
            verify(server, database, outcome, is_recorded=name not in FORGOTTEN)
        except Exception as error:
            error.add_note(f"{name!r} at message {number}: {outcome}")
            raise
