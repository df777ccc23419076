"""How old the oldest row is that a run has left, found without reading the table."""

from typing import Optional

import sqlalchemy as sa

from geocache_cleanup.engines.base import Backend
from geocache_cleanup.pruning.job import Job
from geocache_cleanup.times import instants

_FAR_DAYS = 36_500


def find_oldest(backend: Backend, job: Job) -> Optional[int]:
    """Return the oldest time that is left, in microseconds, rounded down to a second.

    The formats of a column have no order in common, so that MIN() means nothing. But the
    searches for stale rows read them all, and by index: halving the time between the cutoff
    and now some 25 times asks each time whether there is any row before. None if there is no
    row, no index, or the cutoff is not in the past. Raise CleanupError if that cannot be done.
    """
    with job.at_table(backend, write=False) as (connection, target):

        def is_any_before(instant: int) -> bool:
            found = backend.stale_conditions(connection, target, instant, job.now, job.time_zone)
            return any(
                connection.execute(
                    sa.select(sa.literal_column("1"))
                    .select_from(target.table)
                    .where(search.stale)
                    .limit(1)
                ).first()
                for search in found
                if search.stale is not None
            )

        low, high = job.cutoff // instants.SECOND, job.now // instants.SECOND + 1
        if target.index is None or low >= high:
            return None
        if not is_any_before(high * instants.SECOND):
            low, high = high, high + _FAR_DAYS * instants.DAY // instants.SECOND
            if not is_any_before(high * instants.SECOND):
                return None
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if is_any_before(middle * instants.SECOND) else (middle, high)
        return low * instants.SECOND
