"""The file that a SQLite URL names."""

import os
import re
import stat
import urllib.parse

from sqlalchemy.engine import URL

from geocache_cleanup.config.redaction import decoded
from geocache_cleanup.errors import ConfigError, NoInputError, PermissionRefusedError

# Those that change how a driver behaves, not what is opened: applications' URLs have them.
_URL_OPTIONS = {"uri", "timeout", "check_same_thread"}
# Another URL, what stands before a host, or options that were encoded.
_PASSWORD = re.compile(r"://|:[^@]*@|[?&;]\w*(?:pass|pwd|secret|token|key)\w*=")


def may_hold_password(path: str) -> bool:
    """Tell whether a path looks like something else that holds one, and is that of no file."""
    return _PASSWORD.search(
        decoded(path).removeprefix("file://").removeprefix("file:")
    ) is not None and not os.path.exists(_existing(path))


def file_path(url: URL) -> str:
    """Return the path a SQLite URL names; raise ConfigError if it is not that of a file."""
    if url.drivername not in {"sqlite", "sqlite+pysqlite"}:
        raise ConfigError(
            f"{url.drivername!r} is not a supported driver", "use sqlite:////path/to/file.db"
        )
    if set(url.query) - _URL_OPTIONS:
        raise ConfigError(
            "the SQLite URL has options that are not supported",
            f"leave out all but {', '.join(sorted(_URL_OPTIONS))}; a ? in a path is written %3F",
        )
    path = url.database or ""
    if path.startswith("file:") and "uri" in url.query:
        path = urllib.parse.urlsplit(path).path
    if path in {"", ":memory:"} or "\0" in urllib.parse.unquote(path):
        raise ConfigError(
            "the SQLite URL names no file",
            "use sqlite:////path/to/file.db, with four slashes for an absolute path",
        )
    return _existing(path)


def _existing(path: str) -> str:
    """Decode a path if no file has its very name: SQLAlchemy decodes it only since 2.1."""
    return path if os.path.exists(path) else urllib.parse.unquote(path)


def files_of(url: URL) -> frozenset[str]:
    """Return the real paths that are the database's own, there or not; none if it is no file."""
    try:
        path = os.path.realpath(file_path(url))
    except ConfigError:
        return frozenset()
    return frozenset(path + suffix for suffix in ("", "-journal", "-wal", "-shm"))


def check_file(path: str) -> None:
    """Raise NoInputError if there is no such file, ConfigError if it is not a regular file."""
    try:
        mode = os.stat(path).st_mode
    except PermissionError:
        raise PermissionRefusedError(
            f"permission denied to reach {path!r}",
            "run as the user that owns the database, and give it the directory",
            "it needs a drop-in, see the example other-sqlite.conf: User= and Group= are those of "
            "the database; below /home also ProtectHome=no; then systemctl daemon-reload",
        ) from None
    except (OSError, ValueError):
        raise NoInputError(
            f"there is no database {path!r}",
            "see whether --database-url names the application's file, with four slashes before an "
            "absolute path; nothing is created",
            "see whether --database-url names the application's file; of /home, /root and /tmp the "
            "sandbox shows nothing",
        ) from None
    if not stat.S_ISREG(mode):
        kind = "a directory" if stat.S_ISDIR(mode) else "not a regular file"
        raise ConfigError(f"{path!r} is {kind}", "set --database-url to the database file")
