"""Time runs on servers side by side with the same DELETE by their own clients, and others.

    .venv/bin/python tests/benchmarks/servers.py [ROUNDS]

Needs root, like tests/servers, the package percona-toolkit, and some twenty minutes.
"""

import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks import measure
from benchmarks.measure import CUTOFF, in_turn, row, timed
from helpers.servers.daemon import private_directory
from helpers.servers.mariadb import MariaDBServer
from helpers.servers.postgresql import PostgreSQLServer

ROWS, STALE_PERCENT = 1_000_000, 30
# In each server's words: numbers of rows, an address in no order, a time some seconds from another.
WORDS = {
    "postgresql": (
        "generate_series(1, {rows}) AS n",
        "host(inet '0.0.0.0' + (n::bigint * 2654435761 & 4294967295))",
        "timestamptz '{start}' + n * 48271::bigint % {span} * interval '1 s'",
        "timestamptz '2020-01-01Z'",
    ),
    "mariadb": (
        "(SELECT seq AS n FROM seq_1_to_{rows}) AS numbers",
        "CAST(inet_ntoa(n * 2654435761 & 4294967295) AS CHAR(45))",
        "timestamp'{start}' + INTERVAL n * 48271 % {span} SECOND",
        "timestamp'2020-01-01 00:00:00'",
    ),
}
PLAIN = f"DELETE FROM geo_cache WHERE last_seen < '{CUTOFF[:19].replace('T', ' ')}'"


class Bench:
    """A server with a database of its own, and what puts its table back."""

    def __init__(self, name: str, server: Any, user: str, client: Sequence[object]) -> None:
        self.name, self.server = name, server
        self.client = [str(part) for part in client]
        server.query("CREATE DATABASE bench")
        self.url: str = server.url("bench", user=user).render_as_string(hide_password=False)
        numbers, key, moment, _ = WORDS[name]
        old = moment.format(start="2025-01-01 00:00:00", span=15_552_000)
        new = moment.format(start="2026-07-01 00:00:00", span=7_776_000)
        self._do(
            f"CREATE TABLE kept AS SELECT {key} AS ip, 'DE' AS country_code, 'Germany' AS"
            " country_name, concat('AS', n % 400000) AS asn, 'Example Network GmbH' AS org,"
            f" CASE WHEN n % 100 < {STALE_PERCENT} THEN {old} ELSE {new} END AS last_seen"
            f" FROM {numbers.format(rows=ROWS)}",
            "CREATE TABLE nothing AS SELECT * FROM kept WHERE 1 = 0",
        )

    def _do(self, *statements: str) -> None:
        for statement in statements:
            self.server.query(statement, "bench")

    def reset(self, source: str = "SELECT * FROM kept") -> None:
        """Make the table anew, with all its statistics, and nothing left to write."""
        self._do("DROP TABLE IF EXISTS geo_cache", f"CREATE TABLE geo_cache AS {source}")
        if self.name == "postgresql":
            self._do("ALTER TABLE geo_cache ADD PRIMARY KEY (ip)")
        else:
            self._do("ALTER TABLE geo_cache MODIFY ip VARCHAR(45) PRIMARY KEY")
        self._do("CREATE INDEX seen ON geo_cache (last_seen)")
        flush = ("ANALYZE geo_cache", "CHECKPOINT")
        if self.name == "mariadb":
            flush = ("ANALYZE TABLE geo_cache", "FLUSH TABLES")
        self._do(*flush)

    def run(self, *options: str) -> Callable[[], float]:
        """Return what times a run on a fresh table."""
        return self.on_fresh_table(lambda: timed(measure.run(self.url, *options)))

    def on_fresh_table(self, work: Callable[[], float]) -> Callable[[], float]:
        """Return some work that starts with a fresh table, without the time of that."""

        def both() -> float:
            self.reset()
            return work()

        return both

    def compare(self, rounds: int, target: float, driver: str) -> None:
        """Compare a run with the client's DELETE, and its start with the imports."""
        ours, theirs, start, imports = in_turn(
            rounds,
            self.run(),
            self.on_fresh_table(lambda: timed([*self.client, PLAIN])),
            lambda: timed(measure.run(self.url, "--table=nothing")),
            lambda: timed([sys.executable, "-c", f"{measure.IMPORTS}, {driver}"]),
        )
        client = Path(self.client[0]).name
        title = f"{self.name}, 300,000 of 1,000,000 without the start: {client}"
        row(title, ours, theirs, target, less=start.median)
        row(f"{self.name}, the start: the imports and the driver's alone", start, imports, 1.3)

    def equal_times(self) -> None:
        """Compare batches on rows of one time with batches on rows of distinct times."""
        numbers, key, moment, one = WORDS[self.name]
        distinct = moment.format(start="2020-01-01 00:00:00", span=157_680_000)
        rows = numbers.format(rows=10 * ROWS)

        def prepare(one_time: bool) -> str:
            when = one if one_time else distinct
            self.reset(f"SELECT {key} AS ip, {when} AS last_seen FROM {rows}")
            return self.url

        measure.equal_times(f"{self.name}, ", prepare)


def postgresql(rounds: int) -> None:
    """Print the rows of PostgreSQL."""
    with private_directory("postgres") as directory:
        server = PostgreSQLServer(directory, "shared_buffers=512MB", "max_wal_size=4GB", "fsync=on")
        server.create()
        server.start()
        try:
            client = [f"{server.binaries}/psql", "-X", "-h", directory, "-p", server.port,
                      "-U", "postgres", "-d", "bench", "-c"]  # fmt: skip
            bench = Bench("postgresql", server, "postgres", client)
            bench.compare(rounds, 1.0, "psycopg")
            bench.equal_times()
        finally:
            server.stop()


def mariadb(rounds: int) -> None:
    """Print the rows of MariaDB."""
    with private_directory("mysql") as directory:
        server = MariaDBServer(
            directory, "--innodb-buffer-pool-size=1G", "--innodb-flush-log-at-trx-commit=1"
        )
        server.create()
        server.start("--event-scheduler=ON")
        try:
            client = ["mariadb", "--no-defaults", f"--socket={server.socket}", "-u", "root",
                      "bench", "-e"]  # fmt: skip
            bench = Bench("mariadb", server, "root", client)
            bench.compare(rounds, 1.05, "pymysql")
            beside_others(bench, rounds)
            bench.equal_times()
        finally:
            server.stop()


def beside_others(bench: Bench, rounds: int) -> None:
    """Compare a run, its start included, with pt-archiver and an event of the server."""
    source = f"S={bench.server.socket},u=root,D=bench,t=geo_cache,i=seen"
    archiver = [
        "pt-archiver", "--source", source, "--where", f"last_seen < '{CUTOFF[:10]}'", "--purge",
        "--bulk-delete", "--limit", "20000", "--commit-each", "--no-version-check",
        "--no-check-charset",
    ]  # fmt: skip
    ours, theirs, event = in_turn(
        rounds,
        bench.run(),
        bench.on_fresh_table(lambda: timed(archiver)),
        bench.on_fresh_table(lambda: seconds_of_event(bench.server)),
    )
    row("mariadb, the same, start included: pt-archiver", ours, theirs, 0.5)
    row("mariadb, the same, start included: an event of the server", ours, event, 1.5)


def seconds_of_event(server: Any) -> float:
    """Return the seconds that an event's DELETE takes, as the event itself tells them."""
    server.query("CREATE OR REPLACE TABLE told (took BIGINT)", "bench")
    server.query(
        "CREATE EVENT bench.prune ON SCHEDULE AT CURRENT_TIMESTAMP DO BEGIN"
        f" SET @began = SYSDATE(6); {PLAIN};"
        " INSERT INTO told VALUES (TIMESTAMPDIFF(MICROSECOND, @began, SYSDATE(6))); END",
        "bench",
    )
    while not (told := server.query("SELECT took FROM told", "bench")):
        time.sleep(0.05)
    return int(told[0][0]) / 1_000_000


def main() -> None:
    """Compare on both servers."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    measure.head(["psql", "--version"], ["mariadb", "--version"], ["pt-archiver", "--version"])
    postgresql(rounds)
    mariadb(rounds)


if __name__ == "__main__":
    main()
