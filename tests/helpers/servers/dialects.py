"""What differs between the servers, and SQL that all of them know."""

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
