"""Threads beside the one that works: they end with the process, whatever they are in."""

import threading
from collections.abc import Callable

from geocache_cleanup.errors import TemporaryError


def start_thread(work: Callable[..., object], *arguments: object) -> threading.Thread:
    """Start a thread; raise TemporaryError if the machine, or the unit, has none left."""
    thread = threading.Thread(target=work, args=arguments, daemon=True)
    try:
        thread.start()
    except RuntimeError as error:
        raise TemporaryError(
            f"the machine has no room for another thread: {error}",
            "see TasksMax= of the unit, and ulimit -u and -v",
        ) from None
    return thread
