"""What --help and --version print."""

import re

import pytest

from helpers import commands
from helpers.documents import MANUAL

COMMANDS = ("run", "check", "history", "status", "migrate")


@pytest.mark.parametrize("command", COMMANDS)
def test_options_of_the_commands(command: str) -> None:
    """Every option that a command's help shows is in the manual."""
    shown = commands.execute(command, "--help").stdout
    options = set(re.findall(r"--[a-z][a-z-]+", shown))
    assert {"--help", "--log-format"} <= options
    assert {option for option in options if option not in MANUAL} <= {"--help"}


def test_help_of_the_whole() -> None:
    """It comes without any argument too, and cuts no command's summary."""
    bare, asked = commands.execute(), commands.execute("--help")
    assert (bare.returncode, bare.stdout) == (0, asked.stdout)
    assert "..." not in asked.stdout.partition("Commands:")[2]


@pytest.mark.parametrize("command", COMMANDS)
def test_options_say_what_they_take(command: str) -> None:
    """Not the type that a program reads it as."""
    shown = commands.execute(command, "--help").stdout
    assert not re.search("<[a-z ]+>", shown)
    assert "TEXT" not in shown
    assert "INTEGER" not in shown


def test_a_forgotten_command() -> None:
    """What stands in its place is not repeated: it may be a URL with a password."""
    done = commands.execute("postgresql://u:hunter2@host/db")
    assert (done.returncode, "hunter2" in done.stderr) == (2, False)
    assert "Did you mean migrate?" in commands.execute("migrat").stderr


def test_version() -> None:
    """One line: the name and three numbers."""
    assert re.fullmatch(r"geocache-cleanup \d+\.\d+\.\d+\n", commands.execute("--version").stdout)
