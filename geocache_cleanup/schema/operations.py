"""What the revisions in alembic/ share: tables, indexes, and how they come and go."""

import contextlib
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.schema import CreateIndex, CreateTable, DropIndex
from sqlalchemy.sql.expression import quoted_name
from sqlalchemy.types import TypeEngine

from alembic import op
from geocache_cleanup.errors import ConfigError, NoTableError
from geocache_cleanup.schema.migrate import TableNames

if TYPE_CHECKING:
    from geocache_cleanup.engines.base import Engine
    from geocache_cleanup.engines.table import Table

# What PostgreSQL cuts names down to; MySQL allows one more.
_LONGEST_NAME = 63


def names() -> TableNames:
    """Return the names for the migration under way."""
    found: TableNames = _attributes()["names"]
    return found


def _attributes() -> dict[Any, Any]:
    config = op.get_context().config
    assert config is not None
    return config.attributes


def _engine_class() -> "type[Engine]":
    found: type[Engine] = _attributes()["engine_class"]
    return found


def geo_cache() -> sa.Table:
    """Return the table as BanGUI has it, its time as text of the form 2026-06-03T12:00:00Z.

    Raise ConfigError if its time column would have the name of another one.
    """
    wanted = names()
    others = [
        sa.Column("ip", sa.String(45), primary_key=True),
        sa.Column("country_code", sa.String(2)),
        sa.Column("country_name", sa.String(255)),
        sa.Column("asn", sa.String(32)),
        sa.Column("org", sa.String(255)),
    ]
    if wanted.time_column.lower() in {column.name for column in others}:
        raise ConfigError(
            f"{wanted.time_column!r} is no column of times in the table that migrate makes",
            "set --time-column",
        )
    time_type = _engine_class().time_type
    return sa.Table(
        quoted_name(wanted.name, True),
        sa.MetaData(),
        *others,
        sa.Column(quoted_name(wanted.time_column, True), time_type, nullable=False),
        schema=quoted_name(wanted.schema, True) if wanted.schema else None,
        **storage_options(),
    )


def storage_options() -> dict[str, Any]:
    """Return the options of a table that name a storage engine with transactions."""
    storage = _engine_class().storage
    return {"mysql_engine": storage, "mariadb_engine": storage} if storage else {}


def make_lasting(name: str) -> None:
    """Let a table of this program's own have transactions and outlast crashes, if it does not."""
    lasting = _engine_class().lasting
    printing = op.get_context().as_sql
    if lasting is None or not (printing or _is_fleeting(name)):
        return
    op.execute(f"ALTER TABLE {name} {lasting}")
    _attributes()["done"].append(f"changed the table {name}: {lasting}")


def _is_fleeting(name: str) -> bool:
    engine: Engine = _attributes()["engine"]
    bind = op.get_bind()
    return not (engine.has_transactions(bind, name) and engine.outlasts_crash(bind, name, None))


def time_index() -> sa.Index:
    """Return the index on the time column, of the table that runs find where one can look.

    Raise NoTableError if there is none, ConfigError if it has no such column.
    """
    wanted = names()
    schema, table, column = wanted.schema, wanted.name, wanted.time_column
    if not op.get_context().as_sql:
        found = _table()
        schema, table, column = found.clause.schema, found.name, found.column_name
    where = sa.Table(
        quoted_name(table, True),
        sa.MetaData(),
        sa.Column(quoted_name(column, True)),
        schema=quoted_name(schema, True) if schema else None,
    )
    return sa.Index(quoted_name(_index_name(), True), *where.c)


def _index_name() -> str:
    """Return the name of the index, by the settings; its prefix tells that it is ours."""
    name = f"ix_geocache_cleanup_{names().name}_{names().time_column}"
    if len(name.encode()) > _LONGEST_NAME:
        name = f"ix_geocache_cleanup_{_digest(name)}"
    return name


def _digest(text: str) -> str:
    import hashlib  # needed for very long names only

    return hashlib.sha256(text.encode()).hexdigest()[:32]


def moment_type() -> "TypeEngine[Any]":
    """Return the type of the ledger's times: UTC without a zone, to the microsecond."""
    return _engine_class().moment_type


def create_geo_cache() -> None:
    """Create the table where runs would find none, as they ignore the case of its name.

    Raise ConfigError if they would find what they cannot prune.
    """
    if not op.get_context().as_sql:
        with contextlib.suppress(NoTableError):
            _table()
            return
    create_table(geo_cache())


def create_table(table: sa.Table) -> None:
    """Create a table where there is none of that name."""
    printing = op.get_context().as_sql
    if printing or not sa.inspect(op.get_bind()).has_table(table.name, schema=table.schema):
        op.execute(CreateTable(table, if_not_exists=printing))
        _attributes()["done"].append(f"created the table {table.name}")


def create_time_index() -> None:
    """Create an index that leads with the time column where there is none.

    A server does it beside those who write. Raise ConfigError if the table has no such column.
    """
    index = time_index()
    if op.get_context().as_sql:
        # Outside a transaction, in which PostgreSQL cannot build an index beside writers.
        with op.get_context().autocommit_block():
            op.execute(_engine_class().index_sql(op.get_context().dialect, index))
    elif (table := _table()).index is None and table.create_index(index):
        _attributes()["done"].append(f"created the index {index.name}")


def _table() -> "Table":
    engine: Engine = _attributes()["engine"]
    return engine.table(op.get_bind(), names().table, names().time_column)


def create_index(index: sa.Index) -> None:
    """Create an index where there is none of that name."""
    printing = op.get_context().as_sql
    if printing or not _has_index(index):
        unless = printing and _engine_class().can_skip_index(op.get_context().dialect)
        op.execute(CreateIndex(index, if_not_exists=unless))
        _attributes()["done"].append(f"created the index {index.name}")


def drop_time_index() -> None:
    """Drop the index that ``create_time_index`` makes, where there is one."""
    printing = op.get_context().as_sql
    with contextlib.suppress(ConfigError):  # no such table, or no such column any more
        index = time_index()
        if printing or _has_index(index):
            op.execute(DropIndex(index, if_exists=printing))


def _has_index(index: sa.Index) -> bool:
    assert index.table is not None
    inspector = sa.inspect(op.get_bind())
    table, schema = index.table.name, index.table.schema
    if not inspector.has_table(table, schema=schema):
        return False
    return index.name in {found["name"] for found in inspector.get_indexes(table, schema=schema)}
