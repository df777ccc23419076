"""What the job says to the service manager, over real sockets."""

import os
import socket
from pathlib import Path

import pytest

from geocache_cleanup.systemd.notify import Notifier


@pytest.mark.parametrize("abstract", [False, True], ids=["path", "abstract"])
def test_the_manager_receives_status_and_timeout(tmp_path: Path, abstract: bool) -> None:
    """One datagram each, in the form of sd_notify(3)."""
    name = f"@geocache-cleanup-test-{os.getpid()}" if abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind("\0" + name[1:] if abstract else name)
        manager.settimeout(5)
        notifier = Notifier(name)
        notifier.status("deleting\nfrom geo_cache")
        notifier.extend_timeout(90.5)
        assert manager.recv(4096) == b"STATUS=deleting from geo_cache"
        assert manager.recv(4096) == b"EXTEND_TIMEOUT_USEC=90500000"


def test_a_manager_that_does_not_listen_holds_nothing_up(tmp_path: Path) -> None:
    """More is sent than its socket holds, of a path that is no text."""
    address = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(address)
        for _ in range(1_000):
            Notifier(address).status("waiting for /srv/\udcff.db")
        assert manager.recv(4096) == b"STATUS=waiting for /srv/\\udcff.db"


@pytest.mark.parametrize(
    "address", [None, "", "/nonexistent/notify", "@geocache-nobody", "x" * 200]
)
def test_an_absent_manager_never_fails_the_job(address: str | None) -> None:
    """The job runs by hand, in cron and under a manager that went away."""
    notifier = Notifier(address)
    notifier.status("working")
    notifier.extend_timeout(1)
