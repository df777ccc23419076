"""The stale rows that are still to be deleted in batches."""

import abc
from array import array
from collections import deque
from collections.abc import Callable, Sequence

from sqlalchemy.engine import Connection
from sqlalchemy.sql.expression import Delete

# Sorting one bucket takes little time and memory, however many there are.
_BUCKETS = 256


class Backlog(abc.ABC):
    """Stale rows as they were found; one that is refreshed meanwhile is left alone."""

    unreadable = 0

    @property
    @abc.abstractmethod
    def remaining(self) -> int:
        """Rows that no batch has been asked to delete yet."""

    @abc.abstractmethod
    def delete(self, connection: Connection, rows: int) -> int:
        """Delete about so many rows, at least one, and return how many were there to delete."""


class SortedKeys:
    """Numbers to be taken in ascending order, in eight bytes each."""

    def __init__(self, low: int = 0, high: int = 2**48) -> None:
        """Prepare for numbers mostly between ``low`` and ``high``."""
        self._low = low
        self._width = max(1, (high - low) // _BUCKETS)
        self._buckets: dict[int, array[int]] = {}
        self._sorted: deque[int] = deque()
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, key: int) -> None:
        """Add a number; none may be added once some have been taken."""
        bucket = (key - self._low) // self._width
        self._buckets.setdefault(bucket, array("q")).append(key)
        self._count += 1

    def take(self, count: int) -> Sequence[int]:
        """Remove and return the least ones."""
        while len(self._sorted) < count and self._buckets:
            self._sorted.extend(sorted(self._buckets.pop(min(self._buckets))))
        taken = [self._sorted.popleft() for _ in range(min(count, len(self._sorted)))]
        self._count -= len(taken)
        return taken


class KeyedBacklog(Backlog):
    """Rows known by numbers that tell where they lie: neighbours are deleted together."""

    def __init__(
        self, keys: SortedKeys, unreadable: int, delete: Callable[[Sequence[int]], Delete]
    ) -> None:
        """Take the keys, and what makes the statement that deletes the stale ones of some."""
        self._keys = keys
        self.unreadable = unreadable
        self._delete = delete

    @property
    def remaining(self) -> int:
        return len(self._keys)

    def delete(self, connection: Connection, rows: int) -> int:
        keys = self._keys.take(rows)
        return int(connection.execute(self._delete(keys)).rowcount) if keys else 0


class CountedBacklog(Backlog):
    """Rows of which only the number is known: each batch finds its own."""

    def __init__(self, count: int, unreadable: int, delete: Callable[[int], Delete]) -> None:
        """Take the count, and what makes the statement that deletes some stale rows."""
        self._remaining = count
        self.unreadable = unreadable
        self._delete = delete

    @property
    def remaining(self) -> int:
        return self._remaining

    def delete(self, connection: Connection, rows: int) -> int:
        deleted = int(connection.execute(self._delete(rows)).rowcount)
        # Fewer than asked for: others have refreshed or deleted the rest.
        self._remaining = max(0, self._remaining - deleted) if deleted >= rows else 0
        return deleted
