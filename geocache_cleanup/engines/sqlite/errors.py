"""What the result codes of SQLite mean to an admin, see https://sqlite.org/rescode.html."""

import errno
import os
import sqlite3
from collections.abc import Mapping

from geocache_cleanup.engines.sqlite import temporary
from geocache_cleanup.errors import (
    CleanupError,
    ConfigError,
    DataError,
    Diagnosis,
    PermissionRefusedError,
    StorageError,
    TemporaryError,
)

_DROP_IN = (
    "it needs a drop-in, see the example other-sqlite.conf: User= and Group= are those of the "
    "database, ReadWritePaths= and NoExecPaths= its directory, below /home also ProtectHome=no; "
    "then systemctl daemon-reload"
)
_NO_PERMISSION = Diagnosis(
    PermissionRefusedError,
    "no permission for {path!r} or its directory",
    "run as the user that owns the database, or if that is root chown it to the user who runs this",
    f"if the database belongs to an application, {_DROP_IN}; else chown it to geocache-cleanup",
)
_READ_ONLY = Diagnosis(
    PermissionRefusedError,
    "the file system of {path!r} is read-only",
    "see findmnt --target FILE, and why it was mounted so in journalctl -k",
    f"the sandbox keeps it so: {_DROP_IN}; or see findmnt, should it be so outside as well",
)
_DAMAGED = Diagnosis(
    DataError,
    "{path!r} is damaged, encrypted, or no SQLite database",
    "check it with: sqlite3 FILE 'PRAGMA integrity_check'; restore a backup; see journalctl -k for "
    "errors of the disk, which SQLite may take for damage",
)
_STORAGE = Diagnosis(
    StorageError,
    "the storage of {path!r} is full or failing",
    "see df, and the kernel's messages in journalctl -k",
)
_MOVED = Diagnosis(
    TemporaryError,
    "{path!r} was moved, replaced or deleted while the run was at work",
    "run it again: it opens the file that is there then",
)
_TEMPORARY_FILES = Diagnosis(
    StorageError,
    "the space for temporary files in {place!r} is full",
    "make room there, or name another directory in the variable SQLITE_TMPDIR",
    "make room there: the service's /var/tmp is on the file system of the host's; or name another "
    "directory in the drop-in: Environment=SQLITE_TMPDIR=, and in ReadWritePaths= as well",
)
_CONSTRAINT = Diagnosis(
    DataError,
    "a constraint or trigger of the database refuses the deletion",
    "give the foreign key ON DELETE CASCADE, or change the trigger",
)
_LOCKED = Diagnosis(
    TemporaryError,
    "the database is locked or changing",
    "another process is writing; see which with fuser, or raise --timeout",
)
_OTHER_SCHEMA = Diagnosis(
    ConfigError,
    "the schema of {path!r} does not allow it",
    "see whether a trigger, index or generated column uses a function, collation or table that "
    "only the application has, and whether foreign keys name columns that are a key",
)
_DIAGNOSES: Mapping[int, Diagnosis] = {
    sqlite3.SQLITE_PERM: _NO_PERMISSION,
    sqlite3.SQLITE_AUTH: _NO_PERMISSION,
    sqlite3.SQLITE_CORRUPT: _DAMAGED,
    sqlite3.SQLITE_NOTADB: _DAMAGED,
    sqlite3.SQLITE_CONSTRAINT: _CONSTRAINT,
    sqlite3.SQLITE_BUSY: _LOCKED,
    sqlite3.SQLITE_LOCKED: _LOCKED,
    sqlite3.SQLITE_PROTOCOL: _LOCKED,
    sqlite3.SQLITE_SCHEMA: _LOCKED,
    sqlite3.SQLITE_IOERR: _STORAGE,
    sqlite3.SQLITE_FULL: _STORAGE,
    sqlite3.SQLITE_READONLY: _STORAGE,
    sqlite3.SQLITE_READONLY_DBMOVED: _MOVED,
    sqlite3.SQLITE_CANTOPEN: _STORAGE,
}
# What SQLite says where it may be the file's rights or its storage; the last of a hot journal.
_REFUSED = {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR_DELETE}
# What SQLite says of statements that are wrong in themselves.
_BUGS = ("near ", "unrecognized token", "incomplete input", "wrong number of arguments")


def primary_code(error: BaseException) -> int:
    """Return the primary result code; Python's own sqlite3 errors count as SQLITE_ERROR."""
    return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF


def diagnose(error: BaseException, path: str) -> CleanupError | None:
    """Return what an error means, None for one that no admin can do anything about: a bug."""
    code, text = primary_code(error), str(error)
    extended = getattr(error, "sqlite_errorcode", code)
    if _is_of_temporary_files(error, path):
        return _TEMPORARY_FILES.explain(text, place=temporary.directory())
    diagnosis = _DIAGNOSES.get(extended) or _DIAGNOSES.get(code)
    if diagnosis is _STORAGE:
        if _on_read_only_storage(path):
            diagnosis = _READ_ONLY
        elif {code, extended} & _REFUSED and not _is_permitted(path):
            diagnosis = _NO_PERMISSION
    if code == sqlite3.SQLITE_ERROR and not text.startswith(_BUGS):
        diagnosis = _DAMAGED if "file format" in text else _OTHER_SCHEMA
    return diagnosis.explain(text, path=path) if diagnosis else None


def _is_of_temporary_files(error: BaseException, path: str) -> bool:
    if getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_IOERR_GETTEMPPATH:
        return True
    is_full = primary_code(error) == sqlite3.SQLITE_FULL
    return is_full and temporary.is_rather_full(directory(path))


def damaged(path: str, how: str) -> CleanupError:
    """Return the error for damage that SQLite itself does not tell."""
    return _DAMAGED.explain(how, path=path)


def refused(how: str) -> CleanupError:
    """Return the error for a constraint that SQLite would not keep before the commit."""
    return _CONSTRAINT.explain(how)


def unwritable(path: str) -> CleanupError:
    """Return the error for a directory in which no journal can be made."""
    diagnosis = _READ_ONLY if _on_read_only_storage(path) else _NO_PERMISSION
    return diagnosis.explain("its directory cannot be written", path=path)


def failing(path: str, error: OSError) -> CleanupError:
    """Return the error for storage that fails where it is not SQLite that asks."""
    known = {errno.EROFS: _READ_ONLY, errno.ENOENT: _MOVED}
    return known.get(error.errno or 0, _STORAGE).explain(str(error), path=path)


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
