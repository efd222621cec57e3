"""The SQL journal: intents written ahead of orders, decisions, orders, fills, beliefs, incidents.

* ``journal.store.Journal`` writes, on the order path, with plain ``sqlite3``.
* ``journal.records`` is what it takes.
* ``journal.queries`` reads, with SQLAlchemy, beside a running writer.
* ``journal.migrate`` makes and upgrades the file, with Alembic.
* ``journal.importer`` takes a backtest's output folder in.

Tables, keys and what survives which crash: ``docs/journal.md``.
"""
