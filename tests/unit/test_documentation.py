"""The documentation and the program say the same; and starting up stays cheap."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import support

from geocache_cleanup.errors import ExitStatus
from geocache_cleanup.events import Event
from geocache_cleanup.settings import SETTINGS

TOP = Path(__file__).parents[2]
README = (TOP / "README.md").read_text()
MAN = (TOP / "packaging" / "geocache-cleanup.8").read_text().replace("\\-", "-")
# Keys of the events: the fields of journal entries share their prefix with the variables.
KEYS = """timestamp level event message version table time_column database cutoff retention_days
dry_run run_id deleted unreadable batches duration_seconds exit_status reason hint retryable"""
FIELDS = {f"GEOCACHE_CLEANUP_{key.upper()}" for key in KEYS.split()}
COMMANDS = ("run", "check", "history", "migrate")


@pytest.mark.parametrize("text", [README, MAN], ids=["README", "man page"])
def test_everything_public_is_documented(text: str) -> None:
    """Options, variables, statuses with their names, events and commands are all there."""
    for setting in SETTINGS.values():
        assert setting.option in text
        assert setting.variable in text
        assert setting.default is None or setting.default in text
    for status in ExitStatus:
        assert re.search(rf"\b{status.value}\b", text)
        assert status is ExitStatus.OK or status.name in text
    for event in Event:
        assert event.value in text
    for command in COMMANDS:
        assert re.search(rf"\b{command}\b", text)


@pytest.mark.parametrize("text", [README, MAN], ids=["README", "man page"])
def test_nothing_else_is_documented(text: str) -> None:
    """No option, variable or event of the documentation is unknown to the program."""
    known = {setting.variable for setting in SETTINGS.values()}
    assert set(re.findall(r"GEOCACHE_CLEANUP_[A-Z_]*[A-Z]\b(?==|`|,| |$)", text)) <= known | FIELDS
    events = {event.value for event in Event}
    assert set(re.findall(r"geo_cache_cleanup_[a-z]+(?:_run)?", text)) <= events


@pytest.mark.parametrize("command", COMMANDS)
def test_options_of_the_commands(command: str) -> None:
    """Every option that a command's help shows is in the README."""
    shown = support.command(command, "--help").stdout
    options = set(re.findall(r"--[a-z][a-z-]+", shown))
    assert {"--help", "--log-format"} <= options
    assert {option for option in options if option not in README} <= {"--help"}


def test_version() -> None:
    """The version is printed without importing the database library."""
    assert re.fullmatch(r"geocache-cleanup \d+\.\d+\.\d+\n", support.command("--version").stdout)


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["--help"], 0),
        (["run", "--help"], 0),
        (["run", "--no-such-option"], 2),
        (["run", "--retention-days=ninety"], 2),
        (["check", "--time-zone=Mars"], 2),
    ],
)
def test_quick_answers_import_no_database_library(arguments: list[str], status: int) -> None:
    """Help and bad settings answer at once."""
    code = (
        "import atexit, sys\n"
        "heavy = ('sqlalchemy', 'alembic', 'sqlite3')\n"
        "atexit.register(lambda: print([name for name in heavy if name in sys.modules]))\n"
        f"sys.argv = ['geocache-cleanup', *{arguments!r}]\n"
        "from geocache_cleanup.__main__ import main\n"
        "main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env=support.environment(),
        check=False,
    )
    assert done.returncode == status
    assert done.stdout.splitlines()[-1] == "[]"
