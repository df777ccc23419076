"""From a database URL to a backend, and what the work needs from one."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ContextManager, Iterable, Optional, Protocol, Sequence

import sqlalchemy as sa
from sqlalchemy.engine import URL, Connection, make_url
from sqlalchemy.exc import ArgumentError

from geocache_cleanup.errors import ConfigError
from geocache_cleanup.instants import Stored

if TYPE_CHECKING:
    import datetime as dt

    from geocache_cleanup.backlog import Backlog
    from geocache_cleanup.stale import Span
    from geocache_cleanup.watch import Watch

Condition = sa.sql.expression.ColumnElement[bool]


@dataclass(frozen=True)
class Target:
    """The table to prune, as found in the database.

    ``numbers`` says whether the time column can hold numbers, ``index`` names an index that
    leads with it. ``native`` says whether its type is one of dates or times. ``atomic`` is false
    where the engine cannot undo what an interrupted run did.
    """

    table: sa.sql.expression.TableClause
    column: sa.sql.expression.ColumnElement[object]
    name: str
    column_name: str
    column_type: str
    numbers: bool
    index: Optional[str]
    columns: Sequence[str]
    key: Sequence[str]
    atomic: bool = True
    native: bool = False


@dataclass(frozen=True)
class Search:
    """One part of the search: exact conditions for stale rows and for unreadable ones.

    None means that there can be none. ``span`` bounds both in the order of an index, if one is
    to be used.
    """

    stale: Optional[Condition]
    unreadable: Optional[Condition] = None
    span: Optional["Span"] = None


class Backend(Protocol):
    """One database; every method raises CleanupError for what the admin can change."""

    def open(self, *, write: bool) -> ContextManager[Connection]:
        """Open a connection, for ``transaction``. Raise Interrupted after a signal."""

    def transaction(self, connection: Connection, *, write: bool) -> ContextManager[None]:
        """Open a transaction: committed at the end, undone by any error.

        With ``write`` the write lock is held from the start.
        """

    def connect(self, *, write: bool) -> ContextManager[Connection]:
        """Open a connection inside a transaction."""

    def find(self, connection: Connection, table: str, column: str) -> Target:
        """Look the table up; raise ConfigError naming what there is instead."""

    def searches(
        self, connection: Connection, target: Target, cutoff: int, now: int, zone: "dt.tzinfo"
    ) -> Sequence[Search]:
        """Return the searches which together find every stale row, each row once."""

    def deletion(self, target: Target, condition: Condition) -> sa.sql.expression.Delete:
        """Return the statement that deletes the rows of a condition fastest."""

    def backlog(
        self,
        connection: Connection,
        target: Target,
        searches: Sequence[Search],
        seconds: float,
    ) -> "Backlog":
        """Find the stale rows, in transactions of no more than ``seconds`` where others wait."""

    def between(self, connection: Connection) -> None:
        """Do what is due after a batch, while the write lock is free."""

    def spare_pages(self, connection: Connection) -> Optional[int]:
        """Return what grows by one with each page that is freed; None if nothing tells."""

    def reclaim(self, table: str, column: str) -> Optional[int]:
        """Give free space back, outside any transaction; return the bytes, None if unknown.

        Raise CleanupError if that cannot be done; the rows are left alone in any case.
        """

    def prove_writable(self, connection: Connection, target: Target) -> None:
        """Raise CleanupError if rows of the table could not be deleted; change nothing."""

    def is_guarded(self, connection: Connection, target: Target) -> bool:
        """Tell whether triggers or foreign keys may have a say, and a deletion can be undone."""

    def settle(self, connection: Connection) -> None:
        """Raise CleanupError for what would be refused at the commit, where that can be told."""

    def values(self, connection: Connection, target: Target) -> Iterable[tuple[Stored, int]]:
        """Yield every stored time as it is, with the number of rows that hold it."""


def count_rows(connection: Connection, target: Target, condition: Optional[Condition]) -> int:
    """Count the rows of a condition, or all of them."""
    statement = sa.select(sa.func.count()).select_from(target.table)
    if condition is not None:
        statement = statement.where(condition)
    return int(connection.execute(statement).scalar_one())


def any_stale(searches: Sequence[Search]) -> Condition:
    """Return the condition that some search finds a row stale."""
    return sa.or_(sa.false(), *(search.stale for search in searches if search.stale is not None))


def count_unreadable(connection: Connection, target: Target, searches: Sequence[Search]) -> int:
    """Count the values that the searches meet and cannot read."""
    return sum(
        count_rows(connection, target, search.unreadable)
        for search in searches
        if search.unreadable is not None
    )


def parse_url(text: str) -> URL:
    """Parse a SQLAlchemy URL; raise ConfigError, never repeating the text."""
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        raise ConfigError(
            "the database URL cannot be parsed",
            "check --database-url; special characters in a password must be percent-encoded",
        ) from None
    if url.get_backend_name() == "sqlite" and url.database:
        # SQLAlchemy decodes percent-encoding here since 2.1: keep the path as it was written.
        return url.set(database=text.partition(":///")[2].partition("?")[0])
    return url


def shown_url(url: URL) -> str:
    """Write the URL for people and logs: no password, and no query, which may hold one."""
    if url.get_backend_name() == "sqlite":
        return f"{url.drivername}:///{url.database or ''}"
    return url.set(query={}).render_as_string(hide_password=True)


def open_backend(url: URL, watch: "Watch", *, create: bool = False) -> Backend:
    """Return the backend for a URL; with ``create`` a missing SQLite file is made.

    Raise ConfigError for an engine that is not supported, NoInputError for a missing file.
    """
    if url.get_backend_name() == "sqlite":
        from geocache_cleanup.sqlite import SQLite  # only the engine in use is imported

        return SQLite.from_url(url, watch, create=create)
    if url.get_backend_name() == "postgresql":
        from geocache_cleanup.postgresql import PostgreSQL

        return PostgreSQL(url, watch)
    if url.get_backend_name() in {"mysql", "mariadb"}:
        from geocache_cleanup.mysql import MySQL

        return MySQL(url, watch)
    raise ConfigError(
        f"{url.drivername!r} is not a supported database",
        "use a sqlite:///, postgresql://, mysql:// or mariadb:// URL",
    )
