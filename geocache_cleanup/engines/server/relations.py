"""From the name in the settings to a table and its column, among all that a server shows."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.sql.expression import TableClause, quoted_name

from geocache_cleanup.errors import ConfigError, NoTableError

_MOST_NAMED = 20


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
    """Return the table that a name or schema.name means.

    Raise NoTableError if there is none, ConfigError if it is a view or the like.
    """
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
        tables = [relation.name for relation in relations if relation.is_visible] or [
            f"{relation.schema}.{relation.name}" for relation in relations
        ]
        shown = ", ".join(tables[:_MOST_NAMED]) + (", …" if len(tables) > _MOST_NAMED else "")
        raise NoTableError(
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
    """Return the column that a name means; raise ConfigError naming those there are."""
    folded = {column.casefold(): column for column in columns}
    found = wanted if wanted in columns else folded.get(wanted.casefold())
    if found is None:
        raise ConfigError(
            f"the table {table!r} has no column {wanted!r}; it has: {', '.join(columns)}",
            "set --time-column",
        )
    return found
