"""Which servers the tests run on: this machine's, and the oldest and newest that are supported."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from helpers.servers.daemon import private_directory
from helpers.servers.mariadb import MariaDBServer
from helpers.servers.mysql import MySQLServer
from helpers.servers.postgresql import PostgreSQLServer
from helpers.servers.programs import Programs
from helpers.system.roots import cached_root

Server = PostgreSQLServer | MariaDBServer | MySQLServer
_PACKAGES = {
    "bullseye": ("mariadb-server-10.5", "postgresql-13"),
    "sid": ("mysql-client-core", "mysql-server-core", "postgresql-18"),
}


@dataclass(frozen=True)
class Release:
    """A kind of server, from a release of Debian or, where none is named, from this machine."""

    kind: type[Server]
    suite: str = ""

    def programs(self) -> Programs:
        """Return the programs, after making the root file system if it is not in the cache."""
        if not self.suite:
            return Programs()
        return Programs(cached_root(f"servers-{self.suite}", self.suite, _PACKAGES[self.suite]))


RELEASES = {
    "postgresql": Release(PostgreSQLServer),
    "mariadb": Release(MariaDBServer),
    "postgresql-13": Release(PostgreSQLServer, "bullseye"),
    "mariadb-10.5": Release(MariaDBServer, "bullseye"),
    "postgresql-18": Release(PostgreSQLServer, "sid"),
    "mysql": Release(MySQLServer, "sid"),
}
HERE = [name for name, release in RELEASES.items() if not release.suite]
POSTGRESQL = [name for name, release in RELEASES.items() if release.kind is PostgreSQLServer]
MYSQL = [name for name in RELEASES if name not in POSTGRESQL]


@contextmanager
def started(name: str) -> Iterator[Server]:
    """Start a server, with the user app."""
    release = RELEASES[name]
    with private_directory(release.kind.user) as directory:
        server = release.kind(directory, programs=release.programs())
        server.create()
        try:
            server.start()
            server.create_app()
            yield server
        finally:
            server.stop()
