"""People can propose a class that cannot be chosen."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """Add the column, the table, and indexes by which counts read little."""
    op.add_column("review_queue", sa.Column("proposal", sa.Text()))
    op.create_index("review_decisions_verdict", "review_decisions", ["run_id", "verdict", "seq"])
    op.create_index("review_queue_proposal", "review_queue", ["run_id", "proposal"])
    waiting, filtered = ["run_id", "current"], ["reason_bits", "refused", "proposal"]
    columns = {
        "review_queue_open": [*waiting, "article_confidence", *filtered, "master", "article"],
        "review_queue_accord": [*waiting, "accord", "position", *filtered],
        "review_queue_class": [*waiting, "article", "master", *filtered, "article_confidence"],
    }
    for name, indexed in columns.items():
        op.drop_index(name, "review_queue")
        op.create_index(name, "review_queue", indexed)
    op.create_table(
        "review_proposals",
        sa.Column("run_id", sa.String(), primary_key=True),
        sa.Column("key", sa.String(), primary_key=True),
        sa.Column("master", sa.String(), nullable=False),
        sa.Column("article", sa.String(), nullable=False),
        sa.Column("proposed_by", sa.String(), nullable=False),
        sa.Column("proposed_at", sa.DateTime(), nullable=False),
        sa.Column("settled", sa.String()),
        sa.Column("settled_by", sa.String()),
        sa.Column("settled_at", sa.DateTime()),
    )
