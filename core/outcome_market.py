"""One venue market with two outcomes: entries are BUYs, exits are SELLs of what is held.

The guard of the product lives here: never BUY one side while long the other (the venue would net
the two, and Nautilus would hold two positions). Buying NO while long YES means selling YES.
"""

from __future__ import annotations

from typing import NamedTuple

from core.contracts import Outcome, Side
from core.money import from_units, to_text


class OrderIntent(NamedTuple):
    """An order as the strategy should send it; sizes in units of 0.000001 contract."""

    instrument: str
    outcome: Outcome
    side: Side
    size_u: int
    reduce_only: bool


class GuardError(ValueError):
    """An order would break the guard; nothing may be sent."""


class OutcomeMarket:
    """Holdings of one market in the pair's YES frame, and the orders they allow.

    Parameters
    ----------
    yes, no
        Instrument ids of the pair's YES and NO on this venue.
    """

    __slots__ = ("_held", "_ids")

    def __init__(self, yes: str, no: str) -> None:
        self._ids = {Outcome.YES: yes, Outcome.NO: no}
        self._held = {Outcome.YES: 0, Outcome.NO: 0}

    def held_u(self, outcome: Outcome) -> int:
        """Return contracts held (units)."""
        return self._held[outcome]

    def instrument(self, outcome: Outcome) -> str:
        """Return the instrument id of an outcome."""
        return self._ids[outcome]

    def may_buy(self, outcome: Outcome) -> bool:
        """Say whether an entry is allowed: nothing is held of the other outcome."""
        return self._held[outcome.other] == 0

    def entry(self, outcome: Outcome, size_u: int) -> OrderIntent:
        """Make the BUY that opens or adds.

        Raises
        ------
        GuardError
            When the other outcome is held, or the size is not positive.
        """
        if size_u <= 0:
            raise GuardError(f"entry size: found {_contracts(size_u)}, allowed more than 0")
        if not self.may_buy(outcome):
            raise GuardError(
                f"{self._ids[outcome]}: BUY refused, {_contracts(self._held[outcome.other])} "
                f"contracts of {self._ids[outcome.other]} are held: sell them instead"
            )
        return OrderIntent(self._ids[outcome], outcome, Side.BUY, size_u, reduce_only=False)

    def exit(self, outcome: Outcome, size_u: int) -> OrderIntent:
        """Make the reduce-only SELL of what is held.

        Raises
        ------
        GuardError
            When less is held than should be sold.
        """
        if not 0 < size_u <= self._held[outcome]:
            raise GuardError(
                f"{self._ids[outcome]}: SELL {_contracts(size_u)} contracts refused, "
                f"held {_contracts(self._held[outcome])}"
            )
        return OrderIntent(self._ids[outcome], outcome, Side.SELL, size_u, reduce_only=True)

    def apply(self, outcome: Outcome, side: Side, size_u: int) -> None:
        """Book a fill; after a reverted fill a holding can be negative, and stays visible."""
        self._held[outcome] += size_u if side is Side.BUY else -size_u

    def settle(self) -> None:
        """Book the settlement: both outcomes are paid and gone."""
        self._held = {Outcome.YES: 0, Outcome.NO: 0}


def _contracts(size_u: int) -> str:
    return to_text(from_units(size_u))
