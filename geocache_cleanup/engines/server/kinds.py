"""What the type of a column holds, as far as times go."""

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from sqlalchemy.sql.expression import ColumnElement

from geocache_cleanup.times.instants import Stored

Column = ColumnElement[Any]


class Kind(enum.Enum):
    """The kinds of types; each engine has a table of its own types by kind."""

    MOMENT = "instants"
    LOCAL = "local times"
    DATE = "dates"
    WHOLE = "whole numbers"
    DECIMAL = "decimal numbers"
    FLOAT = "floating-point numbers"
    TEXT = "text"
    OTHER = "no times"


NATIVE = {Kind.MOMENT, Kind.LOCAL, Kind.DATE}
NUMBERS = {Kind.WHOLE, Kind.DECIMAL, Kind.FLOAT}


@dataclass(frozen=True)
class TimeColumn:
    """The column that is searched.

    ``ranged`` is the column, bare, as a range condition on it can use the index; None where
    the order of the index is not that of the characters' codes. ``digits`` of a second are kept.
    """

    bare: Column
    kind: Kind
    ranged: Column | None
    is_indexed: bool
    digits: int = 6


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
