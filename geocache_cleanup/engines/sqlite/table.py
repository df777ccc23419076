"""What a SQLite table is: its columns and indexes, its stored times, its rows by rowid."""

import contextlib
import sqlite3
from dataclasses import dataclass
from typing import Iterator, Optional, Sequence

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.sql.expression import quoted_name

from geocache_cleanup.engines.base import Condition, Target
from geocache_cleanup.errors import ConfigError
from geocache_cleanup.times.instants import Stored

Column = sa.sql.expression.ColumnElement[object]

_COLUMNS = sa.text("SELECT name, type, pk FROM pragma_table_xinfo(:table) ORDER BY cid")
_RELATIONS = sa.text(
    "SELECT name, type FROM sqlite_master WHERE type IN ('table', 'view')"
    " AND name NOT LIKE 'sqlite!_%' ESCAPE '!' ORDER BY name"
)
_INDEX = sa.text(
    "SELECT list.name FROM pragma_index_list(:table) AS list"
    " JOIN pragma_index_xinfo(list.name) AS part ON part.seqno = 0"
    " WHERE list.partial = 0 AND part.name = :column ORDER BY list.seq"
)
# Triggers of the table, and foreign keys that refer to it.
_GUARDS = sa.text(
    "SELECT 1 FROM sqlite_master WHERE type = 'trigger' AND tbl_name = :table COLLATE NOCASE"
    " UNION ALL SELECT 1 FROM sqlite_master AS child, pragma_foreign_key_list(child.name) AS key"
    " WHERE child.type = 'table' AND key.\"table\" = :table COLLATE NOCASE LIMIT 1"
)
# The names of the rowid; a column of the same name hides it.
_ROWIDS = ("rowid", "_rowid_", "oid")


@dataclass(frozen=True)
class SQLiteTarget(Target):
    """The table, and its rowid where it has one that a statement can name."""

    rowid: Optional[Column] = None


def inspect_table(connection: Connection, table: str, column: str) -> SQLiteTarget:
    """Look the table up; raise ConfigError naming what there is instead."""
    name = _find_table(connection, table)
    rows = connection.execute(_COLUMNS, {"table": name}).all()
    found = next((row for row in rows if fold(row.name) == fold(column)), None)
    if found is None:
        raise ConfigError(
            f"the table {name!r} has no column {column!r}; it has: "
            + ", ".join(row.name for row in rows),
            "set --time-column",
        )
    column_clause: sa.sql.expression.ColumnClause[object] = sa.column(quoted_name(found.name, True))
    clause = sa.table(quoted_name(name, True), column_clause)
    key = [row.name for row in sorted(rows, key=lambda row: int(row.pk)) if row.pk]
    # An INTEGER PRIMARY KEY is the rowid itself: the table is its own index.
    is_rowid = key == [found.name] and found.type.upper() == "INTEGER"
    names = connection.execute(_INDEX, {"table": name, "column": found.name}).scalars().all()
    index = next((index for index in names if _serves(connection, index, name, found.name)), None)
    return SQLiteTarget(
        table=clause,
        column=column_clause,
        name=name,
        column_name=found.name,
        column_type=found.type,
        numbers=not _has_text_affinity(found.type),
        index="the primary key" if is_rowid else index,
        columns=[row.name for row in rows],
        key=key,
        rowid=_find_rowid(connection, clause, [row.name for row in rows]),
    )


def may_cascade(connection: Connection, target: Target) -> bool:
    """See ``backend.Backend.may_cascade``."""
    return connection.execute(_GUARDS, {"table": target.name}).first() is not None


def _serves(connection: Connection, index: str, table: str, column: str) -> bool:
    """Tell whether a range on the bare column can use an index: one of its own collation."""
    statement = (
        f"EXPLAIN SELECT 1 FROM {_quote(table)} INDEXED BY {_quote(index)}"
        f" WHERE {_quote(table)}.{_quote(column)} < ''"
    )
    try:
        driver_connection(connection).execute(statement)
    except sqlite3.OperationalError:
        return False
    return True


def _find_rowid(
    connection: Connection, table: sa.sql.expression.TableClause, columns: Sequence[str]
) -> Optional[Column]:
    taken = {fold(name) for name in columns}
    for name in _ROWIDS:
        if fold(name) not in taken:
            rowid: Column = sa.literal_column(f"{_quote(table.name)}.{name}")
            with contextlib.suppress(sa.exc.OperationalError):  # a table WITHOUT ROWID
                connection.execute(sa.select(rowid).select_from(table).limit(0))
                return rowid
    return None


def fold(name: str) -> bytes:
    """Return a name as SQLite compares names: it ignores the case of ASCII letters only."""
    return name.encode(errors="surrogateescape").lower()


def qualified(table: str, column: str) -> Column:
    """Return a column by its full name: SQLite takes a lone quoted name it knows not for text."""
    return sa.literal_column(f"{_quote(table)}.{_quote(column)}")


def _quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _find_table(connection: Connection, table: str) -> str:
    relations = {row.name: row.type for row in connection.execute(_RELATIONS)}
    folded = {fold(name): name for name in relations}
    name = table if table in relations else folded.get(fold(table))
    if name is None:
        tables = [name for name, kind in relations.items() if kind == "table"]
        raise ConfigError(
            f"there is no table {table!r}; there is: {', '.join(tables) or 'no table at all'}",
            "set --table, or create it with geocache-cleanup migrate",
        )
    if relations[name] == "view":
        raise ConfigError(f"{name!r} is a view, not a table", "set --table to the table behind it")
    return name


def _has_text_affinity(declared: str) -> bool:
    upper = declared.upper()
    return "INT" not in upper and any(word in upper for word in ("CHAR", "CLOB", "TEXT"))


def delete_statement(target: Target, condition: Condition) -> sa.sql.expression.Delete:
    """Return the statement that deletes the rows of a condition fastest.

    That is in the order of the table: an index finds the rows in the order of time, in which
    nearly every one is on another page than the last.
    """
    assert isinstance(target, SQLiteTarget)
    if target.rowid is None:
        return sa.delete(target.table).where(condition)
    rows = sa.select(target.rowid).select_from(target.table).where(condition).correlate(None)
    return sa.delete(target.table).where(target.rowid.in_(rows))


def driver_connection(connection: Connection) -> sqlite3.Connection:
    """Return sqlite3's own connection."""
    raw = connection.connection.driver_connection
    assert isinstance(raw, sqlite3.Connection)
    return raw


def encoding_of(connection: Connection) -> str:
    """Return the encoding of the database's text, by a name that Python knows as well."""
    return str(connection.exec_driver_sql("PRAGMA encoding").scalar_one())


def stored_times(connection: Connection, target: Target) -> Iterator[tuple[Stored, int]]:
    """Yield every stored time as it is, with the number of rows that hold it."""
    raw = driver_connection(connection)
    raw.text_factory = lambda data: data.decode(errors="replace")
    # Its own collation may take a time and what is none for one value.
    exact = sa.collate(target.column, "BINARY")
    statement = sa.select(target.column, sa.func.count()).group_by(exact)
    yield from map(tuple, connection.execute(statement))


def spare_pages(connection: Connection) -> int:
    """Return the pages that hold nothing, less all pages: an automatic vacuum drops some."""
    counts = [
        int(connection.exec_driver_sql(f"PRAGMA {name}").scalar_one())
        for name in ("freelist_count", "page_count")
    ]
    return counts[0] - counts[1]
