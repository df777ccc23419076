"""Settings that are refused: the exit status, one line of JSON, and nothing changed."""

from pathlib import Path

import pytest

from helpers import commands
from helpers.commands import fails


@pytest.mark.parametrize(
    "days", ["0", "-1", "99999999", "ninety", "1.5", "", " 90", "36501", "9" * 5000, "٣٠"]
)
def test_bad_retention(two_rows: Path, days: str) -> None:
    """A retention that is no whole number in its bounds is refused, from either source."""
    before = two_rows.read_bytes()
    url = f"sqlite:///{two_rows}"
    fails(
        2, "--database-url", url, "--retention-days", days, word="GEOCACHE_CLEANUP_RETENTION_DAYS"
    )
    done = commands.execute("run", env={"GEOCACHE_CLEANUP_RETENTION_DAYS": days})
    assert done.returncode == 2
    assert two_rows.read_bytes() == before


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


def test_missing_column_names_those_there(two_rows: Path) -> None:
    url = f"--database-url=sqlite:///{two_rows}"
    fails(78, url, "--time-column=seen_at", word="ip, last_seen")


def test_unknown_option_is_a_usage_error() -> None:
    """Typer's own errors have the status of a bad setting, and repeat nothing that was given."""
    done = commands.execute("run", "--databse-url=postgresql://user:hunter2@host/db")
    assert (done.returncode, "databse" in done.stderr, "hunter2" in done.stderr) == (
        2,
        False,
        False,
    )
    assert "Did you mean --database-url?" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["run", "--timeout"], "--timeout needs a value"),
        (["run", "--dry-run=hunter2"], "--dry-run takes no value"),
        (["history", "--limit=hunter2"], "--limit must be a number"),
        (["status", "--max-age=-1"], "--max-age must be a number"),
    ],
)
def test_usage_errors_name_the_option(arguments: list[str], told: str) -> None:
    """And not what was given to it."""
    done = commands.execute(*arguments)
    assert (done.returncode, "hunter2" in done.stderr) == (2, False)
    assert told in done.stderr


def test_url_that_is_no_text() -> None:
    """No server has a name in bytes that are not UTF-8; a file may."""
    commands.fails(78, "--database-url=postgresql://user@host/db\udcff", word="parsed")


def test_url_without_its_option() -> None:
    """A URL given as an argument is refused and not repeated."""
    done = commands.execute("run", "postgresql://user:hunter2@host/db")
    (event,) = commands.events(done.stderr)
    assert (done.returncode, event["exit_status"]) == (2, 2)
    assert "hunter2" not in done.stderr
