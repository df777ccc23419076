"""Hints in the words of who reads them: an option at a shell, a variable under the service."""

import re
from collections.abc import Mapping

from geocache_cleanup.config.settings import CREDENTIAL, SETTINGS
from geocache_cleanup.errors import SETTINGS_FILE
from geocache_cleanup.systemd.service import Service

_NAMES = "|".join(setting.option.removeprefix("--") for setting in SETTINGS.values())
_OPTION = re.compile(rf"--({_NAMES})\b(?:=([\w.-]+)| (\d[\d.]*))?")
_COMMANDS = ("check", "history", "migrate")


def for_service(text: str, service: Service, url_source: str) -> str:
    """Return a hint for the admin of a service; ``url_source`` says where its URL came from."""
    place = f" in {service.settings_file}"

    def variable(found: re.Match[str]) -> str:
        nonlocal place
        name = found[1].replace("-", "_")
        if name == "database_url" and url_source == "credential":
            return f"the credential {CREDENTIAL}"
        value = found[2] or found[3]
        text, place = f"{'=' + value if value else ''}{place}", ""
        return SETTINGS[name].variable + text

    names = _names(service)
    known = "|".join(map(re.escape, names))
    return re.sub(known, lambda found: names[found[0]], _OPTION.sub(variable, text))


def _names(service: Service) -> Mapping[str, str]:
    """Return what a service has in the place of what hints name: an instance has its own."""
    plain = Service()
    commands = [f"{plain.name} {command}" for command in _COMMANDS]
    return {
        SETTINGS_FILE: str(service.settings_file),
        CREDENTIAL: service.credential,
        plain.unit: service.unit,
        f"journalctl -u {plain.name}": f"journalctl -u {service.name}",
        **{command: command + service.option for command in commands},
    }
