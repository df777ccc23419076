"""A look at the database that changes nothing: what its time column holds, by kind and by age."""

import datetime as dt
from dataclasses import dataclass
from typing import Optional, Sequence

from geocache_cleanup import instants, ledger, prune
from geocache_cleanup.database import Backend, Target
from geocache_cleanup.watch import Watch

# Upper bounds of the age groups, in days; the last group has none.
_AGES = (0, 1, 7, 30, 60, 90, 180, 365)


@dataclass(frozen=True)
class Format:
    """One format of stored times: how many rows have it, and one such value."""

    name: str
    rows: int
    example: str


@dataclass(frozen=True)
class AgeGroup:
    """Rows whose age is from ``from_days`` up to ``to_days`` (None: no bound)."""

    from_days: Optional[int]
    to_days: Optional[int]
    rows: int


@dataclass(frozen=True)
class TableReport:
    """What was found in the table."""

    table: str
    time_column: str
    time_column_type: str
    columns: Sequence[str]
    key: Sequence[str]
    index: Optional[str]
    rows: int
    formats: Sequence[Format]
    ages: Sequence[AgeGroup]
    no_time: int


def inspect(backend: Backend, order: prune.Order) -> TableReport:
    """Read every stored time of the table; raise CleanupError if that cannot be done."""
    with backend.connect(write=False) as connection:
        target = backend.find(connection, order.table, order.time_column)
        tally = _Tally(order.now, order.time_zone, target.column_type if target.native else None)
        for value, rows in backend.values(connection, target):
            tally.add(value, rows)
    return tally.report(target)


def rehearse(backend: Backend, order: prune.Order, watch: Watch) -> prune.Result:
    """Count what a run would delete; raise CleanupError for anything that would stop it."""
    with backend.connect(write=True) as connection:
        target = backend.find(connection, order.table, order.time_column)
        backend.prove_writable(connection, target)
        ledger.exists(connection)
        guarded = backend.is_guarded(connection, target)
    result = prune.prune(backend, order, watch)
    if guarded and result.deleted:
        prune.rehearse(backend, order)
    return result


class _Tally:
    def __init__(self, now: int, zone: dt.tzinfo, native: Optional[str]) -> None:
        self._now = now
        self._zone = zone
        self._native = native
        self._formats: dict[str, tuple[int, str]] = {}
        self._ages = [0] * (len(_AGES) + 1)
        self._no_time = 0

    def add(self, value: instants.Stored, rows: int) -> None:
        instant = instants.read_instant(value, self._zone)
        name = instants.describe(value, self._zone)
        if self._native and value is not None:
            name = self._native if instant is not None else f"unreadable {self._native}"
        count, example = self._formats.get(name, (0, repr(value)))
        self._formats[name] = (count + rows, example)
        if instant is None:
            self._no_time += rows
            return
        age = (self._now - instant) / instants.DAY
        self._ages[sum(age >= bound for bound in _AGES)] += rows

    def report(self, target: Target) -> TableReport:
        bounds = [None, *_AGES, None]
        ages = [AgeGroup(*group) for group in zip(bounds, bounds[1:], self._ages, strict=False)]
        formats = sorted(self._formats.items(), key=lambda item: -item[1][0])
        return TableReport(
            table=target.name,
            time_column=target.column_name,
            time_column_type=target.column_type,
            columns=target.columns,
            key=target.key,
            index=target.index,
            rows=sum(self._ages) + self._no_time,
            formats=[Format(name, *found) for name, found in formats],
            ages=ages,
            no_time=self._no_time,
        )
