"""Baskets of more than two outcomes: the cheapest holding that pays the same in every state.

The guaranteed profit of buying offers is a linear programme (METHODS 3.5)::

    max t - sum_j cost_j·q_j   with   t <= sum_j pays_sj·q_j in every state s,  0 <= q_j <= depth_j

solved exactly in fractions. States must be complete: an event whose outcomes are not proven to be
exhaustive needs a state in which none of them happens. Kalshi's ``mutually_exclusive`` promises at
most one YES, not exactly one.

No strategy trades baskets yet; the function is what one needs to look for them.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

from core.fees.base import FeeSchedule
from core.ladder import CostCurve, Ladder

_WIDE_DOLLAR = 10**27


class Offer(NamedTuple):
    """Something that can be bought: its asks, its fees, and what it pays in each state.

    ``pays`` are dollars per contract, one entry per state, in the same order for all offers.
    """

    name: str
    ladder: Ladder
    schedule: FeeSchedule
    pays: tuple[int | Fraction, ...]


class Basket(NamedTuple):
    """The best basket: contracts per offer (units), exact cost and guaranteed profit (units)."""

    sizes_u: dict[str, int]
    pays_u: int
    cost_u: int

    @property
    def profit_u(self) -> int:
        """Dollars (units) kept in the worst state."""
        return self.pays_u - self.cost_u


def best_basket(offers: Sequence[Offer], lot_u: int) -> Basket:
    """Return the basket with the largest guaranteed profit before rounding, priced exactly.

    Parameters
    ----------
    offers
        All that can be bought, each with the same number of states.
    lot_u
        Size step; sizes are rounded down to it.

    Raises
    ------
    ValueError
        When offers disagree about the number of states.
    """
    states = {len(offer.pays) for offer in offers}
    if len(states) != 1:
        raise ValueError(f"pays: found {sorted(states)} states, allowed one number for all offers")
    curves = [CostCurve(o.ladder, o.schedule, lot_u) for o in offers]
    columns = [
        (i, Fraction(curve.unit_wide(level), _WIDE_DOLLAR), size)
        for i, curve in enumerate(curves)
        for level, (_, size) in enumerate(curve.ladder)
    ]
    count = states.pop()
    rows = [
        [Fraction(1), *(-Fraction(offers[i].pays[s]) for i, _, _ in columns)] for s in range(count)
    ]
    bounds = [Fraction(0)] * count
    for j, (_, _, size) in enumerate(columns):
        rows.append([Fraction(int(k == j + 1)) for k in range(len(columns) + 1)])
        bounds.append(Fraction(size))
    solution = _maximise([Fraction(1), *(-cost for _, cost, _ in columns)], rows, bounds)
    sizes = [0] * len(offers)
    for (i, _, _), quantity in zip(columns, solution[1:], strict=True):
        sizes[i] += int(quantity)
    sizes = [size // lot_u * lot_u for size in sizes]
    pays = min(
        sum(Fraction(o.pays[s]) * size for o, size in zip(offers, sizes, strict=True))
        for s in range(count)
    )
    cost = sum(c.walk(size).cost_u for c, size in zip(curves, sizes, strict=True) if size)
    held = {o.name: size for o, size in zip(offers, sizes, strict=True) if size}
    return Basket(held, int(pays), cost)


def _maximise(
    objective: list[Fraction], rows: list[list[Fraction]], bounds: list[Fraction]
) -> list[Fraction]:
    """Solve ``max c·x, A·x <= b, x >= 0`` with ``b >= 0`` by the simplex method.

    Bland's rule (smallest index first) keeps it from cycling, so it ends; fractions keep it exact.
    """
    n, m = len(objective), len(rows)
    table = [
        [*row, *(Fraction(int(i == k)) for k in range(m)), bound]
        for i, (row, bound) in enumerate(zip(rows, bounds, strict=True))
    ]
    costs = [*(-c for c in objective), *([Fraction(0)] * (m + 1))]
    basis = list(range(n, n + m))
    while (enter := next((j for j in range(n + m) if costs[j] < 0), None)) is not None:
        ratios = [
            (table[i][-1] / table[i][enter], basis[i], i) for i in range(m) if table[i][enter] > 0
        ]
        # depth bounds every size, and a payoff costs something: the programme is never unbounded
        _, _, leave = min(ratios)
        pivot = table[leave][enter]
        table[leave] = [value / pivot for value in table[leave]]
        for i in range(m):
            if i != leave and table[i][enter]:
                factor = table[i][enter]
                table[i] = [a - factor * b for a, b in zip(table[i], table[leave], strict=True)]
        factor = costs[enter]
        costs = [a - factor * b for a, b in zip(costs, table[leave], strict=True)]
        basis[leave] = enter
    values = [Fraction(0)] * (n + m)
    for i, variable in enumerate(basis):
        values[variable] = table[i][-1]
    return values[:n]
