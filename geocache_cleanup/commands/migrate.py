"""The command ``migrate``: make what is missing, or print the SQL that would."""

from geocache_cleanup.invocation import Invocation


def migrate_schema(invocation: Invocation, *, sql: bool) -> None:
    """Migrate, and print what was done; with ``sql`` only print what would be."""
    url = invocation.database_url()
    from geocache_cleanup.schema.migrate import TableNames, print_sql, upgrade  # imports Alembic

    names = TableNames(invocation.settings.table, invocation.settings.time_column)
    for line in print_sql(url, names) if sql else upgrade(url, names, invocation.deadline):
        invocation.show(line)
