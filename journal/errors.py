"""What can go wrong with the journal.

``JournalError``
├── ``JournalLocked``         another process writes this journal
├── ``JournalSchemaError``    the file is no journal, or of another version
├── ``JournalWriteError``     the disk or SQLite refused: what was asked is not durable
├── ``JournalContradiction``  the same identity was written before with other values
└── ``JournalImportError``    a folder of results cannot be taken in
"""

from __future__ import annotations


class JournalError(Exception):
    """Base of all errors of the journal."""


class JournalLocked(JournalError):
    """Another process holds the writer's lock."""


class JournalSchemaError(JournalError):
    """The file is not a journal, or its schema version is not the one this code writes."""


class JournalWriteError(JournalError):
    """SQLite refused a write. Nothing that depends on the row being durable may go on."""


class JournalContradiction(JournalError):
    """A row with this identity exists and says something else."""


class JournalImportError(JournalError):
    """A folder of backtest results cannot be imported."""
