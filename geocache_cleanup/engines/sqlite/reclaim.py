"""Free space of a SQLite file, given back to the file system."""

import contextlib
import os
import shutil
import time
from collections.abc import Callable, Sequence
from typing import Any

from geocache_cleanup.engines.sqlite import errors, temporary
from geocache_cleanup.errors import StorageError

Execute = Callable[[str], Sequence[tuple[Any, ...]]]

_INCREMENTAL = 2
# Some milliseconds of work, after which waiting writers get in.
_PAGES_AT_A_TIME = 1_000
_PAUSE_SECONDS = 0.03


def reclaim(path: str, execute: Execute) -> int:
    """Shrink the file, and return by how many bytes; ``execute`` waits for the locks of others.

    Raise StorageError if there is no room for the copy that a VACUUM makes.
    """
    before = _size(path)
    if _number(execute, "freelist_count"):
        if _number(execute, "auto_vacuum") == _INCREMENTAL:
            _step_by_step(execute)
        else:
            _check_room(execute, path)
            execute("VACUUM")
    # Readers may still need the log: then it is left to shrink some other time.
    execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return max(0, before - _size(path))


def _step_by_step(execute: Execute) -> None:
    while left := _number(execute, "freelist_count"):
        execute(f"PRAGMA incremental_vacuum({_PAGES_AT_A_TIME})")
        if _number(execute, "freelist_count") >= left:
            return  # others free pages as quickly
        time.sleep(_PAUSE_SECONDS)


def _check_room(execute: Execute, path: str) -> None:
    """See "The VACUUM command" in SQLite's manual: up to twice the size of the file is needed."""
    pages = _number(execute, "page_count") - _number(execute, "freelist_count")
    needed = pages * _number(execute, "page_size")
    here, elsewhere = errors.directory(path), temporary.directory()
    same = os.stat(here).st_dev == os.stat(elsewhere).st_dev
    for directory, times in ((here, 2 if same else 1), (elsewhere, 1)):
        free = shutil.disk_usage(directory).free
        if free < needed * times:
            raise StorageError(
                f"a VACUUM needs {needed * times} bytes in {directory!r}, and {free} are free",
                "make room, or let PRAGMA auto_vacuum be INCREMENTAL, which needs none",
            )


def _number(execute: Execute, name: str) -> int:
    return int(execute(f"PRAGMA {name}")[0][0])


def _size(path: str) -> int:
    size = os.stat(path).st_size
    with contextlib.suppress(FileNotFoundError):
        size += os.stat(f"{path}-wal").st_size
    return size
