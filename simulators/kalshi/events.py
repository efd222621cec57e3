"""What happened, for whoever listens: WebSocket sessions, candles, tests."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from simulators.kalshi.model import Fill, Order, OrderGroup, Position, Trade


@dataclass(frozen=True, slots=True)
class BookDelta:
    """Resting quantity of one level changed; ``user_id`` caused it with ``client_order_id``."""

    ticker: str
    side: str
    px: int
    delta: int
    ts_ns: int
    user_id: str
    client_order_id: str
    subaccount: int


@dataclass(frozen=True, slots=True)
class Traded:
    """A public trade."""

    trade: Trade


@dataclass(frozen=True, slots=True)
class Filled:
    """A private fill."""

    fill: Fill


@dataclass(frozen=True, slots=True)
class OrderChanged:
    """An order is new, filled, changed or gone; ``order`` is a copy of that moment."""

    order: Order
    reason: str


@dataclass(frozen=True, slots=True)
class PositionChanged:
    """A position moved; ``position`` is a copy of that moment."""

    user_id: str
    subaccount: int
    position: Position


@dataclass(frozen=True, slots=True)
class MarketEvent:
    """A life-cycle message of a market, with the fields that belong to it."""

    ticker: str
    event_type: str
    fields: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class EventCreated:
    """A new event."""

    event_ticker: str


@dataclass(frozen=True, slots=True)
class EventFeesChanged:
    """An event's fee override was set or cleared."""

    event_ticker: str
    fee_type: str | None
    multiplier: float | int | None


@dataclass(frozen=True, slots=True)
class GroupChanged:
    """An order group was created, triggered, reset, deleted or given a new limit."""

    event_type: str
    group: OrderGroup
    ts_ns: int


type VenueEvent = (
    BookDelta
    | Traded
    | Filled
    | OrderChanged
    | PositionChanged
    | MarketEvent
    | EventCreated
    | EventFeesChanged
    | GroupChanged
)
