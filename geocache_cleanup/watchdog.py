"""Ends a command that does not end itself when its time is up.

SQLite tries for some ten seconds where the locks of a write-ahead log fail, and a call to the
storage takes as long as the storage does; neither asks anybody meanwhile.
"""

import threading
from typing import Callable

from geocache_cleanup.watch import Watch

# What ends by itself has begun to by then.
_GRACE_SECONDS = 0.6
_LONGEST_SLEEP = 3_600.0
_SECONDS_BETWEEN_LOOKS = 0.05
# So often in a row, and it is no pause between two writes.
_ASLEEP_OFTEN = 8


class Watchdog:
    """Looks at a watch from a thread of its own, until it is stopped."""

    def __init__(self, watch: Watch) -> None:
        """Take what to look at; nothing happens before ``start``."""
        self._watch = watch
        self._stopped = threading.Event()
        # Told to stop by what it bites, too.
        self._biting = threading.RLock()

    def start(self, bite: Callable[[], None]) -> None:
        """Begin to look; ``bite`` is called in that thread once the deadline is well past."""
        threading.Thread(target=self._guard, args=(bite,), daemon=True).start()

    def stop(self) -> None:
        """Look no more: how the command ends is decided. Never return if that is too late."""
        with self._biting:
            self._stopped.set()

    def _guard(self, bite: Callable[[], None]) -> None:
        asleep, seconds = 0, self._seconds()
        while not self._stopped.wait(seconds):
            seconds = max(self._seconds(), _SECONDS_BETWEEN_LOOKS)
            if seconds > _SECONDS_BETWEEN_LOOKS:
                continue  # the time was extended
            asleep = asleep + 1 if _is_asleep() else 0
            # A commit or a roll-back that is at work is let finish, however slow the storage is.
            if not self._watch.ending or asleep >= _ASLEEP_OFTEN:
                with self._biting:
                    if not self._stopped.is_set():
                        bite()
                return

    def _seconds(self) -> float:
        late = self._watch.elapsed - self._watch.timeout
        return min(max(_GRACE_SECONDS - late, 0.0), _LONGEST_SLEEP)


def _is_asleep() -> bool:
    """Tell whether the main thread waits, but not for the storage, where it counts as busy."""
    with open("/proc/self/stat", encoding="ascii", errors="replace") as file:
        return file.read().rpartition(")")[2].split()[0] == "S"
