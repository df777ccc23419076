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
import support

from faults.processes import Action, Fault, Kind, Nurseries, Nursery, arguments, url
from faults.world import FAILED, NEW, RAN, World, one_event, some_or, tally, verify

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


@pytest.mark.parametrize("steps", some_or(3, 40))
def test_a_disk_that_fills_up_at_each_stage(
    nurseries: Nurseries, small_disk: Callable[[str], Path], world: World, steps: int
) -> None:
    """Whatever room is left, the run succeeds or fails with 74; nothing is lost."""
    disk = small_disk("size=4m")
    ends = set()
    for step in range(steps):
        path = world.copy(disk)
        ballast = fill(disk, step * (700_000 // steps) // 4096 * 4096)
        with nurseries.one() as (nursery, _):
            outcome = nursery.run(*arguments(path))
        assert outcome.status in {0, 74}, outcome
        ends.add(outcome.status)
        ballast.unlink()
        assert (verify(world, path, outcome) == 0) == (outcome.status == 74)
    assert ends >= {74}


def test_a_disk_without_inodes(
    nurseries: Nurseries, small_disk: Callable[[str], Path], world: World
) -> None:
    """No journal can be made beside the file: 74, as that may pass."""
    disk = small_disk("size=8m,nr_inodes=3")
    path = world.copy(disk)
    (disk / "last").touch()
    with nurseries.one() as (nursery, _):
        outcome = nursery.run(*arguments(path))
    (disk / "last").unlink()
    subprocess.run(["mount", "-o", "remount,nr_inodes=0", disk], check=True)
    assert one_event(outcome)["exit_status"] == 74, outcome
    verify(world, path, outcome)


def test_a_read_only_remount(
    nurseries: Nurseries, small_disk: Callable[[str], Path], world: World
) -> None:
    """What the kernel does to a failing disk: 74, and the run after the repair succeeds."""
    disk = small_disk("size=8m")
    path = world.copy(disk)
    for options, status in (("remount,ro", 74), ("remount,rw", 0)):
        subprocess.run(["mount", "-o", options, disk], check=True)
        with nurseries.one() as (nursery, _):
            outcome = nursery.run(*arguments(path))
        assert outcome.status == status, outcome
    verify(world, path, outcome)


@pytest.mark.parametrize("what", ["replaced", "deleted"])
def test_the_file_is_replaced_or_deleted_under_way(
    nurseries: Nurseries, world: World, what: str
) -> None:
    """The run ends as documented, and never writes to the file that came instead."""
    with nurseries.one() as (nursery, place):
        path = world.copy(place)
        other = world.copy(place, "other.db")
        before = other.read_bytes()

        def intervene(pid: int) -> None:
            while str(path) not in files_of(pid):
                time.sleep(0.01)
            time.sleep(0.5)  # the run waits by now
            os.unlink(path)
            if what == "replaced":
                os.rename(other, path)
            application.execute("ROLLBACK")

        with support.connected(path) as application:
            application.execute("BEGIN IMMEDIATE")
            outcome = nursery.run(*arguments(path, "--timeout=20"), during=intervene)
        tally["faults tried"] += 1
        assert outcome.status in {0, 66, 74, 75}, outcome
        assert "traceback" not in outcome.last
        if what == "replaced":
            assert path.read_bytes() == before, (outcome, os.listdir(place))
            # Whoever replaces a file has to remove the log of the old one, as SQLite's manual says.
            for suffix in ("-wal", "-shm"):
                Path(f"{path}{suffix}").unlink(missing_ok=True)
            after = nursery.run(*arguments(path))
            assert (after.status, verify(world, path, after)) == (0, world.stale)


def files_of(pid: int) -> set[str]:
    """Return the paths of the files that a process has open; raise OSError if it has ended."""
    found = set()
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            found.add(os.readlink(link))
    assert found, "the process has ended"
    return found


@pytest.mark.parametrize("trials", some_or(15, 500))
def test_damage_at_random_places(
    nurseries: Nurseries, world_of: Callable[..., World], trials: int
) -> None:
    """Random bytes over a random place: done or 65, within the time, and never 70."""
    world = world_of("delete", **_SMALL)
    chance = random.Random(SEED)
    size = world.template.stat().st_size
    ends: set[int] = set()

    def trial(nursery: Nursery, place: Path, wound: tuple[int, bytes]) -> None:
        path = world.copy(place)
        with path.open("r+b") as file:
            file.seek(wound[0])
            file.write(wound[1])
        tally["faults tried"] += 1
        kept = fresh_rows(path)
        outcome = nursery.run(*arguments(path, f"--timeout={_TIMEOUT}"))
        assert outcome.seconds < _TIMEOUT + support.PROMPT
        # 78 where it is the text of the schema that is damaged, 74 where a page is beyond the end.
        assert outcome.status in {0, 65, 74, 78}, outcome
        assert "traceback" not in outcome.last
        ends.add(outcome.status)
        assert kept is None or fresh_rows(path) == kept

    nurseries.each(
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
        with support.connected(path) as connection:
            if connection.execute("PRAGMA integrity_check").fetchall() != [("ok",)]:
                return None
            statement = "SELECT ip FROM geo_cache NOT INDEXED WHERE last_seen = ?"
            return {ip for (ip,) in connection.execute(statement, (NEW,))}
    except (sqlite3.Error, UnicodeDecodeError):
        return None


@pytest.mark.parametrize("mode", ["delete", "wal"])
def test_what_a_crashed_writer_left(
    nurseries: Nurseries, world_of: Callable[..., World], mode: str
) -> None:
    """A hot journal, or a log without its index: the run recovers it, then prunes."""
    world = world_of(mode, **_SMALL)
    with nurseries.one() as (nursery, place):
        path = world.copy(place)
        # The last change to the file, after which an undisturbed run would be committed.
        kind, nth = (Kind.UNLINK, 1) if mode == "delete" else (Kind.SYNC, 2)
        crash = Fault(kind, nth, Action.DIE_BEFORE, part=str(place))
        assert nursery.run(*arguments(path), fault=crash).status == -9
        suffix = "-journal" if mode == "delete" else "-wal"
        assert os.path.getsize(f"{path}{suffix}")
        outcome = nursery.run(*arguments(path))
        assert outcome.status == 0, outcome
        assert outcome.last["event"] == RAN
        gone = support.fetch(path, "SELECT sum(deleted) FROM geocache_cleanup_runs")
        assert gone == [world.stale]
        verify(world, path, None)


@pytest.mark.parametrize("lock", ["IMMEDIATE", "EXCLUSIVE", "locking_mode"])
def test_locked_for_ever(nurseries: Nurseries, world: World, lock: str) -> None:
    """Status 75 within the time, and nothing done."""
    with nurseries.one() as (nursery, place):
        path = world.copy(place)
        holder = sqlite3.connect(path, isolation_level=None)
        if lock == "locking_mode":
            holder.execute("PRAGMA locking_mode = EXCLUSIVE")
            holder.execute("CREATE TABLE other (x)")
        else:
            holder.execute(f"BEGIN {lock}")
        outcome = nursery.run(*arguments(path, f"--timeout={_TIMEOUT}"))
        holder.close()
        assert (outcome.status, outcome.last["event"]) == (75, FAILED), outcome
        assert outcome.seconds < _TIMEOUT + support.PROMPT
        assert verify(world, path, outcome) == 0


@pytest.mark.parametrize("fault", [None, Fault(Kind.WRITE, 3, Action.FAIL_FROM_HERE)])
@pytest.mark.parametrize("name", ["a b", "quo'te", 'dou"ble', "wh%3Fat", "h#sh", "%41", "naïve ☃"])
def test_faults_on_awkward_paths(
    nurseries: Nurseries, world: World, name: str, fault: Optional[Fault]
) -> None:
    """The path is opened, and named in the failure, as it is."""
    with nurseries.one() as (nursery, place):
        directory = place / name.replace("%3F", "?")
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir()
        path = world.copy(directory)
        outcome = nursery.run(
            "run", url(place / name / "geo.db"), f"--before={support.CUTOFF}", fault=fault
        )
        gone = verify(world, path, outcome)
        assert (outcome.status, gone) == ((74, 0) if fault else (0, world.stale)), outcome
        if fault:
            assert repr(str(path)) in outcome.last["reason"]
        shutil.rmtree(directory)


def test_temporary_files_have_no_room(
    nurseries: Nurseries, small_disk: Callable[[str], Path], world_of: Callable[..., World]
) -> None:
    """A run needs none of the space for temporary files."""
    world = world_of("wal", **_SMALL)
    full = small_disk("size=16k")
    fill(full, 0)
    where = dict.fromkeys(("SQLITE_TMPDIR", "TMPDIR"), str(full))
    with nurseries.one() as (nursery, place):
        path = world.copy(place)
        outcome = nursery.run(*arguments(path), env=where)
        assert (outcome.status, verify(world, path, outcome)) == (0, world.stale)
