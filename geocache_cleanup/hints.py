"""Hints in the words of who reads them: an option at a shell, a variable under the service."""

import re

from geocache_cleanup.config.settings import SETTINGS
from geocache_cleanup.systemd.service import Service

_OPTION = re.compile(rf"--({'|'.join(name.replace('_', '-') for name in SETTINGS)})\b(?: (?=\d))?")


def for_service(text: str, service: Service, url_source: str) -> str:
    """Return a hint for the admin of a service; ``url_source`` says where its URL came from."""
    credential = f"the credential {service.credential}"

    def variable(found: re.Match[str]) -> str:
        name = found[1].replace("-", "_")
        if name == "database_url" and url_source == "credential":
            return credential
        return SETTINGS[name].variable + ("=" if found[0].endswith(" ") else "")

    changed = _OPTION.sub(variable, text)
    changed = changed.replace(
        "geocache-cleanup migrate", f"geocache-cleanup migrate{service.option}"
    )
    if changed.replace(credential, "") != text and "GEOCACHE_CLEANUP_" in changed:
        changed += f" (in {service.settings_file})"
    return changed
