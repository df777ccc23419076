"""Three real nodes of a Galera cluster: one prunes while another serves the application."""

import contextlib
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
import sqlalchemy as sa

from helpers.processes import wait_until
from helpers.servers.commands import Command, geocache_cleanup
from helpers.servers.daemon import free_port, private_directory
from helpers.servers.dialects import text_of
from helpers.servers.mariadb import PASSWORD, MariaDBServer

BEFORE = "--before=2026-01-01"
ROWS = 30_000


class Node(MariaDBServer):
    """One node: a server with four more ports, for the group and for transfers of state."""

    def __init__(self, directory: Any, group: Sequence[int], number: int) -> None:
        address = f"127.0.0.1:{group[number]}"
        super().__init__(
            directory,
            "--binlog-format=ROW",
            "--innodb-autoinc-lock-mode=2",
            "--wsrep-on=ON",
            "--wsrep-provider=/usr/lib/galera/libgalera_smm.so",
            "--wsrep-cluster-name=geocache",
            f"--wsrep-cluster-address=gcomm://{','.join(f'127.0.0.1:{port}' for port in group)}",
            f"--wsrep-node-name=node{number}",
            f"--wsrep-node-address={address}",
            f"--wsrep-provider-options=gmcast.listen_addr=tcp://{address};"
            f"ist.recv_addr=127.0.0.1:{free_port()};gcache.size=64M;"
            "evs.keepalive_period=PT0.5S;evs.inactive_check_period=PT0.25S;"
            "evs.suspect_timeout=PT4S;evs.inactive_timeout=PT12S",
            "--wsrep-sst-method=rsync",
            f"--wsrep-sst-receive-address=127.0.0.1:{free_port()}",
        )

    def state(self) -> tuple[str, str, str]:
        """Return the cluster's size, and whether this node is in it and takes work."""
        names = ("wsrep_cluster_size", "wsrep_cluster_status", "wsrep_ready")
        found = dict(self.query("SHOW STATUS LIKE 'wsrep_%'"))
        size, status, ready = (str(found[name]) for name in names)
        return size, status, ready

    def join(self, size: int, *options: str) -> None:
        """Start, and wait until the node is one of so many."""
        self.launch(*options)
        state = (str(size), "Primary", "ON")
        wait_until("the node", lambda: not self.daemon.runs or self.state() == state)
        assert self.daemon.runs, self.log_text()[-2_000:]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Sequence[Node]]:
    """Return three nodes in one cluster."""
    group = [free_port() for _ in range(3)]
    with contextlib.ExitStack() as stack:
        nodes = []
        for number in range(3):
            directory = stack.enter_context(private_directory("mysql"))
            nodes.append(Node(directory, group, number))
        nodes[0].create()
        for node in nodes[1:]:
            subprocess.run(["cp", "-a", nodes[0].data, node.data], check=True)
        for number, node in enumerate(nodes):
            stack.callback(_end, node)
            node.join(number + 1, *["--wsrep-new-cluster"][number:])
        nodes[0].query(f"CREATE USER app IDENTIFIED BY '{PASSWORD}'")
        yield nodes


def _end(node: Node) -> None:
    if getattr(node, "daemon", None) is not None and node.daemon.process is not None:
        node.stop(signal.SIGKILL)


@pytest.fixture
def database(cluster: Sequence[Node]) -> str:
    """Return a database with stale rows and, from 1,000,001 on, the application's fresh ones."""
    name = f"g{time.monotonic_ns()}"
    first = cluster[0]
    first.query(f"CREATE DATABASE {name};\nGRANT ALL ON {name}.* TO app")
    first.query("CREATE TABLE geo_cache (ip INTEGER PRIMARY KEY, last_seen DATETIME)", name)
    first.query(f"INSERT INTO geo_cache SELECT seq, '2020-01-01' FROM seq_1_to_{ROWS}", name)
    assert geocache_cleanup("migrate", url=text_of(first.url(name))).status == 0
    wait_until("the other nodes", lambda: len(set(dumps(cluster, name))) == 1)
    return name


def dumps(nodes: Sequence[Node], database: str) -> list[str]:
    """Return all rows of each node."""
    statement = (
        "SELECT ip, last_seen FROM geo_cache ORDER BY ip;"
        " SELECT run_id, deleted FROM geocache_cleanup_runs ORDER BY run_id;"
    )
    done = [node.client(statement, database) for node in nodes]
    assert not any(one.returncode for one in done), done
    return [one.stdout for one in done]


def count(node: Node, database: str) -> int:
    """Return how many stale rows a node has."""
    rows = node.query("SELECT count(*) FROM geo_cache WHERE last_seen < '2026-01-01'", database)
    return int(rows[0][0])


class Application(threading.Thread):
    """Writes to one node all the time: fresh rows, each committed by itself."""

    def __init__(self, node: Node, database: str) -> None:
        super().__init__(daemon=True)
        self._engine = node.engine(database)
        self._done = threading.Event()
        self.written = 0
        self.refused = 0

    def run(self) -> None:
        """Insert one row after the other."""
        with self._engine.connect() as connection:
            while not self._done.is_set():
                statement = (
                    f"INSERT INTO geo_cache VALUES ({1_000_001 + self.written}, '2026-06-01')"
                )
                try:
                    connection.exec_driver_sql(statement)
                    connection.commit()
                    self.written += 1
                except sa.exc.DBAPIError:
                    connection.rollback()
                    self.refused += 1

    def end(self) -> None:
        """Stop writing."""
        self._done.set()
        self.join()


def test_the_nodes_agree_after_a_run_beside_writers(cluster: Sequence[Node], database: str) -> None:
    """A run on one node, the application on another: both succeed, and all nodes agree."""
    application = Application(cluster[1], database)
    application.start()
    done = geocache_cleanup("run", BEFORE, url=text_of(cluster[0].url(database, tcp=True)))
    application.end()
    assert (done.status, done.last["deleted"]) == (0, ROWS), done.last
    assert application.written > 0
    assert application.refused == 0
    wait_until("all nodes", lambda: len(set(dumps(cluster, database))) == 1)
    rows = cluster[2].query("SELECT count(*) FROM geo_cache", database)
    assert rows == [(application.written,)]


def pauses(node: Node) -> int:
    """Return how many statements wait in a trigger's SLEEP()."""
    statement = "SELECT count(*) FROM information_schema.processlist WHERE state = 'User sleep'"
    return int(node.query(statement)[0][0])


def test_a_certification_conflict_is_tried_again(cluster: Sequence[Node], database: str) -> None:
    """The application refreshes a row elsewhere before the run commits: 75, then success."""
    cluster[0].query(
        "CREATE DEFINER=app TRIGGER t BEFORE DELETE ON geo_cache FOR EACH ROW"
        " DO IF(OLD.ip = 29000, SLEEP(3), 0)",
        database,
    )
    url = text_of(cluster[0].url(database, tcp=True))
    command = Command("run", BEFORE, url=url)
    wait_until("the pause", lambda: pauses(cluster[0]))
    cluster[1].query("UPDATE geo_cache SET last_seen = '2026-06-01' WHERE ip = 5", database)
    outcome = command.end()
    assert (outcome.status, outcome.last["retryable"]) == (75, True), outcome.last
    assert count(cluster[0], database) == ROWS - 1
    again = geocache_cleanup("run", BEFORE, url=url)
    assert (again.status, again.last["deleted"]) == (0, ROWS - 1)
    wait_until("all nodes", lambda: len(set(dumps(cluster, database))) == 1)
    assert cluster[2].query("SELECT ip FROM geo_cache", database) == [(5,)]


def test_runs_on_two_nodes_at_once(cluster: Sequence[Node], database: str) -> None:
    """Locks are a node's own: of two runs that meet, one is certified, and no row is lost."""
    commands = [
        Command("run", BEFORE, url=text_of(node.url(database, tcp=True))) for node in cluster[:2]
    ]
    outcomes = [command.end() for command in commands]
    assert sorted(outcome.status for outcome in outcomes) in ([0, 0], [0, 75])
    assert sum(outcome.last["deleted"] for outcome in outcomes) == ROWS
    wait_until("all nodes", lambda: len(set(dumps(cluster, database))) == 1)


def test_a_write_set_beyond_the_limit(cluster: Sequence[Node], database: str) -> None:
    """The cluster's limits refuse a deletion whole: 65, and what to do about it."""
    for setting, value, normal in [
        ("wsrep_max_ws_rows", 1_000, 0),
        ("wsrep_max_ws_size", 100_000, 2_147_483_647),
    ]:
        cluster[0].query(f"SET GLOBAL {setting} = {value}")
        try:
            url = text_of(cluster[0].url(database, tcp=True))
            outcome = geocache_cleanup("run", BEFORE, url=url)
            assert (outcome.status, "--batch-seconds" in outcome.last["hint"]) == (65, True), (
                outcome.last
            )
        finally:
            cluster[0].query(f"SET GLOBAL {setting} = {normal}")
        assert count(cluster[0], database) == ROWS
    done = geocache_cleanup("run", BEFORE, "--batch-seconds=0.05", "--reclaim=yes", url=url)
    _, ran, reclaimed = done.events
    assert (done.status, ran["deleted"], ran["batches"] > 1) == (0, ROWS, True)
    # OPTIMIZE TABLE would stop all nodes.
    assert (reclaimed["level"], "Galera" in reclaimed["reason"]) == ("warning", True)


def test_a_node_killed_in_mid_run(cluster: Sequence[Node], database: str) -> None:
    """69; the others have all rows or none; a run there succeeds; the node comes back the same."""
    cluster[2].query(
        "CREATE DEFINER=app TRIGGER t BEFORE DELETE ON geo_cache FOR EACH ROW"
        " DO IF(OLD.ip = 20000, SLEEP(2), 0)",
        database,
    )
    command = Command("run", BEFORE, url=text_of(cluster[2].url(database, tcp=True)))
    wait_until("the pause", lambda: pauses(cluster[2]))
    cluster[2].stop(signal.SIGKILL)
    outcome = command.end()
    assert (outcome.status, outcome.last["retryable"]) == (69, True), outcome.last
    two = cluster[:2]
    wait_until("the rest", lambda: two[0].state() == ("2", "Primary", "ON"))
    assert [count(node, database) for node in two] == [ROWS, ROWS]
    cluster[0].query("DROP TRIGGER t", database)
    done = geocache_cleanup("run", BEFORE, url=text_of(two[0].url(database, tcp=True)))
    assert (done.status, done.last["deleted"]) == (0, ROWS)
    cluster[2].join(3)
    wait_until("all nodes", lambda: len(set(dumps(cluster, database))) == 1)
    assert count(cluster[2], database) == 0


def test_a_node_without_quorum(cluster: Sequence[Node], database: str) -> None:
    """A node that lost the others takes no work: 69."""
    for node in cluster[1:]:
        node.stop(signal.SIGKILL)

    def is_lost() -> bool:
        try:
            cluster[0].state()
        except sa.exc.DBAPIError as error:
            return "1047" in str(error)
        return False

    wait_until("the loss", is_lost)
    outcome = geocache_cleanup("run", BEFORE, url=text_of(cluster[0].url(database, tcp=True)))
    assert (outcome.status, outcome.last["retryable"]) == (69, True), outcome.last
