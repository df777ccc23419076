"""SQLite tables of the shape, width and disorder of a cache of addresses, made by SQL alone."""

import os
import shutil
import sqlite3
from pathlib import Path

# As many as an application may have beside the one on the time.
_INDEXED = ("cached_at", "asn", "country_code", "org", "country_name")
# An odd number permutes all 32-bit numbers: addresses in no order, and each but once.
_KEYS = {"random": "n * 2654435761 & 4294967295", "table": "n + 16777216"}
_ROWS = """
    WITH RECURSIVE c(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM c WHERE n < {rows} - 1),
    k AS (SELECT {key} AS k, n * 7368787 % {rows} AS place, n * 48271 % 2147483647 AS r FROM c),
    t AS (SELECT k, r, strftime('%Y-%m-%dT%H:%M:%SZ', 1780488000
          + CASE WHEN place < {stale} THEN -1 - r % 17280000 ELSE r % 7776000 END,
          'unixepoch') AS seen FROM k)
    INSERT INTO geo_cache
    SELECT (k >> 24) || '.' || (k >> 16 & 255) || '.' || (k >> 8 & 255) || '.' || (k & 255),
      substr('DENLUSCNBRRU', 1 + 2 * (r % 6), 2),
      CASE r % 3 WHEN 0 THEN 'Germany' WHEN 1 THEN 'United States of America' ELSE 'Brazil' END,
      'AS' || r % 400000,
      CASE r % 3 WHEN 0 THEN 'Example Network GmbH' WHEN 1 THEN 'OVH SAS'
      ELSE 'Comcast Cable Communications, LLC' END,
      seen, seen FROM t
"""


def make(path: Path, rows: int, stale: int, keys: str = "random", indexes: int = 0) -> Path:
    """Make a table in BanGUI's shape, in WAL mode; ``indexes`` come beside the one on the time."""
    connection = sqlite3.connect(path, isolation_level=None)
    for setting in ("journal_mode = OFF", "synchronous = OFF", "cache_size = -1500000"):
        connection.execute(f"PRAGMA {setting}")
    connection.execute(
        "CREATE TABLE geo_cache (ip TEXT PRIMARY KEY, country_code TEXT, country_name TEXT,"
        " asn TEXT, org TEXT, cached_at TEXT NOT NULL, last_seen TEXT NOT NULL)"
    )
    connection.execute(_ROWS.format(rows=rows, stale=stale, key=_KEYS[keys]))
    for column in ("last_seen", *_INDEXED[:indexes]):
        connection.execute(f"CREATE INDEX ix_{column} ON geo_cache ({column})")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.close()
    return path


def make_stale(path: Path, rows: int, *, one_time: bool) -> Path:
    """Make a table all of whose rows are stale, and of one time or not."""
    make(path, rows, rows)
    if one_time:
        connection = sqlite3.connect(path)
        with connection:
            connection.execute("DROP INDEX ix_last_seen")
            connection.execute("UPDATE geo_cache SET last_seen = '2025-12-01'")
            connection.execute("CREATE INDEX ix_last_seen ON geo_cache (last_seen)")
        connection.close()
    return path


def fresh_copy(path: Path) -> Path:
    """Return a copy of a database, on the disk and in memory, so that all begin alike."""
    target = path.with_suffix(".copy")
    for suffix in ("-wal", "-shm"):
        Path(f"{target}{suffix}").unlink(missing_ok=True)
    shutil.copyfile(path, target)
    os.sync()
    return target
