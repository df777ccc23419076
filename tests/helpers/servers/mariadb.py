"""A MariaDB server of the tests' own, also as a node of a Galera cluster."""

import os
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import URL

from helpers.servers.daemon import Daemon, free_port
from helpers.servers.programs import Programs

# The kernel has room for a few servers' asynchronous I/O only: see fs.aio-max-nr.
NO_AIO = "--innodb-use-native-aio=OFF"
PASSWORD = "s3cr3t/%@"  # noqa: S105 - of a server that lives for minutes
_HERE = Programs()
# Several of these servers run at once, with their data in the temporary directory.
_SMALL_LOG = "--innodb-log-file-size=8M"


class MariaDBServer:
    """A server on a socket in its directory, and on a port of the loopback interface."""

    user = "mysql"
    daemon_name = "mariadbd"
    client_name = "mariadb"
    defaults: Sequence[str] = (
        _SMALL_LOG,
        "--max-recursive-iterations=1000000",
    )

    def __init__(self, directory: Path, *options: str, programs: Programs = _HERE) -> None:
        self.directory = directory
        self.programs = programs
        self.data = directory / "data"
        self.socket = directory / "sock"
        self.port = free_port()
        self.options = list(options)

    def create(self) -> None:
        """Initialise the data directory; root comes in by the socket as the user root."""
        self.programs.run(
            self.user, "mariadb-install-db", "--no-defaults", f"--datadir={self.data}",
            "--auth-root-authentication-method=socket", "--auth-root-socket-user=root",
            "--skip-test-db", NO_AIO, _SMALL_LOG,
        )  # fmt: skip

    def start(self, *options: str) -> None:
        """Start the server and wait until it answers."""
        self.launch(*options)
        self.daemon.wait(lambda: self.query("SELECT 1"))

    def launch(self, *options: str) -> None:
        """Start the server without waiting for it."""
        command = [
            self.daemon_name, "--no-defaults", f"--datadir={self.data}", f"--socket={self.socket}",
            f"--port={self.port}", "--bind-address=127.0.0.1", f"--pid-file={self.directory}/pid",
            "--innodb-flush-log-at-trx-commit=2", "--innodb-buffer-pool-size=64M",
            "--default-time-zone=+05:45", NO_AIO,
            # In a directory that it shares, a server that starts deletes the files of the others.
            f"--tmpdir={self.directory}", *self.defaults, *self.options, *options,
        ]  # fmt: skip
        self.daemon = Daemon(self.programs.command(self.user, *command), self.directory / "log")
        self.daemon.start()

    def create_app(self) -> None:
        """Create the user that the tests' databases are granted to."""
        self.query(f"CREATE USER app IDENTIFIED BY '{PASSWORD}'")

    def log_text(self) -> str:
        """Return the server's log."""
        return (self.directory / "log").read_text(errors="replace")

    def stop(self, number: int = signal.SIGTERM) -> None:
        """Stop the server, with SIGKILL as a power cut does."""
        self.daemon.stop(number)

    def engine(self, database: str = "") -> sa.engine.Engine:
        """Return an engine for the tests themselves, as root."""
        return sa.create_engine(
            self.url(database, user="root", driver="mysql+pymysql"),
            future=True,
            poolclass=sa.pool.NullPool,
        )

    def url(
        self, database: str, *, user: str = "app", driver: str = "mysql", tcp: bool = False
    ) -> URL:
        """Return the URL of a database, by TCP, or by the socket (user root: by who one is)."""
        password = None if user == "root" else PASSWORD
        if tcp:
            return URL.create(driver, user, password, "127.0.0.1", self.port, database)
        query = {"unix_socket": str(self.socket)}
        return URL.create(driver, user, password, database=database, query=query)

    def query(self, statement: str, database: str = "") -> Sequence[Any]:
        """Execute SQL as root, each statement its own transaction; return the last's rows."""
        rows: Sequence[Any] = []
        engine = self.engine(database).execution_options(isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            for part in filter(str.strip, statement.split(";\n")):
                result = connection.exec_driver_sql(part.replace("%", "%%"))
                rows = [tuple(row) for row in result] if result.returns_rows else []
        return rows

    def client(self, script: str, database: str) -> "subprocess.CompletedProcess[str]":
        """Feed a script to the server's own client, stopping at its first error."""
        return self.programs.run(
            "root", self.client_name, "--no-defaults", f"--socket={self.socket}", database,
            script=script, check=False,
        )  # fmt: skip


def is_installed() -> bool:
    """Whether there is a server to start, and Galera."""
    needed = ("/usr/sbin/mariadbd", "/usr/lib/galera/libgalera_smm.so", "/usr/bin/rsync")
    return all(map(os.path.exists, needed))
