"""Alembic's environment: runs the steps on the given connection, in its open transaction."""

from alembic import context

from tagger.review.store.migrations import VERSION_TABLE

context.configure(
    connection=context.config.attributes["connection"], version_table=VERSION_TABLE, transactional_ddl=True
)
with context.begin_transaction():
    context.run_migrations()
