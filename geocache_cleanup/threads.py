"""Threads beside the one that works: they end with the process, whatever they are in."""

import threading
from collections.abc import Callable

from geocache_cleanup.deadline import Deadline
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


def call_interruptibly(call: Callable[[], object], deadline: Deadline) -> object:
    """Return what a function that may block returns, or raise as soon as ``deadline.check`` would.

    The function is then left to end in a thread of its own. Raise TemporaryError if there is none
    to be had.
    """
    results: list[object] = []
    errors: list[BaseException] = []
    done = threading.Event()

    def work() -> None:
        try:
            results.append(call())
        except BaseException as error:  # noqa: BLE001 - raised again where it belongs
            errors.append(error)
        done.set()

    start_thread(work)
    while not done.wait(0.05):
        deadline.check()
    if errors:
        raise errors[0]
    return results[0]
