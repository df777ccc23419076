"""The documentation and the program say the same."""

import re
from pathlib import Path

import pytest

from geocache_cleanup.config.settings import SETTINGS
from geocache_cleanup.errors import ExitStatus
from geocache_cleanup.events import Event
from geocache_cleanup.metrics import metrics_file
from helpers.readme import README, table

TOP = Path(__file__).parents[2]
DEFAULTS = (TOP / "packaging" / "default" / "geocache-cleanup").read_text()
SERVICE = (TOP / "packaging" / "systemd" / "geocache-cleanup.service").read_text()
MAN = (TOP / "packaging" / "geocache-cleanup.8").read_text().replace("\\-", "-")
# Keys of the events: the fields of journal entries share their prefix with the variables.
KEYS = """timestamp level event message version table time_column database cutoff retention_days
dry_run run_id deleted unreadable batches duration_seconds exit_status reason hint retryable
metrics_problem kept freed_pages remaining reclaimed_bytes"""
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


def test_each_setting_is_in_the_table_once_with_its_default() -> None:
    """In the order of --help, and the switch of run beside them."""
    rows = [row[:3] for row in table("| option | variable | default")]
    assert rows.pop([row[0] for row in rows].index("--dry-run"))[1:] == ["", ""]
    assert rows == [
        [setting.option, setting.variable, setting.default or ""] for setting in SETTINGS.values()
    ]


def test_each_exit_status_is_in_the_table_once_with_its_name() -> None:
    """And said to be retried as the program's events and the unit have it."""
    rows = table("| status | name")
    assert [row[:2] for row in rows] == [[str(int(status)), status.name] for status in ExitStatus]
    retried = {int(row[0]) for row in rows if row[3] == "yes"}
    assert retried == {int(status) for status in ExitStatus if status.retryable}
    prevented = re.search(r"^RestartPreventExitStatus=([0-9 ]+)$", SERVICE, re.MULTILINE)
    assert prevented
    never = {int(row[0]) for row in rows if row[3] == "no"}
    assert {int(status) for status in prevented[1].split()} == never


def test_each_event_is_in_the_table_once() -> None:
    """In the order in which a run logs them."""
    assert [row[0] for row in table("| event | level")] == [event.value for event in Event]


def test_each_metric_is_documented_once() -> None:
    """In the README and the manual page."""
    names = [metrics_file.PREFIX + name for name in metrics_file.HELP]
    assert [row[0] for row in table("| metric |")] == names
    section = MAN.partition(".SH METRICS")[2].partition(".SH RETRIES")[0]
    assert re.findall(rf"^\.B ({metrics_file.PREFIX}\w+)$", section, re.MULTILINE) == names


def test_each_option_has_one_entry_in_the_manual() -> None:
    """Those of the settings with their variable below."""
    section = MAN.partition(".SH OPTIONS")[2].partition(".SH EXIT STATUS")[0]
    entries = re.findall(r"^\.TP\n\.\w+ (--[a-z-]+)", section, re.MULTILINE)
    others = {"--dry-run", "--limit", "--json", "--sql", "--version", "--help"}
    assert sorted(entries) == sorted({setting.option for setting in SETTINGS.values()} | others)
    for setting in SETTINGS.values():
        assert re.search(
            rf"^\.BI {setting.option}\\~ .*\n\.RB \( {setting.variable} \)$", section, re.MULTILINE
        )


def test_the_settings_file_has_each_variable_once() -> None:
    """All commented out, with the default where there is one that is no path."""
    found = dict(re.findall(r"^#(GEOCACHE_CLEANUP_\w+)=(.*)$", DEFAULTS, re.MULTILINE))
    assert list(found) == [setting.variable for setting in SETTINGS.values()]
    for setting in SETTINGS.values():
        assert setting.default in {None, found[setting.variable]}
    assert all(line[0] == "#" for line in DEFAULTS.splitlines() if line)
