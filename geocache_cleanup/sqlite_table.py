"""What a SQLite table holds: its columns and indexes, and how to find its stale rows.

SQLite compares by storage class before value, so numbers and text are searched apart. See
"Datatypes In SQLite", sections 3 and 4, for affinity and how it changes comparisons.
"""

import contextlib
import datetime as dt
import sqlite3
from dataclasses import dataclass
from typing import Callable, Iterator, Mapping, Optional, Sequence

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.sql.expression import quoted_name

from geocache_cleanup import instants, stale
from geocache_cleanup.database import Condition, Search, Target
from geocache_cleanup.errors import ConfigError
from geocache_cleanup.instants import Stored

Column = sa.sql.expression.ColumnElement[object]

_COLUMNS = sa.text("SELECT name, type, pk FROM pragma_table_xinfo(:table) ORDER BY cid")
_RELATIONS = sa.text(
    "SELECT name, type FROM sqlite_master WHERE type IN ('table', 'view')"
    " AND name NOT LIKE 'sqlite!_%' ESCAPE '!' ORDER BY name"
)
_INDEX = sa.text(
    "SELECT list.name FROM pragma_index_list(:table) AS list"
    " JOIN pragma_index_xinfo(list.name) AS part ON part.seqno = 0"
    " WHERE list.partial = 0 AND part.name = :column ORDER BY list.seq LIMIT 1"
)
# Text that strftime() writes from itself is proved to be a valid time: the two formats most in
# use need no reading in Python. The first names UTC, the second leaves the zone open.
_WITH_Z = "%Y-%m-%dT%H:%M:%SZ"
_WITHOUT_ZONE = "%Y-%m-%d %H:%M:%S"


# The names of the rowid; a column of the same name hides it.
_ROWIDS = ("rowid", "_rowid_", "oid")


@dataclass(frozen=True)
class SQLiteTarget(Target):
    """The table, and its rowid where it has one that a statement can name."""

    rowid: Optional[Column] = None


def find(connection: Connection, table: str, column: str) -> SQLiteTarget:
    """Look the table up; raise ConfigError naming what there is instead."""
    name = _find_table(connection, table)
    rows = connection.execute(_COLUMNS, {"table": name}).all()
    found = next((row for row in rows if row.name.casefold() == column.casefold()), None)
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
    index = connection.execute(_INDEX, {"table": name, "column": found.name}).scalar()
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


def _find_rowid(
    connection: Connection, table: sa.sql.expression.TableClause, columns: Sequence[str]
) -> Optional[Column]:
    taken = {name.casefold() for name in columns}
    for name in _ROWIDS:
        if name not in taken:
            rowid: Column = sa.literal_column(f"{_quote(table.name)}.{name}")
            with contextlib.suppress(sa.exc.OperationalError):  # a table WITHOUT ROWID
                connection.execute(sa.select(rowid).select_from(table).limit(0))
                return rowid
    return None


def _quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _find_table(connection: Connection, table: str) -> str:
    relations = {row.name: row.type for row in connection.execute(_RELATIONS)}
    folded = {name.casefold(): name for name in relations}
    name = table if table in relations else folded.get(table.casefold())
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


def searches(
    connection: Connection, target: Target, cutoff: int, now: int, zone: dt.tzinfo
) -> Sequence[Search]:
    """Return the searches which together find every stale row, each row once."""
    _teach(connection, cutoff, zone)
    spans = list(stale.text_spans(cutoff, now))
    if target.numbers:
        # On a column of TEXT affinity a number would be compared as text.
        spans = [*stale.number_spans(cutoff), *spans]
    found = [_search(target.column, span, cutoff, zone) for span in spans]
    # Without an index every search reads the whole table: then one has to do for all.
    return found if target.index else [_merge(found)]


def _search(column: Column, span: stale.Span, cutoff: int, zone: dt.tzinfo) -> Search:
    where = column < span.high
    if span.low is not None:
        where = sa.and_(column >= span.low, where)
    if span.decides is stale.Decides.ALL_STALE:
        return Search(stale=where)
    if span.decides is stale.Decides.NONE_READABLE:
        return Search(stale=None, unreadable=where)
    raw = sa.cast(column, sa.LargeBinary)
    written = {form: _is_written(column, form) for form in (_WITH_Z, _WITHOUT_ZONE)}
    decided = (
        {condition: sa.true() for condition in written.values()}
        if span.decides is stale.Decides.DATES_STALE
        else {written[form]: column < text for form, text in _cutoffs(cutoff, zone).items()}
    )
    return Search(
        stale=sa.and_(where, sa.case(*decided.items(), else_=sa.func.geocache_stale(raw) == 1)),
        unreadable=sa.and_(
            where,
            sa.not_(sa.or_(*written.values())),
            sa.func.geocache_unreadable(raw) == 1,
        ),
    )


def _cutoffs(cutoff: int, zone: dt.tzinfo) -> Mapping[str, str]:
    """Write the cutoff, at the next full second, in the formats in which it can be compared."""
    second = instants.to_datetime(-(-cutoff // instants.SECOND) * instants.SECOND)
    forms = (_WITH_Z, _WITHOUT_ZONE) if zone is dt.UTC else (_WITH_Z,)
    # strftime() of Python does not always write four digits of a year.
    return {form: second.strftime(form.replace("%Y", f"{second.year:04}")) for form in forms}


def _is_written(column: Column, form: str) -> Condition:
    # Only arithmetic, even of nothing, makes SQLite put 30 February right.
    rewritten = sa.func.strftime(form, column, "+0 days")
    same = sa.collate(column, "BINARY") == rewritten
    # SQLite knows a year 0, which the calendar of the contract does not.
    return sa.and_(column >= "0001-", sa.func.coalesce(same, sa.false()))


def deletion(target: Target, condition: Condition) -> sa.sql.expression.Delete:
    """Return the statement that deletes the rows of a condition fastest.

    That is in the order of the table: an index finds the rows in the order of time, in which
    nearly every one is on another page than the last.
    """
    assert isinstance(target, SQLiteTarget)
    if target.rowid is None:
        return sa.delete(target.table).where(condition)
    rows = sa.select(target.rowid).select_from(target.table).where(condition).correlate(None)
    return sa.delete(target.table).where(target.rowid.in_(rows))


def _merge(found: Sequence[Search]) -> Search:
    return Search(
        stale=sa.or_(*(search.stale for search in found if search.stale is not None)),
        unreadable=sa.or_(*(s.unreadable for s in found if s.unreadable is not None)),
    )


def _teach(connection: Connection, cutoff: int, zone: dt.tzinfo) -> None:
    """Give the connection functions that read stored text.

    They take the bytes of it: text that is not valid in the database's encoding would
    otherwise fail the whole statement.
    """
    read = reader(connection, zone)

    def is_stale(raw: bytes) -> bool:
        instant = read(raw)
        return instant is not None and instant < cutoff

    raw = driver_connection(connection)
    raw.create_function("geocache_stale", 1, is_stale, deterministic=True)
    raw.create_function("geocache_unreadable", 1, lambda raw: read(raw) is None, deterministic=True)


def reader(connection: Connection, zone: dt.tzinfo) -> Callable[[bytes], Optional[int]]:
    """Return a function from the bytes of stored text to the instant, None if unreadable."""
    encoding = str(connection.exec_driver_sql("PRAGMA encoding").scalar_one())

    def read(raw: bytes) -> Optional[int]:
        try:
            return instants.read_instant(raw.decode(encoding), zone)
        except UnicodeDecodeError:
            return None

    return read


def driver_connection(connection: Connection) -> sqlite3.Connection:
    """Return sqlite3's own connection."""
    raw = connection.connection.driver_connection
    assert isinstance(raw, sqlite3.Connection)
    return raw


def values(connection: Connection, target: Target) -> Iterator[tuple[Stored, int]]:
    """Yield every stored time as it is, with the number of rows that hold it."""
    raw = driver_connection(connection)
    raw.text_factory = lambda data: data.decode(errors="replace")
    statement = sa.select(target.column, sa.func.count()).group_by(target.column)
    yield from map(tuple, connection.execute(statement))
