"""The settings of the service, which a command typed in a shell is not given."""

import re
from collections.abc import Mapping

from geocache_cleanup.config.loader import RawSetting

SETTINGS_FILE = "/etc/default/geocache-cleanup"
NOT_GIVEN = f"this command was not given the settings of the service in {SETTINGS_FILE}"
REMEDY = "see 'Commands with the service's settings' in the README, or the head of that file"


def is_ignored(given: Mapping[str, RawSetting]) -> bool:
    """Tell whether the service has settings that a command with these was not given."""
    if "environment" in {found.source for found in given.values()}:
        return False
    try:
        with open(SETTINGS_FILE, encoding="utf-8", errors="replace") as file:
            return re.search(r"^\s*GEOCACHE_CLEANUP_\w+=", file.read(), re.MULTILINE) is not None
    except OSError:
        return False
