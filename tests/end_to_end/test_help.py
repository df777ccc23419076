"""What --help and --version print."""

import re

import pytest

from helpers import commands
from helpers.documents import MANUAL

COMMANDS = ("run", "check", "history", "migrate")


@pytest.mark.parametrize("command", COMMANDS)
def test_options_of_the_commands(command: str) -> None:
    """Every option that a command's help shows is in the manual."""
    shown = commands.execute(command, "--help").stdout
    options = set(re.findall(r"--[a-z][a-z-]+", shown))
    assert {"--help", "--log-format"} <= options
    assert {option for option in options if option not in MANUAL} <= {"--help"}


def test_version() -> None:
    """One line: the name and three numbers."""
    assert re.fullmatch(r"geocache-cleanup \d+\.\d+\.\d+\n", commands.execute("--version").stdout)
