"""The documents and the program say the same, and each fact stands in one of them."""

import dataclasses
import re
from pathlib import Path

import pytest
import typer

from geocache_cleanup import __version__
from geocache_cleanup.cli import app
from geocache_cleanup.config.settings import SETTINGS
from geocache_cleanup.errors import ExitStatus
from geocache_cleanup.events import Event
from geocache_cleanup.metrics import metrics_file
from geocache_cleanup.result import JOB_KEYS, Result
from helpers.documents import MANUAL, OPERATING, README, blocks, bold, entries, section

TOP = Path(__file__).parents[2]
DEFAULTS = (TOP / "packaging" / "default" / "geocache-cleanup").read_text()
SERVICE = (TOP / "packaging" / "systemd" / "geocache-cleanup.service").read_text()
DOCUMENTS = {"README": README, "OPERATING": OPERATING, "manual": MANUAL}
# Keys of the events; the fields of journal entries share their prefix with the variables.
KEYS = {
    *("timestamp", "level", "event", "message", "version", "metrics_problem", "exit_status"),
    *("reason", "hint", "retryable", "problems", "traceback", "signal", "reclaimed_bytes"),
    *JOB_KEYS,
    *(field.name for field in dataclasses.fields(Result)),
}
FIELDS = {f"GEOCACHE_CLEANUP_{key.upper()}" for key in {*KEYS, "instance"}}
# What the documents show beside commands, and commands for a checkout, not for a host.
NOT_RUN_ON_A_HOST = (
    *("Rows by age", "$ geocache-cleanup run", "Problems and advice"),
    *("sh tests/demo.sh", "sh tests/run.sh", "apt-get update"),
)


def options_of_the_commands() -> dict[str, set[str]]:
    """Return the options that each command has, but for --help, which all have."""
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]  # it is a group
    return {
        name: {option for parameter in command.params for option in parameter.opts}
        for name, command in commands.items()
    }


def test_the_manual_has_each_command() -> None:
    """Once, and no other."""
    part = section("COMMANDS").partition(".SS ")[0]
    assert sorted(bold("".join(head for head, _ in entries(part)))) == sorted(
        options_of_the_commands()
    )


def test_the_manual_has_each_option() -> None:
    """Once: those of the settings with their variable, in the order of --help, and the default."""
    part = section("OPTIONS").partition("The commands take these")[0]
    found = dict(entries(part))
    listed = [name for head in found for name in bold(head) if name.startswith("--")]
    settings = [setting.option for setting in SETTINGS.values()]
    assert listed[: len(settings)] == settings
    others = set().union(*options_of_the_commands().values()) - set(settings)
    assert sorted(listed[len(settings) :]) == sorted({*others, "--version", "--help"})
    for setting in SETTINGS.values():
        (head,) = [head for head in found if f"\\fB{setting.option}\\fR" in head]
        assert head.endswith(f" ({setting.variable})")
        assert setting.default is None or setting.default in found[head]


def test_the_manual_tells_which_command_takes_which_option() -> None:
    """As the program has them."""
    part = section("OPTIONS").partition("The commands take these")[2]
    settings = {setting.option for setting in SETTINGS.values()}
    told = {
        "".join(bold(head)): {
            *re.findall(r"--[a-z-]+", body),
            *(settings if "the settings" in body else ()),
        }
        for head, body in entries(part)
    }
    assert told == options_of_the_commands()


def test_the_manual_has_each_exit_status() -> None:
    """Once, with its name, and said to be retried as the program's events and the unit have it."""
    heads = [head for head, _ in entries(section("EXIT STATUS").partition(".SS ")[0])]
    assert heads == [
        f"\\fB{int(status)}\\fR ({status.name}){', retried' if status.retryable else ''}"
        for status in ExitStatus
    ]
    prevented = re.search(r"^RestartPreventExitStatus=([0-9 ]+)$", SERVICE, re.MULTILINE)
    assert prevented
    never = {status for status in ExitStatus if not status.retryable}
    assert {int(status) for status in prevented[1].split()} == never - {0, ExitStatus.SIGINT}


def test_the_manual_has_each_event_and_each_key() -> None:
    """Once; the events in the order in which a run logs them."""
    events, _, keys = section("EVENTS").partition("Their keys")
    heads = [name for head, _ in entries(events) for name in bold(head)]
    assert heads == [event.value for event in Event]
    listed = [name for head, body in entries(keys) for name in bold(head) + bold(body)]
    assert sorted(listed) == sorted(KEYS)


def test_the_manual_alone_has_each_metric() -> None:
    """Once, in the order of the file."""
    names = [metrics_file.PREFIX + name for name in metrics_file.HELP]
    assert [name for head, _ in entries(section("METRICS")) for name in bold(head)] == names
    assert not [name for name in names if name in README + OPERATING]


def test_the_dashboard_shows_each_metric() -> None:
    """And no other."""
    text = (TOP / "packaging" / "examples" / "geocache-cleanup.dashboard.json").read_text()
    shown = set(re.findall(rf"{metrics_file.PREFIX}(\w+)", text))
    assert shown == set(metrics_file.HELP)


def test_the_settings_of_the_readme_have_their_defaults() -> None:
    """Seven of them."""
    rows = re.findall(r"^\| `(GEOCACHE_CLEANUP_\w+)` \| `(.*?)` \|", README, re.MULTILINE)
    assert len(rows) == 7
    defaults = {setting.variable: setting.default for setting in SETTINGS.values()}
    assert [defaults[variable] for variable, _ in rows] == [default for _, default in rows]


@pytest.mark.parametrize("text", DOCUMENTS.values(), ids=DOCUMENTS)
def test_nothing_else_is_documented(text: str) -> None:
    """No variable or event of a document is unknown to the program."""
    known = {setting.variable for setting in SETTINGS.values()}
    assert set(re.findall(r"GEOCACHE_CLEANUP_[A-Z_]*[A-Z]\b", text)) <= known | FIELDS
    events = {event.value for event in Event}
    assert set(re.findall(r"geo_cache_cleanup_[a-z]+(?:_run)?", text)) <= events


@pytest.mark.parametrize("text", [README, OPERATING], ids=["README", "OPERATING"])
def test_links_lead_somewhere(text: str) -> None:
    """To a section of the same document, or to a file."""
    titles = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    anchors = {re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-") for title in titles}
    for link in re.findall(r"\]\(([^)]+)\)", text):
        # The package is built without files whose names begin with a dot.
        there = link.startswith(".github/") or (TOP / link).is_file()
        assert link[1:] in anchors if link.startswith("#") else there, link


def test_each_block_of_commands_is_run_by_a_test() -> None:
    """Of those that are meant for a host; a test names the block by a part of it."""
    tests = [path.read_text() for path in (TOP / "tests" / "system").glob("*.py")]
    # Some take it apart into commands.
    used = [part for text in tests for part in re.findall(r'\b(?:block|commands)\("([^"]+)"', text)]
    parts = [part.encode().decode("unicode_escape") for part in used]
    for part in parts:
        assert len([entry for entry in blocks() if part in entry]) == 1, part
    for entry in blocks():
        if not entry.startswith(NOT_RUN_ON_A_HOST):
            assert any(part in entry for part in parts), entry


def test_the_readme_is_short() -> None:
    """Somebody new reads to the end."""
    assert len(README.splitlines()) <= 200


def test_there_is_one_version() -> None:
    """In the program, the manual and the package's changelog."""
    assert f'"geocache-cleanup {__version__}"' in MANUAL.splitlines()[1]
    changelog = (TOP / "packaging" / "debian" / "changelog").read_text()
    assert changelog.startswith(f"geocache-cleanup ({__version__}) ")


def test_the_settings_file_has_each_variable_once() -> None:
    """All commented out, with the default where there is one that is no path."""
    found = dict(re.findall(r"^#(GEOCACHE_CLEANUP_\w+)=(.*)$", DEFAULTS, re.MULTILINE))
    assert list(found) == [setting.variable for setting in SETTINGS.values()]
    for setting in SETTINGS.values():
        assert setting.default in {None, found[setting.variable]}
    assert all(line[0] == "#" for line in DEFAULTS.splitlines() if line)
