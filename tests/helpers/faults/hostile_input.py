"""Hostile input: SQL in names, awkward text, a password to look for, and paths of other files."""

import json
import os
import stat
import string
import urllib.parse
from pathlib import Path

from hypothesis import strategies as st

INJECTIONS = (
    "geo_cache; DROP TABLE geo_cache; --",
    'geo_cache"; DROP TABLE geo_cache; --',
    "geo_cache`; DROP TABLE geo_cache; --",
    "geo_cache'; DROP TABLE geo_cache; --",
    "geo_cache WHERE 1=1 --",
    'geo_cache" WHERE ""="',
    'last_seen" < \'9\' OR "1"="1',
    "last_seen) OR (1=1",
    "1) OR 1=1 --",
    "last_seen` OR 1=1 #",
    "x' UNION SELECT 1 --",
    "\\'; DELETE FROM geo_cache; --",
    "%s %(x)s :x ? {} {0} $1 %%",
    "a.b.c.d",
    "..",
    "\u2019; DROP TABLE geo_cache; --",
    "sqlite_master",
    "sqlite_sequence",
    "geocache_cleanup_runs",  # the last: it is a table
)
AWKWARD = st.one_of(
    st.text(max_size=60).map(lambda text: text.replace("\0", "")),  # no argument holds a NUL
    st.text(string.digits + "+-:.TZe ", max_size=40),
    st.sampled_from(INJECTIONS),
    st.from_regex(r"(?a)\A[a-z+]{1,12}:/{0,4}[^\0]{0,40}\Z"),
)
PASSWORD = "hunter2/:@?#%&=+ '\"\\$`{}[]<>|~^\u00e4\u2603"  # noqa: S105 - the one to look for
QUOTED_PASSWORD = urllib.parse.quote(PASSWORD, safe="")
_PARTS = ("hunter2", "hunter", QUOTED_PASSWORD[:8], QUOTED_PASSWORD[-12:], "\u2603", "%E2%98%83")
# Beside the database: itself, what SQLite makes there, links, what is no file, or in no directory.
REFUSED = (
    *("geo.db", "geo.db-wal", "geo.db-shm", "geo.db-journal", "link", "hard"),
    *("directory", "to-directory", ".", "absent/x.prom", "geo.db/x.prom"),
    *("dangling", "loop", "loop/x.prom", "pipe", "socket", "x" * 256),
)
TAKEN = ("geo.prom", "empty", "to-directory/x.prom", "a b'\";#%&$`\\\n\t\u2603", "-", "--table")


def furnish(place: Path) -> None:
    """Put what may be named beside the database."""
    (place / "directory").mkdir()
    (place / "empty").touch()
    os.link(place / "geo.db", place / "hard")
    (place / "link").symlink_to("geo.db")
    (place / "to-directory").symlink_to("directory")
    (place / "dangling").symlink_to("nothing.prom")
    (place / "loop").symlink_to("loop")
    os.mkfifo(place / "pipe")
    os.mknod(place / "socket", stat.S_IFSOCK | 0o600)


def leaks(*texts: str) -> list[str]:
    """Return the parts of the password that a text shows, JSON escapes undone."""
    whole = "\n".join(texts)
    plain = whole + whole.encode().decode("unicode_escape", "replace")
    for line in whole.splitlines():
        if line.startswith("{"):
            plain += str(json.loads(line))
    return [part for part in _PARTS if part in plain]
