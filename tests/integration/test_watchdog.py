"""Whether the watchdog bites, beside a main thread that waits or works."""

import hashlib
import math
import threading
import time

import pytest

from geocache_cleanup.deadline import Deadline
from geocache_cleanup.watchdog import Watchdog

_TIMEOUT = 0.05
# Seconds in which one would bite that bites at all, on a machine busy with other things too.
_LONG_ENOUGH = 2.5
_GENEROUS = 30
_MUCH = bytes(100_000_000)


def bites(
    deadline: Deadline, *, work: bool, stop: bool = False, seconds: float = _LONG_ENOUGH
) -> bool:
    """Tell whether it bites in time while this thread works, or else waits."""
    bitten = threading.Event()
    dog = Watchdog(deadline, exit_process=lambda _: None)
    dog.start(bitten.set)
    if stop:
        dog.stop()
    end = time.monotonic() + seconds
    while time.monotonic() < end and not bitten.is_set():
        if work:
            hashlib.sha256(_MUCH)  # at work in C, as SQLite is: not even waiting for Python
        else:
            time.sleep(0.3)
    dog.stop()
    return bitten.is_set()


@pytest.mark.parametrize(
    ("ending", "work", "bitten"),
    [(False, False, True), (False, True, True), (True, False, True), (True, True, False)],
)
def test_only_a_commit_at_work_is_let_finish(ending: bool, work: bool, bitten: bool) -> None:
    """Past the deadline: whoever hangs is bitten, and whoever works, but not at the end."""
    deadline = Deadline(_TIMEOUT)
    deadline.finishing = ending
    seconds = _GENEROUS if bitten else _LONG_ENOUGH
    assert bites(deadline, work=work, seconds=seconds) == bitten


def test_not_in_time() -> None:
    """It sleeps while there is time left, which may be for ever."""
    assert not bites(Deadline(60), work=False)
    assert not bites(Deadline(math.inf), work=False)


def test_a_little_more_time_after_a_long_roll_back() -> None:
    """It is granted to count what there is to do; the deadline is told as it was set."""
    deadline, bitten = Deadline(_TIMEOUT), threading.Event()
    deadline.finishing = True
    dog = Watchdog(deadline, exit_process=lambda _: None)
    dog.start(bitten.set)
    # It has begun to look, and this thread is at work.
    end = time.monotonic() + 1.3
    while time.monotonic() < end:
        hashlib.sha256(_MUCH)
    deadline.extend(2.0)
    deadline.finishing = False
    assert not bitten.wait(1.5)
    assert bitten.wait(_GENEROUS)
    assert f"{_TIMEOUT:g} seconds" in deadline.timeout_error().reason


def test_not_once_it_is_stopped() -> None:
    """The command has an end of its own by then."""
    assert not bites(Deadline(_TIMEOUT), work=False, stop=True)


def test_what_it_bites_may_stop_it() -> None:
    """The last event stops it, also the one that it logs itself."""
    done = threading.Event()

    def on_expiry() -> None:
        dog.stop()
        done.set()

    dog = Watchdog(Deadline(0), exit_process=lambda _: None)
    dog.start(on_expiry)
    assert done.wait(30)
