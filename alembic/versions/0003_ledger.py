"""Create the ledger of runs.

Revision ID: 0003
Revises: 0002
"""

import sqlalchemy as sa

from alembic import op
from geocache_cleanup.schema import operations

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def _ledger() -> sa.Table:
    # Written out as it was at this revision: geocache_cleanup.pruning.ledger may move on.
    moment = operations.moment_type()
    return sa.Table(
        "geocache_cleanup_runs",
        sa.MetaData(),
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("run_id", sa.String(64), nullable=False),
        sa.Column("started_at", moment, nullable=False, index=True),
        sa.Column("duration_seconds", sa.Float, nullable=False),
        sa.Column("table_name", sa.String(255), nullable=False),
        sa.Column("time_column", sa.String(255), nullable=False),
        sa.Column("cutoff", moment, nullable=False),
        sa.Column("retention_days", sa.Integer),
        sa.Column("deleted", sa.BigInteger, nullable=False),
        sa.Column("unreadable", sa.BigInteger, nullable=False),
        sa.Column("batches", sa.Integer, nullable=False),
        sa.Column("host", sa.String(255), nullable=False),
        sa.Column("version", sa.String(32), nullable=False),
        # Names of tables may hold what the database's own characters lack.
        mysql_charset="utf8mb4",
        mariadb_charset="utf8mb4",
        # A run that is undone must take its record with it, whatever the default engine is.
        **operations.storage_options(),
    )


def upgrade() -> None:
    """Create the ledger and its index."""
    operations.create_table(_ledger())
    for index in _ledger().indexes:
        operations.create_index(index)


def downgrade() -> None:
    """Drop the ledger with what it recorded."""
    op.drop_table("geocache_cleanup_runs")
