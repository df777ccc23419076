"""history: past runs as text and as JSON."""

import array
import fcntl
import json
import re
import subprocess
import termios
import time
from pathlib import Path

import pytest

from helpers import commands, tables


@pytest.fixture
def url(tmp_path: Path) -> str:
    """Return the option for a database with a ledger of three runs."""
    path = tmp_path / "geo.db"
    tables.make_table(path, [("a", "2020-01-01T00:00:00Z")])
    option = f"--database-url=sqlite:///{path}"
    assert commands.execute("migrate", option).returncode == 0
    for run_id in ("first", "second", "third"):
        done = commands.execute("run", option, env={"INVOCATION_ID": run_id})
        assert done.returncode == 0
    return option


def test_as_json(url: str) -> None:
    """The latest come first, as many as wanted, each with all that the ledger has."""
    runs = json.loads(commands.execute("history", url, "--json", "--limit=2").stdout)["runs"]
    assert [(run["run_id"], run["deleted"]) for run in runs] == [("third", 0), ("second", 0)]
    assert runs[0]["started_at"].endswith("Z")
    assert runs[0]["retention_days"] == 90
    assert {"cutoff", "host", "duration_seconds", "table_name", "version"} <= set(runs[0])


@pytest.mark.parametrize("run_id", ["", "\udcff", "x" * 65])
def test_an_id_that_the_ledger_could_not_hold(url: str, run_id: str) -> None:
    """The run gets a random one instead."""
    assert commands.execute("run", url, env={"INVOCATION_ID": run_id}).returncode == 0
    (run,) = json.loads(commands.execute("history", url, "--json", "--limit=1").stdout)["runs"]
    assert re.fullmatch("[0-9a-f]{32}", run["run_id"])


def test_more_than_a_database_can_count(url: str) -> None:
    """A number of runs that is out of bounds is an invalid argument."""
    assert commands.execute("history", url, f"--limit={10**20}").returncode == 2


def test_as_text(url: str) -> None:
    """One line for each run; table and host are said once, as they do not change."""
    lines = commands.execute("history", url).stdout.splitlines()
    assert len(lines) == 5
    assert lines[0].split()[:1] == ["started"]
    assert lines[1].startswith("geo_cache, by last_seen, on ")
    assert [line.split()[3] for line in lines[2:]] == ["0", "0", "1"]
    assert max(map(len, lines)) <= 80


def test_long_names_are_wrapped(url: str, tmp_path: Path) -> None:
    """A table and a host with names longer than a line."""
    with tables.connected(tmp_path / "geo.db") as connection:
        connection.execute("UPDATE geocache_cleanup_runs SET table_name = printf('%.200c', 't')")
    shown = commands.execute("history", url).stdout
    assert max(map(len, shown.splitlines())) <= 80
    assert "t" * 200 in "".join(shown.split())


def test_no_runs_yet(tmp_path: Path) -> None:
    """A ledger without a run is no error."""
    option = f"--database-url=sqlite:///{tmp_path / 'new.db'}"
    assert commands.execute("migrate", option).returncode == 0
    done = commands.execute("history", option)
    assert (done.returncode, done.stdout) == (0, "There is no run in the ledger.\n")


@pytest.mark.parametrize("junk", ["yesterday", "", "2026-13-45 99:00:00", 17, 5e-324, b"\x00"])
def test_junk_in_the_ledger_is_shown_as_it_is(url: str, tmp_path: Path, junk: object) -> None:
    """Whoever has written it there: neither history nor check fails on it."""
    with tables.connected(tmp_path / "geo.db") as connection:
        connection.execute(
            "UPDATE geocache_cleanup_runs SET started_at = ?, duration_seconds = ?,"
            " cutoff = ?, retention_days = ?, deleted = 1000 WHERE run_id = 'third'",
            (junk, junk, junk, junk),
        )
    for command in ("history", "check"):
        for form in ((), ("--json",)):
            done = commands.execute(command, url, *form)
            assert done.returncode == 0, done.stderr
    if isinstance(junk, str):
        runs = json.loads(commands.execute("history", url, "--json").stdout)["runs"]
        assert junk in {run["started_at"] for run in runs}


def test_whoever_reads_may_take_longer_than_the_timeout(url: str, tmp_path: Path) -> None:
    """What is found is shown to the end, as in a pager; the time is that of the work."""
    with tables.connected(tmp_path / "geo.db") as connection:
        # More than the pipe holds, which is full before the time is up.
        connection.execute("UPDATE geocache_cleanup_runs SET host = printf('%.200000c', 'h')")
    process = subprocess.Popen(
        [*commands.COMMAND, "history", url, "--json", "--timeout=5"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=commands.environment(),
    )
    assert process.stdout is not None
    end = time.monotonic() + 60
    while in_pipe(process.stdout.fileno()) < 4096 and time.monotonic() < end:
        time.sleep(0.05)
    time.sleep(7)
    assert process.poll() is None
    output, errors = process.communicate(timeout=30)
    assert (process.returncode, errors) == (0, "")
    assert len(json.loads(output)["runs"]) == 3


def in_pipe(descriptor: int) -> int:
    """Return how many bytes are there to be read."""
    found = array.array("i", [0])
    fcntl.ioctl(descriptor, termios.FIONREAD, found)
    return found[0]


@pytest.mark.parametrize("command", ["history", "check"])
def test_names_that_the_terminal_cannot_show(url: str, tmp_path: Path, command: str) -> None:
    """A terminal that is not UTF-8 shows their codes."""
    with tables.connected(tmp_path / "geo.db") as connection:
        connection.execute("UPDATE geocache_cleanup_runs SET host = '\u65e5'")
    done = commands.execute(command, url, env={"PYTHONIOENCODING": "latin-1"})
    assert done.returncode == 0, done.stderr
    assert "on \\u65e5" in done.stdout
