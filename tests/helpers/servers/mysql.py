"""A MySQL server of the tests' own."""

from helpers.servers.mariadb import NO_AIO, MariaDBServer


class MySQLServer(MariaDBServer):
    """Like a MariaDB server, as far as the tests can see."""

    daemon_name = "mysqld"
    client_name = "mysql"
    defaults = (
        "--innodb-redo-log-capacity=32M",
        "--plugin-load-add=auth_socket=auth_socket.so",
        "--explain-format=TRADITIONAL",
        "--mysqlx=OFF",
        "--secure-file-priv=NULL",
        "--cte-max-recursion-depth=1000000",
    )

    def create(self) -> None:
        """Initialise the data directory."""
        self.programs.run(
            "mysql",
            "mysqld",
            "--no-defaults",
            f"--datadir={self.data}",
            "--initialize-insecure",
            NO_AIO,
        )

    def start(self, *options: str) -> None:
        """Start the server and wait until it answers; root comes in by the socket as root."""
        super().start(*options)
        self.query("ALTER USER root@localhost IDENTIFIED WITH auth_socket")
