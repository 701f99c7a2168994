"""Some items are answered twice."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """Add the table, and an index by which a share of the items is found."""
    shuffled = ["run_id", "shuffled", "reason_bits", "current", "position"]
    op.create_index("review_queue_shuffled", "review_queue", shuffled)
    op.create_table(
        "review_second_answers",
        sa.Column("run_id", sa.String(), primary_key=True),
        sa.Column("position", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("verdict", sa.String(), nullable=False),
        sa.Column("master", sa.String()),
        sa.Column("article", sa.String()),
        sa.Column("decided_by", sa.String(), nullable=False),
        sa.Column("decided_at", sa.DateTime(), nullable=False),
    )
