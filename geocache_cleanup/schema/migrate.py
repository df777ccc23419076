"""Alembic migrations: how they are found and run."""

import contextlib
import dataclasses
import io
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from alembic.config import Config
from sqlalchemy.engine import URL, Connection

from alembic import command
from geocache_cleanup.config.settings import SETTINGS
from geocache_cleanup.deadline import Deadline
from geocache_cleanup.engines.urls import engine_class, open_engine, parse_url, shown_url
from geocache_cleanup.errors import ConfigError, NoTableError

if TYPE_CHECKING:
    from geocache_cleanup.engines.base import Engine

VERSION_TABLE = "geocache_cleanup_alembic_version"


@dataclass(frozen=True)
class TableNames:
    """The names that the settings give to the table and its time column.

    ``table`` is schema.table where it is not in the schema that the database looks in first.
    """

    table: str
    time_column: str
    has_schemas: bool = False

    @property
    def schema(self) -> str | None:
        """The schema, None for the one that the database looks in first."""
        return (self.table.rpartition(".")[0] or None) if self.has_schemas else None

    @property
    def name(self) -> str:
        """The name of the table itself; in SQLite a dot is a part of it."""
        return self.table.rpartition(".")[2] if self.has_schemas else self.table


def upgrade(url: URL, names: TableNames, deadline: Deadline) -> Sequence[str]:
    """Bring the database up to date; return what was done, line by line.

    SQLite does it in one transaction, and a file that does not exist is created. Servers do
    it step by step. Raise CleanupError if it cannot be done.
    """
    engine = open_engine(url, deadline, create=True)
    files = engine.files_of(url)
    is_new = bool(files) and not any(map(os.path.lexists, files))
    with engine.connect_to_migrate() as connection:
        config = configure(url, names)
        config.attributes.update(connection=connection, engine=engine)
        # What does not fit is told before anything is made, the table of revisions among it.
        with contextlib.suppress(NoTableError):
            engine.table(connection, names.table, names.time_column)
        # Every revision looks before it acts. Running all of them again is what gives a second
        # table in the same database its index, and brings back an index that was dropped.
        command.stamp(config, "base")
        command.upgrade(config, "head")
        engine.table(connection, names.table, names.time_column)
    done: list[str] = config.attributes["done"]
    if is_new:
        done.insert(0, f"created the database {shown_url(url)}")
    return done or ["everything is in place already"]


def print_sql(url: URL, names: TableNames) -> Sequence[str]:
    """Return the SQL of the whole upgrade, line by line; nothing is opened."""
    config = configure(url, names)
    config.output_buffer = io.StringIO()
    command.upgrade(config, "head", sql=True)
    return config.output_buffer.getvalue().rstrip().splitlines()


def configure(url: URL, names: TableNames) -> Config:
    """Return an Alembic configuration that finds the migrations and knows the names."""
    config = Config()
    # A "%" in the path would be taken for an interpolation.
    config.set_main_option("script_location", str(scripts()).replace("%", "%%"))
    config.attributes.update(_attributes(url, names))
    return config


def _attributes(url: URL, names: TableNames) -> dict[str, object]:
    engine = engine_class(url)
    names = dataclasses.replace(names, has_schemas=engine.has_schemas)
    dialect = url.get_backend_name()
    return {"names": names, "engine_class": engine, "dialect": dialect, "done": []}


def scripts() -> Path:
    """Return the directory of the migrations: in the package, or beside it in a checkout."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "alembic"
    return installed if installed.is_dir() else package.parent / "alembic"


def configure_from_x_arguments(config: Config, arguments: Mapping[str, str]) -> None:
    """Give a configuration of the alembic command what ``upgrade`` gives its own.

    Raise ConfigError if ``-x database-url=`` is missing.
    """
    if "database-url" not in arguments:
        raise ConfigError("no database to work on", "give -x database-url=URL")
    url = parse_url(arguments["database-url"])
    names = TableNames(
        arguments.get("table", str(SETTINGS["table"].default)),
        arguments.get("time-column", str(SETTINGS["time_column"].default)),
    )
    config.attributes.update(_attributes(url, names), url=url)


@contextlib.contextmanager
def connected(config: Config) -> Iterator[Connection | None]:
    """Yield the connection to migrate, None where the SQL is only printed."""
    if "url" not in config.attributes:
        connection = config.attributes.get("connection")
        if connection is not None:
            _prepare(config, connection)
        yield connection
        return
    engine = open_engine(config.attributes["url"], Deadline(math.inf), create=True)
    config.attributes["engine"] = engine
    with engine.connect_to_migrate() as connection:
        _prepare(config, connection)
        yield connection


def _prepare(config: Config, connection: Connection) -> None:
    engine: Engine = config.attributes["engine"]
    names: TableNames = config.attributes["names"]
    schema = names.schema
    with contextlib.suppress(ConfigError):  # a downgrade needs no table that fits
        schema = engine.table(connection, names.table, names.time_column).clause.schema
    engine.prepare_migration(connection, schema)
