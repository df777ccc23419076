"""A MariaDB or MySQL table looked up: its column, its key, an index that serves, its engine."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.sql.expression import quoted_name

from geocache_cleanup.engines.mysql import guards
from geocache_cleanup.engines.mysql.table import MySQLTable
from geocache_cleanup.engines.server.kinds import Column, Kind, TimeColumn, kind_of
from geocache_cleanup.engines.server.relations import (
    Relation,
    choose,
    choose_column,
    clause_of,
    find_held,
)
from geocache_cleanup.errors import NoTableError

if TYPE_CHECKING:
    from geocache_cleanup.engines.mysql.engine import MySQLEngine

_TYPES = {
    Kind.MOMENT: ("timestamp",),
    Kind.LOCAL: ("datetime",),
    Kind.DATE: ("date",),
    Kind.WHOLE: ("tinyint", "smallint", "mediumint", "int", "bigint"),
    Kind.DECIMAL: ("decimal",),
    Kind.FLOAT: ("float", "double"),
    Kind.TEXT: ("char", "varchar", "tinytext", "text", "mediumtext", "longtext"),
}
_KINDS = {"BASE TABLE": "table", "SYSTEM VERSIONED": "table", "VIEW": "view"}
# All other collations have digits, "-" and "A" in the order of their codes, as bounds need.
DISORDERED = {"latin2_czech_cs"}
_FORBIDDEN = {1044, 1142, 1143}

# The server compares the names of databases in any case, also where two differ in nothing else.
_RELATIONS = sa.text(
    """
    SELECT table_schema AS found_schema, table_name AS name, table_type AS kind,
           TRUE AS is_visible
    FROM information_schema.tables WHERE table_schema = DATABASE()
    UNION ALL
    SELECT table_schema, table_name, table_type, FALSE FROM information_schema.tables
    WHERE :schema <> '' AND LOWER(table_schema) = LOWER(:schema)
      AND CAST(table_schema AS BINARY) <> CAST(DATABASE() AS BINARY)
    ORDER BY name
    """
)
_COLUMNS = sa.text(
    """
    SELECT column_name AS name, data_type AS type, column_type AS declared,
           datetime_precision AS digits, collation_name AS collation
    FROM information_schema.columns
    WHERE table_schema = :schema AND table_name = :table ORDER BY ordinal_position
    """
)
# All columns: which of them say that the optimizer may not use an index depends on the version.
_INDEXES = sa.text(
    """
    SELECT * FROM information_schema.statistics
    WHERE table_schema = :schema AND table_name = :table ORDER BY index_name, seq_in_index
    """
)


def inspect_table(
    engine: "MySQLEngine", connection: Connection, table: str, column: str
) -> MySQLTable:
    """Look the table up; raise ConfigError if there is no such table, or no such column."""
    relation = find_held(connection, table, _find_relation)
    where = {"schema": relation.schema, "table": relation.name}
    rows = {row["name"]: row for row in connection.execute(_COLUMNS, where).mappings()}
    found = rows[choose_column(list(rows), column, relation.name)]
    clause = clause_of(relation, found["name"])
    parts = [
        {name.lower(): value for name, value in row.items()}
        for row in connection.execute(_INDEXES, where).mappings()
    ]
    index = _find_index(parts, found["name"])
    time = _time_column(next(iter(clause.c)), found, index)
    return MySQLTable(
        engine=engine,
        connection=connection,
        clause=clause,
        column=time.bare,
        name=relation.name,
        column_name=found["name"],
        column_type=found["declared"],
        index=index if time.is_indexed else None,
        columns=list(rows),
        key=[part["column_name"] for part in parts if part["index_name"] == "PRIMARY"],
        atomic=guards.has_transactions(connection, relation.schema, relation.name),
        time=time,
    )


def _time_column(bare: Column, found: Mapping[Any, Any], index: str | None) -> TimeColumn:
    kind = kind_of(_TYPES, found["type"].lower())
    ranged = bare if index and found["collation"] not in DISORDERED else None
    is_indexed = index is not None and (ranged is not None or kind is not Kind.TEXT)
    return TimeColumn(bare, kind, ranged, is_indexed, found["digits"] or 0)


def _find_relation(connection: Connection, table: str) -> Relation:
    """Return the table that a name means; raise NoTableError if there is none."""
    schema = table.partition(".")[0] if "." in table else ""
    rows = connection.execute(_RELATIONS, {"schema": schema}).mappings()
    relations = [
        Relation(
            schema=row["found_schema"],
            name=row["name"],
            kind=_KINDS.get(row["kind"], "thing of another kind"),
            is_visible=bool(row["is_visible"]),
        )
        for row in rows
    ]
    try:
        return choose(relations, table)
    except NoTableError:
        _probe(connection, table)
        raise


def _probe(connection: Connection, table: str) -> None:
    """Raise the server's error if it only hides the table, for want of a privilege."""
    schema, _, name = table.rpartition(".")
    clause = sa.table(quoted_name(name, True), schema=quoted_name(schema, True) if schema else None)
    try:
        connection.execute(sa.select(sa.literal(1)).select_from(clause).limit(0))
    except sa.exc.DBAPIError as error:
        if error.orig is not None and error.orig.args[0] in _FORBIDDEN:
            raise


def _find_index(parts: Sequence[Mapping[str, Any]], column: str) -> str | None:
    """Return the name of an index that leads with the column and may be used for ranges."""
    for part in parts:
        leads = part["seq_in_index"] == 1 and part["column_name"] == column
        hidden = part.get("ignored") == "YES" or part.get("is_visible") == "NO"
        if leads and part["index_type"] == "BTREE" and not hidden:
            return "the primary key" if part["index_name"] == "PRIMARY" else part["index_name"]
    return None
