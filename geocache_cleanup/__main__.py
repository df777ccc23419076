"""Entry point of ``geocache-cleanup`` and of ``python3 -m geocache_cleanup``."""

import gc
import signal
import sys

# Imports make many objects and no garbage: collecting meanwhile is a fifth of the start-up.
gc.disable()
# Until the command listens itself: Python would answer with a traceback of its imports.
if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)

from geocache_cleanup import output  # noqa: E402 - see above
from geocache_cleanup.cli import app  # noqa: E402
from geocache_cleanup.errors import ExitStatus  # noqa: E402


def main() -> None:
    """Run the command line; exits with one of the statuses in ``errors.ExitStatus``."""
    try:
        app(prog_name="geocache-cleanup")
    except OSError as error:  # Typer prints the help and the version by itself
        output.discard()
        sys.stderr.write(f"the output cannot be written: {error}\n")
        sys.exit(ExitStatus.IOERR)
    finally:
        gc.freeze()  # else Python looks for garbage among all modules before it ends


if __name__ == "__main__":
    main()
