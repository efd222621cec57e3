"""Precision-safe maker and taker amounts on any tick. Pure.

Amounts are integers in millionths of pUSD or of a share. Rules of the venue, numbered:

1. A price is an integer multiple of the market's tick and lies in [tick, 1 - tick]. A price off the
   grid is refused, never rounded: a stale tick must not become another limit.
2. An order's size is a multiple of 0.01 share.
3. BUY: maker amount = pUSD, taker amount = shares; SELL the other way round. A resting order's pUSD
   amount equals price x size exactly (at most 6 decimals on every tick of the venue).
4. FAK and FOK BUYs are dollar orders: maker amount at most 2 decimals, taker amount at most 4. They
   spend up to the maker amount and return more shares when filled better than the limit. The
   shares are floored: a ceiling would push the implied price below the ask.
5. A marketable GTC/GTD BUY: maker amount at most 4 decimals, taker amount at most 2. It fills in
   shares, never more than asked.
6. A marketable BUY needs at least $1; a resting order at least the market's minimum size (shares).
7. SELLs are share orders of every type; their maker amount has at most 2 decimals.

References
----------
docs.polymarket.com "Create order", "Error codes"; py-clob-client-v2 issues 89 and 99;
`py_clob_client_v2/order_builder/builder.py` 1.2.1. Read 2026-11-21.
"""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

from adapters.common.errors import UsageError
from adapters.polymarket.constants import (
    BASE_UNITS,
    MARKETABLE_BUY_NOTIONAL_MIN_USD,
    ORDER_SIZE_STEP,
    TICK_SIZES,
)

_CENT = 10_000
_SHARE_STEP = 10_000
_FOUR_DECIMALS = 100
_ONE = Decimal(1)


class AmountError(UsageError):
    """An order that the venue would refuse for its numbers; nothing was rounded or sent."""


class Amounts(NamedTuple):
    """What is signed, in millionths, and what the order can buy or sell at its limit."""

    maker: int
    taker: int
    shares: Decimal
    """Shares the venue will aim at: exact for share orders, at the limit price for dollar ones."""
    notional_usd: Decimal
    """Most pUSD a BUY can spend, least a SELL receives if it fills whole, before fees."""
    can_overfill: bool
    """True when a better price returns more shares than `shares` (rule 4)."""


class BuyMode(StrEnum):
    """How a marketable BUY is sized."""

    DOLLARS = "dollars"
    """FAK or FOK: at most the notional, possibly more shares than asked."""
    SHARES = "shares"
    """Marketable GTC whose rest is cancelled: never more shares than asked."""


def check_tick(tick: Decimal) -> None:
    """Raise `AmountError` unless `tick` is one of the venue's tick sizes."""
    if tick not in TICK_SIZES:
        allowed = ", ".join(str(t) for t in sorted(TICK_SIZES))
        raise AmountError(f"tick size: found {tick}, the venue has {allowed}")


def check_price(price: Decimal, tick: Decimal) -> None:
    """Raise `AmountError` unless `price` is on the grid of `tick` (rule 1)."""
    check_tick(tick)
    if not tick <= price <= _ONE - tick:
        raise AmountError(f"price: found {price}, allowed {tick} to {_ONE - tick}")
    if price % tick:
        raise AmountError(
            f"price: found {price}, not a multiple of the current tick size {tick}; "
            "orders are never re-rounded to another price"
        )


def check_size(size: Decimal) -> None:
    """Raise `AmountError` unless `size` is a positive multiple of 0.01 share (rule 2)."""
    if size <= 0 or size % ORDER_SIZE_STEP:
        raise AmountError(f"size: found {size}, expected a positive multiple of {ORDER_SIZE_STEP}")


def resting_amounts(side: str, price: Decimal, size: Decimal, tick: Decimal) -> Amounts:
    """Return the amounts of a GTC or GTD order that may rest (rule 3).

    >>> resting_amounts("BUY", Decimal("0.823"), Decimal("21.04"), Decimal("0.001"))[:2]
    (17315920, 21040000)

    Raises
    ------
    AmountError
        When the price is off the grid or the size off its step.
    """
    check_price(price, tick)
    check_size(size)
    return _share_order(side, price, size)


def exact_buy_amounts(price: Decimal, size: Decimal, tick: Decimal) -> Amounts:
    """Return the amounts of a marketable GTC BUY for at most `size` shares (rule 5).

    The size is lowered to the largest multiple of 0.01 whose notional has four decimals; the order
    is then cancelled for the difference.

    >>> exact_buy_amounts(Decimal("0.823"), Decimal("21.04"), Decimal("0.001"))[:2]
    (17283000, 21000000)
    """
    check_price(price, tick)
    check_size(size)
    step = _SHARE_STEP
    unit_price = _units(price)
    while unit_price * step % (BASE_UNITS * _FOUR_DECIMALS):
        step *= 10
    shares = _units(size) // step * step
    if not shares:
        raise AmountError(
            f"size: found {size} at price {price}; a marketable order here needs a multiple of "
            f"{Decimal(step).scaleb(-6).normalize():f} shares (the venue caps the notional at 4 "
            "decimals)"
        )
    amounts = _share_order("BUY", price, Decimal(shares).scaleb(-6))
    _check_marketable_notional(amounts.notional_usd)
    return amounts


def dollar_buy_amounts(price: Decimal, usd: Decimal, tick: Decimal) -> Amounts:
    """Return the amounts of a FAK or FOK BUY that spends at most `usd` (rule 4).

    >>> dollar_buy_amounts(Decimal("0.823"), Decimal(10), Decimal("0.001"))[:2]
    (10000000, 12150600)

    Raises
    ------
    AmountError
        When the price is off the grid or less than $1 remains.
    """
    check_price(price, tick)
    maker = _units(usd.quantize(Decimal("0.000001"), rounding="ROUND_FLOOR")) // _CENT * _CENT
    notional = Decimal(maker).scaleb(-6)
    _check_marketable_notional(notional)
    taker = maker * BASE_UNITS // _units(price) // _FOUR_DECIMALS * _FOUR_DECIMALS
    return Amounts(maker, taker, Decimal(taker).scaleb(-6), notional, can_overfill=True)


def taker_buy_amounts(price: Decimal, size: Decimal, tick: Decimal) -> Amounts:
    """Return the amounts of a FAK or FOK BUY meant for `size` shares at `price` or better.

    The spend is floored to cents, so that at the limit price no more than `size` shares come back;
    at a better price more can.
    """
    check_price(price, tick)
    check_size(size)
    return dollar_buy_amounts(price, price * size, tick)


def taker_sell_amounts(price: Decimal, size: Decimal, tick: Decimal) -> Amounts:
    """Return the amounts of a FAK or FOK SELL (rule 7)."""
    check_price(price, tick)
    check_size(size)
    return _share_order("SELL", price, size)


def filled_shares(maker_spent: int, maker: int, taker: int) -> int:
    """Return the shares a BUY receives for `maker_spent` at its own limit, as the contract floors.

    >>> filled_shares(4_950_000, 4_950_000, 5_000_000)
    5000000
    """
    return maker_spent * taker // maker


def implied_price_ok(amounts: Amounts, price: Decimal) -> bool:
    """Tell whether a BUY's encoded price stays in [price, price + 0.0001).

    Below the limit it would miss the ask it aims at; a finest tick above, a market whose tick gets
    finer between signing and matching could fill it at a price nobody chose.
    """
    limit = price * amounts.taker
    return limit <= amounts.maker < limit + Decimal("0.0001") * amounts.taker


def _share_order(side: str, price: Decimal, size: Decimal) -> Amounts:
    shares = _units(size)
    product = _units(price) * shares
    cash, rest = divmod(product, BASE_UNITS)
    assert not rest, "4-decimal price times 2-decimal size has 6 decimals"
    notional = Decimal(cash).scaleb(-6)
    if side == "BUY":
        return Amounts(cash, shares, size, notional, can_overfill=False)
    if side == "SELL":
        return Amounts(shares, cash, size, notional, can_overfill=False)
    raise AmountError(f"side: found {side!r}, expected BUY or SELL")


def _check_marketable_notional(notional: Decimal) -> None:
    if notional < MARKETABLE_BUY_NOTIONAL_MIN_USD:
        raise AmountError(
            f"notional: found ${notional}, a marketable BUY needs at least "
            f"${MARKETABLE_BUY_NOTIONAL_MIN_USD}"
        )


def _units(value: Decimal) -> int:
    scaled = value.scaleb(6)
    whole = int(scaled)
    if whole != scaled:
        raise AmountError(f"amount: found {value}, more than 6 decimals")
    return whole
