"""What check says of the timers of a real systemd, and of who may write."""

import json
import shlex
from typing import Any

import pytest

from helpers.system.machine import DATABASE, SERVICE, START, USER, Machine

pytestmark = pytest.mark.system

TIMER = "geocache-cleanup.timer"
CHECK = "geocache-cleanup check"


def check(machine: Machine, options: str = "") -> dict[str, Any]:
    """Return the document of check, once systemd has answered it."""

    def ask() -> dict[str, Any]:
        document: dict[str, Any] = json.loads(machine.run(f"{CHECK} --json {options} 2>/dev/null"))
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


def test_an_instance_is_told_of_its_own_units(machine: Machine) -> None:
    """Of its timer as well, which systemd has not loaded: nothing it says is of the plain ones."""
    database = "/var/lib/geocache-cleanup/eu/geo_cache.db"
    machine.run("install -d -o geocache-cleanup /var/lib/geocache-cleanup/eu")
    machine.fill(stale=1, fresh=1, database=database)
    machine.write(
        "/etc/geocache-cleanup/eu.env", f"GEOCACHE_CLEANUP_DATABASE_URL=sqlite:///{database}\n"
    )
    machine.run("geocache-cleanup migrate --instance eu")
    document = check(machine, "--instance eu")
    units = [timer["unit"] for timer in document["timers"]["units"]]
    assert units == ["geocache-cleanup@eu.timer", TIMER]
    assert "geocache-cleanup@eu.timer is disabled: nothing starts the job" in findings(document)
    remedies = " ".join(advice["remedy"] for advice in document["advice"])
    assert "start geocache-cleanup@eu.service, then journalctl -u geocache-cleanup@eu " in remedies
    assert SERVICE not in remedies
    machine.sqlite("DROP TABLE geo_cache", database)
    machine.run("systemctl start geocache-cleanup@eu.service || true")
    explained = machine.run("journalctl --quiet -x -u geocache-cleanup@eu.service -p err")
    assert "systemctl start 'geocache-cleanup@eu.service'" in explained


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


def test_a_file_of_root(machine: Machine) -> None:
    """In the service's own directory it is to be given to the service."""
    machine.fill(stale=1, fresh=1)
    machine.run(f"chown root: {DATABASE}; chmod 666 {DATABASE}")
    document = check(machine)
    assert f"chown {USER}: {DATABASE}" in str(document["advice"])
