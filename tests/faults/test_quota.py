"""A quota that is used up: that of btrfs, which also counts what a copy on write needs anew."""

import signal
import subprocess
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from helpers import processes
from helpers.faults.disks import Disk
from helpers.faults.runs import ForkServers, arguments
from helpers.faults.template import DatabaseTemplate, trials, verify

_BYTES = 256 << 20
_TIMEOUT = 10


class QuotaDisk:
    """A subvolume with a quota; ``place`` is where it is."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        self.place = disk.place / "limited"
        _btrfs("quota", "enable", disk.place)
        _btrfs("subvolume", "create", self.place)

    def limit(self, room: int) -> None:
        """Let so many more bytes be written than there are."""
        self._disk.sync()
        shown = _btrfs("qgroup", "show", "--raw", "-f", self.place)
        used = int(shown.splitlines()[-1].split()[1])
        _btrfs("qgroup", "limit", str(used + room), self.place)

    def lift(self) -> None:
        """Have no limit again; where it is reached, the subvolume itself refuses that."""
        identifier = _btrfs("subvolume", "show", self.place).partition("Subvolume ID:")[2].split()
        _btrfs("qgroup", "limit", "none", f"0/{identifier[0]}", self._disk.place)


def _btrfs(*arguments: object) -> str:
    done = subprocess.run(
        ["btrfs", *map(str, arguments)], check=True, stdout=subprocess.PIPE, text=True
    )
    return done.stdout


@pytest.fixture
def quota_disk(memory: Path) -> Iterator[QuotaDisk]:
    with tempfile.TemporaryDirectory(dir=memory) as directory:
        disk = Disk(Path(directory), "btrfs", _BYTES)
        yield QuotaDisk(disk)
        disk.unmount()


@pytest.mark.parametrize("options", [(), ("--batch-seconds=0.01",)], ids=["whole", "batches"])
@pytest.mark.parametrize("mode", ["wal", "delete"])
@pytest.mark.parametrize("steps", trials(3, 20))
def test_the_quota_is_used_up(
    fork_servers: ForkServers, quota_disk: QuotaDisk, template_of: Callable[..., DatabaseTemplate],
    mode: str, options: Sequence[str], steps: int,
) -> None:  # fmt: skip
    """Whatever room is left, the run succeeds or fails with 74, in time; nothing is lost."""
    template = template_of(mode, stale=1_000, fresh=1_000)
    most = template.path.stat().st_size * 5
    ends: Counter[int] = Counter()
    for step in range(steps):
        path = template.copy(quota_disk.place)
        quota_disk.limit(most * step // (steps - 1))
        with fork_servers.one() as (fork_server, _):
            outcome = fork_server.run(*arguments(path, *options, f"--timeout={_TIMEOUT}"))
        quota_disk.lift()
        # The index of a write-ahead log is mapped into memory: where the kernel has no room for
        # a page of that, it can only say so by a signal.
        assert outcome.status in ({0, 74, -signal.SIGBUS} if mode == "wal" else {0, 74}), outcome
        assert outcome.seconds < _TIMEOUT + processes.PROMPT
        gone = verify(template, path, outcome, whole=not options)
        assert outcome.status or gone == template.stale
        ends[outcome.status] += 1
    print(ends)  # noqa: T201 - on failure
    assert set(ends) >= {0, 74}
