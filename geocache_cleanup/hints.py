"""Hints in the words of who reads them: an option at a shell, a variable under the service."""

import re

from geocache_cleanup.config.settings import SETTINGS
from geocache_cleanup.errors import SETTINGS_FILE
from geocache_cleanup.systemd.service import Service

_NAMES = "|".join(setting.option.removeprefix("--") for setting in SETTINGS.values())
_OPTION = re.compile(rf"--({_NAMES})\b(?:=([\w.-]+)| (\d[\d.]*))?")
_MIGRATE = "geocache-cleanup migrate"


def for_service(text: str, service: Service, url_source: str) -> str:
    """Return a hint for the admin of a service; ``url_source`` says where its URL came from."""
    place = f" in {service.settings_file}"

    def variable(found: re.Match[str]) -> str:
        nonlocal place
        name = found[1].replace("-", "_")
        if name == "database_url" and url_source == "credential":
            return f"the credential {service.credential}"
        value = found[2] or found[3]
        text, place = f"{'=' + value if value else ''}{place}", ""
        return SETTINGS[name].variable + text

    changed = _OPTION.sub(variable, text).replace(_MIGRATE, _MIGRATE + service.option)
    return changed.replace(SETTINGS_FILE, str(service.settings_file))
