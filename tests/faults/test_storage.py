"""Storage that fills up, goes read-only, is damaged, replaced or locked: real file systems."""

import contextlib
import os
import random
import shutil
import sqlite3
import subprocess
import time
from pathlib import Path
from typing import Callable, Iterator, Optional

import pytest

from helpers import jobs, processes, tables
from helpers.commands import url
from helpers.faults.fault import Action, Fault, Kind
from helpers.faults.runs import ForkServer, ForkServers, arguments
from helpers.faults.template import (
    FAILED,
    NEW,
    RAN,
    DatabaseTemplate,
    one_event,
    tally,
    trials,
    verify,
)

SEED = 20_260_605
_SMALL = {"stale": 600, "fresh": 600}
_TIMEOUT = 2


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Return a function that mounts a file system with the given options."""
    mounted: list[Path] = []

    def mount(options: str) -> Path:
        place = tmp_path / f"disk{len(mounted)}"
        place.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", place], check=True)
        mounted.append(place)
        return place

    yield mount
    for place in mounted:
        subprocess.run(["umount", "-l", place], check=True)


def fill(place: Path, room: int) -> Path:
    """Leave so many bytes free."""
    ballast = place / "ballast"
    free = os.statvfs(place)
    with ballast.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, max(1, free.f_bavail * free.f_frsize - room))
    return ballast


@pytest.mark.parametrize("steps", trials(3, 40))
def test_a_disk_that_fills_up_at_each_stage(
    fork_servers: ForkServers,
    small_disk: Callable[[str], Path],
    template: DatabaseTemplate,
    steps: int,
) -> None:
    """Whatever room is left, the run succeeds or fails with 74; nothing is lost."""
    disk = small_disk("size=4m")
    ends = set()
    for step in range(steps):
        path = template.copy(disk)
        ballast = fill(disk, step * (700_000 // steps) // 4096 * 4096)
        with fork_servers.one() as (fork_server, _):
            outcome = fork_server.run(*arguments(path))
        assert outcome.status in {0, 74}, outcome
        ends.add(outcome.status)
        ballast.unlink()
        assert (verify(template, path, outcome) == 0) == (outcome.status == 74)
    assert ends >= {74}


def test_a_disk_without_inodes(
    fork_servers: ForkServers, small_disk: Callable[[str], Path], template: DatabaseTemplate
) -> None:
    """No journal can be made beside the file: 74, as that may pass."""
    disk = small_disk("size=8m,nr_inodes=3")
    path = template.copy(disk)
    (disk / "last").touch()
    with fork_servers.one() as (fork_server, _):
        outcome = fork_server.run(*arguments(path))
    (disk / "last").unlink()
    subprocess.run(["mount", "-o", "remount,nr_inodes=0", disk], check=True)
    assert one_event(outcome)["exit_status"] == 74, outcome
    verify(template, path, outcome)


def test_a_read_only_remount(
    fork_servers: ForkServers, small_disk: Callable[[str], Path], template: DatabaseTemplate
) -> None:
    """What the kernel does to a failing disk: 74, and the run after the repair succeeds."""
    disk = small_disk("size=8m")
    path = template.copy(disk)
    for options, status in (("remount,ro", 74), ("remount,rw", 0)):
        subprocess.run(["mount", "-o", options, disk], check=True)
        with fork_servers.one() as (fork_server, _):
            outcome = fork_server.run(*arguments(path))
        assert outcome.status == status, outcome
    verify(template, path, outcome)


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


def fresh_rows(path: Path) -> Optional[set[str]]:
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


@pytest.mark.parametrize("lock", ["IMMEDIATE", "EXCLUSIVE", "locking_mode"])
def test_locked_for_ever(fork_servers: ForkServers, template: DatabaseTemplate, lock: str) -> None:
    """Status 75 within the time, and nothing done."""
    with fork_servers.one() as (fork_server, place):
        path = template.copy(place)
        holder = sqlite3.connect(path, isolation_level=None)
        if lock == "locking_mode":
            holder.execute("PRAGMA locking_mode = EXCLUSIVE")
            holder.execute("CREATE TABLE other (x)")
        else:
            holder.execute(f"BEGIN {lock}")
        outcome = fork_server.run(*arguments(path, f"--timeout={_TIMEOUT}"))
        holder.close()
        assert (outcome.status, outcome.last["event"]) == (75, FAILED), outcome
        assert outcome.seconds < _TIMEOUT + processes.PROMPT
        assert verify(template, path, outcome) == 0


@pytest.mark.parametrize("fault", [None, Fault(Kind.WRITE, 3, Action.FAIL_FROM_HERE)])
@pytest.mark.parametrize("name", ["a b", "quo'te", 'dou"ble', "wh%3Fat", "h#sh", "%41", "naïve ☃"])
def test_faults_on_awkward_paths(
    fork_servers: ForkServers, template: DatabaseTemplate, name: str, fault: Optional[Fault]
) -> None:
    """The path is opened, and named in the failure, as it is."""
    with fork_servers.one() as (fork_server, place):
        directory = place / name.replace("%3F", "?")
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir()
        path = template.copy(directory)
        outcome = fork_server.run(
            "run", url(place / name / "geo.db"), f"--before={jobs.CUTOFF}", fault=fault
        )
        gone = verify(template, path, outcome)
        assert (outcome.status, gone) == ((74, 0) if fault else (0, template.stale)), outcome
        if fault:
            assert repr(str(path)) in outcome.last["reason"]
        shutil.rmtree(directory)


def test_temporary_files_have_no_room(
    fork_servers: ForkServers,
    small_disk: Callable[[str], Path],
    template_of: Callable[..., DatabaseTemplate],
) -> None:
    """A run needs none of the space for temporary files."""
    template = template_of("wal", **_SMALL)
    full = small_disk("size=16k")
    fill(full, 0)
    where = dict.fromkeys(("SQLITE_TMPDIR", "TMPDIR"), str(full))
    with fork_servers.one() as (fork_server, place):
        path = template.copy(place)
        outcome = fork_server.run(*arguments(path), env=where)
        assert (outcome.status, verify(template, path, outcome)) == (0, template.stale)
