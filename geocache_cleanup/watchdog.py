"""The hard stop: ends a command that does not end itself when its time is up.

SQLite tries for some ten seconds where the locks of a write-ahead log fail, and a call to the
storage takes as long as the storage does; neither asks anybody meanwhile. A log that nobody
reads holds its writer up for ever. First the command is given the chance to say why it ends,
then the process ends.
"""

import contextlib
import os
import threading
from collections.abc import Callable, Iterator

from geocache_cleanup.deadline import Deadline
from geocache_cleanup.errors import ExitStatus
from geocache_cleanup.threads import start_thread

# All seconds of the hard stop. Past the deadline:
_GRACE = 1.1  # what ends by itself has done so by then; if not, ``on_expiry`` is called,
_TELLING = 0.4  # and has so long to tell,
_LOGGING = 1.6  # so that this, for the log of any event, comes after both.
# The grace where the deadline was extended.
_GRACE_AFTER_EXTENSION = 0.4
_BETWEEN_LOOKS = 0.05
# Asleep so often in a row, and it is no pause between two writes.
_ASLEEP_OFTEN = 8


class Watchdog:
    """Looks at a deadline from a thread of its own, until it is stopped."""

    def __init__(
        self, deadline: Deadline, exit_process: Callable[[int], object] = os._exit
    ) -> None:
        """Take what to look at; nothing happens before ``start``."""
        self._deadline = deadline
        self._exit = exit_process
        self._stopped = threading.Event()
        # Told to stop by what it calls, too.
        self._expiring = threading.RLock()

    def start(self, on_expiry: Callable[[], None]) -> None:
        """Begin to look; once the deadline is well past, call ``on_expiry`` and end the process.

        It is the deadline as it is now. Raise TemporaryError if there is no thread to be had.
        """
        start_thread(self._guard, self._deadline.remaining + _GRACE, on_expiry)

    def stop(self) -> None:
        """Look no more: how the command ends is decided. Never return if that is too late."""
        with self._expiring:
            self._stopped.set()

    @contextlib.contextmanager
    def limit(self, status: ExitStatus, seconds: float | None = None) -> Iterator[None]:
        """End the process with a status should a block, such as the log, not end in time.

        It has so many seconds, or a little longer than the command itself.
        """
        seconds = self._deadline.remaining + _LOGGING if seconds is None else seconds
        timer = threading.Timer(min(seconds, threading.TIMEOUT_MAX), self._exit, [int(status)])
        timer.daemon = True
        # Where not even a thread can be had, the event is still worth writing.
        with contextlib.suppress(RuntimeError):
            timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _guard(self, seconds: float, on_expiry: Callable[[], None]) -> None:
        asleep = 0
        while not self._stopped.wait(min(seconds, threading.TIMEOUT_MAX)):
            seconds = _BETWEEN_LOOKS
            if self._deadline.extension and self._deadline.past < _GRACE_AFTER_EXTENSION:
                continue
            asleep = asleep + 1 if _is_asleep() else 0
            # A commit or a roll-back that is at work is let finish, however slow the storage is.
            if not self._deadline.finishing or asleep >= _ASLEEP_OFTEN:
                with self._expiring:
                    if not self._stopped.is_set():
                        self._expire(on_expiry)
                return

    def _expire(self, on_expiry: Callable[[], None]) -> None:
        try:
            with self.limit(ExitStatus.TEMPFAIL, _TELLING):
                on_expiry()
        finally:
            self._exit(ExitStatus.TEMPFAIL)


def _is_asleep() -> bool:
    """Tell whether the main thread waits, but not for the storage, where it counts as busy."""
    with open("/proc/self/stat", encoding="ascii", errors="replace") as file:
        return file.read().rpartition(")")[2].split()[0] == "S"
