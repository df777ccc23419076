"""Lines of a settings file that systemd passes over; see EnvironmentFile= in systemd.exec(5)."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from geocache_cleanup.config.settings import SETTINGS

_OURS = re.compile(r"GEO_?CACHE[\w-]*|[\w-]*CLEAN_?UP_\w*", re.IGNORECASE)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_KNOWN = [setting.variable for setting in SETTINGS.values()]
_SHORT = {setting.name.upper(): setting.variable for setting in SETTINGS.values()}


def problems(path: Path) -> Sequence[str]:
    """Return what is wrong with the lines meant for us; nothing if the file cannot be read.

    No value is repeated: it may be a URL with a password.
    """
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    return [f"line {number} of {path}: {problem}" for number, problem in _problems(text)]


def _problems(text: str) -> Iterator[tuple[int, str]]:
    continued = False
    for number, line in enumerate(re.split(r"\r\n|\r|\n", text), 1):
        is_start, continued = not continued, line.endswith("\\")
        if not is_start or not line.strip() or line.lstrip()[0] in "#;":
            continue
        name, equals, _ = line.partition("=")
        name = name.strip(" \t")
        if equals and _NAME.fullmatch(name):
            if meant := _SHORT.get(name.upper()):
                yield number, f"{name} is no setting; did you mean {meant}?"
        elif found := _OURS.search(name):
            what = next((known for known in _KNOWN if known == found[0].upper()), "this")
            yield number, f"systemd does not take {what} so; write NAME=VALUE and nothing else"
