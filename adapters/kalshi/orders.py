"""From a wish to a V2 order request, or to the reason why not (pure).

Rules of the venue, cited below (SDK 3.34.0 ``CreateOrderV2Request``; docs /api-reference/orders,
read 2026-08-22):

1. ``price`` is always the YES price; ``bid`` buys YES, ``ask`` sells YES or buys NO at 1 − price.
2. Price and count are strings: price on the market's grid strictly inside (0, 1), count a positive
   multiple of 0.01.
3. There are no market, stop or quote-quantity orders.
4. ``expiration_time`` is in whole seconds, in the future, and only with ``good_till_canceled``.
5. ``reduce_only`` only with ``immediate_or_cancel``; elsewhere our own holdings are the guard.
6. ``client_order_id`` is at most 64 characters of ``[A-Za-z0-9_-]``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from adapters.kalshi import netting
from adapters.kalshi.constants import CLIENT_ID_MAX
from adapters.kalshi.netting import Gross
from adapters.kalshi.numbers import ONE, text2, text4
from adapters.kalshi.symbols import Leg
from core.money import PriceGrid, from_units, to_text

_CLIENT_ID = re.compile(rf"[A-Za-z0-9_-]{{1,{CLIENT_ID_MAX}}}")
_NS = 1_000_000_000
#: One hundredth of a contract, the smallest size everywhere since April 2026.
LOT_U = 10_000


class TimeInForce(StrEnum):
    """What the venue calls the life of an order."""

    GTC = "good_till_canceled"
    IOC = "immediate_or_cancel"
    FOK = "fill_or_kill"


@dataclass(frozen=True, slots=True)
class Terms:
    """What a market demands of an order.

    Attributes
    ----------
    shard : int or None
        Exchange index; named in requests because auto-routing is slower and costs more.
    """

    ticker: str
    grid: PriceGrid
    shard: int | None
    stp_type: str = "taker_at_cross"
    cancel_on_pause: bool = False
    subaccount: int | None = None


@dataclass(frozen=True, slots=True)
class Wish:
    """An order as the strategy means it.

    Attributes
    ----------
    price_u, size_u : int
        Price of the leg and contracts, in units of 0.000001.
    expire_ns : int
        0 for none; Unix nanoseconds.
    """

    client_id: str
    leg: Leg
    buy: bool
    price_u: int
    size_u: int
    tif: TimeInForce = TimeInForce.GTC
    expire_ns: int = 0
    post_only: bool = False
    reduce_only: bool = False


@dataclass(frozen=True, slots=True)
class Denied:
    """Why an order is not sent; one sentence."""

    reason: str


def build(
    wish: Wish, terms: Terms, *, held: Gross, offered_u: int, now_ns: int
) -> dict[str, object] | Denied:
    """Return the create request, or why there is none.

    Parameters
    ----------
    held : Gross
        What is held of both legs now.
    offered_u : int
        Units of the leg that open SELL orders already offer.
    now_ns : int
        Wall clock, for expiry.
    """
    reason = (
        _wrong_id(wish.client_id)
        or wrong_price(wish.price_u, terms.grid, wish.leg)
        or wrong_size(wish.size_u)
        or _wrong_life(wish, now_ns)
        or _wrong_holding(wish, held, offered_u)
    )
    if reason is not None:
        return Denied(reason)
    request: dict[str, object] = {
        "ticker": terms.ticker,
        "client_order_id": wish.client_id,
        "side": "bid" if netting.is_bid(wish.leg, buy=wish.buy) else "ask",
        "count": text2(wish.size_u),
        "price": text4(netting.leg_price(wish.leg, wish.price_u)),
        "time_in_force": wish.tif.value,
        "self_trade_prevention_type": terms.stp_type,
        "cancel_order_on_pause": terms.cancel_on_pause,
        "subaccount": terms.subaccount,
        "exchange_index": terms.shard,
    }
    if wish.expire_ns:
        request["expiration_time"] = wish.expire_ns // _NS
    if wish.post_only:
        request["post_only"] = True
    other_u = held.no if wish.leg is Leg.YES else held.yes
    if wish.reduce_only and wish.tif is TimeInForce.IOC and other_u == 0:
        # Rule 5. With both legs held here the venue sees only the net, and would cut the order.
        request["reduce_only"] = True
    return {key: value for key, value in request.items() if value is not None}


def wrong_price(price_u: int, grid: PriceGrid, leg: Leg) -> str | None:
    """Return why a price of ``leg`` cannot be ordered (rule 2), None if it can."""
    yes_u = netting.leg_price(leg, price_u)
    if not 0 < price_u < ONE:
        return f"price: found {_show(price_u)}, allowed: between 0 and 1"
    if not grid.contains_u(yes_u) or yes_u % 100:
        low, high = (
            netting.leg_price(leg, edge) for edge in (grid.floor_u(yes_u), grid.ceil_u(yes_u))
        )
        below, above = sorted((low, high))
        return (
            f"price: found {_show(price_u)}, off the grid; "
            f"next allowed: {_show(below)} and {_show(above)}"
        )
    return None


def wrong_size(size_u: int) -> str | None:
    """Return why a size cannot be ordered (rule 2), None if it can."""
    if size_u < LOT_U:
        return f"size: found {_show(size_u)}, allowed: at least 0.01 contract"
    if size_u % LOT_U:
        return f"size: found {_show(size_u)}, allowed: multiples of 0.01 contract"
    return None


def amend(
    *,
    ticker: str,
    bid: bool,
    leg: Leg,
    price_u: int,
    total_u: int,
    client_id: str,
    shard: int | None,
) -> dict[str, object]:
    """Return an amend request; its count is the total, filled part included."""
    request: dict[str, object] = {
        "ticker": ticker,
        "side": "bid" if bid else "ask",
        "price": text4(netting.leg_price(leg, price_u)),
        "count": text2(total_u),
        "client_order_id": client_id,
        "exchange_index": shard,
    }
    return {key: value for key, value in request.items() if value is not None}


def decrease(*, ticker: str, by_u: int, shard: int | None) -> dict[str, object]:
    """Return a decrease request. ``reduce_by``, unlike ``reduce_to``, is right whatever fills."""
    request: dict[str, object] = {
        "market_ticker": ticker,
        "reduce_by": text2(by_u),
        "exchange_index": shard,
    }
    return {key: value for key, value in request.items() if value is not None}


def _wrong_id(client_id: str) -> str | None:
    if _CLIENT_ID.fullmatch(client_id):
        return None
    return (
        f"client order id: found {client_id!r}, allowed: 1 to {CLIENT_ID_MAX} characters of "
        "A-Z a-z 0-9 _ -"
    )


def _wrong_life(wish: Wish, now_ns: int) -> str | None:
    if wish.post_only and wish.tif is not TimeInForce.GTC:
        return f"post-only: found with {wish.tif.value}, allowed: with good_till_canceled"
    if not wish.expire_ns:
        return None
    if wish.tif is not TimeInForce.GTC:
        return f"expiry: found with {wish.tif.value}, allowed: with good_till_canceled"
    if wish.expire_ns // _NS <= now_ns // _NS:
        return "expiry: found a second that has passed, allowed: a later one"
    return None


def _wrong_holding(wish: Wish, held: Gross, offered_u: int) -> str | None:
    if wish.buy:
        if wish.reduce_only:
            return "reduce-only: found on a BUY, allowed: on a SELL of what is held"
        return netting.refuse_buy(wish.leg, held)
    free_u = netting.sellable(wish.leg, held, offered_u)
    if wish.size_u > free_u:
        return (
            f"size: found a SELL of {_show(wish.size_u)} {wish.leg.upper()}, allowed: "
            f"{_show(free_u)} (held, less open SELL orders)"
        )
    return None


def _show(value_u: int) -> str:
    return to_text(from_units(value_u))
