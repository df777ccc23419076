"""Readers: from the text of a setting to its value, or a ValueError that says what is expected.

None repeats the text: a URL, or a password, may have been given in the wrong place.
"""

import contextlib
import datetime as dt
import re
from collections.abc import Callable, Sequence

from geocache_cleanup.times import grammar, instants

_URL = re.compile(r"[A-Za-z]\w*(?:\+\w+)?://[^\0]*", re.ASCII)


def database_url(text: str) -> str:
    """Check that text is a URL at all; its parts are read when it is opened."""
    if not _URL.fullmatch(text):
        raise ValueError(
            "is not a database URL such as sqlite:////path/to/file.db (an encrypted credential "
            "must be loaded with LoadCredentialEncrypted=)"
        )
    return text


def name(text: str) -> str:
    """Take any name: SQLAlchemy quotes it."""
    _check_no_url(text)
    if "\0" in text:
        raise ValueError("must not contain a NUL character")
    try:
        # Where the locale has another encoding, the bytes of a name come as surrogates.
        return text.encode(errors="surrogateescape").decode()
    except UnicodeError:
        raise ValueError("must be text in UTF-8") from None


def _check_no_url(text: str) -> None:
    if "://" in text:
        raise ValueError("must not be a URL, which --database-url takes")


def path(text: str) -> str:
    """Take any path of a file."""
    _check_no_url(text)
    if "\0" in text or text.endswith("/"):
        raise ValueError("must be the path of a file")
    return text


def whole(low: int, high: int, unit: str) -> Callable[[str], int]:
    """Return a reader of whole numbers within bounds."""

    def read(text: str) -> int:
        if not re.fullmatch("[0-9]{1,9}", text) or not low <= int(text) <= high:
            raise ValueError(f"must be a whole number of {unit} from {low} to {high}")
        return int(text)

    return read


def seconds(high: int, *, zero: bool = False) -> Callable[[str], float]:
    """Return a reader of seconds up to a bound: above zero, or zero itself as well."""
    low = "0 or more" if zero else "above 0"

    def read(text: str) -> float:
        is_number = re.fullmatch(r"[0-9]{1,9}(?:\.[0-9]{1,9})?", text)
        if not is_number or float(text) > high or not (zero or float(text) > 0):
            raise ValueError(f"must be a number of seconds, {low}, at most {high}")
        return float(text)

    return read


def before(text: str) -> int | None:
    """Return the instant, or None for ``now``."""
    if text == "now":
        return None
    instant = instants.read_instant(text, dt.UTC) if grammar.has_zone(text) else None
    with contextlib.suppress(OverflowError):  # an offset may lead out of the calendar
        if instant is not None and instant >= instants.FIRST_SET and instants.render(instant):
            return instant
    raise ValueError(
        "must be 'now', a date, or a date and time with Z or an offset such as "
        "2026-06-03T12:00:00Z, in 2000 or later"
    )


def zone(text: str) -> dt.tzinfo:
    """Return the time zone of an IANA name."""
    if text == "UTC":
        return dt.UTC
    import zoneinfo  # finds out where the zones are, which UTC does not need

    try:
        return zoneinfo.ZoneInfo(text)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(
            "must be an IANA time zone such as Europe/Berlin, and tzdata installed"
        ) from None


def yes_or_no(text: str) -> bool:
    """Return whether the text is ``yes``."""
    return one_of(("yes", "no"))(text) == "yes"


def one_of(names: Sequence[str]) -> Callable[[str], str]:
    """Return a reader of one of some words."""

    def read(text: str) -> str:
        if text not in names:
            raise ValueError(f"must be one of {', '.join(names)}")
        return text

    return read
