"""Alembic migrations: how they are found and run, and the parts that they share."""

import contextlib
import dataclasses
import io
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ContextManager, Iterator, Mapping, Optional, Sequence

import sqlalchemy as sa
from alembic.config import Config
from alembic.operations import Operations
from sqlalchemy.dialects import mysql
from sqlalchemy.engine import URL, Connection
from sqlalchemy.schema import CreateIndex, CreateTable, DropIndex
from sqlalchemy.sql.expression import quoted_name
from sqlalchemy.types import TypeEngine

from alembic import command
from geocache_cleanup.backend import Backend, connect
from geocache_cleanup.database import open_backend, parse_url
from geocache_cleanup.errors import ConfigError
from geocache_cleanup.server import index as server_index
from geocache_cleanup.server.backend import Server
from geocache_cleanup.server.table import ServerTarget
from geocache_cleanup.settings import SETTINGS
from geocache_cleanup.watch import Watch

VERSION_TABLE = "geocache_cleanup_alembic_version"
# What PostgreSQL cuts names down to; MySQL allows one more.
_LONGEST_NAME = 63


@dataclass(frozen=True)
class Names:
    """The names that the settings give to the table and its time column.

    ``table`` is schema.table where it is not in the schema that the database looks in first.
    """

    table: str
    time_column: str
    has_schemas: bool = False

    @property
    def schema(self) -> Optional[str]:
        """The schema, None for the one that the database looks in first."""
        return (self.table.rpartition(".")[0] or None) if self.has_schemas else None

    @property
    def name(self) -> str:
        """The name of the table itself; in SQLite a dot is a part of it."""
        return self.table.rpartition(".")[2] if self.has_schemas else self.table


def upgrade(url: URL, names: Names, watch: Watch) -> Sequence[str]:
    """Bring the database up to date; return what was done, line by line.

    SQLite does it in one transaction, and a file that does not exist is created. Servers do
    it step by step. Raise CleanupError if it cannot be done.
    """
    backend = open_backend(url, watch, create=True)
    with _connect(backend) as connection:
        config = configure(url, names)
        config.attributes.update(connection=connection, backend=backend)
        # Every revision looks before it acts. Running all of them again is what gives a second
        # table in the same database its index, and brings back an index that was dropped.
        command.stamp(config, "base")
        command.upgrade(config, "head")
        backend.find(connection, names.table, names.time_column)
    done: list[str] = config.attributes["done"]
    return done or ["everything is in place already"]


def _connect(backend: Backend) -> ContextManager[Connection]:
    return (
        backend.connect_to_migrate()
        if isinstance(backend, Server)
        else connect(backend, write=True)
    )


def print_sql(url: URL, names: Names) -> Sequence[str]:
    """Return the SQL of the whole upgrade, line by line; nothing is opened."""
    config = configure(url, names)
    config.output_buffer = io.StringIO()
    command.upgrade(config, "head", sql=True)
    return config.output_buffer.getvalue().rstrip().splitlines()


def configure(url: URL, names: Names) -> Config:
    """Return an Alembic configuration that finds the migrations and knows the names."""
    config = Config()
    # A "%" in the path would be taken for an interpolation.
    config.set_main_option("script_location", str(scripts()).replace("%", "%%"))
    names = _as_named_in(url, names)
    config.attributes.update(names=names, dialect=url.get_backend_name(), done=[])
    return config


def _as_named_in(url: URL, names: Names) -> Names:
    return dataclasses.replace(names, has_schemas=url.get_backend_name() != "sqlite")


def scripts() -> Path:
    """Return the directory of the migrations: in the package, or beside it in a checkout."""
    package = Path(__file__).resolve().parent
    installed = package / "alembic"
    return installed if installed.is_dir() else package.parent / "alembic"


def hand_over(config: Config, arguments: Mapping[str, str]) -> None:
    """Give a configuration of the alembic command what ``upgrade`` gives its own.

    Raise ConfigError if ``-x database-url=`` is missing.
    """
    if "database-url" not in arguments:
        raise ConfigError("no database to work on", "give -x database-url=URL")
    url = parse_url(arguments["database-url"])
    names = Names(
        arguments.get("table", str(SETTINGS["table"].default)),
        arguments.get("time-column", str(SETTINGS["time_column"].default)),
    )
    names = _as_named_in(url, names)
    config.attributes.update(names=names, dialect=url.get_backend_name(), done=[], url=url)


@contextlib.contextmanager
def connected(config: Config) -> Iterator[Optional[Connection]]:
    """Yield the connection to migrate, None where the SQL is only printed."""
    if "url" not in config.attributes:
        yield config.attributes.get("connection")
        return
    backend = open_backend(config.attributes["url"], Watch(math.inf), create=True)
    config.attributes["backend"] = backend
    with _connect(backend) as connection:
        yield connection


def names(op: Operations) -> Names:
    """Return the names for the migration under way."""
    found: Names = _attributes(op)["names"]
    return found


def _attributes(op: Operations) -> dict[Any, Any]:
    config = op.get_context().config
    assert config is not None
    return config.attributes


def geo_cache(names: Names) -> sa.Table:
    """Return the table as BanGUI has it, its time as text of the form 2026-06-03T12:00:00Z."""
    return sa.Table(
        quoted_name(names.name, True),
        sa.MetaData(),
        sa.Column("ip", sa.String(45), primary_key=True),
        sa.Column("country_code", sa.String(2)),
        sa.Column("country_name", sa.String(255)),
        sa.Column("asn", sa.String(32)),
        sa.Column("org", sa.String(255)),
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


def time_index(names: Names) -> sa.Index:
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


def has_time_index(op: Operations, names: Names) -> bool:
    """Tell whether any index leads with the time column.

    Raise ConfigError if the table has no such column. Printed SQL knows of no index.
    """
    if op.get_context().as_sql:
        return False
    backend: Backend = _attributes(op)["backend"]
    return backend.find(op.get_bind(), names.table, names.time_column).index is not None


def create_table(op: Operations, table: sa.Table) -> None:
    """Create a table where there is none of that name."""
    printing = op.get_context().as_sql
    if printing or not sa.inspect(op.get_bind()).has_table(table.name, schema=table.schema):
        op.execute(CreateTable(table, if_not_exists=printing))
        _attributes(op)["done"].append(f"created the table {table.name}")


def create_time_index(op: Operations, names: Names) -> None:
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
        target = backend.find(op.get_bind(), names.table, names.time_column)
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
