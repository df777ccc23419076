"""The event log: one line of JSON for each event, or a sentence for a person at a terminal."""

import datetime as dt
import logging
from collections.abc import Mapping
from typing import Any, TextIO

from geocache_cleanup import __version__
from geocache_cleanup.events import Event
from geocache_cleanup.systemd import journal

try:
    from pythonjsonlogger.json import JsonFormatter
except ImportError:  # before 3.1, as in Debian 12
    from pythonjsonlogger.jsonlogger import JsonFormatter  # type: ignore[attr-defined]

_LEVELS = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}


class EventFormatter(JsonFormatter):
    """Format an event as one line of JSON, the keys that are always there first."""

    def add_fields(
        self,
        log_record: dict[str, Any],
        record: logging.LogRecord,
        message_dict: dict[str, Any],
    ) -> None:
        """Fill in the keys; the event's own fields come last."""
        log_record["timestamp"] = timestamp(record.created)
        log_record["level"] = record.levelname.lower()
        log_record["event"] = None
        log_record["message"] = None
        log_record["version"] = __version__
        super().add_fields(log_record, record, message_dict)


class SentenceFormatter(logging.Formatter):
    """Format an event for a person: its message, then what to do."""

    def format(self, record: logging.LogRecord) -> str:
        """Return printable text; names from a database may hold terminal escape codes."""
        lines = [f"{record.levelname.lower()}: {record.getMessage()}"]
        if hint := getattr(record, "hint", None):
            lines.append(f"hint: {hint}")
        lines.extend((getattr(record, "traceback", None) or "").splitlines())
        return "\n".join(map(printable, lines))


class EventLog:
    """Where the events of one command go."""

    def __init__(
        self,
        stream: TextIO,
        log_format: str,
        log_level: str | None,
        journal_stream: str | None,
    ) -> None:
        """Write to ``stream``, or to the journal where ``journal_stream`` says that it is one.

        The names are those of the settings; ``log_level`` None means the stream's default.
        """
        terminal = stream.isatty()
        self._logger = logging.getLogger("geocache_cleanup.events")
        self._logger.handlers.clear()
        # What libraries log, such as a rollback on a connection that broke, is no event.
        logging.getLogger().addHandler(logging.NullHandler())
        self._logger.propagate = False
        self._logger.setLevel(_LEVELS[log_level or ("info" if terminal else "debug")])
        text = log_format == "text" or (log_format == "auto" and terminal)
        self._logger.addHandler(_handler(stream, text, journal_stream))

    def emit(self, event: Event, level: str, message: str, fields: Mapping[str, object]) -> None:
        """Log one event; ``fields`` become keys of the line."""
        self._logger.log(_LEVELS[level], "%s", message, extra={"event": event.value, **fields})


def _handler(stream: TextIO, text: bool, journal_stream: str | None) -> logging.Handler:
    formatter: logging.Formatter = SentenceFormatter() if text else EventFormatter("%(message)s")
    in_journal = journal.is_journal(journal_stream, _descriptor(stream))
    if in_journal and not text:
        return journal.NativeHandler(formatter, stream)
    handler = logging.StreamHandler(stream)
    handler.setFormatter(journal.PriorityPrefix(formatter) if in_journal else formatter)
    return handler


def _descriptor(stream: TextIO) -> int:
    try:
        return stream.fileno()
    except OSError:  # a stream without a file, in a test for instance
        return -1


def timestamp(seconds: float) -> str:
    """Write seconds since the epoch as RFC 3339 in UTC."""
    moment = dt.datetime.fromtimestamp(seconds, dt.UTC)
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


def printable(text: str) -> str:
    """Escape what a terminal would not show as it is."""
    return "".join(
        character if character.isprintable() else ascii(character)[1:-1] for character in text
    )
