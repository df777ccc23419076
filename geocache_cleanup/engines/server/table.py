"""What servers have in common about tables: names, types, and what a search needs of them."""

import enum
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Callable, Iterator, Mapping, Optional, Sequence

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from geocache_cleanup.engines.base import Target
from geocache_cleanup.errors import ConfigError
from geocache_cleanup.times.instants import Stored

_MOST_NAMED = 20


class Kind(enum.Enum):
    """What a column's type holds, as far as times go."""

    MOMENT = "instants"
    LOCAL = "local times"
    DATE = "dates"
    WHOLE = "whole numbers"
    DECIMAL = "decimal numbers"
    FLOAT = "floating-point numbers"
    TEXT = "text"
    OTHER = "no times"


NATIVE = {Kind.MOMENT, Kind.LOCAL, Kind.DATE}


@dataclass(frozen=True)
class Relation:
    """Something that can be selected from.

    ``is_visible`` says whether its name alone finds it, ``identity`` is the server's own.
    """

    schema: str
    name: str
    kind: str
    is_visible: bool
    identity: int = 0


@dataclass(frozen=True)
class ServerTarget(Target):
    """The table on a server.

    ``ranged`` is the column, bare, as a range condition on it can use the index; None where
    the order of the index is not that of the characters' codes. ``digits`` of a second are kept.
    ``identity`` is the server's own, where it has one.
    """

    kind: Kind = Kind.OTHER
    ranged: Optional["sa.sql.expression.ColumnElement[object]"] = None
    digits: int = 6
    identity: int = 0


def choose(relations: Sequence[Relation], wanted: str) -> Relation:
    """Return the relation that a name or schema.name means; raise ConfigError if there is none."""
    found = next(
        (
            relation
            for same in (lambda name: name, str.casefold)
            for relation in relations
            if same(wanted) in _names(relation, same)
        ),
        None,
    )
    if found is None:
        tables = [relation.name for relation in relations if relation.is_visible]
        shown = ", ".join(tables[:_MOST_NAMED]) + (", …" if len(tables) > _MOST_NAMED else "")
        raise ConfigError(
            f"there is no table {wanted!r}; there is: {shown or 'no table at all'}",
            "set --table, as schema.table where it is elsewhere, or create it with "
            "geocache-cleanup migrate",
        )
    if found.kind != "table":
        raise ConfigError(
            f"{found.name!r} is a {found.kind}, not a table", "set --table to the table behind it"
        )
    return found


def _names(relation: Relation, same: Callable[[str], str]) -> Sequence[str]:
    names = [f"{relation.schema}.{relation.name}"]
    if relation.is_visible:
        names.append(relation.name)
    return [same(name) for name in names]


def choose_column(columns: Sequence[str], wanted: str, table: str) -> str:
    """Return the column that a name means; raise ConfigError naming those there are."""
    folded = {column.casefold(): column for column in columns}
    found = wanted if wanted in columns else folded.get(wanted.casefold())
    if found is None:
        raise ConfigError(
            f"the table {table!r} has no column {wanted!r}; it has: {', '.join(columns)}",
            "set --time-column",
        )
    return found


def kind_of(types: Mapping[Kind, Sequence[str]], name: str) -> Kind:
    """Return the kind of a type by its name."""
    return next((kind for kind, names in types.items() if name in names), Kind.OTHER)


def stored(value: object, kind: Kind) -> Stored:
    """Return a value of the driver's as one that ``instants`` can read."""
    if isinstance(value, Decimal):
        return int(value) if value.is_finite() and value == int(value) else float(value)
    if kind is Kind.OTHER and value is not None:
        return str(value).encode()
    assert value is None or isinstance(value, (int, float, str, bytes))
    return value


def read_values(
    connection: Connection, target: ServerTarget, shown: "sa.sql.expression.ColumnElement[Any]"
) -> Iterator[tuple[Stored, int]]:
    """Yield every stored time as the engine shows it, with the number of rows that hold it."""
    statement = sa.select(shown, sa.func.count()).group_by(sa.literal_column("1"))
    statement = statement.select_from(target.table).execution_options(stream_results=True)
    for value, rows in connection.execute(statement):
        yield stored(value, target.kind), rows


def quote_as(dialect: Any) -> Callable[[str], str]:
    """Return a function that quotes names; SQLAlchemy's would also double every "%"."""
    mark = '"' if dialect.name == "postgresql" else "`"
    return lambda name: mark + str(name).replace(mark, 2 * mark) + mark


def escaped(statement: str) -> str:
    """Return a statement as the drivers want it, for which "%" starts a parameter."""
    return statement.replace("%", "%%")


def quoted(connection: Connection, target: ServerTarget) -> str:
    """Return the table's name with its schema, as the server wants it quoted."""
    quote = quote_as(connection.dialect)
    return f"{quote(str(target.table.schema))}.{quote(target.name)}"
