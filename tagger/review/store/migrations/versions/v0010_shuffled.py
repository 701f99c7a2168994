"""Items have a random order, in which quality samples are asked about."""

import sqlalchemy as sa
from alembic import op

from tagger.flow.hash_order import sample_order

revision = "0010"
down_revision = "0009"
_ROWS_AT_ONCE = 1000


def upgrade() -> None:
    """Add the column, by the ids."""
    op.add_column("review_queue", sa.Column("shuffled", sa.Float(), nullable=False, server_default="0"))
    queue = sa.table("review_queue", sa.column("run_id"), sa.column("position"), sa.column("id"), sa.column("shuffled"))
    connection = op.get_bind()
    rows = connection.execute(sa.select(queue.c.run_id, queue.c.position, queue.c.id)).all()
    named = {"run": queue.c.run_id, "place": queue.c.position}
    of_item = sa.and_(*(column == sa.bindparam(name) for name, column in named.items()))
    change = sa.update(queue).where(of_item).values(shuffled=sa.bindparam("key"))
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        some = rows[start : start + _ROWS_AT_ONCE]
        keys = sample_order([row.id for row in some]) / 2.0**64
        values = [{"run": r.run_id, "place": r.position, "key": float(k)} for r, k in zip(some, keys, strict=True)]
        connection.execute(change, values)
