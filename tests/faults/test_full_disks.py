"""Disks that fill up, have no inodes left or go read-only: real file systems."""

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from helpers.faults.runs import ForkServers, arguments
from helpers.faults.template import (
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


def test_temporary_files_have_no_room(
    fork_servers: ForkServers,
    small_disk: Callable[[str], Path],
    template_of: Callable[..., DatabaseTemplate],
) -> None:
    """A run needs none of the space for temporary files."""
    template = template_of("wal", stale=600, fresh=600)
    full = small_disk("size=16k")
    fill(full, 0)
    where = dict.fromkeys(("SQLITE_TMPDIR", "TMPDIR"), str(full))
    with fork_servers.one() as (fork_server, place):
        path = template.copy(place)
        outcome = fork_server.run(*arguments(path), env=where)
        assert (outcome.status, verify(template, path, outcome)) == (0, template.stale)
