"""Runs that are cut short: by their time limit, by signals, by ``kill -9``."""

import random
import re
import signal
import sqlite3
import subprocess
import time
from pathlib import Path

import pytest

from helpers import commands, jobs, processes, tables
from helpers.commands import start, url
from helpers.databases import ROWS, count, slow_down


def test_timeout_in_the_middle_of_the_delete(database: Path) -> None:
    """One long statement is cut off too, and then nothing is deleted."""
    slow_down(database)
    done = commands.execute("run", url(database), "--before", jobs.CUTOFF, "--timeout", "4")
    event = commands.events(done.stderr)[-1]
    assert (done.returncode, event["event"]) == (75, "geo_cache_cleanup_failed")
    assert (event["deleted"], event["batches"]) == (0, 0)
    assert re.search("there are .* stale rows", event["reason"])
    assert "--batch-seconds 0.4" in event["hint"]
    assert count(database) == ROWS


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
@pytest.mark.parametrize("where", ["statement", "lock"])
def test_signals(database: Path, number: signal.Signals, status: int, where: str) -> None:
    """A signal is answered within a second, in a long statement as in a wait, and undoes all."""
    slow_down(database)
    holder = sqlite3.connect(database, isolation_level=None)
    if where == "lock":
        holder.execute("BEGIN IMMEDIATE")
    process = start(database)
    assert process.stderr is not None
    if where == "lock":
        processes.wait_until_it_listens(process)
        time.sleep(0.5)
    else:
        assert "geo_cache_cleanup_started" in process.stderr.readline()
        time.sleep(0.1)
    process.send_signal(number)
    sent = time.monotonic()
    _, output = process.communicate(timeout=30)
    answered = time.monotonic() - sent
    holder.close()
    event = commands.events(output)[-1]
    assert (process.returncode, event["event"]) == (status, "geo_cache_cleanup_interrupted")
    assert (event["level"], event["deleted"]) == ("warning", 0)
    assert count(database) == ROWS
    assert answered < processes.PROMPT


def test_kill_at_any_moment(database: Path) -> None:
    """After kill -9 the table, and the ledger with it, are as before the run or as after it."""
    chance = random.Random(2)
    for _ in range(12):
        process = start(database)
        time.sleep(chance.uniform(0.2, 1.4))
        process.kill()
        process.communicate()
        runs = tables.fetch(database, "SELECT deleted FROM geocache_cleanup_runs")
        assert (count(database), runs) in ((ROWS, []), (ROWS // 2, [ROWS // 2]))
        if runs:
            break
    assert commands.execute("run", url(database), "--before", jobs.CUTOFF).returncode == 0
    assert count(database) == ROWS // 2


def test_second_signal(two_rows: Path) -> None:
    """A second signal, while the first is being answered, changes nothing."""
    holder = tables.hold(two_rows, "IMMEDIATE", seconds=30)
    process = subprocess.Popen(
        [*commands.COMMAND, "run", url(two_rows)],
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


def test_interrupt_while_it_loads(two_rows: Path) -> None:
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
    done = commands.execute_in_python("run", url(two_rows), first=interrupt)
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGINT, "", "")
    assert tables.fetch(two_rows, "SELECT count(*) FROM geo_cache") == [2]


def test_the_end_while_another_thread_works() -> None:
    """A server that is still being asked to stop, over TLS, does not crash the process."""
    busy = """
import ssl, threading
def ask():
    while True:
        ssl.create_default_context()
for _ in range(2):
    threading.Thread(target=ask, daemon=True).start()
"""
    statuses = [
        commands.execute_in_python("run", "--no-such-option", first=busy).returncode
        for _ in range(8)
    ]
    assert statuses == [2] * 8
