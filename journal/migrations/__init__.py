"""Alembic environment of the journal: one file in ``versions`` per schema version."""
