"""Early close: when selling a box back beats holding it (METHODS 3.4).

Selling ends the divergence risk and the lock-up, holding does neither. A slice is worth selling
while its cash after fees exceeds ``(1 - L') / (1 + r·tau'/365)`` per box, with L' and tau' as they
stand now.
"""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from core.ladder import CostCurve, Walk
from core.money import SCALE
from core.sizing import RATIO


class CloseSize(NamedTuple):
    """How many boxes to sell back, both walks, and the gain over holding in 1e-15 dollars."""

    size_u: int
    walks: tuple[Walk, Walk]
    gain_n: int

    @property
    def proceeds_u(self) -> int:
        """Dollars (units) received for both legs after fees."""
        return self.walks[0].proceeds_u + self.walks[1].proceeds_u


def hold_value_n(shortfall: Decimal, rate_year: Decimal, days: Decimal) -> int:
    """Return what one held box is worth today, in 1e-9 dollars, rounded up (in favour of holding).

    Parameters
    ----------
    shortfall
        Expected shortfall per box from divergence, dollars.
    rate_year, days
        Yearly hurdle rate and days until both venues have paid.
    """
    value = (1 - shortfall) / (1 + rate_year * days / 365)
    return int((value * RATIO).to_integral_value(rounding="ROUND_CEILING"))


def best_close(
    a: CostCurve,
    b: CostCurve,
    *,
    held_u: int,
    lot_u: int,
    hold_n: int,
    gain_min_u: int = 0,
) -> CloseSize | None:
    """Return the size to sell back with the largest gain over holding, or None to hold.

    Parameters
    ----------
    a, b
        Bid ladders of the two outcomes held (``CostCurve(..., buy=False)``).
    held_u
        Boxes held, units.
    lot_u
        Common size step.
    hold_n
        :func:`hold_value_n`.
    gain_min_u
        Dollars (units) below which a close is not worth its orders.

    Notes
    -----
    The unrounded gain is linear between the ends of levels, so the ends are the candidates; a
    size between them can be better by rounding alone, which is less than a cent per leg.
    """
    cap = min(held_u, a.size_u, b.size_u) // lot_u * lot_u
    ends = sorted({min(e, cap) for e in (*a.ends(), *b.ends(), cap) if e > 0})
    best: CloseSize | None = None
    for end in ends:
        size = end // lot_u * lot_u
        if size <= 0 or (best is not None and size == best.size_u):
            continue
        walks = (a.walk(size), b.walk(size))
        cash = walks[0].proceeds_u + walks[1].proceeds_u
        gain = cash * RATIO - size * hold_n
        if gain > gain_min_u * RATIO and (best is None or gain > best.gain_n):
            best = CloseSize(size, walks, gain)
    return best


def worth_looking(sale_a_u: int, sale_b_u: int, hold_n: int) -> bool:
    """Say whether what both sales bring at most could beat holding: the gate of early closes."""
    return (sale_a_u + sale_b_u) * RATIO > hold_n * SCALE
