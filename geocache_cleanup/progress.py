"""What a run shows while it works: its state to systemd, and a bar on a terminal."""

import contextlib
from typing import Any, Callable, Optional, Self, TextIO

import typer

from geocache_cleanup.journal import Notifier
from geocache_cleanup.prune import Progress


class ShownProgress(Progress):
    """Tells systemd, and draws a bar where a person looks on; to be closed before the outcome."""

    def __init__(
        self, rows: str, started: Callable[[], None], notifier: Notifier, stream: Optional[TextIO]
    ) -> None:
        """Show ``rows``, a description of them; ``stream`` is None where nobody looks on."""
        self._rows = rows
        self._started = started
        self._notifier = notifier
        self._stream = stream
        self._bar: Any = None
        self._shown = 0
        self._open = contextlib.ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def started(self) -> None:
        """See ``Progress.started``."""
        self._notifier.status(f"Deleting {self._rows}")
        self._started()

    def advance(self, done: int, total: int) -> None:
        """See ``Progress.advance``."""
        self._notifier.status(f"Deleting {self._rows}: {done} of {total} are done")
        if self._stream is None:
            return
        if self._bar is None:
            bar = typer.progressbar(
                length=total, label="Deleting", show_pos=True, file=self._stream
            )
            self._bar = self._open.enter_context(bar)
        self._bar.update(done - self._shown)
        self._shown = done
