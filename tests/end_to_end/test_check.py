"""check: what it shows, what it leaves alone, and how it ends."""

import contextlib
import datetime as dt
import json
import os
import pty
import re
import subprocess
from pathlib import Path

import pytest

from helpers import commands, tables

ROWS = [
    ("a", "2020-01-01T00:00:00Z"),
    ("b", "2020-01-01T00:00:00Z"),
    ("c", "2099-01-01 00:00:00"),
    ("d", "12:00"),
    ("e", None),
    ("f", "1577836800"),
]


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """Return a WAL database of mixed formats that nobody has open."""
    path = tmp_path / "geo.db"
    with tables.connected(path) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
    tables.make_table(path, ROWS)
    return path


def test_check_as_json(database: Path) -> None:
    """One document has the settings with their sources, the formats, the ages, the outcome."""
    done = commands.execute(
        "check",
        f"--database-url=sqlite:///{database}",
        "--json",
        env={"GEOCACHE_CLEANUP_RETENTION_DAYS": "365"},
    )
    assert (done.returncode, done.stderr) == (0, "")
    document = json.loads(done.stdout)
    sources = {row["option"]: (row["value"], row["source"]) for row in document["settings"]}
    assert sources["--retention-days"] == ("365", "environment")
    assert sources["--database-url"] == (f"sqlite:///{database}", "option")
    assert sources["--table"] == ("geo_cache", "default")
    table = document["table"]
    assert (table["rows"], table["index"]) == (6, "ix_last_seen")
    assert (table["nulls"], table["unreadable"], table["future"]) == (1, 1, 1)
    assert {found["name"]: found["rows"] for found in table["formats"]} == {
        "text with T, Z": 2,
        "text with space, no zone": 1,
        "epoch seconds as text": 1,
        "unreadable text": 1,
        "NULL": 1,
    }
    assert sum(group["rows"] for group in table["ages"]) == 4
    assert (document["would_delete"], document["unreadable"]) == (3, 1)


def contents(directory: Path) -> dict[str, bytes]:
    """Return the files of a directory with all that they hold."""
    return {path.name: path.read_bytes() for path in directory.iterdir()}


@pytest.mark.parametrize("journal", ["WAL", "DELETE"])
def test_check_as_text_fits_and_changes_nothing(database: Path, journal: str) -> None:
    """It proves that it may write; the file stays as it is, and nothing is left beside it."""
    with tables.connected(database) as connection:
        connection.execute(f"PRAGMA journal_mode = {journal}")
    before = contents(database.parent)
    done = commands.execute("check", f"--database-url=sqlite:///{database}")
    assert done.returncode == 0
    assert "A run would delete 3 rows" in done.stdout
    assert "proved, and undone" in done.stdout
    assert contents(database.parent) == before
    assert set(before) == {"geo.db"}


@pytest.mark.parametrize(
    ("arguments", "status", "reason"),
    [
        (["--time-column=seen"], 78, "no column"),
        (["--table=nosuch"], 78, "no table"),
        (["--max-delete-percent=10"], 65, "max-delete-percent"),
    ],
)
def test_check_ends_as_a_run_would(
    database: Path, arguments: list[str], status: int, reason: str
) -> None:
    """What would stop a run is in the document, and is the exit status."""
    url = f"--database-url=sqlite:///{database}"
    done = commands.execute("check", url, "--json", *arguments)
    assert done.returncode == commands.execute("run", url, *arguments).returncode == status
    problem = json.loads(done.stdout)["problem"]
    assert reason in problem["reason"]
    assert problem["exit_status"] == status
    assert commands.events(done.stderr)[-1]["event"] == "geo_cache_cleanup_failed"


def test_check_of_a_locked_database(database: Path) -> None:
    """A database that stays locked stops a check as it stops a run."""
    with tables.connected(database) as connection:
        connection.execute("BEGIN IMMEDIATE")
        url = f"--database-url=sqlite:///{database}"
        assert commands.execute("check", url, "--timeout=1").returncode == 75


@pytest.mark.parametrize(
    ("cutoff", "retention", "ahead"),
    [
        (["--retention-days=45"], 45, False),
        (["--retention-days=90"], 90, False),
        (["--before=2026-06-03T12:00:00Z"], None, False),
        (["--before=now"], 0, False),
        (["--before=2098-01-01"], None, True),
    ],
)
def test_ages_and_retentions_are_exact(
    tmp_path: Path, cutoff: list[str], retention: int | None, ahead: bool
) -> None:
    """Groups end at the cutoff, and each retention is counted from the instants themselves."""
    now = dt.datetime.now(dt.UTC)
    # The oldest is from before any cutoff here, and from after 2000, whenever this runs.
    days = [-30_000, -3, *(day + 0.5 for day in range(0, 400, 5)), 9_000.5]
    times = [(now - dt.timedelta(days=day)).strftime("%Y-%m-%d %H:%M:%S") for day in days]
    tables.make_table(tmp_path / "geo.db", [(str(n), time) for n, time in enumerate(times)])
    url = f"--database-url=sqlite:///{tmp_path / 'geo.db'}"
    found = json.loads(commands.execute("check", url, "--json", *cutoff).stdout)
    table = found["table"]
    for row in table["retentions"]:
        assert row["would_delete"] == sum(day > row["days"] for day in days)
    stale = [group for group in table["ages"] if group["stale"]]
    assert sum(group["rows"] for group in stale) == found["would_delete"] > 0
    assert sum(group["rows"] for group in table["ages"]) == len(days)
    assert table["future"] == 2
    if retention is not None:
        assert stale[0]["from_days"] == retention
        assert found["would_delete"] == sum(day > retention for day in days)
    assert (stale[0]["from_days"] < 0) is ahead
    text = commands.execute("check", url, *cutoff).stdout.splitlines()
    mark = next(number for number, line in enumerate(text) if " cutoff " in line)
    words = ["delete" if " delete" in line else "keep" for line in text[mark - 2 : mark + 3]]
    assert [words[1], words[3]] == ["keep", "delete"]


LONG = "a_table_whose_name_is_longer_than_a_terminal_is_wide_and_still_has_to_be_read_by_someone"


@pytest.mark.parametrize("long", [False, True])
def test_every_line_fits_80_columns(database: Path, long: bool) -> None:
    """For a usual table, and for a long path, a long name, and a stored text without an end."""
    table = "geo_cache"
    if long:
        directory = database.parent / ("deep" * 30)
        directory.mkdir(parents=True)
        database = database.rename(directory / "geo.db")
        table = LONG
        with tables.connected(database) as connection:
            connection.execute(f"ALTER TABLE geo_cache RENAME TO {LONG}")
            connection.execute(f"UPDATE {LONG} SET last_seen = printf('%.9999c', 'x') WHERE ip='d'")
    arguments = (f"--database-url=sqlite:///{database}", f"--table={table}")
    shown = commands.execute("check", *arguments).stdout
    assert max(map(len, shown.splitlines())) <= 80
    assert "Problems and advice" in shown
    # Nothing is lost of what was cut into several lines.
    assert str(database) in "".join(shown.split())
    assert table in "".join(shown.split())


def on_terminal(*arguments: str, **env: str) -> str:
    """Run a command with a terminal as its output."""
    reader, writer = pty.openpty()
    process = subprocess.Popen(
        [*commands.COMMAND, *arguments],
        env=commands.environment({"TERM": "xterm-256color", **env}),
        stdin=subprocess.DEVNULL,
        stdout=writer,
        stderr=writer,
    )
    os.close(writer)
    text = b""
    with contextlib.suppress(OSError), open(reader, "rb", buffering=0) as file:  # EIO at the end
        while block := file.read(4096):
            text += block
    process.wait(60)
    return text.decode()


@pytest.mark.parametrize("env", [{"NO_COLOR": "1"}, {"FORCE_COLOR": "1"}])
@pytest.mark.parametrize("command", ["check", "--help", "check --help", "check --nonsense"])
def test_no_colour_and_no_boxes(database: Path, command: str, env: dict[str, str]) -> None:
    """On a terminal and piped: nothing but the text, so that there is no colour to switch off."""
    arguments = [
        *command.split(),
        *([f"--database-url=sqlite:///{database}"] * (command == "check")),
    ]
    piped = commands.execute(*arguments, env=env)
    for text in (on_terminal(*arguments, **env), piped.stdout + piped.stderr):
        assert len(text) > 50
        assert "\x1b" not in text
        assert not re.search("[\u2500-\u257f]", text)


def test_a_table_too_large_to_be_read(tmp_path: Path) -> None:
    """What a run would do is still told, within the timeout."""
    path = tmp_path / "geo.db"
    tables.make_table(path, [("old", "2001-01-01T00:00:00Z")])
    with tables.connected(path) as connection:
        connection.execute(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1500000)"
            " INSERT INTO geo_cache SELECT i,"
            " strftime('%Y-%m-%dT%H:%M:%SZ', strftime('%s', 'now') - i, 'unixepoch') FROM n"
        )
    done = commands.execute("check", f"--database-url=sqlite:///{path}", "--json", "--timeout=5")
    document = json.loads(done.stdout)
    assert done.returncode == 0, document["problem"]
    assert document["would_delete"] == 1
    assert "rows" not in document["table"]
    assert any("too large" in found["finding"] for found in document["advice"])
