"""Tables for people: plain text, nothing said by colour or position alone.

These take the same documents that ``--json`` prints, so that both always agree.
"""

from typing import Any, Mapping, Sequence

from geocache_cleanup.log import printable

Document = Mapping[str, Any]

_BAR = 30


def columns(rows: Sequence[Sequence[object]]) -> str:
    """Align rows in columns, two spaces apart; None is an empty cell."""
    text = [[printable("" if cell is None else str(cell)) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*text, strict=True)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in text)


def check(document: Document) -> str:
    """Render the settings, the table, and what a run would do."""
    parts = [
        columns(
            [("setting", "value", "from")]
            + [(row["option"], row["value"], row["source"]) for row in document["settings"]]
        )
    ]
    if "table" in document:
        parts += _table(document["table"])
    if "would_delete" in document:
        parts.append(
            f"A run would delete {document['would_delete']} rows from before "
            f"{document['cutoff']}; {document['unreadable']} times could not be read."
        )
    if "problem" in document:
        parts.append(f"A run would fail: {printable(document['problem']['reason'])}")
    return "\n\n".join(parts)


def _table(table: Document) -> Sequence[str]:
    facts = [
        ("table", table["table"]),
        ("rows", table["rows"]),
        ("columns", ", ".join(table["columns"])),
        ("key", ", ".join(table["key"]) or "none"),
        ("time column", f"{table['time_column']} {table['time_column_type']}".rstrip()),
        ("index", table["index"] or "none leads with the time column; migrate makes one"),
    ]
    formats = [(found["rows"], found["name"], found["example"]) for found in table["formats"]]
    return (
        columns(facts),
        columns([("rows", "time format", "example"), *formats]),
        _histogram(table["ages"]),
    )


def _histogram(ages: Sequence[Document]) -> str:
    most = max([group["rows"] for group in ages] + [1])
    rows = [(_age(group), group["rows"], "#" * -(-group["rows"] * _BAR // most)) for group in ages]
    return columns([("age in days", "rows", ""), *rows])


def _age(group: Document) -> str:
    if group["from_days"] is None:
        return "in the future"
    if group["to_days"] is None:
        return f"{group['from_days']} and more"
    return f"{group['from_days']} to {group['to_days']}"


def history(runs: Sequence[Document]) -> str:
    """Render past runs."""
    head = ("started (UTC)", "table", "deleted", "unreadable", "seconds", "retention", "host")
    return columns([head, *map(_run, runs)])


def _run(run: Document) -> Sequence[object]:
    retention = run["retention_days"]
    return (
        run["started_at"][:19].replace("T", " "),
        run["table_name"],
        run["deleted"],
        run["unreadable"],
        f"{run['duration_seconds']:.1f}",
        f"{retention} days" if retention is not None else f"before {run['cutoff']}",
        run["host"],
    )
