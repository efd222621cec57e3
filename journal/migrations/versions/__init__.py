"""Migrations in order; each ends by setting ``PRAGMA user_version`` to its own number."""
