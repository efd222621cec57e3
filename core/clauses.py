"""How likely venues are to settle apart, per clause, and what grade a pair deserves (METHODS 2.3).

A clause's probability starts as a prior by category, is updated with every settled pair, and
enters the required edge as an upper quantile: what is not known counts against the trade.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from decimal import ROUND_CEILING, Decimal
from typing import Literal

from core.contracts import Direction
from core.pairs import Clause

PRIOR_WEIGHT = 200
"""A prior counts as much as this many settled pairs."""

QUANTILE = 0.90

PRIORS: dict[str, dict[str, Decimal]] = {
    category: {clause: Decimal(q) for clause, q in row.items()}
    for category, row in {
        "nfl": {"oracle error": "0.0005", "moved": "0.0005", "void": "0.0002"},
        "basketball": {"oracle error": "0.0005", "moved": "0.001", "void": "0.0005"},
        "mlb": {"oracle error": "0.0005", "moved": "0.01", "void": "0.002"},
        "nhl": {"oracle error": "0.0005", "moved": "0.001", "void": "0.0005"},
        "soccer": {"oracle error": "0.0005", "moved": "0.003", "void": "0.001"},
        "tennis": {"oracle error": "0.001", "moved": "0.003", "void": "0.015"},
        "crypto 15 m": {"oracle error": "0.001", "oracle differs": "0.057"},
        "politics": {"oracle error": "0.03"},
    }.items()
}
"""Prior probability by category and clause (METHODS 2.3; "moved" and "void" are guesses there)."""


def upper_probability(prior: Decimal, settled: int, diverged: int) -> Decimal:
    """Return the upper quantile of a clause's probability after what was seen.

    Parameters
    ----------
    prior
        Prior probability, above 0 and below 1.
    settled, diverged
        Pairs of the family that settled, and in how many of them the clause happened.

    Raises
    ------
    ValueError
        When a number is out of range.

    Examples
    --------
    >>> upper_probability(Decimal("0.01"), 0, 0)
    Decimal('0.019405')
    """
    if not 0 < prior < 1:
        raise ValueError(f"prior: found {prior}, allowed above 0 and below 1")
    if not 0 <= diverged <= settled:
        raise ValueError(f"diverged: found {diverged}, allowed 0 to {settled}")
    a = float(prior) * PRIOR_WEIGHT + diverged
    b = PRIOR_WEIGHT - float(prior) * PRIOR_WEIGHT + settled - diverged
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        if _beta_cdf(a, b, middle) < QUANTILE:
            low = middle
        else:
            high = middle
    return Decimal(high).quantize(Decimal("0.000001"), ROUND_CEILING)


def loss_probability(clauses: Iterable[Clause], direction: Direction) -> Decimal:
    """Return the probability that a box of a direction is paid less than a dollar."""
    return sum((c.q for c in clauses if c.payoff(direction) < 1), Decimal(0))


def grade_of(clauses: Iterable[Clause]) -> Literal["A", "B", "C", "D"]:
    """Return the best grade the clauses allow: A up to 0.3 % loss, B 1 %, C 5 %, else D.

    A differing source or scope is no clause with a price: such a pair is D whatever this says.
    """
    listed = tuple(clauses)
    worst = max(loss_probability(listed, direction) for direction in Direction)
    for grade, bound in (("A", "0.003"), ("B", "0.01"), ("C", "0.05")):
        if worst <= Decimal(bound):
            return grade  # type: ignore[return-value]  # a literal of the loop's tuple
    return "D"


def _beta_cdf(a: float, b: float, x: float) -> float:
    """Return the regularised incomplete beta function (statistics, so floats)."""
    if x <= 0.0:
        return 0.0
    if x >= 1.0:
        return 1.0
    if x > (a + 1) / (a + b + 2):
        return 1.0 - _beta_cdf(b, a, 1.0 - x)
    log_front = (
        math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
        + a * math.log(x) + b * math.log1p(-x)
    )  # fmt: skip
    return math.exp(log_front) / a * _continued_fraction(a, b, x)


def _continued_fraction(a: float, b: float, x: float) -> float:
    """Evaluate the beta function's continued fraction by Lentz's method."""
    tiny = 1e-300
    c, d = 1.0, 1.0 - (a + b) * x / (a + 1)
    d = 1.0 / (d if abs(d) > tiny else tiny)
    result = d
    for m in range(1, 300):
        for step in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1.0 + step * d
            d = 1.0 / (d if abs(d) > tiny else tiny)
            c = 1.0 + step / c
            c = c if abs(c) > tiny else tiny
            result *= c * d
        if abs(c * d - 1.0) < 1e-14:
            break
    return result
