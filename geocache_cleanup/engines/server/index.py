"""The index on the time column as text, for a server that is not asked."""

from collections.abc import Callable

import sqlalchemy as sa


def printed_index(
    index: sa.Index, quote: Callable[[str], str], create: str, options: str = ""
) -> str:
    """Return the statement that begins with ``create``, for a table of which nothing is known."""
    assert index.table is not None
    name = quote(str(index.name))
    where = ".".join(map(quote, filter(None, (index.table.schema, index.table.name))))
    (column,) = (quote(column.name) for column in index.columns)
    return f"{create} {name} ON {where} ({column}) {options}".rstrip()
