"""What a PostgreSQL table holds, and how PostgreSQL says what a search needs."""

from typing import Any, Iterator, Mapping, Optional, Sequence

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.sql.expression import quoted_name

from geocache_cleanup.backend import Condition, Target
from geocache_cleanup.errors import PermissionRefusedError
from geocache_cleanup.instants import Stored
from geocache_cleanup.server.table import (
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
from geocache_cleanup.server.text import Column

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

_RELATIONS = sa.text(
    """
    SELECT c.oid::bigint AS identity, n.nspname AS schema, c.relname AS name,
           c.relkind::text AS kind, pg_table_is_visible(c.oid) AS is_visible
    FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT c.relispartition
      AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
    UNION ALL
    SELECT c.oid::bigint, n.nspname, c.relname, c.relkind::text, pg_table_is_visible(c.oid)
    FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p') AND c.relispartition
    """
)
# The type behind a domain, and how a default collation is spelled by the database itself.
_COLUMNS = sa.text(
    """
    SELECT a.attnum AS number, a.attname AS name, format_type(a.atttypid, a.atttypmod) AS declared,
           (WITH RECURSIVE base AS (
                SELECT t.* FROM pg_catalog.pg_type AS t WHERE t.oid = a.atttypid
                UNION ALL
                SELECT t.* FROM pg_catalog.pg_type AS t JOIN base AS b ON t.oid = b.typbasetype)
            SELECT typname FROM base WHERE typbasetype = 0) AS type,
           coalesce(k.ordinal, 0) AS key, o.collname AS collation
    FROM pg_catalog.pg_attribute AS a
    LEFT JOIN pg_catalog.pg_collation AS o ON o.oid = a.attcollation
    LEFT JOIN (
        SELECT x.indrelid, p.number, p.ordinal FROM pg_catalog.pg_index AS x,
               unnest(x.indkey) WITH ORDINALITY AS p (number, ordinal)
        WHERE x.indisprimary) AS k ON k.indrelid = a.attrelid AND k.number = a.attnum
    WHERE a.attrelid = :table AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
    """
)
# Since version 15 a database may have its collation from ICU, whatever datcollate says.
_DEFAULT_COLLATION = sa.text(
    """
    SELECT CASE WHEN coalesce(to_jsonb(d) ->> 'datlocprovider', 'c') = 'i' THEN 'of ICU'
                WHEN to_jsonb(d) ->> 'datlocprovider' = 'b' THEN 'C'
                ELSE d.datcollate END
    FROM pg_catalog.pg_database AS d WHERE d.datname = current_database()
    """
)
_INDEXES = sa.text(
    """
    SELECT i.relname AS name, o.collname AS collation
    FROM pg_catalog.pg_index AS x
    JOIN pg_catalog.pg_class AS i ON i.oid = x.indexrelid
    JOIN pg_catalog.pg_am AS m ON m.oid = i.relam
    JOIN pg_catalog.pg_opclass AS p ON p.oid = x.indclass[0]
    LEFT JOIN pg_catalog.pg_collation AS o ON o.oid = x.indcollation[0]
    WHERE x.indrelid = :table AND x.indkey[0] = :column AND x.indisvalid AND x.indpred IS NULL
      AND m.amname IN ('btree', 'brin') AND p.opcdefault
    ORDER BY m.amname DESC, i.relname
    """
)
# Of the table and all that inherits from it; foreign keys are triggers here, 8 is for DELETE.
_GUARDS = sa.text(
    """
    WITH RECURSIVE parts (number) AS (
        SELECT CAST(CAST(:table AS text) AS regclass)::oid
        UNION SELECT i.inhrelid FROM pg_catalog.pg_inherits AS i
              JOIN parts ON i.inhparent = parts.number)
    SELECT EXISTS (SELECT 1 FROM pg_catalog.pg_trigger AS t
                   WHERE t.tgrelid IN (SELECT number FROM parts)
                     AND t.tgtype & 8 = 8 AND t.tgenabled <> 'D')
        OR EXISTS (SELECT 1 FROM pg_catalog.pg_rewrite AS r
                   WHERE r.ev_class IN (SELECT number FROM parts) AND r.ev_type = '4')
    """
)
_MAY_VACUUM = sa.text(
    """
    SELECT CASE WHEN pg_has_role(c.relowner, 'USAGE') THEN true
                WHEN current_setting('server_version_num')::integer >= 170000
                THEN has_table_privilege(c.oid, 'MAINTAIN') ELSE false END
    FROM pg_catalog.pg_class AS c WHERE c.oid = CAST(:table AS regclass)
    """
)


class PostgreSQLWords:
    """See ``server.search.Words``."""

    def literal(self, kind: Kind, text: str) -> Column:
        """Write a constant with its type, so that every driver sends it alike."""
        sql = {
            Kind.MOMENT: f"TIMESTAMP WITH TIME ZONE '{text}+00'",
            Kind.LOCAL: f"TIMESTAMP '{text}'",
            Kind.DATE: f"DATE '{text}'",
            Kind.FLOAT: f"DOUBLE PRECISION '{text}'",
            Kind.TEXT: f"'{text}'",
        }.get(kind, text)
        return sa.literal_column(sql)

    def whole_days(
        self,
        column: Column,  # noqa: ARG002 - one signature for all engines
        kind: Kind,  # noqa: ARG002 - likewise
    ) -> Optional[Condition]:
        """PostgreSQL stores no date that the calendar does not have."""
        return None

    def text(self, column: Column) -> Column:
        """See ``server.text.Phrases.text``."""
        return sa.collate(sa.cast(column, sa.Text), "C")

    def matches(self, text: Column, pattern: str, *, whole: bool = True) -> Condition:
        """See ``server.text.Phrases.matches``."""
        return text.op("~", is_comparison=True)(sa.literal_column(f"'{pattern}{'$' * whole}'"))

    def days(self, date: Column) -> Column:
        """See ``server.text.Phrases.days``."""
        days = sa.cast(date, sa.Date).op("-")(sa.literal_column("DATE '1970-01-01'"))
        return sa.cast(days, sa.BigInteger)

    def whole(self, digits: Column) -> Column:
        """See ``server.text.Phrases.whole``."""
        return sa.cast(digits, sa.BigInteger)

    def decimal(self, number: Column) -> Column:
        """See ``server.text.Phrases.decimal``."""
        return sa.cast(number, sa.Numeric)


def find_table(connection: Connection, table: str) -> Relation:
    """Return the table that a name means; raise ConfigError if there is none."""
    rows = connection.execute(_RELATIONS).mappings()
    return choose([Relation(**{**row, "kind": _KINDS[row["kind"]]}) for row in rows], table)


def describe(connection: Connection, relation: Relation, column: str) -> ServerTarget:
    """Describe a table for the work; raise ConfigError if it has no such column."""
    key = {"table": relation.identity}
    rows = {row["name"]: row for row in connection.execute(_COLUMNS, key).mappings()}
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
    rows = connection.execute(_INDEXES, {"table": relation.identity, "column": found["number"]})
    indexes = [(row.name, row.collation) for row in rows]
    if kind is not Kind.TEXT:
        return (indexes[0][0] if indexes else None), bare
    if found["type"] not in _PLAIN_TEXT:
        return None, None
    default = connection.execute(_DEFAULT_COLLATION).scalar_one()
    for name, collation in indexes:
        if (default if collation == "default" else collation) in _BYTEWISE:
            same = collation == found["collation"]
            return name, bare if same else sa.collate(bare, collation)
    return None, None


def is_guarded(connection: Connection, target: Target) -> bool:
    """See ``backend.Backend.is_guarded``."""
    assert isinstance(target, ServerTarget)
    found = connection.execute(_GUARDS, {"table": quoted(connection, target)})
    return bool(found.scalar_one())


def values(connection: Connection, target: Target) -> Iterator[tuple[Stored, int]]:
    """See ``backend.Backend.values``."""
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
    if not connection.execute(_MAY_VACUUM, {"table": table}).scalar_one():
        raise PermissionRefusedError(
            f"the user may not vacuum {target.name!r}", "autovacuum does it; or make it the owner"
        )
    connection.exec_driver_sql(escaped(f"VACUUM {table}"))
