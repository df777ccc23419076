"""Entry point of ``geocache-cleanup`` and of ``python3 -m geocache_cleanup``."""

import gc

# Imports make many objects and no garbage: collecting meanwhile is a fifth of the start-up.
gc.disable()

from geocache_cleanup.cli import app  # noqa: E402 - see above


def main() -> None:
    """Run the command line; exits with one of the statuses in ``errors.ExitStatus``."""
    app(prog_name="geocache-cleanup")


if __name__ == "__main__":
    main()
