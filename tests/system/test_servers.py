"""Database servers, as the sandboxed unit reaches them: by socket, by TCP with the drop-in."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from helpers.system.machine import SERVICE, USER, Machine
from helpers.system.roots import RELEASES, RUNTIME, TOOLS, cached_root, overlay

pytestmark = pytest.mark.system

SERVERS = ("mariadb-server", "netbase", "postgresql", "python3-psycopg2", "python3-pymysql")
TABLE = "CREATE TABLE geo_cache (ip VARCHAR(45) PRIMARY KEY, last_seen TIMESTAMP NOT NULL)"
ROWS = "INSERT INTO geo_cache VALUES ('old', '2001-02-03 04:05:06'), ('new', '2037-01-01 00:00')"
SOCKET_URLS = {
    "postgresql": "postgresql:///app?host=/run/postgresql",
    "mariadb": "mysql://geocache-cleanup@localhost/app?unix_socket=/run/mysqld/mysqld.sock",
}
TCP_URLS = {
    "postgresql": "postgresql://remote:hunter2@127.0.0.1/app",
    "mariadb": "mysql://remote:hunter2@127.0.0.1/app",
}


@pytest.fixture(scope="module", params=RELEASES)
def served(
    request: pytest.FixtureRequest, deb: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Machine]:
    """Boot a release that runs both servers, and install the package."""
    packages = (*TOOLS.split(), *RUNTIME, *SERVERS)
    base = cached_root(f"servers-{request.param}", request.param, packages)
    with overlay(base, tmp_path_factory.mktemp(request.param)) as root:
        shutil.copy(deb, root / "opt" / "0.deb")
        machine = Machine(request.param, root)
        try:
            machine.run("apt-get install --yes /opt/0.deb")
            machine.run("systemctl start postgresql mariadb")
            make_databases(machine)
            yield machine
        finally:
            machine.stop()


def make_databases(machine: Machine) -> None:
    """Make on each server a database, an account for the job's user, and one with a password."""
    machine.run("runuser -u postgres -- createdb app; mariadb -e 'CREATE DATABASE app'")
    execute(
        machine,
        "postgresql",
        'CREATE ROLE "geocache-cleanup" LOGIN;'
        "CREATE ROLE remote LOGIN PASSWORD 'hunter2';"
        'ALTER DATABASE app OWNER TO "geocache-cleanup";',
    )
    execute(
        machine,
        "mariadb",
        "CREATE USER 'geocache-cleanup'@localhost IDENTIFIED VIA unix_socket;"
        "CREATE USER remote@'127.0.0.1' IDENTIFIED BY 'hunter2';"
        "GRANT ALL ON app.* TO 'geocache-cleanup'@localhost;"
        "GRANT ALL ON app.* TO remote@'127.0.0.1';",
    )


def execute(machine: Machine, engine: str, statements: str) -> str:
    """Execute SQL as the administrator of a server; return what it prints."""
    client = {
        "postgresql": "runuser -u postgres -- psql -qtA app",
        "mariadb": "mariadb --batch --skip-column-names app",
    }[engine]
    machine.write("/opt/statements.sql", statements)
    return machine.run(f"{client} </opt/statements.sql").strip()


def fill(machine: Machine, engine: str) -> None:
    """Make the table anew, with a stale row and a fresh one."""
    grant = ""
    if engine == "postgresql":
        grant = (
            'ALTER TABLE geo_cache OWNER TO "geocache-cleanup"; GRANT ALL ON geo_cache TO remote;'
        )
    execute(machine, engine, f"DROP TABLE IF EXISTS geo_cache; {TABLE}; {ROWS}; {grant}")


@pytest.mark.parametrize("engine", SOCKET_URLS)
def test_the_socket_needs_no_password_and_no_drop_in(served: Machine, engine: str) -> None:
    """The unit as it is shipped, without any network, is let in as its user."""
    fill(served, engine)
    served.configure(database_url=SOCKET_URLS[engine])
    served.mark()
    served.run(f"systemctl start {SERVICE}")
    assert served.events() == ["ran"]
    assert execute(served, engine, "SELECT ip FROM geo_cache") == "new"


@pytest.mark.parametrize("engine", TCP_URLS)
def test_tcp_needs_the_drop_in(served: Machine, engine: str) -> None:
    """Over TCP the shipped unit reaches nothing; with the example's drop-in it does."""
    fill(served, engine)
    served.run("mkdir -p -m 700 /etc/credstore")
    served.write("/etc/credstore/geocache-cleanup.database-url", TCP_URLS[engine], 0o600)
    served.configure(metrics_file="/var/lib/geocache-cleanup/last.prom")
    served.run(
        f"runuser -u {USER} -- geocache-cleanup migrate --database-url='{SOCKET_URLS[engine]}'"
    )
    if engine == "postgresql":
        grants = "GRANT ALL ON ALL {} IN SCHEMA public TO remote;"
        execute(served, engine, grants.format("TABLES") + grants.format("SEQUENCES"))
    served.mark()
    assert served.status(f"timeout 20 systemctl start {SERVICE}") != 0
    served.run(f"systemctl stop {SERVICE}; systemctl reset-failed {SERVICE}")
    assert "failed" in served.events()
    # What a person types as root meets the same sandbox, and reads the same credential.
    said = served.call("geocache-cleanup check --timeout=5")
    assert (said.returncode, "network.conf" in said.stdout) == (69, True), said.stdout
    served.use_example("network")
    assert "A run would delete 1 rows" in served.run("geocache-cleanup check")
    served.mark()
    served.run(f"systemctl start {SERVICE}")
    assert served.events() == ["ran"]
    assert execute(served, engine, "SELECT ip FROM geo_cache") == "new"
    assert "hunter2" not in served.run(f"journalctl --all --output=json --unit={SERVICE}")
    assert "hunter2" not in execute(served, engine, "SELECT * FROM geocache_cleanup_runs")
    # The metrics, the journal's own files, what systemd keeps of the unit, left-overs.
    places = "/var/lib/geocache-cleanup /var/log/journal /run/log /run/systemd/units /tmp /var/tmp"
    assert served.run("ls /var/lib/geocache-cleanup/last.prom")
    assert served.run(f"grep -rlsF hunter2 {places} || true") == ""
    served.run(f"rm -r /etc/systemd/system/{SERVICE}.d /etc/credstore; systemctl daemon-reload")
