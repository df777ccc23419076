"""From the name in the settings to a table and its column, among all that a server shows."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.sql.expression import TableClause, quoted_name

from geocache_cleanup.errors import ConfigError, NoTableError

_MOST_NAMED = 20
_Thing = TypeVar("_Thing")


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


def choose(relations: Sequence[Relation], wanted: str) -> Relation:
    """Return the table that a name or schema.name means, whatever its case if none is exact.

    Raise NoTableError if there is none, ConfigError if it is no table, or there are several.
    """
    found = _fitting([(relation, _names(relation)) for relation in relations], wanted)
    if not found:
        raise _no_table(relations, wanted)
    if len(found) > 1:
        shown = [f"the {one.kind} {one.name!r} in {one.schema!r}" for one in found]
        raise _ambiguous(wanted, shown, "--table", ", with its schema, or rename what is not meant")
    (relation,) = found
    if relation.kind != "table":
        raise ConfigError(
            f"{relation.name!r} is a {relation.kind}, not a table",
            "set --table to the table behind it",
        )
    return relation


def _names(relation: Relation) -> Sequence[str]:
    full = f"{relation.schema}.{relation.name}"
    return [full, relation.name] if relation.is_visible else [full]


def _fitting(named: Sequence[tuple[_Thing, Sequence[str]]], wanted: str) -> Sequence[_Thing]:
    """Return what has exactly that name or, if nothing has, what has it in another case."""
    exact = [thing for thing, names in named if wanted in names]
    folded = wanted.casefold()
    return exact or [thing for thing, names in named if folded in map(str.casefold, names)]


def _ambiguous(wanted: str, shown: Sequence[str], option: str, how: str = "") -> ConfigError:
    return ConfigError(
        f"{wanted!r} may be any of these: {_listed(shown)}", f"set {option} to the exact name{how}"
    )


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:_MOST_NAMED]) + (", …" if len(names) > _MOST_NAMED else "")


def _no_table(relations: Sequence[Relation], wanted: str) -> NoTableError:
    tables = [relation.name for relation in relations if relation.is_visible] or [
        f"{relation.schema}.{relation.name}" for relation in relations
    ]
    return NoTableError(
        f"there is no table {wanted!r}; there is: {_listed(tables) or 'no table at all'}",
        "set --table, as schema.table where it is elsewhere, or create it with "
        "geocache-cleanup migrate",
    )


def find_held(
    connection: Connection, wanted: str, find: Callable[[Connection, str], Relation]
) -> Relation:
    """Return the table, which nobody can alter or replace until the transaction ends."""
    found = find(connection, wanted)
    # To have read it is enough.
    table = sa.table(quoted_name(found.name, True), schema=quoted_name(found.schema, True))
    connection.execute(sa.select(sa.literal_column("1")).select_from(table).limit(0))
    # It may be another one since it was found.
    return find(connection, wanted)


def clause_of(relation: Relation, column: str) -> TableClause:
    """Return the table with its time column, under the very names that the server has."""
    return sa.table(
        quoted_name(relation.name, True),
        sa.column(quoted_name(column, True)),
        schema=quoted_name(relation.schema, True),
    )


def choose_column(columns: Sequence[str], wanted: str, table: str) -> str:
    """Return the column that a name means, whatever its case if none is exact.

    Raise ConfigError naming those there are if it is none of them, or may be several.
    """
    found = _fitting([(column, [column]) for column in columns], wanted)
    if not found:
        raise ConfigError(
            f"the table {table!r} has no column {wanted!r}; it has: {', '.join(columns)}",
            "set --time-column",
        )
    if len(found) > 1:
        raise _ambiguous(wanted, found, "--time-column")
    return found[0]
