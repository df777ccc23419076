"""Ends a statement on a server when the run must end.

The driver waits for the server in C, where no signal handler of Python runs: a thread of its
own is woken by the signal and asks the server to give the statement up.
"""

import contextlib
import select
import signal
import socket
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

from geocache_cleanup.deadline import Deadline
from geocache_cleanup.errors import TemporaryError
from geocache_cleanup.threads import start_thread

# A server that is well answers within this; then it is asked again.
_PATIENCE_SECONDS = 0.5
# A server that has not answered by then is given up.
_ASKED_OFTEN = 6
# MariaDB lets nobody but its definer end a trigger: then the connection is given up soon.
_REFUSED_OFTEN = 2
_LONGEST_SLEEP = 3_600.0
_STOP = 0


class Canceller:
    """While it is entered, calls ``cancel`` when the time is up or a signal arrives.

    ``cancel`` is called again until the statement has ended, then ``cut``, which must make the
    driver give up waiting, sooner if ``cancel`` raises. Both run in other threads.
    """

    def __init__(
        self, deadline: Deadline, cancel: Callable[[], None], cut: Callable[[], None]
    ) -> None:
        self._deadline = deadline
        self._cancel = cancel
        self._cut = cut
        self._wakeup_read, self._wakeup_write = socket.socketpair()
        self._wakeup_write.setblocking(False)
        self._done = threading.Event()
        self._thread: threading.Thread | None = None
        self._refused = 0
        self._previous: int | None = None

    def __enter__(self) -> Self:
        """Raise TemporaryError if there is no thread to be had."""
        self._thread = start_thread(self._guard)
        with contextlib.suppress(ValueError):  # only the main thread may, and only it needs to
            self._previous = signal.set_wakeup_fd(
                self._wakeup_write.fileno(), warn_on_full_buffer=False
            )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._previous is not None:
            signal.set_wakeup_fd(self._previous)
        self._done.set()
        with contextlib.suppress(BlockingIOError):
            self._wakeup_write.send(bytes([_STOP]))
        assert self._thread is not None
        self._thread.join()
        self._wakeup_read.close()
        self._wakeup_write.close()

    def _guard(self) -> None:
        heard: set[int] = set()
        while not heard & {_STOP, signal.SIGTERM, signal.SIGINT} and not self._deadline.expired():
            wait = min(self._deadline.remaining, _LONGEST_SLEEP)
            if select.select([self._wakeup_read], [], [], wait)[0]:
                heard |= set(self._wakeup_read.recv(4096))
        times = 0
        while not self._done.is_set():
            is_hopeless = times >= _ASKED_OFTEN or self._refused >= _REFUSED_OFTEN
            # Asking may block as well, when it is the network that is gone.
            call = self._cut if is_hopeless else self._cancel
            try:
                start_thread(self._try, call)
            except TemporaryError:
                self._try(call)
            times += 1
            self._done.wait(_PATIENCE_SECONDS)

    def _try(self, call: Callable[[], None]) -> None:
        try:
            call()
        except Exception:  # noqa: BLE001 - whatever it is, it did not help
            self._refused += 1
