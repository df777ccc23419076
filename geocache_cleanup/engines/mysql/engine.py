"""MariaDB 10.5 and later, MySQL 8, and Galera clusters of them, by PyMySQL or mysqlclient."""

import contextlib
import os
import secrets
from collections.abc import Iterator, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql
from sqlalchemy.engine import URL, Connection

from geocache_cleanup.deadline import Deadline
from geocache_cleanup.engines.mysql import durability, errors, guards, inspection, session
from geocache_cleanup.engines.mysql.expressions import MySQLExpressions
from geocache_cleanup.engines.mysql.index import ONLINE
from geocache_cleanup.engines.mysql.table import MySQLTable
from geocache_cleanup.engines.server import diagnoses
from geocache_cleanup.engines.server.drivers import Driver
from geocache_cleanup.engines.server.engine import Mode, ServerEngine
from geocache_cleanup.engines.server.index import printed_index
from geocache_cleanup.errors import CleanupError, ConfigError

_SOCKET = "/run/mysqld/mysqld.sock"


class MySQLEngine(ServerEngine):
    """One MariaDB or MySQL database."""

    drivers = (
        Driver("pymysql", "pymysql", "python3-pymysql"),
        Driver("mysqldb", "MySQLdb", "python3-mysqldb"),
    )
    extra = "mysql"
    quote_mark = "`"
    version_query = "SELECT version()"
    expressions = MySQLExpressions()
    time_type = mysql.VARCHAR(64, charset="ascii", collation="ascii_bin")
    moment_type = mysql.DATETIME(fsp=6)
    storage = session.STORAGE
    lasting = f"ENGINE={storage}"

    def __init__(self, url: URL, deadline: Deadline, *, create: bool = False) -> None:
        """Raise ConfigError if the URL names no database, where the ledger is."""
        if not url.database:
            raise ConfigError(
                "the URL names no database", f"append it: {url.drivername}://HOST/DATABASE"
            )
        super().__init__(url, deadline, create=create)
        self._token = f"geocache_cleanup.{secrets.token_hex(16)}"
        self._found: str | None = None

    @classmethod
    def index_sql(cls, dialect: sa.engine.Dialect, index: sa.Index) -> str:
        create = "CREATE INDEX IF NOT EXISTS" if cls.can_skip_index(dialect) else "CREATE INDEX"
        return printed_index(index, cls.quote, create, ONLINE)

    @classmethod
    def can_skip_index(cls, dialect: sa.engine.Dialect) -> bool:
        """MariaDB can, MySQL cannot."""
        return dialect.name == "mariadb"

    def table(self, connection: Connection, name: str, column: str) -> MySQLTable:
        found = inspection.inspect_table(self, connection, name, column)
        self._found = found.name
        return found

    def has_table(self, connection: Connection, name: str, schema: str | None) -> bool:  # noqa: ARG002 - one signature for all engines
        """Look in the list: an account with no right on a table is denied a look at itself."""
        return name in sa.inspect(connection).get_table_names()

    def has_transactions(self, connection: Connection, name: str) -> bool:
        return guards.has_transactions(connection, self.url.database, name)

    def prepare_migration(self, connection: Connection, schema: str | None) -> None:  # noqa: ARG002 - one signature for all engines
        lock = session.lock_sql(f"migrate {self.url.database}")
        if not connection.exec_driver_sql(f"SELECT {lock}").scalar_one():
            raise diagnoses.MIGRATING.explain()

    def check_beside(self, connection: Connection, name: str) -> None:
        if not self.has_transactions(connection, name):
            guards.check_mixture(connection)

    def findings(self, connection: Connection) -> Iterator[tuple[str, str]]:
        return durability.findings(connection)

    def product(self, version: str) -> str:
        return "MariaDB" if "MariaDB" in version else "MySQL"

    def options(self, seconds: int) -> dict[str, object]:
        options: dict[str, object] = {
            "charset": "utf8mb4",
            "sql_mode": session.SQL_MODE,
            "init_command": session.AT_CONNECT,
            "connect_timeout": max(1, seconds),
            "read_timeout": seconds + session.GRACE_SECONDS,
            "write_timeout": seconds + session.GRACE_SECONDS,
        }
        if not self.url.host and os.path.exists(_SOCKET):
            options["unix_socket"] = _SOCKET
        return options

    def preamble(self, mode: Mode, seconds: float | None) -> Sequence[str]:
        is_mariadb = bool(self.dialect.is_mariadb)
        return session.preamble(mode, seconds, self._token, is_mariadb=is_mariadb)

    def cancel(self, raw: Any) -> None:  # noqa: ARG002 - one signature for all engines
        """End the statement; a balancer may choose another server: the token tells."""
        arguments, options = self.dialect.create_connect_args(self.url)
        killer = self.dialect.connect(
            *arguments, **{**self.options(session.GRACE_SECONDS), **options}
        )
        with contextlib.closing(killer):
            cursor = killer.cursor()
            cursor.execute(f"SELECT IS_USED_LOCK('{self._token}')")
            number = cursor.fetchone()[0]
            if number is not None:
                cursor.execute(f"KILL QUERY {int(number)}")

    def descriptor(self, raw: Any) -> int:
        """Return the socket, which PyMySQL keeps in an attribute."""
        return int(getattr(raw, "_sock", raw).fileno())

    def diagnose(self, error: Exception) -> CleanupError | None:
        return errors.diagnose(error, self._found)
