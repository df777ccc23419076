"""Behind a real pgbouncer whose connections go from transaction to transaction: nothing stays."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from helpers.processes import wait_until
from helpers.servers.commands import Command, fails, geocache_cleanup
from helpers.servers.daemon import private_directory
from helpers.servers.dialects import numbered, text_of
from helpers.servers.pgbouncer import PgBouncer

BEFORE = "--before=2026-01-01"
ROWS = 20_000
Pool = Callable[..., contextlib.AbstractContextManager[PgBouncer]]
DRIVERS = ["postgresql+psycopg2", "postgresql+psycopg"]
if sa.__version__.startswith("1."):
    DRIVERS.pop()
# All that a connection holds on to from one transaction to the next, but for what pgbouncer itself
# gives each of its clients, and what comes with a language that is loaded.
STATE = """
    SELECT 'process', pg_backend_pid()::text
    UNION ALL SELECT name, setting FROM pg_settings WHERE name <> 'application_name'
                                                        AND name NOT LIKE 'plpgsql.%'
    UNION ALL SELECT 'advisory lock', objid::text FROM pg_locks
              WHERE locktype = 'advisory' AND pid = pg_backend_pid()
    UNION ALL SELECT 'statement', name FROM pg_prepared_statements
    UNION ALL SELECT 'cursor', name FROM pg_cursors
    UNION ALL SELECT 'table', relname FROM pg_class WHERE relpersistence = 't'
    ORDER BY 1, 2
"""


@pytest.fixture
def pool(postgresql: Any, database_of: Any) -> Pool:
    """Return what starts a pooler in front of a database with a table, half of it stale."""

    @contextlib.contextmanager
    def start(mode: str = "transaction") -> Iterator[PgBouncer]:
        database = database_of(postgresql)
        postgresql.query(
            "CREATE TABLE geo_cache (ip INTEGER PRIMARY KEY, last_seen TIMESTAMPTZ);"
            "ALTER TABLE geo_cache OWNER TO app;"
            f"INSERT INTO geo_cache SELECT n, CASE WHEN n % 2 = 0 THEN timestamptz '2020-01-01'"
            f" ELSE timestamptz '2026-06-01' END FROM {numbered(ROWS)}",
            database,
        )
        with private_directory("postgres") as directory:
            pooler = PgBouncer(postgresql, database, directory, mode)
            pooler.start()
            try:
                yield pooler
            finally:
                pooler.stop()

    return start


@contextlib.contextmanager
def application(pooler: PgBouncer) -> Iterator[Callable[[str], Any]]:
    """Yield what executes a statement as the application, which stays connected."""
    url = pooler.url("postgresql+psycopg2")
    engine = sa.create_engine(url, future=True, poolclass=sa.pool.NullPool)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:

        def execute(statement: str) -> Any:
            result = connection.exec_driver_sql(statement.replace("%", "%%"))
            return [tuple(row) for row in result] if result.returns_rows else None

        yield execute


@pytest.mark.parametrize("driver", DRIVERS)
def test_no_command_leaves_anything_behind(pool: Pool, driver: str) -> None:
    """Neither a setting nor a lock nor a statement; and each does what it does without one."""
    with pool() as pooler, application(pooler) as execute:
        url, state = text_of(pooler.url(driver)), execute(STATE)
        for arguments, deleted in (
            (["migrate"], None),
            (["check", BEFORE], None),
            (["run", BEFORE, "--dry-run"], ROWS // 2),
            (["run", "--before=2019-01-01"], 0),
            (["run", BEFORE, "--batch-seconds=0.02", "--reclaim=yes"], ROWS // 2),
            (["history"], None),
        ):
            done = geocache_cleanup(*arguments, url=url)
            assert done.status == 0, done.last
            assert execute(STATE) == state, arguments
            told = [event for event in done.events if "deleted" in event]
            assert not told or told[0]["deleted"] == deleted, told
        assert done.output.count(f"{ROWS // 2} ") == 1, done.output
        assert execute("SELECT count(*) FROM geo_cache") == [(ROWS // 2,)]


@pytest.mark.parametrize("driver", DRIVERS)
def test_the_application_works_between_batches(pool: Pool, postgresql: Any, driver: str) -> None:
    """On the same connection, with its own settings; what it deletes the run does not count."""
    with pool() as pooler, application(pooler) as execute:
        url, state = text_of(pooler.url(driver)), execute(STATE)
        postgresql.query(
            "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN OLD; END';"
            "CREATE TRIGGER t BEFORE DELETE ON geo_cache FOR EACH ROW EXECUTE FUNCTION f()",
            pooler.database,
        )
        command = Command("run", BEFORE, "--batch-seconds=0.0001", url=url)
        fresh = 0
        while command.process.poll() is None:
            execute(f"DELETE FROM geo_cache WHERE ip = {2 * fresh + 1}")
            fresh += 1
            assert execute(STATE) == state
        done = command.end()
        assert (done.status, done.last["deleted"]) == (0, ROWS // 2), done.last
        assert execute("SELECT count(*) FROM geo_cache") == [(ROWS // 2 - fresh,)]
        assert (fresh > 3, done.last["batches"] > 3) == (True, True)


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_run_behind_it_is_stopped(pool: Pool, postgresql: Any, driver: str) -> None:
    """A signal, and the end of the time, reach the server: nothing goes, others find it free."""
    with pool() as pooler:
        postgresql.query(
            "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS"
            " 'BEGIN PERFORM pg_sleep(0.01); RETURN OLD; END';"
            "CREATE TRIGGER t BEFORE DELETE ON geo_cache FOR EACH ROW EXECUTE FUNCTION f()",
            pooler.database,
        )
        late = geocache_cleanup("run", BEFORE, "--timeout=4", url=text_of(pooler.url(driver)))
        assert (late.status, "nothing was deleted" in late.last["reason"]) == (75, True), late.last
        command = Command("run", BEFORE, url=text_of(pooler.url(driver)))
        active = "SELECT 1 FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'DELETE%'"
        wait_until("the deletion", lambda: postgresql.query(active))
        command.process.terminate()
        done = command.end()
        assert (done.status, done.last["event"]) == (0, "geo_cache_cleanup_interrupted"), done.last
        with application(pooler) as execute:
            assert execute("SELECT count(*) FROM geo_cache") == [(ROWS,)]
        assert not postgresql.query(active)


def test_two_runs_behind_it_do_not_overlap(pool: Pool, postgresql: Any) -> None:
    """The lock is the transaction's own: it holds whatever connection the next one gets."""
    with pool() as pooler:
        commands = [
            Command("run", BEFORE, "--batch-seconds=0.0001", url=text_of(url))
            for url in (pooler.url(), postgresql.url(pooler.database))
        ]
        done = [command.end() for command in commands]
        assert {outcome.status for outcome in done} <= {0, 75}
        assert sum(outcome.last["deleted"] for outcome in done) <= ROWS // 2


def test_what_cannot_work_behind_it_says_so(pool: Pool, postgresql: Any) -> None:
    """Limits of the account where nothing may be set; other modes; what pgbouncer refuses."""
    with pool() as pooler:
        url = pooler.url()
        postgresql.query("ALTER ROLE app SET statement_timeout = '1ms'")
        try:
            last = fails(url, command="migrate")
        finally:
            postgresql.query("ALTER ROLE app RESET ALL")
        assert (last["exit_status"], "without a pooler" in last["hint"]) == (75, True), last
        last = fails(url.update_query_dict({"options": "-c work_mem=64kB"}), BEFORE)
        assert (last["exit_status"], "startup parameter" in last["reason"]) == (78, True), last
        assert fails(url.set(database="missing"), BEFORE)["exit_status"] == 78
        with application(pooler) as execute, application(pooler) as holder:
            holder("BEGIN")
            last = fails(url, BEFORE)
            assert last["exit_status"] == 69, last
            holder("ROLLBACK")
            assert execute("SELECT 1") == [(1,)]
    with pool("statement") as pooler:
        for driver in DRIVERS:
            # psycopg2 passes over what is said when it is cut off.
            status, words = (69, "log of") if driver.endswith("2") else (78, "pool_mode")
            last = fails(pooler.url(driver), BEFORE)
            assert (last["exit_status"], words in last["hint"]) == (status, True), last
    with pool("session") as pooler:
        assert geocache_cleanup("run", BEFORE, url=text_of(pooler.url())).status == 0
