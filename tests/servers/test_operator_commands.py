"""The operator's view of servers: check, history and the metrics file, by every driver."""

import datetime as dt
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from prometheus_client.parser import text_string_to_metric_families

from helpers.servers.commands import geocache_cleanup
from helpers.servers.dialects import is_mysql, is_postgresql, text_of

NOW = dt.datetime.now(dt.UTC)
TYPES = ("TEXT", "DATE", "BIGINT")


@pytest.mark.parametrize("driver", ["postgresql", "postgresql+psycopg2", "postgresql+psycopg"])
def test_check_and_history_on_postgresql(
    postgresql: Any, database_of: Callable[[Any], str], driver: str
) -> None:
    """The connection, exact counts, and a ledger whose times are read alike."""
    if driver.endswith("psycopg") and sa.__version__.startswith("1."):
        return  # test_a_run_on_postgresql tells what is said then
    assert_reports(text_of(postgresql.url(database_of(postgresql), driver=driver)), "PostgreSQL")


@pytest.mark.parametrize("driver", ["mysql", "mysql+pymysql", "mysql+mysqldb"])
def test_check_and_history_on_mariadb(
    mariadb: Any, database_of: Callable[[Any], str], driver: str
) -> None:
    engine = "MySQL" if is_mysql(mariadb) else "MariaDB"
    assert_reports(text_of(mariadb.url(database_of(mariadb), driver=driver)), engine)


def assert_reports(url: str, engine: str) -> None:
    """Expect that check and history tell of a database that was just made."""
    assert geocache_cleanup("migrate", url=url).status == 0
    assert geocache_cleanup("run", url=url).status == 0
    document = json.loads(geocache_cleanup("check", "--json", url=url).output)
    facts = document["connection"]
    assert facts["engine"] == engine
    assert facts["version"][0].isdigit()
    assert any(character.isdigit() for character in facts["driver"].partition(" ")[2])
    assert facts["file"] is None
    (run,) = json.loads(geocache_cleanup("history", "--json", url=url).output)["runs"]
    assert document["ledger"]["last_run"] == run
    started = dt.datetime.fromisoformat(run["started_at"])
    assert abs(started - dt.datetime.now(dt.UTC)) < dt.timedelta(minutes=5)
    text = geocache_cleanup("history", url=url).output
    assert started.strftime("%Y-%m-%d %H:%M:%S") in text
    shown = geocache_cleanup("check", url=url).output
    assert max(map(len, (text + shown).splitlines())) <= 80


@pytest.mark.parametrize("declared", TYPES)
def test_the_oldest_row_is_found(server: Any, database: str, tmp_path: Path, declared: str) -> None:
    """In columns of text, of native times and of numbers, to the second."""
    url = text_of(server.url(database))
    oldest = (NOW - dt.timedelta(days=50)).replace(microsecond=0)
    if declared == "DATE":
        oldest = oldest.replace(hour=0, minute=0, second=0)
    times = (oldest, NOW - dt.timedelta(days=300), NOW - dt.timedelta(days=1))
    # The table is the user app's, who has to make the index.
    server.query(f"CREATE TABLE geo_cache (ip VARCHAR(9), last_seen {declared} NULL)", database)
    if is_postgresql(server):
        server.query("ALTER TABLE geo_cache OWNER TO app", database)
    for time in times:
        is_number = declared == "BIGINT"
        value = int(time.timestamp()) * 1000 if is_number else f"'{time:%Y-%m-%d %H:%M:%S}'"
        server.query(f"INSERT INTO geo_cache VALUES ('x', {value})", database)
    path = tmp_path / "geo.prom"
    assert geocache_cleanup("migrate", url=url).status == 0
    done = geocache_cleanup("run", f"--metrics-file={path}", url=url)
    assert (done.status, done.last["deleted"]) == (0, 1)
    (sample,) = next(
        family.samples
        for family in text_string_to_metric_families(path.read_text())
        if family.name == "geocache_cleanup_oldest_remaining_timestamp_seconds"
    )
    assert sample.value == oldest.timestamp()
    assert "s3cr3t" not in path.read_text()
