"""Questions to systemd, by its own programs: their answers are the same in all its versions."""

import os
import subprocess
from collections.abc import Mapping, Sequence

# systemd.exec(5): exit statuses from here on say that a process could not be set up.
FIRST_OF_SYSTEMD = 200


class NoAnswerError(Exception):
    """There is no systemd to ask, or it does not say; the text is the reason."""


def ask(command: Sequence[str], seconds: float) -> str:
    """Return what a program prints, its times in UTC; raise NoAnswerError if it fails or is slow.

    ``command`` holds constants and names of units only, ``seconds`` is how long it may take.
    """
    try:
        done = subprocess.run(  # noqa: S603 - see above
            command,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=seconds,
            check=False,
            # Some versions heed --timestamp= for some of the times only.
            env={**os.environ, "LC_ALL": "C", "TZ": "UTC"},
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired:
        raise NoAnswerError(f"{command[0]} did not answer within {seconds:g} seconds") from None
    except OSError:
        raise NoAnswerError(f"there is no {command[0]} here") from None
    if done.returncode:
        said = done.stderr.strip().splitlines() or [f"{command[0]} failed"]
        raise NoAnswerError(said[0].rstrip("."))
    return done.stdout


def show(
    units: Sequence[str], properties: Sequence[str], seconds: float
) -> Sequence[Mapping[str, str]]:
    """Return these properties of each unit, by their names; raise NoAnswerError as ``ask`` does."""
    shown = ask(("systemctl", "show", *units, f"--property={','.join(properties)}"), seconds)
    return [
        dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        for block in shown.split("\n\n")
    ]
