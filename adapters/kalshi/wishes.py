"""Nautilus orders and commands to wishes, and so to requests or denials."""

from __future__ import annotations

from dataclasses import dataclass

from nautilus_trader.execution.messages import ModifyOrder
from nautilus_trader.model.enums import OrderType, TimeInForce, order_type_to_str
from nautilus_trader.model.orders import Order

from adapters.common.errors import AdapterError
from adapters.kalshi import netting, orders, parsing
from adapters.kalshi.commands import CancelWish
from adapters.kalshi.desk import Desk
from adapters.kalshi.markets import KalshiMarket
from adapters.kalshi.orders import Denied, Terms, Wish
from core.fees.base import UnknownFeesError
from core.money import from_units, to_units

_TIF = {
    TimeInForce.GTC: orders.TimeInForce.GTC,
    TimeInForce.GTD: orders.TimeInForce.GTC,
    TimeInForce.IOC: orders.TimeInForce.IOC,
    TimeInForce.FOK: orders.TimeInForce.FOK,
}


@dataclass(frozen=True, slots=True)
class Change:
    """A modify that can be sent.

    Attributes
    ----------
    shrinks : bool
        Only the size goes down: the order keeps its place in the queue.
    price_u, total_u : int
        What the order will be: price of its leg, and total contracts, in units.
    """

    venue_id: str
    request: dict[str, object]
    shard: int | None
    shrinks: bool
    price_u: int
    total_u: int


def create_request(desk: Desk, order: Order) -> dict[str, object] | Denied:
    """Return the request for an order, or why it is not sent."""
    reason = _unsupported(order)
    if reason is not None:
        return Denied(reason)
    try:
        market = desk.provider.market_of(order.instrument_id)
        if order.is_buy:
            market.fees.at(desk.now_ns())  # unknown fees: open nothing, but let exits pass
        ticker, leg = parsing.market_leg(order.instrument_id)
        wish = Wish(
            client_id=order.client_order_id.value,
            leg=leg,
            buy=order.is_buy,
            price_u=to_units(order.price.as_decimal(), "price"),
            size_u=to_units(order.quantity.as_decimal(), "size"),
            tif=_TIF[order.time_in_force],
            expire_ns=order.expire_time_ns if order.time_in_force == TimeInForce.GTD else 0,
            post_only=order.is_post_only,
            reduce_only=order.is_reduce_only,
        )
    except (AdapterError, UnknownFeesError, ValueError) as exc:
        return Denied(str(exc))
    return orders.build(
        wish,
        _terms(desk, market),
        held=desk.holdings.of(ticker),
        offered_u=desk.offered_u(ticker, leg),
        now_ns=desk.now_ns(),
    )


def change_request(desk: Desk, client_id: str, command: ModifyOrder) -> Change | Denied:
    """Return the request for a modify, or why it is not sent."""
    order = desk.events.order(client_id)
    tracked = desk.ledger.find(client_id=client_id)
    if order is None or tracked is None or tracked.is_closed:
        return Denied("the order is not open at Kalshi")
    if not tracked.venue_id or tracked.doubt or client_id in desk.targets:
        return Denied("the outcome of an earlier command on this order is not known yet")
    try:
        market = desk.provider.market_of(order.instrument_id)
    except AdapterError as exc:
        return Denied(str(exc))
    ticker, leg = parsing.market_leg(order.instrument_id)
    old_price_u, old_u = parsing.price_u(order.price), to_units(tracked.quantity)
    price_u = old_price_u if command.price is None else parsing.price_u(command.price)
    total_u = old_u if command.quantity is None else parsing.quantity_u(command.quantity)
    reason = (
        orders.wrong_price(price_u, market.grid, leg)
        or orders.wrong_size(total_u)
        or _wrong_total(desk, order, client_id, total_u)
    )
    if reason is not None:
        return Denied(reason)
    shrinks = price_u == old_price_u and total_u < old_u
    if shrinks:
        request = orders.decrease(ticker=ticker, by_u=old_u - total_u, shard=market.shard)
    else:
        request = orders.amend(
            ticker=ticker,
            bid=netting.is_bid(leg, buy=order.is_buy),
            leg=leg,
            price_u=price_u,
            total_u=total_u,
            client_id=client_id,
            shard=market.shard,
        )
    return Change(tracked.venue_id, request, market.shard, shrinks, price_u, total_u)


def cancel_wish(desk: Desk, client_id: str) -> CancelWish:
    """Return what a cancel of a tracked order names."""
    tracked = desk.ledger.find(client_id=client_id)
    order = desk.events.order(client_id)
    assert tracked is not None, "only tracked orders are cancelled"
    if order is None:
        return CancelWish(tracked.venue_id, "", None)
    ticker, _ = parsing.market_leg(order.instrument_id)
    market = desk.provider.markets.get(ticker)
    return CancelWish(tracked.venue_id, ticker, market.shard if market is not None else None)


def _terms(desk: Desk, market: KalshiMarket) -> Terms:
    config = desk.config
    return Terms(
        ticker=market.ticker,
        grid=market.grid,
        shard=market.shard,
        stp_type=config.stp_type,
        cancel_on_pause=config.cancel_on_pause,
        subaccount=config.subaccount or None,
    )


def _unsupported(order: Order) -> str | None:
    """Return what about an order the venue cannot do, None if nothing."""
    if order.order_type != OrderType.LIMIT:
        kind = order_type_to_str(order.order_type)
        return f"order type: found {kind}, allowed: LIMIT (with IOC it crosses like a MARKET order)"
    if order.time_in_force not in _TIF:
        return f"time in force: found {order.time_in_force.name}, allowed: GTC, GTD, IOC, FOK"
    if order.is_quote_quantity:
        return "size: found a quote quantity, allowed: contracts"
    if order.display_qty is not None:
        return "display_qty: found one, allowed: none (the venue has no iceberg orders)"
    return None


def _wrong_total(desk: Desk, order: Order, client_id: str, total_u: int) -> str | None:
    tracked = desk.ledger.find(client_id=client_id)
    filled_u = to_units(tracked.filled) if tracked is not None else 0
    if total_u <= filled_u:
        return (
            f"size: found {from_units(total_u)}, already filled {from_units(filled_u)}: cancel it"
        )
    if order.is_buy:
        return None
    ticker, leg = parsing.market_leg(order.instrument_id)
    offered_u = desk.offered_u(ticker, leg, without=client_id)
    free_u = netting.sellable(leg, desk.holdings.of(ticker), offered_u)
    if total_u - filled_u > free_u:
        return f"size: found {from_units(total_u - filled_u)} to sell, held {from_units(free_u)}"
    return None
