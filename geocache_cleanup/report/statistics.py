"""Stored times counted: by format, by age, and by what each retention would delete."""

import bisect
import dataclasses
import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from geocache_cleanup.times import instants
from geocache_cleanup.times.formats import name_format

Days = int | float | None

# Bounds of the age groups, in days; the cutoff is one more of them.
_AGES = (1, 7, 30, 60, 90, 180, 365)
_RETENTIONS = (30, 60, 90, 180, 365)
# Rows are written while they are read, and clocks differ a little: that is no future.
_AHEAD = 60 * instants.SECOND
_LONGEST_EXAMPLE = 60


@dataclass(frozen=True)
class Format:
    """One format of stored times: how many rows have it, one such value, and how it was read.

    ``read_as`` is RFC 3339 text, None where a value names no time.
    """

    name: str
    rows: int
    example: str
    read_as: str | None


@dataclass(frozen=True)
class AgeGroup:
    """Rows whose age in days is from ``from_days`` up to ``to_days`` (None: no bound).

    Negative ages are ahead of the clock. A run deletes the groups that are ``stale``.
    """

    from_days: Days
    to_days: Days
    rows: int
    stale: bool


@dataclass(frozen=True)
class Retention:
    """How many rows another ``--retention-days`` would delete."""

    days: int
    would_delete: int


@dataclass(frozen=True)
class Counts:
    """All that was counted. ``future`` rows are more than a minute ahead of the clock.

    ``unset`` rows have no time set: NULL, of which there are ``nulls``, 0, empty text, or a
    time before 2000.
    """

    rows: int
    unreadable: int
    unset: int
    nulls: int
    future: int
    formats: Sequence[Format]
    ages: Sequence[AgeGroup]
    retentions: Sequence[Retention]


class TimeStatistics:
    """Counts values one by one; ``now`` and ``cutoff`` are instants in microseconds.

    ``native`` names the type of a column whose values have one format, that of the server.
    """

    def __init__(self, now: int, cutoff: int, zone: dt.tzinfo, native: str | None = None) -> None:
        self._now, self._cutoff, self._zone, self._native = now, cutoff, zone, native
        # For expiry times the cutoff is now, and one bound there is enough.
        self._future = cutoff if now <= cutoff <= now + _AHEAD else now + _AHEAD
        bounds = {self._future, cutoff, *(now - days * instants.DAY for days in _AGES)}
        self._bounds = sorted(bounds)
        # Rows before the first bound, between the first and the second, and so on.
        self._rows = [0] * (len(bounds) + 1)
        self._formats: dict[str, Format] = {}
        self._unreadable = self._unset = self._nulls = 0

    def add(self, value: instants.Stored, rows: int) -> None:
        """Count a value that so many rows hold."""
        instant = instants.read_instant(value, self._zone)
        is_set = instant is not None and instant >= instants.FIRST_SET
        name = name_format(value, instant)
        if self._native and value is not None and (is_set or instant is None):
            name = self._native if is_set else f"unreadable {self._native}"
        first = self._formats.get(name) or Format(name, 0, _example(value), _read_as(instant))
        self._formats[name] = dataclasses.replace(first, rows=first.rows + rows)
        if value is None:
            self._nulls += rows
        elif instant is None:
            self._unreadable += rows
        elif is_set:
            self._rows[bisect.bisect_right(self._bounds, instant)] += rows
        else:
            self._unset += rows

    def counts(self) -> Counts:
        """Return what was counted so far."""
        unset = self._unset + self._nulls
        return Counts(
            rows=sum(self._rows) + self._unreadable + unset,
            unreadable=self._unreadable,
            unset=unset,
            nulls=self._nulls,
            future=sum(self._rows) - self._before(self._future),
            formats=sorted(self._formats.values(), key=lambda found: -found.rows),
            ages=list(self._groups()),
            retentions=[
                Retention(days, self._before(self._now - days * instants.DAY))
                for days in _RETENTIONS
            ],
        )

    def _before(self, bound: int) -> int:
        return sum(self._rows[: self._bounds.index(bound) + 1])

    def _groups(self) -> Sequence[AgeGroup]:
        ages = [None, *(self._age(bound) for bound in reversed(self._bounds)), None]
        newest = [None, *reversed(self._bounds)]
        return [
            AgeGroup(low, high, rows, stale=bound is not None and bound <= self._cutoff)
            for low, high, rows, bound in zip(
                ages[:-1], ages[1:], reversed(self._rows), newest, strict=True
            )
        ]

    def _age(self, bound: int) -> int | float:
        """Return the age in days, whole where it is; the minute ahead counts as none."""
        if bound == self._future:
            return 0
        days = round((self._now - bound) / instants.DAY, 2)
        return int(days) if days == int(days) else days


def _read_as(instant: int | None) -> str | None:
    if instant is None or instant < instants.FIRST_SET:
        return None
    try:
        return instants.render(instant)
    except OverflowError:  # an offset may lead out of the calendar
        return None


def _example(value: instants.Stored) -> str:
    """Return a value as it would be written in Python, cut short where it is long."""
    text = repr(value[: _LONGEST_EXAMPLE + 1] if isinstance(value, (str, bytes)) else value)
    return text if len(text) <= _LONGEST_EXAMPLE else text[: _LONGEST_EXAMPLE - 3] + "..."
