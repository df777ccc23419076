"""Rows are deleted in two steps: which ones are stale is found out, then those are touched.

A statement that calls functions may fail in the middle, and so SQLite would first copy every page
it changes to a temporary file: as large as the database, where most of it is stale.
"""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.sql.expression import Delete, Select, TableClause, quoted_name

from geocache_cleanup.engines.sqlite import search
from geocache_cleanup.engines.sqlite.driver import pragma, qualified, quote
from geocache_cleanup.engines.table import Condition, StaleCondition
from geocache_cleanup.times.stored_ranges import Verdict

if TYPE_CHECKING:
    from geocache_cleanup.engines.sqlite.table import SQLiteTable

NAME = "geocache_cleanup_stale"
_ASIDE = sa.table(NAME, sa.column("number"), schema="temp")
# Some eight million rows; what is more goes to a temporary file, eight bytes for each.
_CACHE_KIB = 64 * 1024
# More than a table has rows.
_WEIGHT = 1 << 32
_PREPARE: Sequence[str] = (
    f"PRAGMA temp.cache_size = -{_CACHE_KIB}",
    f"CREATE TEMP TABLE IF NOT EXISTS {NAME} (number INTEGER PRIMARY KEY)",
    f"DELETE FROM temp.{NAME}",
)


def rows(table: "SQLiteTable", condition: Condition) -> "Select[Any]":
    """Return the statement that finds the rows of a condition, by their numbers."""
    assert table.rowid is not None
    return sa.select(table.rowid).select_from(table.clause).where(condition)


def set_aside(table: "SQLiteTable", condition: Condition, most: int | None = None) -> Delete:
    """Set the rows of a condition aside, and return the statement that deletes these.

    It goes in the order of the table. An index finds them in the order of time, in which nearly
    every one is on another page than the last; the search ends where it has found ``most``.
    """
    assert table.rowid is not None
    for statement in _PREPARE:
        table.connection.exec_driver_sql(statement)
    found = rows(table, condition).limit(most)
    table.connection.execute(sa.insert(_ASIDE).from_select(["number"], found))
    is_aside = table.rowid.in_(sa.select(_ASIDE.c.number))
    return sa.delete(_without_index(table)).where(is_aside)


def examine(table: "SQLiteTable", part: StaleCondition) -> tuple[int, int, bool]:
    """Return how many rows of a part are stale, how many unreadable, and if all of it is stale.

    Each row is judged once, and both numbers come in one sum.
    """
    assert part.bounds is not None
    assert part.judged is not None
    weights = [(part.stale, "1"), (part.unreadable, str(_WEIGHT))]
    verdict = sa.case(
        *((found, sa.literal_column(weight)) for found, weight in weights if found is not None),
        else_=sa.literal_column("0"),
    )
    counts = sa.select(sa.func.count(), sa.func.sum(verdict)).select_from(table.clause)
    rows, found = table.connection.execute(counts.where(part.judged)).one()
    unreadable, stale = divmod(int(found or 0), _WEIGHT)
    is_all = rows == stale and part.bounds.verdict is not Verdict.NOTHING
    return stale, unreadable, is_all


def delete_part(table: "SQLiteTable", part: StaleCondition, stale: int, *, is_all: bool) -> Delete:
    """Return the statement for the stale rows within a part's bounds, ``is_all`` of them or not.

    An index may be damaged: what the table itself holds must be within the bounds too.
    """
    assert part.bounds is not None
    assert part.stale is not None
    inside = search.between(qualified(table.name, table.column_name), part.bounds)
    # Nearly every page is touched either way: no row needs to be set aside.
    if is_all and stale >= pragma(table.connection, "page_count"):
        return sa.delete(_without_index(table)).where(inside)
    return set_aside(table, inside if is_all else part.stale, stale).where(inside)


def delete_keys(table: "SQLiteTable", condition: Condition, rowids: Sequence[int]) -> Delete:
    """Return the statement for rows by their numbers, as far as they meet a condition."""
    assert table.rowid is not None
    listed = sa.text("SELECT value FROM json_each(:rowids)").bindparams(rowids=json.dumps(rowids))
    return set_aside(table, sa.and_(table.rowid.in_(listed), condition))


def _without_index(table: "SQLiteTable") -> TableClause:
    return sa.table(quoted_name(f"{quote(table.name)} NOT INDEXED", quote=False))
