"""Settlement: what holdings pay at the venues' values, and what they are worth while unknown."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import NamedTuple

from core.contracts import AGREEING, Holding, State


class Payout(NamedTuple):
    """Dollars paid per venue; None for a venue whose value is not known yet."""

    a: Decimal | None
    b: Decimal | None

    @property
    def total(self) -> Decimal | None:
        """Both together, or None while one is unknown."""
        return None if self.a is None or self.b is None else self.a + self.b


def payout(holding: Holding, value_a: Decimal | None, value_b: Decimal | None) -> Payout:
    """Return what each venue pays for a holding.

    Parameters
    ----------
    holding
        Contracts in the pair's YES frame.
    value_a, value_b
        Settlement value of the pair's YES per venue; None while unknown.
    """
    return Payout(
        None if value_a is None else holding.yes_a * value_a + holding.no_a * (1 - value_a),
        None if value_b is None else holding.yes_b * value_b + holding.no_b * (1 - value_b),
    )


def worst_value(
    holding: Holding,
    value_a: Decimal | None,
    value_b: Decimal | None,
    states: Iterable[State] = AGREEING,
) -> Decimal:
    """Return the least a holding can still pay, given what is known already.

    A venue that has settled pays its value; the other venue's YES may still go either way.
    """
    options = []
    for state in states:
        known_a = state.yes_a if value_a is None else value_a
        known_b = state.yes_b if value_b is None else value_b
        options.append(holding.value(State(state.name, known_a, known_b)))
    return min(options)
