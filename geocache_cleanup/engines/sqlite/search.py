"""The search for stale rows in SQLite, value by value.

SQLite compares by storage class before value, so numbers and text are searched apart. See
"Datatypes In SQLite", sections 3 and 4, for affinity and how it changes comparisons.
"""

import datetime as dt
from typing import Callable, Mapping, Optional, Sequence

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from geocache_cleanup.engines.base import Condition, StaleCondition, Target
from geocache_cleanup.engines.sqlite.table import Column, driver_connection, encoding_of
from geocache_cleanup.times import instants, stored_ranges

# Text that strftime() writes from itself is proved to be a valid time: the two formats most in
# use need no reading in Python. The first names UTC, the second leaves the zone open.
_WITH_Z = "%Y-%m-%dT%H:%M:%SZ"
_WITHOUT_ZONE = "%Y-%m-%d %H:%M:%S"


def stale_conditions(
    connection: Connection, target: Target, cutoff: int, now: int, zone: dt.tzinfo
) -> Sequence[StaleCondition]:
    """Return the searches which together find every stale row, each row once."""
    _register_functions(connection, cutoff, zone)
    ranges = list(stored_ranges.text_ranges(cutoff, now))
    if target.numbers:
        # On a column of TEXT affinity a number would be compared as text.
        ranges = [*stored_ranges.number_ranges(cutoff), *ranges]
    found = [_search(target.column, bounds, cutoff, zone) for bounds in ranges]
    # Without an index every search reads the whole table: then one has to do for all.
    return found if target.index else [_merge(found)]


def _search(
    column: Column, bounds: stored_ranges.Range, cutoff: int, zone: dt.tzinfo
) -> StaleCondition:
    where = column < bounds.high
    if bounds.low is not None:
        where = sa.and_(column >= bounds.low, where)
    if bounds.verdict is stored_ranges.Verdict.ALL_STALE:
        return StaleCondition(stale=where, bounds=bounds)
    if bounds.verdict is stored_ranges.Verdict.NONE_READABLE:
        return StaleCondition(stale=None, unreadable=where, bounds=bounds)
    if bounds.verdict is stored_ranges.Verdict.NOTHING:
        where = sa.and_(where, sa.not_(_is_beyond(column, _cutoffs(cutoff, zone))))
    raw = sa.cast(column, sa.LargeBinary)
    must_read = sa.func.geocache_stale(raw) == 1
    written = {form: _is_written(column, form) for form in (_WITH_Z, _WITHOUT_ZONE)}
    decided = (
        {condition: sa.true() for condition in written.values()}
        if bounds.verdict is stored_ranges.Verdict.DATES_STALE
        else {written[form]: column < text for form, text in _cutoffs(cutoff, zone).items()}
    )
    return StaleCondition(
        stale=sa.and_(where, sa.case(*decided.items(), else_=must_read) if decided else must_read),
        unreadable=sa.and_(
            where,
            sa.not_(sa.or_(*written.values())),
            sa.func.geocache_unreadable(raw) == 1,
        ),
        bounds=bounds,
    )


def _is_beyond(column: Column, cutoffs: Mapping[str, str]) -> Condition:
    """Tell what is in one of the two formats and not stale, or junk: it needs no closer look."""
    shapes = {
        _WITH_Z: sa.and_(sa.func.length(column) == 20, sa.func.substr(column, 20) == "Z"),
        _WITHOUT_ZONE: sa.and_(sa.func.length(column) == 19, sa.func.substr(column, 11, 1) == " "),
    }
    return sa.or_(
        sa.false(), *(sa.and_(shapes[form], column >= text) for form, text in cutoffs.items())
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


def _merge(found: Sequence[StaleCondition]) -> StaleCondition:
    return StaleCondition(
        stale=sa.or_(*(search.stale for search in found if search.stale is not None)),
        unreadable=sa.or_(*(s.unreadable for s in found if s.unreadable is not None)),
    )


def _register_functions(connection: Connection, cutoff: int, zone: dt.tzinfo) -> None:
    """Give the connection functions that read stored text.

    They take the bytes of it: text that is not valid in the database's encoding would
    otherwise fail the whole statement.
    """
    read = _reader(connection, zone)

    def is_stale(raw: bytes) -> bool:
        instant = read(raw)
        return instant is not None and instant < cutoff

    raw = driver_connection(connection)
    raw.create_function("geocache_stale", 1, is_stale, deterministic=True)
    raw.create_function("geocache_unreadable", 1, lambda raw: read(raw) is None, deterministic=True)


def _reader(connection: Connection, zone: dt.tzinfo) -> Callable[[bytes], Optional[int]]:
    """Return a function from the bytes of stored text to the instant, None if unreadable."""
    encoding = encoding_of(connection)

    def read(raw: bytes) -> Optional[int]:
        try:
            return instants.read_instant(raw.decode(encoding), zone)
        except UnicodeDecodeError:
            return None

    return read
