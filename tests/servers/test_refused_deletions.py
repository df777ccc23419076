"""Deletions that a server refuses: its constraints, triggers, limits and full disks."""

import subprocess
from pathlib import Path
from typing import Any

import pytest

from geocache_cleanup.engines.mysql import errors
from helpers.processes import wait_until
from helpers.servers.commands import fails, geocache_cleanup
from helpers.servers.daemon import private_directory
from helpers.servers.dialects import (
    admin_of,
    is_postgresql,
    make_stale_table,
    numbered,
    text_of,
)
from helpers.servers.mariadb import MariaDBServer

BEFORE = "--before=2026-01-01"


def test_constraints_and_triggers(server: Any, database: str) -> None:
    """A foreign key without cascade and a trigger that refuses: 65, and nothing is deleted."""
    make_stale_table(server, database)
    server.query("ALTER TABLE geo_cache ADD PRIMARY KEY (ip)", database)
    server.query(
        "CREATE TABLE log (about INTEGER, FOREIGN KEY (about) REFERENCES geo_cache (ip))", database
    )
    server.query("INSERT INTO log VALUES (1)", database)
    assert fails(server.url(database), BEFORE)["exit_status"] == 65
    server.query("DELETE FROM log", database)
    if is_postgresql(server):
        define = (
            "CREATE OR REPLACE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS"
            " 'BEGIN RAISE ''no'' USING ERRCODE = ''{}''; END'"
        )
        server.query(
            f"{define.format('P0001')}; CREATE TRIGGER t BEFORE DELETE ON geo_cache"
            " FOR EACH ROW EXECUTE FUNCTION no()",
            database,
        )
        raising = [("P0001", 65), ("40001", 75), ("53100", 74), ("53200", 75), ("58030", 74)]
        # What goes wrong in the trigger itself is no bug of the run; nor is a code of its own.
        raising += [("P0004", 65), ("22012", 65), ("42883", 65), ("U0001", 65)]
        for state, status in raising:
            server.query(define.format(state), database)
            assert fails(server.url(database), BEFORE)["exit_status"] == status
    else:
        server.query("CREATE TABLE kept (ip INTEGER PRIMARY KEY CHECK (ip < 9))", database)
        server.query("CREATE TABLE two (ip INTEGER);\nINSERT INTO two VALUES (1), (2)", database)
        # A trigger keeps the mode that it was made in.
        mode = "SET SESSION sql_mode = 'STRICT_ALL_TABLES,ERROR_FOR_DIVISION_BY_ZERO';\n"
        for action in (
            "SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'no'",
            "INSERT INTO kept VALUES (1)",
            "INSERT INTO kept VALUES (9)",
            "UPDATE geo_cache SET ip = 9",
            # What goes wrong in the trigger itself is no bug of the run; nor is its own number.
            "SIGNAL SQLSTATE '45000' SET MYSQL_ERRNO = 30001, MESSAGE_TEXT = 'no'",
            "SIGNAL SQLSTATE '45000' SET MYSQL_ERRNO = 50001, MESSAGE_TEXT = 'no'",
            "INSERT INTO kept VALUES ('x')",
            "INSERT INTO kept VALUES (99999999999)",
            "INSERT INTO kept VALUES (1, 2)",
            "INSERT INTO kept VALUES (1 / 0)",
            "SET @missing = missing_function()",
            "SET @far = 9223372036854775807 + OLD.ip",
            "SET @many = (SELECT ip FROM two)",
        ):
            trigger = f"CREATE TRIGGER t BEFORE DELETE ON geo_cache FOR EACH ROW {action}"
            server.query(f"DROP TRIGGER IF EXISTS t;\n{mode}{trigger}", database)
            assert fails(server.url(database), BEFORE)["exit_status"] == 65
    assert server.query("SELECT count(*) FROM geo_cache", database) == [(3,)]


@pytest.mark.parametrize("arguments", [(), ("--batch-seconds=1",)], ids=["at once", "batches"])
def test_the_guard_counts_beside_an_engine_without_transactions(
    mariadb: Any, database_of: Any, arguments: tuple[str, ...]
) -> None:
    """A table that has nothing to do with it takes nothing from what others do being counted."""
    database = database_of(mariadb)
    mariadb.query(
        "CREATE TABLE geo_cache (ip INTEGER PRIMARY KEY, last_seen DATE, parent INTEGER,"
        " FOREIGN KEY (parent) REFERENCES geo_cache (ip) ON DELETE CASCADE) ENGINE=InnoDB;\n"
        "INSERT INTO geo_cache VALUES (0, '2020-01-01', NULL);\n"
        f"INSERT INTO geo_cache SELECT n, '2026-06-01', 0 FROM {numbered(9)};\n"
        "CREATE TABLE log (ip INTEGER) ENGINE=MyISAM;\n"
        f"REVOKE ALL ON {database}.* FROM app;\nGRANT SELECT, DELETE ON {database}.* TO app",
        database,
    )
    url = mariadb.url(database)
    last = fails(url, BEFORE, "--max-delete-percent=20", *arguments)
    assert (last["exit_status"], "10 of 10" in last["reason"]) == (65, True), last
    assert mariadb.query("SELECT count(*) FROM geo_cache", database) == [(10,)]
    assert geocache_cleanup("run", BEFORE, *arguments, url=text_of(url)).last["deleted"] == 10


def test_deletions_that_are_published(postgresql: Any, database_of: Any) -> None:
    """A publication of a table without a key lets nobody delete: 78, and check tells before."""
    database = database_of(postgresql)
    make_stale_table(postgresql, database)
    postgresql.query("CREATE PUBLICATION all_of_it FOR TABLE geo_cache", database)
    for options in ((), ("--batch-seconds=1",)):
        event = fails(postgresql.url(database), BEFORE, *options)
        assert (event["exit_status"], "replica identity" in event["reason"]) == (78, True)
    assert geocache_cleanup("check", url=text_of(postgresql.url(database))).status == 78
    assert postgresql.query("SELECT count(*) FROM geo_cache", database) == [(3,)]


def test_limits_of_mariadb() -> None:
    """A deletion larger than max_binlog_cache_size is refused whole, with what to do about it."""
    options = ["--log-bin", "--max-binlog-cache-size=4096", "--binlog-cache-size=4096"]
    with private_directory("mysql") as directory:
        server = MariaDBServer(directory, *options, "--binlog-format=ROW")
        server.create()
        server.start()
        try:
            server.query("CREATE DATABASE one")
            server.query("CREATE TABLE geo_cache (ip INTEGER, last_seen DATE)", "one")
            for _ in range(20):
                server.query(
                    "INSERT INTO geo_cache SELECT seq, '2020-01-01' FROM seq_1_to_100", "one"
                )
            last = fails(server.url("one", user="root"), BEFORE)
            assert (last["exit_status"], "--batch-seconds" in last["hint"]) == (65, True)
            assert server.query("SELECT count(*) FROM geo_cache", "one") == [(2_000,)]
        finally:
            server.stop()


def test_a_full_disk(server: Any) -> None:
    """The server's disk is full in mid-run: 74 or, where it falls over, 69; nothing is lost."""
    user = "postgres" if is_postgresql(server) else "mysql"
    with private_directory(user) as directory:
        data = directory / "small"
        data.mkdir()
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=400m,mode=0777", "tmpfs", data], check=False
        )
        if mounted.returncode:
            pytest.fail("this test needs to mount a file system of its own")
        # Of recycled log PostgreSQL could live for a long time.
        recycling = ["wal_recycle=off", "min_wal_size=32MB"] if is_postgresql(server) else []
        small: Any = type(server)(data, *recycling, programs=server.programs)
        try:
            small.create()
            small.start()
            small.query("CREATE DATABASE one")
            _fill_disk(small, data)
            last = fails(small.url("one", user=admin_of(server)), BEFORE)
            assert last["exit_status"] in {69, 74}, str(last)
            (data / "ballast").unlink()

            def answers() -> Any:
                if not small.daemon.runs:
                    small.start()  # PostgreSQL does not go on without its log
                return small.query("SELECT count(*) FROM geo_cache", "one")

            wait_until("the server", answers)
            assert small.query("SELECT count(*) FROM geo_cache", "one") == [(200_000,)]
        finally:
            small.stop()
            subprocess.run(["umount", "-l", data], check=True)


def _fill_disk(small: Any, data: Path) -> None:
    # Long keys, as InnoDB keeps nothing else of a row that is deleted.
    small.query("CREATE TABLE geo_cache (ip VARCHAR(250) PRIMARY KEY, last_seen DATE)", "one")
    key = "concat(repeat('x', 200), n)"
    small.query(f"INSERT INTO geo_cache SELECT {key}, '2020-01-01' FROM {numbered(200_000)}", "one")
    if is_postgresql(small):
        small.query("CHECKPOINT; SELECT pg_switch_wal()")
    with (data / "ballast").open("wb", buffering=0) as ballast:
        try:
            while True:
                ballast.write(b"\0" * 65_536)
        except OSError:
            return


def test_the_tables_of_errors_are_consistent() -> None:
    """No error number has two meanings, and what only words tell is found by them."""
    numbers = " ".join(errors.NUMBERS.values()).split()
    assert len(numbers) == len(errors.ERRNOS)
    assert not errors.ERRNOS.keys() & errors.MISLEADING
