"""What the job asks of a database, as any server does it."""

import abc
import datetime as dt
from typing import Optional, Sequence

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from geocache_cleanup.engines.backlog import Backlog
from geocache_cleanup.engines.base import (
    Condition,
    StaleCondition,
    Target,
    any_stale,
    count_unreadable,
)
from geocache_cleanup.engines.server import search as server_search
from geocache_cleanup.engines.server.expressions import SQLExpressions
from geocache_cleanup.engines.server.session import Session
from geocache_cleanup.engines.server.table import ServerTarget
from geocache_cleanup.errors import TemporaryError


class Server(Session):
    """One database on a server; what differs between engines is in the methods to override."""

    expressions: SQLExpressions

    def lock(self, connection: Connection, target: Target) -> None:
        """See ``backend.Backend.lock``."""
        assert isinstance(target, ServerTarget)
        if not self.try_lock(connection, target):
            raise TemporaryError(
                f"another run is at work on {target.name!r}", "wait for it; running again is safe"
            )

    def stale_conditions(
        self,
        connection: Connection,  # noqa: ARG002 - one signature for all engines
        target: Target,
        cutoff: int,
        now: int,
        zone: dt.tzinfo,
    ) -> Sequence[StaleCondition]:
        """Return the searches which together find every stale row, each row once."""
        assert isinstance(target, ServerTarget)
        return server_search.stale_conditions(target, cutoff, now, zone, self.expressions)

    def delete_statement(self, target: Target, condition: Condition) -> sa.sql.expression.Delete:
        """See ``backend.Backend.delete_statement``."""
        return sa.delete(target.table).where(condition)

    def after_batch(self, connection: Connection) -> None:
        """See ``backend.Backend.after_batch``: a server does it all by itself."""

    def spare_pages(
        self,
        connection: Connection,  # noqa: ARG002 - one signature for all engines
    ) -> Optional[int]:
        """See ``backend.Backend.spare_pages``: no server tells at once."""
        return None

    def check_writable(self, connection: Connection, target: Target) -> None:
        """See ``backend.Backend.check_writable``."""
        connection.execute(sa.delete(target.table).where(sa.false()))

    def reclaim(self, table: str, column: str) -> Optional[int]:
        """See ``backend.Backend.reclaim``."""
        with self.connect_to_migrate() as connection:
            target = self.inspect_table(connection, table, column)
            self.vacuum(connection, target)
        return None

    @abc.abstractmethod
    def vacuum(self, connection: Connection, target: ServerTarget) -> None:
        """Let the table's free space be used again; raise CleanupError if the user may not."""

    @abc.abstractmethod
    def inspect_table(self, connection: Connection, table: str, column: str) -> ServerTarget:
        """See ``backend.Backend.inspect_table``."""

    def backlog(
        self,
        connection: Connection,
        target: Target,
        conditions: Sequence[StaleCondition],
        seconds: float,  # noqa: ARG002 - reading locks nobody out
    ) -> Backlog:
        """See ``backend.Backend.backlog``."""
        with self.transaction(connection, write=False):
            unreadable = count_unreadable(connection, target, conditions)
            return self.stale_rows(connection, target, any_stale(conditions), unreadable)

    @abc.abstractmethod
    def stale_rows(
        self, connection: Connection, target: Target, stale: Condition, unreadable: int
    ) -> Backlog:
        """Return the backlog of the rows of a condition."""

    @abc.abstractmethod
    def check_deferred_constraints(self, connection: Connection) -> None:
        """See ``backend.Backend.check_deferred_constraints``."""

    @abc.abstractmethod
    def try_lock(self, connection: Connection, target: ServerTarget) -> bool:
        """Take the table's advisory lock if it is free."""
