"""Who is told how a run gets on; what people see of it is in ``commands/progress.py``."""


class Progress:
    """Hears how a run gets on; this one ignores it."""

    def started(self, seconds: float) -> None:
        """Note that the table is found and, unless this is a dry run, was locked.

        ``seconds`` are left of the time that the run may take.
        """

    def advance(self, done: int, total: int) -> None:
        """Note how many of the stale rows have been dealt with."""


SILENT = Progress()
