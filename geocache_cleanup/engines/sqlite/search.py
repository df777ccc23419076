"""The search for stale rows in SQLite, value by value.

SQLite compares by storage class before value, so numbers and text are searched apart. See
"Datatypes In SQLite", sections 3 and 4, for affinity and how it changes comparisons.
"""

import datetime as dt
import re
from collections.abc import Mapping, Sequence

import sqlalchemy as sa

from geocache_cleanup.engines.sqlite.driver import Column
from geocache_cleanup.engines.table import Condition, StaleCondition
from geocache_cleanup.times import instants, stored_ranges

# Text that strftime() writes from itself is proved to be a valid time: the two formats most in
# use need no reading in Python. The first names UTC, the second leaves the zone open.
_WITH_Z = "%Y-%m-%dT%H:%M:%SZ"
_WITHOUT_ZONE = "%Y-%m-%d %H:%M:%S"
_FIRST_SET = {_WITH_Z: "2000-01-01T00:00:00Z", _WITHOUT_ZONE: "2000-01-01 00:00:00"}
# "?" is quicker than "[0-9]". No other time that can be read has its signs in the same places, but
# for a bare date with "Z[aa:bb:c]" behind a blank: hence the digit after that.
_SHAPES = {
    form: re.sub("[0-9]", "?", text).replace(" ?", " [0-9]") for form, text in _FIRST_SET.items()
}


def stale_conditions(
    column: Column, cutoff: int, now: int, zone: dt.tzinfo, *, numbers: bool
) -> Sequence[StaleCondition]:
    """Return the conditions which together find every stale row, each row once.

    They use the functions of ``functions.register``. ``numbers`` says whether the column can
    hold numbers: on one of TEXT affinity a number would be compared as text.
    """
    ranges = stored_ranges.mixed_ranges(cutoff, now, numbers=numbers)
    return [_search(column, bounds, cutoff, zone) for bounds in ranges]


def _search(
    column: Column, bounds: stored_ranges.Range, cutoff: int, zone: dt.tzinfo
) -> StaleCondition:
    where = between(column, bounds)
    if bounds.verdict is stored_ranges.Verdict.ALL_STALE:
        return StaleCondition(stale=where, bounds=bounds, judged=where)
    if bounds.verdict is stored_ranges.Verdict.UNREADABLE:
        return StaleCondition(stale=None, unreadable=where, bounds=bounds)
    if bounds.verdict is stored_ranges.Verdict.NOTHING:
        where = sa.and_(where, sa.not_(_is_beyond(column, _cutoffs(cutoff, zone))))
    raw = sa.cast(column, sa.LargeBinary)
    must_read = sa.func.geocache_stale(raw) == 1
    written = {form: _is_written(column, form) for form in (_WITH_Z, _WITHOUT_ZONE)}
    decided = (
        {condition: sa.true() for condition in written.values()}
        if bounds.verdict is stored_ranges.Verdict.DATES_STALE
        else {
            written[form]: sa.and_(column >= _FIRST_SET[form], column < text)
            for form, text in _cutoffs(cutoff, zone).items()
        }
    )
    return StaleCondition(
        stale=sa.and_(where, sa.case(*decided.items(), else_=must_read) if decided else must_read),
        unreadable=sa.and_(
            where,
            sa.not_(sa.or_(*written.values())),
            sa.func.geocache_unreadable(raw) == 1,
        ),
        bounds=bounds,
        judged=where,
    )


def between(column: Column, bounds: stored_ranges.Range) -> Condition:
    """Return the condition that a value is within bounds."""
    parts: list[Condition] = []
    if bounds.low is not None:
        # Empty text stands for no time.
        parts.append(column > "" if bounds.low == "" else column >= bounds.low)
    if bounds.high is not None:
        parts.append(column < bounds.high)
    return sa.and_(*parts)


def _is_beyond(column: Column, cutoffs: Mapping[str, str]) -> Condition:
    """Tell what has the shape of one of the two formats and is not stale: it needs no reading."""
    return sa.or_(
        sa.false(),
        *(
            sa.and_(column.op("GLOB", is_comparison=True)(_SHAPES[form]), column >= text)
            for form, text in cutoffs.items()
        ),
    )


def _cutoffs(cutoff: int, zone: dt.tzinfo) -> Mapping[str, str]:
    """Write the cutoff, at the next full second, in the formats in which it can be compared."""
    try:
        second = instants.to_datetime(-(-cutoff // instants.SECOND) * instants.SECOND)
    except OverflowError:  # the last second of the calendar has none after it
        return {}
    forms = (_WITH_Z, _WITHOUT_ZONE) if zone is dt.UTC else (_WITH_Z,)
    # strftime() of Python does not always write four digits of a year.
    return {form: second.strftime(form.replace("%Y", f"{second.year:04}")) for form in forms}


def _is_written(column: Column, form: str) -> Condition:
    # Only arithmetic, even of nothing, makes SQLite put 30 February right.
    rewritten = sa.func.strftime(form, column, "+0 days")
    same = sa.collate(column, "BINARY") == rewritten
    # SQLite knows a year 0, which the calendar of instants.py does not.
    return sa.and_(column >= "0001-", sa.func.coalesce(same, sa.false()))
