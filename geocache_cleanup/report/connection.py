"""What check says of the connection: the engine, its version, the driver, the file of SQLite."""

import os
import pwd
import sys
from dataclasses import dataclass
from typing import Optional

from sqlalchemy.engine import URL, Connection

_ENGINES = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}


@dataclass(frozen=True)
class ConnectionInfo:
    """The connection. What follows ``user`` is of SQLite only, and None elsewhere.

    ``user`` is the one of the operating system that the command runs as. ``free_bytes`` of the
    file hold nothing, and are used again before it grows.
    """

    engine: str
    version: str
    driver: str
    user: str
    file: Optional[str] = None
    file_owner: Optional[str] = None
    file_bytes: Optional[int] = None
    free_bytes: Optional[int] = None
    journal_mode: Optional[str] = None


def describe(connection: Connection, url: URL) -> ConnectionInfo:
    """Ask the database who it is."""
    dialect, user = connection.dialect, _user(os.geteuid())
    if dialect.name == "sqlite":
        return _describe_sqlite(connection, url, user)
    is_postgresql = dialect.name == "postgresql"
    question = "SHOW server_version" if is_postgresql else "SELECT version()"
    version = str(connection.exec_driver_sql(question).scalar_one())
    engine = _ENGINES.get(dialect.name) or ("MariaDB" if "MariaDB" in version else "MySQL")
    module = getattr(dialect, "dbapi", None)
    driver = f"{dialect.driver} {_version(module)}".strip()
    return ConnectionInfo(engine=engine, version=version, driver=driver, user=user)


def _describe_sqlite(connection: Connection, url: URL, user: str) -> ConnectionInfo:
    from geocache_cleanup.engines.sqlite.path import file_path

    def pragma(name: str) -> str:
        return str(connection.exec_driver_sql(f"PRAGMA {name}").scalar_one())

    path = file_path(url)
    status = os.stat(path)
    return ConnectionInfo(
        engine=_ENGINES["sqlite"],
        version=str(connection.exec_driver_sql("SELECT sqlite_version()").scalar_one()),
        driver=f"sqlite3 of Python {sys.version.split()[0]}",
        user=user,
        file=path,
        file_owner=_user(status.st_uid),
        file_bytes=status.st_size,
        free_bytes=int(pragma("freelist_count")) * int(pragma("page_size")),
        journal_mode=pragma("journal_mode"),
    )


def _version(module: object) -> str:
    """Return a driver's version, without what some of them put after it."""
    parts = getattr(module, "version_info", ())[:3]
    version = getattr(module, "__version__", "") or ".".join(map(str, parts))
    return str(version).partition(" ")[0]


def _user(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)
