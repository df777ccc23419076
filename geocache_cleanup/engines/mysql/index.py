"""The index on the time column of a MariaDB or MySQL table, built while others write."""

import re
from typing import TYPE_CHECKING

import sqlalchemy as sa

from geocache_cleanup.engines.server.kinds import Kind

if TYPE_CHECKING:
    from geocache_cleanup.engines.mysql.table import MySQLTable

# Longer than any time in text; MySQL wants to know how much of a long column to keep.
_PREFIX = 64
ONLINE = "ALGORITHM=INPLACE LOCK=NONE"
# What MySQL answers where a table or a column cannot be indexed beside writers.
_NOT_ONLINE = {1845, 1846, 1221, 1235}


def create_index(table: "MySQLTable", name: str) -> bool:
    """Create an index of that name; return whether there was none."""
    found = sa.inspect(table.connection).get_indexes(table.name, schema=table.clause.schema)
    if name in {index["name"] for index in found}:
        return False
    column = table.engine.quote(table.column_name)
    if table.time.kind is Kind.TEXT and _length(table.column_type) > _PREFIX:
        column += f"({_PREFIX})"
    statement = f"CREATE INDEX {table.engine.quote(name)} ON {table.quoted} ({column})"
    try:
        table.execute(f"{statement} {ONLINE}")
    except sa.exc.DBAPIError as error:
        if error.orig is None or error.orig.args[0] not in _NOT_ONLINE:
            raise
        table.execute(statement)
    return True


def _length(declared: str) -> int:
    """Return how many characters a type of MySQL holds; text without a limit has many."""
    match = re.fullmatch(r"(?:var)?char\((\d+)\)", declared)
    return int(match[1]) if match else 65_535
