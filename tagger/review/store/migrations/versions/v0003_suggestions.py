"""Items of an audit know which class the audit suggests in place of their label."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add the columns; a review of an audit fills them when it starts."""
    op.add_column("review_queue", sa.Column("suggested_master", sa.String()))
    op.add_column("review_queue", sa.Column("suggested_article", sa.String()))
    op.add_column("review_queue", sa.Column("suggested_confidence", sa.Float()))
