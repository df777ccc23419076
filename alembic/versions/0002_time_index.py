"""Create an index that leads with the time column where there is none.

Revision ID: 0002
Revises: 0001
"""

from geocache_cleanup.schema import operations

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the index, so that a run reads the stale rows and not the whole table."""
    operations.create_time_index()


def downgrade() -> None:
    """Drop the index of that name, which only the upgrade gives; any other is not ours."""
    operations.drop_time_index()
