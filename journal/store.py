"""The writer: plain ``sqlite3`` on the order path, one open transaction, commits where they count.

Durability, rule by rule:

1. ``write_intent`` and ``write_order`` return after COMMIT: what they wrote, and everything
   written before it, survives ``kill -9`` of this process. Only then may a byte leave for a venue.
2. With ``synchronous="FULL"`` it survives a power cut too, for about 0.3 ms a commit instead of
   0.02 ms (an fsync of the write-ahead log). ``NORMAL`` may lose the last commits on a power cut;
   it never corrupts the file. https://www.sqlite.org/pragma.html#pragma_synchronous (2026-11-21)
3. Everything else joins the open transaction and becomes durable with the next commit: by rule 1,
   by ``commit()`` (call it on a timer), or when ``pending_max`` rows wait.
4. A write that fails raises; the caller must not act as if the row existed.
5. The log is folded into the file by ``checkpoint()``, off the order path; the automatic
   checkpoint only stands by as a bound on the log's size.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Final, Literal, Self

from core.money import from_units, to_text, to_units
from journal import rows
from journal.errors import (
    JournalContradiction,
    JournalError,
    JournalSchemaError,
    JournalWriteError,
)
from journal.lock import WriterLock
from journal.records import (
    Amount,
    DecisionRow,
    Fill,
    Incident,
    Intent,
    IntentEvent,
    OrderEvent,
    OrderRow,
    Run,
)

#: The schema version this writer speaks; ``tests/journal`` keeps it equal to ``journal.schema``.
SCHEMA_VERSION: Final = 1
_APPLICATION_ID: Final = 0x7477696E
#: Pages of the log at which SQLite checkpoints by itself: 16384 pages of 4 KiB are 64 MiB.
_WAL_PAGES_MAX: Final = 16_384
#: Violated by a second row with the same identity; other constraints are broken rules.
_SAME_IDENTITY: Final = {"SQLITE_CONSTRAINT_UNIQUE", "SQLITE_CONSTRAINT_PRIMARYKEY"}

Synchronous = Literal["NORMAL", "FULL"]


class Journal:
    """The one writer of a journal.

    Parameters
    ----------
    path : Path
        The journal's file; made with ``journal.migrate.create`` when it is not there.
    run : Run
        The run that writes. It is recorded, and committed, before the constructor returns.
    synchronous : {"NORMAL", "FULL"}
        See rule 2 above.
    pending_max : int
        Rows that may wait for a commit before one is made unasked.
    whole : bool
        One transaction for everything, the run included, committed by ``close`` (imports).

    Raises
    ------
    JournalLocked
        Another writer is open.
    JournalSchemaError
        The file is no journal, or of another schema version.
    JournalContradiction
        The run id was used before.
    """

    def __init__(
        self,
        path: Path,
        run: Run,
        *,
        synchronous: Synchronous = "NORMAL",
        pending_max: int = 1_000,
        whole: bool = False,
    ) -> None:
        self.path = path
        self.run = run
        self._pending = 0
        self._pending_max = pending_max
        self._whole = whole
        if not path.parent.is_dir():
            raise JournalSchemaError(f"{path}: the folder {path.parent} does not exist")
        self._lock = WriterLock(path, f"run {run.run_id}")
        try:
            if not path.exists():
                # Alembic is imported only here: opening an existing journal stays quick.
                from journal.migrate import create

                create(path)
            self._db = _connect(path, synchronous)
        except BaseException:
            self._lock.release()
            raise
        try:
            self._execute(rows.RUN, rows.run_values(run))
            if not whole:
                self.commit()
        except BaseException:
            self.abandon()
            raise

    # -- the order path ---------------------------------------------------------------------

    def write_intent(self, intent: Intent) -> None:
        """Make an intent and its legs durable, all of it or none (rule 1)."""
        head = rows.intent_values(intent, self.run)
        if not intent.legs:
            raise ValueError(f"intent {intent.intent_id}: no legs, 1 or 2 are allowed")
        legs = [rows.leg_values(intent.intent_id, leg) for leg in intent.legs]
        self._execute("SAVEPOINT one")
        try:
            self._execute(rows.INTENT, head)
            for values in legs:
                self._execute(rows.LEG, values)
        except JournalError:
            # Only this intent is undone: what was written before it stays in the transaction.
            if self._db.in_transaction:
                self._db.execute("ROLLBACK TO one")
                self._db.execute("RELEASE one")
            raise
        self._execute("RELEASE one")
        self.commit()

    def write_order(self, order: OrderRow) -> None:
        """Make an order's identity durable before it is sent (rule 1)."""
        self._add(rows.ORDER, rows.order_values(order, self.run))
        self.commit()

    # -- everything else --------------------------------------------------------------------

    def add_order(self, order: OrderRow) -> None:
        """Write an order's identity without a commit of its own (imports, replays)."""
        self._add(rows.ORDER, rows.order_values(order, self.run))
        self._bound()

    def add_intent_event(self, event: IntentEvent) -> None:
        """Write a change of state of an intent."""
        self._add(rows.INTENT_EVENT, rows.intent_event_values(event, self.run))
        self._bound()

    def add_decision(self, row: DecisionRow) -> None:
        """Write a decision and the books it saw, together."""
        self._add(rows.DECISION, rows.decision_values(row, self.run))
        for book in row.books:
            self._add(rows.BOOK, rows.book_values(self.run.run_id, row.decision_id, book))
        self._bound()

    def add_order_event(self, event: OrderEvent) -> None:
        """Write what happened to an order; the order must have been written before."""
        self._add(rows.ORDER_EVENT, rows.order_event_values(event, self.run))
        self._bound()

    def add_fill(self, fill: Fill) -> bool:
        """Write a fill, a new standing of one, or a fee that became known.

        Returns
        -------
        bool
            False when exactly this was known: venues report fills more than once, and again after
            a restart.

        Raises
        ------
        JournalContradiction
            The trade is known with another instrument, side, price or quantity, or its fee was
            written with another amount.
        """
        key = (self.run.scope, fill.venue, fill.trade_id, fill.client_order_id)
        facts = rows.fill_facts(fill)
        fees = [
            (kind, to_units(amount, f"fill.fee_{kind}"))
            for kind, amount in (("expected", fill.fee_expected), ("charged", fill.fee_charged))
            if amount is not None
        ]
        known = self._execute(rows.FILL_FACTS, key).fetchone()
        if known is not None and known != facts:
            raise JournalContradiction(
                f"trade {fill.trade_id} of {fill.client_order_id} on {fill.venue}: the journal has"
                f" {rows.facts_text(known)}, now reported {rows.facts_text(facts)}"
            )
        new_fees = [(kind, amount) for kind, amount in fees if self._fee_is_new(key, kind, amount)]
        new = self._execute(rows.FILL_KNOWN, (*key, fill.status)).fetchone() is None
        if new:
            self._add(rows.FILL, rows.fill_values(fill, self.run))
        for kind, amount in new_fees:
            self._add(rows.FEE, rows.fee_values(fill, kind, amount, self.run))
        self._bound()
        return new or bool(new_fees)

    def _fee_is_new(self, key: tuple[str, str, str, str], kind: str, amount: int) -> bool:
        known = self._execute(rows.FEE_KNOWN, (*key, kind)).fetchone()
        if known is not None and known[0] != amount:
            raise JournalContradiction(
                f"trade {key[2]} on {key[1]}: the {kind} fee was"
                f" {to_text(from_units(known[0]))}, now {to_text(from_units(amount))}"
            )
        return known is None

    def add_belief(self, belief: Amount) -> int:
        """Write what is believed to be held, durably, before the truth is asked for.

        Returns
        -------
        int
            The row's number, to hand to ``add_position`` when the truth is known.
        """
        row = self._add(rows.BELIEF, rows.amount_values(belief, self.run))
        self.commit()
        return row

    def add_position(self, truth: Amount, belief: int | None = None) -> None:
        """Write what the venue says is held, beside the belief it answers."""
        self._add(rows.POSITION, (*rows.amount_values(truth, self.run), belief))
        self._bound()

    def add_incident(self, incident: Incident) -> None:
        """Write an incident; ``error`` and ``critical`` are durable on return."""
        self._add(rows.INCIDENT, rows.incident_values(incident, self.run))
        if incident.severity in {"error", "critical"}:
            self.commit()
        self._bound()

    # -- transactions -----------------------------------------------------------------------

    @property
    def pending(self) -> int:
        """Rows written and not yet durable."""
        return self._pending

    def commit(self) -> None:
        """Make everything written so far durable.

        Raises
        ------
        JournalWriteError
            The disk refused. If SQLite gave the transaction up, the message says how many rows
            were lost.
        """
        if not self._db.in_transaction:
            return
        waiting = self._pending
        try:
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            lost = "" if self._db.in_transaction else f"; {waiting} rows since the last are lost"
            if lost:
                self._pending = 0
            raise JournalWriteError(f"{self.path}: commit failed ({error}){lost}") from error
        self._pending = 0

    def checkpoint(self) -> int:
        """Fold the log into the file as far as readers allow; return the pages left in it."""
        self.commit()
        try:
            _, pages, moved = self._db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        except sqlite3.Error as error:
            raise JournalWriteError(f"{self.path}: checkpoint failed ({error})") from error
        return int(pages) - int(moved)

    def close(self, ended_ns: int, end_state: str = "clean") -> None:
        """End the run in the journal and give the file back.

        Parameters
        ----------
        ended_ns : int
            When it ended, nanoseconds UTC.
        end_state : str
            ``clean``, or why it ended.
        """
        try:
            self._execute(
                "UPDATE runs SET ended_ns = ?, end_state = ? WHERE run_id = ?",
                (ended_ns, end_state, self.run.run_id),
            )
            self.commit()
        finally:
            self.abandon()

    def abandon(self) -> None:
        """Close without ending the run: what was not committed is dropped, as in a crash."""
        self._db.close()
        self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self.abandon()

    def _add(self, sql: str, values: Iterable[rows.SqlValue]) -> int:
        row = self._execute(sql, values).lastrowid
        self._pending += 1
        return row or 0

    def _bound(self) -> None:
        if self._pending >= self._pending_max and not self._whole:
            self.commit()

    def _execute(self, sql: str, values: Iterable[rows.SqlValue] = ()) -> sqlite3.Cursor:
        try:
            if not self._db.in_transaction:
                self._db.execute("BEGIN IMMEDIATE")
            return self._db.execute(sql, tuple(values))
        except sqlite3.IntegrityError as error:
            if error.sqlite_errorname in _SAME_IDENTITY:
                raise JournalContradiction(f"{self.path}: already written ({error})") from error
            raise JournalWriteError(f"{self.path}: row refused ({error})") from error
        except sqlite3.Error as error:
            raise JournalWriteError(f"{self.path}: {error}") from error


def _connect(path: Path, synchronous: Synchronous) -> sqlite3.Connection:
    if synchronous not in {"NORMAL", "FULL"}:
        raise ValueError(f"synchronous: found {synchronous!r}, allowed 'NORMAL' or 'FULL'")
    db = sqlite3.connect(path, isolation_level=None, timeout=5.0, cached_statements=256)
    try:
        application = db.execute("PRAGMA application_id").fetchone()[0]
        version = db.execute("PRAGMA user_version").fetchone()[0]
        if application != _APPLICATION_ID:
            raise JournalSchemaError(f"{path}: not a journal; give another path")
        if version != SCHEMA_VERSION:
            advice = (
                "run `twinbook journal upgrade`"
                if version < SCHEMA_VERSION
                else "upgrade this program"
            )
            raise JournalSchemaError(
                f"{path}: schema version {version}, this program writes {SCHEMA_VERSION}: {advice}"
            )
        db.execute("PRAGMA journal_mode = WAL")
        db.execute(f"PRAGMA synchronous = {synchronous}")
        db.execute("PRAGMA foreign_keys = ON")
        db.execute(f"PRAGMA wal_autocheckpoint = {_WAL_PAGES_MAX}")
    except sqlite3.DatabaseError as error:
        db.close()
        raise JournalSchemaError(f"{path}: not a journal ({error})") from error
    except JournalSchemaError:
        db.close()
        raise
    return db
