"""How long a run takes beside the same DELETE by the server's own client, and pt-archiver.

Needs root, like tests/servers, and for the last comparison the package percona-toolkit:
python tests/benchmarks/servers.py [ROWS [REPETITIONS]]
"""

import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from helpers.servers.daemon import private_directory
from helpers.servers.mariadb import MariaDBServer
from helpers.servers.postgresql import PostgreSQLServer

CUTOFF = "2026-06-03"
STALE_PERCENT = 30
ROW = (
    "concat('2001:db8::', {n}) AS ip, 'DE' AS country_code, 'Germany' AS country_name,"
    " 'AS64500' AS asn, 'Example Network GmbH' AS org,"
)
FILL = {
    "postgresql": "CREATE TABLE kept AS SELECT " + ROW + " CASE WHEN n % 100 < {stale} THEN"
    " timestamptz '2025-01-01Z' + n * interval '1 s' ELSE timestamptz '2026-07-01Z' + n * interval"
    " '1 s' END AS last_seen FROM generate_series(1, {rows}) AS n",
    "mariadb": "CREATE TABLE kept AS SELECT "
    + ROW
    + " IF(seq % 100 < {stale}, timestamp'2025-01-01"
    " 00:00:00', timestamp'2026-07-01 00:00:00') + INTERVAL seq SECOND AS last_seen"
    " FROM seq_1_to_{rows}",
}


def measure(reset: Callable[[], object], work: Callable[[], object], repetitions: int) -> float:
    """Return the least of the seconds that some work takes, each time on a fresh table.

    What else the machine does only ever adds to them.
    """
    seconds = []
    for _ in range(repetitions):
        reset()
        start = time.monotonic()
        work()
        seconds.append(time.monotonic() - start)
    return min(seconds)


def must(*command: object) -> None:
    done = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"{command[0]}: {done.stdout}{done.stderr}")


def command(url: Any, table: str) -> Callable[[], None]:
    """Return a run of the command under test."""
    text = url.render_as_string(hide_password=False)
    program = [sys.executable, "-m", "geocache_cleanup", "run", f"--before={CUTOFF}"]
    return lambda: must(*program, f"--database-url={text}", f"--table={table}", "--timeout=900")


def compare(
    name: str, server: Any, url: Any, client: list[object], rows: int, repetitions: int
) -> tuple[float, Callable[[], None]]:
    """Print how a run compares with the client's own DELETE.

    Return the seconds of the run, and what puts the table back.
    """
    fill = FILL[name].format(
        n="n" if name == "postgresql" else "seq", rows=rows, stale=STALE_PERCENT
    )
    server.query(fill, "bench")
    empty = "CREATE TABLE empty AS SELECT * FROM kept WHERE 1 = 0"
    server.query(empty, "bench")

    def reset() -> None:
        for statement in (
            "DROP TABLE IF EXISTS geo_cache",
            "CREATE TABLE geo_cache AS SELECT * FROM kept",
            "ALTER TABLE geo_cache ADD PRIMARY KEY (ip)" if name == "postgresql"
            else "ALTER TABLE geo_cache MODIFY ip VARCHAR(45) PRIMARY KEY",
            "CREATE INDEX seen ON geo_cache (last_seen)",
            "ANALYZE geo_cache" if name == "postgresql" else "ANALYZE TABLE geo_cache",
            "CHECKPOINT" if name == "postgresql" else "FLUSH TABLES",
        ):  # fmt: skip
            server.query(statement, "bench")

    plain = f"DELETE FROM geo_cache WHERE last_seen < '{CUTOFF}'"
    theirs = measure(reset, lambda: must(*client, plain), repetitions)
    ours = measure(reset, command(url, "geo_cache"), repetitions)
    start = measure(lambda: None, command(url, "empty"), 5)
    left = server.query("SELECT count(*) FROM geo_cache", "bench")[0][0]
    assert left == rows - rows * STALE_PERCENT // 100
    print(
        f"{name}: {client[0]} {theirs:.2f} s; run {ours:.2f} s, of which start {start:.2f} s; "
        f"ratio without the start {(ours - start) / theirs:.2f}, with it {ours / theirs:.2f}"
    )
    return ours, reset


def main() -> None:
    """Compare on both servers."""
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    repetitions = int(sys.argv[2]) if len(sys.argv) > 2 else 3
    with private_directory("postgres") as directory:
        postgresql = PostgreSQLServer(
            directory, "shared_buffers=512MB", "max_wal_size=4GB", "fsync=on"
        )
        postgresql.create()
        postgresql.start()
        try:
            postgresql.query("CREATE DATABASE bench")
            client = [f"{postgresql.binaries}/psql", "-X", "-h", directory, "-p", postgresql.port,
                      "-U", "postgres", "-d", "bench", "-c"]  # fmt: skip
            url = postgresql.url("bench", user="postgres")
            compare("postgresql", postgresql, url, client, rows, repetitions)
        finally:
            postgresql.stop()
    with private_directory("mysql") as directory:
        mariadb = MariaDBServer(
            directory, "--innodb-buffer-pool-size=1G", "--innodb-flush-log-at-trx-commit=1"
        )
        mariadb.create()
        mariadb.start()
        try:
            mariadb.query("CREATE DATABASE bench")
            client = ["mariadb", "--no-defaults", f"--socket={mariadb.socket}", "-u", "root",
                      "bench", "-e"]  # fmt: skip
            url = mariadb.url("bench", user="root")
            ours, reset = compare("mariadb", mariadb, url, client, rows, repetitions)
            if shutil.which("pt-archiver"):
                archive(mariadb, ours, reset, repetitions)
        finally:
            mariadb.stop()


def archive(
    mariadb: MariaDBServer, ours: float, reset: Callable[[], None], repetitions: int
) -> None:
    """Print how a run compares with pt-archiver, which commits after each 5,000 rows.

    Left to itself it goes through the table by its key, which is the faster way for it.
    """
    source = f"S={mariadb.socket},u=root,D=bench,t=geo_cache"
    theirs = measure(
        reset,
        lambda: must(
            "pt-archiver", "--source", source, "--where", f"last_seen < '{CUTOFF}'", "--purge",
            "--bulk-delete", "--limit", 5_000, "--commit-each", "--no-version-check",
        ),
        repetitions,
    )  # fmt: skip
    ratio = theirs / ours
    print(f"mariadb: pt-archiver {theirs:.2f} s; run, start included, {ratio:.1f} times as fast")


if __name__ == "__main__":
    main()
