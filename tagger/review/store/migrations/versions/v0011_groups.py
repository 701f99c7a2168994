"""Groups of items that show one picture are kept, and what people say about them."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
_JSON_OR_NULL = sa.JSON(none_as_null=True)


def upgrade() -> None:
    """Create the table; a review that began earlier has no groups."""
    op.create_table(
        "review_groups",
        sa.Column("run_id", sa.String(), primary_key=True),
        sa.Column("number", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("found_as", sa.Integer(), nullable=False),
        sa.Column("picture", sa.String(), nullable=False),
        sa.Column("conflict", sa.Boolean(), nullable=False),
        sa.Column("items", sa.JSON(), nullable=False),
        sa.Column("same", sa.Boolean()),
        sa.Column("apart", _JSON_OR_NULL),
        sa.Column("unbound", _JSON_OR_NULL),
        sa.Column("decided_by", sa.String()),
        sa.Column("decided_at", sa.DateTime()),
        sa.Column("session", sa.String()),
        sa.Column("action", sa.Integer()),
        sa.Column("skipped", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("claimed_by", sa.String()),
        sa.Column("claimed_who", sa.String()),
        sa.Column("claimed_until", sa.Float(), nullable=False, server_default="0"),
    )
    op.create_index("review_groups_open", "review_groups", ["run_id", "same", "skipped", "number"])
    op.create_index("review_groups_session", "review_groups", ["run_id", "session", "action"])
