"""The SQL of the stale conditions, which SQLAlchemy writes without any database."""

import datetime as dt
import re
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql, sqlite

from geocache_cleanup.engines.mysql.expressions import MySQLExpressions
from geocache_cleanup.engines.postgresql.expressions import PostgreSQLExpressions
from geocache_cleanup.engines.server import search
from geocache_cleanup.engines.server.expressions import SQLExpressions
from geocache_cleanup.engines.server.kinds import Kind, TimeColumn
from geocache_cleanup.engines.sqlite import search as sqlite_search
from geocache_cleanup.engines.table import StaleCondition, any_stale, merged
from geocache_cleanup.times import instants

CUTOFF, NOW = 1_780_488_000_000_000, 1_788_264_000_000_000
# The modules of the dialects have no types of their own.
_POSTGRESQL: Any = postgresql
_MYSQL: Any = mysql
_SQLITE: Any = sqlite
SQLITE = _SQLITE.dialect()
SERVERS: dict[str, tuple[SQLExpressions, Any]] = {
    "postgresql": (PostgreSQLExpressions(), _POSTGRESQL.dialect()),
    "mysql": (MySQLExpressions(), _MYSQL.dialect()),
}
COLUMN: sa.sql.expression.ColumnClause[object] = sa.column("last_seen")


def written(condition: object, dialect: Any) -> str:
    """Return a condition as text."""
    assert isinstance(condition, sa.sql.expression.ClauseElement)
    options = {"literal_binds": True}
    return str(condition.compile(dialect=dialect, compile_kwargs=options))


def conditions_of(
    kind: Kind, expressions: SQLExpressions, *, indexed: bool = True
) -> list[StaleCondition]:
    """Return the conditions for a column of a kind."""
    column = TimeColumn(COLUMN, kind, COLUMN if indexed else None, is_indexed=indexed)
    return list(search.stale_conditions(column, CUTOFF, NOW, dt.UTC, expressions))


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize("kind", [kind for kind in Kind if kind is not Kind.OTHER])
def test_the_time_column_stays_bare_in_ranges(server: str, kind: Kind) -> None:
    """A range on anything but the column itself would read the whole table."""
    expressions, dialect = SERVERS[server]
    for found in conditions_of(kind, expressions):
        for condition in (found.stale, found.unreadable):
            if condition is not None:
                assert re.match(r"\(*last_seen (<|>)", written(condition, dialect))


@pytest.mark.parametrize("server", SERVERS)
def test_whole_numbers_have_a_range_for_each_unit(server: str) -> None:
    """From 2000 to the cutoff; what lies between the units is of none."""
    expressions, dialect = SERVERS[server]
    found = conditions_of(Kind.WHOLE, expressions)
    stale = [one.stale for one in found if one.stale is not None]
    unknown = [one.unreadable for one in found if one.unreadable is not None]
    assert [written(one, dialect) for one in stale] == [
        "last_seen >= 2451545 AND last_seen < 2461195",
        "last_seen >= 946684800 AND last_seen < 1780488000",
        "last_seen >= 946684800000 AND last_seen < 1780488000000",
        "last_seen >= 946684800000000 AND last_seen < 1780488000000000",
        "last_seen >= 946684800000000000 AND last_seen < 1780488000000000000",
    ]
    (together,) = (written(one, dialect) for one in unknown)
    assert together.split(" OR ") == [
        "last_seen < 0",
        "last_seen > 0 AND last_seen < 2451545",
        "last_seen >= 2524594 AND last_seen < 946684800",
        "last_seen >= 7258118400 AND last_seen < 946684800000",
        "last_seen >= 7258118400000 AND last_seen < 946684800000000",
        "last_seen >= 7258118400000000 AND last_seen < 946684800000000000",
        "last_seen >= 7258118400000000000",
    ]


@pytest.mark.parametrize(
    ("server", "kind", "bound"),
    [
        ("postgresql", Kind.MOMENT, "TIMESTAMP WITH TIME ZONE '2026-06-03 12:00:00.000000+00'"),
        ("postgresql", Kind.LOCAL, "TIMESTAMP '2026-06-03 12:00:00.000000'"),
        # A date is midnight: that of the cutoff's own day lies before noon.
        ("postgresql", Kind.DATE, "DATE '2026-06-04'"),
        ("mysql", Kind.LOCAL, "TIMESTAMP'2026-06-03 12:00:00.000000'"),
        ("mysql", Kind.DATE, "DATE'2026-06-04'"),
    ],
)
def test_native_times_are_compared_with_the_cutoff(server: str, kind: Kind, bound: str) -> None:
    """As constants of the column's own type, which every driver sends alike."""
    expressions, dialect = SERVERS[server]
    (found,) = conditions_of(kind, expressions)
    assert f"last_seen < {bound}" in written(found.stale, dialect)


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize("kind", [Kind.WHOLE, Kind.TEXT])
def test_without_an_index_one_condition_does_for_all(server: str, kind: Kind) -> None:
    """Several would read the whole table several times."""
    assert len(conditions_of(kind, SERVERS[server][0], indexed=False)) == 1


@pytest.mark.parametrize("server", SERVERS)
def test_a_type_that_holds_no_times_is_unreadable(server: str) -> None:
    """Whatever is in it stays."""
    expressions, dialect = SERVERS[server]
    (found,) = conditions_of(Kind.OTHER, expressions)
    assert (found.stale, written(found.unreadable, dialect)) == (None, "last_seen IS NOT NULL")


def test_sqlite_looks_for_numbers_only_where_there_can_be_some() -> None:
    """On a column of TEXT affinity a number would be compared as text."""
    for numbers in (False, True):
        found = sqlite_search.stale_conditions(COLUMN, CUTOFF, NOW, dt.UTC, numbers=numbers)
        texts = [written(one.stale, SQLITE) for one in found if one.stale is not None]
        assert any(text.endswith("last_seen < 1780488000") for text in texts) is numbers
        assert all(re.match(r"\(*last_seen (<|>)", text) for text in texts)


def test_sqlite_reads_no_more_than_the_bounds_hold() -> None:
    """Each condition has the range that an index is read by."""
    for one in sqlite_search.stale_conditions(COLUMN, CUTOFF, NOW, dt.UTC, numbers=True):
        assert one.bounds is not None
    last = instants.of_datetime(dt.datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=dt.UTC))
    assert sqlite_search.stale_conditions(COLUMN, last, last, dt.UTC, numbers=True)


def test_conditions_are_joined() -> None:
    """What has no stale rows, or no unreadable ones, takes no part."""
    old, odd = COLUMN < 1, COLUMN > 9
    parts = [StaleCondition(old), StaleCondition(None, odd)]
    together = merged(parts)
    assert written(together.stale, SQLITE) == "last_seen < 1"
    assert written(together.unreadable, SQLITE) == "last_seen > 9"
    assert written(any_stale(parts), SQLITE) == "last_seen < 1"
    assert merged([StaleCondition(old)]).unreadable is None
