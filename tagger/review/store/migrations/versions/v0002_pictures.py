"""Items know which others have their picture, so that all of them are decided at once."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the column, with no picture known for items that are queued already."""
    op.add_column("review_queue", sa.Column("picture", sa.String()))
    op.create_index("review_queue_picture", "review_queue", ["run_id", "picture", "current", "position"])
