"""The command under test as a process that works on a server, with a URL in its environment."""

import json
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from helpers import commands
from helpers.processes import PATIENCE_SECONDS
from helpers.servers.dialects import text_of

WRONG = "wr0ng"  # a password
PASSWORD_PARTS = ("s3cr3t", WRONG)


@dataclass(frozen=True)
class Outcome:
    """How a command ended: exit status, what it printed, and its events."""

    status: int
    output: str
    events: Sequence[Mapping[str, Any]]
    seconds: float = 0.0

    @property
    def last(self) -> Mapping[str, Any]:
        """The last event."""
        return self.events[-1]


class Command:
    """The command under test, started as a user would start it."""

    def __init__(self, *arguments: object, url: object, **environment: str) -> None:
        self.started = time.monotonic()
        self.process = subprocess.Popen(
            [*commands.COMMAND, *map(str, arguments)],
            env=commands.environment(
                {
                    "GEOCACHE_CLEANUP_DATABASE_URL": str(url),
                    "GEOCACHE_CLEANUP_LOG_FORMAT": "json",
                    "SQLALCHEMY_WARN_20": "1",
                    "PYTHONWARNINGS": "error,ignore::ResourceWarning",  # PyMySQL leaves a socket
                    **environment,
                }
            ),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def end(self, seconds: float = PATIENCE_SECONDS) -> Outcome:
        """Wait for the end, and return how it went."""
        output, log = self.process.communicate(timeout=seconds)
        took = time.monotonic() - self.started
        lines = log.splitlines()
        assert all(line.startswith("{") for line in lines), log
        return Outcome(self.process.returncode, output, list(map(json.loads, lines)), took)


def geocache_cleanup(*arguments: object, url: object, **environment: str) -> Outcome:
    """Run the command under test to its end."""
    return Command(*arguments, url=url, **environment).end()


def fails(url: Any, *arguments: str, command: str = "run") -> Any:
    """Run a command that must fail without showing a password; return the last event."""
    outcome = geocache_cleanup(command, *arguments, url=text_of(url))
    assert outcome.last["event"] == "geo_cache_cleanup_failed", outcome
    assert outcome.last["exit_status"] == outcome.status
    assert outcome.last["hint"]
    assert not any(part in str(outcome) for part in PASSWORD_PARTS)
    return outcome.last
