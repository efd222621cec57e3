"""Make a journal, and bring an old one to this version's tables, with Alembic in this process."""

from __future__ import annotations

import os
import shutil
import sqlite3
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from journal.errors import JournalSchemaError
from journal.lock import WriterLock
from journal.schema import APPLICATION_ID, SCHEMA_VERSION

_MIGRATIONS = Path(__file__).parent / "migrations"


def version_of(path: Path) -> int:
    """Return the schema version of a journal.

    Raises
    ------
    JournalSchemaError
        No such file, or no journal.
    """
    if not path.is_file():
        raise JournalSchemaError(f"{path}: no such journal")
    db = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
    try:
        application = db.execute("PRAGMA application_id").fetchone()[0]
        version = int(db.execute("PRAGMA user_version").fetchone()[0])
    except sqlite3.DatabaseError as error:
        raise JournalSchemaError(f"{path}: not a journal ({error})") from error
    finally:
        db.close()
    if application != APPLICATION_ID:
        raise JournalSchemaError(
            f"{path}: not a journal (application id {application:#x}, expected"
            f" {APPLICATION_ID:#x}); give another path"
        )
    return version


def create(path: Path) -> None:
    """Make an empty journal at ``path``: complete under its name, or not there at all.

    Raises
    ------
    JournalSchemaError
        Something is already there, or the folder is missing.
    """
    if path.exists():
        raise JournalSchemaError(f"{path}: already exists")
    if not path.parent.is_dir():
        raise JournalSchemaError(f"{path}: the folder {path.parent} does not exist")
    draft = path.with_name(f".{path.name}.new")
    draft.unlink(missing_ok=True)
    try:
        _migrate(draft)
        _use_wal(draft)
        # link, not rename: it fails when somebody else made the journal meanwhile
        os.link(draft, path)
    except FileExistsError as error:
        raise JournalSchemaError(f"{path}: already exists") from error
    finally:
        for part in (
            draft,
            draft.with_name(draft.name + "-wal"),
            draft.with_name(draft.name + "-shm"),
        ):
            part.unlink(missing_ok=True)


def upgrade(path: Path) -> tuple[int, int, Path | None]:
    """Bring a journal to this version; keep a copy of the file as it was.

    Returns
    -------
    tuple of (int, int, Path or None)
        The version before, the version now, and the copy (None when nothing had to be done).

    Raises
    ------
    JournalLocked
        A writer is open.
    JournalSchemaError
        No journal, or one of a newer version.
    """
    before = version_of(path)
    if before > SCHEMA_VERSION:
        raise JournalSchemaError(
            f"{path}: schema {before} is newer than this program's {SCHEMA_VERSION}; upgrade it"
        )
    if before == SCHEMA_VERSION:
        return before, before, None
    with WriterLock(path, "journal upgrade"):
        _checkpoint(path)
        copy = path.with_name(f"{path.name}.v{before}")
        shutil.copy2(path, copy)
        _migrate(path)
    return before, version_of(path), copy


def _migrate(path: Path) -> None:
    # autocommit=False: DDL too runs inside the transaction, so a killed upgrade changes nothing
    engine = sa.create_engine(
        sa.URL.create("sqlite", database=str(path)),
        poolclass=sa.NullPool,
        connect_args={"autocommit": False},
    )
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    try:
        with engine.begin() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    finally:
        engine.dispose()


def _use_wal(path: Path) -> None:
    db = sqlite3.connect(path)
    try:
        mode = db.execute("PRAGMA journal_mode = WAL").fetchone()[0]
        if mode != "wal":
            raise JournalSchemaError(
                f"{path}: this file system cannot keep a write-ahead log (found {mode});"
                " put the journal on a local disk"
            )
    finally:
        db.close()


def _checkpoint(path: Path) -> None:
    db = sqlite3.connect(path)
    try:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    finally:
        db.close()
