"""The journal's statements and the tuples they bind; no connection, no transaction."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from core.money import floor_units, from_units, to_text, to_units
from journal.records import (
    Amount,
    BookSeen,
    DecisionRow,
    Fill,
    Incident,
    Intent,
    IntentEvent,
    IntentLeg,
    OrderEvent,
    OrderRow,
    Run,
)

SqlValue = str | int | None


def _insert(table: str, columns: str) -> str:
    names = columns.split()
    return f"INSERT INTO {table} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})"  # noqa: S608 - names are literals of this module


RUN = _insert("runs", "run_id scope kind started_ns config_hash config code_version")
INTENT = _insert(
    "intents",
    "intent_id run_id scope ts_ns pair_id box_id direction plan quantity_e6 decision_id payload",
)
LEG = _insert(
    "intent_legs",
    "intent_id leg venue instrument side price_e6 quantity_e6 time_in_force client_order_id"
    " deadline_ns",
)
INTENT_EVENT = _insert("intent_events", "intent_id run_id ts_ns state ends reason detail")
DECISION = _insert(
    "decisions",
    "run_id decision_id ts_ns pair_id kind direction outcome reason gross_edge_e6 net_edge_e6"
    " required_edge_e6 quantity_e6 payload",
)
BOOK = _insert("books", "run_id decision_id venue instrument ts_event_ns ts_init_ns bids asks")
_ORDER_COLUMNS = (
    "scope client_order_id run_id ts_ns venue instrument side time_in_force price_e6 quantity_e6"
    " reduce_only pair_id box_id leg role intent_id decision_id"
)
ORDER = _insert("orders", _ORDER_COLUMNS)
ORDER_EVENT = _insert(
    "order_events",
    "scope client_order_id run_id ts_ns ts_venue_ns kind venue_order_id reason detail",
)
FILL = _insert(
    "fills",
    "scope run_id ts_ns ts_venue_ns venue instrument trade_id client_order_id side price_e6"
    " quantity_e6 liquidity currency status",
)
FILL_FACTS = (
    "SELECT instrument, side, price_e6, quantity_e6 FROM fills"
    " WHERE scope = ? AND venue = ? AND trade_id = ? AND client_order_id = ? LIMIT 1"
)
FILL_KNOWN = (
    "SELECT 1 FROM fills WHERE scope = ? AND venue = ? AND trade_id = ? AND client_order_id = ?"
    " AND status = ?"
)
FEE = _insert("fees", "scope run_id ts_ns venue trade_id client_order_id kind amount_e6 currency")
FEE_KNOWN = (
    "SELECT amount_e6 FROM fees WHERE scope = ? AND venue = ? AND trade_id = ?"
    " AND client_order_id = ? AND kind = ?"
)
BELIEF = _insert("beliefs", "run_id ts_ns venue kind subject amount_e6")
POSITION = _insert("positions", "run_id ts_ns venue kind subject amount_e6 belief_seq")
INCIDENT = _insert("incidents", "run_id ts_ns severity code message event_id detail")


def leg_values(intent_id: str, leg: IntentLeg) -> tuple[SqlValue, ...]:
    """Bind ``LEG``."""
    return (
        intent_id,
        leg.leg,
        leg.venue,
        leg.instrument,
        leg.side,
        to_units(leg.price, "leg.price"),
        to_units(leg.quantity, "leg.quantity"),
        leg.time_in_force,
        leg.client_order_id,
        leg.deadline_ns,
    )


def book_values(run_id: str, decision_id: str, book: BookSeen) -> tuple[SqlValue, ...]:
    """Bind ``BOOK``."""
    return (
        run_id,
        decision_id,
        book.venue,
        book.instrument,
        book.ts_event_ns,
        book.ts_init_ns,
        _ladder(book.bids),
        _ladder(book.asks),
    )


def _ladder(levels: tuple[tuple[Decimal, Decimal], ...]) -> str:
    return msgspec.json.encode([[to_text(p), to_text(q)] for p, q in levels]).decode()


def _edge(value: Decimal | None) -> int | None:
    return None if value is None else floor_units(value)


def facts_text(facts: tuple[str, str, int, int]) -> str:
    """Say what a trade was, for an error."""
    instrument, side, price, quantity = facts
    return f"{side} {to_text(from_units(quantity))} {instrument} at {to_text(from_units(price))}"


def run_values(run: Run) -> tuple[SqlValue, ...]:
    """Bind ``RUN``."""
    return (
        run.run_id,
        run.scope,
        run.kind,
        run.started_ns,
        run.config_hash,
        run.config,
        run.code_version,
    )


def intent_values(intent: Intent, run: Run) -> tuple[SqlValue, ...]:
    """Bind ``INTENT``."""
    return (
        intent.intent_id,
        run.run_id,
        run.scope,
        intent.ts_ns,
        intent.pair_id,
        intent.box_id,
        intent.direction,
        intent.plan,
        to_units(intent.quantity, "intent.quantity"),
        intent.decision_id,
        intent.payload,
    )


def order_values(order: OrderRow, run: Run) -> tuple[SqlValue, ...]:
    """Bind ``ORDER``."""
    return (
        run.scope,
        order.client_order_id,
        run.run_id,
        order.ts_ns,
        order.venue,
        order.instrument,
        order.side,
        order.time_in_force,
        None if order.price is None else to_units(order.price, "order.price"),
        to_units(order.quantity, "order.quantity"),
        int(order.reduce_only),
        order.pair_id,
        order.box_id,
        order.leg,
        order.role,
        order.intent_id,
        order.decision_id,
    )


def intent_event_values(event: IntentEvent, run: Run) -> tuple[SqlValue, ...]:
    """Bind ``INTENT_EVENT``."""
    return (
        event.intent_id,
        run.run_id,
        event.ts_ns,
        event.state,
        int(event.ends),
        event.reason,
        event.detail,
    )


def decision_values(row: DecisionRow, run: Run) -> tuple[SqlValue, ...]:
    """Bind ``DECISION``."""
    return (
        run.run_id,
        row.decision_id,
        row.ts_ns,
        row.pair_id,
        row.kind,
        row.direction,
        row.outcome,
        row.reason,
        _edge(row.gross_edge),
        _edge(row.net_edge),
        _edge(row.required_edge),
        None if row.quantity is None else to_units(row.quantity, "decision.quantity"),
        row.payload,
    )


def order_event_values(event: OrderEvent, run: Run) -> tuple[SqlValue, ...]:
    """Bind ``ORDER_EVENT``."""
    return (
        run.scope,
        event.client_order_id,
        run.run_id,
        event.ts_ns,
        event.ts_venue_ns,
        event.kind,
        event.venue_order_id,
        event.reason,
        event.detail,
    )


def fill_facts(fill: Fill) -> tuple[str, str, int, int]:
    """Return what must be the same each time a trade is reported."""
    return (
        fill.instrument,
        str(fill.side),
        to_units(fill.price, "fill.price"),
        to_units(fill.quantity, "fill.quantity"),
    )


def fill_values(fill: Fill, run: Run) -> tuple[SqlValue, ...]:
    """Bind ``FILL``."""
    return (
        run.scope,
        run.run_id,
        fill.ts_ns,
        fill.ts_venue_ns,
        fill.venue,
        fill.instrument,
        fill.trade_id,
        fill.client_order_id,
        *fill_facts(fill)[1:],
        fill.liquidity,
        fill.currency,
        fill.status,
    )


def fee_values(fill: Fill, kind: str, amount: int, run: Run) -> tuple[SqlValue, ...]:
    """Bind ``FEE``."""
    return (
        run.scope,
        run.run_id,
        fill.ts_ns,
        fill.venue,
        fill.trade_id,
        fill.client_order_id,
        kind,
        amount,
        fill.currency,
    )


def amount_values(amount: Amount, run: Run) -> tuple[SqlValue, ...]:
    """Bind ``BELIEF``, and ``POSITION`` but for its last column."""
    return (
        run.run_id,
        amount.ts_ns,
        amount.venue,
        amount.kind,
        amount.subject,
        to_units(amount.amount, "amount"),
    )


def incident_values(incident: Incident, run: Run) -> tuple[SqlValue, ...]:
    """Bind ``INCIDENT``."""
    return (
        run.run_id,
        incident.ts_ns,
        incident.severity,
        incident.code,
        incident.message,
        incident.event_id,
        incident.detail,
    )
