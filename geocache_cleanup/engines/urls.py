"""From a database URL to a backend."""

import os
import re
from typing import TYPE_CHECKING

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from geocache_cleanup.errors import ConfigError

if TYPE_CHECKING:
    from geocache_cleanup.deadline import Deadline
    from geocache_cleanup.engines.base import Backend

_AUTHORITY = re.compile(":[^@]*@|@[^/]*/")


def parse_url(text: str) -> URL:
    """Parse a SQLAlchemy URL; raise ConfigError, never repeating the text."""
    try:
        url = _in_one_piece(make_url(text))
    except (ArgumentError, ValueError):
        raise ConfigError(
            "the database URL cannot be parsed",
            "check --database-url; special characters in a password must be percent-encoded",
        ) from None
    if url.get_backend_name() == "sqlite" and url.database:
        # SQLAlchemy decodes percent-encoding here since 2.1: keep the path as it was written.
        return url.set(database=text.partition(":///")[2].partition("?")[0])
    return url


def _in_one_piece(url: URL) -> URL:
    """Return the URL; raise ValueError if its host or database, which are shown, hold a password.

    An @ or a slash in the password has that effect, or one slash too many before the user.
    """
    is_server = url.get_backend_name() != "sqlite"
    if "@" in (url.host or "") or (is_server and _AUTHORITY.search(url.database or "")):
        raise ValueError
    return url


def shown_url(url: URL) -> str:
    """Write the URL for people and logs: no password, and no query, which may hold one."""
    if url.get_backend_name() == "sqlite":
        return f"{url.drivername}:///{url.database or ''}"
    return url.set(query={}).render_as_string(hide_password=True)


def files_of(url: URL) -> frozenset[str]:
    """Return the real paths that are a SQLite database's own, there or not; of a server none."""
    if url.get_backend_name() != "sqlite":
        return frozenset()
    from geocache_cleanup.engines.sqlite.path import file_path  # only the engine in use is imported

    try:
        path = os.path.realpath(file_path(url))
    except ConfigError:
        return frozenset()
    return frozenset(path + suffix for suffix in ("", "-journal", "-wal", "-shm"))


def open_backend(url: URL, deadline: "Deadline", *, create: bool = False) -> "Backend":
    """Return the backend for a URL; with ``create`` a missing SQLite file is made.

    Raise ConfigError for an engine that is not supported, NoInputError for a missing file.
    """
    if url.get_backend_name() == "sqlite":
        from geocache_cleanup.engines.sqlite.engine import SQLite

        return SQLite.from_url(url, deadline, create=create)
    if url.get_backend_name() == "postgresql":
        from geocache_cleanup.engines.postgresql.engine import PostgreSQL

        return PostgreSQL(url, deadline)
    if url.get_backend_name() in {"mysql", "mariadb"}:
        from geocache_cleanup.engines.mysql.engine import MySQL

        return MySQL(url, deadline)
    raise ConfigError(
        f"{url.drivername!r} is not a supported database",
        "use a sqlite:///, postgresql://, mysql:// or mariadb:// URL",
    )
