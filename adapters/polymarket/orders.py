"""A Nautilus order → what is signed and sent, or a reason to deny it. No I/O, no clock.

Nothing is rounded into another order: a price off the current tick, a size off 0.01, an expiry too
close or a SELL of shares that are not confirmed are denied before anything is signed.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from decimal import Decimal
from typing import Final, NamedTuple

from nautilus_trader.model.enums import (
    OrderSide,
    OrderType,
    TimeInForce,
    order_type_to_str,
    time_in_force_to_str,
)
from nautilus_trader.model.orders import Order

from adapters.common.errors import UsageError
from adapters.polymarket.amounts import (
    AmountError,
    Amounts,
    check_price,
    dollar_buy_amounts,
    exact_buy_amounts,
    resting_amounts,
    taker_buy_amounts,
    taker_sell_amounts,
)
from adapters.polymarket.constants import GTD_LEAD_SECS, GTD_MIN_SECS, SALT_MAX
from adapters.polymarket.markets import Market
from adapters.polymarket.parsing import TIF_TO_VENUE
from adapters.polymarket.signing import OrderFields

EXACT_TAG: Final = "size:exact"
DOLLARS_TAG: Final = "size:dollars"
_NS: Final = 1_000_000_000
_ZERO: Final = Decimal(0)


class Denied(UsageError):
    """The order must not be sent; the message says why in one sentence."""


class OrderPlan(NamedTuple):
    """What will be signed, and what becomes of it."""

    fields: OrderFields
    amounts: Amounts
    side: str
    price: Decimal
    order_type: str
    """GTC, GTD, FAK or FOK at the venue."""
    post_only: bool
    expiration_s: int
    cancel_rest: bool
    """True for a marketable GTC that stands in for an IOC: its rest is cancelled at once."""


class OrderContext(NamedTuple):
    """What the builder needs to know of the moment."""

    market: Market
    asset_id: str
    tick_size: Decimal
    now_ns: int
    exact_shares: bool
    builder_code: str
    protection_price: Decimal | None = None
    """Worst price of a MARKET order, from the book."""


def new_salt() -> int:
    """Return a random salt that survives JSON numbers."""
    return secrets.randbelow(SALT_MAX)


def build_order(
    order: Order, context: OrderContext, salt: Callable[[], int] = new_salt
) -> OrderPlan:
    """Return what to sign for a Nautilus order.

    Raises
    ------
    Denied
        With the reason, when the venue would refuse it or it would become another order.
    """
    market = context.market
    if market.fees is None:
        raise Denied(f"fees of {market.slug} are unknown: {market.fee_problem}")
    if market.placeholder:
        raise Denied(f"{market.slug} is an unnamed placeholder outcome")
    _check_supported(order)
    side = "BUY" if order.side == OrderSide.BUY else "SELL"
    venue_type = TIF_TO_VENUE.get(_time_in_force(order))
    if venue_type is None:
        raise Denied(
            f"time in force {time_in_force_to_str(order.time_in_force)}: "
            "the venue has GTC, GTD, IOC (FAK) and FOK"
        )
    post_only = bool(getattr(order, "is_post_only", False))
    if post_only and venue_type not in ("GTC", "GTD"):
        raise Denied("post-only: only GTC and GTD orders can be post-only")
    try:
        amounts, price, cancel_rest = _amounts(order, side, venue_type, context)
    except AmountError as exc:
        raise Denied(str(exc)) from exc
    if cancel_rest:
        venue_type = "GTC"
    elif venue_type in ("GTC", "GTD") and amounts.shares < market.min_size:
        raise Denied(f"size: found {amounts.shares}, resting orders need {market.min_size} shares")
    return OrderPlan(
        fields=OrderFields(
            salt=salt(),
            token_id=context.asset_id,
            maker_amount=amounts.maker,
            taker_amount=amounts.taker,
            side=side,
            timestamp_ms=context.now_ns // 1_000_000,
            builder=context.builder_code,
        ),
        amounts=amounts,
        side=side,
        price=price,
        order_type=venue_type,
        post_only=post_only,
        expiration_s=_expiration_s(order, venue_type, context.now_ns),
        cancel_rest=cancel_rest,
    )


def _check_supported(order: Order) -> None:
    """Deny what the venue has no word for."""
    if order.order_type not in (OrderType.LIMIT, OrderType.MARKET):
        kind = order_type_to_str(order.order_type)
        raise Denied(f"order type {kind}: the venue has LIMIT and MARKET")
    if getattr(order, "display_qty", None) is not None:
        raise Denied("display_qty: the venue has no iceberg orders")
    if order.is_reduce_only and order.side == OrderSide.BUY:
        raise Denied("reduce-only BUY: a wallet cannot be short, so a BUY can reduce nothing")


def _time_in_force(order: Order) -> TimeInForce:
    if order.order_type == OrderType.MARKET and order.time_in_force == TimeInForce.GTC:
        return TimeInForce.IOC  # a market order does not rest here
    return order.time_in_force


def _amounts(
    order: Order, side: str, venue_type: str, context: OrderContext
) -> tuple[Amounts, Decimal, bool]:
    size = order.quantity.as_decimal()
    tick = context.tick_size
    price = _limit(order, context)
    if order.is_quote_quantity:
        if side != "BUY" or venue_type not in ("FAK", "FOK"):
            raise AmountError("quote quantity: only a BUY that does not rest can be in dollars")
        return dollar_buy_amounts(price, size, tick), price, False
    if venue_type in ("GTC", "GTD"):
        return resting_amounts(side, price, size, tick), price, False
    if side == "SELL":
        return taker_sell_amounts(price, size, tick), price, False
    if _wants_exact(order, context) and venue_type == "FAK":
        return exact_buy_amounts(price, size, tick), price, True
    return taker_buy_amounts(price, size, tick), price, False


def _limit(order: Order, context: OrderContext) -> Decimal:
    if order.order_type == OrderType.LIMIT:
        price: Decimal = order.price.as_decimal()
    elif context.protection_price is None:
        raise AmountError("market order: the book is empty on the other side")
    else:
        price = context.protection_price
    check_price(price, context.tick_size)
    return price


def _wants_exact(order: Order, context: OrderContext) -> bool:
    tags = order.tags or []
    if EXACT_TAG in tags:
        return True
    return context.exact_shares and DOLLARS_TAG not in tags


def _expiration_s(order: Order, venue_type: str, now_ns: int) -> int:
    """Return the expiration to send: the venue kills the order 60 s before it."""
    if venue_type != "GTD":
        return 0
    expires_ns: int = order.expire_time_ns
    expiration_s = expires_ns // _NS + GTD_LEAD_SECS
    soonest_s = now_ns // _NS + GTD_MIN_SECS
    if expiration_s < soonest_s:
        raise Denied(
            f"expire time: {(expires_ns - now_ns) / _NS:.0f} s ahead, GTD orders need at least "
            f"{GTD_MIN_SECS - GTD_LEAD_SECS} s"
        )
    return expiration_s


def protection_price(
    levels: list[tuple[Decimal, Decimal]], amount: Decimal, *, in_dollars: bool
) -> Decimal | None:
    """Return the worst level a market order of `amount` touches, or None without liquidity.

    >>> book = [(Decimal("0.50"), Decimal(10)), (Decimal("0.52"), Decimal(10))]
    >>> protection_price(book, Decimal(15), in_dollars=False)
    Decimal('0.52')
    """
    worst: Decimal | None = None
    left = amount
    for price, size in levels:
        worst = price
        left -= size * price if in_dollars else size
        if left <= _ZERO:
            break
    return worst
