"""One command under way: its settings in, its events out."""

import contextlib
import datetime as dt
import os
import sys
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Self, TextIO, cast

from geocache_cleanup import hints, output
from geocache_cleanup.config import redaction, variables
from geocache_cleanup.config.loader import RawSetting, collect, resolve
from geocache_cleanup.config.settings import (
    DEFAULT_DATABASE,
    LOG_FORMATS,
    LOG_LEVELS,
    SETTINGS,
    Settings,
)
from geocache_cleanup.deadline import Deadline
from geocache_cleanup.errors import CleanupError, ExitStatus
from geocache_cleanup.events import Event, exit_status_of
from geocache_cleanup.log import EventLog
from geocache_cleanup.result import JOB_KEYS
from geocache_cleanup.systemd import service, settings_file
from geocache_cleanup.systemd.notify import Notifier
from geocache_cleanup.systemd.service import Service
from geocache_cleanup.watchdog import Watchdog

if TYPE_CHECKING:
    from sqlalchemy.engine import URL

_LONGEST_RUN_ID = 64


class Invocation:
    """One command's settings, log, and clock, and the fields that all its events carry."""

    def __init__(
        self,
        options: Mapping[str, object],
        extra: Sequence[str] = (),
        fields: Mapping[str, object] | None = None,
    ) -> None:
        """Take the options and arguments as they were given; nothing is read or checked yet."""
        self._options = options
        self._extra = extra
        self.fields = dict(fields or {})
        self.secrets: set[str] = set()
        self.has_password = False
        self.deadline = Deadline(float("inf"))
        self.watchdog = Watchdog(self.deadline)
        # Called by the watchdog when the time is up, to tell why; set by the error boundary.
        self.on_expiry: Callable[[], None] = lambda: None
        self.notifier = Notifier(os.environ.get("NOTIFY_SOCKET"))
        self.given: Mapping[str, RawSetting] = {}
        # What systemd has started this process as, if it has.
        self.service = service.current(cast("str | None", options.get("instance")))
        # Told of each event before it is logged; returns what went wrong with that, if anything.
        self.observe: Callable[[Event, Mapping[str, object]], str | None] = lambda *_: None
        # A closed stderr is no reason not to prune; the ledger still has the record.
        self._stream = sys.stderr or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - to the end
        self.events = EventLog(self._stream, "auto", None, os.environ.get("JOURNAL_STREAM"))
        self.settings: Settings

    @classmethod
    def of_run(cls, options: Mapping[str, object], extra: Sequence[str]) -> Self:
        """Take those of a run, whose events have an id; systemd's, if the ledger can hold it."""
        given = os.environ.get("INVOCATION_ID", "")
        is_usable = given.isascii() and 0 < len(given) <= _LONGEST_RUN_ID
        run_id = given if is_usable else uuid.uuid4().hex
        fields = {**dict.fromkeys(JOB_KEYS), "dry_run": options["dry_run"], "run_id": run_id}
        return cls(options, extra, fields)

    def load(self) -> None:
        """Read the settings; raise CleanupError if any cannot be used."""
        directory = os.environ.get("CREDENTIALS_DIRECTORY")
        self.given = collect(self._options, os.environ, directory)
        url = self.given.get("database_url")
        self.secrets = redaction.secrets_of((url and url.text) or "")
        log_format, log_level = self.given["log_format"].text, self.given["log_level"].text
        self.events = EventLog(
            self._stream,
            log_format if log_format in LOG_FORMATS else "auto",
            log_level if log_level in LOG_LEVELS else None,
            os.environ.get("JOURNAL_STREAM"),
        )
        self.settings = resolve(self.given, dt.datetime.now(dt.UTC), list(self._problems()))
        self.deadline.timeout = self.settings.timeout

    def _problems(self) -> Iterator[str]:
        if self._extra:
            # Not repeated: it may be a URL whose option was forgotten.
            yield f"{len(self._extra)} unexpected argument(s) after the command"
        yield from variables.unknown(os.environ)
        if self.service:
            yield from settings_file.problems(self.service.settings_file)

    @property
    def service_of_admin(self) -> Service:
        """What an admin is told of: the service that this command is, else the plain one."""
        return self.service or Service()

    @property
    def ignores_service(self) -> bool:
        """Whether this host has settings of a service which the command was not given."""
        return not (self.settings.configured or self.service) and service.configured() is not None

    def database_url(self) -> "URL":
        """Parse the database URL, and show it in every event from now on, without its secrets."""
        from geocache_cleanup.engines.urls import engine_class, parse_url  # imports SQLAlchemy

        url = parse_url(self.settings.database_url)
        self.has_password = bool(url.password) or any(map(redaction.is_password, url.query))
        self.fields["database"] = engine_class(url).shown_url(url)
        # A server is asked to stop, and cut off if it does not.
        if engine_class(url).is_embedded:
            self.watchdog.start(self.on_expiry)
        return url

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
        with self.watchdog.limit(status):
            self.events.emit(event, level, message, fields)

    def show(self, text: str) -> None:
        """Print what a command found; raise OSError if it cannot be written."""
        # Whoever reads, in a pager for instance, may take as long as they like.
        self.watchdog.stop()
        with self.deadline.ended_by_signals():
            output.show(text)

    def hint_of(self, error: CleanupError) -> str:
        """Return what the reader should do, in the words of what they have."""
        return self.in_words_of_reader(error.service_hint if self.service else error.hint)

    def in_words_of_reader(self, hint: str) -> str:
        """Return a hint that names options, or under the service its variables and their file."""
        if self.service is None:
            return hint
        source = self.given["database_url"].source if "database_url" in self.given else "default"
        return hints.for_service(hint, self.service, source)

    def remark(self, text: str) -> None:
        """Tell a person something beside what the command prints."""
        with contextlib.suppress(OSError):
            self._stream.write(f"geocache-cleanup: {text}\n")
            self._stream.flush()

    @property
    def terminal(self) -> TextIO | None:
        """Where to show people how a long run gets on; None where no person looks on."""
        return self._stream if self._stream.isatty() else None

    def redact(self, text: str) -> str:
        """Take the secrets out of text that came from a library."""
        for secret in sorted(self.secrets, key=len, reverse=True):
            text = text.replace(secret, "***")
        return text

    def nothing_configured(self) -> bool:
        """Tell, in one event, that nobody has named a database and there is no default one."""
        if self.settings.configured:
            return False
        try:
            os.stat(DEFAULT_DATABASE)
        except FileNotFoundError:
            self.emit(Event.SKIPPED, "info", f"Nothing to do: {self._why_nothing()}")
            return True
        except OSError:
            return False  # a run reports what is wrong with it
        return False

    def _why_nothing(self) -> str:
        if self.ignores_service:
            return f"{service.NOT_GIVEN}; {service.NOT_GIVEN_REMEDY}"
        return (
            f"no database is configured and there is no {DEFAULT_DATABASE}; set "
            f"{SETTINGS['database_url'].variable} in {self.service_of_admin.settings_file}"
        )
