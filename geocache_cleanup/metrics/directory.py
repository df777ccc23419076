"""A directory opened step by step, so that nobody but root and this user leads the way to it."""

import os
import stat
from collections.abc import Sequence

from geocache_cleanup.errors import ConfigError

_STEP = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# As many as the kernel follows.
_MOST_LINKS = 40


def open_directory(path: str) -> int:
    """Return a descriptor of a directory, for paths from there; it cannot be listed or read.

    A symbolic link on the way is followed where only root and this user can have made it. Raise
    ConfigError for any other, and OSError as ``os.open`` does.
    """
    here = os.open(_start(path), _STEP)
    steps, links = _steps(path), 0
    try:
        while steps:
            there, more = _enter(here, steps.pop(), links)
            os.close(here)
            here = there
            steps += more
            links += bool(more)
    except BaseException:
        os.close(here)
        raise
    return here


def _start(path: str) -> str:
    return "/" if path.startswith("/") else "."


def _steps(path: str) -> list[str]:
    return [step or "." for step in reversed(path.split("/"))]


def _enter(here: int, step: str, links: int) -> tuple[int, Sequence[str]]:
    """Open what a name leads to; of a link that is where it starts, and the steps from there."""
    try:
        target = os.readlink(step, dir_fd=here)
    except OSError:  # no link; opening it tells what else
        return os.open(step, _STEP, dir_fd=here), ()
    if links == _MOST_LINKS or not _is_ours(os.fstat(here)):
        raise ConfigError(
            f"{step!r}, on the way to the metrics file, is a symbolic link in a directory that "
            "others can write, or one too many",
            "set --metrics-file to where the link leads",
        )
    return os.open(_start(target), _STEP, dir_fd=here), _steps(target)


def _is_ours(directory: os.stat_result) -> bool:
    others = stat.S_IWGRP | stat.S_IWOTH
    return directory.st_uid in {0, os.geteuid()} and not directory.st_mode & others
