"""A review has people with roles, and sessions of their browsers; claims say since when they are held."""

import time

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"

_CARRY_OVER = """
INSERT INTO review_sessions (run_id, key, person, browser, began, seen, ended)
SELECT run_id, substr(name, 7), coalesce((
    SELECT max(decided_by) FROM review_decisions
    WHERE review_decisions.run_id = review_settings.run_id AND session = substr(name, 7)
), ''), '', :now, :now, :now
FROM review_settings WHERE substr(name, 1, 5) = 'ended'
"""


def upgrade() -> None:
    """Add the tables and the column; sessions that had signed out stay ended, all others have to come in anew."""
    op.create_table(
        "review_people",
        sa.Column("run_id", sa.String(), primary_key=True),
        sa.Column("name", sa.String(), primary_key=True),
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("invitation", sa.String()),
        sa.Column("invited_at", sa.Float()),
        sa.Column("invited_by", sa.String()),
        sa.Column("invited_until", sa.Float()),
        sa.Column("joined_at", sa.Float()),
        sa.Column("ended_at", sa.Float()),
        sa.Column("ended_by", sa.String()),
    )
    op.create_table(
        "review_sessions",
        sa.Column("run_id", sa.String(), primary_key=True),
        sa.Column("key", sa.String(), primary_key=True),
        sa.Column("person", sa.String(), nullable=False),
        sa.Column("browser", sa.String(), nullable=False),
        sa.Column("token", sa.String()),
        sa.Column("began", sa.Float(), nullable=False),
        sa.Column("seen", sa.Float(), nullable=False),
        sa.Column("ended", sa.Float()),
    )
    op.create_index("review_sessions_person", "review_sessions", ["run_id", "person"])
    op.add_column("review_queue", sa.Column("claimed_since", sa.Float()))
    op.get_bind().execute(sa.text(_CARRY_OVER), {"now": time.time()})
    op.execute("DELETE FROM review_settings WHERE substr(name, 1, 5) = 'ended'")
