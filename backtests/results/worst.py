"""What holdings are worth at least. Pure.

Settled instruments are worth what the venue paid. For the others the states of the event decide,
in the pair's frame: YES, NO, and void, in which Kalshi pays its fair value (anything from 0 to 1)
and the other venue 0.50 (METHODS 2.1). A box is then worth 0.50 at least. That the venues settle
apart is no state here: it is the divergence loss, shown beside it.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from backtests.results.rows import ZERO, MarketRef
from core.contracts import AGREEING, State, void_state

#: In a void the fair value is unknown; the worst of a sum linear in it is at one of its ends.
STATES: tuple[State, ...] = (*AGREEING, void_state(Decimal(0)), void_state(Decimal(1)))


def worst_value(holdings: Iterable[tuple[MarketRef, Decimal]]) -> Decimal:
    """Return the value of one pair's holdings in its worst state, dollars.

    Parameters
    ----------
    holdings : Iterable
        Instruments of one pair and contracts held of each.
    """
    known = ZERO
    unknown: list[tuple[MarketRef, Decimal]] = []
    for ref, size in holdings:
        if ref.value is None:
            unknown.append((ref, size))
        else:
            known += ref.value * size
    if not unknown:
        return known
    return known + min(
        sum((size * _in_state(ref, state) for ref, size in unknown), ZERO) for state in STATES
    )


def _in_state(ref: MarketRef, state: State) -> Decimal:
    pair_yes = state.yes_a if ref.leg == 0 else state.yes_b
    return pair_yes if ref.is_pair_yes else 1 - pair_yes
