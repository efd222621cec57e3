"""Run migrations on the connection that ``journal.migrate`` hands over, and in no other way."""

from __future__ import annotations

from alembic import context

from journal.schema import metadata


def run() -> None:
    """Apply the migrations, all of them in one transaction."""
    connection = context.config.attributes.get("connection")
    if connection is None:
        raise RuntimeError("run migrations through `twinbook journal upgrade`, not through alembic")
    context.configure(
        connection=connection,
        target_metadata=metadata,
        transactional_ddl=True,
        transaction_per_migration=False,
    )
    with context.begin_transaction():
        context.run_migrations()


run()
