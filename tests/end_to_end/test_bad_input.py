"""Bad input: the documented exit status, one line of JSON, and nothing changed."""

import hashlib
import os
import sqlite3
from pathlib import Path
from typing import Callable

import pytest

from helpers import commands, tables

FRESH = [("192.0.2.1", "2099-01-01T00:00:00Z"), ("192.0.2.2", "2020-01-01T00:00:00Z")]


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """Return a database with a stale row, which no failing run may touch."""
    path = tmp_path / "geo.db"
    tables.make_table(path, FRESH)
    return path


def fails(status: int, *arguments: str, word: str = "") -> dict[str, object]:
    """Run with these arguments; the run must fail with this status and a single event."""
    done = commands.execute("run", *arguments)
    assert (done.returncode, done.stdout) == (status, "")
    (event,) = commands.events(done.stderr)
    assert event["event"] == "geo_cache_cleanup_failed"
    assert (event["level"], event["exit_status"]) == ("error", status)
    assert event["hint"]
    assert "traceback" not in event
    assert event["retryable"] is (status in (69, 74, 75))
    assert word in str(event["reason"])
    return event


@pytest.mark.parametrize(
    "days", ["0", "-1", "99999999", "ninety", "1.5", "", " 90", "36501", "9" * 5000, "٣٠"]
)
def test_bad_retention(database: Path, days: str) -> None:
    """A retention that is no whole number in its bounds is refused, from either source."""
    before = database.read_bytes()
    url = f"sqlite:///{database}"
    fails(
        2, "--database-url", url, "--retention-days", days, word="GEOCACHE_CLEANUP_RETENTION_DAYS"
    )
    done = commands.execute("run", env={"GEOCACHE_CLEANUP_RETENTION_DAYS": days})
    assert done.returncode == 2
    assert database.read_bytes() == before


def test_all_problems_at_once() -> None:
    """Each problem names its option and its variable."""
    names = ("time-zone", "timeout", "before", "log-format", "max-delete-percent")
    event = fails(2, "--table=", *(f"--{name}=%" for name in names))
    for name in ("table", *names):
        variable = f"GEOCACHE_CLEANUP_{name.upper().replace('-', '_')}"
        assert f"--{name} ({variable})" in str(event["reason"])
    assert len(event["problems"]) == 1 + len(names)  # type: ignore[arg-type]  # a JSON list


@pytest.mark.parametrize(
    ("url", "status"),
    [
        ("", 2),
        ("geo.db", 78),
        ("sqlite://", 78),
        ("sqlite:///:memory:", 78),
        ("sqlite+aiosqlite:///geo.db", 78),
        ("sqlite:////nowhere/geo.db", 66),
        ("sqlite:///geo.db?mode=ro", 78),
        ("postgres//user:hunter2@host/db", 78),
        ("oracle://user:hunter2@host/db", 78),
        ("postgresql://user:hunter2@host:port/db", 78),
        ("postgresql://user:pass@hunter2@host/db", 78),
        ("postgresql:///user:hunter2@host/db", 78),
        ("mysql://us/er:hunter2@host/db", 78),
        ("mysql://user:pass@word/hunter2@host/db", 78),
        ("-----BEGIN CREDENTIAL-----hunter2", 78),
    ],
)
def test_bad_urls(url: str, status: int) -> None:
    """A URL that cannot be used is refused, and its password is not repeated."""
    assert "hunter2" not in str(fails(status, f"--database-url={url}"))


def make_directory(path: Path) -> None:
    """Make a directory where a file should be."""
    path.mkdir()


def make_text(path: Path) -> None:
    """Make a file that is longer than SQLite's header, but text."""
    path.write_text("ip,last_seen\n192.0.2.1,2020-01-01\n" * 50)


def make_truncated(path: Path) -> None:
    """Make a database that lost its second half."""
    tables.make_table(path, [(f"ip{n}", "2020-01-01") for n in range(5_000)])
    os.truncate(path, path.stat().st_size // 2)


def make_encrypted(path: Path) -> None:
    """Make a file of bytes that look random, as SQLCipher leaves it."""
    path.write_bytes(b"".join(hashlib.sha256(bytes([n])).digest() for n in range(256)))


def make_nothing(path: Path) -> None:
    """Leave the place empty."""


def make_view(path: Path) -> None:
    """Make a view under the name of the table."""
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE real (ip, last_seen)")
        connection.execute("CREATE VIEW geo_cache AS SELECT * FROM real")
    connection.close()


def make_other(path: Path) -> None:
    """Make a database that has other tables only."""
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE bans (ip)")
    connection.close()


@pytest.mark.parametrize(
    ("make", "status", "word"),
    [
        (make_directory, 78, "is a directory"),
        (Path.touch, 78, "no table"),
        (make_text, 65, "no SQLite database"),
        (make_truncated, 65, "damaged"),
        (make_encrypted, 65, "encrypted"),
        (make_view, 78, "is a view"),
        (make_other, 78, "bans"),
        (os.mkfifo, 78, "not a regular file"),
        (make_nothing, 66, "there is no database"),
    ],
)
def test_bad_files(tmp_path: Path, make: Callable[[Path], None], status: int, word: str) -> None:
    """A file that is no database with the table ends the run, and is as it was."""
    path = tmp_path / "geo.db"
    make(path)
    before = path.read_bytes() if path.is_file() else None
    fails(status, f"--database-url=sqlite:///{path}", word=word)
    assert (path.read_bytes() if path.is_file() else None) == before
    assert os.listdir(tmp_path) == (["geo.db"] if path.exists() else [])


def test_missing_column_names_those_there(database: Path) -> None:
    """The error lists the columns that exist."""
    url = f"--database-url=sqlite:///{database}"
    fails(78, url, "--time-column=seen_at", word="ip, last_seen")


@pytest.mark.parametrize("command", ["check", "history", "migrate"])
def test_other_commands_fail_alike(tmp_path: Path, command: str) -> None:
    """The other commands have the same statuses and the same event."""
    path = tmp_path / "geo.db"
    make_text(path)
    done = commands.execute(command, f"--database-url=sqlite:///{path}")
    assert done.returncode == 65
    (event,) = commands.events(done.stderr)
    assert event["event"] == "geo_cache_cleanup_failed"


def test_unknown_option_is_a_usage_error() -> None:
    """Typer's own errors have the status of a bad setting."""
    done = commands.execute("run", "--no-such-option")
    assert done.returncode == 2
    assert "--no-such-option" in done.stderr


def test_percent_guard_deletes_nothing(database: Path) -> None:
    """A run that would delete more than allowed fails and leaves every row."""
    before = database.read_bytes()
    fails_with_start(database, "--max-delete-percent=49")
    assert database.read_bytes() == before
    done = commands.execute(
        "run", f"--database-url=sqlite:///{database}", "--max-delete-percent=50"
    )
    assert done.returncode == 0
    assert tables.fetch(database, "SELECT ip FROM geo_cache") == ["192.0.2.1"]


def fails_with_start(database: Path, *arguments: str) -> None:
    """Run into the guard, which can only fail once the run has started and counted the rows."""
    done = commands.execute("run", f"--database-url=sqlite:///{database}", *arguments)
    assert done.returncode == 65
    assert [event["event"] for event in commands.events(done.stderr)] == [
        "geo_cache_cleanup_started",
        "geo_cache_cleanup_failed",
    ]
