"""What the venue knows: series, events, markets, accounts, orders, fills, positions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from simulators.kalshi.fees import FeeAccumulator
from simulators.kalshi.grid import STRUCTURES, Band
from simulators.kalshi.units import DOLLAR_PX

TRADABLE = "active"


@dataclass(slots=True)
class Series:
    """A template of events, with the fees of all its markets."""

    ticker: str
    title: str
    category: str
    frequency: str = "custom"
    tags: tuple[str, ...] = ()
    fee_type: str = "quadratic"
    fee_multiplier: Fraction = Fraction(1)
    exchange_index: int = 0
    sources: tuple[Mapping[str, str], ...] = ()
    updated_ns: int = 0


@dataclass(slots=True)
class Event:
    """One occurrence; its markets share the shard."""

    ticker: str
    series_ticker: str
    title: str
    sub_title: str
    category: str
    mutually_exclusive: bool
    exchange_index: int
    strike_ns: int
    updated_ns: int
    fee_type_override: str | None = None
    fee_multiplier_override: Fraction | None = None
    metadata: dict[str, Any] = field(default_factory=dict)

    @property
    def collateral_return_type(self) -> str:
        """Return MECNET exactly for mutually exclusive events."""
        return "MECNET" if self.mutually_exclusive else ""


@dataclass(slots=True)
class Market:
    """One binary contract and the state of its life."""

    ticker: str
    event_ticker: str
    market_id: str
    title: str
    yes_sub_title: str
    no_sub_title: str
    rules_primary: str
    rules_secondary: str
    exchange_index: int
    created_ns: int
    open_ns: int
    close_ns: int
    expected_ns: int
    latest_ns: int
    structure: str = "linear_cent"
    market_type: str = "binary"
    settlement_timer_s: int = 60
    strike_type: str | None = None
    floor_strike: float | None = None
    cap_strike: float | None = None
    custom_strike: Mapping[str, str] | None = None
    early_close_condition: str | None = None
    occurrence_ns: int | None = None
    fee_waiver_ns: int = 0
    outcome: str = ""
    status: str = "initialized"
    result: str = ""
    value: int | None = None
    expiration_value: str = ""
    determined_ns: int = 0
    settle_due_ns: int = 0
    settled_ns: int = 0
    updated_ns: int = 0
    deactivated: bool = False
    halted: bool = False
    close_cancel_due_ns: int = 0
    last_px: int = 0
    last_qty: int = 0
    volume: int = 0
    open_interest: int = 0

    @property
    def bands(self) -> tuple[Band, ...]:
        """Return the price grid in force."""
        return STRUCTURES[self.structure]

    @property
    def finished(self) -> bool:
        """Return whether the market was paid out."""
        return self.status == "finalized"


@dataclass(slots=True)
class Account:
    """A member. ``house`` accounts are the background market: no limits, no history."""

    user_id: str
    name: str
    tier: str = "basic"
    precision: int = 100
    house: bool = False
    subaccounts: set[int] = field(default_factory=lambda: {0})
    netting: dict[int, bool] = field(default_factory=dict)
    allocation: list[dict[str, int]] = field(default_factory=list)
    resting_margin_reservation: str = "none"
    attestation_lapsed: bool = False
    orders_created: int = 0


@dataclass(slots=True)
class Order:
    """One order; quantities in 0.01 contract, ``px`` the YES price in $0.0001."""

    order_id: str
    client_order_id: str
    user_id: str
    subaccount: int
    ticker: str
    side: str
    px: int
    initial: int
    remaining: int
    tif: str
    stp: str
    created_ns: int
    updated_ns: int
    exchange_index: int
    expiry_ns: int = 0
    post_only: bool = False
    reduce_only: bool = False
    cancel_on_pause: bool = False
    group_id: str = ""
    filled: int = 0
    taker_cost: int = 0
    maker_cost: int = 0
    taker_fees: int = 0
    maker_fees: int = 0
    fill_value: int = 0
    status: str = "resting"
    reason: str = ""
    priority: int = 0
    rested: bool = False
    fees: FeeAccumulator = field(default_factory=FeeAccumulator)

    @property
    def is_bid(self) -> bool:
        """Return whether the order buys YES."""
        return self.side == "bid"

    def cost_px(self, px: int) -> int:
        """Return what one contract costs this side at YES price ``px``: P, or 1 − P for an ask."""
        return px if self.is_bid else DOLLAR_PX - px


@dataclass(frozen=True, slots=True)
class Fill:
    """One side of an execution."""

    trade_id: str
    order_id: str
    client_order_id: str
    user_id: str
    subaccount: int
    ticker: str
    exchange_index: int
    side: str
    px: int
    qty: int
    is_taker: bool
    fee: int
    position: int
    ts_ns: int


@dataclass(frozen=True, slots=True)
class Trade:
    """One public execution."""

    trade_id: str
    ticker: str
    px: int
    qty: int
    taker_side: str
    ts_ns: int
    is_block: bool = False
    open_interest: int = 0


@dataclass(slots=True)
class Position:
    """Signed holding of one subaccount in one market; costs in $0.000001."""

    ticker: str
    exchange_index: int
    qty: int = 0
    cost: int = 0
    traded: int = 0
    volume: int = 0
    realized: int = 0
    fees: int = 0
    position_fees: int = 0
    updated_ns: int = 0
    settled: bool = False


@dataclass(frozen=True, slots=True)
class Settlement:
    """What one subaccount was paid for one market."""

    user_id: str
    subaccount: int
    ticker: str
    event_ticker: str
    exchange_index: int
    result: str
    value: int
    yes_qty: int
    no_qty: int
    yes_cost: int
    no_cost: int
    revenue: int
    fee: int
    ts_ns: int


@dataclass(slots=True)
class OrderGroup:
    """Orders that are canceled together when 15 seconds fill more than ``limit``."""

    group_id: str
    user_id: str
    subaccount: int
    exchange_index: int
    limit: int
    active: bool = True
    fills: list[tuple[int, int]] = field(default_factory=list)


@dataclass(slots=True)
class Transfer:
    """Cash on its way between two shards; ``amount`` in $0.0001."""

    transfer_id: str
    user_id: str
    source_shard: int
    destination_shard: int
    source_subaccount: int
    destination_subaccount: int
    amount: int
    created_ns: int
    visible_ns: int
    complete_ns: int
    status: str = "pending"


@dataclass(frozen=True, slots=True)
class FeeChange:
    """A change of fees, scheduled or done; ``ticker`` of a series or of an event."""

    change_id: str
    ticker: str
    series_ticker: str
    fee_type: str | None
    multiplier: Fraction | None
    at_ns: int
