"""Where stale values can lie in the order of a column that mixes numbers and text.

Comparing text of one shape with a cutoff of another deletes fresh rows, so the bounds here
only narrow the search down: each range says how much its bounds alone decide. Bounds keep
the column bare, so that an index on it is used, and leave out the fresh rows, so that the
cost follows the stale ones.
"""

import dataclasses
import enum
from collections.abc import Iterator
from dataclasses import dataclass

from geocache_cleanup.times import instants, number_windows
from geocache_cleanup.times.number_windows import LEAST_FLOAT, stored_bound

# Text that starts with a digit sorts below this, and no date or number starts otherwise.
_AFTER_DIGITS = ":"
_LAST_YEAR = 9999
_MOST_GAPS = 100


class Verdict(enum.Enum):
    """What the bounds of a range say of the values between them."""

    ALL_STALE = "every value is a stale time"
    DATES_STALE = "every value that starts with a date is stale, if it can be read"
    NOTHING = "each value must be read"
    UNREADABLE = "no value can be read"


@dataclass(frozen=True)
class Range:
    """Values from ``low`` (included) up to ``high`` (excluded); None is no bound.

    All numbers are less than any text, and all text is less than any bytes, as in SQLite.
    """

    low: float | str | bytes | None
    high: float | str | bytes | None
    verdict: Verdict


def mixed_ranges(cutoff: int, now: int, *, numbers: bool) -> Iterator[Range]:
    """Yield the ranges of a column that holds anything, numbers perhaps, as SQLite's do."""
    if numbers:
        yield from number_ranges(cutoff)
    *texts, last = text_ranges(cutoff, now)
    yield from texts
    yield dataclasses.replace(last, high=b"")
    yield Range(b"", None, Verdict.UNREADABLE)


def number_ranges(cutoff: int) -> Iterator[Range]:
    """Yield the ranges of numbers for a cutoff: those of a unit, and those of none."""
    for low, high in number_windows.stale_windows(cutoff):
        yield Range(stored_bound(low), stored_bound(high), Verdict.ALL_STALE)
    for first, end in number_windows.unknown_windows():
        # 0 stands for no time: the least number is the one above.
        start = None if first is None else stored_bound(first) if first else LEAST_FLOAT
        yield Range(start, "" if end is None else stored_bound(end), Verdict.UNREADABLE)


def text_ranges(cutoff: int, now: int) -> Iterator[Range]:
    """Yield the ranges of text for a cutoff; up to ``now`` each year is looked at by itself.

    Dates sort by year, so the fresh ones are left out: what remains above the cutoff are the
    gaps between the years, where text is a number or cannot be read. Nor can any that comes
    after the digits.
    """
    # A zone shifts text by less than a day either way. Before the first is no time that is set.
    set_ = instants.date_text(instants.FIRST_SET, 2) or ""
    first = max(set_, instants.date_text(cutoff, -1) or "")
    last = instants.date_text(cutoff, 2)
    yield Range("", set_, Verdict.NOTHING)
    if set_ < first:
        yield Range(set_, first, Verdict.DATES_STALE)
    if last is None:
        yield Range(first, _AFTER_DIGITS, Verdict.NOTHING)
    else:
        if first < last:
            yield Range(first, last, Verdict.NOTHING)
        yield from _gaps(max(first, last), max(_year(cutoff), _year(now)) + 1)
    yield Range(_AFTER_DIGITS, None, Verdict.UNREADABLE)


def _gaps(start: str, last_year: int) -> Iterator[Range]:
    year = int(start[:4])
    if last_year - year > _MOST_GAPS:
        year = last_year - _MOST_GAPS
        yield Range(start, f"{year:04}-", Verdict.NOTHING)
    years = [*range(year, min(last_year, _LAST_YEAR - 1) + 1), _LAST_YEAR]
    following = [*(f"{year:04}-" for year in years[1:]), _AFTER_DIGITS]
    for this, high in zip(years, following, strict=True):
        # "2026-:" comes after all of 2026's dates and before any number that starts with 2026.
        yield Range(f"{this:04}-:", high, Verdict.NOTHING)


def _year(instant: int) -> int:
    return instants.to_datetime(instant).year
