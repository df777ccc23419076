"""Whether what is to be deleted from a MariaDB or MySQL table is up to others as well."""

from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from geocache_cleanup.engines.server import diagnoses

if TYPE_CHECKING:
    from geocache_cleanup.engines.mysql.table import MySQLTable

_TRIGGERS = """
    EXISTS (SELECT 1 FROM information_schema.triggers
            WHERE event_object_schema = :schema AND event_object_table = :table
              AND event_manipulation = 'DELETE')
"""
_FOREIGN_KEYS = """
    EXISTS (SELECT 1 FROM information_schema.referential_constraints
            WHERE unique_constraint_schema = :schema AND referenced_table_name = :table)
"""
# Others are shown neither triggers nor the tables that refer to this one: there may be some.
_SEES_ALL = """
    EXISTS (SELECT 1 FROM information_schema.user_privileges WHERE privilege_type = 'TRIGGER')
    OR EXISTS (SELECT 1 FROM information_schema.schema_privileges
               WHERE privilege_type = 'TRIGGER' AND :schema LIKE table_schema)
"""
_ENGINE = sa.text(
    """
    SELECT e.transactions FROM information_schema.tables AS t
    JOIN information_schema.engines AS e ON e.engine = t.engine
    WHERE t.table_schema = :schema AND t.table_name = :table
    """
)
_OTHER_ENGINES = """
    EXISTS (SELECT 1 FROM information_schema.tables AS t
            JOIN information_schema.engines AS e ON e.engine = t.engine
            WHERE t.table_schema = :schema AND e.transactions = 'NO')
"""


def has_transactions(connection: Connection, schema: str | None, table: str) -> bool:
    """Tell whether what is done to a table can be undone, or there is none of that name."""
    found = connection.execute(_ENGINE, {"schema": schema, "table": table}).scalar()
    return found is None or found == "YES"


def check_mixture(connection: Connection) -> None:
    """Raise ConfigError if tables with and without transactions may not be changed in one."""
    rows = connection.exec_driver_sql("SHOW VARIABLES LIKE 'enforce_gtid_consistency'")
    if any(value == "ON" for _, value in rows):
        raise diagnoses.MIXED.explain("enforce_gtid_consistency is ON")


def may_cascade(table: "MySQLTable") -> bool:
    """Tell whether triggers or foreign keys may keep rows or take others."""
    return _may_have_triggers(table) or _holds(table, _FOREIGN_KEYS)


def can_be_tried(table: "MySQLTable") -> bool:
    """Tell whether a deletion can be undone, with what triggers do.

    A trigger may write to a table of an engine that undoes nothing, such as MyISAM: where there
    is one, a deletion is only undone for sure if no trigger is fired.
    """
    return table.atomic and not (_may_have_triggers(table) and _holds(table, _OTHER_ENGINES))


def _may_have_triggers(table: "MySQLTable") -> bool:
    return _holds(table, _TRIGGERS) or not _holds(table, _SEES_ALL)


def _holds(table: "MySQLTable", condition: str) -> bool:
    where = {"schema": table.clause.schema, "table": table.name}
    return bool(table.connection.execute(sa.text(f"SELECT {condition}"), where).scalar_one())
