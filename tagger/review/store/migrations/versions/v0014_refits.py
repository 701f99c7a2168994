"""Refits to the answers accept items that wait."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    """Add the tables."""
    op.create_table(
        "review_refits",
        sa.Column("run_id", sa.String(), primary_key=True),
        sa.Column("number", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("answers", sa.Integer(), nullable=False),
        sa.Column("drawn", sa.Integer(), nullable=False),
        sa.Column("needed", sa.Integer(), nullable=False),
        sa.Column("accepted", sa.Integer(), nullable=False),
        sa.Column("why_none", sa.String()),
        sa.Column("made_at", sa.DateTime(), nullable=False),
    )
    op.create_table(
        "review_refit_tags",
        sa.Column("run_id", sa.String(), primary_key=True),
        sa.Column("refit", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("position", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("master", sa.String(), nullable=False),
        sa.Column("master_confidence", sa.Float(), nullable=False),
        sa.Column("article", sa.String(), nullable=False),
        sa.Column("article_confidence", sa.Float(), nullable=False),
        sa.Column("checked", sa.Boolean(), nullable=False),
        sa.Column("made_at", sa.DateTime(), nullable=False),
    )
