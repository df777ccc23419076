"""How PostgreSQL says what a search needs."""

import sqlalchemy as sa

from geocache_cleanup.engines.server.kinds import Column, Kind
from geocache_cleanup.engines.table import Condition


class PostgreSQLExpressions:
    """The expressions of PostgreSQL."""

    def literal(self, kind: Kind, text: str) -> Column:
        """Write a constant with its type, so that every driver sends it alike."""
        sql = {
            Kind.MOMENT: f"TIMESTAMP WITH TIME ZONE '{text}+00'",
            Kind.LOCAL: f"TIMESTAMP '{text}'",
            Kind.DATE: f"DATE '{text}'",
            Kind.FLOAT: f"DOUBLE PRECISION '{text}'",
            Kind.TEXT: f"'{text}'",
        }.get(kind, text)
        return sa.literal_column(sql)

    def whole_days(
        self,
        column: Column,  # noqa: ARG002 - one signature for all engines
        kind: Kind,  # noqa: ARG002 - likewise
    ) -> Condition | None:
        """PostgreSQL stores no date that the calendar does not have."""
        return None

    def text(self, column: Column) -> Column:
        return sa.collate(sa.cast(column, sa.Text), "C")

    def matches(self, text: Column, pattern: str, *, whole: bool = True) -> Condition:
        return text.op("~", is_comparison=True)(sa.literal_column(f"'{pattern}{'$' * whole}'"))

    def days(self, date: Column) -> Column:
        days = sa.cast(date, sa.Date).op("-")(sa.literal_column("DATE '1970-01-01'"))
        return sa.cast(days, sa.BigInteger)

    def whole(self, digits: Column) -> Column:
        return sa.cast(digits, sa.BigInteger)

    def decimal(self, number: Column) -> Column:
        return sa.cast(number, sa.Numeric)
