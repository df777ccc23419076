"""The audit log in the journal, however the job was installed: what has to be true of it."""

import json

from geocache_cleanup.events import Event
from helpers.system.machine import SERVICE, START, Machine

OURS = "--identifier=geocache-cleanup"
PREFIX = "GEOCACHE_CLEANUP_"
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


def make_each_event(machine: Machine) -> None:
    """Bring about every kind of event by real runs."""
    machine.run(START)
    machine.fill(stale=2, fresh=1)
    machine.drop_in(f"[Service]\nExecStart=\nExecStart={machine.program} run --dry-run\n")
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


def assert_each_event_is_recorded(machine: Machine) -> None:
    """Assert that the entries, the JSON lines and the catalog agree with each other."""
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
    _assert_explained(machine)


def _assert_explained(machine: Machine) -> None:
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


def assert_each_run_is_recorded(machine: Machine, runs: int) -> None:
    """Run the job that often; assert that no audit line is lost, and none lacks its unit."""
    machine.fill(stale=0, fresh=1)
    machine.run(f"for i in $(seq {runs}); do {START}; done", timeout=1_800)
    ran = "GEOCACHE_CLEANUP_EVENT=geo_cache_cleanup_ran"
    assert len(machine.journal(ran)) == runs
    entries = machine.journal(f"--unit={SERVICE}", OURS, ran)
    assert len(entries) == runs
    assert len({entry["GEOCACHE_CLEANUP_RUN_ID"] for entry in entries}) == runs
