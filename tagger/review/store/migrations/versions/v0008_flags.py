"""Items can be flagged, with a note in the log."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Add the columns; nothing is flagged yet."""
    op.add_column("review_queue", sa.Column("flag", sa.Text()))
    op.add_column("review_decisions", sa.Column("note", sa.Text()))
