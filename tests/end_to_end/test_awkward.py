"""Ordinary states of a machine that are easily taken for bugs: each ends as documented."""

import contextlib
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Sequence

import pytest

from geocache_cleanup.pruning.ledger import LEDGER
from helpers import commands, processes, tables

OLD, NEW = "2020-01-01T00:00:00Z", "2099-01-01T00:00:00Z"
_NOTHING = ", ".join(f"1 AS {column.name}" for column in LEDGER.c)


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """Return a database with a stale and a fresh row."""
    path = tmp_path / "geo.db"
    tables.make_table(path, [("old", OLD), ("new", NEW)])
    return path


def url(path: Path) -> str:
    """Return the option that names a SQLite file."""
    return f"--database-url=sqlite:///{path}"


@pytest.mark.parametrize("command", ["run", "check"])
def test_exclusive_lock_while_opening(database: Path, command: str) -> None:
    """A lock that keeps even readers out is waited for from the first look on."""
    holder = tables.hold(database, "EXCLUSIVE", seconds=1.5)
    done = commands.execute(command, url(database), "--timeout=30")
    holder.wait()
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "obstacle",
    [
        "CREATE TRIGGER no BEFORE DELETE ON geo_cache BEGIN SELECT RAISE(ABORT, 'no'); END",
        "CREATE TABLE notes (ip REFERENCES geo_cache (ip)); INSERT INTO notes VALUES ('old')",
        "CREATE TABLE geocache_cleanup_runs (something)",
        f"CREATE VIEW geocache_cleanup_runs AS SELECT {_NOTHING} WHERE 0",
    ],
)
def test_check_sees_what_would_stop_a_run(database: Path, obstacle: str) -> None:
    """Triggers, foreign keys and a strange ledger stop both alike; no row goes."""
    with tables.connected(database) as connection:
        connection.executescript(obstacle)
    before = database.read_bytes()
    statuses = [commands.execute(name, url(database)).returncode for name in ("check", "run")]
    assert statuses in ([65, 65], [78, 78])
    assert database.read_bytes() == before


def test_guard_counts_what_cascades_take(tmp_path: Path) -> None:
    """A stale row may take fresh rows of its own table along: the guard counts them too."""
    path = tmp_path / "geo.db"
    with tables.connected(path) as connection:
        connection.execute(
            "CREATE TABLE geo_cache (ip PRIMARY KEY, last_seen,"
            " parent REFERENCES geo_cache (ip) ON DELETE CASCADE)"
        )
        connection.execute(f"INSERT INTO geo_cache VALUES ('p', '{OLD}', NULL)")
        for number in range(99):
            connection.execute(f"INSERT INTO geo_cache VALUES ('c{number}', '{NEW}', 'p')")
    for command in (["check"], ["run"], ["run", "--batch-seconds=1"]):
        done = commands.execute(*command, url(path), "--max-delete-percent=5")
        assert done.returncode == 65, done.stderr
    assert tables.fetch(path, "SELECT count(*) FROM geo_cache") == [100]


def test_last_second_of_the_calendar(database: Path) -> None:
    """The cutoff may be any instant that can be written."""
    done = commands.execute("run", url(database), "--before=9999-12-31T23:59:59.5Z")
    assert done.returncode == 0, done.stderr
    assert tables.fetch(database, "SELECT count(*) FROM geo_cache") == [0]


def test_closed_stderr(database: Path) -> None:
    """Without stderr there is no event, but the work is done."""
    closing = ["sh", "-c", 'exec "$@" 2>&-', "sh"]
    done = subprocess.run(
        [*closing, *commands.COMMAND, "run", url(database)], env=commands.environment(), check=False
    )
    assert done.returncode == 0
    assert tables.fetch(database, "SELECT ip FROM geo_cache") == ["new"]


@pytest.mark.parametrize(("level", "status", "left"), [("debug", 75, 2), ("info", 0, 1)])
def test_stderr_that_nobody_reads(database: Path, level: str, status: int, left: int) -> None:
    """A run ends in time: at its first event with nothing deleted, at its last as it has to."""
    ears, mouth = os.pipe()
    os.set_blocking(mouth, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(mouth, bytes(4096))
    os.set_blocking(mouth, True)
    done = subprocess.run(
        [*commands.COMMAND, "run", url(database), "--timeout=1", f"--log-level={level}"],
        stderr=mouth,
        env=commands.environment(),
        check=False,
        timeout=60,
    )
    os.close(ears)
    os.close(mouth)
    assert done.returncode == status
    assert tables.fetch(database, "SELECT count(*) FROM geo_cache") == [left]


@pytest.mark.parametrize("status", [0, 78])
def test_reader_that_has_seen_enough(database: Path, status: int) -> None:
    """A pipe that was closed, as by head, changes no exit status, and is not complained about."""
    ears, mouth = os.pipe()
    os.close(ears)
    column = f"--time-column={'last_seen' if status == 0 else 'nothing'}"
    done = subprocess.run(
        [*commands.COMMAND, "check", url(database), column],
        stdout=mouth,
        stderr=subprocess.PIPE,
        text=True,
        env=commands.environment(),
        check=False,
    )
    os.close(mouth)
    assert done.returncode == status
    assert len(commands.events(done.stderr)) == (status != 0)


@pytest.mark.parametrize(("megabytes", "status"), [(60, 75), (6_000, 0)])
def test_memory_that_is_used_up(database: Path, megabytes: int, status: int) -> None:
    """A value larger than the memory left is no bug; some time there may be more."""
    with tables.connected(database) as connection:
        large = "CAST('2020-01-01' || zeroblob(100000000) AS TEXT)"
        connection.execute(f"INSERT INTO geo_cache (ip, last_seen) VALUES ('large', {large})")
    limit = (
        "import resource, sqlalchemy.dialects.sqlite, geocache_cleanup.cli as cli\n"
        "from geocache_cleanup.pruning import batches\n"
        "from geocache_cleanup.engines.sqlite import engine\n"
        f"size = int(open('/proc/self/statm').read().split()[0]) * 4096 + {megabytes} * 2**20\n"
        "resource.setrlimit(resource.RLIMIT_AS, (size, size))"
    )
    done = commands.execute_in_python("run", url(database), "--dry-run", first=limit)
    event = commands.events(done.stderr)[-1]
    assert (done.returncode, "traceback" in event) == (status, False), event


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("command", ["check", "check --json", "migrate --sql"])
def test_full_output(database: Path, command: str, unbuffered: str) -> None:
    """Output that cannot be written is a storage failure, not a bug, and said once."""
    done = into_full_device([*command.split(), url(database)], unbuffered)
    (event,) = commands.events(done.stderr)
    assert (done.returncode, event["exit_status"]) == (74, 74)


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("command", ["--help", "--version", "run --help"])
def test_full_output_of_help(command: str, unbuffered: str) -> None:
    """The help and the version likewise, in one sentence."""
    done = into_full_device(command.split(), unbuffered)
    assert (done.returncode, done.stderr.count("\n")) == (74, 1), done.stderr


def into_full_device(
    arguments: Sequence[str], unbuffered: str
) -> "subprocess.CompletedProcess[str]":
    """Run a command whose output goes to a full device, with Python's buffer and without."""
    with open("/dev/full", "w") as full:
        return subprocess.run(
            [*commands.COMMAND, *arguments],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            env=commands.environment({"PYTHONUNBUFFERED": unbuffered}),
            check=False,
        )


def test_url_without_its_option() -> None:
    """A URL given as an argument is refused and not repeated."""
    done = commands.execute("run", "postgresql://user:hunter2@host/db")
    (event,) = commands.events(done.stderr)
    assert (done.returncode, event["exit_status"]) == (2, 2)
    assert "hunter2" not in done.stderr


@pytest.mark.parametrize(
    "schema",
    [
        "CREATE VIRTUAL TABLE geo_cache USING fts5 (ip, last_seen)",
        "CREATE TABLE geo_cache (last_seen); CREATE TABLE {index} (x)",
    ],
)
def test_migration_that_the_schema_does_not_allow(tmp_path: Path, schema: str) -> None:
    """A migration that cannot be applied is a matter of configuration, and changes nothing."""
    path = tmp_path / "geo.db"
    with tables.connected(path) as connection:
        connection.executescript(schema.format(index="ix_geocache_cleanup_geo_cache_last_seen"))
    done = commands.execute("migrate", url(path))
    assert done.returncode == 78, done.stderr
    assert tables.fetch(path, "SELECT name FROM sqlite_master WHERE name LIKE 'geocache%'") == []


@pytest.mark.parametrize("sql", [(), ("--sql",)])
@pytest.mark.parametrize("name", ["ip", "ORG"])
def test_migration_with_one_name_for_two_columns(tmp_path: Path, name: str, sql: str) -> None:
    """The time cannot be in a column that has another meaning."""
    done = commands.execute("migrate", url(tmp_path / "new.db"), f"--time-column={name}", *sql)
    assert (done.returncode, done.stdout) == (78, "")
    assert "--time-column" in commands.events(done.stderr)[-1]["hint"]


def test_index_of_another_collation_does_not_count(database: Path) -> None:
    """An index that the comparison cannot use is as good as none."""
    with tables.connected(database) as connection:
        connection.execute("DROP INDEX ix_last_seen")
        connection.execute("CREATE INDEX nc ON geo_cache (last_seen COLLATE NOCASE)")
    assert "created the index" in commands.execute("migrate", url(database)).stdout


def test_interrupt_while_it_loads(database: Path) -> None:
    """It ends without a word, as of SIGTERM."""
    interrupt = """
import os, signal
# As in a shell at a terminal: what runs in the background of a script ignores it.
signal.signal(signal.SIGINT, signal.default_int_handler)
class Interrupting:
    def find_spec(self, name, *_):
        if name == "geocache_cleanup.times.instants":
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Interrupting())
"""
    done = commands.execute_in_python("run", url(database), first=interrupt)
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGINT, "", "")
    assert tables.fetch(database, "SELECT count(*) FROM geo_cache") == [2]


def test_second_signal(database: Path) -> None:
    """A second signal, while the first is being answered, changes nothing."""
    holder = tables.hold(database, "IMMEDIATE", seconds=30)
    process = subprocess.Popen(
        [*commands.COMMAND, "run", url(database)],
        stderr=subprocess.PIPE,
        text=True,
        env=commands.environment(),
    )
    processes.wait_until_it_listens(process)
    for _ in range(40):
        process.send_signal(signal.SIGTERM)
        time.sleep(0.01)
    _, output = process.communicate(timeout=30)
    holder.kill()
    holder.wait()
    assert process.returncode == 0
    assert commands.events(output)[-1]["event"] == "geo_cache_cleanup_interrupted"
