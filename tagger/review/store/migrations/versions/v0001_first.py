"""The tables as they first were: nothing to do, a new database gets its tables from `tagger.review.store.tables`."""

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Begin here."""
