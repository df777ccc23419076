"""A SQLite table looked up: its columns, its key, and an index that a search can use."""

import contextlib
import sqlite3
from collections.abc import Sequence
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.sql.expression import TableClause, quoted_name

from geocache_cleanup.engines.sqlite import deletion
from geocache_cleanup.engines.sqlite.driver import (
    Column,
    driver_connection,
    fold,
    pragma,
    quote,
)
from geocache_cleanup.engines.sqlite.table import SQLiteTable
from geocache_cleanup.errors import ConfigError, NoTableError

if TYPE_CHECKING:
    from geocache_cleanup.engines.sqlite.engine import SQLiteEngine

_COLUMNS = sa.text("SELECT name, type, pk FROM pragma_table_xinfo(:table) ORDER BY cid")
_RELATIONS = sa.text(
    "SELECT name, CASE WHEN type = 'table' AND rootpage = 0 THEN 'virtual table' ELSE type END"
    " AS type FROM sqlite_master WHERE type IN ('table', 'view')"
    " AND name NOT LIKE 'sqlite!_%' ESCAPE '!' ORDER BY name"
)
_INDEX = sa.text(
    "SELECT list.name FROM pragma_index_list(:table) AS list"
    " JOIN pragma_index_xinfo(list.name) AS part ON part.seqno = 0"
    " WHERE list.partial = 0 AND part.name = :column ORDER BY list.seq"
)
# The names of the rowid; a column of the same name hides it.
_ROWIDS = ("rowid", "_rowid_", "oid")


def inspect_table(
    engine: "SQLiteEngine", connection: Connection, table: str, column: str
) -> SQLiteTable:
    """Look the table up; raise NoTableError or ConfigError naming what there is instead."""
    name = _find_table(connection, table)
    if fold(name) == fold(deletion.NAME):
        # The temporary table of that name would take its place.
        raise ConfigError(f"{name!r} is a name that this program needs", "rename the table")
    rows = connection.execute(_COLUMNS, {"table": name}).all()
    names = [row.name for row in rows]
    found = rows[_find_column(names, column, name)]
    bare: sa.sql.expression.ColumnClause[object] = sa.column(quoted_name(found.name, True))
    clause = sa.table(quoted_name(name, True), bare)
    key = [row.name for row in sorted(rows, key=lambda row: int(row.pk)) if row.pk]
    # An INTEGER PRIMARY KEY is the rowid itself: the table is its own index.
    is_rowid = key == [found.name] and found.type.upper() == "INTEGER"
    return SQLiteTable(
        engine=engine,
        connection=connection,
        clause=clause,
        column=bare,
        name=name,
        column_name=found.name,
        column_type=found.type,
        numbers=not _has_text_affinity(found.type),
        index="the primary key" if is_rowid else _find_index(connection, name, found.name),
        columns=names,
        key=key,
        rowid=_find_rowid(connection, clause, names),
        version=pragma(connection, "schema_version"),
    )


def _find_table(connection: Connection, table: str) -> str:
    relations = {row.name: row.type for row in connection.execute(_RELATIONS)}
    folded = {fold(name): name for name in relations}
    name = table if table in relations else folded.get(fold(table))
    if name is None:
        tables = [name for name, kind in relations.items() if kind == "table"]
        raise NoTableError(
            f"there is no table {table!r}; there is: {', '.join(tables) or 'no table at all'}",
            "set --table, or create it with geocache-cleanup migrate",
        )
    # What is deleted from a virtual table may be an entry of an index, and its row stay.
    if relations[name] != "table":
        raise ConfigError(
            f"{name!r} is a {relations[name]}, not a table", "set --table to the table behind it"
        )
    return name


def _find_column(names: Sequence[str], column: str, table: str) -> int:
    folded = list(map(fold, names))
    if fold(column) not in folded:
        raise ConfigError(
            f"the table {table!r} has no column {column!r}; it has: {', '.join(names)}",
            "set --time-column",
        )
    return folded.index(fold(column))


def _has_text_affinity(declared: str) -> bool:
    upper = declared.upper()
    return "INT" not in upper and any(word in upper for word in ("CHAR", "CLOB", "TEXT"))


def _find_index(connection: Connection, table: str, column: str) -> str | None:
    names = connection.execute(_INDEX, {"table": table, "column": column}).scalars().all()
    return next((name for name in names if _serves(connection, name, table, column)), None)


def _serves(connection: Connection, index: str, table: str, column: str) -> bool:
    """Tell whether a range on the bare column can use an index: one of its own collation."""
    statement = (
        f"EXPLAIN SELECT 1 FROM {quote(table)} INDEXED BY {quote(index)}"
        f" WHERE {quote(table)}.{quote(column)} < ''"
    )
    try:
        driver_connection(connection).execute(statement)
    except sqlite3.OperationalError:
        return False
    return True


def _find_rowid(
    connection: Connection, table: TableClause, columns: Sequence[str]
) -> Column | None:
    taken = {fold(name) for name in columns}
    for name in _ROWIDS:
        if fold(name) not in taken:
            rowid: Column = sa.literal_column(f"{quote(table.name)}.{name}")
            with contextlib.suppress(sa.exc.OperationalError):  # a table WITHOUT ROWID
                connection.execute(sa.select(rowid).select_from(table).limit(0))
                return rowid
    return None
