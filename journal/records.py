"""What is written to the journal, as frozen structs.

Amounts are ``Decimal`` (dollars, contracts), times ``int`` nanoseconds UTC. ``venue`` and
``instrument`` are the texts of the instrument ids (``KXA-YES.KALSHI``). Identifiers are the
caller's: the decision's id is the event id that joins decision, intent, orders and fills.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

import msgspec

RunKind = Literal["backtest", "sim", "paper", "observe", "live"]
Side = Literal["BUY", "SELL"]
FillStatus = Literal["provisional", "final", "reverted"]
AmountKind = Literal["position", "cash"]
Severity = Literal["info", "warning", "error", "critical"]


class Run(msgspec.Struct, frozen=True):
    """One process that wrote to the journal.

    ``scope`` names the accounts whose truth the run shares. A restart keeps its scope, so fills
    reported again are recognised; a backtest has a scope of its own.
    """

    run_id: str
    scope: str
    kind: RunKind
    started_ns: int
    config_hash: str
    config: str
    code_version: str


class IntentLeg(msgspec.Struct, frozen=True):
    """One leg as it is going to be sent. ``price`` is the limit, ``deadline_ns`` gives it up."""

    leg: Literal[1, 2]
    venue: str
    instrument: str
    side: Side
    price: Decimal
    quantity: Decimal
    time_in_force: str
    client_order_id: str | None = None
    deadline_ns: int | None = None


class Intent(msgspec.Struct, frozen=True):
    """What is about to be done on two venues, written before the first byte of it is sent."""

    intent_id: str
    ts_ns: int
    pair_id: str
    box_id: str
    direction: str
    plan: str
    quantity: Decimal
    legs: tuple[IntentLeg, ...]
    decision_id: str | None = None
    payload: str = "{}"


class IntentEvent(msgspec.Struct, frozen=True):
    """A change of state of an intent. ``ends`` marks the last one: nothing is left to do."""

    intent_id: str
    ts_ns: int
    state: str
    ends: bool = False
    reason: str | None = None
    detail: str | None = None


class BookSeen(msgspec.Struct, frozen=True):
    """A book as a decision saw it: levels best first, as (price, size)."""

    venue: str
    instrument: str
    ts_event_ns: int
    ts_init_ns: int
    bids: tuple[tuple[Decimal, Decimal], ...]
    asks: tuple[tuple[Decimal, Decimal], ...]


class DecisionRow(msgspec.Struct, frozen=True):
    """A decision to open a box or to close one early, taken or refused.

    ``payload`` is the canonical encoding of the whole record, from which the decision digest is
    computed; the edges beside it are for queries and floored to a millionth of a dollar.
    """

    decision_id: str
    ts_ns: int
    pair_id: str
    direction: str
    outcome: Literal["taken", "refused"]
    reason: str
    payload: str
    gross_edge: Decimal | None = None
    net_edge: Decimal | None = None
    required_edge: Decimal | None = None
    quantity: Decimal | None = None
    kind: Literal["open", "close"] = "open"
    books: tuple[BookSeen, ...] = ()


class OrderRow(msgspec.Struct, frozen=True):
    """An order's identity, written before it is sent. ``price`` None is a market order."""

    client_order_id: str
    ts_ns: int
    venue: str
    instrument: str
    side: Side
    time_in_force: str
    price: Decimal | None
    quantity: Decimal
    reduce_only: bool = False
    pair_id: str | None = None
    box_id: str | None = None
    leg: Literal[1, 2] | None = None
    role: str | None = None
    intent_id: str | None = None
    decision_id: str | None = None


class OrderEvent(msgspec.Struct, frozen=True):
    """Something that happened to an order: ``submitted``, ``rejected``, ``unknown`` and so on."""

    client_order_id: str
    ts_ns: int
    kind: str
    ts_venue_ns: int | None = None
    venue_order_id: str | None = None
    reason: str | None = None
    detail: str | None = None


class Fill(msgspec.Struct, frozen=True):
    """One trade of ours with its standing: matched, confirmed or reverted by the venue."""

    ts_ns: int
    venue: str
    instrument: str
    trade_id: str
    client_order_id: str
    side: Side
    price: Decimal
    quantity: Decimal
    liquidity: str
    currency: str
    status: FillStatus
    ts_venue_ns: int | None = None
    fee_expected: Decimal | None = None
    fee_charged: Decimal | None = None


class Amount(msgspec.Struct, frozen=True):
    """A holding: contracts of ``subject`` (an instrument) or cash in ``subject`` (a currency)."""

    ts_ns: int
    venue: str
    kind: AmountKind
    subject: str
    amount: Decimal


class Incident(msgspec.Struct, frozen=True):
    """Something a person should know about, with the numbers in ``detail`` (JSON)."""

    ts_ns: int
    severity: Severity
    code: str
    message: str
    event_id: str | None = None
    detail: str | None = None
