"""Where SQLite puts files of the moment, and whether it is there that room is wanting."""

import os
import shutil


def directory() -> str:
    """Return the directory, which is not the one of Python.

    See "Temporary File Storage Locations" in SQLite's manual.
    """
    named = (os.environ.get(name, "") for name in ("SQLITE_TMPDIR", "TMPDIR"))
    usual = ("/var/tmp", "/usr/tmp", "/tmp")  # noqa: S108 - only looked at
    return next(filter(_can_hold_files, (*named, *usual)), ".")


def is_rather_full(beside: str) -> bool:
    """Tell whether it has less room than the directory of a database, on another file system.

    SQLite says only that some file has met a full disk, and has removed its own by then.
    """
    try:
        here, there = os.stat(beside).st_dev, os.stat(directory()).st_dev
        return here != there and _free(directory()) < _free(beside)
    except OSError:
        return False


def _free(place: str) -> int:
    return shutil.disk_usage(place).free


def _can_hold_files(place: str) -> bool:
    return os.path.isdir(place) and os.access(place, os.W_OK | os.X_OK)
