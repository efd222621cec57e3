"""What a settlement record says one YES paid, exactly (pure).

The record's ``revenue`` and ``value`` are whole cents and may be null; the market's
``settlement_value_dollars`` is exact. Results: yes pays 1, no pays 0, scalar (voids and
walkovers too) pays its value.
"""

from __future__ import annotations

from decimal import Decimal

from adapters.kalshi.numbers import decimal
from adapters.kalshi.schemas import rest


def yes_value(record: rest.Settlement, market_value: Decimal | None) -> Decimal | None:
    """Return what one YES paid, None while only the market itself can tell.

    Parameters
    ----------
    market_value : Decimal or None
        ``settlement_value_dollars`` of the market, where it is known.
    """
    if record.market_result == "yes":
        return Decimal(1)
    if record.market_result == "no":
        return Decimal(0)
    return market_value


def fee(record: rest.Settlement) -> Decimal:
    """Return the settlement's fee in dollars: a rounding amount of scalar results, else 0."""
    return decimal(record.fee_cost) if record.fee_cost else Decimal(0)
