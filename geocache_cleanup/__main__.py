"""Entry point of ``geocache-cleanup`` and of ``python3 -m geocache_cleanup``."""

from geocache_cleanup.cli import app


def main() -> None:
    """Run the command line; exits with one of the statuses in ``errors.ExitStatus``."""
    app(prog_name="geocache-cleanup")


if __name__ == "__main__":
    main()
