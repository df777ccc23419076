"""The command as a process: started as a user or systemd would, and what it logs."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from helpers.jobs import CUTOFF

_FOREIGN = ("GEOCACHE_CLEANUP_", "JOURNAL_", "NOTIFY_", "INVOCATION_", "PYTHON")
COMMAND = (sys.executable, "-m", "geocache_cleanup")


def url(path: object) -> str:
    """Return the option that names a SQLite file."""
    return f"--database-url=sqlite:///{path}"


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return this environment without what would configure the program, the journal or Python."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}
    return {**kept, **(extra or {})}


def execute(
    *arguments: str, env: Mapping[str, str] | None = None, **options: Any
) -> "subprocess.CompletedProcess[str]":
    """Run geocache-cleanup as a process, with nothing of ours in its environment."""
    return _run([*COMMAND, *arguments], env=environment(env), **options)


def execute_in_python(
    *arguments: str, first: str, **options: Any
) -> "subprocess.CompletedProcess[str]":
    """Run geocache-cleanup as a process in which some Python was executed ``first``."""
    code = (
        f"import sys\n{first}\nsys.argv = ['geocache-cleanup', *{list(arguments)!r}]\n"
        "from geocache_cleanup.__main__ import main\nmain()\n"
    )
    return _run([sys.executable, "-c", code], env=environment(), **options)


def _run(command: Sequence[str], **options: Any) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        command, capture_output=True, text=True, timeout=120, check=False, **options
    )


def start(path: object, *arguments: str) -> "subprocess.Popen[str]":
    """Start a run that goes on for a while."""
    return subprocess.Popen(
        [*COMMAND, "run", url(path), f"--before={CUTOFF}", *arguments],
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    )


def events(output: str) -> list[dict[str, Any]]:
    """Parse the events of a command's stderr: one JSON document a line, nothing else."""
    return [json.loads(line) for line in output.splitlines()]


def fails(status: int, *arguments: str, word: str = "") -> dict[str, object]:
    """Run with these arguments; the run must fail with this status and a single event."""
    done = execute("run", *arguments)
    assert (done.returncode, done.stdout) == (status, "")
    (event,) = events(done.stderr)
    assert event["event"] == "geo_cache_cleanup_failed"
    assert (event["level"], event["exit_status"]) == ("error", status)
    assert event["hint"]
    assert "traceback" not in event
    assert event["retryable"] is (status in (69, 74, 75))
    assert word in str(event["reason"])
    return event
