"""How MariaDB and MySQL say what a search needs."""

from typing import Optional

import sqlalchemy as sa

from geocache_cleanup.engines.base import Condition
from geocache_cleanup.engines.server.expressions import Column
from geocache_cleanup.engines.server.table import Kind

# Days from year 0 to 1970, as TO_DAYS counts them.
_EPOCH_DAY = 719_528
# The end of the text: "$" would let a line end follow it.
_END = "(?!x|[^x])"


class MySQLExpressions:
    """See ``server.expressions.SQLExpressions``."""

    def literal(self, kind: Kind, text: str) -> Column:
        """Write a constant with its type, so that every driver sends it alike."""
        sql = {
            Kind.MOMENT: f"TIMESTAMP'{text}'",
            Kind.LOCAL: f"TIMESTAMP'{text}'",
            Kind.DATE: f"DATE'{text}'",
            Kind.FLOAT: text if "e" in text else f"{text}e0",
            Kind.TEXT: f"'{text}'",
        }.get(kind, text)
        return sa.literal_column(sql)

    def whole_days(self, column: Column, kind: Kind) -> Optional[Condition]:
        """Leave out the likes of 2026-00-00 and 2026-02-31, which some modes let in."""
        if kind is Kind.MOMENT:
            return None
        last = sa.func.day(sa.func.last_day(column))
        return sa.func.coalesce(sa.func.day(column).between(1, last), sa.false())

    def text(self, column: Column) -> Column:
        """See ``SQLExpressions.text``."""
        converted = sa.func.convert(column.op("USING")(sa.literal_column("utf8mb4")))
        return sa.collate(converted, "utf8mb4_bin")

    def matches(self, text: Column, pattern: str, *, whole: bool = True) -> Condition:
        """See ``SQLExpressions.matches``."""
        literal: Column = sa.literal_column(f"'{pattern}{_END if whole else ''}'")
        return text.op("REGEXP", is_comparison=True)(literal)

    def days(self, date: Column) -> Column:
        """See ``SQLExpressions.days``."""
        return sa.func.to_days(date, type_=sa.BigInteger) - sa.literal_column(str(_EPOCH_DAY))

    def whole(self, digits: Column) -> Column:
        """See ``SQLExpressions.whole``."""
        return sa.cast(digits, sa.BigInteger)

    def decimal(self, number: Column) -> Column:
        """See ``SQLExpressions.decimal``."""
        return sa.cast(number, sa.Numeric(65, 30))
