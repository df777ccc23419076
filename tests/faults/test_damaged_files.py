"""Databases that are damaged, left by a crash, or replaced or deleted under way."""

import contextlib
import os
import random
import sqlite3
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from helpers import commands, processes, tables
from helpers.faults.fault import Action, Fault, Kind
from helpers.faults.runs import ForkServer, ForkServers, arguments
from helpers.faults.template import NEW, RAN, DatabaseTemplate, trials, verify
from helpers.reporting import tally

SEED = 20_260_605
_SMALL = {"stale": 600, "fresh": 600}
_TIMEOUT = 2


@pytest.mark.parametrize("trials", trials(15, 500))
def test_damage_at_random_places(
    fork_servers: ForkServers, template_of: Callable[..., DatabaseTemplate], trials: int
) -> None:
    """Random bytes over a random place: done or 65, within the time, and never 70."""
    template = template_of("delete", **_SMALL)
    chance = random.Random(SEED)
    size = template.path.stat().st_size
    ends: set[int] = set()

    def trial(fork_server: ForkServer, place: Path, wound: tuple[int, bytes]) -> None:
        path = template.copy(place)
        with path.open("r+b") as file:
            file.seek(wound[0])
            file.write(wound[1])
        tally["faults tried"] += 1
        kept = fresh_rows(path)
        outcome = fork_server.run(*arguments(path, f"--timeout={_TIMEOUT}"))
        assert outcome.seconds < _TIMEOUT + processes.PROMPT
        # 78 where it is the text of the schema that is damaged, 74 where a page is beyond the end.
        assert outcome.status in {0, 65, 74, 78}, outcome
        assert "traceback" not in outcome.last
        ends.add(outcome.status)
        assert kept is None or fresh_rows(path) == kept

    fork_servers.each(
        [
            (chance.randrange(0, size - 64), chance.randbytes(chance.choice([1, 4, 16, 64])))
            for _ in range(trials)
        ],
        trial,
    )
    assert ends >= {0, 65}


def fresh_rows(path: Path) -> set[str] | None:
    """Return the fresh rows as far as SQLite can read them, None if it cannot."""
    try:
        with tables.connected(path) as connection:
            if connection.execute("PRAGMA integrity_check").fetchall() != [("ok",)]:
                return None
            statement = "SELECT ip FROM geo_cache NOT INDEXED WHERE last_seen = ?"
            return {ip for (ip,) in connection.execute(statement, (NEW,))}
    except (sqlite3.Error, UnicodeDecodeError):
        return None


@pytest.mark.parametrize("mode", ["delete", "wal"])
def test_what_a_crashed_writer_left(
    fork_servers: ForkServers, template_of: Callable[..., DatabaseTemplate], mode: str
) -> None:
    """A hot journal, or a log without its index: the run recovers it, then prunes."""
    template = template_of(mode, **_SMALL)
    with fork_servers.one() as (fork_server, place):
        path = template.copy(place)
        # The last change to the file, after which an undisturbed run would be committed.
        kind, nth = (Kind.UNLINK, 1) if mode == "delete" else (Kind.SYNC, 2)
        crash = Fault(kind, nth, Action.DIE_BEFORE, part=str(place))
        assert fork_server.run(*arguments(path), fault=crash).status == -9
        suffix = "-journal" if mode == "delete" else "-wal"
        assert os.path.getsize(f"{path}{suffix}")
        outcome = fork_server.run(*arguments(path))
        assert outcome.status == 0, outcome
        assert outcome.last["event"] == RAN
        gone = tables.fetch(path, "SELECT sum(deleted) FROM geocache_cleanup_runs")
        assert gone == [template.stale]
        verify(template, path, None)


def test_a_hot_journal_in_a_directory_that_is_not_to_be_written(
    fork_servers: ForkServers, template_of: Callable[..., DatabaseTemplate]
) -> None:
    """It cannot be removed after the recovery: that is for want of rights, and no retry helps."""
    template = template_of("delete", **_SMALL)
    with fork_servers.one() as (fork_server, place):
        path = template.copy(place)
        crash = Fault(Kind.UNLINK, 1, Action.DIE_BEFORE, part=str(place))
        assert fork_server.run(*arguments(path), fault=crash).status == -9
        mode = place.stat().st_mode
        place.chmod(0o555)
        # Root may write everywhere, but for what it gives up.
        as_others = ["setpriv", "--bounding-set=-all"] if os.geteuid() == 0 else []
        done = subprocess.run(
            [*as_others, *commands.COMMAND, *arguments(path)],
            check=False,
            capture_output=True,
            text=True,
            env=commands.environment(),
        )
        place.chmod(mode)
        assert done.returncode == 77, done.stderr
        assert fork_server.run(*arguments(path)).status == 0
        verify(template, path, None)


@pytest.mark.parametrize("what", ["replaced", "deleted"])
def test_the_file_is_replaced_or_deleted_under_way(
    fork_servers: ForkServers, template: DatabaseTemplate, what: str
) -> None:
    """The run ends as documented, and never writes to the file that came instead."""
    with fork_servers.one() as (fork_server, place):
        path = template.copy(place)
        other = template.copy(place, "other.db")
        before = other.read_bytes()

        def intervene(pid: int) -> None:
            while str(path) not in files_of(pid):
                time.sleep(0.01)
            time.sleep(0.5)  # the run waits by now
            os.unlink(path)
            if what == "replaced":
                os.rename(other, path)
            application.execute("ROLLBACK")

        with tables.connected(path) as application:
            application.execute("BEGIN IMMEDIATE")
            outcome = fork_server.run(*arguments(path, "--timeout=20"), during=intervene)
        tally["faults tried"] += 1
        assert outcome.status in {0, 66, 74, 75}, outcome
        assert "traceback" not in outcome.last
        if what == "replaced":
            assert path.read_bytes() == before, (outcome, os.listdir(place))
            # Whoever replaces a file has to remove the log of the old one, as SQLite's manual says.
            for suffix in ("-wal", "-shm"):
                Path(f"{path}{suffix}").unlink(missing_ok=True)
            after = fork_server.run(*arguments(path))
            assert (after.status, verify(template, path, after)) == (0, template.stale)


def files_of(pid: int) -> set[str]:
    """Return the paths of the files that a process has open; raise OSError if it has ended."""
    found = set()
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            found.add(os.readlink(link))
    assert found, "the process has ended"
    return found
