"""Text for people, in 80 columns: plain characters, nothing said by colour or position alone."""

import textwrap
from collections.abc import Sequence

from geocache_cleanup.log import printable

WIDTH = 80
_LEAST = 20


def columns(rows: Sequence[Sequence[object]], indent: int = 0) -> str:
    """Align rows in columns; see ``aligned``."""
    return "\n".join(aligned(rows, indent))


def aligned(rows: Sequence[Sequence[object]], indent: int = 0) -> Sequence[str]:
    """Return the rows in columns, two spaces apart; None is an empty cell.

    Numbers are aligned at the right. The last column is wrapped where it is too wide.
    """
    text = [[printable("" if cell is None else str(cell)) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*text, strict=True)]
    kinds = zip(*rows, strict=True)
    numbers = [all(isinstance(cell, int | None) for cell in column[1:]) for column in kinds]
    lines = []
    for row in text:
        *first, last = (
            cell.rjust(width) if number else cell.ljust(width)
            for cell, width, number in zip(row, widths, numbers, strict=True)
        )
        start = " " * indent + "".join(cell + "  " for cell in first)
        lines.append(_hang(start, last.rstrip()))
    return lines


def _hang(start: str, text: str) -> str:
    """Put text after a start; what does not fit goes below, or on lines of its own."""
    if len(start) + len(text) <= WIDTH:
        return (start + text).rstrip()
    margin = min(len(start), WIDTH - _LEAST)
    lines = wrap(text, margin).split("\n")
    if margin < len(start):
        return "\n".join([*wrap(start.strip(), 0).split("\n"), *lines])
    return start + "\n".join(lines).lstrip()


def wrap(text: str, indent: int, hanging: int = 0) -> str:
    """Wrap text at words where there are any; names and paths too long for a line are cut.

    The lines after the first are indented by ``hanging`` more.
    """
    return textwrap.fill(
        printable(text),
        WIDTH,
        initial_indent=" " * indent,
        subsequent_indent=" " * (indent + hanging),
        break_on_hyphens=False,
    )


def moment(text: object) -> str:
    """Write a time of a document to the second; what is no time stays as it is."""
    short = str(text)
    return short[:19].replace("T", " ") if short.endswith("Z") else short
