"""SQL injection on servers, and passwords in whatever a real server refuses."""

from collections.abc import Callable
from typing import Any

import pytest

from helpers.faults.hostile_input import INJECTIONS, leaks
from helpers.faults.runs import ForkServers
from helpers.faults.template import DOCUMENTED
from helpers.reporting import tally
from helpers.servers.dialects import is_postgresql, text_of

pytestmark = pytest.mark.servers


@pytest.fixture
def filled(server: Any, database: str) -> str:
    """Return a database of app's with a stale row and a fresh one."""
    server.query("CREATE TABLE geo_cache (ip VARCHAR(40) PRIMARY KEY, last_seen DATE)", database)
    server.query("INSERT INTO geo_cache VALUES ('a', '2020-01-01'), ('b', '2099-01-01')", database)
    if is_postgresql(server):
        server.query("ALTER TABLE geo_cache OWNER TO app", database)
    return database


@pytest.mark.parametrize("option", ["--table", "--time-column", "database", "user"])
def test_injection_on_servers(
    fork_servers: ForkServers, server: Any, filled: str, option: str
) -> None:
    """A name is a name: refused, and both rows are there."""
    url = server.url(filled, tcp=True)
    for text in INJECTIONS:
        target, options = url, []
        if option == "database":
            target = url.set(database=text)
        elif option == "user":
            target = url.set(username=text)
        else:
            options = [f"{option}={text}"]
        with fork_servers.one() as (fork_server, _):
            outcome = fork_server.run(
                "run", *options, env={"GEOCACHE_CLEANUP_DATABASE_URL": text_of(target)}
            )
        tally["inputs tried"] += 1
        assert outcome.status in DOCUMENTED - {0, 70}, (text, outcome)
        assert "Traceback" not in outcome.errors, (text, outcome)
        assert server.query("SELECT count(*) FROM geo_cache", filled) == [(2,)]


def test_awkward_passwords(fork_servers: ForkServers, server: Any, filled: str) -> None:
    """Right, it lets the run in; wrong, it is shown nowhere."""
    password = 'hunter2/:@?#&=+ "\\$`{}[]<>|~^' + "\u00e4"
    make: Callable[[str], str] = "CREATE ROLE odd LOGIN PASSWORD '{}'".format
    if not is_postgresql(server):
        make = "CREATE USER odd IDENTIFIED BY '{}'".format
        # Its literals would need a backslash doubled; PyMySQL sends passwords in Latin 1.
        password = password.replace("\\", "").replace("\u00e4", "")
    server.query(make(password))
    url = server.url(filled, tcp=True).set(username="odd", password=password)
    try:
        on = "geo_cache" if is_postgresql(server) else f"{filled}.*"
        grant = f"GRANT SELECT, DELETE ON {on} TO odd"
        server.query(grant, filled)
        for right in (True, False):
            target = url if right else url.set(password=f"{password}!")
            for command in ("run", "check", "history"):
                with fork_servers.one() as (fork_server, _):
                    outcome = fork_server.run(
                        command, env={"GEOCACHE_CLEANUP_DATABASE_URL": text_of(target)}
                    )
                tally["inputs tried"] += 1
                assert not leaks(outcome.output, outcome.errors), outcome
                assert outcome.status == (77 if not right else 78 if command == "history" else 0)
    finally:
        server.query("DROP OWNED BY odd" if is_postgresql(server) else "SELECT 1", filled)
        server.query("DROP USER odd")
