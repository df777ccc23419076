"""Standard output: what a command found, and what becomes of it where it cannot be written."""

import io
import os
import sys

import typer


def show(text: str) -> None:
    """Print text; characters that the output's encoding lacks are shown by their codes.

    A reader such as head that has seen enough is no failure. Raise OSError for any other.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        typer.echo(text)
    except BrokenPipeError:
        discard()
    except OSError:
        discard()
        raise


def discard() -> None:
    """Drop what is left in the buffer: Python would write it at its exit, and fail again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def flush() -> None:
    """Write what the buffers still hold. Raise OSError if that fails."""
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:  # it was closed before
            stream.flush()
