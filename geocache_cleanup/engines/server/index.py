"""The index on the time column of a server's table, built while others write."""

import re
from typing import Any, Iterator, Optional

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from geocache_cleanup.engines.server.table import Kind, ServerTarget, escaped, quote_as

# Longer than any time in text; MySQL wants to know how much of a long column to keep.
_PREFIX = 64
# What MySQL answers where a table or a column cannot be indexed beside writers.
_NOT_ONLINE = {1845, 1846, 1221, 1235}
_CHILDREN = sa.text(
    """
    SELECT n.nspname AS schema, c.relname AS name, c.relkind::text AS kind
    FROM pg_catalog.pg_inherits AS i
    JOIN pg_catalog.pg_class AS c ON c.oid = i.inhrelid
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE i.inhparent = CAST(:table AS regclass) ORDER BY c.oid
    """
)
_LEFT_OVER = sa.text(
    """
    SELECT NOT x.indisvalid FROM pg_catalog.pg_index AS x
    WHERE x.indrelid = CAST(:table AS regclass) AND x.indexrelid = to_regclass(:index)
    """
)


def create(connection: Connection, target: ServerTarget, name: str) -> bool:
    """Create an index of that name; return whether there was none that can be used.

    The connection must commit each statement of its own accord.
    """
    column = quote_as(connection.dialect)(target.column_name)
    if connection.dialect.name != "postgresql":
        return _create_in_mysql(connection, target, name, column)
    if target.kind is Kind.TEXT:
        # The bounds of a search go by the characters' codes, whatever the database's order.
        column += ' COLLATE "C"'
    return _Builder(connection, column).build(target.table, name)


def _create_in_mysql(connection: Connection, target: ServerTarget, name: str, column: str) -> bool:
    schema = target.table.schema
    found = sa.inspect(connection).get_indexes(target.name, schema=schema)
    if name in {index["name"] for index in found}:
        return False
    quote = quote_as(connection.dialect)
    if target.kind is Kind.TEXT and _length(target.column_type) > _PREFIX:
        column += f"({_PREFIX})"
    table = f"{quote(str(schema))}.{quote(target.name)}"
    statement = f"CREATE INDEX {quote(name)} ON {table} ({column})"
    try:
        connection.exec_driver_sql(escaped(f"{statement} {_ONLINE}"))
    except sa.exc.DBAPIError as error:
        if error.orig is None or error.orig.args[0] not in _NOT_ONLINE:
            raise
        connection.exec_driver_sql(escaped(statement))
    return True


_ONLINE = "ALGORITHM=INPLACE LOCK=NONE"


def printed(dialect: Any, schema: Optional[str], table: str, column: str, name: str) -> str:
    """Return the statement as text, for a table of which nothing is known."""
    quote = quote_as(dialect)
    where = ".".join(map(quote, filter(None, (schema, table))))
    if dialect.name == "postgresql":
        return f"CREATE INDEX CONCURRENTLY IF NOT EXISTS {quote(name)} ON {where} ({quote(column)})"
    # MySQL, unlike MariaDB, cannot leave out what is there.
    unless = "IF NOT EXISTS " if dialect.name == "mariadb" else ""
    return f"CREATE INDEX {unless}{quote(name)} ON {where} ({quote(column)}) {_ONLINE}"


class _Builder:
    """Builds an index on a PostgreSQL table; on a partitioned one, part by part."""

    def __init__(self, connection: Connection, column: str) -> None:
        self._connection = connection
        self._column = column
        self._quote = quote_as(connection.dialect)

    def build(self, table: Any, name: str) -> bool:
        where = f"{self._quote(table.schema)}.{self._quote(table.name)}"
        kind = self._connection.execute(
            sa.text("SELECT relkind::text FROM pg_class WHERE oid = CAST(:table AS regclass)"),
            {"table": where},
        ).scalar_one()
        return self._build(table.schema, where, name, is_partitioned=kind == "p")

    def _build(self, schema: str, where: str, name: str, *, is_partitioned: bool) -> bool:
        index = f"{self._quote(schema)}.{self._quote(name)}"
        concurrently = "" if is_partitioned else "CONCURRENTLY "
        left_over = self._connection.execute(_LEFT_OVER, {"table": where, "index": index}).scalar()
        if left_over:
            # An earlier attempt was cut short: it costs writes and serves no search.
            self._execute(f"DROP INDEX {concurrently}{index}")
        elif left_over is False:
            return False
        only = "ONLY " if is_partitioned else ""
        self._execute(
            f"CREATE INDEX {concurrently}{self._quote(name)} ON {only}{where} ({self._column})"
        )
        for number, child in enumerate(self._children(where) if is_partitioned else ()):
            part = f"{name[:56]}_{number}"
            at = f"{self._quote(child['schema'])}.{self._quote(child['name'])}"
            self._build(child["schema"], at, part, is_partitioned=child["kind"] == "p")
            part = f"{self._quote(child['schema'])}.{self._quote(part)}"
            self._execute(f"ALTER INDEX {index} ATTACH PARTITION {part}")
        return True

    def _children(self, where: str) -> Iterator[Any]:
        yield from self._connection.execute(_CHILDREN, {"table": where}).mappings().all()

    def _execute(self, statement: str) -> None:
        self._connection.exec_driver_sql(escaped(statement))


def _length(declared: str) -> int:
    """Return how many characters a type of MySQL holds; text without a limit has many."""
    match = re.fullmatch(r"(?:var)?char\((\d+)\)", declared)
    return int(match[1]) if match else 65_535
