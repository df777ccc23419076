"""The dashboard of the examples: what its queries find in a Prometheus after real runs."""

import json
import sqlite3
import time
import urllib.parse
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from helpers.commands import execute, url
from helpers.host import PROJECT
from helpers.processes import wait_until
from helpers.system.prometheus import collecting, exporting, get

pytestmark = pytest.mark.system

DASHBOARD = json.loads(
    (PROJECT / "packaging" / "examples" / "geocache-cleanup.dashboard.json").read_text()
)
VARIABLES = {"$instance": ".*", "$retention": "90", "$datasource": "Prometheus"}
# Three stale rows, one of which a trigger keeps; one that cannot be read; one that is fresh.
TABLE = """
    CREATE TABLE geo_cache (ip TEXT PRIMARY KEY, last_seen TEXT);
    CREATE INDEX ix_last_seen ON geo_cache (last_seen);
    CREATE TRIGGER keep BEFORE DELETE ON geo_cache WHEN old.ip = 'kept'
        BEGIN SELECT RAISE (IGNORE); END;
    INSERT INTO geo_cache VALUES ('a', '2001-02-03'), ('b', '2001-02-03'), ('kept', '2001-02-03'),
        ('unreadable', '2001-02-31'), ('fresh', strftime('%Y-%m-%dT%H:%M:%SZ', 'now'));
"""


def queries() -> Iterator[tuple[str, str]]:
    """Yield title and query of all panels, with the default of each variable."""
    for panel in DASHBOARD["panels"]:
        for target in panel["targets"]:
            query = target["expr"]
            for name, value in VARIABLES.items():
                query = query.replace(name, value)
            assert "$" not in query
            yield panel["title"], query


def answers(address: str, day: float) -> dict[str, list[float]]:
    """Return the values that a Prometheus has for the queries of each panel.

    What is asked for whole days is that of the one which begins at ``day``.
    """
    found: dict[str, list[float]] = {}
    for title, query in queries():
        at = {"time": day} if "offset -1d" in query else {}
        asked = urllib.parse.urlencode({"query": query, **at})
        text = get(f"http://{address}/api/v1/query?{asked}")
        result = json.loads(text)["data"]["result"]
        found.setdefault(title, []).extend(float(series["value"][1]) for series in result)
    return found


def test_each_query_finds_what_the_runs_did(programs: Path, tmp_path: Path) -> None:
    """The numbers of one that deleted rows, and then of one that failed."""
    with closing(sqlite3.connect(tmp_path / "geo.db")) as connection:
        connection.executescript(TABLE)
    metrics = tmp_path / "metrics"
    metrics.mkdir()
    day = time.time() - 3_600
    run = ("run", url(tmp_path / "geo.db"), f"--metrics-file={metrics}/geocache-cleanup.prom")
    assert execute(*run).returncode == 0
    with (
        exporting(programs, metrics) as exporter,
        collecting(programs, exporter, tmp_path / "data") as address,
    ):
        wait_until("the first", lambda: answers(address, day)["Last run"] == [1.0])
        first = answers(address, day)
        assert execute(*run, "--time-column=nosuch").returncode == 78
        wait_until("the second", lambda: answers(address, day)["Last run"] == [0.0])
        second = answers(address, day)
    assert first["Exit status"] == [0]
    assert first["Rows deleted each night"] == [2]
    assert first["Runs"] == [1]
    assert first["Rows that stay"] == [1, 1]
    assert 0 < first["Duration"][0] < 60
    assert 0 < first["Last success"][0] < 300
    (age, retention) = first["Age of the oldest row"]
    assert retention == 90 <= age < 91  # how stale the kept row is, no run finds out
    assert second["Exit status"] == [78]
    assert second["Last success"][0] >= first["Last success"][0]
    assert (second.pop("Rows that stay"), second["Rows deleted each night"]) == ([], [0])
    assert second["Runs"] == [0]
    assert all(second.values())


def test_its_host_is_chosen_among_those_that_report() -> None:
    """The variables are those that the queries name; that of the host is found by a metric."""
    variables = {entry["name"]: entry for entry in DASHBOARD["templating"]["list"]}
    assert {f"${name}" for name in variables} == set(VARIABLES)
    assert variables["retention"]["query"] == VARIABLES["$retention"]
    query = variables["instance"]["query"]["query"]
    assert query == "label_values(geocache_cleanup_last_run_success, instance)"
