"""What can end a command, and the exit status each has.

The numbers are those of sysexits.h, which systemd prints by name; systemd retries the
transient ones and leaves the rest to the admin.
"""

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

from geocache_cleanup.result import Result

# In a hint for the admin of a service: where the settings are.
SETTINGS_FILE = "the settings file of the service"


class ExitStatus(enum.IntEnum):
    """The exit statuses of every command; the names are those that systemd prints."""

    OK = 0
    INVALIDARGUMENT = 2
    DATAERR = 65
    NOINPUT = 66
    UNAVAILABLE = 69
    SOFTWARE = 70
    IOERR = 74
    TEMPFAIL = 75
    NOPERM = 77
    CONFIG = 78
    SIGINT = 130

    @property
    def retryable(self) -> bool:
        """Whether the same command may succeed later with nothing changed."""
        return self in {ExitStatus.UNAVAILABLE, ExitStatus.IOERR, ExitStatus.TEMPFAIL}


class CleanupError(Exception):
    """Never raised directly: an expected end, with its reason and what the admin should do."""

    status: ClassVar[ExitStatus]
    # What is kept of a run in batches.
    partial: Result | None = None
    in_doubt = False

    def __init__(self, reason: str, hint: str, service_hint: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.hint = hint
        # What the admin of a service should do instead, where that is something else.
        self.service_hint = service_hint or hint

    def of_commit(self) -> Self:
        """Return the error as one of the commit, which may have taken effect all the same."""
        self.reason += "; it may have come after a commit"
        self.in_doubt = True
        return self


class SettingsError(CleanupError):
    """One or more settings cannot be used; all of them are named."""

    status = ExitStatus.INVALIDARGUMENT

    def __init__(self, problems: Sequence[str]) -> None:
        hint = "correct what is named, or leave it out"
        super().__init__("; ".join(problems), hint, f"{hint}, in {SETTINGS_FILE}")
        self.problems = tuple(problems)


class DataError(CleanupError):
    """The stored data stops the job: damage, a constraint, or the guard against mass deletion."""

    status = ExitStatus.DATAERR


class NoInputError(CleanupError):
    """The database file does not exist."""

    status = ExitStatus.NOINPUT


class UnavailableError(CleanupError):
    """The server cannot be reached, or went away."""

    status = ExitStatus.UNAVAILABLE


class StorageError(CleanupError):
    """The disk is full or failing."""

    status = ExitStatus.IOERR


class TemporaryError(CleanupError):
    """Something else has the lock, or the time ran out."""

    status = ExitStatus.TEMPFAIL


class DeadlineError(TemporaryError):
    """The time that --timeout gives is over."""


class PermissionRefusedError(CleanupError):
    """The user, or the database account, may not do this; or the file system is read-only."""

    status = ExitStatus.NOPERM


class ConfigError(CleanupError):
    """The database does not fit: unusable URL, missing driver, table or column."""

    status = ExitStatus.CONFIG


class NoTableError(ConfigError):
    """The database has no table that the name in the settings may mean."""


class Interrupted(Exception):  # noqa: N818 - a signal is not an error
    """SIGTERM or SIGINT asked the run to stop; nothing of the open transaction was kept."""

    partial: Result | None = None

    def __init__(self, signal_name: str) -> None:
        super().__init__(signal_name)
        self.signal_name = signal_name


@dataclass(frozen=True)
class Diagnosis:
    """What an error of a database amounts to: how it ends a command, why, and what helps.

    ``service_hint`` is what helps under the service, where that is something else.
    """

    error: type[CleanupError]
    reason: str
    hint: str
    service_hint: str | None = None

    def explain(self, said: str = "", **names: object) -> CleanupError:
        """Return the error to raise: the reason, with ``names`` filled in, and what was said."""
        reason = self.reason.format(**names)
        return self.error(f"{reason}: {said}" if said else reason, self.hint, self.service_hint)
