"""Servers that say nothing: a host that hangs, or a network that passes nothing on."""

import contextlib
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from helpers import processes
from helpers.processes import wait_until, wait_until_it_stops
from helpers.servers.commands import Command, geocache_cleanup
from helpers.servers.dialects import is_postgresql, text_of
from helpers.servers.slow_table import driver_urls, sessions, slow_down

BEFORE = "--before=2026-01-01"


def test_a_host_that_never_answers(server: Any, filled: str) -> None:
    """A server that accepts and says nothing costs no more than the time limit, or a signal."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        threading.Thread(target=silent.accept, daemon=True).start()
        url = server.url(filled, tcp=True).set(port=silent.getsockname()[1])
        outcome = geocache_cleanup("run", "--timeout=2", url=text_of(url))
        assert (outcome.status in {69, 75}, outcome.seconds < 2 + processes.PROMPT) == (
            True,
            True,
        ), outcome.last
        for name in ("run", "check"):
            command = Command(name, url=text_of(url))
            processes.wait_until_it_listens(command.process)
            time.sleep(0.5)
            command.process.send_signal(signal.SIGTERM)
            sent = time.monotonic()
            outcome = command.end()
            assert (outcome.status, outcome.output) == (0, "")
            assert time.monotonic() - sent < processes.PROMPT


@contextlib.contextmanager
def standing_still(server: Any) -> Iterator[None]:
    """Let the kernel still accept for a server, and the server do nothing."""
    main = server.daemon.process.pid
    os.kill(main, signal.SIGSTOP)
    wait_until_it_stops(main)
    children = Path(f"/proc/{main}/task/{main}/children").read_text().split()
    backends = [*map(int, children)] if is_postgresql(server) else []
    try:
        _tell(backends, signal.SIGSTOP)
        yield
    finally:
        _tell([*backends, main], signal.SIGCONT)


def _tell(pids: Sequence[int], number: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):  # it was about to end
            os.kill(pid, number)


@pytest.mark.parametrize(("limit", "status"), [(40, 0), (4, 75)], ids=["SIGTERM", "timeout"])
def test_a_server_that_stands_still(server: Any, filled: str, limit: int, status: int) -> None:
    """It is given up a few seconds after the signal, or the time limit, with every driver."""
    urls = driver_urls(server, filled)
    slow_down(server, filled)
    for url in urls:
        command = Command("run", BEFORE, f"--timeout={limit}", url=url)
        wait_until("the deletion", lambda: sessions(server, filled))
        with standing_still(server):
            if not status:
                command.process.terminate()
            try:
                done = command.end(seconds=20)
            finally:
                command.process.kill()
        assert (done.status, done.last["deleted"]) == (status, 0), done.last
        wait_until("the roll-back", lambda: not sessions(server, filled))
