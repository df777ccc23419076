"""check and history: what they show, what they leave alone, and how they end."""

import json
import os
from pathlib import Path

import pytest
import support

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
    with support.connected(path) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
    support.make_table(path, ROWS)
    return path


def test_check_as_json(database: Path) -> None:
    """One document has the settings with their sources, the formats, the ages, the outcome."""
    done = support.command(
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
    assert (table["rows"], table["index"], table["no_time"]) == (6, "ix_last_seen", 2)
    assert {found["name"]: found["rows"] for found in table["formats"]} == {
        "text with T, Z": 2,
        "text with space, no zone": 1,
        "epoch seconds as text": 1,
        "unreadable text": 1,
        "NULL": 1,
    }
    assert sum(group["rows"] for group in table["ages"]) == 4
    assert (document["would_delete"], document["unreadable"]) == (3, 1)


def test_check_as_text_fits_and_changes_nothing(database: Path) -> None:
    """The same for people; the file stays as it is, and nothing appears beside it."""
    before = database.read_bytes()
    done = support.command("check", f"--database-url=sqlite:///{database}")
    assert done.returncode == 0
    assert "A run would delete 3 rows" in done.stdout
    assert database.read_bytes() == before
    assert os.listdir(database.parent) == ["geo.db"]


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
    done = support.command("check", url, "--json", *arguments)
    assert done.returncode == support.command("run", url, *arguments).returncode == status
    problem = json.loads(done.stdout)["problem"]
    assert reason in problem["reason"]
    assert problem["exit_status"] == status
    assert support.events(done.stderr)[-1]["event"] == "geo_cache_cleanup_failed"


def test_check_of_a_locked_database(database: Path) -> None:
    """A database that stays locked stops a check as it stops a run."""
    with support.connected(database) as connection:
        connection.execute("BEGIN IMMEDIATE")
        url = f"--database-url=sqlite:///{database}"
        assert support.command("check", url, "--timeout=1").returncode == 75


def test_history(database: Path) -> None:
    """The latest runs come first, as many as wanted, as a table or as JSON."""
    url = f"--database-url=sqlite:///{database}"
    assert support.command("migrate", url).returncode == 0
    for run_id in ("first", "second", "third"):
        support.command("run", url, env={"INVOCATION_ID": run_id})
    runs = json.loads(support.command("history", url, "--json", "--limit=2").stdout)["runs"]
    assert [(run["run_id"], run["deleted"]) for run in runs] == [("third", 0), ("second", 0)]
    table = support.command("history", url).stdout.splitlines()
    assert len(table) == 4
    assert "geo_cache" in table[1]
