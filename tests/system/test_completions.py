"""The completions know what the program takes: typed into shells, where the package puts them."""

import re
import shlex
from collections.abc import Mapping
from pathlib import Path

import pytest
import typer

from geocache_cleanup.cli import app
from geocache_cleanup.config.settings import SETTINGS, Setting
from helpers.system.machine import Machine

pytestmark = pytest.mark.system

TYPE = Path(__file__).parents[1] / "helpers" / "system" / "type.zsh"
FISH = "for line in $argv; complete --do-complete=$line; echo -n \\x1e; end"
# What is typed of a value, and what may be meant by it, where the program has no list.
BEGUN = {"--metrics-file": "/etc/geoc", "--time-zone": "Europe/Berl"}
VALUES = {
    "--before": {"now"},
    "--instance": {"eu", "us-1"},
    "--metrics-file": {"/etc/geocache-cleanup/"},
    "--time-zone": {"Europe/Berlin"},
}


def completed(machine: Machine, shell: str, *lines: str) -> list[set[str]]:
    """Return the words by which a shell would go on with each line."""
    if shell == "fish":
        output = machine.run(shlex.join(["fish", "-c", FISH, *lines]))
        return [
            {word.split("\t")[0].rpartition("=")[2] or word for word in part.splitlines()}
            for part in output.replace("=\t", "\t").split("\x1e")[:-1]
        ]
    machine.write("/opt/type.zsh", TYPE.read_text())
    output = machine.run(shlex.join(["zsh", "-f", "/opt/type.zsh", shell, *lines]))
    return [listed(*pair) for pair in zip(lines, output.split("\x1e")[:-1], strict=True)]


def listed(typed: str, shown: str) -> set[str]:
    """Return the words of a list, or the only one that was put in."""
    line, *below = re.split(r"[\r\n]+", re.sub(r"\a|\x1b\[[?0-9]+[a-z]", "", shown))
    words, prompt, _ = " ".join(below).partition("ready:")
    if prompt and words.split():
        return set(words.split())
    return set() if line == typed else {re.split("[ =]", line.strip())[-1]}


def values(setting: Setting) -> set[str]:
    """Return the words that a setting takes, none if it takes others too."""
    try:
        setting.read("\0")
    except ValueError as error:
        found = re.fullmatch("must be one of (.*)", str(error))
        return set(found[1].split(", ")) if found else set()
    return set()


def expected(name: str, command: typer.core.TyperCommand) -> Mapping[str, set[str]]:
    """Return what follows the lines that end in a command's options and in values for them."""
    known = {setting.option: values(setting) for setting in SETTINGS.values()} | VALUES
    options = {parameter.opts[0]: parameter for parameter in command.params}
    lines = {f"{name} --": {*options, "--help"}}
    for option, parameter in options.items():
        if not getattr(parameter, "is_flag", False):
            lines[f"{name} {option} {BEGUN.get(option, '')}"] = known.get(option, set())
    return lines


@pytest.mark.parametrize("shell", ["bash", "fish", "zsh"])
def test_completions(machine: Machine, shell: str) -> None:
    """Each command, option and value that the program takes, and no other."""
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]  # it is a group
    wanted = {"--": {"--help", "--version"}, "run --dry": {"--dry-run"}}
    wanted["run --log-format="] = {"auto", "json", "text"}
    wanted["check --log-level=d"] = {"debug"}
    for name, command in commands.items():
        wanted |= expected(name, command)
    assert sum(map(bool, wanted.values())) > 25
    assert completed(machine, shell, "geocache-cleanup check --instance ") == [set()]
    machine.run("touch /etc/geocache-cleanup/eu.env /etc/geocache-cleanup/us-1.env")
    found = completed(machine, shell, *(f"geocache-cleanup {line}" for line in wanted))
    assert dict(zip(wanted, found, strict=True)) == wanted
    assert completed(machine, shell, "geocache-cleanup ")[0] >= set(commands)
