"""How MariaDB and MySQL say what a search needs."""

import sqlalchemy as sa

from geocache_cleanup.engines.server.kinds import Column, Kind
from geocache_cleanup.engines.table import Condition

# Days from year 0 to 1970, as TO_DAYS counts them.
_EPOCH_DAY = 719_528
# The end of the text: "$" would let a line end follow it.
_END = "(?!x|[^x])"


class MySQLExpressions:
    """The expressions of MariaDB and MySQL."""

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

    def whole_days(self, column: Column, kind: Kind) -> Condition | None:
        """Leave out the likes of 2026-00-00 and 2026-02-31, which some modes let in."""
        if kind is Kind.MOMENT:
            return None
        last = sa.func.day(sa.func.last_day(column))
        return sa.func.coalesce(sa.func.day(column).between(1, last), sa.false())

    def text(self, column: Column) -> Column:
        converted = sa.func.convert(column.op("USING")(sa.literal_column("utf8mb4")))
        return sa.collate(converted, "utf8mb4_bin")

    def matches(self, text: Column, pattern: str, *, whole: bool = True) -> Condition:
        literal: Column = sa.literal_column(f"'{pattern}{_END if whole else ''}'")
        return text.op("REGEXP", is_comparison=True)(literal)

    def days(self, date: Column) -> Column:
        return sa.func.to_days(date, type_=sa.BigInteger) - sa.literal_column(str(_EPOCH_DAY))

    def whole(self, digits: Column) -> Column:
        return sa.cast(digits, sa.BigInteger)

    def decimal(self, number: Column) -> Column:
        return sa.cast(number, sa.Numeric(65, 30))
