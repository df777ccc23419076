"""The two things that end a command early: its deadline, and a signal."""

import contextlib
import signal
import time
from collections.abc import Iterator
from types import FrameType

from geocache_cleanup.errors import DeadlineError, Interrupted


class Deadline:
    """Tells whether to go on; asked often, also from inside a long statement."""

    def __init__(self, timeout: float) -> None:
        """Start the clock: ``timeout`` is in seconds from now."""
        self.timeout = timeout
        # Seconds on top of that, which no message mentions.
        self.extension = 0.0
        self.started = time.monotonic()
        self._signal: signal.Signals | None = None
        # While a transaction ends, and after: a deadline cuts no commit and no roll-back.
        self.finishing = False

    def install_signal_handlers(self) -> None:
        """Take SIGTERM and SIGINT from now on: noted here, acted on at the next look."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._note)

    @contextlib.contextmanager
    def ended_by_signals(self) -> Iterator[None]:
        """Let both end the process at once: a write that nobody reads is begun anew after each."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        try:
            yield
        finally:
            self.install_signal_handlers()

    def ignore_signals(self) -> None:
        """Ignore both from now on: the outcome is decided, and Python would die of a second one."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self._signal = signal.Signals(number)

    @property
    def signal(self) -> signal.Signals | None:
        """The signal that has arrived, if one has."""
        return self._signal

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self.started

    @property
    def remaining(self) -> float:
        """Seconds left, never below zero."""
        return max(0.0, -self.past)

    @property
    def past(self) -> float:
        """Seconds since the deadline, below zero before it."""
        return self.elapsed - self.timeout - self.extension

    def extend(self, seconds: float) -> None:
        """Allow so many seconds from now, whatever was left."""
        self.extension = self.elapsed + seconds - self.timeout

    def share(self, part: float) -> "Deadline":
        """Return a deadline over a part of the time left; what ends the whole ends it as well."""
        return _Share(self, part)

    def expired(self) -> bool:
        """Whether the command must end."""
        return self.signal is not None or self.remaining <= 0

    def check(self) -> None:
        """Raise Interrupted after a signal, DeadlineError when the time is up."""
        if self.signal is not None:
            raise Interrupted(self.signal.name)
        if self.remaining <= 0:
            raise self.timeout_error()

    def timeout_error(self) -> DeadlineError:
        """Return the error that the time is up."""
        return DeadlineError(
            f"not finished within {self.timeout:g} seconds",
            "raise --timeout, or see what else is at work on the database",
        )


class _Share(Deadline):
    def __init__(self, whole: Deadline, part: float) -> None:
        super().__init__(whole.remaining * part)
        self._whole = whole

    @property
    def signal(self) -> signal.Signals | None:
        return self._whole.signal

    def expired(self) -> bool:
        return self._whole.expired() or super().expired()

    def check(self) -> None:
        self._whole.check()
        super().check()
