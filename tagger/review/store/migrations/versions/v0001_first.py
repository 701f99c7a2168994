"""The first schema: nothing to do, since a new database gets its tables from `tagger.review.store.tables`."""

revision = "0001"
down_revision = None


def upgrade() -> None:
    """The first version."""
