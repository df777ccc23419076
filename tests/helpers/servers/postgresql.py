"""A PostgreSQL server of the tests' own."""

import shutil
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import URL

from helpers.servers.daemon import Daemon, free_port
from helpers.servers.programs import Programs

PASSWORD = "s3cr3t/%@"  # noqa: S105 - of a server that lives for minutes
_HERE = Programs()


class PostgreSQLServer:
    """A server on a socket in its directory, and on a port of the loopback interface."""

    user = "postgres"

    def __init__(self, directory: Path, *options: str, programs: Programs = _HERE) -> None:
        self.directory = directory
        self.programs = programs
        self.binaries = programs.newest("usr/lib/postgresql/*/bin")
        self.data = directory / "data"
        self.port = free_port()
        settings = [
            "fsync=off",
            "timezone=Asia/Kathmandu",  # whatever the server's zone is, the run's is UTC
            "max_connections=30",
            "max_wal_size=32MB",  # its data are in the temporary directory
            "min_wal_size=32MB",
            f"unix_socket_directories={directory}",
            "listen_addresses=127.0.0.1",
            *options,
        ]
        arguments = [part for setting in settings for part in ("-c", setting)]
        postgres = f"{self.binaries}/postgres"
        command = programs.command(
            self.user, postgres, "-D", self.data, "-p", self.port, *arguments
        )
        self.daemon = Daemon(command, directory / "log")

    def create(self) -> None:
        """Initialise the data directory: peers come in by the socket, others by password."""
        self.programs.run(
            self.user, f"{self.binaries}/initdb", "-D", self.data, "-U", "postgres", "--no-sync",
            "-E", "UTF8", "--locale=C.UTF-8", "--auth-local=trust", "--auth-host=scram-sha-256",
        )  # fmt: skip
        (self.data / "pg_ident.conf").write_text("me root app\n")
        (self.data / "pg_hba.conf").write_text(
            "local peer_only all peer map=me\n"
            "local all all trust\nlocal replication all trust\n"
            "host nobody_in all 127.0.0.1/32 reject\n"
            "host all all 127.0.0.1/32 scram-sha-256\n"
        )

    def start(self) -> None:
        """Start the server and wait until it answers."""
        self.daemon.start()
        self.daemon.wait(lambda: self.query("SELECT 1"))

    def create_app(self) -> None:
        """Create the user that owns the tests' databases."""
        self.query(f"CREATE ROLE app LOGIN PASSWORD '{PASSWORD}'")

    def stop(self, number: int = signal.SIGINT) -> None:
        """Stop the server: disconnecting everyone, or with SIGKILL as a power cut does."""
        self.daemon.stop(number)

    def engine(self, database: str = "postgres") -> sa.engine.Engine:
        """Return an engine for the tests themselves, as the superuser."""
        return sa.create_engine(
            self.url(database, user="postgres", driver="postgresql+psycopg2"),
            future=True,
            poolclass=sa.pool.NullPool,
        )

    def url(
        self, database: str, *, user: str = "app", driver: str = "postgresql", tcp: bool = False
    ) -> URL:
        """Return the URL of a database, by the socket or by TCP with the password."""
        if tcp:
            return URL.create(driver, user, PASSWORD, "127.0.0.1", self.port, database)
        query = {"host": str(self.directory)}
        return URL.create(driver, user, port=self.port, database=database, query=query)

    def query(self, statement: str, database: str = "postgres") -> Sequence[Any]:
        """Execute SQL as the superuser, committing at once; return the rows of the last."""
        engine = self.engine(database).execution_options(isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            result = connection.exec_driver_sql(statement.replace("%", "%%"))
            return [tuple(row) for row in result] if result.returns_rows else []

    def psql(self, script: str, database: str) -> "subprocess.CompletedProcess[str]":
        """Feed a script to psql, stopping at its first error."""
        return self.programs.run(
            self.user, f"{self.binaries}/psql", "-X", "-q", "-v", "ON_ERROR_STOP=1",
            "-h", self.directory, "-p", self.port, "-U", "postgres", "-d", database,
            script=script, check=False,
        )  # fmt: skip


def is_installed() -> bool:
    """Whether there is a server to start."""
    return bool(list(Path("/usr/lib/postgresql").glob("*/bin/initdb"))) and bool(
        shutil.which("psql")
    )
