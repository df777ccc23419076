"""The audit log in the journal."""

import json

import pytest

from helpers.system import audit
from helpers.system.audit import OURS
from helpers.system.machine import SERVICE, START, Machine

pytestmark = pytest.mark.system


def test_each_event_has_its_priority_id_fields_and_explanation(machine: Machine) -> None:
    """The entry, the JSON line and the catalog agree with each other."""
    audit.make_each_event(machine)
    audit.assert_each_event_is_recorded(machine)


def test_journalctl_sorts_by_priority(machine: Machine) -> None:
    """An error is found with -p err, and an ordinary run is not."""
    machine.fill(stale=1, fresh=1)
    machine.run(START)
    assert machine.journal(OURS, "--priority=err") == []
    machine.configure(retention_days="soon")
    machine.status(START)
    assert len(machine.journal(OURS, "--priority=err")) == 1


def test_without_the_socket_lines_keep_their_priority(machine: Machine) -> None:
    """As in a sandbox of somebody's own, which hides it from the program."""
    machine.fill(stale=1, fresh=1)
    machine.drop_in("[Service]\nInaccessiblePaths=/run/systemd/journal/socket\n")
    machine.run(START)
    entries = machine.journal(f"--unit={SERVICE}", OURS)
    assert [entry["_TRANSPORT"] for entry in entries] == ["stdout", "stdout"]
    assert [entry["PRIORITY"] for entry in entries] == ["7", "6"]
    assert json.loads(entries[1]["MESSAGE"])["deleted"] == 1


def test_a_journal_that_refuses_entries_still_gets_the_lines(machine: Machine) -> None:
    """Somebody's drop-in without unix sockets costs the fields, not the audit."""
    machine.fill(stale=1, fresh=1)
    machine.drop_in("[Service]\nRestrictAddressFamilies=none\nNotifyAccess=none\n")
    machine.run(START)
    entries = machine.journal(f"--unit={SERVICE}", OURS)
    assert [json.loads(entry["MESSAGE"])["event"] for entry in entries] == [
        "geo_cache_cleanup_started",
        "geo_cache_cleanup_ran",
    ]


def test_a_journal_that_starts_anew_during_a_run_gets_its_end(machine: Machine) -> None:
    """With its fields and its unit, as if nothing had happened."""
    machine.fill(stale=1, fresh=1)
    with machine.locked():
        machine.begin()
        machine.run("systemctl restart systemd-journald.service")
    machine.finished()
    assert machine.events() == ["ran"]


def test_two_hundred_runs_leave_two_hundred_audit_lines(machine: Machine) -> None:
    """None is lost, and none goes without its unit, however soon the process ends."""
    audit.assert_each_run_is_recorded(machine, 200)
