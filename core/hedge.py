"""One leg filled, the other not: complete, wait, unwind or hold, by expected value (METHODS 3.6).

All values are per contract in dollars, against the cost already sunk in the filled leg.
"""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple


class HedgeChoice(StrEnum):
    """What to do with contracts that have no counterpart."""

    COMPLETE = "complete"
    WAIT = "wait"
    UNWIND = "unwind"
    HOLD = "hold"


class Exposed(NamedTuple):
    """What the decision needs to know.

    Attributes
    ----------
    complete_cost
        All-in cost now of the missing leg, dollars per contract; None when it cannot be bought.
    complete_fill
        Probability that an order for it fills.
    unwind_proceeds
        Proceeds after fees of selling the filled leg now; None when it cannot be sold.
    required
        Edge a held box must keep for divergence and carry.
    hold_value
        Value of holding the leg alone to settlement (its fair price less a risk charge); None
        forbids holding.
    may_wait
        Whether the deadline still allows to wait for a better moment.
    wait_gain
        Expected improvement of the best choice by waiting, net of its risk.
    attempts
        Completions tried so far.
    attempts_max
        Completions allowed.
    """

    complete_cost: Decimal | None
    complete_fill: Decimal
    unwind_proceeds: Decimal | None
    required: Decimal
    hold_value: Decimal | None = None
    may_wait: bool = False
    wait_gain: Decimal = Decimal(0)
    attempts: int = 0
    attempts_max: int = 1


class Hedge(NamedTuple):
    """The choice and the value per contract that made it the best."""

    choice: HedgeChoice
    value: Decimal


def decide(exposed: Exposed) -> Hedge:
    """Choose what is worth most; ties go to the choice that ends the exposure.

    Completing is worth ``p·(1 - required - cost) + (1-p)·(what the rest is worth then)``; the
    sunk price of the filled leg is the same in every choice and cancels.

    Examples
    --------
    >>> decide(Exposed(Decimal("0.52"), Decimal("0.9"), Decimal("0.43"), Decimal("0.005"))).choice
    <HedgeChoice.COMPLETE: 'complete'>
    """
    fallback = exposed.unwind_proceeds
    options: list[tuple[Decimal, int, HedgeChoice]] = []
    if fallback is not None:
        options.append((fallback, 3, HedgeChoice.UNWIND))
    if exposed.hold_value is not None:
        options.append((exposed.hold_value, 1, HedgeChoice.HOLD))
    if exposed.complete_cost is not None and exposed.attempts < exposed.attempts_max:
        rest = max((value for value, _, _ in options), default=Decimal(0))
        boxed = 1 - exposed.required - exposed.complete_cost
        value = exposed.complete_fill * boxed + (1 - exposed.complete_fill) * rest
        options.append((value, 2, HedgeChoice.COMPLETE))
    if not options:
        # nothing can be traded now: stand and ask again, never forget the contracts
        return Hedge(HedgeChoice.WAIT if exposed.may_wait else HedgeChoice.HOLD, Decimal(0))
    value, _, choice = max(options)
    if exposed.may_wait and exposed.wait_gain > 0:
        return Hedge(HedgeChoice.WAIT, value + exposed.wait_gain)
    return Hedge(choice, value)


def slippage_allowance(edge: Decimal, unwind: Decimal) -> Decimal:
    """Return how far the second leg's limit may go beyond plan: until completing equals unwinding.

    ``e - slip >= -u``: paying up to ``e + u`` more than planned still beats the unwind.
    """
    return max(Decimal(0), edge + unwind)
