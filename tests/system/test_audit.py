"""The audit log in the journal."""

import json

import pytest

from geocache_cleanup.events import Event
from helpers.system.machine import SERVICE, START, Machine

pytestmark = pytest.mark.system

OURS = "--identifier=geocache-cleanup"
PREFIX = "GEOCACHE_CLEANUP_"


def make_each_event(machine: Machine) -> None:
    """Bring about every kind of event by real runs."""
    machine.run(START)
    machine.fill(stale=2, fresh=1)
    machine.drop_in("[Service]\nExecStart=\nExecStart=/usr/bin/geocache-cleanup run --dry-run\n")
    machine.run(START)
    machine.drop_in("")
    machine.configure(reclaim="yes")
    machine.run(START)
    machine.configure()
    machine.run(START)
    with machine.locked():
        machine.begin()
        machine.run(f"systemctl stop {SERVICE}")
    machine.sqlite("INSERT INTO geo_cache VALUES ('bad', '1 January')")
    machine.run(START)
    machine.sqlite("DROP TABLE geo_cache")
    machine.status(START)


PRIORITIES = [
    ("skipped", "6"),
    ("started", "7"),
    ("would_run", "6"),
    ("started", "7"),
    ("ran", "6"),
    ("reclaimed", "6"),
    ("started", "7"),
    ("ran", "7"),
    ("interrupted", "4"),
    ("started", "7"),
    ("ran", "4"),
    ("failed", "3"),
]


def test_each_event_has_its_priority_id_fields_and_explanation(machine: Machine) -> None:
    """The entry, the JSON line and the catalog agree with each other."""
    make_each_event(machine)
    entries = machine.journal(f"--unit={SERVICE}", OURS)
    ids = {event.value: event.message_id for event in Event}
    for entry in entries:
        document = json.loads(entry["MESSAGE"])
        assert entry["_TRANSPORT"] == "journal"
        assert entry["MESSAGE_ID"] == ids[document["event"]]
        for key, value in document.items():
            text = value if isinstance(value, str) else json.dumps(value)
            assert entry.get(PREFIX + key.upper()) == (None if value is None else text)
    found = [(entry[PREFIX + "EVENT"], entry["PRIORITY"]) for entry in entries]
    assert found == [("geo_cache_cleanup_" + name, number) for name, number in PRIORITIES]
    explanations(machine)


def explanations(machine: Machine) -> None:
    """Assert that ``journalctl -x`` fills in the figures of each event, and leaves no gap."""
    for event in Event:
        text = machine.run(
            f"journalctl --quiet --catalog {machine.since} --lines=1 MESSAGE_ID={event.message_id}"
        )
        explained = [line for line in text.splitlines() if line.startswith("░░")]
        assert any(event.value in line for line in explained), text
        assert not any("@GEOCACHE" in line for line in explained), text
    text = machine.run(f"journalctl -x --no-pager MESSAGE_ID={Event.FAILED.message_id} --lines=1")
    assert "What to do: " in text


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
    machine.fill(stale=0, fresh=1)
    machine.run(f"for i in $(seq 200); do {START}; done", timeout=1_800)
    ran = "GEOCACHE_CLEANUP_EVENT=geo_cache_cleanup_ran"
    assert len(machine.journal(ran)) == 200
    entries = machine.journal(f"--unit={SERVICE}", OURS, ran)
    assert len(entries) == 200
    assert len({entry["GEOCACHE_CLEANUP_RUN_ID"] for entry in entries}) == 200
