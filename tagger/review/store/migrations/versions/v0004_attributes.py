"""Items know their predicted further tags (attributes), and decisions those that a person set."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add the columns, with none for items that are queued and decisions that are made already."""
    op.add_column("review_queue", sa.Column("attributes", sa.JSON()))
    op.add_column("review_decisions", sa.Column("attributes", sa.JSON()))
