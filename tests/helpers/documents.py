"""What the documents have in their tables, blocks of commands and lists."""

import re

from helpers.host import PROJECT

README = (PROJECT / "README.md").read_text()
OPERATING = (PROJECT / "packaging" / "OPERATING.md").read_text()
MANUAL = (PROJECT / "packaging" / "man" / "geocache-cleanup.8").read_text().replace("\\-", "-")


def blocks() -> list[str]:
    """Return the blocks of commands, files and output in README and OPERATING."""
    found = re.findall(r"(?:^    .*\n)+", README + "\n" + OPERATING, re.MULTILINE)
    return [re.sub(r"^    ", "", entry, flags=re.MULTILINE).strip() for entry in found]


def block(part: str) -> str:
    """Return the one block that has this in it; raise ValueError if it is not one."""
    (found,) = [entry for entry in blocks() if part in entry]
    return found


def table(head: str) -> list[list[str]]:
    """Return the cells of the table of OPERATING that begins with this head."""
    pattern = rf"^{re.escape(head)}.*\n\|[-|]+\n((?:\|.*\n)+)"
    (text,) = re.findall(pattern, OPERATING, re.MULTILINE)
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()]


def section(title: str, text: str = MANUAL) -> str:
    """Return a section of the manual, or a part of one."""
    ends = r"^\.SH |\Z" if title.isupper() else r"^\.S[HS] |\Z"
    pattern = rf'^\.S[HS] "?{re.escape(title)}"?\n(.*?)(?={ends})'
    (found,) = re.findall(pattern, text, re.MULTILINE | re.DOTALL)
    return str(found)


def entries(text: str) -> list[tuple[str, str]]:
    """Return the entries of a part of the manual: each with its head and what follows."""
    found = re.findall(r'^\.IP "?(.*?)"?\n(.*?)(?=^\.|\Z)', text, re.MULTILINE | re.DOTALL)
    return [(head, body.replace("\n", " ")) for head, body in found]


def bold(text: str) -> list[str]:
    """Return what stands in bold letters, in this order."""
    return re.findall(r"\\fB([^\\]+)\\fR", text)


def json_keys(command: str) -> list[str]:
    """Return the keys that the manual lists of a command's JSON, with the parts they are in."""
    keys = []
    for head, body in entries(section(command, section("JSON"))):
        keys += ["".join(bold(head)) + key for key in bold(body)]
    return keys
