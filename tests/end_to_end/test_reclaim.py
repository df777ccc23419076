"""Free space: told after every run, given back only on demand, never at the cost of the run."""

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from geocache_cleanup.deadline import Deadline
from geocache_cleanup.engines.urls import open_engine, parse_url
from geocache_cleanup.errors import TemporaryError
from helpers import commands, jobs, tables
from helpers.commands import url
from helpers.databases import count, make_database

ROWS = 20_000
RUN = ("run", "--before", jobs.CUTOFF)


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """Return a database that shrinks by a third or so."""
    return make_database(tmp_path / "geo.db", ROWS, "wal")


def free_pages(path: Path) -> int:
    """Return how many pages hold nothing."""
    return int(tables.fetch(path, "PRAGMA freelist_count")[0])


@pytest.mark.parametrize("batches", ["0", "0.05"])
def test_freed_pages_are_told_and_kept(database: Path, batches: str) -> None:
    """Without --reclaim the file keeps its size, and the event tells what new rows can use."""
    event = commands.events(
        commands.execute(*RUN, url(database), "--batch-seconds", batches).stderr
    )[-1]
    assert event["freed_pages"] == free_pages(database) > 0


def test_vacuum(database: Path) -> None:
    """The file shrinks by what the event says, after the run has been told."""
    before = database.stat().st_size
    done = commands.execute(*RUN, url(database), "--reclaim=yes")
    _, ran, reclaimed = commands.events(done.stderr)
    assert (done.returncode, ran["event"]) == (0, "geo_cache_cleanup_ran")
    assert reclaimed["event"] == "geo_cache_cleanup_reclaimed"
    assert reclaimed["level"] == "info"
    assert reclaimed["reclaimed_bytes"] == before - database.stat().st_size > 0
    assert (free_pages(database), count(database)) == (0, ROWS // 2)
    second = commands.execute(*RUN, url(database), "--reclaim=yes")
    assert [event["event"] for event in commands.events(second.stderr)][1:] == [
        "geo_cache_cleanup_ran"
    ]


def test_incremental_vacuum(database: Path) -> None:
    """A file made for it shrinks step by step, and others can write in between."""
    with tables.connected(database) as connection:
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        connection.execute("VACUUM")
    before = database.stat().st_size
    reclaimed = commands.events(commands.execute(*RUN, url(database), "--reclaim=yes").stderr)[-1]
    assert reclaimed["reclaimed_bytes"] == before - database.stat().st_size > 0
    assert (free_pages(database), count(database)) == (0, ROWS // 2)


def test_a_reader_in_the_way(database: Path) -> None:
    """Who still reads the old state keeps it: the log shrinks some other time, nothing fails."""
    with tables.connected(database) as reader:
        cursor = reader.execute("SELECT ip FROM geo_cache")
        first = cursor.fetchone()
        done = commands.execute(*RUN, url(database), "--reclaim=yes", "--timeout=20")
        assert len([first, *cursor]) == ROWS
    reclaimed = commands.events(done.stderr)[-1]
    assert (done.returncode, reclaimed["event"]) == (0, "geo_cache_cleanup_reclaimed")
    assert reclaimed["reclaimed_bytes"] == 0
    assert count(database) == ROWS // 2


def test_the_file_goes_meanwhile(database: Path) -> None:
    """A file that is gone when the run is done is no bug."""
    with tables.connected(database) as connection:
        connection.execute("DELETE FROM geo_cache")
    holder = tables.hold(database, "IMMEDIATE", seconds=1)
    gone = threading.Timer(0.5, database.unlink)
    gone.start()
    engine = open_engine(parse_url(f"sqlite:///{database}"), Deadline(60))
    with pytest.raises(TemporaryError, match="moved, replaced or deleted"):
        engine.reclaim("geo_cache", "last_seen")
    gone.join()
    holder.wait()


@pytest.mark.parametrize("names", [(), ("TMPDIR",), ("SQLITE_TMPDIR", "TMPDIR"), ("TEMP", "TMP")])
def test_room_is_looked_for_where_sqlite_copies_to(tmp_path: Path, names: tuple[str, ...]) -> None:
    """It goes by other variables and places than Python does: /var/tmp comes before /tmp."""
    code = (
        "import os, sqlite3\n"
        "from geocache_cleanup.engines.sqlite import temporary\n"
        "connection = sqlite3.connect('')\n"
        "connection.execute('PRAGMA cache_size = 1')\n"
        "connection.execute('CREATE TABLE t AS SELECT zeroblob(1000000)')\n"
        "files = [os.readlink(f'/proc/self/fd/{number}') for number in range(3, 10)"
        " if os.path.islink(f'/proc/self/fd/{number}')]\n"
        "(used,) = {os.path.dirname(file) for file in files if 'etilqs' in file}\n"
        "assert used == temporary.directory(), (used, files)\n"
    )
    variables = {name: str(tmp_path / name) for name in names}
    for directory in variables.values():
        Path(directory).mkdir()
    kept = {key: value for key, value in commands.environment().items() if "TMP" not in key}
    subprocess.run([sys.executable, "-c", code], env={**kept, **variables}, check=True)
