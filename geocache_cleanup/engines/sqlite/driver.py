"""sqlite3 behind SQLAlchemy: its connection, its text, and names as SQLite reads them."""

import os
import sqlite3
import urllib.parse
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.sql.expression import ColumnElement

from geocache_cleanup.engines.sqlite import errors

Column = ColumnElement[object]


def connect(path: str, *, create: bool) -> sqlite3.Connection:
    """Open a file, which is made only with ``create``, without ever waiting for its locks."""
    if create:
        _make(path)
    # Quoting makes any path a valid part of a URI.
    uri = f"file:{urllib.parse.quote(os.fsencode(os.path.abspath(path)))}?mode=rw"
    return sqlite3.connect(uri, uri=True, timeout=0, isolation_level=None)


def _make(path: str) -> None:
    """Make an empty file, unless there is one.

    What root makes in the directory of a service belongs to that service. It is given away by its
    descriptor: whoever owns the directory may put a link to another file in its place.
    """
    try:
        number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    except OSError:  # it is there, or SQLite is about to say what is wrong
        return
    try:
        if os.geteuid() == 0:
            owner = os.stat(errors.directory(path))
            os.fchown(number, owner.st_uid, owner.st_gid)
    finally:
        os.close(number)


def driver_connection(connection: Connection) -> sqlite3.Connection:
    """Return sqlite3's own connection."""
    raw = connection.connection.driver_connection
    assert isinstance(raw, sqlite3.Connection)
    return raw


def encoding_of(connection: Connection) -> str:
    """Return the encoding of the database's text, by a name that Python knows as well."""
    return str(pragma(connection, "encoding"))


def pragma(connection: Connection, name: str) -> Any:
    """Return the value of a PRAGMA."""
    return connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()


def fold(name: str) -> bytes:
    """Return a name as SQLite compares names: it ignores the case of ASCII letters only."""
    return name.encode(errors="surrogateescape").lower()


def quote(name: str) -> str:
    """Quote a name; SQLAlchemy would also double every "%" in it."""
    return '"' + name.replace('"', '""') + '"'


def qualified(table: str, column: str) -> Column:
    """Return a column by its full name: a quoted name alone, of no column, is text to SQLite."""
    return sa.literal_column(f"{quote(table)}.{quote(column)}")
