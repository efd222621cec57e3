"""Edge arithmetic: required edge, returns, break-evens, Kelly fractions.

Formulas and worked numbers: METHODS 2.3, 3.4, 3.6, 3.7.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import NamedTuple

from core.contracts import Direction
from core.pairs import Clause

ONE = Decimal(1)
YEAR_DAYS = Decimal(365)


class RequiredEdge(NamedTuple):
    """What one box must earn per contract before it is worth buying, in dollars."""

    divergence: Decimal
    carry: Decimal
    legging: Decimal

    @property
    def total(self) -> Decimal:
        """Sum of the three parts."""
        return self.divergence + self.carry + self.legging


def divergence(
    clauses: Iterable[Clause],
    direction: Direction,
    *,
    tail: Decimal = Decimal(2),
    credit: Decimal = Decimal(0),
) -> Decimal:
    """Return the price of the ways in which the venues can settle apart, dollars per box.

    Parameters
    ----------
    clauses
        The pair's divergence clauses with upper-bound probabilities.
    direction
        The box: a clause can hurt one direction and help the other.
    tail, credit
        Weight of losing and of lucky states (2 and 0: losses count double, luck is not paid for).
    """
    total = Decimal(0)
    for clause in clauses:
        gap = ONE - clause.payoff(direction)
        total += clause.q * gap * (tail if gap > 0 else credit)
    return total


def carry(cost: Decimal, rate_year: Decimal, lockup_days: Decimal) -> Decimal:
    """Return the price of capital tied up: cost per box, yearly rate, days."""
    return cost * rate_year * lockup_days / YEAR_DAYS


def legging(second_fill: Decimal, unwind: Decimal) -> Decimal:
    """Return the expected unwind cost per completed box: ``(1-p)/p · u``.

    Raises
    ------
    ValueError
        When the probability is not in (0, 1].
    """
    if not 0 < second_fill <= 1:
        raise ValueError(f"second_fill: found {second_fill}, allowed above 0 up to 1")
    return (ONE - second_fill) / second_fill * max(unwind, Decimal(0))


def required_edge(
    clauses: Iterable[Clause],
    direction: Direction,
    *,
    cost: Decimal,
    rate_year: Decimal,
    lockup_days: Decimal,
    second_fill: Decimal,
    unwind: Decimal,
    tail: Decimal = Decimal(2),
    credit: Decimal = Decimal(0),
) -> RequiredEdge:
    """Return the edge a box must have (METHODS 2.3): enter iff ``1 - cost`` is at least this."""
    return RequiredEdge(
        divergence(clauses, direction, tail=tail, credit=credit),
        carry(cost, rate_year, lockup_days),
        legging(second_fill, unwind),
    )


def simple_return(cost: Decimal, days: Decimal) -> Decimal:
    """Return the simple yearly return of a box bought at ``cost`` and paid 1 after ``days``."""
    return (ONE / cost - ONE) * YEAR_DAYS / max(days, ONE)


def compound_return(cost: Decimal, days: Decimal) -> Decimal:
    """Return the compounded yearly return of a box bought at ``cost`` and paid 1 after ``days``."""
    exponent = YEAR_DAYS / max(days, ONE)
    return ((-cost.ln()) * exponent).exp() - ONE


def break_even_fill(edge: Decimal, unwind: Decimal) -> Decimal:
    """Return the second-leg fill probability at which a box has no expected value.

    Examples
    --------
    >>> round(break_even_fill(Decimal("0.02"), Decimal("0.035")), 3)
    Decimal('0.636')
    """
    return unwind / (edge + unwind)


def break_even_divergence(cost: Decimal) -> Decimal:
    """Return the both-lose probability that consumes a box bought at ``cost``: its edge."""
    return ONE - cost


def unwind_cost(ask: Decimal, bid_later: Decimal, rate: Decimal) -> Decimal:
    """Return what buying at ``ask`` and selling at ``bid_later`` loses, fees of both included.

    Examples
    --------
    >>> round(unwind_cost(Decimal("0.46"), Decimal("0.44"), Decimal("0.07")), 4)
    Decimal('0.0546')
    """
    fee_in = rate * ask * (ONE - ask)
    fee_out = rate * bid_later * (ONE - bid_later)
    return ask + fee_in - (bid_later - fee_out)


def kelly_two(cost: Decimal, both_lose: Decimal) -> Decimal:
    """Return the Kelly fraction of a box: gains ``(1-c)/c`` or loses all with ``both_lose``.

    Examples
    --------
    >>> round(kelly_two(Decimal("0.97"), Decimal("0.005")), 3)
    Decimal('0.833')
    """
    gain = (ONE - cost) / cost
    if gain <= 0:
        return Decimal(0)
    return max(Decimal(0), ONE - both_lose - both_lose / gain)


def max_resting_bid(
    hedge_cost: Decimal,
    required: Decimal,
    maker_rate: Decimal,
    tick: Decimal,
    allowance: Decimal = Decimal(0),
) -> Decimal | None:
    """Return the highest resting bid that still leaves ``required`` after hedging, or None.

    Parameters
    ----------
    hedge_cost
        All-in cost per contract of the other leg (price plus taker fee), dollars.
    required
        Edge wanted per contract.
    maker_rate
        Maker fee rate of the resting venue.
    tick, allowance
        Price step; expected move of the hedge when hit.
    """
    room = ONE - required - hedge_cost - allowance
    bid = (room / tick).to_integral_value(rounding="ROUND_FLOOR") * tick
    while bid > 0 and bid + maker_rate * bid * (ONE - bid) > room:
        bid -= tick
    return bid if bid > 0 else None
