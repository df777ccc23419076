"""The edge of a command: settings in, events out."""

import contextlib
import datetime as dt
import os
import re
import sys
import threading
import urllib.parse
from typing import TYPE_CHECKING, Callable, Iterator, Mapping, Optional, Sequence, TextIO

from geocache_cleanup import output
from geocache_cleanup.config.loader import RawSetting, collect, resolve
from geocache_cleanup.config.settings import (
    DEFAULT_DATABASE,
    LOG_FORMATS,
    LOG_LEVELS,
    SETTINGS,
    Settings,
)
from geocache_cleanup.deadline import Deadline
from geocache_cleanup.errors import ExitStatus, SettingsError
from geocache_cleanup.events import Event, exit_status_of
from geocache_cleanup.log import EventLog
from geocache_cleanup.systemd import service_settings
from geocache_cleanup.watchdog import Watchdog

if TYPE_CHECKING:
    from sqlalchemy.engine import URL

# Later than the watchdog, which knows what to say.
_GRACE_SECONDS = 1.6
_SECRET_KEY = re.compile("pass|pwd|secret|token|key", re.IGNORECASE)


class Invocation:
    """One command's settings, log, and clock, and the fields that all its events carry."""

    def __init__(
        self,
        options: Mapping[str, object],
        fields: Mapping[str, object],
        extra: Sequence[str] = (),
    ) -> None:
        """Take the options and arguments as they were given; nothing is read or checked yet."""
        self._options = options
        self._extra = extra
        self.fields = dict(fields)
        self.secrets: set[str] = set()
        self.deadline = Deadline(float("inf"))
        # What ends the process when it does not end itself; the ladder knows how.
        self.give_up: Callable[[], None] = lambda: None
        self.watchdog = Watchdog(self.deadline)
        self.given: Mapping[str, RawSetting] = {}
        # Told of each event before it is logged; returns what went wrong with that, if anything.
        self.observe: Callable[[Event, Mapping[str, object]], Optional[str]] = lambda *_: None
        # A closed stderr is no reason not to prune; the ledger still has the record.
        self._stream = sys.stderr or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - to the end
        self.events = EventLog(self._stream, "auto", None, os.environ.get("JOURNAL_STREAM"))
        self.settings: Settings

    def load(self) -> None:
        """Read the settings; raise CleanupError if any cannot be used."""
        directory = os.environ.get("CREDENTIALS_DIRECTORY")
        self.given = collect(self._options, os.environ, directory)
        log_format, log_level = self.given["log_format"].text, self.given["log_level"].text
        self.events = EventLog(
            self._stream,
            log_format if log_format in LOG_FORMATS else "auto",
            log_level if log_level in LOG_LEVELS else None,
            os.environ.get("JOURNAL_STREAM"),
        )
        if self._extra:
            # Not repeated: it may be a URL whose option was forgotten.
            raise SettingsError([f"{len(self._extra)} unexpected argument(s) after the command"])
        self.settings = resolve(self.given, dt.datetime.now(dt.UTC))
        self.deadline.timeout = self.settings.timeout

    def database_url(self) -> "URL":
        """Parse the database URL, and from now on keep its secrets out of every event."""
        from geocache_cleanup.engines.urls import parse_url, shown_url  # imports SQLAlchemy

        url = parse_url(self.settings.database_url)
        secrets = [url.password, *(v for k, v in url.query.items() if _SECRET_KEY.search(k))]
        for secret in map(str, filter(None, secrets)):
            self.secrets |= {secret, urllib.parse.quote(secret), urllib.parse.quote_plus(secret)}
        self.fields["database"] = shown_url(url)
        # A server is asked to stop, and cut off if it does not.
        if url.get_backend_name() == "sqlite":
            self.watchdog.start(self.give_up)
        return url

    def shown_settings(self) -> Sequence[Mapping[str, object]]:
        """Return each setting with its value, safe to show, and where the value came from."""
        return [
            {
                "option": SETTINGS[name].option,
                "variable": SETTINGS[name].variable,
                "value": self.fields["database"] if name == "database_url" else found.text,
                "source": found.source,
            }
            for name, found in self.given.items()
        ]

    def emit(self, event: Event, level: str, message: str, **fields: object) -> None:
        """Log an event with the fields that all events of this command have."""
        if event is not Event.STARTED:
            self.watchdog.stop()
        fields = {**self.fields, **fields}
        if problem := self.observe(event, fields):
            fields["metrics_problem"] = problem
            message += f"; {problem}"
            level = "error" if level == "error" else "warning"
        status = ExitStatus.TEMPFAIL if event is Event.STARTED else exit_status_of(event, fields)
        with self._in_time(status):
            self.events.emit(event, level, message, fields)

    @contextlib.contextmanager
    def _in_time(self, status: ExitStatus) -> Iterator[None]:
        """End the process should nobody take what is written, once its time is up."""
        seconds = min(self.deadline.remaining + _GRACE_SECONDS, threading.TIMEOUT_MAX)
        timer = threading.Timer(seconds, os._exit, [int(status)])
        timer.daemon = True
        # Where not even a thread can be had, the event is still worth writing.
        with contextlib.suppress(RuntimeError):
            timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def show(self, text: str) -> None:
        """Print what a command found; raise OSError if it cannot be written."""
        # Whoever reads, in a pager for instance, may take as long as they like.
        self.watchdog.stop()
        output.show(text)

    @property
    def terminal(self) -> Optional[TextIO]:
        """Where to show people how a long run gets on; None where no person looks on."""
        return self._stream if self._stream.isatty() else None

    def redact(self, text: str) -> str:
        """Take the secrets out of text that came from a library."""
        for secret in sorted(self.secrets, key=len, reverse=True):
            text = text.replace(secret, "***")
        return text


def nothing_configured(invocation: Invocation) -> bool:
    """Tell, in one event, that nobody has named a database yet and there is no default one."""
    if invocation.settings.configured:
        return False
    try:
        os.stat(DEFAULT_DATABASE)
    except FileNotFoundError:
        variable = SETTINGS["database_url"].variable
        why = (
            f"{service_settings.NOT_GIVEN}; {service_settings.REMEDY}"
            if service_settings.is_ignored(invocation.given)
            else f"no database is configured and there is no {DEFAULT_DATABASE}; set {variable} in "
            f"{service_settings.SETTINGS_FILE}, for an instance NAME in "
            "/etc/geocache-cleanup/NAME.env"
        )
        invocation.emit(Event.SKIPPED, "info", f"Nothing to do: {why}")
        return True
    except OSError:
        return False  # a run reports what is wrong with it
    return False
