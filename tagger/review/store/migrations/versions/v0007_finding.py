"""Items are found by words, and by the values of the manifest's columns."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Add the tables; items that are queued already are found by their titles and ids alone."""
    op.create_table(
        "review_words",
        sa.Column("run_id", sa.String(), primary_key=True),
        sa.Column("position", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("words", sa.Text(), nullable=False),
    )
    op.execute(
        "INSERT INTO review_words (run_id, position, words) "
        "SELECT run_id, position, lower(coalesce(title, '') || ' ' || id) FROM review_queue"
    )
    op.create_table(
        "review_values",
        sa.Column("run_id", sa.String(), primary_key=True),
        sa.Column("name", sa.String(), primary_key=True),
        sa.Column("value", sa.String(), primary_key=True),
        sa.Column("position", sa.Integer(), primary_key=True, autoincrement=False),
    )
