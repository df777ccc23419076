"""SQL functions of this program: they let SQLite read stored text as ``times.instants`` does."""

import datetime as dt
from collections.abc import Callable

from sqlalchemy.engine import Connection

from geocache_cleanup.engines.sqlite.driver import driver_connection, encoding_of
from geocache_cleanup.times import instants


def register(connection: Connection, cutoff: int, zone: dt.tzinfo) -> None:
    """Give the connection ``geocache_stale`` and ``geocache_unreadable``.

    They take the bytes of text: text that is not valid in the database's encoding would
    otherwise fail the whole statement.
    """
    read = _reader(connection, zone)

    def is_stale(raw: bytes) -> bool:
        return instants.is_stale(read(raw), cutoff)

    raw = driver_connection(connection)
    raw.create_function("geocache_stale", 1, is_stale, deterministic=True)
    raw.create_function("geocache_unreadable", 1, lambda raw: read(raw) is None, deterministic=True)


def _reader(connection: Connection, zone: dt.tzinfo) -> Callable[[bytes], int | None]:
    """Return a function from the bytes of stored text to the instant, None if unreadable."""
    encoding = encoding_of(connection)

    def read(raw: bytes) -> int | None:
        try:
            return instants.read_instant(raw.decode(encoding), zone)
        except UnicodeDecodeError:
            return None

    return read
