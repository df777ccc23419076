"""Waits that end in time, runs that exclude each other, signals, and servers that go away."""

import contextlib
import signal
import time
from collections.abc import Iterator
from typing import Any

import pytest

from helpers import processes
from helpers.processes import wait_until
from helpers.servers.commands import Command, geocache_cleanup
from helpers.servers.dialects import is_postgresql, numbered, text_of
from helpers.servers.slow_table import ROWS, driver_urls, make_table, sessions, slow_down

BEFORE = "--before=2026-01-01"


def count(server: Any, database: str) -> int:
    """Return how many rows are left."""
    return int(server.query("SELECT count(*) FROM geo_cache", database)[0][0])


def lock_waits(server: Any, database: str) -> int:
    """Return how many transactions wait for the lock of another one."""
    if is_postgresql(server):
        where = f"pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = '{database}'"
    else:
        time.sleep(0.11)  # what was read within a tenth of a second is not brought up to date
        where = "information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT'"
    return int(server.query(f"SELECT count(*) FROM {where}")[0][0])


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_a_signal_is_answered_within_a_second(
    server: Any, filled: str, number: signal.Signals, status: int
) -> None:
    """In mid-statement, with every driver: nothing is deleted and nothing goes on on the server."""
    urls = driver_urls(server, filled)
    slow_down(server, filled)
    for url in urls:
        command = Command("run", BEFORE, url=url)
        wait_until("the deletion", lambda: sessions(server, filled))
        time.sleep(0.3)
        sent = time.monotonic()
        command.process.send_signal(number)
        outcome = command.end()
        assert time.monotonic() - sent < processes.PROMPT
        assert (outcome.status, outcome.last["event"]) == (status, "geo_cache_cleanup_interrupted")
        # By itself the deletion would end after fifty seconds.
        wait_until("the roll-back", lambda: not sessions(server, filled), 20)
        assert count(server, filled) == ROWS


@pytest.mark.parametrize("driver", ["psycopg2", "psycopg"])
def test_a_socket_under_another_path(postgresql: Any, database_of: Any, driver: str) -> None:
    """In a volume, for instance: the server is asked where the driver has found it."""
    database, name = database_of(postgresql), f".s.PGSQL.{postgresql.port}"
    make_table(postgresql, database)
    slow_down(postgresql, database)
    own, hidden, alias = (postgresql.directory / place for place in (".", "hidden", "alias"))
    alias.mkdir(exist_ok=True)
    (alias / name).hardlink_to(own / name)
    url = postgresql.url(database, driver=f"postgresql+{driver}")
    command = Command("run", BEFORE, url=text_of(url.update_query_dict({"host": str(alias)})))
    wait_until("the deletion", lambda: sessions(postgresql, database))
    (own / name).rename(hidden)
    command.process.terminate()
    assert command.end().status == 0
    hidden.rename(own / name)
    (alias / name).unlink()
    wait_until("the roll-back", lambda: not sessions(postgresql, database), 20)


def test_a_trigger_of_another_user_cannot_hold_the_run_up(mariadb: Any, database_of: Any) -> None:
    """MariaDB does not let app end root's trigger: the connection is given up instead."""
    database = database_of(mariadb)
    mariadb.query("CREATE TABLE geo_cache (ip INTEGER, last_seen DATE)", database)
    mariadb.query(f"INSERT INTO geo_cache SELECT n, '2020-01-01' FROM {numbered(2_000)}", database)
    mariadb.query(
        "CREATE TRIGGER t BEFORE DELETE ON geo_cache FOR EACH ROW DO SLEEP(0.01)", database
    )
    command = Command("run", BEFORE, url=text_of(mariadb.url(database, driver="mysql+pymysql")))
    wait_until("the deletion", lambda: sessions(mariadb, database))
    sent = time.monotonic()
    command.process.send_signal(signal.SIGTERM)
    assert command.end().status == 0
    assert time.monotonic() - sent < processes.PROMPT
    wait_until("the roll-back", lambda: count(mariadb, database) == 2000)


def test_the_time_limit_ends_a_statement(server: Any, filled: str) -> None:
    """The run ends with 75 when its time is up, with every driver, and leaves all as it was."""
    urls = driver_urls(server, filled)
    slow_down(server, filled)
    for url in urls:
        outcome = geocache_cleanup("run", BEFORE, "--timeout=2", url=url)
        assert (outcome.status, outcome.seconds < 2 + processes.PROMPT) == (75, True)
        assert "within 2 seconds" in outcome.last["reason"]
        assert count(server, filled) == ROWS


@contextlib.contextmanager
def locked(server: Any, database: str, *statements: str) -> Iterator[None]:
    """Hold the locks that some statements take."""
    with server.engine(database).connect() as connection, connection.begin() as transaction:
        for statement in statements:
            connection.exec_driver_sql(statement)
        yield
        transaction.rollback()


@pytest.mark.parametrize("command", ["run", "migrate"])
def test_no_command_hangs_on_a_lock(server: Any, filled: str, command: str) -> None:
    """A lock on a row, and one on the table itself, end it with 75 and say what it waited for."""
    row = "UPDATE geo_cache SET last_seen = '2026-05-05' WHERE ip = 1"
    table = "LOCK TABLE geo_cache" if is_postgresql(server) else "LOCK TABLES geo_cache WRITE"
    # Some versions of InnoDB look only once a second whether a wait has been too long; and the
    # start takes a part of it, of whose rest a lock is waited for four fifths.
    seconds = 8
    arguments = [*[BEFORE][command != "run" :], f"--timeout={seconds}"]
    for statement in [row, table] if command == "run" else [table]:
        with locked(server, filled, statement):
            outcome = geocache_cleanup(command, *arguments, url=text_of(server.url(filled)))
        in_time = outcome.seconds < seconds + processes.PROMPT
        assert (outcome.status, in_time) == (75, True), outcome.last
        assert "lock" in outcome.last["reason"]
        assert count(server, filled) == ROWS


def test_a_row_refreshed_meanwhile_is_kept(server: Any, filled: str) -> None:
    """The run waits for the application's transaction, and judges what it left."""
    with server.engine(filled).connect() as connection:
        connection.exec_driver_sql("UPDATE geo_cache SET last_seen = '2026-05-05' WHERE ip = 7")
        command = Command("run", BEFORE, url=text_of(server.url(filled)))
        wait_until("the deletion", lambda: sessions(server, filled))
        connection.commit()
    assert command.end().last["deleted"] == ROWS - 1
    assert server.query("SELECT ip FROM geo_cache", filled) == [(7,)]


def test_the_second_run_ends_at_once(server: Any, filled: str) -> None:
    """One run at a time for each table, wherever it was started; another table is free."""
    slow_down(server, filled)
    server.query("CREATE TABLE other (ip INTEGER, last_seen DATE)", filled)
    if is_postgresql(server):
        server.query("ALTER TABLE other OWNER TO app", filled)
    first = Command("run", BEFORE, url=text_of(server.url(filled)))
    wait_until("the deletion", lambda: sessions(server, filled))
    second = geocache_cleanup("run", BEFORE, url=text_of(server.url(filled, tcp=True)))
    # The first one would take fifty seconds.
    assert (second.status, second.seconds < 4 * processes.PROMPT) == (75, True)
    assert "another run" in second.last["reason"]
    assert geocache_cleanup("run", "--table=other", url=text_of(server.url(filled))).status == 0
    assert geocache_cleanup("run", "--dry-run", url=text_of(server.url(filled))).status == 0
    first.process.send_signal(signal.SIGTERM)
    assert first.end().status == 0


def test_a_deadlock_is_to_be_tried_again(server: Any, filled: str) -> None:
    """The victim ends with 75, nothing deleted; the next run succeeds."""
    url = text_of(server.url(filled))
    with server.engine(filled).connect() as connection:
        if is_postgresql(server):
            connection.exec_driver_sql("SET deadlock_timeout = '1h'")
        else:
            # InnoDB rolls back the smaller of the two.
            connection.exec_driver_sql("CREATE TABLE big (n INTEGER)")
            connection.exec_driver_sql(f"INSERT INTO big SELECT n FROM {numbered(50_000)}")
        connection.exec_driver_sql(f"DELETE FROM geo_cache WHERE ip = {ROWS}")
        command = Command("run", BEFORE, url=url)
        wait_until("the wait for a lock", lambda: lock_waits(server, filled))
        connection.exec_driver_sql("SELECT * FROM geo_cache WHERE ip = 1 FOR UPDATE")
        outcome = command.end()
        connection.rollback()
    assert (outcome.status, outcome.last["retryable"]) == (75, True), outcome.last
    assert count(server, filled) == ROWS
    assert geocache_cleanup("run", BEFORE, url=url).last["deleted"] == ROWS


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_server_that_goes_away(server: Any, filled: str, number: signal.Signals) -> None:
    """Stopped or killed in mid-run: 69, and all rows are there after the restart."""
    slow_down(server, filled)
    command = Command("run", BEFORE, url=text_of(server.url(filled, tcp=True)))
    wait_until("the deletion", lambda: sessions(server, filled))
    server.stop(number if is_postgresql(server) or number == signal.SIGKILL else signal.SIGTERM)
    outcome = command.end()
    down = geocache_cleanup("run", BEFORE, url=text_of(server.url(filled, tcp=True)))
    server.start()
    assert (outcome.status, outcome.last["retryable"]) == (69, True), outcome.last
    assert (down.status, "cannot be reached" in down.last["reason"]) == (69, True), down.last
    assert count(server, filled) == ROWS
