"""Orders, fills and settlements out of a finished run, each with the story its tags tell."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from decimal import ROUND_FLOOR, Decimal
from typing import TYPE_CHECKING

from nautilus_trader.model.enums import (
    LiquiditySide,
    OrderSide,
    time_in_force_to_str,
)

from backtests.collect import Collector
from backtests.models.fees import is_settlement
from backtests.models.fills import read_story
from backtests.results.rows import FillRow, MarketRef, OrderRow, SettlementRow, Story

if TYPE_CHECKING:
    from nautilus_trader.cache.cache import Cache
    from nautilus_trader.model.events import OrderFilled
    from nautilus_trader.model.orders import Order

_SIX = Decimal("0.000001")


class Sessions:
    """Finds the session of a time: the last that began before it, else the first."""

    def __init__(self, sessions: Sequence[tuple[str, int]]) -> None:
        ordered = sorted(sessions, key=lambda session: session[1])
        self._names = [name for name, _ in ordered]
        self._starts = [start_ns for _, start_ns in ordered]

    def at(self, ts_ns: int) -> str:
        """Return the name of the session of a time (ns UTC)."""
        return self._names[max(0, bisect_right(self._starts, ts_ns) - 1)]


def six(value: Decimal) -> Decimal:
    """Write an amount with six decimals; finer amounts are a bug.

    Raises
    ------
    ValueError
        If the amount has more than six decimals.
    """
    out = value.quantize(_SIX)
    if out != value:
        raise ValueError(f"{value} has more than six decimals")
    return out


def story_of(order: Order) -> Story:
    """Read what an order was for."""
    tags = read_story(order)
    leg = tags.get("leg")
    return Story(
        pair_id=tags.get("pair", ""),
        box_id=tags.get("box", ""),
        decision_id=tags.get("decision", ""),
        leg=int(leg) if leg and leg.isdigit() else None,
        role=tags.get("role", ""),
    )


def fills_and_settlements(
    collector: Collector, cache: Cache, refs: Mapping[str, MarketRef], sessions: Sessions
) -> tuple[list[FillRow], list[SettlementRow]]:
    """Return trades and settlements, each in the order they happened."""
    fills: list[FillRow] = []
    settlements: list[SettlementRow] = []
    for event in collector.fills:
        ref = refs[str(event.instrument_id)]
        if is_settlement(event.client_order_id):
            settlements.append(_settlement(event, ref, sessions))
        else:
            story = story_of(cache.order(event.client_order_id))
            fills.append(_fill(event, ref, story, sessions))
    return fills, settlements


def _fill(event: OrderFilled, ref: MarketRef, story: Story, sessions: Sessions) -> FillRow:
    price = event.last_px.as_decimal()
    quantity = event.last_qty.as_decimal()
    fee = event.commission.as_decimal()
    is_buy = event.order_side == OrderSide.BUY
    signed = -price * quantity if is_buy else price * quantity
    return FillRow(
        ts_ns=event.ts_event,
        session=sessions.at(event.ts_event),
        venue=ref.venue,
        instrument=ref.instrument,
        outcome=ref.outcome,
        side="BUY" if is_buy else "SELL",
        price=six(price),
        quantity=six(quantity),
        fee=six(fee),
        currency=ref.currency,
        liquidity="MAKER" if event.liquidity_side == LiquiditySide.MAKER else "TAKER",
        cash=six(signed - fee),
        order_id=event.client_order_id.value,
        trade_id=event.trade_id.value,
        story=story,
    )


def _settlement(event: OrderFilled, ref: MarketRef, sessions: Sessions) -> SettlementRow:
    price = event.last_px.as_decimal()
    quantity = event.last_qty.as_decimal()
    return SettlementRow(
        ts_ns=event.ts_event,
        session=sessions.at(event.ts_event),
        venue=ref.venue,
        instrument=ref.instrument,
        outcome=ref.outcome,
        pair_id=ref.pair_id,
        price=six(price),
        quantity=six(quantity),
        cash=six(price * quantity),
        currency=ref.currency,
    )


def orders(
    cache: Cache, collector: Collector, refs: Mapping[str, MarketRef], sessions: Sessions
) -> list[OrderRow]:
    """Return the strategy's orders in the order they were sent."""
    found = [order for order in cache.orders() if not is_settlement(order.client_order_id)]
    found.sort(key=lambda order: (order.ts_init, _number(order)))
    return [_order(order, collector, refs, sessions) for order in found]


def _number(order: Order) -> int:
    tail = order.client_order_id.value.rsplit("-", 1)[-1]
    return int(tail) if tail.isdigit() else 0


def _order(
    order: Order, collector: Collector, refs: Mapping[str, MarketRef], sessions: Sessions
) -> OrderRow:
    ref = refs[str(order.instrument_id)]
    filled = order.filled_qty.as_decimal()
    return OrderRow(
        ts_ns=order.ts_init,
        session=sessions.at(order.ts_init),
        venue=ref.venue,
        instrument=ref.instrument,
        outcome=ref.outcome,
        side="BUY" if order.side == OrderSide.BUY else "SELL",
        price=six(order.price.as_decimal()),
        quantity=six(order.quantity.as_decimal()),
        time_in_force=time_in_force_to_str(order.time_in_force),
        reduce_only=order.is_reduce_only,
        status=order.status_string(),
        filled_quantity=six(filled),
        average_price=_average(order) if filled else None,
        order_id=order.client_order_id.value,
        story=story_of(order),
        last_ns=order.ts_last,
        reason=collector.refusals.get(order.client_order_id.value),
    )


def _average(order: Order) -> Decimal:
    cost = Decimal(0)
    size = Decimal(0)
    for event in order.events:
        if hasattr(event, "last_px"):
            cost += event.last_px.as_decimal() * event.last_qty.as_decimal()
            size += event.last_qty.as_decimal()
    return (cost / size).quantize(_SIX, rounding=ROUND_FLOOR)
