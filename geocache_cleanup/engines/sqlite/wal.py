"""The write-ahead log of a SQLite file during a series of transactions."""

import os
import sqlite3

from geocache_cleanup.engines.sqlite import errors

_CACHE_KIB = 48 * 1024


def prepare(raw: sqlite3.Connection) -> None:
    """Make commits short: what takes long is done by ``write_back``, when the lock is free.

    Without the log, SQLite can be corrupted by a loss of power unless each commit is synced.
    """
    # Any commit of another process empties the cache: a large one would be filled for nothing.
    raw.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
    if _mode(raw) == "wal":
        raw.execute("PRAGMA synchronous = NORMAL")
        raw.execute("PRAGMA wal_autocheckpoint = 0")


def write_back(raw: sqlite3.Connection, path: str) -> None:
    """Make the last commits durable, and bring the log into the file.

    Otherwise the next writer would have to, and the log would grow without bound.
    Raise StorageError if it cannot be known whether the commits are durable.
    """
    if _mode(raw) != "wal":
        return
    try:
        _sync(f"{path}-wal")
    except OSError as error:
        raise errors.failing(path, error).of_commit() from None
    # The first does the work beside writers; little is left for the second, which locks them out.
    for mode in ("PASSIVE", "RESTART"):
        raw.execute(f"PRAGMA wal_checkpoint({mode})").fetchall()


def _sync(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _mode(raw: sqlite3.Connection) -> str:
    return str(raw.execute("PRAGMA journal_mode").fetchone()[0])
