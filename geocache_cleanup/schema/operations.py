"""What the revisions in alembic/ share: tables, indexes, and how they come and go."""

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from alembic.operations import Operations
from sqlalchemy.dialects import mysql
from sqlalchemy.schema import CreateIndex, CreateTable, DropIndex
from sqlalchemy.sql.expression import quoted_name
from sqlalchemy.types import TypeEngine

from geocache_cleanup.engines.server import index as server_index
from geocache_cleanup.engines.server.table import ServerTarget
from geocache_cleanup.errors import ConfigError
from geocache_cleanup.schema.migrate import TableNames

if TYPE_CHECKING:
    from geocache_cleanup.engines.base import Backend

# What PostgreSQL cuts names down to; MySQL allows one more.
_LONGEST_NAME = 63


def names(op: Operations) -> TableNames:
    """Return the names for the migration under way."""
    found: TableNames = _attributes(op)["names"]
    return found


def _attributes(op: Operations) -> dict[Any, Any]:
    config = op.get_context().config
    assert config is not None
    return config.attributes


def geo_cache(names: TableNames) -> sa.Table:
    """Return the table as BanGUI has it, its time as text of the form 2026-06-03T12:00:00Z.

    Raise ConfigError if its time column would have the name of another one.
    """
    others = [
        sa.Column("ip", sa.String(45), primary_key=True),
        sa.Column("country_code", sa.String(2)),
        sa.Column("country_name", sa.String(255)),
        sa.Column("asn", sa.String(32)),
        sa.Column("org", sa.String(255)),
    ]
    if names.time_column.lower() in {column.name for column in others}:
        raise ConfigError(
            f"{names.time_column!r} is no column of times in the table that migrate makes",
            "set --time-column",
        )
    return sa.Table(
        quoted_name(names.name, True),
        sa.MetaData(),
        *others,
        sa.Column(quoted_name(names.time_column, True), _time_type(), nullable=False),
        schema=quoted_name(names.schema, True) if names.schema else None,
    )


def _time_type() -> "TypeEngine[Any]":
    """Return text that is in the order of its characters' codes, which an index then serves."""
    return (
        sa.Text()
        .with_variant(sa.Text(collation="C"), "postgresql")
        .with_variant(mysql.VARCHAR(64, charset="ascii", collation="ascii_bin"), "mysql")
        .with_variant(mysql.VARCHAR(64, charset="ascii", collation="ascii_bin"), "mariadb")
    )


def time_index(names: TableNames) -> sa.Index:
    """Return the index on the time column; the prefix of its name tells that it is ours."""
    name = f"ix_geocache_cleanup_{names.name}_{names.time_column}"
    if len(name.encode()) > _LONGEST_NAME:
        name = f"ix_geocache_cleanup_{_digest(name)}"
    table = geo_cache(names)
    return sa.Index(quoted_name(name, True), table.c[names.time_column])


def _digest(text: str) -> str:
    import hashlib  # needed for very long names only

    return hashlib.sha256(text.encode()).hexdigest()[:32]


def moment_type() -> "TypeEngine[Any]":
    """Return the type of the ledger's times: UTC without a zone, to the microsecond."""
    return (
        sa.DateTime()
        .with_variant(mysql.DATETIME(fsp=6), "mysql")
        .with_variant(mysql.DATETIME(fsp=6), "mariadb")
    )


def has_time_index(op: Operations, names: TableNames) -> bool:
    """Tell whether any index leads with the time column.

    Raise ConfigError if the table has no such column. Printed SQL knows of no index.
    """
    if op.get_context().as_sql:
        return False
    backend: Backend = _attributes(op)["backend"]
    return backend.inspect_table(op.get_bind(), names.table, names.time_column).index is not None


def create_table(op: Operations, table: sa.Table) -> None:
    """Create a table where there is none of that name."""
    printing = op.get_context().as_sql
    if printing or not sa.inspect(op.get_bind()).has_table(table.name, schema=table.schema):
        op.execute(CreateTable(table, if_not_exists=printing))
        _attributes(op)["done"].append(f"created the table {table.name}")


def create_time_index(op: Operations, names: TableNames) -> None:
    """Create the index on the time column, on a server beside those who write."""
    index = time_index(names)
    dialect = op.get_context().dialect
    if dialect.name == "sqlite":
        create_index(op, index)
    elif op.get_context().as_sql:
        column = names.time_column
        # Outside a transaction, in which PostgreSQL cannot build an index beside writers.
        with op.get_context().autocommit_block():
            op.execute(
                server_index.printed(dialect, names.schema, names.name, column, str(index.name))
            )
    else:
        backend: Backend = _attributes(op)["backend"]
        target = backend.inspect_table(op.get_bind(), names.table, names.time_column)
        assert isinstance(target, ServerTarget)
        if server_index.create(op.get_bind(), target, str(index.name)):
            _attributes(op)["done"].append(f"created the index {index.name}")


def create_index(op: Operations, index: sa.Index) -> None:
    """Create an index where there is none of that name."""
    printing = op.get_context().as_sql
    if printing or not _has_index(op, index):
        # MySQL cannot leave out an index that is there.
        unless = printing and op.get_context().dialect.name != "mysql"
        op.execute(CreateIndex(index, if_not_exists=unless))
        _attributes(op)["done"].append(f"created the index {index.name}")


def drop_index(op: Operations, index: sa.Index) -> None:
    """Drop an index where there is one of that name."""
    printing = op.get_context().as_sql
    if printing or _has_index(op, index):
        op.execute(DropIndex(index, if_exists=printing))


def _has_index(op: Operations, index: sa.Index) -> bool:
    assert index.table is not None
    inspector = sa.inspect(op.get_bind())
    table, schema = index.table.name, index.table.schema
    if not inspector.has_table(table, schema=schema):
        return False
    return index.name in {found["name"] for found in inspector.get_indexes(table, schema=schema)}
