"""A pgbouncer of the tests' own, in front of a PostgreSQL server."""

import os
from pathlib import Path

from sqlalchemy.engine import URL

from helpers.servers.daemon import Daemon, free_port
from helpers.servers.postgresql import PostgreSQLServer
from helpers.servers.programs import Programs

_PROGRAM = "/usr/sbin/pgbouncer"
_SETTINGS = """
[databases]
{database} = host={host} port={port} dbname={database} user=app pool_size=1
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {own_port}
unix_socket_dir = {directory}
auth_type = any
pool_mode = {mode}
query_wait_timeout = 3
"""


class PgBouncer:
    """A pooler with one connection to each database, which its clients use in turn, as app."""

    def __init__(self, server: PostgreSQLServer, database: str, directory: Path, mode: str) -> None:
        self.database, self.directory = database, directory
        self.port = free_port()
        settings = _SETTINGS.format(
            database=database,
            host=server.directory,
            port=server.port,
            own_port=self.port,
            directory=directory,
            mode=mode,
        )
        path = directory / "pgbouncer.ini"
        path.write_text(settings)
        command = Programs().command("postgres", _PROGRAM, path)
        self.daemon = Daemon(command, directory / "pgbouncer.log")

    def start(self) -> None:
        """Start it and wait until clients can come in."""
        self.daemon.start()
        socket = self.directory / f".s.PGSQL.{self.port}"
        self.daemon.wait(socket.exists)

    def stop(self) -> None:
        """Stop it; its clients are cut off."""
        self.daemon.stop()

    def url(self, driver: str = "postgresql") -> URL:
        """Return the URL of the database behind it."""
        query = {"host": str(self.directory)}
        return URL.create(driver, "app", port=self.port, database=self.database, query=query)


def is_installed() -> bool:
    """Whether there is one to start."""
    return os.path.exists(_PROGRAM)
