"""Read a journal with SQLAlchemy, also beside a running writer; nothing here can write.

Amounts come back as ``Decimal``. Every function takes the ``Connection`` that ``reading`` opens.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec
import sqlalchemy as sa

from core.money import from_units
from journal.errors import JournalSchemaError
from journal.migrate import version_of
from journal.schema import (
    SCHEMA_VERSION,
    decisions,
    fills,
    incidents,
    intent_legs,
    intents,
    order_events,
    orders,
    runs,
)


@contextmanager
def reading(path: Path) -> Iterator[sa.Connection]:
    """Open a journal for reading.

    Raises
    ------
    JournalSchemaError
        No such file, no journal, or another schema version.
    """
    found = version_of(path)
    if found != SCHEMA_VERSION:
        raise JournalSchemaError(
            f"{path}: schema version {found}, this program reads {SCHEMA_VERSION}"
        )
    uri = f"file:{quote(str(path.absolute()))}?mode=ro&uri=true"
    engine = sa.create_engine(f"sqlite:///{uri}", poolclass=sa.NullPool)
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


class RunInfo(msgspec.Struct, frozen=True):
    """A run with the counts that tell what it did. ``end_state`` None: running, or killed."""

    run_id: str
    scope: str
    kind: str
    started_ns: int
    ended_ns: int | None
    end_state: str | None
    config_hash: str
    code_version: str
    decisions: int
    taken: int
    intents: int
    orders: int
    incidents: int


def list_runs(connection: sa.Connection) -> list[RunInfo]:
    """Return all runs, oldest first."""

    def many(table: sa.Table, *more: sa.ColumnElement[bool]) -> sa.ScalarSelect[int]:
        return (
            sa.select(sa.func.count())
            .select_from(table)
            .where(table.c.run_id == runs.c.run_id, *more)
            .scalar_subquery()
        )

    rows = connection.execute(
        sa.select(
            runs.c.run_id,
            runs.c.scope,
            runs.c.kind,
            runs.c.started_ns,
            runs.c.ended_ns,
            runs.c.end_state,
            runs.c.config_hash,
            runs.c.code_version,
            many(decisions),
            many(decisions, decisions.c.outcome == "taken"),
            many(intents),
            many(orders),
            many(incidents),
        ).order_by(runs.c.started_ns, runs.c.run_id)
    )
    return [RunInfo(*row) for row in rows]


class JournalledDecision(msgspec.Struct, frozen=True):
    """A decision's columns without its record, which ``payload_of`` gives by ``seq``."""

    seq: int
    ts_ns: int
    pair_id: str
    kind: str
    direction: str
    outcome: str
    reason: str
    gross_edge_e6: int | None
    net_edge_e6: int | None
    required_edge_e6: int | None


def decisions_of(connection: sa.Connection, run_id: str) -> Iterator[JournalledDecision]:
    """Yield a run's decisions in the order they were written."""
    c = decisions.c
    query = (
        sa.select(
            c.seq,
            c.ts_ns,
            c.pair_id,
            c.kind,
            c.direction,
            c.outcome,
            c.reason,
            c.gross_edge_e6,
            c.net_edge_e6,
            c.required_edge_e6,
        )
        .where(c.run_id == run_id)
        .order_by(c.seq)
        .execution_options(yield_per=2_000)
    )
    for row in connection.execute(query).mappings():
        yield JournalledDecision(**row)


def decision_payloads(connection: sa.Connection, run_id: str) -> Iterator[bytes]:
    """Yield a run's canonical records in order: what the decision digest is computed over."""
    query = (
        sa.select(decisions.c.payload)
        .where(decisions.c.run_id == run_id)
        .order_by(decisions.c.seq)
        .execution_options(yield_per=2_000)
    )
    for payload in connection.scalars(query):
        yield payload.encode()


def payload_of(connection: sa.Connection, seq: int) -> str:
    """Return the canonical record of one decision."""
    found = connection.scalar(sa.select(decisions.c.payload).where(decisions.c.seq == seq))
    return found or "{}"


class OpenIntent(msgspec.Struct, frozen=True):
    """An intent that no event ended, with its legs and the orders written for it."""

    intent_id: str
    run_id: str
    ts_ns: int
    pair_id: str
    box_id: str
    quantity: Decimal
    payload: str
    legs: tuple[dict[str, Any], ...]
    orders: tuple[str, ...]


def open_intents(connection: sa.Connection, scope: str) -> list[OpenIntent]:
    """Return what a restart must finish: intents of a scope without an ending, oldest first."""
    view = sa.table("intents_open", *(sa.column(c.name) for c in intents.c))
    rows = connection.execute(
        sa.select(view).where(view.c.scope == scope).order_by(view.c.seq)
    ).mappings()
    return [
        OpenIntent(
            row["intent_id"],
            row["run_id"],
            row["ts_ns"],
            row["pair_id"],
            row["box_id"],
            from_units(row["quantity_e6"]),
            row["payload"],
            _legs(connection, row["intent_id"]),
            tuple(
                connection.scalars(
                    sa.select(orders.c.client_order_id)
                    .where(orders.c.intent_id == row["intent_id"])
                    .order_by(orders.c.seq)
                )
            ),
        )
        for row in rows.all()
    ]


def _legs(connection: sa.Connection, intent_id: str) -> tuple[dict[str, Any], ...]:
    rows = connection.execute(
        sa.select(intent_legs)
        .where(intent_legs.c.intent_id == intent_id)
        .order_by(intent_legs.c.leg)
    ).mappings()
    return tuple(
        {
            **{k: v for k, v in row.items() if not k.endswith("_e6") and k != "intent_id"},
            "price": from_units(row["price_e6"]),
            "quantity": from_units(row["quantity_e6"]),
        }
        for row in rows
    )


def holdings(connection: sa.Connection, scope: str) -> dict[tuple[str, str], Decimal]:
    """Return contracts held by (venue, instrument) from all fills that were not reverted."""
    view = sa.table(
        "holdings",
        *(sa.column(name) for name in ("scope", "venue", "instrument", "quantity_e6")),
    )
    rows = connection.execute(
        sa.select(view.c.venue, view.c.instrument, view.c.quantity_e6).where(view.c.scope == scope)
    )
    return {(v, i): from_units(q) for v, i, q in rows if q}


class FeeMiss(msgspec.Struct, frozen=True):
    """A fee that was not what the model expected; ``difference`` > 0: the venue took more."""

    venue: str
    trade_id: str
    expected: Decimal
    charged: Decimal
    difference: Decimal


def fee_misses(connection: sa.Connection, scope: str) -> list[FeeMiss]:
    """Return fills whose charged fee differs from the expected one; the aim is none."""
    names = ("scope", "venue", "trade_id", "expected_e6", "charged_e6", "difference_e6")
    view = sa.table("fee_check", *(sa.column(name) for name in names))
    rows = connection.execute(
        sa.select(
            view.c.venue,
            view.c.trade_id,
            view.c.expected_e6,
            view.c.charged_e6,
            view.c.difference_e6,
        )
        .where(view.c.scope == scope, view.c.difference_e6 != 0)
        .order_by(view.c.venue, view.c.trade_id)
    )
    return [
        FeeMiss(v, t, from_units(expected), from_units(charged), from_units(difference))
        for v, t, expected, charged, difference in rows
    ]


class BeliefMiss(msgspec.Struct, frozen=True):
    """A belief that the venue's truth contradicted."""

    venue: str
    kind: str
    subject: str
    believed_ns: int
    read_ns: int
    believed: Decimal
    true: Decimal


def belief_misses(connection: sa.Connection, run_id: str) -> list[BeliefMiss]:
    """Return where belief and truth differed; the aim is none."""
    names = ("run_id", "venue", "kind", "subject", "believed_ns", "read_ns", "believed_e6",
             "true_e6", "difference_e6")  # fmt: skip
    view = sa.table("belief_check", *(sa.column(name) for name in names))
    rows = connection.execute(
        sa.select(*(view.c[name] for name in names[1:8]))
        .where(view.c.run_id == run_id, view.c.difference_e6 != 0)
        .order_by(view.c.read_ns)
    )
    return [
        BeliefMiss(venue, kind, subject, then, now, from_units(ours), from_units(theirs))
        for venue, kind, subject, then, now, ours, theirs in rows
    ]


class Happening(msgspec.Struct, frozen=True):
    """One line of an event's story."""

    ts_ns: int
    what: str
    subject: str
    note: str


def story(connection: sa.Connection, decision_id: str) -> list[Happening]:
    """Return everything that followed from one decision, in the order of time."""
    found = [
        Happening(row.ts_ns, "decision", row.pair_id, f"{row.outcome}: {row.reason}")
        for row in connection.execute(
            sa.select(decisions).where(decisions.c.decision_id == decision_id)
        )
    ]
    found += [
        Happening(row.ts_ns, "intent", row.intent_id, f"{from_units(row.quantity_e6)} {row.plan}")
        for row in connection.execute(
            sa.select(intents).where(intents.c.decision_id == decision_id)
        )
    ]
    sent = connection.execute(sa.select(orders).where(orders.c.decision_id == decision_id)).all()
    for row in sent:
        price = "market" if row.price_e6 is None else str(from_units(row.price_e6))
        note = f"{row.side} {from_units(row.quantity_e6)} at {price} on {row.venue}"
        found.append(Happening(row.ts_ns, "order", row.client_order_id, note))
        events = connection.execute(
            sa.select(order_events).where(
                order_events.c.scope == row.scope,
                order_events.c.client_order_id == row.client_order_id,
            )
        )
        found += [Happening(e.ts_ns, e.kind, e.client_order_id, e.reason or "") for e in events]
        found += _fills_of(connection, row.scope, row.client_order_id)
    return sorted(found, key=lambda h: h.ts_ns)


def _fills_of(connection: sa.Connection, scope: str, client_order_id: str) -> list[Happening]:
    rows = connection.execute(
        sa.select(fills).where(fills.c.scope == scope, fills.c.client_order_id == client_order_id)
    )
    return [
        Happening(
            row.ts_ns,
            f"fill {row.status}",
            row.trade_id,
            f"{row.side} {from_units(row.quantity_e6)} at {from_units(row.price_e6)}",
        )
        for row in rows
    ]
