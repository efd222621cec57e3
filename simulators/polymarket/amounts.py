"""From signed amounts to price and shares, and the venue's rules about their precision."""

from __future__ import annotations

from dataclasses import dataclass

from simulators.polymarket.model import BUY, RESTING_TYPES, Refusal
from simulators.polymarket.units import CENT_SHARE, ONE, decimals, text

_GRID = 100
"""Prices are read on the finest tick, 0.0001."""


@dataclass(frozen=True, slots=True)
class Terms:
    """Limit price, shares and what the order may give, all in base units."""

    price: int
    shares: int
    budget: int


def order_terms(
    order_id: str, side: str, order_type: str, maker_amount: int, taker_amount: int, tick: int
) -> Terms:
    """Return the terms of an order.

    A resting order's amounts must equal price × size exactly; a ratio within a tenth of a tick is
    read as that tick with a wrong amount, anything else as a price off the tick. A FAK or FOK
    order's ratio is read on the 0.0001 grid, because its amounts are capped at 2 and 4 decimals
    and cannot be exact.

    Raises
    ------
    Refusal
        400, with the venue's text, when the price leaves the tick or the amounts disagree.
    """
    if maker_amount <= 0 or taker_amount <= 0:
        raise Refusal(400, "Invalid order payload")
    shares, dollars = (taker_amount, maker_amount) if side == BUY else (maker_amount, taker_amount)
    nearest = _round_div(dollars * ONE, shares * _GRID) * _GRID
    price = nearest
    if order_type in RESTING_TYPES:
        on_tick = _round_div(dollars * ONE, shares * tick) * tick
        if 10 * abs(dollars * ONE - on_tick * shares) < tick * shares:
            price = on_tick
    elif nearest % tick:
        down, up = dollars * ONE // (shares * _GRID) * _GRID, -(-dollars * ONE // shares)
        price = down if side == BUY else -(-up // _GRID) * _GRID
    if price % tick or not tick <= price <= ONE - tick:
        raise Refusal(
            400,
            f"order {order_id} is invalid. Price ({text(price)}) breaks minimum tick size rule:"
            f" {text(tick)}",
        )
    if order_type in RESTING_TYPES and shares * price != dollars * ONE:
        right, kind = text(shares * price // ONE), "maker" if side == BUY else "taker"
        raise Refusal(
            400,
            f"invalid amounts, the {kind} amount for a ${text(price)} order of size"
            f" {text(shares)} should be '{right}' but the value submited is '{text(dollars)}'."
            " Please check the amounts",
        )
    return Terms(price, shares, maker_amount)


def check_precision(
    side: str, order_type: str, maker_amount: int, taker_amount: int, *, cap_resting: bool
) -> None:
    """Refuse amounts finer than the venue's caps: 2 decimals given, 4 received, on takers.

    `cap_resting` applies the caps to a marketable GTC or GTD too (an open question).
    """
    if order_type in RESTING_TYPES and not cap_resting:
        return
    if decimals(maker_amount) > 2 or decimals(taker_amount) > 4:
        word = "buy" if side == BUY else "sell"
        raise Refusal(
            400,
            f"invalid amounts, the market {word} orders maker amount supports a max accuracy of 2"
            " decimals, taker amount a max of 4 decimals",
        )


def check_lot(side: str, order_type: str, shares: int) -> None:
    """Refuse a resting order whose size is not a multiple of 0.01 share."""
    if order_type in RESTING_TYPES and shares % CENT_SHARE:
        word, first, last = ("buy", 4, 2) if side == BUY else ("sell", 2, 4)
        raise Refusal(
            400,
            f"invalid amounts, the {word} orders maker amount supports a max accuracy of {first}"
            f" decimals, taker amount a max of {last} decimals",
        )


def crosses(side: str, maker_amount: int, taker_amount: int, opposite: int | None) -> bool:
    """Return whether an order's exact ratio reaches `opposite` (best price of its own token)."""
    if opposite is None:
        return False
    if side == BUY:
        return maker_amount * ONE >= opposite * taker_amount
    return taker_amount * ONE <= opposite * maker_amount


def _round_div(top: int, bottom: int) -> int:
    return (2 * top + bottom) // (2 * bottom)
