"""How old the oldest row is that a run has left, found without reading the table."""

import sqlalchemy as sa

from geocache_cleanup.engines.base import Engine
from geocache_cleanup.engines.table import Table
from geocache_cleanup.pruning.job import Job
from geocache_cleanup.times import instants

_FAR_DAYS = 36_500


def find_oldest(engine: Engine, job: Job) -> int | None:
    """Return the oldest time that is left, in microseconds, rounded down to a second.

    The formats of a column have no order in common, so that MIN() means nothing. But the
    searches for stale rows read them all, and by index: halving the time between the cutoff
    and now some 25 times asks each time whether there is any row before. None if there is no
    row, no index, or the cutoff is not in the past. Raise CleanupError if that cannot be done.
    """
    with job.at_table(engine, write=False) as table:

        def is_any_before(second: int) -> bool:
            return _is_any_before(table, job, second * instants.SECOND)

        low, high = job.cutoff // instants.SECOND, job.now // instants.SECOND + 1
        if table.index is None or low >= high:
            return None
        if not is_any_before(high):
            low, high = high, high + _FAR_DAYS * instants.DAY // instants.SECOND
            if not is_any_before(high):
                return None
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if is_any_before(middle) else (middle, high)
        return low * instants.SECOND


def _is_any_before(table: Table, job: Job, instant: int) -> bool:
    return any(
        table.connection.execute(
            sa.select(sa.literal_column("1")).select_from(table.clause).where(part.stale).limit(1)
        ).first()
        for part in table.stale_conditions(instant, job.now, job.time_zone)
        if part.stale is not None
    )
