"""What a run shows while it works: its state to systemd, and a bar on a terminal."""

import contextlib
import math
import threading
from collections.abc import Callable
from typing import Any, Self, TextIO

import typer

from geocache_cleanup.pruning.progress import Progress
from geocache_cleanup.systemd.notify import Notifier
from geocache_cleanup.threads import start_thread

# What takes less needs no bar.
_PATIENCE_SECONDS = 1


class ShownProgress(Progress):
    """Tells systemd, and draws a bar where a person looks on; to be closed before the outcome."""

    def __init__(
        self, rows: str, started: Callable[[], None], notifier: Notifier, stream: TextIO | None
    ) -> None:
        """Show ``rows``, a description of them; ``stream`` is None where nobody looks on."""
        self._rows = rows
        self._started = started
        self._notifier = notifier
        self._stream = stream
        self._clock: _Clock | None = None
        self._bar: Any = None
        self._shown = 0
        self._open = contextlib.ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop_clock()
        self._open.close()

    def started(self, seconds: float) -> None:
        """Tell that the run is under way, and show a clock until something can be counted."""
        self._notifier.status(f"Deleting {self._rows}")
        self._started()
        if self._stream is not None:
            self._clock = _Clock(seconds, self._stream)

    def advance(self, done: int, total: int) -> None:
        """Tell, and show, how much is done."""
        self._notifier.status(f"Deleting {self._rows}: {done} of {total} are done")
        self._stop_clock()
        if self._stream is None:
            return
        if self._bar is None:
            bar = typer.progressbar(
                length=total, label="Deleting", show_pos=True, file=self._stream
            )
            self._bar = self._open.enter_context(bar)
        self._bar.length = total
        self._bar.update(max(0, done - self._shown))
        self._shown = max(done, self._shown)

    def _stop_clock(self) -> None:
        if self._clock is not None:
            self._clock.stop()
            self._clock = None


class _Clock:
    """Shows how much of the time is used, where nothing tells how much of the work is done."""

    def __init__(self, seconds: float, stream: TextIO) -> None:
        self._seconds = math.ceil(seconds)
        self._stream = stream
        self._over = threading.Event()
        self._thread = start_thread(self._show)

    def stop(self) -> None:
        self._over.set()
        self._thread.join()

    def _show(self) -> None:
        if self._over.wait(_PATIENCE_SECONDS):
            return
        with typer.progressbar(
            length=self._seconds,
            label="Working; seconds of --timeout",
            show_pos=True,
            show_eta=False,
            show_percent=False,
            file=self._stream,
        ) as bar:
            bar.update(_PATIENCE_SECONDS)
            while not self._over.wait(1):
                bar.update(1)
