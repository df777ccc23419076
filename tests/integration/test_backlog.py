"""The search for a backlog: a share at a time, from where the last transaction stopped."""

import itertools
from collections.abc import Callable
from pathlib import Path

import pytest

from geocache_cleanup.deadline import Deadline
from geocache_cleanup.engines.sqlite.driver import driver_connection
from geocache_cleanup.engines.urls import open_engine, parse_url
from helpers import jobs, tables

ROWS = 400


def steps(path: Path, seconds: float) -> tuple[int, int]:
    """Find the stale rows, each transaction having so many seconds.

    Return how many there were, and how many steps of SQLite's machine it took, in hundreds.
    """
    engine = open_engine(parse_url(f"sqlite:///{path}"), Deadline(60))
    count = itertools.count()
    with engine.open(write=True) as connection:
        job = jobs.job()
        with engine.transaction(connection, write=False):
            table = engine.table(connection, "geo_cache", "last_seen")
            conditions = table.stale_conditions(job.cutoff, job.now, job.time_zone)
        backlog = table.backlog(conditions, seconds)
        driver_connection(connection).set_progress_handler(lambda: next(count) < 0, 100)
        found = 0
        while not backlog.is_complete:
            backlog.search(seconds)
            found += backlog.remaining
        taken = next(count)
        # The guard counts in transactions as short.
        assert table.count_stale(conditions, seconds) == found
    return found, taken


@pytest.mark.parametrize(
    "time_of",
    [lambda _: "2020-01-01", lambda _: 1_577_836_800, lambda n: "2020-01-01" if n % 3 else n],
    ids=["one date", "one number", "a date and what cannot be read"],
)
def test_rows_of_one_time_are_read_once(tmp_path: Path, time_of: Callable[[int], object]) -> None:
    """However many transactions there are, none reads again what those before have read."""
    distinct, same = tmp_path / "distinct.db", tmp_path / "same.db"
    tables.make_table(distinct, [(f"{n}", f"20{10 + n % 15}-01-01T00:{n // 60:02}:{n % 60:02}Z")
                                 for n in range(ROWS)])  # fmt: skip
    tables.make_table(same, [(f"{n}", time_of(n)) for n in range(ROWS)])
    for path in (distinct, same):
        with tables.connected(path) as connection:
            connection.execute("CREATE INDEX ix ON geo_cache (last_seen)")
    whole, _ = steps(same, 60.0)
    with jobs.one_row_at_a_time():
        found, taken = steps(same, 0.0)
        assert (found, steps(distinct, 0.0)[0]) == (whole, ROWS)
        assert taken < 1.5 * steps(distinct, 0.0)[1]
