"""What holds in every batch: that the table is what it was, how much may go, what is on record."""

from sqlalchemy.engine import Connection

from geocache_cleanup.engines.base import Engine
from geocache_cleanup.engines.table import Table
from geocache_cleanup.pruning import prune
from geocache_cleanup.pruning.job import Job
from geocache_cleanup.pruning.ledger import Ledger
from geocache_cleanup.result import Result


class BatchGuard:
    """Looks at the table again and again: between two transactions others may change it."""

    def __init__(self, engine: Engine, job: Job) -> None:
        """Guard the table of a job; ``find`` is what finds it."""
        self._engine = engine
        self._job = job
        # Rows of the table at the start, where a share of them is all that may go.
        self._rows: int | None = None
        self._ledger: Ledger | None = None
        self._entry: int | None = None
        # Whether triggers or foreign keys may keep stale rows, or take others.
        self.others_act = False
        self.atomic = True

    def find(self, connection: Connection) -> Table:
        """Find the table, locked: whoever may not write learns it before a long search."""
        table = self._look_up(connection)
        table.lock()
        table.check_writable()
        self._ledger = Ledger.find(self._engine, connection)
        self._learn(table)
        return table

    def compare(self, table: Table) -> None:
        """Raise ConfigError if the table is not what it was when its rows were found."""
        now = self._look_up(table.connection)
        table.compare(now)
        # A trigger may be new as well, or the storage engine.
        self._learn(now)

    def look_again(self, table: Table) -> None:
        """Look table and ledger up in a transaction of its own; see ``compare``."""
        with self._engine.transaction(table.connection, write=False):
            self.compare(table)
            if self._ledger is not None:
                Ledger.require(self._engine, table.connection)

    def limits(self, table: Table) -> bool:
        """Tell whether only a share of the table may go; at first, count the whole of it."""
        if self._rows is None and self._job.max_delete_percent < 100:
            with self._engine.transaction(table.connection, write=False):
                self._rows = table.count()
        return self._rows is not None

    def check_share(self, deleted: int) -> None:
        """Raise DataError if ``deleted`` rows are more than the share that may go."""
        if self._rows is not None:
            prune.check_share(deleted, self._rows, self._job.max_delete_percent)

    def record(self, result: Result) -> None:
        """Write the run's record, or what has come to it since."""
        if self._ledger is None:
            return
        if self._entry is None:
            self._entry = self._ledger.write(self._job, result)
        else:
            self._entry = self._ledger.update(self._entry, self._job, result)

    def _look_up(self, connection: Connection) -> Table:
        return self._engine.table(connection, self._job.table, self._job.time_column)

    def _learn(self, table: Table) -> None:
        self.others_act = self.others_act or table.may_cascade()
        self.atomic = self.atomic and prune.is_atomic(table)
