"""The service: its names and files, whether this host has one, and whether this process is it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from geocache_cleanup.config.settings import CREDENTIAL

NAME = "geocache-cleanup"
_INSTANCES = Path("/etc") / NAME
_DEFAULTS = Path("/etc/default") / NAME
_CREDENTIALS = (Path("/etc/credstore"), Path("/etc/credstore.encrypted"))
# Where units are, see systemd.unit(5).
_UNITS = (
    *("/etc/systemd/system", "/run/systemd/system", "/usr/local/lib/systemd/system"),
    *("/usr/lib/systemd/system", "/lib/systemd/system"),
)
# The service itself, an instance, and a command that acts as one of them.
_OWN = re.compile(rf"{NAME}(?:@(?P<instance>.+)|-[a-z]+-[0-9]+)?\.service")
# What a command says that ignores the settings of a service.
NOT_GIVEN = "this host has settings of a service, which this command was not given"
NOT_GIVEN_REMEDY = (
    "see /etc/default/geocache-cleanup and /etc/geocache-cleanup, or give --database-url"
)


@dataclass(frozen=True)
class Service:
    """The service, or with ``instance`` that of one of several databases."""

    instance: str | None = None

    @property
    def name(self) -> str:
        """The unit's name without its type."""
        return f"{NAME}@{self.instance}" if self.instance else NAME

    @property
    def unit(self) -> str:
        """The unit that systemd starts."""
        return f"{self.name}.service"

    @property
    def timer(self) -> str:
        """The unit that lets systemd start it."""
        return f"{self.name}.timer"

    @property
    def settings_file(self) -> Path:
        """The file that the unit, as it is shipped, reads its settings from."""
        return _INSTANCES / f"{self.instance}.env" if self.instance else _DEFAULTS

    @property
    def credential(self) -> str:
        """The name of the credential with the URL in the store of the host."""
        return CREDENTIAL.replace(".", f".{self.instance}.", 1) if self.instance else CREDENTIAL

    @property
    def option(self) -> str:
        """What a command takes to act as this one, with a blank before it."""
        return f" --instance {self.instance}" if self.instance else ""


def is_booted() -> bool:
    """Tell whether systemd runs this host, as sd_booted(3) does."""
    return Path("/run/systemd/system").is_dir()


def is_installed() -> bool:
    """Tell whether the host has the unit, and a systemd that could start it."""
    return is_booted() and any(Path(path, Service().unit).exists() for path in _UNITS)


def instances() -> Sequence[str]:
    """Return the names of those that have a settings file."""
    return sorted(path.stem for path in _INSTANCES.glob("*.env"))


def configured() -> Service | None:
    """Return a service for which somebody has made settings, if there is one on this host."""
    for service in (Service(), *map(Service, instances())):
        stores = (directory / service.credential for directory in _CREDENTIALS)
        if service.instance or _has_settings(service.settings_file) or any(map(_exists, stores)):
            return service
    return None


def _has_settings(path: Path) -> bool:
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return re.search(r"^\s*GEOCACHE_CLEANUP_\w+\s*=", text, re.MULTILINE) is not None


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # the directory is root's
        return False


def current(instance: str | None) -> Service | None:
    """Return the service that systemd has started this process as, None if it has not.

    ``instance`` is that of a command that acts as a service.
    """
    try:
        groups = Path("/proc/self/cgroup").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    for group in re.split(r"[/\n]", groups):
        if found := _OWN.fullmatch(group):
            return Service(found["instance"] or instance)
    return None
