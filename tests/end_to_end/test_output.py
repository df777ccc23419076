"""Output that nobody reads or takes: closed, full or stuck."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from helpers import commands, processes, tables
from helpers.commands import url


def test_closed_stderr(two_rows: Path) -> None:
    """Without stderr there is no event, but the work is done."""
    closing = ["sh", "-c", 'exec "$@" 2>&-', "sh"]
    done = subprocess.run(
        [*closing, *commands.COMMAND, "run", url(two_rows)], env=commands.environment(), check=False
    )
    assert done.returncode == 0
    assert tables.fetch(two_rows, "SELECT ip FROM geo_cache") == ["new"]


@pytest.mark.parametrize(("level", "status", "left"), [("debug", 75, 2), ("info", 0, 1)])
def test_stderr_that_nobody_reads(two_rows: Path, level: str, status: int, left: int) -> None:
    """A run ends in time: at its first event with nothing deleted, at its last as it has to."""
    ears, mouth = os.pipe()
    os.set_blocking(mouth, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(mouth, bytes(4096))
    os.set_blocking(mouth, True)
    done = subprocess.run(
        [*commands.COMMAND, "run", url(two_rows), "--timeout=1", f"--log-level={level}"],
        stderr=mouth,
        env=commands.environment(),
        check=False,
        timeout=60,
    )
    os.close(ears)
    os.close(mouth)
    assert done.returncode == status
    assert tables.fetch(two_rows, "SELECT count(*) FROM geo_cache") == [left]


@pytest.mark.parametrize("status", [0, 78])
def test_reader_that_has_seen_enough(two_rows: Path, status: int) -> None:
    """A pipe that was closed, as by head, changes no exit status, and is not complained about."""
    ears, mouth = os.pipe()
    os.close(ears)
    column = f"--time-column={'last_seen' if status == 0 else 'nothing'}"
    done = subprocess.run(
        [*commands.COMMAND, "check", url(two_rows), column],
        stdout=mouth,
        stderr=subprocess.PIPE,
        text=True,
        env=commands.environment(),
        check=False,
    )
    os.close(mouth)
    assert done.returncode == status
    assert len(commands.events(done.stderr)) == (status != 0)


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("command", ["check", "check --json", "migrate --sql"])
def test_full_output(two_rows: Path, command: str, unbuffered: str) -> None:
    """Output that cannot be written is a storage failure, not a bug, and said once."""
    done = into_full_device([*command.split(), url(two_rows)], unbuffered)
    (event,) = commands.events(done.stderr)
    assert (done.returncode, event["exit_status"]) == (74, 74)


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("command", ["--help", "--version", "run --help"])
def test_full_output_of_help(command: str, unbuffered: str) -> None:
    """The help and the version likewise, in one sentence."""
    done = into_full_device(command.split(), unbuffered)
    assert (done.returncode, done.stderr.count("\n")) == (74, 1), done.stderr


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_output_that_nobody_reads(two_rows: Path, unbuffered: str) -> None:
    """A signal ends the command all the same, as it does any other that writes into a pipe."""
    mouth, pipe = os.pipe()
    os.set_blocking(pipe, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(pipe, b"x" * 4096)
    os.set_blocking(pipe, True)
    process = subprocess.Popen(
        [*commands.COMMAND, "check", url(two_rows)],
        stdout=pipe,
        stderr=subprocess.PIPE,
        text=True,
        env=commands.environment({"PYTHONUNBUFFERED": unbuffered}),
    )
    processes.wait_until_it_listens(process)
    processes.wait_until("the write", lambda: not processes.listens(process))
    process.terminate()
    assert process.wait(20) == -signal.SIGTERM
    os.close(mouth)
    os.close(pipe)


@pytest.mark.parametrize("arguments", [["--help"], ["run", "--no-such-option"]])
def test_nothing_can_be_written(arguments: Sequence[str]) -> None:
    """Then at least the status tells."""
    assert into_full_device(arguments, "", stderr=subprocess.STDOUT).returncode == 74


def into_full_device(
    arguments: Sequence[str], unbuffered: str, stderr: int = subprocess.PIPE
) -> "subprocess.CompletedProcess[str]":
    """Run a command whose output goes to a full device, with Python's buffer and without."""
    with open("/dev/full", "w") as full:
        return subprocess.run(
            [*commands.COMMAND, *arguments],
            stdout=full,
            stderr=stderr,
            text=True,
            env=commands.environment({"PYTHONUNBUFFERED": unbuffered}),
            check=False,
        )
