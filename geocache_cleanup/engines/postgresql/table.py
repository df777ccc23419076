"""A PostgreSQL table: its lock, its rows by place, its stored times."""

import contextlib
import itertools
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.sql.expression import Delete

from geocache_cleanup.engines.backlog import Backlog, KeyedBacklog, Slice
from geocache_cleanup.engines.postgresql import catalog
from geocache_cleanup.engines.postgresql.index import IndexBuilder
from geocache_cleanup.engines.server.kinds import NUMBERS, Column, Kind
from geocache_cleanup.engines.server.table import ServerTable
from geocache_cleanup.engines.table import Condition
from geocache_cleanup.errors import PermissionRefusedError

# The first half of the advisory lock's key; the second is the table's own number.
_LOCK_CLASS = 0x67656F63
# No table has that number.
MIGRATION_LOCK = f"SELECT pg_try_advisory_lock({_LOCK_CLASS}, 0)"
# Of one search, so that the first rows go soon: it starts anew, past what the last one found.
_MOST_PLACES = 1_000_000
_WRITTEN = {
    Kind.MOMENT: 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"',
    Kind.LOCAL: "YYYY-MM-DD HH24:MI:SS.US",
    Kind.DATE: "YYYY-MM-DD",
}


@dataclass(frozen=True, eq=False, kw_only=True)
class PostgreSQLTable(ServerTable):
    """The table; ``identity`` is its oid."""

    def try_lock(self) -> bool:
        """Take the lock, which ends with the transaction.

        Between batches nobody has it: behind a pooler a lock of the session would stay with a
        connection that the next batch may not get. Each batch takes it anew.
        """
        key = self.identity if self.identity < 2**31 else self.identity - 2**32
        return bool(
            self.execute(f"SELECT pg_try_advisory_xact_lock({_LOCK_CLASS}, {key})").scalar_one()
        )

    def stale_rows(self, stale: Condition, count_unreadable: Callable[[], int]) -> Backlog:
        """Return the backlog by place, so that a batch touches few pages."""
        with self.engine.transaction(self.connection, write=False):
            pages = self.connection.execute(catalog.PAGES, {"table": self.quoted}).scalar_one()
            # What a trigger keeps would be found again: then there is but one search.
            most = sys.maxsize if self.may_cascade() else _MOST_PLACES
        span = (0, (int(pages) + 1) << 16)
        slices = self._slices(stale, count_unreadable, most)
        return KeyedBacklog(span, slices, lambda some: self._delete_places(stale, some), most)

    def _slices(
        self, condition: Condition, count_unreadable: Callable[[], int], most: int
    ) -> Iterator[Slice]:
        """Yield the places of rows; each time those before are deleted and not found again."""
        is_over = False
        while not is_over:
            found = Slice()
            with self.engine.transaction(self.connection, write=False):
                for place in itertools.islice(self._places(condition), most):
                    found.keys.append(place)
            is_over = len(found.keys) < most
            if is_over:
                found.unreadable = count_unreadable()
            yield found

    def _places(self, condition: Condition) -> Iterator[int]:
        """Yield where each row lies: its page's number, and its own in the page."""
        statement: Any = sa.select(sa.literal_column("ctid::text")).select_from(self.clause)
        statement = statement.where(condition).execution_options(stream_results=True)
        with contextlib.closing(self.connection.execute(statement)) as places:
            for (text,) in places:
                page, _, number = text[1:-1].partition(",")
                yield int(page) << 16 | int(number)

    def _delete_places(self, condition: Condition, places: Sequence[int]) -> Delete:
        """Return the statement that deletes the rows of a condition in some places.

        A place may meanwhile hold another row, and each part of a partitioned table has it: the
        condition decides.
        """
        array = "{" + ",".join(f'"({place >> 16},{place & 0xFFFF})"' for place in places) + "}"
        in_places = sa.text("ctid = ANY(CAST(:places AS tid[]))").bindparams(places=array)
        return sa.delete(self.clause).where(condition, in_places)

    def may_cascade(self) -> bool:
        return bool(self.connection.execute(catalog.GUARDS, {"table": self.quoted}).scalar_one())

    @contextlib.contextmanager
    def constraints_in_time(self) -> Iterator[None]:
        yield
        self.execute("SET CONSTRAINTS ALL IMMEDIATE")

    def tally(self) -> int:
        """Let the server tell, unless its track_counts is off: it counts no other's rows."""
        deleted = self.connection.execute(catalog.DELETED, {"table": self.quoted}).scalar_one()
        return super().tally() if deleted is None else -int(deleted)

    def shown_time(self) -> Column:
        column, kind = self.time.bare, self.time.kind
        if kind in _WRITTEN:
            # What is no time, or before our era, is shown as the server does.
            real = sa.and_(sa.func.isfinite(column), sa.func.date_part("year", column) > 0)
            written = sa.func.to_char(column, sa.literal_column(f"'{_WRITTEN[kind]}'"))
            return sa.case((real, written), else_=sa.cast(column, sa.Text))
        if kind is Kind.FLOAT:
            return sa.cast(column, sa.Float(53))
        return column if kind in NUMBERS else sa.cast(column, sa.Text)

    def create_index(self, index: sa.Index) -> bool:
        """Create the index beside those who write; the connection must commit each statement."""
        return IndexBuilder(self).build(str(index.name))

    def vacuum(self) -> None:
        """Vacuum; a full one would keep the application out, and the server would only warn."""
        may = self.connection.execute(catalog.MAY_VACUUM, {"table": self.quoted}).scalar_one()
        if not may:
            raise PermissionRefusedError(
                f"the user may not vacuum {self.name!r}", "autovacuum does it; or make it the owner"
            )
        self.execute(f"VACUUM {self.quoted}")
