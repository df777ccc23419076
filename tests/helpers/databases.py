"""SQLite databases of some size in BanGUI's shape, half of it stale."""

import random
from collections.abc import Iterable, Iterator
from pathlib import Path

from helpers import commands, tables

BANGUI_TABLE = (
    "CREATE TABLE geo_cache (ip TEXT PRIMARY KEY, country_code TEXT, country_name TEXT,"
    " asn TEXT, org TEXT, cached_at TEXT NOT NULL, last_seen TEXT NOT NULL)"
)
ROWS = 200_000


def make_database(path: Path, size: int, journal: str) -> Path:
    """Make a table of so many rows, half of them stale, and a ledger."""
    make_large_table(path, rows(size), journal)
    return path


def rows(size: int) -> Iterator[tuple[str, str]]:
    """Yield rows in random order, stale and fresh in turn; stale ones cost reading in Python."""
    shuffled = random.Random(1).sample(range(size), size)
    for number in shuffled:
        seen = ("2026-06-01T00:00:00.5+00:00", "2026-09-01T00:00:00Z")[number % 2]
        yield f"192.0.2.{number}", seen


def make_large_table(path: Path, rows: Iterable[tuple[str, str]], journal: str) -> None:
    """Make a table in BanGUI's shape of (ip, last_seen) rows, an index, and a ledger."""
    with tables.connected(path) as connection:
        connection.execute(f"PRAGMA journal_mode = {journal}")
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute(BANGUI_TABLE)
        connection.execute("CREATE INDEX ix ON geo_cache (last_seen)")
        connection.execute("BEGIN")
        connection.executemany(
            "INSERT INTO geo_cache (ip, org, cached_at, last_seen)"
            " VALUES (?1, 'An organisation', ?2, ?2)",
            rows,
        )
        connection.execute("COMMIT")
    assert commands.execute("migrate", commands.url(path)).returncode == 0


def slow_down(path: Path) -> None:
    """Let each row take a millisecond or so to delete."""
    long = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 3000)"
    with tables.connected(path) as connection:
        connection.execute("CREATE TABLE sink (n)")
        connection.execute(
            "CREATE TRIGGER slow AFTER DELETE ON geo_cache BEGIN"
            f" INSERT INTO sink SELECT ({long} SELECT max(n) FROM c); END"
        )


def count(path: Path) -> int:
    """Return how many rows the table has; raise if the database is damaged."""
    assert tables.fetch(path, "PRAGMA integrity_check") == ["ok"]
    return int(tables.fetch(path, "SELECT count(*) FROM geo_cache")[0])
