"""Batches: the same rows as at once, whatever the table's shape, and what is kept of a part."""

import gc
from pathlib import Path

import pytest

from geocache_cleanup.deadline import Deadline
from geocache_cleanup.engines.urls import open_engine, parse_url
from geocache_cleanup.errors import ConfigError, DataError, DeadlineError
from geocache_cleanup.pruning import batches, prune
from geocache_cleanup.pruning.progress import Progress
from helpers import commands, jobs, tables

OLD, NEW = "2026-06-03T11:59:59Z", "2026-06-03T12:00:00Z"
ROWS = 3_000
SHAPES = {
    "usual": "CREATE TABLE geo_cache (ip TEXT PRIMARY KEY, last_seen TEXT)",
    "without rowid": (
        "CREATE TABLE geo_cache (ip TEXT, n INT, last_seen TEXT, PRIMARY KEY (ip, n)) WITHOUT ROWID"
    ),
    "hidden rowid": (
        "CREATE TABLE geo_cache (ip TEXT PRIMARY KEY, n INT, last_seen TEXT, rowid, _rowid_, oid)"
    ),
    "composite key": (
        "CREATE TABLE geo_cache (ip TEXT, n INT, last_seen TEXT, PRIMARY KEY (n, ip))"
    ),
    "no key, hidden rowid": (
        "CREATE TABLE geo_cache (ip TEXT, last_seen TEXT, rowid, _rowid_, oid)"
    ),
    "no key": "CREATE TABLE geo_cache (ip TEXT, last_seen TEXT)",
    "key of words": (
        'CREATE TABLE geo_cache (ip TEXT, last_seen TEXT, "returning" DEFAULT 1,'
        ' "nothing" DEFAULT 1, PRIMARY KEY (ip, "returning", "nothing")) WITHOUT ROWID'
    ),
}


def fill(path: Path, create: str, journal: str = "wal") -> None:
    """Make a table of half stale rows, of which every time is there twice, and a ledger."""
    with tables.connected(path) as connection:
        connection.execute(f"PRAGMA journal_mode = {journal}")
        connection.execute(create)
        names = "ip, n, last_seen" if " n INT" in create else "ip, last_seen"
        numbers = ", 1" if " n INT" in create else ""
        connection.execute("CREATE INDEX ix ON geo_cache (last_seen)")
        connection.execute("BEGIN")
        connection.executemany(
            f"INSERT INTO geo_cache ({names}) VALUES (?{numbers}, ?)",
            ((f"ip{number}", time_of(number)) for number in range(ROWS)),
        )
        connection.execute("COMMIT")
    commands.execute("migrate", f"--database-url=sqlite:///{path}")


def time_of(number: int) -> str:
    """Return a stale time for even numbers, a fresh one for odd ones."""
    return f"2026-0{5 if number % 2 == 0 else 7}-{number // 4 % 28 + 1:02}T00:00:00Z"


@pytest.mark.parametrize("journal", ["wal", "delete"])
@pytest.mark.parametrize("shape", SHAPES)
def test_all_stale_rows_go(tmp_path: Path, shape: str, journal: str) -> None:
    """Every shape of table loses just its stale rows, and the ledger has one run of all batches."""
    path = tmp_path / "t.db"
    fill(path, SHAPES[shape], journal)
    result = jobs.run_here(path, batch_seconds=0.001)
    assert (result.deleted, result.unreadable) == (ROWS // 2, 0)
    assert result.batches > 1 or shape == "no key, hidden rowid"
    assert tables.fetch(path, f"SELECT count(*) FROM geo_cache WHERE last_seen < '{NEW}'") == [0]
    assert tables.fetch(path, "SELECT count(*) FROM geo_cache") == [ROWS // 2]
    assert tables.fetch(path, "SELECT deleted || ' ' || batches FROM geocache_cleanup_runs") == [
        f"{result.deleted} {result.batches}"
    ]
    assert tables.fetch(path, "PRAGMA integrity_check") == ["ok"]
    assert [file.name for file in tmp_path.iterdir()] == ["t.db"]


@pytest.mark.parametrize("journal", ["wal", "delete"])
def test_a_link_to_the_database(tmp_path: Path, journal: str) -> None:
    """The log to be written back is where the file is, not where a link to it is."""
    path, link = tmp_path / "there" / "t.db", tmp_path / "here.db"
    path.parent.mkdir()
    fill(path, SHAPES["usual"], journal)
    link.symlink_to(path)
    assert jobs.run_here(link, batch_seconds=0.001).deleted == ROWS // 2
    assert sorted(file.name for file in tmp_path.iterdir()) == ["here.db", "there"]


def test_nothing_stale_is_recorded_too(tmp_path: Path) -> None:
    """A run that finds nothing has one batch, and its place in the ledger."""
    path = tmp_path / "t.db"
    fill(path, SHAPES["usual"])
    result = jobs.run_here(path, batch_seconds=0.1, cutoff=jobs.instant("2020-01-01"))
    assert (result.deleted, result.batches) == (0, 1)
    assert tables.fetch(path, "SELECT deleted FROM geocache_cleanup_runs") == [0]


@pytest.mark.parametrize("encoding", ["UTF-8", "UTF-16le", "UTF-16be"])
def test_text_that_is_not_valid(tmp_path: Path, encoding: str) -> None:
    """The search goes on after a value whose bytes are no text, in every encoding."""
    path = tmp_path / "t.db"
    with tables.connected(path) as connection:
        connection.execute(f"PRAGMA encoding = '{encoding}'")
        connection.execute("CREATE TABLE geo_cache (ip TEXT PRIMARY KEY, last_seen TEXT)")
        connection.execute("CREATE INDEX ix ON geo_cache (last_seen)")
        connection.executemany(
            "INSERT INTO geo_cache VALUES (?, ?)",
            [(f"old{number}", OLD) for number in range(3)] + [("new", NEW)],
        )
        connection.executemany(
            "INSERT INTO geo_cache VALUES (?, CAST(? AS TEXT))",
            [(f"broken{number}", b"2026-06-02T\xff") for number in range(3)],
        )
    with jobs.one_row_at_a_time():
        result = jobs.run_here(path, batch_seconds=1e-6)
    assert (result.deleted, result.unreadable) == (3, 3)
    assert "new" in tables.fetch(path, "SELECT ip FROM geo_cache")


def test_a_row_refreshed_in_between_survives(tmp_path: Path) -> None:
    """What an application touches between the search and the batch is judged by what it holds."""
    path = tmp_path / "t.db"
    fill(path, SHAPES["usual"])
    last = f"ip{ROWS - 2}"
    result = jobs.run_beside(
        path, f"UPDATE geo_cache SET last_seen = '{NEW}' WHERE ip = '{last}'", Deadline(60)
    )
    assert result.deleted == ROWS // 2 - 1
    assert last in tables.fetch(path, "SELECT ip FROM geo_cache")


def test_an_error_keeps_the_batches_before(tmp_path: Path) -> None:
    """A trigger that comes in between stops the run; the error tells what is done already."""
    path = tmp_path / "t.db"
    fill(path, SHAPES["usual"])
    trigger = "CREATE TRIGGER no BEFORE DELETE ON geo_cache BEGIN SELECT RAISE(ABORT, 'kept'); END"
    with pytest.raises(DataError, match="kept") as caught:
        jobs.run_beside(path, trigger, Deadline(60))
    partial = caught.value.partial
    assert partial is not None
    assert partial.remaining is not None
    assert 0 < partial.deleted < ROWS // 2
    assert partial.remaining == ROWS // 2 - partial.deleted
    assert tables.fetch(path, "SELECT count(*) FROM geo_cache") == [ROWS - partial.deleted]
    assert tables.fetch(path, "SELECT deleted FROM geocache_cleanup_runs") == [partial.deleted]


class Alarm(Progress):
    """Ends the time of the run once the first batch is committed."""

    def __init__(self, deadline: Deadline) -> None:
        self.deadline = deadline

    def advance(self, done: int, total: int) -> None:  # noqa: ARG002 - the signature of the base
        """Let the time be over."""
        self.deadline.extend(0)


def test_a_key_that_is_renamed_in_between(tmp_path: Path) -> None:
    """SQLite takes a quoted name that it does not know for text, which would match every row."""
    path = tmp_path / "t.db"
    fill(path, 'CREATE TABLE geo_cache ("IP" TEXT PRIMARY KEY, last_seen TEXT) WITHOUT ROWID')
    with pytest.raises(ConfigError, match="no such column") as caught:
        jobs.run_beside(path, 'ALTER TABLE geo_cache RENAME COLUMN "IP" TO address', Deadline(60))
    assert caught.value.partial is not None
    left = tables.fetch(path, "SELECT count(*) FROM geo_cache")
    assert left == [ROWS - caught.value.partial.deleted]


def test_keys_that_the_collation_of_their_column_takes_for_one(tmp_path: Path) -> None:
    """A fresh row survives beside a stale one whose key differs in case only."""
    path = tmp_path / "t.db"
    fill(
        path,
        "CREATE TABLE geo_cache (ip TEXT COLLATE NOCASE, last_seen TEXT,"
        " PRIMARY KEY (ip COLLATE BINARY)) WITHOUT ROWID",
    )
    with tables.connected(path) as connection:
        connection.execute(f"INSERT INTO geo_cache SELECT upper(ip), '{NEW}' FROM geo_cache")
    assert jobs.run_here(path, batch_seconds=0.001).deleted == ROWS // 2
    assert tables.fetch(path, "SELECT count(*) FROM geo_cache") == [ROWS + ROWS // 2]


@pytest.mark.parametrize("shape", ["usual", "without rowid", "no key, hidden rowid"])
@pytest.mark.parametrize("kept", ["ip LIKE 'ip1%'", "1"])
def test_rows_that_a_trigger_keeps(tmp_path: Path, shape: str, kept: str) -> None:
    """The rows after them are deleted as well, and those that stay are not counted."""
    path = tmp_path / "t.db"
    fill(path, SHAPES[shape])
    with tables.connected(path) as connection:
        connection.execute(
            f"CREATE TRIGGER keep BEFORE DELETE ON geo_cache WHEN {kept.replace('ip', 'old.ip', 1)}"
            " BEGIN SELECT RAISE(IGNORE); END"
        )
    result = jobs.run_here(path, batch_seconds=0.001)
    stale = f"SELECT count(*) FROM geo_cache WHERE last_seen < '{NEW}'"
    assert tables.fetch(path, f"{stale} AND NOT ({kept})") == [0]
    assert tables.fetch(path, stale) == [ROWS // 2 - result.deleted]


def test_a_deadline_keeps_the_batches_before(tmp_path: Path) -> None:
    """When the time is over the run says how far it came, and the next one does the rest."""
    path = tmp_path / "t.db"
    fill(path, SHAPES["usual"])
    deadline = Deadline(60)
    engine = open_engine(parse_url(f"sqlite:///{path}"), deadline)
    with pytest.raises(DeadlineError) as caught:
        batches.run(engine, jobs.job(batch_seconds=0.001), deadline, Alarm(deadline))
    partial = caught.value.partial
    assert partial is not None
    assert partial.remaining is not None
    assert (partial.batches, partial.deleted + partial.remaining) == (1, ROWS // 2)
    assert "goes on" in caught.value.hint
    assert jobs.run_here(path, batch_seconds=0.1).deleted == partial.remaining
    assert tables.fetch(path, "SELECT deleted FROM geocache_cleanup_runs ORDER BY id") == [
        partial.deleted,
        partial.remaining,
    ]


def test_the_guard_comes_before_the_first_batch(tmp_path: Path) -> None:
    """A run that would delete too large a share deletes nothing, in batches as well."""
    path = tmp_path / "t.db"
    fill(path, SHAPES["usual"])
    with pytest.raises(DataError, match="percent"):
        jobs.run_here(path, batch_seconds=0.001, max_delete_percent=49)
    assert tables.fetch(path, "SELECT count(*) FROM geo_cache") == [ROWS]
    assert jobs.run_here(path, batch_seconds=0.001, max_delete_percent=50).deleted == ROWS // 2


def test_the_log_does_not_grow(tmp_path: Path) -> None:
    """The write-ahead log is brought into the file after each batch, also beside readers."""
    path = tmp_path / "t.db"
    fill(path, SHAPES["usual"])
    sizes = []

    class Measure(Progress):
        def advance(self, done: int, total: int) -> None:  # noqa: ARG002 - as in the base
            sizes.append(Path(f"{path}-wal").stat().st_size)

    with tables.connected(path) as reader:
        reader.execute("SELECT count(*) FROM geo_cache").fetchone()
        deadline = Deadline(60)
        engine = open_engine(parse_url(f"sqlite:///{path}"), deadline)
        batches.run(engine, jobs.job(batch_seconds=1e-6), deadline, Measure())
    assert len(sizes) > 3
    # Without it the log would hold every page as often as a batch has changed it.
    assert max(sizes) <= path.stat().st_size


def fill_slow(path: Path) -> None:
    """Make a table of which each row takes long to delete."""
    fill(path, SHAPES["usual"])
    long = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 50000)"
    with tables.connected(path) as connection:
        connection.execute(
            "CREATE TRIGGER slow AFTER DELETE ON geo_cache BEGIN"
            f" INSERT INTO sink SELECT ({long} SELECT max(n) FROM c); END"
        )
        connection.execute("CREATE TABLE sink (n)")


def test_a_statement_that_is_cut_short_is_already_rolling_back(tmp_path: Path) -> None:
    """SQLite undoes the transaction before the statement returns: nothing may cut that short."""
    path = tmp_path / "t.db"
    fill_slow(path)
    deadline = Deadline(1)
    engine = open_engine(parse_url(f"sqlite:///{path}"), deadline)

    def delete_all() -> None:
        with engine.connect(write=True) as connection:
            assert not deadline.finishing
            try:
                connection.exec_driver_sql("DELETE FROM geo_cache")
            finally:
                assert deadline.finishing

    with pytest.raises(DeadlineError):
        delete_all()


def test_a_single_transaction_that_is_too_slow_says_so(tmp_path: Path) -> None:
    """When one transaction cannot finish, the error has the number of rows and what to use."""
    path = tmp_path / "t.db"
    fill_slow(path)
    deadline = Deadline(1)
    with pytest.raises(DeadlineError, match=f"there are {ROWS // 2} stale rows") as caught:
        prune.prune(open_engine(parse_url(f"sqlite:///{path}"), deadline), jobs.job(), deadline)
    assert "--batch-seconds 0.1" in caught.value.hint
    assert tables.fetch(path, "SELECT count(*) FROM geo_cache") == [ROWS]


def test_what_statements_leave_behind_is_collected(tmp_path: Path) -> None:
    """Collection is off while the command starts: in batches it would keep the keys of each."""
    path = tmp_path / "geo.db"
    fill(path, SHAPES["usual"])
    gc.disable()
    try:
        jobs.run_here(path, batch_seconds=0.001)
        assert gc.isenabled()
    finally:
        gc.enable()
