"""Keep the ledger where transactions are kept.

Revision ID: 0004
Revises: 0003
"""

from geocache_cleanup.pruning.ledger import NAME
from geocache_cleanup.schema import operations
from geocache_cleanup.schema.migrate import VERSION_TABLE

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Change what has no transactions, or is UNLOGGED: the ledger, and the table of revisions.

    Nothing of a run depends on the latter; but beside a table of such an engine, check does not
    try what triggers do.
    """
    for name in (NAME, VERSION_TABLE):
        operations.make_lasting(name)


def downgrade() -> None:
    """Leave them where they are: no revision needs another engine."""
