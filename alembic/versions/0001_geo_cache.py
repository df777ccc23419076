"""Create the geo_cache table where there is none.

Revision ID: 0001
"""

from geocache_cleanup.schema import operations

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table in BanGUI's shape, under the names of the settings."""
    operations.create_geo_cache()


def downgrade() -> None:
    """Keep the table: the application may have filled it since, or made it itself."""
