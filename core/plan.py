"""Which leg goes first, or both together, by expected cost per completed box (METHODS 3.6)."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal, NamedTuple

ONE = Decimal(1)


class LegOdds(NamedTuple):
    """What is known about sending one leg.

    Attributes
    ----------
    fill_first, fill_second
        Probability that an order fills when it goes first, and when it goes after the other leg.
    unwind
        Cost per contract of selling it back, dollars.
    """

    fill_first: Decimal
    fill_second: Decimal
    unwind: Decimal


class Plan(NamedTuple):
    """The cheapest way: which leg is first (0 or 1; None for both together) and its cost."""

    first: int | None
    cost: Decimal


def cost_first(first: LegOdds, second: LegOdds) -> Decimal:
    """Return the expected unwind cost per completed box when ``first`` goes first."""
    return (ONE - second.fill_second) / second.fill_second * first.unwind


def cost_together(a: LegOdds, b: LegOdds) -> Decimal:
    """Return the expected unwind cost per completed box when both go at once."""
    single = a.fill_first * (ONE - b.fill_first) * a.unwind
    single += b.fill_first * (ONE - a.fill_first) * b.unwind
    return single / (a.fill_first * b.fill_first)


def choose_plan(
    a: LegOdds, b: LegOdds, mode: Literal["auto", "sequential", "parallel"] = "auto"
) -> Plan:
    """Return the cheapest plan; ties go to sequential, then to the first market.

    Examples
    --------
    >>> kalshi = LegOdds(Decimal("0.97"), Decimal("0.95"), Decimal("0.035"))
    >>> polymarket = LegOdds(Decimal("0.85"), Decimal("0.80"), Decimal("0.045"))
    >>> plan = choose_plan(kalshi, polymarket)
    >>> plan.first, round(plan.cost, 5)
    (1, Decimal('0.00237'))
    """
    plans: list[tuple[Decimal, int, int | None]] = []
    if mode != "parallel":
        plans.append((cost_first(a, b), 0, 0))
        plans.append((cost_first(b, a), 1, 1))
    if mode != "sequential":
        plans.append((cost_together(a, b), 2, None))
    cost, _, first = min(plans, key=lambda p: (p[0], p[1]))
    return Plan(first, cost)
