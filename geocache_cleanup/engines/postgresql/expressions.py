"""How PostgreSQL says what a search needs."""

from typing import Optional

import sqlalchemy as sa

from geocache_cleanup.engines.base import Condition
from geocache_cleanup.engines.server.expressions import Column
from geocache_cleanup.engines.server.table import Kind


class PostgreSQLExpressions:
    """See ``server.expressions.SQLExpressions``."""

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
    ) -> Optional[Condition]:
        """PostgreSQL stores no date that the calendar does not have."""
        return None

    def text(self, column: Column) -> Column:
        """See ``SQLExpressions.text``."""
        return sa.collate(sa.cast(column, sa.Text), "C")

    def matches(self, text: Column, pattern: str, *, whole: bool = True) -> Condition:
        """See ``SQLExpressions.matches``."""
        return text.op("~", is_comparison=True)(sa.literal_column(f"'{pattern}{'$' * whole}'"))

    def days(self, date: Column) -> Column:
        """See ``SQLExpressions.days``."""
        days = sa.cast(date, sa.Date).op("-")(sa.literal_column("DATE '1970-01-01'"))
        return sa.cast(days, sa.BigInteger)

    def whole(self, digits: Column) -> Column:
        """See ``SQLExpressions.whole``."""
        return sa.cast(digits, sa.BigInteger)

    def decimal(self, number: Column) -> Column:
        """See ``SQLExpressions.decimal``."""
        return sa.cast(number, sa.Numeric)
