"""Cash by shard, what resting orders tie up, and fees of fills that had to be inferred."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from nautilus_trader.model.identifiers import InstrumentId

from adapters.kalshi.desk import Desk
from core.contracts import Liquidity, Side
from core.fees.base import NEW_ORDER, UnknownFeesError


@dataclass(frozen=True, slots=True)
class Cash:
    """What an account holds, in dollars.

    Attributes
    ----------
    locked : Decimal
        What resting BUY orders would cost. Whether the venue's balance has set it aside already is
        not documented, so the free amount errs on the safe side.
    shards : dict of str to str
        Cash by exchange index, as the venue writes it.
    """

    total: Decimal
    locked: Decimal
    shards: dict[str, str]


async def read(desk: Desk) -> Cash:
    """Return the account's cash; ``balance_dollars``, because ``balance`` is truncated to cents."""
    found = await desk.http.balance(subaccount=desk.config.subaccount or None)
    total = (
        Decimal(found.balance_dollars)
        if found.balance_dollars is not None
        else Decimal(found.balance).scaleb(-2)
    )
    return Cash(
        total=total,
        locked=min(max(total, Decimal(0)), resting_cost(desk)),
        shards={str(s.exchange_index): s.balance for s in found.balance_breakdown or []},
    )


def resting_cost(desk: Desk) -> Decimal:
    """Return what the open BUY orders would cost if they filled, without fees."""
    cost = Decimal(0)
    for tracked in desk.ledger.open_orders():
        order = desk.events.order(tracked.client_id)
        if order is not None and order.is_buy and order.has_price:
            cost += (tracked.quantity - tracked.filled) * order.price.as_decimal()
    return cost


def inferred_fee(
    desk: Desk, instrument_id: InstrumentId, *, price: Decimal, size: Decimal, taker: bool
) -> Decimal | None:
    """Return the fee of a fill by the market's own terms, None where they are unknown."""
    market = desk.provider.market_of(instrument_id)
    try:
        charge, _ = market.fees.at(desk.now_ns()).charge(
            NEW_ORDER,
            price=price,
            size=size,
            side=Side.BUY,
            liquidity=Liquidity.TAKER if taker else Liquidity.MAKER,
        )
    except UnknownFeesError:
        return None
    return charge.net
