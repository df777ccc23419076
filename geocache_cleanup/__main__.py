"""Entry point of ``geocache-cleanup`` and of ``python3 -m geocache_cleanup``."""

import contextlib
import gc
import os
import signal

# Imports make many objects and no garbage: collecting meanwhile is a fifth of the start-up.
gc.disable()
# Until the command listens itself: Python would answer with a traceback of its imports.
if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)

import typer  # noqa: E402 - see above

from geocache_cleanup import output  # noqa: E402
from geocache_cleanup.cli import app  # noqa: E402
from geocache_cleanup.errors import ExitStatus  # noqa: E402


def main() -> None:
    """Run the command line and end the process with its exit status.

    It ends at once: a thread that still asks a server to stop would be inside OpenSSL while
    Python's own end tears that down, and crash.
    """
    os._exit(run())


def run() -> int:
    """Run the command line; return one of the statuses in ``errors.ExitStatus``."""
    try:
        try:
            app(prog_name="geocache-cleanup")
        except SystemExit as end:
            output.flush()
            return int(end.code or 0)
    except OSError as error:  # Typer prints the help and the version by itself
        with contextlib.suppress(OSError):
            typer.echo(f"the output cannot be written: {error}", err=True)
    return ExitStatus.IOERR


if __name__ == "__main__":
    main()
