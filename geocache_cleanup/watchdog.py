"""Ends a command that does not end itself when its time is up.

SQLite tries for some ten seconds where the locks of a write-ahead log fail, and a call to the
storage takes as long as the storage does; neither asks anybody meanwhile.
"""

import threading
from typing import Callable

from geocache_cleanup.deadline import Deadline
from geocache_cleanup.errors import TemporaryError

# What ends by itself has done so by then.
_GRACE_SECONDS = 1.1
_SECONDS_BETWEEN_LOOKS = 0.05
# What was given more time after that ends by itself within so much of its end.
_GRACE_AFTER_EXTENSION = 0.4
# So often in a row, and it is no pause between two writes.
_ASLEEP_OFTEN = 8


class Watchdog:
    """Looks at a watch from a thread of its own, until it is stopped."""

    def __init__(self, deadline: Deadline) -> None:
        """Take what to look at; nothing happens before ``start``."""
        self._deadline = deadline
        self._stopped = threading.Event()
        # Told to stop by what it bites, too.
        self._expiring = threading.RLock()

    def start(self, on_expiry: Callable[[], None]) -> None:
        """Begin to look; ``on_expiry`` is called in that thread once the deadline is well past.

        It is the deadline that the watch has now. Raise TemporaryError if there is no thread to
        be had.
        """
        seconds = self._deadline.remaining + _GRACE_SECONDS
        try:
            threading.Thread(target=self._guard, args=(seconds, on_expiry), daemon=True).start()
        except RuntimeError as error:
            raise TemporaryError(
                f"the machine has no room for another thread: {error}",
                "see TasksMax= of the unit, and ulimit -u and -v",
            ) from None

    def stop(self) -> None:
        """Look no more: how the command ends is decided. Never return if that is too late."""
        with self._expiring:
            self._stopped.set()

    def _guard(self, seconds: float, on_expiry: Callable[[], None]) -> None:
        asleep = 0
        while not self._stopped.wait(min(seconds, threading.TIMEOUT_MAX)):
            seconds = _SECONDS_BETWEEN_LOOKS
            if self._deadline.extension and self._deadline.past < _GRACE_AFTER_EXTENSION:
                continue
            asleep = asleep + 1 if _is_asleep() else 0
            # A commit or a roll-back that is at work is let finish, however slow the storage is.
            if not self._deadline.finishing or asleep >= _ASLEEP_OFTEN:
                with self._expiring:
                    if not self._stopped.is_set():
                        on_expiry()
                return


def _is_asleep() -> bool:
    """Tell whether the main thread waits, but not for the storage, where it counts as busy."""
    with open("/proc/self/stat", encoding="ascii", errors="replace") as file:
        return file.read().rpartition(")")[2].split()[0] == "S"
