"""The command ``migrate``: make what is missing, or print the SQL that would."""

from geocache_cleanup.errors import ConfigError
from geocache_cleanup.invocation import Invocation
from geocache_cleanup.systemd import service_settings


def migrate_schema(invocation: Invocation, *, sql: bool) -> None:
    """Migrate, and print what was done; with ``sql`` only print what would be."""
    settings = invocation.settings
    if not settings.configured and service_settings.is_ignored(invocation.given):
        # It would make the default database, and the service would find one.
        raise ConfigError(
            service_settings.NOT_GIVEN, f"{service_settings.REMEDY}, or give --database-url"
        )
    url = invocation.database_url()
    from geocache_cleanup.schema.migrate import TableNames, print_sql, upgrade  # imports Alembic

    names = TableNames(settings.table, settings.time_column)
    for line in print_sql(url, names) if sql else upgrade(url, names, invocation.deadline):
        invocation.show(line)
