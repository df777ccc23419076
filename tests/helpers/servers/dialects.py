"""What differs between the servers, and SQL that all of them know."""

from typing import Any

from sqlalchemy.engine import URL

from helpers.servers.mysql import MySQLServer
from helpers.servers.postgresql import PostgreSQLServer
from helpers.servers.releases import Server


def is_postgresql(server: Server) -> bool:
    """Tell the two kinds of server apart."""
    return isinstance(server, PostgreSQLServer)


def admin_of(server: Server) -> str:
    """Return the user who may do anything."""
    return "postgres" if is_postgresql(server) else "root"


def is_mysql(server: Server) -> bool:
    """Tell MySQL itself from MariaDB."""
    return isinstance(server, MySQLServer)


def text_of(url: URL) -> str:
    """Return a URL with its password, as a user writes it."""
    return url.render_as_string(hide_password=False)


def numbered(rows: int) -> str:
    """Return a table with a column n from 1 up, in SQL that all servers know."""
    return (
        "(WITH RECURSIVE counted (n) AS"
        f" (SELECT 1 UNION ALL SELECT n + 1 FROM counted WHERE n < {rows})"
        " SELECT n FROM counted) AS numbered"
    )


def make_stale_table(server: Any, database: str, rows: int = 3) -> None:
    """Create a table of stale rows, of app's on PostgreSQL."""
    server.query("CREATE TABLE geo_cache (ip INTEGER, last_seen DATE)", database)
    values = ", ".join(f"({number}, '2020-01-01')" for number in range(rows))
    server.query(f"INSERT INTO geo_cache VALUES {values}", database)
    if is_postgresql(server):
        server.query("ALTER TABLE geo_cache OWNER TO app", database)
