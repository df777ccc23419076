"""The stale rows that are still to be deleted in batches, found a share at a time."""

import abc
import time
from array import array
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from sqlalchemy.engine import Connection
from sqlalchemy.sql.expression import Delete

# Sorting one bucket takes little time and memory, however many there are.
_BUCKETS = 256
# Rows of one share: eight bytes each. With fewer, a large table's pages are written more often.
_MOST_KEYS = 2_000_000
# Rows that are only counted beforehand.
MOST_COUNTED = 1_000_000


class Backlog(abc.ABC):
    """Stale rows as they were found; one that is refreshed meanwhile is left alone."""

    # What was met so far and could not be read.
    unreadable = 0
    # Whether all stale rows are found; before the first search none is.
    is_complete = False

    @property
    @abc.abstractmethod
    def remaining(self) -> int:
        """Rows that are found, and that no batch has been asked to delete yet."""

    @abc.abstractmethod
    def search(self, seconds: float) -> None:
        """Find the next share of the rows, once none remains, for about so many seconds."""

    @abc.abstractmethod
    def delete(self, connection: Connection, rows: int) -> int:
        """Delete about so many rows, at least one, and return how many were there to delete."""


class SortedKeys:
    """Numbers to be taken in ascending order, in eight bytes each."""

    def __init__(self, low: int = 0, high: int = 2**48) -> None:
        """Prepare for numbers mostly between ``low`` and ``high``."""
        self._low = low
        self._width = max(1, (high - low) // _BUCKETS)
        self._buckets: defaultdict[int, array[int]] = defaultdict(lambda: array("q"))
        self._sorted: deque[int] = deque()
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, keys: Sequence[int]) -> None:
        """Add numbers; none may be added once some have been taken."""
        low, width, buckets = self._low, self._width, self._buckets
        for key in keys:
            buckets[(key - low) // width].append(key)
        self._count += len(keys)

    def take(self, count: int) -> Sequence[int]:
        """Remove and return the least ones."""
        while len(self._sorted) < count and self._buckets:
            self._sorted.extend(sorted(self._buckets.pop(min(self._buckets))))
        taken = [self._sorted.popleft() for _ in range(min(count, len(self._sorted)))]
        self._count -= len(taken)
        return taken


@dataclass
class Slice:
    """What one transaction has found: keys of stale rows, and how many values it could not read."""

    keys: "array[int]" = field(default_factory=lambda: array("q"))
    unreadable: int = 0


class KeyedBacklog(Backlog):
    """Rows known by numbers that tell where they lie: neighbours are deleted together."""

    def __init__(
        self,
        span: tuple[int, int],
        slices: Iterator[Slice],
        delete: Callable[[Sequence[int]], Delete],
        most: int = _MOST_KEYS,
    ) -> None:
        """Take what finds the keys, mostly within a span, and makes the statement for some.

        A share has ``most`` keys and one slice more at most.
        """
        self._span = span
        self._most = most
        self._slices = slices
        self._delete = delete
        self._keys = SortedKeys(*span)

    @property
    def remaining(self) -> int:
        return len(self._keys)

    def search(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        self._keys = SortedKeys(*self._span)
        for found in self._slices:
            self._keys.add(found.keys)
            self.unreadable += found.unreadable
            if len(self._keys) >= self._most or time.monotonic() >= end:
                return
        self.is_complete = True

    def delete(self, connection: Connection, rows: int) -> int:
        keys = self._keys.take(rows)
        return int(connection.execute(self._delete(keys)).rowcount) if keys else 0


class CountedBacklog(Backlog):
    """Rows of which only the number is known: each batch finds its own."""

    def __init__(
        self,
        count: Callable[[int], int],
        count_unreadable: Callable[[], int],
        delete: Callable[[int], Delete],
    ) -> None:
        """Take what counts, the stale rows up to a number, and makes the statement for some."""
        self._count = count
        self._count_unreadable = count_unreadable
        self._delete = delete
        self._remaining = 0

    @property
    def remaining(self) -> int:
        return self._remaining

    def search(self, seconds: float) -> None:  # noqa: ARG002 - the number is bounded
        self._remaining = self._count(MOST_COUNTED)
        self.is_complete = self._remaining < MOST_COUNTED
        if self.is_complete:
            self.unreadable = self._count_unreadable()

    def delete(self, connection: Connection, rows: int) -> int:
        deleted = int(connection.execute(self._delete(rows)).rowcount)
        # Fewer than asked for: others have refreshed or deleted the rest.
        self._remaining = max(0, self._remaining - deleted) if deleted >= rows else 0
        return deleted
