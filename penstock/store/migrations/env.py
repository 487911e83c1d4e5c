"""alembic's entry: runs the steps on the connection, and in the transaction, that `migration.migrate` holds."""

from alembic import context

from penstock.store.tables import METADATA

context.configure(connection=context.config.attributes["connection"], target_metadata=METADATA, transactional_ddl=True)
with context.begin_transaction():
    context.run_migrations()
