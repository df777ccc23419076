"""What check says of the timers of a real systemd, and of who may write."""

import json
import shlex
from typing import Any

import pytest

from helpers.system.machine import DATABASE, START, USER, Machine

pytestmark = pytest.mark.system

TIMER = "geocache-cleanup.timer"


def check(machine: Machine) -> dict[str, Any]:
    """Return the document of check, as the service, once systemd has answered it."""

    def ask() -> dict[str, Any]:
        shown = machine.run("geocache-cleanup check --json 2>/dev/null")
        document: dict[str, Any] = json.loads(shown)
        busy = "did not answer" in (document["timers"]["unknown"] or "")
        return {} if busy else document

    return machine.until(ask)


def findings(document: dict[str, Any]) -> str:
    """Return all that is said to be wrong."""
    return "\n".join(advice["finding"] for advice in document["advice"])


def test_an_armed_timer(machine: Machine) -> None:
    """It is enabled, and its next start is what systemd itself says."""
    machine.fill(stale=1, fresh=1)
    document = check(machine)
    (timer,) = document["timers"]["units"]
    assert (timer["unit"], timer["enabled"], timer["active"]) == (TIMER, "enabled", "active")
    shown = machine.show(TIMER, "NextElapseUSecRealtime")
    moment = shlex.quote(f"{shown}")
    assert timer["next"] == machine.run(f"date --utc --date={moment} +%FT%TZ").strip()
    assert TIMER not in findings(document)


def test_a_disabled_timer_and_an_instance(machine: Machine) -> None:
    """Nothing starts the job; with the timer of an instance something does."""
    machine.fill(stale=1, fresh=1)
    machine.run(f"systemctl disable --now {TIMER}")
    try:
        document = check(machine)
        assert document["timers"]["units"][0]["next"] is None
        assert f"{TIMER} is disabled: nothing starts the job" in findings(document)
        machine.write("/etc/geocache-cleanup/eu.env", "GEOCACHE_CLEANUP_TIMEOUT=30\n")
        machine.run("systemctl enable --now geocache-cleanup@eu.timer")
        document = check(machine)
        units = [timer["unit"] for timer in document["timers"]["units"]]
        assert units == [TIMER, "geocache-cleanup@eu.timer"]
        assert "nothing starts the job" not in findings(document)
        machine.run("systemctl disable --now geocache-cleanup@eu.timer")
    finally:
        machine.run(f"systemctl enable --now {TIMER}")


def test_a_timer_that_ends_with_the_next_boot(machine: Machine) -> None:
    """And one that only the next boot will start."""
    machine.fill(stale=1, fresh=1)
    try:
        machine.run(f"systemctl stop {TIMER}")
        assert "enabled but inactive" in findings(check(machine))
        machine.run(f"systemctl disable {TIMER}; systemctl start {TIMER}")
        assert "active but disabled" in findings(check(machine))
    finally:
        machine.run(f"systemctl enable --now {TIMER}")


def test_the_last_success_is_shown(machine: Machine) -> None:
    """Once there is a ledger, and a run has written to it."""
    machine.fill(stale=4, fresh=1)
    assert "no ledger is to be seen" in findings(check(machine))
    machine.run("geocache-cleanup migrate")
    assert "no run of this table has ever succeeded" in findings(check(machine))
    machine.run(START)
    document = check(machine)
    assert document["ledger"]["last_run"]["deleted"] == 4
    assert findings(document) == ""


def test_root_and_a_shell_are_told_that_they_are_not_the_service(machine: Machine) -> None:
    """Neither its rights nor its settings are those of the service."""
    machine.fill(stale=1, fresh=1)
    machine.configure(retention_days=30)
    document = json.loads(machine.run("geocache-cleanup check --json"))
    assert document["connection"]["file_owner"] == USER
    assert "root may do anything" in findings(document)
    assert "not given the settings of the service" in findings(document)
    assert machine.run(f"ls {DATABASE}*").split() == [DATABASE]


def test_a_shell_makes_no_database_where_the_service_has_another(machine: Machine) -> None:
    """A bare run does nothing and says why, a bare migration is refused."""
    machine.fill(stale=1, fresh=1, database="/var/lib/geocache-cleanup/other.db")
    machine.configure(database_url="sqlite:////var/lib/geocache-cleanup/other.db")
    machine.run(f"rm -f {DATABASE}*")
    for command, status in [("run", 0), ("check", 0), ("history", 0), ("migrate", 78)]:
        ended = machine.call(f"geocache-cleanup {command}")
        assert ended.returncode == status
        assert "not given the settings of the service" in ended.stdout
    assert machine.status(f"test -e {DATABASE}") == 1


def test_a_file_of_root(machine: Machine) -> None:
    """In the service's own directory it is to be given to the service."""
    machine.fill(stale=1, fresh=1)
    machine.run(f"chown root: {DATABASE}; chmod 666 {DATABASE}")
    document = check(machine)
    assert f"chown {USER}: {DATABASE}" in str(document["advice"])
