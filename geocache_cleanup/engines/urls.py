"""From a database URL to an engine; and how it is shown."""

import importlib
from collections.abc import Mapping

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from geocache_cleanup.deadline import Deadline
from geocache_cleanup.engines.base import Engine
from geocache_cleanup.errors import ConfigError

# Only the engine in use is imported.
_ENGINES: Mapping[str, tuple[str, str]] = {
    "sqlite": ("geocache_cleanup.engines.sqlite.engine", "SQLiteEngine"),
    "postgresql": ("geocache_cleanup.engines.postgresql.engine", "PostgreSQLEngine"),
    "mysql": ("geocache_cleanup.engines.mysql.engine", "MySQLEngine"),
    "mariadb": ("geocache_cleanup.engines.mysql.engine", "MySQLEngine"),
}


def engine_class(url: URL) -> type[Engine]:
    """Return the class for a URL; raise ConfigError if the database is not supported."""
    if url.get_backend_name() not in _ENGINES:
        raise ConfigError(
            f"{url.drivername!r} is not a supported database",
            "use a sqlite:///, postgresql://, mysql:// or mariadb:// URL",
        )
    module, name = _ENGINES[url.get_backend_name()]
    found: type[Engine] = getattr(importlib.import_module(module), name)
    return found


def parse_url(text: str) -> URL:
    """Parse the URL of a supported database; raise ConfigError, never repeating the text."""
    try:
        url = make_url(text)
        return engine_class(url).read_url(url, text)
    except (ArgumentError, ValueError):
        raise ConfigError(
            "the database URL cannot be parsed",
            "check --database-url; special characters in a password must be percent-encoded, and "
            "what is no URL, such as a conninfo, is not taken",
        ) from None


def shown_url(url: URL) -> str:
    """Write the URL for people and logs: no password, and no query, which may hold one."""
    return engine_class(url).shown_url(url)


def files_of(url: URL) -> frozenset[str]:
    """Return the real paths of files that are the database's own, there or not."""
    return engine_class(url).files_of(url)


def open_engine(url: URL, deadline: Deadline, *, create: bool = False) -> Engine:
    """Return the engine for a URL; with ``create`` a missing SQLite file is made.

    Raise ConfigError if it cannot be used, NoInputError for a missing file.
    """
    return engine_class(url)(url, deadline, create=create)
