"""What the search for stale rows needs said in SQL, which each engine says in its own way."""

from typing import Protocol

from geocache_cleanup.engines.server.kinds import Column, Kind
from geocache_cleanup.engines.table import Condition


class SQLExpressions(Protocol):
    """The expressions of one engine; its own folder has them."""

    def literal(self, kind: Kind, text: str) -> Column:
        """Return a constant of the type that a kind of column has."""

    def whole_days(self, column: Column, kind: Kind) -> Condition | None:
        """Return the condition that a native time is in the calendar, None if all are."""

    def text(self, column: Column) -> Column:
        """Return a column as text that compares by the characters' codes."""

    def matches(self, text: Column, pattern: str, *, whole: bool = True) -> Condition:
        """Return the condition that a regular expression matches, up to the end if ``whole``."""

    def days(self, date: Column) -> Column:
        """Return the days from 1970-01-01 to a date given as text."""

    def whole(self, digits: Column) -> Column:
        """Return digits as a whole number of 64 bits."""

    def decimal(self, number: Column) -> Column:
        """Return a number given as text as a decimal, to 30 places at least."""
