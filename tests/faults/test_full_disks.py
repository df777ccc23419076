"""Disks that fill up, have no inodes left or go read-only: real file systems."""

import os
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from helpers import commands, tables
from helpers.databases import count
from helpers.faults.runs import ForkServers, arguments
from helpers.faults.template import (
    OLD,
    DatabaseTemplate,
    one_event,
    trials,
    verify,
)


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
        assert outcome.status == 0 or f"the storage of '{disk}/" in outcome.last["reason"], outcome
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
    """What the kernel does to a failing disk: 77, and the run after the repair succeeds."""
    disk = small_disk("size=8m")
    path = template.copy(disk)
    for options, status in (("remount,ro", 77), ("remount,rw", 0)):
        subprocess.run(["mount", "-o", options, disk], check=True)
        with fork_servers.one() as (fork_server, _):
            outcome = fork_server.run(*arguments(path))
        assert outcome.status == status, outcome
    verify(template, path, outcome)


@pytest.mark.parametrize("options", [(), ("--batch-seconds=0.01",)], ids=["whole", "batches"])
def test_temporary_files_have_no_room(
    small_disk: Callable[[str], Path],
    template_of: Callable[..., DatabaseTemplate],
    tmp_path: Path,
    options: Sequence[str],
) -> None:
    """A run needs none of the space for temporary files, though it changes most of the pages."""
    template = template_of("wal", stale=20_000, fresh=20_000)
    full, path = small_disk("size=16k"), template.copy(tmp_path)
    fill(full, 0)
    # A process of its own: SQLite looks at these variables once, when it is loaded.
    done = commands.execute(*arguments(path, *options), env=temporary_files_in(full))
    gone = verify(template, path, None, whole=not options)
    assert (done.returncode, gone) == (0, template.stale), done.stderr


def temporary_files_in(place: Path) -> dict[str, str]:
    """Return the variables that tell SQLite so."""
    return dict.fromkeys(("SQLITE_TMPDIR", "TMPDIR"), str(place))


NOTE = (
    "CREATE TABLE seen (ip TEXT NOT NULL);"
    " CREATE TRIGGER note AFTER DELETE ON geo_cache BEGIN INSERT INTO seen VALUES (OLD.ip); END"
)


@pytest.mark.parametrize(
    ("options", "more"), [("WITHOUT ROWID", ""), ("", NOTE)], ids=["no rowid", "trigger"]
)
def test_temporary_files_are_told_from_the_database(
    small_disk: Callable[[str], Path], tmp_path: Path, options: str, more: str
) -> None:
    """Where SQLite cannot do without, it is their directory that is named, and nothing changes."""
    path, full = tmp_path / "geo.db", small_disk("size=64k")
    with tables.connected(path) as connection:
        connection.execute("PRAGMA journal_mode = wal")
        connection.execute(
            f"CREATE TABLE geo_cache (ip TEXT PRIMARY KEY, last_seen TEXT) {options}"
        )
        connection.executescript(more)
        connection.execute("BEGIN")
        rows = ((f"ip {number}", OLD) for number in range(30_000))
        connection.executemany("INSERT INTO geo_cache VALUES (?, ?)", rows)
        connection.execute("COMMIT")
    done = commands.execute("run", commands.url(path), env=temporary_files_in(full))
    event = commands.events(done.stderr)[-1]
    assert (done.returncode, event["retryable"]) == (74, True), done.stderr
    assert f"temporary files in {str(full)!r} is full" in event["reason"]
    assert "SQLITE_TMPDIR" in event["hint"]
    assert count(path) == 30_000
    assert commands.execute("run", commands.url(path)).returncode == 0
    assert count(path) == 0
