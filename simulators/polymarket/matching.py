"""Who trades with whom: complementary, mint and merge, in price-time order, exact to 0.000001.

The resting price is honoured and the improvement goes to the taker. Dollar amounts of the maker
are floored as on chain (counter = floor(filled × takerAmount / makerAmount)); the taker's amount
is what is left of the shares' full collateral when tokens are minted or merged.
"""

from __future__ import annotations

from dataclasses import dataclass

from simulators.polymarket.amounts import crosses
from simulators.polymarket.model import BUY, RESTING_TYPES, Fill, Order
from simulators.polymarket.units import ONE


@dataclass(frozen=True, slots=True)
class Plan:
    """What an incoming order would do now."""

    fills: tuple[Fill, ...]
    shares: int
    cash: int
    complete: bool


def plan_match(taker: Order, *, skip_own: bool, minus_one: bool = False) -> Plan:
    """Walk the book for `taker` without changing anything.

    A GTC or GTD order and every SELL target shares; a FAK or FOK BUY targets its dollars and may
    so return more shares than it was signed for. `skip_own` leaves out orders of the same wallet
    (the open question of self trades). `minus_one` takes one base unit off the shares a dollar
    buys, as two live fills did.
    """
    by_dollars = taker.side == BUY and taker.order_type not in RESTING_TYPES
    shares_left = None if by_dollars else taker.left
    cash_left = taker.budget - taker.given
    fills: list[Fill] = []
    done = False
    for maker in taker.market.book.against(taker.yes_buy):
        price = maker.yes_price if taker.outcome == 0 else ONE - maker.yes_price
        if not _reaches(taker, price):
            break
        if skip_own and maker.wallet is taker.wallet:
            continue
        shares = maker.left if shares_left is None else min(maker.left, shares_left)
        if by_dollars:
            affordable = cash_left * ONE // price
            if affordable <= shares:
                shares = affordable - (1 if minus_one and cash_left * ONE % price else 0)
                done = True
        if shares > 0:
            fill = _fill(taker, maker, shares)
            fills.append(fill)
            cash_left -= fill.taker_cash if taker.side == BUY else 0
            shares_left = None if shares_left is None else shares_left - shares
        if done or shares_left == 0:
            done = True
            break
    return Plan(tuple(fills), sum(f.shares for f in fills), sum(f.taker_cash for f in fills), done)


def _reaches(taker: Order, price: int) -> bool:
    """A taker reaches a price by its signed ratio, not by the rounded tick price."""
    signed = taker.signed
    if signed is None or taker.order_type in RESTING_TYPES:
        return price <= taker.price if taker.side == BUY else price >= taker.price
    return crosses(taker.side, signed.maker_amount, signed.taker_amount, price)


def _fill(taker: Order, maker: Order, shares: int) -> Fill:
    maker_cash = shares * maker.price // ONE
    if taker.outcome == maker.outcome:
        return Fill(maker, shares, maker_cash, maker_cash, "complementary")
    kind = "mint" if taker.side == BUY else "merge"
    return Fill(maker, shares, maker_cash, shares - maker_cash, kind)
