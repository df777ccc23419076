"""Rows are deleted in two steps: which ones are stale is set aside, then those are touched.

A statement that calls functions may fail in the middle, and so SQLite would first copy every page
it changes to a temporary file: as large as the database, where most of it is stale.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.sql.expression import Delete, Select

from geocache_cleanup.engines.table import Condition

if TYPE_CHECKING:
    from geocache_cleanup.engines.sqlite.table import SQLiteTable

_NAME = "geocache_cleanup_stale"
_ASIDE = sa.table(_NAME, sa.column("number"), schema="temp")
# Some eight million rows; what is more goes to a temporary file, eight bytes for each.
_CACHE_KIB = 64 * 1024
_PREPARE: Sequence[str] = (
    f"PRAGMA temp.cache_size = -{_CACHE_KIB}",
    f"CREATE TEMP TABLE IF NOT EXISTS {_NAME} (number INTEGER PRIMARY KEY)",
    f"DELETE FROM temp.{_NAME}",
)


def rows(table: "SQLiteTable", condition: Condition) -> "Select[Any]":
    """Return the statement that finds the rows of a condition, by their numbers."""
    assert table.rowid is not None
    return sa.select(table.rowid).select_from(table.clause).where(condition)


def set_aside(table: "SQLiteTable", condition: Condition) -> Delete:
    """Set the rows of a condition aside, and return the statement that deletes these.

    It goes in the order of the table. An index finds them in the order of time, in which nearly
    every one is on another page than the last.
    """
    assert table.rowid is not None
    for statement in _PREPARE:
        table.connection.exec_driver_sql(statement)
    table.connection.execute(sa.insert(_ASIDE).from_select(["number"], rows(table, condition)))
    return sa.delete(table.clause).where(table.rowid.in_(sa.select(_ASIDE.c.number)))
