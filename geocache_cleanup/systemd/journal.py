"""What the job says to the journal: entries with fields that can be matched.

Nothing here reads the environment: the callers hand in ``JOURNAL_STREAM``.
"""

import json
import logging
import os
from collections.abc import Mapping
from typing import TextIO

from geocache_cleanup.events import Event
from geocache_cleanup.systemd import journal_socket

IDENTIFIER = "geocache-cleanup"
FIELD_PREFIX = "GEOCACHE_CLEANUP_"

_MESSAGE_IDS: Mapping[str, str] = {event.value: event.message_id for event in Event}


def is_journal(journal_stream: str | None, fd: int) -> bool:
    """Tell whether the file descriptor is the journal's stream named by ``JOURNAL_STREAM``.

    The variable alone proves nothing: it is inherited by children whose output was redirected.
    """
    if not journal_stream:
        return False
    try:
        found = os.fstat(fd)
    except OSError:
        return False
    return journal_stream == f"{found.st_dev}:{found.st_ino}"


def priority(level: int) -> int:
    """Map a level of ``logging`` to the syslog priority (3 error ... 7 debug)."""
    for least, number in (
        (logging.CRITICAL, 2),
        (logging.ERROR, 3),
        (logging.WARNING, 4),
        (logging.INFO, 6),
    ):
        if level >= least:
            return number
    return 7


def journal_fields(line: str) -> dict[str, str]:
    """Turn one formatted JSON line into the fields of its journal entry.

    Reading the line back keeps the entry and the line from ever disagreeing. Keys without a
    value are left out, so that a match on the field finds only entries which have one.
    """
    document = json.loads(line)
    fields = {
        FIELD_PREFIX + key.upper(): value if isinstance(value, str) else json.dumps(value)
        for key, value in document.items()
        if value is not None
    }
    message_id = _MESSAGE_IDS.get(str(document.get("event")))
    if message_id is not None:
        fields["MESSAGE_ID"] = message_id
    return fields


class PriorityPrefix(logging.Formatter):
    """Put ``<N>`` before the lines of another formatter, as sd-daemon(3) defines it.

    The journal takes it off again and files the line under that priority.
    """

    def __init__(self, formatter: logging.Formatter) -> None:
        """Wrap the formatter that makes the line itself."""
        super().__init__()
        self._formatter = formatter

    def format(self, record: logging.LogRecord) -> str:
        """Return the wrapped formatter's line behind its priority."""
        return f"<{priority(record.levelno)}>{self._formatter.format(record)}"


class NativeHandler(logging.Handler):
    """Send each record as one journal entry whose fields can be matched."""

    def __init__(
        self, formatter: logging.Formatter, stream: TextIO, address: str = journal_socket.ADDRESS
    ) -> None:
        """Take the formatter that makes the JSON line, and the stream that is the journal's."""
        super().__init__()
        self.setFormatter(formatter)
        self._address = address
        self._fallback = logging.StreamHandler(stream)
        self._fallback.setFormatter(PriorityPrefix(formatter))

    def emit(self, record: logging.LogRecord) -> None:
        """Send the record, or write it to the stream where the journal refuses."""
        try:
            line = self.format(record)
            fields = {
                "MESSAGE": line,
                "PRIORITY": str(priority(record.levelno)),
                "SYSLOG_IDENTIFIER": IDENTIFIER,
            }
            journal_socket.send(fields | journal_fields(line), self._address)
        except (OSError, TypeError, ValueError):
            # A sandbox without AF_UNIX, say, or a line that is no JSON: no event may be lost.
            self._fallback.emit(record)
