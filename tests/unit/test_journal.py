"""What the job says to the journal, and what the journal's catalog explains of it."""

import json
import logging
import os
import re
from pathlib import Path

import pytest

from geocache_cleanup.events import Event
from geocache_cleanup.systemd.journal import (
    PriorityPrefix,
    is_journal,
    journal_fields,
    priority,
)

CATALOG = Path(__file__).parents[2] / "packaging" / "geocache-cleanup.catalog"


def stream_of(fd: int) -> str:
    """Return what JOURNAL_STREAM would say if the file descriptor were the journal."""
    found = os.fstat(fd)
    return f"{found.st_dev}:{found.st_ino}"


def record(level: int, message: str = "said") -> logging.LogRecord:
    return logging.LogRecord("test", level, __file__, 1, message, None, None)


def test_a_stream_is_the_journal_only_if_device_and_inode_match(tmp_path: Path) -> None:
    """A redirected stream is not the journal although the variable is inherited."""
    with open(tmp_path / "one", "w") as one, open(tmp_path / "two", "w") as two:
        assert is_journal(stream_of(one.fileno()), one.fileno())
        assert not is_journal(stream_of(one.fileno()), two.fileno())


@pytest.mark.parametrize("value", [None, "", "junk", "1:2:3"])
def test_no_stream_is_the_journal_without_a_usable_variable(value: str | None) -> None:
    """Outside of a unit nothing goes to the journal."""
    assert not is_journal(value, 2)


def test_a_closed_stream_is_not_the_journal(tmp_path: Path) -> None:
    """A daemon started without standard error must not fail over this question."""
    with open(tmp_path / "closed", "w") as stream:
        fd, name = stream.fileno(), stream_of(stream.fileno())
    assert not is_journal(name, fd)


@pytest.mark.parametrize(
    ("level", "number"),
    [
        (logging.CRITICAL, 2),
        (logging.ERROR, 3),
        (logging.WARNING, 4),
        (logging.INFO, 6),
        (logging.DEBUG, 7),
    ],
)
def test_levels_map_to_syslog_priorities(level: int, number: int) -> None:
    """The same number serves both ways into the journal."""
    assert priority(level) == number
    line = PriorityPrefix(logging.Formatter("%(message)s")).format(record(level))
    assert line == f"<{number}>said"


def test_fields_repeat_the_line() -> None:
    """Every key of the document is a field; text stays as it is, the rest is JSON."""
    line = json.dumps(
        {
            "event": Event.RAN.value,
            "deleted": 12,
            "dry_run": False,
            "table": 'a="b"\nc',
            "retention_days": None,
            "duration_seconds": 0.25,
        }
    )
    assert journal_fields(line) == {
        "MESSAGE_ID": Event.RAN.message_id,
        "GEOCACHE_CLEANUP_EVENT": "geo_cache_cleanup_ran",
        "GEOCACHE_CLEANUP_DELETED": "12",
        "GEOCACHE_CLEANUP_DRY_RUN": "false",
        "GEOCACHE_CLEANUP_TABLE": 'a="b"\nc',
        "GEOCACHE_CLEANUP_DURATION_SECONDS": "0.25",
    }


def test_a_line_without_an_event_has_no_message_id() -> None:
    """A warning of a library is no audit event and must not be explained as one."""
    assert journal_fields('{"message": "from a library"}') == {
        "GEOCACHE_CLEANUP_MESSAGE": "from a library"
    }


def catalog_entries() -> dict[str, str]:
    """Return the text of each entry in the journal's catalog by its message id."""
    parts = re.split(r"^-- ([0-9a-f]{32})$", CATALOG.read_text(), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_the_catalog_explains_each_event_and_no_other() -> None:
    """``journalctl -x`` finds its text by the id that the program sends."""
    assert set(catalog_entries()) == {event.message_id for event in Event}


def test_what_a_killed_run_leaves_is_not_promised() -> None:
    """It may have been killed after a commit, of a batch or of all; the ledger knows."""
    text = " ".join(catalog_entries()[Event.STARTED.message_id].split())
    assert "before the run or as it is after it, in batches some are done" in text
    assert '"geocache-cleanup history" tells which' in text
    assert "no transactions" in text


@pytest.mark.parametrize("event", Event, ids=lambda event: event.name.lower())
def test_a_catalog_entry_names_its_event(event: Event) -> None:
    """Ids are opaque; the event's name in the text shows that none were swapped."""
    text = catalog_entries()[event.message_id]
    assert re.search(rf"\b{event.value}\b", text)
    assert text.startswith("\nSubject: ")
    # An instance has units and a settings file of its own.
    assert not re.search(r"geocache-cleanup\.(service|timer)|/etc/default", text)
