"""What the README has in its tables and its blocks of commands."""

import re

from helpers.host import PROJECT

README = (PROJECT / "README.md").read_text()


def block(start: str) -> str:
    """Return the one block of commands that begins so; raise AssertionError if there is none."""
    blocks = re.findall(r"(?:^    .*\n)+", README, re.MULTILINE)
    (found,) = {entry for entry in blocks if entry.lstrip().startswith(start)}
    return re.sub(r"^    ", "", found, flags=re.MULTILINE).strip()


def table(head: str) -> list[list[str]]:
    """Return the cells of the table that begins with this head, without code marks."""
    (text,) = re.findall(rf"^{re.escape(head)}.*\n\|[-|]+\n((?:\|.*\n)+)", README, re.MULTILINE)
    return [
        [cell.strip().strip("`") for cell in line.strip("|").split("|")]
        for line in text.splitlines()
    ]


def first_column(begin: str, end: str) -> list[str]:
    """Return the keys in the first column of the table between two sentences."""
    rows = README.partition(begin)[2].partition(end)[0]
    cells = re.findall(r"^\| (`.*?) \|", rows, re.MULTILINE)
    return [key for cell in cells for key in re.findall("`([^`]+)`", cell)]
