"""How many rows a batch gets, and how long the pause after it is."""

_FIRST_ROWS = 500
# A commit takes its time whatever it holds: fewer rows would only mean more commits.
_LEAST_ROWS = 100
# What was measured last is no promise: aim a little lower, and grow in steps.
_CAUTION = 0.9
_GROWTH = 2
# Writers that wait for SQLite's lock ask ever more rarely, at last ten times a second.
_LONGEST_PAUSE = 0.1
_PAUSE_SHARE = 0.5


class BatchSizer:
    """Chooses how many rows the next batch gets, by how long the last one took."""

    def __init__(self, seconds: float) -> None:
        """Aim at batches of so many seconds."""
        self._seconds = seconds
        self._rows = _FIRST_ROWS

    def rows(self, remaining: float) -> int:
        """Return the rows of a batch that has to end well within so many seconds."""
        return max(1, int(self._rows * min(1.0, remaining / 2 / self._seconds)))

    def learn(self, rows: int, took: float) -> None:
        """Take in that so many rows took so many seconds; few tell only whether they are slow."""
        if rows < self._rows and took <= self._seconds:
            return
        fitting = _CAUTION * self._seconds * rows / max(took, 1e-6)
        self._rows = max(_LEAST_ROWS, min(int(fitting), rows * _GROWTH))

    def pause(self, spent: float) -> float:
        """Return how long to leave the database alone, when some of the time is over already."""
        whole = min(self._seconds * _PAUSE_SHARE, _LONGEST_PAUSE)
        return max(whole - spent, whole / 4)
