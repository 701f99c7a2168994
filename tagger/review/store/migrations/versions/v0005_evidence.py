"""Items know what each of their images says, and what image and title say by themselves."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add the columns, with nothing known for items that are queued already."""
    op.add_column("review_queue", sa.Column("images", sa.JSON()))
    op.add_column("review_queue", sa.Column("evidence", sa.JSON()))
