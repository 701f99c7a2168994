"""What Alembic runs the steps with: the connection that it was handed, in the transaction that it is in."""

from alembic import context

from tagger.review.store.migrations import VERSION_TABLE

context.configure(
    connection=context.config.attributes["connection"], version_table=VERSION_TABLE, transactional_ddl=True
)
with context.begin_transaction():
    context.run_migrations()
