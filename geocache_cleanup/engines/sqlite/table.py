"""A SQLite table: its rows by rowid, its stored times, what else reacts to a deletion."""

import contextlib
import datetime as dt
import os
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.schema import CreateIndex

from geocache_cleanup.engines.sqlite import deletion, errors, functions, search
from geocache_cleanup.engines.sqlite.driver import Column, driver_connection, pragma, quote
from geocache_cleanup.engines.table import Condition, StaleCondition, Table, merged
from geocache_cleanup.times.instants import Stored

if TYPE_CHECKING:
    from geocache_cleanup.engines.backlog import Backlog
    from geocache_cleanup.engines.sqlite.engine import SQLiteEngine

# Triggers of the table, and foreign keys that refer to it.
_GUARDS = sa.text(
    "SELECT 1 FROM sqlite_master WHERE type = 'trigger' AND tbl_name = :table COLLATE NOCASE"
    " UNION ALL SELECT 1 FROM sqlite_master AS child, pragma_foreign_key_list(child.name) AS key"
    " WHERE child.type = 'table' AND key.\"table\" = :table COLLATE NOCASE LIMIT 1"
)

# The tables with deferred keys among those that refer to the table, directly or not.
_DEFERRED = sa.text(
    "WITH RECURSIVE reached (name) AS (SELECT :table UNION SELECT child.name FROM reached,"
    " sqlite_master AS child, pragma_foreign_key_list(child.name) AS key"
    " WHERE child.type = 'table' AND key.\"table\" = reached.name COLLATE NOCASE)"
    " SELECT name FROM reached JOIN sqlite_master USING (name) WHERE sql LIKE '%DEFERRED%'"
)


@dataclass(frozen=True, eq=False)
class SQLiteTable(Table):
    """The table, and its rowid where it has one that a statement can name.

    ``numbers`` says whether the time column can hold numbers, ``version`` is that of the schema
    when the table was found.
    """

    engine: "SQLiteEngine"
    numbers: bool = True
    rowid: Column | None = None
    version: int = 0

    def compare(self, now: Table) -> None:
        """Raise ConfigError also if the rowid has another name now: a column may have taken it."""
        super().compare(now)
        assert isinstance(now, SQLiteTable)
        if str(now.rowid) != str(self.rowid):
            raise self.changed(f"the rowid of {self.name!r} was {self.rowid}, and is {now.rowid}")

    def lock(self) -> None:
        """Do nothing: the file's own lock is held since the transaction began."""

    def stale_conditions(self, cutoff: int, now: int, zone: dt.tzinfo) -> Sequence[StaleCondition]:
        functions.register(self.connection, cutoff, zone)
        found = search.stale_conditions(self.column, cutoff, now, zone, numbers=self.numbers)
        # Without an index every part reads the whole table: then one has to do for all.
        return found if self.index else [merged(found)]

    def prune(self, part: StaleCondition, *, dry_run: bool) -> tuple[int, int]:
        if self.rowid is None or part.bounds is None or part.stale is None:
            return super().prune(part, dry_run=dry_run)
        # One reading of the index tells whether the rows have to be judged one by one again.
        stale, unreadable, is_all = deletion.examine(self, part)
        if stale and not dry_run:
            stale = self._delete_part(part, stale, is_all=is_all)
            # A trigger may have done away with what could not be read.
            if unreadable and self.may_cascade():
                unreadable = self.count_unreadable([part])
        return stale, unreadable

    def _delete_part(self, part: StaleCondition, stale: int, *, is_all: bool) -> int:
        statement = deletion.delete_part(self, part, stale, is_all=is_all)
        deleted = int(self.connection.execute(statement).rowcount)
        if deleted != stale and not self.may_cascade():
            raise errors.damaged(
                self.engine.path, f"the index {self.index!r} does not fit its table"
            )
        return deleted

    def delete(self, condition: Condition) -> int:
        if self.rowid is None:
            return super().delete(condition)
        return int(self.connection.execute(deletion.set_aside(self, condition)).rowcount)

    def backlog(self, conditions: Sequence[StaleCondition], seconds: float) -> "Backlog":
        from geocache_cleanup.engines.sqlite import backlog, wal  # a run at once needs neither

        wal.prepare(driver_connection(self.connection))
        return backlog.find_stale(self, conditions, seconds)

    def count_stale(self, conditions: Sequence[StaleCondition], seconds: float) -> int:
        from geocache_cleanup.engines.sqlite import backlog

        if self.rowid is None:
            return super().count_stale(conditions, seconds)
        return sum(len(found.keys) for found in backlog.slices(self, conditions, seconds))

    def stored_times(self) -> Iterator[tuple[Stored, int]]:
        raw = driver_connection(self.connection)
        raw.text_factory = lambda data: data.decode(errors="replace")
        # Its own collation may take a time and what is none for one value.
        exact = sa.collate(self.column, "BINARY")
        statement = sa.select(self.column, sa.func.count()).group_by(exact)
        yield from map(tuple, self.connection.execute(statement))

    def may_cascade(self) -> bool:
        return self.connection.execute(_GUARDS, {"table": self.name}).first() is not None

    @contextlib.contextmanager
    def constraints_in_time(self) -> Iterator[None]:
        deferred = self.connection.execute(_DEFERRED, {"table": self.name}).scalars().all()
        # SQLite only counts: where references lead nowhere already, others may make up for them.
        sound = [name for name in deferred if not self._has_broken_keys(name)]
        yield
        if any(map(self._has_broken_keys, sound)):
            raise errors.refused("FOREIGN KEY constraint failed, at the commit")

    def _has_broken_keys(self, child: str) -> bool:
        """Tell whether a reference leads nowhere, or a key is of no use to SQLite."""
        check = f"PRAGMA main.foreign_key_check({quote(child)})"
        try:
            return self.connection.exec_driver_sql(check).first() is not None
        except sa.exc.OperationalError as error:
            if errors.primary_code(error.orig or error) != sqlite3.SQLITE_ERROR:
                raise
            return True

    def check_writable(self) -> None:
        super().check_writable()
        # Only the first change would make this journal, and tell that it cannot be made.
        path = self.engine.path
        is_journal = pragma(self.connection, "journal_mode") == "delete"
        if is_journal and not os.access(errors.directory(path), os.W_OK):
            raise errors.unwritable(path)

    def create_index(self, index: sa.Index) -> bool:
        found = sa.inspect(self.connection).get_indexes(self.name)
        if index.name in {one["name"] for one in found}:
            return False
        self.connection.execute(CreateIndex(index))
        return True
