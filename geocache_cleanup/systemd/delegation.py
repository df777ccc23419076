"""A command as the service runs it: its settings, user and sandbox, by a unit like its own."""

import contextlib
import os
import re
import shlex
import signal
import stat
import subprocess
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType

from geocache_cleanup.errors import ConfigError
from geocache_cleanup.systemd import settings_file, unit_file
from geocache_cleanup.systemd.ask import FIRST_OF_SYSTEMD, NoAnswerError, ask, show
from geocache_cleanup.systemd.service import NAME, Service

_PASSED_ON = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_SECONDS = 10.0
_SEE_UNITS = "see systemctl list-unit-files"


class Delegation:
    """One command that is to run as a service does."""

    def __init__(self, service: Service, command: str) -> None:
        """Read the service's unit; raise ConfigError if it is not there or starts something else.

        ``command`` is the name of the command of ours.
        """
        self._service = service
        self._command = command
        self._lines = unit_file.in_force(unit_file.section(_cat(service), "Service"))
        self._unit = f"{NAME}-{command}-{os.getpid()}.service"
        starts = [value for key, value in self._lines if key == "ExecStart"]
        self._program, self._given = unit_file.split_start(starts[-1] if starts else "")
        if not self._program:
            raise ConfigError(
                f"ExecStart= of {service.unit} does not start geocache-cleanup run",
                f"see systemctl cat {service.unit}, or give --database-url",
            )

    def problems(self) -> Sequence[str]:
        """Return what is wrong with the settings files which the command cannot look at itself."""
        files = [self._expand(value) for key, value in self._lines if key == "EnvironmentFile"]
        paths = [Path(file.lstrip("-").strip('"')) for file in files]
        hidden = [path for path in paths if path != self._service.settings_file or _is_hidden(path)]
        return [problem for path in hidden for problem in settings_file.problems(path)]

    def is_outdated(self) -> bool:
        """Tell whether the unit's files have changed since systemd has read them."""
        with contextlib.suppress(NoAnswerError):  # what cannot be told is no reason to stop
            (state,) = show((self._service.unit,), ("NeedDaemonReload",), _SECONDS)
            return state.get("NeedDaemonReload") == "yes"
        return False

    def run(self, arguments: Sequence[str], allowed: Collection[str]) -> int:
        """Run the command with these arguments, and return its exit status.

        Of the options that the unit gives to the job, those that are ``allowed`` come first. Raise
        ConfigError if systemd cannot set the service up.
        """
        given = [option for option in self._given if option.partition("=")[0] in allowed]
        instance = shlex.split(self._service.option)
        command = [*self._program, self._command, *given, *arguments, *instance]
        status = self._wait([*self._systemd_run(), "--", *command])
        if status == 1 or status >= FIRST_OF_SYSTEMD:
            raise ConfigError(
                f"systemd cannot set up {self._service.unit}: {self._reason(status)}",
                f"see systemctl cat {self._service.unit}: its User=, its paths, its drop-ins",
            )
        return status

    def _systemd_run(self) -> Iterator[str]:
        yield from ("systemd-run", "--quiet", "--pipe", "--wait", "--collect")
        yield f"--unit={self._unit}"
        for key, value in self._lines:
            if unit_file.is_kept(key):
                yield f"--property={key}={self._expand(value)}"

    def _expand(self, text: str) -> str:
        """Fill in the specifiers that stand for the unit: that of the command has another name."""
        service = self._service
        known: Mapping[str, str] = {
            "i": service.instance or "",
            "I": (service.instance or "").replace("-", "/"),
            "n": service.unit,
            "N": service.name,
            "p": NAME,
            "%": "%",
        }
        return re.sub("%([%a-zA-Z])", lambda found: known.get(found[1], found[0]), text)

    def _wait(self, command: Sequence[str]) -> int:
        """Wait for the command, which hears of the signals that this process gets."""

        def pass_on(number: int, _frame: FrameType | None) -> None:
            name = signal.Signals(number).name
            with contextlib.suppress(NoAnswerError):  # it has not begun, or is over
                ask(("systemctl", "kill", f"--signal={name}", self._unit), _SECONDS)

        try:
            process = subprocess.Popen(  # noqa: S603 - the unit's own lines, which root has written
                command,
                stdin=subprocess.DEVNULL,
                # systemd-run refuses to pass on what is closed.
                stdout=None if sys.stdout else subprocess.DEVNULL,
                stderr=None if sys.stderr else subprocess.DEVNULL,
                # Ctrl-C is to end the command, not who waits for it.
                start_new_session=True,
            )
        except OSError as error:
            raise ConfigError(f"systemd-run cannot be started: {error}", "install it") from None
        for number in _PASSED_ON:
            signal.signal(number, pass_on)
        return process.wait()

    def _reason(self, status: int) -> str:
        journal = ("journalctl", "--quiet", "--output=cat", "--lines=20", f"--unit={self._unit}")
        try:
            said = ask(journal, _SECONDS).splitlines()
        except NoAnswerError:
            said = []
        telling = [line for line in said if line.startswith(f"{self._unit}: Failed")]
        reasons = [line.partition(": ")[2] for line in telling or said if "status=" not in line]
        return f"status {status}" + (f", {reasons[0]}" if reasons else "")


def _is_hidden(path: Path) -> bool:
    return path.exists() and not path.stat().st_mode & stat.S_IROTH


def _cat(service: Service) -> str:
    try:
        return ask(("systemctl", "cat", service.unit), _SECONDS)
    except NoAnswerError as error:
        raise ConfigError(f"systemd shows no {service.unit}: {error}", _SEE_UNITS) from None
