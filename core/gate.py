"""The fast gate, which says whether a book may hold an edge at all.

For each price a market's gate table gives a bound that buying one contract never costs less,
fee included: integers of 0.000001 dollars. Two bounds that add up to a dollar or more leave
nothing for a box, at any size, under any hurdle, so the exact path need not look. The gate never
rejects a book on which the exact path finds an edge; it may let one through that has none.
"""

from __future__ import annotations

from core.fees.base import FeeSchedule
from core.money import SCALE


class GateTable(dict[int, int]):
    """Cost bounds by price in raw units, filled when a price is first seen.

    Parameters
    ----------
    schedule
        Fees of the market; None (unknown fees) counts them as zero, which is a bound too.
    size_min_u
        Smallest order, units of 0.000001 contract.
    raw_scale
        Raw price units in one dollar (Nautilus: 10**16 with high precision).

    Examples
    --------
    >>> from core.fees import PolymarketFees
    >>> from decimal import Decimal
    >>> table = GateTable(PolymarketFees(Decimal("0.05")).at(0), 1_000_000, 1_000_000)
    >>> table[500_000]
    512500
    """

    __slots__ = ("_raw_per_unit", "_schedule", "_size_min_u")

    def __init__(self, schedule: FeeSchedule | None, size_min_u: int, raw_scale: int) -> None:
        super().__init__()
        self._schedule = schedule
        self._size_min_u = size_min_u
        if raw_scale % SCALE:
            raise ValueError(f"raw_scale: found {raw_scale}, allowed a multiple of {SCALE}")
        self._raw_per_unit = raw_scale // SCALE

    def __missing__(self, price_raw: int) -> int:
        """Calculate and keep the bound of a price; prices outside (0, 1) can never be bought."""
        price_u = price_raw // self._raw_per_unit
        if not 0 < price_u < SCALE:
            bound = SCALE
        elif self._schedule is None:
            bound = price_u
        else:
            bound = price_u + self._schedule.floor_per_contract_u(price_u, self._size_min_u)
        self[price_raw] = bound
        return bound


def edge_possible(a_yes_u: int, a_no_u: int, b_yes_u: int, b_no_u: int) -> bool:
    """Say whether either box can cost less than a dollar, given the four cost bounds."""
    return a_yes_u + b_no_u < SCALE or a_no_u + b_yes_u < SCALE
