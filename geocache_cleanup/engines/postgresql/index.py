"""The index on the time column of a PostgreSQL table, built while others write."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from geocache_cleanup.engines.server.kinds import Kind

if TYPE_CHECKING:
    from geocache_cleanup.engines.postgresql.table import PostgreSQLTable

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


class IndexBuilder:
    """Builds an index on a table; on a partitioned one, part by part."""

    def __init__(self, table: "PostgreSQLTable") -> None:
        self._table = table
        self._quote = table.engine.quote
        self._column = self._quote(table.column_name)
        if table.time.kind is Kind.TEXT:
            # The bounds of a search go by the characters' codes, whatever the database's order.
            self._column += ' COLLATE "C"'

    def build(self, name: str) -> bool:
        """Build the index; return whether there was none of that name that can be used."""
        kind = self._table.connection.execute(
            sa.text("SELECT relkind::text FROM pg_class WHERE oid = CAST(:table AS regclass)"),
            {"table": self._table.quoted},
        ).scalar_one()
        schema = str(self._table.clause.schema)
        return self._build(schema, self._table.quoted, name, is_partitioned=kind == "p")

    def _build(self, schema: str, where: str, name: str, *, is_partitioned: bool) -> bool:
        index = f"{self._quote(schema)}.{self._quote(name)}"
        concurrently = "" if is_partitioned else "CONCURRENTLY "
        left_over = self._table.connection.execute(
            _LEFT_OVER, {"table": where, "index": index}
        ).scalar()
        if left_over:
            # An earlier attempt was cut short: it costs writes and serves no search.
            self._table.execute(f"DROP INDEX {concurrently}{index}")
        elif left_over is False:
            return False
        only = "ONLY " if is_partitioned else ""
        self._table.execute(
            f"CREATE INDEX {concurrently}{self._quote(name)} ON {only}{where} ({self._column})"
        )
        for number, child in enumerate(self._children(where) if is_partitioned else ()):
            part = f"{name[:56]}_{number}"
            at = f"{self._quote(child['schema'])}.{self._quote(child['name'])}"
            self._build(child["schema"], at, part, is_partitioned=child["kind"] == "p")
            part = f"{self._quote(child['schema'])}.{self._quote(part)}"
            self._table.execute(f"ALTER INDEX {index} ATTACH PARTITION {part}")
        return True

    def _children(self, where: str) -> Iterator[Any]:
        yield from self._table.connection.execute(_CHILDREN, {"table": where}).mappings().all()
