"""What an admin should look at in the table, and in how long a run of it may take."""

from collections.abc import Iterator

from geocache_cleanup.report.document import Advice, CheckDocument
from geocache_cleanup.report.preview import RunEstimate, TableReport
from geocache_cleanup.report.statistics import Counts

MIGRATE = "run geocache-cleanup migrate; on a server its account must own the table"
TOO_LARGE = Advice(
    "the table is too large to be read in half of --timeout: its times are not shown",
    "give check a longer --timeout",
)
_LONG_SECONDS = 5


def of_table(table: TableReport, document: CheckDocument) -> Iterator[Advice]:
    """Yield what is to be said of a table, its index and the times that it holds."""
    column = table.time_column
    if table.index is None:
        yield Advice(f"no index leads with {column}: each run reads the whole table", MIGRATE)
    if not table.atomic:
        yield Advice(
            "the table's engine has no transactions: a run that is stopped leaves a part done",
            "ALTER TABLE ... ENGINE=InnoDB",
        )
    if document.statistics:
        yield from _of_times(document.statistics, column, document)


def _of_times(counts: Counts, column: str, document: CheckDocument) -> Iterator[Advice]:
    if not counts.rows:
        yield Advice(
            "the table is empty: there is nothing to delete",
            "if the application has rows, --database-url or --table names something else",
        )
        return
    if counts.unreadable + counts.unset == counts.rows:
        yield Advice(
            f"no value of {column} can be read as a time: nothing will ever be deleted",
            "set --time-column to the column that holds the time; see the examples above",
        )
        return
    if counts.unreadable:
        yield Advice(
            f"values of {column} that cannot be read: {counts.unreadable}; such rows stay",
            "see the examples above; correct what writes them, and delete or correct the rows",
        )
    if counts.unset:
        yield Advice(
            f"rows without a time set in {column}: {counts.unset}; such rows stay",
            f"give them one, or delete them, as those WHERE {column} IS NULL, yourself",
        )
    yield from _of_share(counts, document)


def _of_share(counts: Counts, document: CheckDocument) -> Iterator[Advice]:
    # An expiry time lies ahead by its nature.
    if counts.future and document.retention_days is not None:
        yield Advice(
            f"rows ahead of this host's clock: {counts.future}; they stay too long",
            "see timedatectl here and on the hosts that write; set --time-zone if stored times "
            "are local; use --before=now if they are expiry times",
        )
    stale, limit = document.would_delete or 0, document.setting("--max-delete-percent")
    if stale * 2 > counts.rows and limit and limit.value == "100":
        yield Advice(
            f"a run would delete {stale} of {counts.rows} rows, more than half of the table",
            "if this is not a first run, look at the clock and at the cutoff, and whether the "
            "database is an old backup; --max-delete-percent=50 would stop such a run",
        )


def of_estimate(lock: RunEstimate, timeout: float) -> Iterator[Advice]:
    """Yield what is to be said of how long a run may take; ``timeout`` is in seconds."""
    batches = "set --batch-seconds=1, which deletes in a series of short transactions"
    is_whole = lock.seconds == lock.run_seconds
    if is_whole and lock.seconds > timeout:
        yield Advice(
            f"a run may take {lock.seconds:.0f} seconds, and --timeout stops it after "
            f"{timeout:g}: it would delete nothing, each time",
            f"raise --timeout, or {batches}, or prune in steps, --retention-days=365 first",
        )
    elif lock.seconds > _LONG_SECONDS:
        yield Advice(
            f"the write lock may be held for {lock.seconds:.0f} seconds: the application "
            "cannot write for so long",
            f"{batches}, or prune in steps, --retention-days=365 first",
        )
