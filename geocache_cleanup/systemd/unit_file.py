"""What a unit says, as far as a command needs it that acts as the unit."""

import re
import shlex
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from geocache_cleanup.config.settings import SETTINGS
from geocache_cleanup.systemd.service import NAME

# What starts, repeats and times the job, and where its output goes: this command has its own.
_LEFT_OUT = re.compile(
    "(?:Exec(?:Condition|Start|Stop|Reload)|Restart|Timeout|Standard|X-).*"
    "|Type|SuccessExitStatus|NotifyAccess|RemainAfterExit|PIDFile|GuessMainPID"
)
# Empty, these are no default: nothing is allowed.
_EMPTY_SETS = {"CapabilityBoundingSet", "AmbientCapabilities"}
_OPTIONS = {setting.option for setting in SETTINGS.values()}


def is_kept(key: str) -> bool:
    """Tell whether a line of the service's holds for a command that acts as it."""
    return not _LEFT_OUT.fullmatch(key)


def section(text: str, wanted: str) -> Iterator[tuple[str, str]]:
    """Yield the assignments of one section, of all files in their order; see systemd.syntax(7)."""
    text = re.sub(r"^\s*[#;].*\n", "", text, flags=re.MULTILINE)
    name = ""
    for line in text.replace("\\\n", " ").splitlines():
        if found := re.fullmatch(r"\s*\[(.+)\]\s*", line):
            name = found[1]
        elif name == wanted and "=" in line:
            key, _, value = line.partition("=")
            yield key.strip(), value.strip()


def in_force(lines: Iterable[tuple[str, str]]) -> Sequence[tuple[str, str]]:
    """Return the lines that hold: an empty one undoes those of its name before it.

    Some versions of systemd-run would add to what it is to undo.
    """
    held: list[tuple[str, str]] = []
    for key, value in lines:
        if value == "":
            held = [line for line in held if line[0] != key]
        if value or key in _EMPTY_SETS:
            held.append((key, value))
    return held


def split_start(line: str) -> tuple[Sequence[str], Sequence[str]]:
    """Return the words before ``run`` in ExecStart=, and the options behind it with their values.

    Nothing at all if the line starts something else.
    """
    words = shlex.split(line.lstrip("-@:+!|"))
    if "run" not in words or not Path(words[words.index("run") - 1]).name.startswith(NAME):
        return [], []
    program, rest = words[: words.index("run")], words[words.index("run") + 1 :]
    options: list[str] = []
    for word in rest:
        if options and options[-1] in _OPTIONS:
            options[-1] += f"={word}"
        else:
            options.append(word)
    return program, options
