"""A MariaDB or MySQL table: what it holds, and the statements about it."""

from typing import Any, Iterator, Mapping, Optional, Sequence

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.sql.expression import quoted_name

from geocache_cleanup.engines.base import Target
from geocache_cleanup.engines.mysql.expressions import MySQLExpressions
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
from geocache_cleanup.errors import ConfigError
from geocache_cleanup.times.instants import Stored

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

_RELATIONS = sa.text(
    """
    SELECT table_schema AS found_schema, table_name AS name, table_type AS kind,
           table_schema = DATABASE() AS is_visible
    FROM information_schema.tables WHERE table_schema IN (DATABASE(), :schema)
    ORDER BY table_name
    """
)
_ENGINE = sa.text(
    """
    SELECT e.transactions AS transactions FROM information_schema.tables AS t
    JOIN information_schema.engines AS e ON e.engine = t.engine
    WHERE t.table_schema = :schema AND t.table_name = :table
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


def find_table(connection: Connection, table: str) -> Relation:
    """Return the table that a name means; raise ConfigError if there is none."""
    schema = table.partition(".")[0]
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
    except ConfigError:
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


def describe(connection: Connection, relation: Relation, column: str) -> ServerTarget:
    """Describe a table for the work; raise ConfigError if it has no such column."""
    where = {"schema": relation.schema, "table": relation.name}
    rows = {row["name"]: row for row in connection.execute(_COLUMNS, where).mappings()}
    if not rows:
        _probe(connection, f"{relation.schema}.{relation.name}")
    found = rows[choose_column(list(rows), column, relation.name)]
    clause = sa.table(
        quoted_name(relation.name, True),
        sa.column(quoted_name(found["name"], True)),
        schema=quoted_name(relation.schema, True),
    )
    bare: Column = next(iter(clause.c))
    kind = kind_of(_TYPES, found["type"].lower())
    parts = [
        {name.lower(): value for name, value in row.items()}
        for row in connection.execute(_INDEXES, where).mappings()
    ]
    index = _index(parts, found["name"])
    ranged = bare if index and found["collation"] not in DISORDERED else None
    return ServerTarget(
        table=clause,
        column=bare,
        name=relation.name,
        column_name=found["name"],
        column_type=found["declared"],
        numbers=kind in {Kind.WHOLE, Kind.DECIMAL, Kind.FLOAT},
        index=index if ranged is not None or kind is not Kind.TEXT else None,
        columns=list(rows),
        key=[part["column_name"] for part in parts if part["index_name"] == "PRIMARY"],
        native=kind in NATIVE,
        atomic=connection.execute(_ENGINE, where).scalar() == "YES",
        kind=kind,
        ranged=ranged,
        digits=found["digits"] or 0,
    )


def _index(parts: Sequence[Mapping[str, Any]], column: str) -> Optional[str]:
    """Return the name of an index that leads with the column and may be used for ranges."""
    for part in parts:
        leads = part["seq_in_index"] == 1 and part["column_name"] == column
        hidden = part.get("ignored") == "YES" or part.get("is_visible") == "NO"
        if leads and part["index_type"] == "BTREE" and not hidden:
            return "the primary key" if part["index_name"] == "PRIMARY" else part["index_name"]
    return None


def stored_times(connection: Connection, target: Target) -> Iterator[tuple[Stored, int]]:
    """See ``backend.Backend.stored_times``."""
    assert isinstance(target, ServerTarget)
    return read_values(connection, target, _shown(target))


def _shown(target: ServerTarget) -> Column:
    column = target.column
    form = {
        Kind.MOMENT: "%Y-%m-%dT%H:%i:%s.%fZ",
        Kind.LOCAL: "%Y-%m-%d %H:%i:%s.%f",
        Kind.DATE: "%Y-%m-%d",
    }.get(target.kind)
    if form is not None:
        return sa.func.date_format(column, form)
    if target.kind is Kind.FLOAT:
        return column + sa.literal_column("0e0")
    if target.kind in {Kind.WHOLE, Kind.DECIMAL}:
        return column
    return MySQLExpressions().text(column) if target.kind is Kind.TEXT else sa.func.hex(column)


def optimize(connection: Connection, target: ServerTarget) -> None:
    """Rebuild the table; raise ConfigError on a cluster, all of which would stand still."""
    cluster = connection.exec_driver_sql("SHOW STATUS LIKE 'wsrep_ready'").first()
    if cluster is not None and cluster[1] == "ON":
        raise ConfigError(
            "OPTIMIZE TABLE would stop a Galera cluster",
            "leave --reclaim out, or rebuild the table node by node (wsrep_OSU_method = RSU)",
        )
    statement = escaped(f"OPTIMIZE TABLE {quoted(connection, target)}")
    for row in connection.exec_driver_sql(statement):
        # Errors come as rows of the result.
        if str(row[2]).lower() == "error":
            raise ConfigError(f"the table cannot be rebuilt: {row[3]}", "see the server's log")
