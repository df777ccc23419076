"""Files that are no database with the table: each with its exit status, and left as it was."""

import hashlib
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from helpers import commands, tables
from helpers.commands import fails


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


def make_virtual(path: Path) -> None:
    """Make an index under the name of the table, whose rows are in another one."""
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE real (ip, last_seen)")
        connection.execute(
            "CREATE VIRTUAL TABLE geo_cache USING fts5 (ip, last_seen, content=real)"
        )
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
        (make_virtual, 78, "is a virtual table"),
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


@pytest.mark.parametrize("command", ["check", "history", "migrate"])
def test_other_commands_fail_alike(tmp_path: Path, command: str) -> None:
    """The other commands have the same statuses and the same event."""
    path = tmp_path / "geo.db"
    make_text(path)
    done = commands.execute(command, f"--database-url=sqlite:///{path}")
    assert done.returncode == 65
    (event,) = commands.events(done.stderr)
    assert event["event"] == "geo_cache_cleanup_failed"
