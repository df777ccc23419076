"""Where stale values can lie in the order of a column that mixes numbers and text.

Comparing text of one shape with a cutoff of another deletes fresh rows, so the bounds here
only narrow the search down: each range says how much its bounds alone decide. Bounds keep
the column bare, so that an index on it is used, and leave out the fresh rows, so that the
cost follows the stale ones.
"""

import datetime as dt
import enum
from collections.abc import Iterator
from dataclasses import dataclass

from geocache_cleanup.times import instants
from geocache_cleanup.times.number_windows import LEAST_FLOAT, stored_windows

# Text that starts with a digit sorts below this, and no date or number starts otherwise.
_AFTER_DIGITS = ":"
_LAST_YEAR = 9999
_MOST_GAPS = 100


class Verdict(enum.Enum):
    """What the bounds of a range say of the values between them."""

    ALL_STALE = "every value is a stale time"
    DATES_STALE = "every value that starts with a date is stale, if it can be read"
    NOTHING = "each value must be read"
    NONE_READABLE = "no value is a time"


@dataclass(frozen=True)
class Range:
    """Values from ``low`` (included) up to ``high`` (excluded); None is no bound."""

    low: float | str | None
    high: float | str
    verdict: Verdict


def number_ranges(cutoff: int) -> Iterator[Range]:
    """Yield the ranges of numbers for a cutoff."""
    yield Range(None, LEAST_FLOAT, Verdict.NONE_READABLE)
    for low, high in stored_windows(cutoff):
        yield Range(low, high, Verdict.ALL_STALE)


def text_ranges(cutoff: int, now: int) -> Iterator[Range]:
    """Yield the ranges of text for a cutoff; up to ``now`` each year is looked at by itself.

    Dates sort by year, so the fresh ones are left out: what remains above the cutoff are the
    gaps between the years, where only text that is a number can be stale.
    """
    # A zone shifts text by less than a day either way.
    first, last = _date_text(cutoff, -1), _date_text(cutoff, 2)
    if first is not None:
        yield Range("", first, Verdict.DATES_STALE)
    yield Range(first or "", last or _AFTER_DIGITS, Verdict.NOTHING)
    if last is not None:
        yield from _gaps(last, max(_year(cutoff), _year(now)) + 1)


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


def _date_text(instant: int, days: int) -> str | None:
    """Return the date some days off as text, or None outside the calendar."""
    try:
        return (instants.to_datetime(instant) + dt.timedelta(days=days)).date().isoformat()
    except OverflowError:
        return None
