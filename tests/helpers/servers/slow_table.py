"""A table that takes its time to prune: each deletion a hundredth of a second."""

from typing import Any

import pytest

from helpers.servers.commands import geocache_cleanup
from helpers.servers.dialects import is_postgresql, numbered, text_of

ROWS = 5_000
_DRIVERS = {
    "postgresql": ["postgresql+psycopg2", "postgresql+psycopg"],
    "mariadb": ["mysql+pymysql", "mysql+mysqldb"],
}


def make_table(server: Any, database: str) -> None:
    """Make a table of stale rows, and what ``slow_down`` needs."""
    server.query("CREATE TABLE geo_cache (ip INTEGER PRIMARY KEY, last_seen TIMESTAMP)", database)
    server.query(f"INSERT INTO geo_cache SELECT n, '2020-01-01' FROM {numbered(ROWS)}", database)
    if is_postgresql(server):
        server.query(
            "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS"
            " 'BEGIN PERFORM pg_sleep(0.01); RETURN OLD; END';"
            "ALTER TABLE geo_cache OWNER TO app",
            database,
        )


@pytest.fixture
def filled(server: Any, database: str) -> str:
    """Return a database with a table of stale rows."""
    make_table(server, database)
    return database


def slow_down(server: Any, database: str) -> None:
    """Make each deletion take a hundredth of a second."""
    if is_postgresql(server):
        statement = (
            "CREATE TRIGGER t BEFORE DELETE ON geo_cache FOR EACH ROW EXECUTE FUNCTION slow()"
        )
    else:
        statement = (
            "CREATE DEFINER=app TRIGGER t BEFORE DELETE ON geo_cache FOR EACH ROW DO SLEEP(0.01)"
        )
    server.query(statement, database)


def sessions(server: Any, database: str) -> int:
    """Return how many statements of a run are under way."""
    if is_postgresql(server):
        statement = (
            "SELECT count(*) FROM pg_stat_activity WHERE state = 'active'"
            f" AND query LIKE 'DELETE%' AND datname = '{database}'"
        )
    else:
        statement = (
            "SELECT count(*) FROM information_schema.processlist"
            f" WHERE (info LIKE 'DELETE%' OR info LIKE 'DO SLEEP%') AND db = '{database}'"
        )
    return int(server.query(statement)[0][0])


def driver_urls(server: Any, database: str) -> list[str]:
    """Return a URL for each driver that works here."""
    drivers = _DRIVERS["postgresql" if is_postgresql(server) else "mariadb"]
    urls = [text_of(server.url(database, driver=driver, tcp=True)) for driver in drivers]
    return [url for url in urls if geocache_cleanup("run", "--dry-run", url=url).status != 78]
