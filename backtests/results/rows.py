"""The records of a result: plain, exact, in the order things happened."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from core.contracts import Direction

ZERO = Decimal("0.000000")


class Story(msgspec.Struct, frozen=True):
    """What an order was for, from its tags; empty where the strategy gave none."""

    pair_id: str = ""
    box_id: str = ""
    decision_id: str = ""
    leg: int | None = None
    role: str = ""


class FillRow(msgspec.Struct, frozen=True, kw_only=True):
    """One trade. ``cash`` is the signed change of the account, fee included."""

    ts_ns: int
    session: str
    venue: str
    instrument: str
    outcome: str
    side: str
    price: Decimal
    quantity: Decimal
    fee: Decimal
    currency: str
    liquidity: str
    cash: Decimal
    order_id: str
    trade_id: str
    story: Story

    @property
    def is_buy(self) -> bool:
        """Whether contracts came in."""
        return self.side == "BUY"

    @property
    def cost(self) -> Decimal:
        """Price times quantity, without the fee."""
        return self.price * self.quantity


class SettlementRow(msgspec.Struct, frozen=True, kw_only=True):
    """One position that a venue paid out."""

    ts_ns: int
    session: str
    venue: str
    instrument: str
    outcome: str
    pair_id: str
    price: Decimal
    quantity: Decimal
    cash: Decimal
    currency: str


class OrderRow(msgspec.Struct, frozen=True, kw_only=True):
    """One order with its final state."""

    ts_ns: int
    session: str
    venue: str
    instrument: str
    outcome: str
    side: str
    price: Decimal
    quantity: Decimal
    time_in_force: str
    reduce_only: bool
    status: str
    filled_quantity: Decimal
    average_price: Decimal | None
    order_id: str
    story: Story
    last_ns: int
    reason: str | None


class MarketRef(msgspec.Struct, frozen=True, kw_only=True):
    """What the results need to know of an instrument.

    ``leg`` is 0 for the pair's first market and 1 for its second; ``is_pair_yes`` says whether the
    instrument is the YES of the *pair*. ``value`` is what a contract of it pays, None if unknown.
    """

    instrument: str
    venue: str
    outcome: str
    pair_id: str
    currency: str
    leg: int
    is_pair_yes: bool
    value: Decimal | None


class BoxRow(msgspec.Struct, frozen=True, kw_only=True):
    """One box: what was opened under one box id and what became of it."""

    ts_ns: int
    session: str
    pair_id: str
    box_id: str
    decision_id: str
    direction: Direction | None
    contracts: Decimal
    cost: Decimal
    fees: Decimal
    locked: Decimal
    slippage: Decimal
    detected: Decimal
    not_filled: Decimal
    unwound: Decimal
    unwind_pnl: Decimal
    closed: Decimal
    closed_pnl: Decimal
    unhedged: Decimal
    unhedged_pnl: Decimal
    settlement_pnl: Decimal
    pnl: Decimal
    spent: Decimal
    held: Decimal
    status: str
    end_ns: int | None


class EquityRow(msgspec.Struct, frozen=True, kw_only=True):
    """Cash and holdings of one venue after one event."""

    ts_ns: int
    venue: str
    event: str
    cash: Decimal
    holdings_cost: Decimal
    worst_total: Decimal
    currency: str


class PositionRow(msgspec.Struct, frozen=True, kw_only=True):
    """One instrument ever held."""

    venue: str
    instrument: str
    outcome: str
    pair_id: str
    bought: Decimal
    sold: Decimal
    settled: Decimal
    open: Decimal
    cost: Decimal
    proceeds: Decimal
    fees: Decimal
    settlement_price: Decimal | None
    settlement_cash: Decimal
    realised: Decimal | None
    first_ns: int
    last_ns: int
    currency: str
