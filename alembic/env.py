"""The Alembic environment: migrations run on the connection that the caller hands over."""

from alembic import context
from geocache_cleanup.schema import migrate

config = context.config

if "names" not in config.attributes:
    # Started by the alembic command: what migrate would hand over comes from -x arguments.
    migrate.configure_from_x_arguments(config, context.get_x_argument(as_dictionary=True))

with migrate.connected(config) as connection:
    context.configure(
        connection=connection,
        dialect_name=config.attributes["dialect"],
        version_table=migrate.VERSION_TABLE,
        literal_binds=context.is_offline_mode(),
    )
    # Alembic would print INSERT ... RETURNING, which SQLite has only since 3.35.
    context.get_context().dialect.insert_returning = False
    with context.begin_transaction():
        context.run_migrations()
