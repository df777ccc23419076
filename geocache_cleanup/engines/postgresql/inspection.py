"""A PostgreSQL table looked up in the catalogs: its column, its key, an index that serves."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from geocache_cleanup.engines.postgresql import catalog
from geocache_cleanup.engines.postgresql.table import PostgreSQLTable
from geocache_cleanup.engines.server.kinds import Column, Kind, TimeColumn, kind_of
from geocache_cleanup.engines.server.relations import (
    Relation,
    choose,
    choose_column,
    clause_of,
    find_held,
)

if TYPE_CHECKING:
    from geocache_cleanup.engines.postgresql.engine import PostgreSQLEngine

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


def inspect_table(
    engine: "PostgreSQLEngine", connection: Connection, table: str, column: str
) -> PostgreSQLTable:
    """Look the table up; raise ConfigError if there is no such table, or no such column."""
    relation = find_held(connection, table, _find_relation)
    key = {"table": relation.identity}
    rows = {row["name"]: row for row in connection.execute(catalog.COLUMNS, key).mappings()}
    found = rows[choose_column(list(rows), column, relation.name)]
    clause = clause_of(relation, found["name"])
    bare: Column = next(iter(clause.c))
    kind = kind_of(_TYPES, found["type"])
    index, ranged = _find_index(connection, relation, found, bare, kind)
    keyed = sorted((row["key"], name) for name, row in rows.items() if row["key"])
    return PostgreSQLTable(
        engine=engine,
        connection=connection,
        clause=clause,
        column=bare,
        name=relation.name,
        column_name=found["name"],
        column_type=found["declared"],
        index=index,
        columns=list(rows),
        key=[name for _, name in keyed],
        time=TimeColumn(bare, kind, ranged, is_indexed=index is not None),
        identity=relation.identity,
    )


def _find_relation(connection: Connection, table: str) -> Relation:
    rows = connection.execute(catalog.RELATIONS).mappings()
    return choose([Relation(**{**row, "kind": _KINDS[row["kind"]]}) for row in rows], table)


def _find_index(
    connection: Connection, relation: Relation, found: Mapping[Any, Any], bare: Column, kind: Kind
) -> tuple[str | None, Column | None]:
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
