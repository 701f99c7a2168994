"""Claims name their person and say whether the item is only fetched ahead; items know how far the witnesses agree."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Add the columns and an index; items that are queued already are sorted by confidence as before."""
    op.add_column("review_queue", sa.Column("accord", sa.Float(), nullable=False, server_default="0"))
    op.execute("UPDATE review_queue SET accord = article_confidence")
    op.add_column("review_queue", sa.Column("claimed_who", sa.String()))
    op.add_column("review_queue", sa.Column("claimed_ahead", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.create_index("review_queue_accord", "review_queue", ["run_id", "current", "accord", "position"])
