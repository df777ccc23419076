"""A PostgreSQL table: what it holds, and the statements about its rows."""

from typing import Any, Iterator, Mapping, Optional, Sequence

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.sql.expression import quoted_name

from geocache_cleanup.engines.base import Condition, Target
from geocache_cleanup.engines.postgresql import catalog
from geocache_cleanup.engines.server.expressions import Column
from geocache_cleanup.engines.server.table import (
    NATIVE,
    Kind,
    Relation,
    ServerTarget,
    choose,
    choose_column,
    escaped,
    kind_of,
    quoted,
    read_values,
)
from geocache_cleanup.errors import PermissionRefusedError
from geocache_cleanup.times.instants import Stored

_TYPES = {
    Kind.MOMENT: ("timestamptz",),
    Kind.LOCAL: ("timestamp",),
    Kind.DATE: ("date",),
    Kind.WHOLE: ("int2", "int4", "int8"),
    Kind.DECIMAL: ("numeric",),
    Kind.FLOAT: ("float4", "float8"),
    Kind.TEXT: ("text", "varchar", "bpchar", "name", "citext"),
}
# Those whose comparison is that of their characters.
_PLAIN_TEXT = ("text", "varchar", "bpchar")
_BYTEWISE = ("C", "POSIX", "ucs_basic", "C.UTF-8", "C.utf8", "pg_c_utf8", "pg_unicode_fast")
_KINDS = {"r": "table", "p": "table", "v": "view", "m": "materialized view", "f": "foreign table"}


def find_table(connection: Connection, table: str) -> Relation:
    """Return the table that a name means; raise ConfigError if there is none."""
    rows = connection.execute(catalog.RELATIONS).mappings()
    return choose([Relation(**{**row, "kind": _KINDS[row["kind"]]}) for row in rows], table)


def describe(connection: Connection, relation: Relation, column: str) -> ServerTarget:
    """Describe a table for the work; raise ConfigError if it has no such column."""
    key = {"table": relation.identity}
    rows = {row["name"]: row for row in connection.execute(catalog.COLUMNS, key).mappings()}
    found = rows[choose_column(list(rows), column, relation.name)]
    clause = sa.table(
        quoted_name(relation.name, True),
        sa.column(quoted_name(found["name"], True)),
        schema=quoted_name(relation.schema, True),
    )
    bare: Column = next(iter(clause.c))
    kind = kind_of(_TYPES, found["type"])
    index, ranged = _index(connection, relation, found, bare, kind)
    keyed = sorted((row["key"], name) for name, row in rows.items() if row["key"])
    return ServerTarget(
        table=clause,
        column=bare,
        name=relation.name,
        column_name=found["name"],
        column_type=found["declared"],
        numbers=kind in {Kind.WHOLE, Kind.DECIMAL, Kind.FLOAT},
        index=index,
        columns=list(rows),
        key=[name for _, name in keyed],
        native=kind in NATIVE,
        kind=kind,
        ranged=ranged,
        identity=relation.identity,
    )


def _index(
    connection: Connection, relation: Relation, found: Mapping[Any, Any], bare: Column, kind: Kind
) -> tuple[Optional[str], Optional[Column]]:
    """Return an index that a range on the column can use, and the column as it is used then."""
    key = {"table": relation.identity, "column": found["number"]}
    rows = connection.execute(catalog.INDEXES, key)
    indexes = [(row.name, row.collation) for row in rows]
    if kind is not Kind.TEXT:
        return (indexes[0][0] if indexes else None), bare
    if found["type"] not in _PLAIN_TEXT:
        return None, None
    default = connection.execute(catalog.DEFAULT_COLLATION).scalar_one()
    for name, collation in indexes:
        if (default if collation == "default" else collation) in _BYTEWISE:
            same = collation == found["collation"]
            return name, bare if same else sa.collate(bare, collation)
    return None, None


def may_cascade(connection: Connection, target: Target) -> bool:
    """See ``backend.Backend.may_cascade``."""
    assert isinstance(target, ServerTarget)
    found = connection.execute(catalog.GUARDS, {"table": quoted(connection, target)})
    return bool(found.scalar_one())


def stored_times(connection: Connection, target: Target) -> Iterator[tuple[Stored, int]]:
    """See ``backend.Backend.stored_times``."""
    assert isinstance(target, ServerTarget)
    return read_values(connection, target, _shown(target))


def _shown(target: ServerTarget) -> Column:
    column = target.column
    form = {
        Kind.MOMENT: 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"',
        Kind.LOCAL: "YYYY-MM-DD HH24:MI:SS.US",
        Kind.DATE: "YYYY-MM-DD",
    }.get(target.kind)
    if form is not None:
        # What is no time, or before our era, is shown as the server does.
        real = sa.and_(sa.func.isfinite(column), sa.func.date_part("year", column) > 0)
        written = sa.func.to_char(column, sa.literal_column(f"'{form}'"))
        return sa.case((real, written), else_=sa.cast(column, sa.Text))
    if target.kind is Kind.FLOAT:
        return sa.cast(column, sa.Float(53))
    return column if target.kind in {Kind.WHOLE, Kind.DECIMAL} else sa.cast(column, sa.Text)


def places(connection: Connection, target: Target, condition: Condition) -> Iterator[int]:
    """Yield where each row of a condition lies: its page's number, and its own in the page."""
    statement: Any = sa.select(sa.literal_column("ctid::text")).select_from(target.table)
    statement = statement.where(condition).execution_options(stream_results=True)
    for (text,) in connection.execute(statement):
        page, _, number = text[1:-1].partition(",")
        yield int(page) << 16 | int(number)


def delete_places(
    target: Target, condition: Condition, places: Sequence[int]
) -> sa.sql.expression.Delete:
    """Return the statement that deletes the rows of a condition in some places.

    A place may meanwhile hold another row, and each part of a partitioned table has it: the
    condition decides.
    """
    array = "{" + ",".join(f'"({place >> 16},{place & 0xFFFF})"' for place in places) + "}"
    in_places = sa.text("ctid = ANY(CAST(:places AS tid[]))").bindparams(places=array)
    return sa.delete(target.table).where(condition, in_places)


def vacuum(connection: Connection, target: ServerTarget) -> None:
    """Vacuum the table; raise PermissionRefusedError, where the server would only warn."""
    table = quoted(connection, target)
    if not connection.execute(catalog.MAY_VACUUM, {"table": table}).scalar_one():
        raise PermissionRefusedError(
            f"the user may not vacuum {target.name!r}", "autovacuum does it; or make it the owner"
        )
    connection.exec_driver_sql(escaped(f"VACUUM {table}"))
