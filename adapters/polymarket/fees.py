"""What a fill costs, from the market's own terms. Glue over `core.fees`."""

from __future__ import annotations

from decimal import Decimal

from adapters.common.errors import UsageError
from adapters.polymarket.fills import Fill
from adapters.polymarket.markets import Market
from core.contracts import Liquidity, Side
from core.fees.base import NEW_ORDER
from core.money import from_units, to_units


def commission(market: Market, fill: Fill) -> Decimal:
    """Return the fee of one fill in pUSD; makers pay nothing.

    Raises
    ------
    UsageError
        When the market's fee terms are unknown.
    """
    if not fill.is_taker:
        return Decimal(0)
    if market.fees is None:
        raise UsageError(f"{market.slug}: {market.fee_problem}")
    charge, _ = market.fees.at(fill.matched_ns).charge(
        NEW_ORDER,
        price=fill.price,
        size=fill.size,
        side=Side(fill.side),
        liquidity=Liquidity.TAKER,
    )
    return charge.net


def buy_reserve(market: Market, price: Decimal, shares: Decimal, *, dollars: bool) -> Decimal:
    """Return the most a BUY can cost in fees, on top of `price * shares`.

    In shares, cash plus fee is largest at the limit itself. In dollars a better price returns more
    shares, and the fee on the same spend grows towards `rate` of it.
    """
    if market.fees is None:
        raise UsageError(f"{market.slug}: {market.fee_problem}")
    if dollars:
        return market.fees.rate * price * shares
    upper = market.fees.at(0).upper_u(to_units(price), to_units(shares), matches=20)
    return from_units(upper)
