"""What the result codes of SQLite mean to an admin, see https://sqlite.org/rescode.html."""

import os
import sqlite3
from dataclasses import dataclass
from typing import Optional

from geocache_cleanup.errors import (
    CleanupError,
    ConfigError,
    DataError,
    PermissionRefusedError,
    StorageError,
    TemporaryError,
)

_REFUSED = {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN}


AS_OWNER = (
    "run as the user that owns the database, or if that is root chown it to the user who runs "
    "this; under systemd also set ReadWritePaths= to its directory"
)


@dataclass(frozen=True)
class _Meaning:
    codes: frozenset[int]
    kind: type[CleanupError]
    sentence: str
    hint: str

    def explain(self, path: str, text: str) -> CleanupError:
        """Return the error to raise."""
        return self.kind(self.sentence.format(path=path, text=text), self.hint)


_NO_PERMISSION = _Meaning(
    frozenset({sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH}),
    PermissionRefusedError,
    "no permission for {path!r} or its directory: {text}",
    AS_OWNER,
)
_DAMAGED = _Meaning(
    frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}),
    DataError,
    "{path!r} is damaged, encrypted, or no SQLite database: {text}",
    "check it with: sqlite3 FILE 'PRAGMA integrity_check'; restore a backup; see journalctl -k for "
    "errors of the disk, which SQLite may take for damage",
)
_STORAGE = _Meaning(
    frozenset({sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL, *_REFUSED}),
    StorageError,
    "the storage of {path!r} is full, failing or read-only: {text}",
    "see df, and the kernel's messages in journalctl -k; under systemd also whether "
    "ReadWritePaths= names its directory",
)
_MEANINGS = (
    _NO_PERMISSION,
    _DAMAGED,
    _Meaning(
        frozenset({sqlite3.SQLITE_CONSTRAINT}),
        DataError,
        "a constraint or trigger of the database refuses the deletion: {text}",
        "give the foreign key ON DELETE CASCADE, or change the trigger",
    ),
    _Meaning(
        frozenset(
            {
                sqlite3.SQLITE_BUSY,
                sqlite3.SQLITE_LOCKED,
                sqlite3.SQLITE_PROTOCOL,
                sqlite3.SQLITE_SCHEMA,
            }
        ),
        TemporaryError,
        "the database is locked or changing: {text}",
        "another process is writing; see which with fuser, or raise --timeout",
    ),
    _STORAGE,
)
_OTHER_SCHEMA = _Meaning(
    frozenset({sqlite3.SQLITE_ERROR}),
    ConfigError,
    "the schema of {path!r} does not allow it: {text}",
    "see whether a trigger, index or generated column uses a function, collation or table that "
    "only the application has, or --table is a virtual table",
)
# What SQLite says of statements that are wrong in themselves.
_BUGS = ("near ", "unrecognized token", "incomplete input", "wrong number of arguments")


def primary_code(error: BaseException) -> int:
    """Return the primary result code; Python's own sqlite3 errors count as SQLITE_ERROR."""
    return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF


def explain(error: BaseException, path: str) -> Optional[CleanupError]:
    """Return what an error means, None for one that no admin can do anything about: a bug."""
    code, text = primary_code(error), str(error)
    meaning = next((meaning for meaning in _MEANINGS if code in meaning.codes), None)
    if code in _REFUSED and not _on_read_only_storage(path) and not _is_permitted(path):
        meaning = _NO_PERMISSION
    if code == sqlite3.SQLITE_ERROR and not text.startswith(_BUGS):
        meaning = _DAMAGED if "file format" in text else _OTHER_SCHEMA
    if meaning is None:
        return None
    return meaning.explain(path, text)


def damaged_schema(path: str) -> CleanupError:
    """Return the error for a schema that SQLite itself cannot quote."""
    return _DAMAGED.explain(path, "its schema is not valid UTF-8")


def failing(path: str, error: OSError) -> CleanupError:
    """Return the error for storage that fails where it is not SQLite that asks."""
    return _STORAGE.explain(path, str(error))


def directory(path: str) -> str:
    """Return the directory of a database, where SQLite keeps its journal as well."""
    return os.path.dirname(os.path.abspath(path))


def _is_permitted(path: str) -> bool:
    """Tell whether this user may do what a run does: then it is the storage that refuses."""
    files = [path + suffix for suffix in ("", "-wal", "-shm", "-journal")]
    return os.access(directory(path), os.W_OK | os.X_OK) and all(
        os.access(file, os.R_OK | os.W_OK) for file in files if os.path.lexists(file)
    )


def _on_read_only_storage(path: str) -> bool:
    try:
        flags = os.statvfs(directory(path)).f_flag
    except OSError:
        return False
    return bool(flags & os.ST_RDONLY)
