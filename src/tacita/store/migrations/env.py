"""What alembic runs: the pending migrations, in the transaction that `tacita.store.migrate` opened."""

from alembic import context

context.configure(connection=context.config.attributes["connection"])
context.run_migrations()
