"""What is traded and what it pays: venues, outcomes, box directions, payoffs in every state."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from enum import StrEnum

import msgspec

ONE = Decimal(1)
HALF = Decimal("0.5")


class Venue(StrEnum):
    """The venues of the product; the value is the Nautilus venue name."""

    KALSHI = "KALSHI"
    POLYMARKET = "POLYMARKET"
    POLYMARKET_US = "POLYMARKET_US"


class Outcome(StrEnum):
    """One side of a binary market."""

    YES = "YES"
    NO = "NO"

    @property
    def other(self) -> Outcome:
        """The complementary outcome."""
        return Outcome.NO if self is Outcome.YES else Outcome.YES


class Side(StrEnum):
    """Order side."""

    BUY = "BUY"
    SELL = "SELL"


class Liquidity(StrEnum):
    """Whether a fill took or made liquidity."""

    TAKER = "taker"
    MAKER = "maker"


class Direction(StrEnum):
    """The two boxes of a pair, in the pair's YES frame: A is the first market, B the second."""

    YES_NO = "yes_no"
    """YES on A, NO on B."""
    NO_YES = "no_yes"
    """NO on A, YES on B."""

    @property
    def other(self) -> Direction:
        """The mirrored box."""
        return Direction.NO_YES if self is Direction.YES_NO else Direction.YES_NO

    def outcome(self, leg: int) -> Outcome:
        """Return the outcome bought on market ``leg`` (0 is A, 1 is B)."""
        first = Outcome.YES if self is Direction.YES_NO else Outcome.NO
        return first if leg == 0 else first.other


class State(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How an event can end: the value of the pair's YES on each venue, in dollars per contract."""

    name: str
    yes_a: Decimal
    yes_b: Decimal

    def __post_init__(self) -> None:
        for field, value in (("yes_a", self.yes_a), ("yes_b", self.yes_b)):
            if not 0 <= value <= 1:
                raise ValueError(f"state {self.name}.{field}: found {value}, allowed 0 to 1")


STATE_YES = State("yes", ONE, ONE)
STATE_NO = State("no", Decimal(0), Decimal(0))
AGREEING = (STATE_YES, STATE_NO)


def void_state(fair_value: Decimal, polymarket_value: Decimal = HALF) -> State:
    """Make the void state: Kalshi (A) settles at a fair value, Polymarket (B) at 0.50.

    Source: METHODS 2.1; Kalshi rule texts per sport, Polymarket 50-50 resolution.

    Examples
    --------
    >>> box_payoff(Direction.YES_NO, void_state(Decimal("0.8")))
    Decimal('1.3')
    """
    return State("void", fair_value, polymarket_value)


def scalar_state(value_a: Decimal, value_b: Decimal) -> State:
    """Make a scalar state: each venue pays its YES at a value between 0 and 1."""
    return State("scalar", value_a, value_b)


def outcome_value(outcome: Outcome, yes_value: Decimal) -> Decimal:
    """Return what one contract of ``outcome`` pays when YES pays ``yes_value``."""
    return yes_value if outcome is Outcome.YES else ONE - yes_value


def box_payoff(direction: Direction, state: State) -> Decimal:
    """Return what one box pays in a state, in dollars; the two directions sum to 2 in every state.

    Examples
    --------
    >>> box_payoff(Direction.NO_YES, void_state(Decimal("0.8")))
    Decimal('0.7')
    """
    return outcome_value(direction.outcome(0), state.yes_a) + outcome_value(
        direction.outcome(1), state.yes_b
    )


class Holding(msgspec.Struct, frozen=True):
    """Contracts held of one pair, per market and outcome, in the pair's YES frame."""

    yes_a: Decimal = Decimal(0)
    no_a: Decimal = Decimal(0)
    yes_b: Decimal = Decimal(0)
    no_b: Decimal = Decimal(0)

    def value(self, state: State) -> Decimal:
        """Return the settlement value in a state, in dollars."""
        return (
            self.yes_a * state.yes_a
            + self.no_a * (ONE - state.yes_a)
            + self.yes_b * state.yes_b
            + self.no_b * (ONE - state.yes_b)
        )

    def worst(self, states: Iterable[State] = AGREEING) -> Decimal:
        """Return the smallest settlement value over ``states`` (at least one)."""
        return min(self.value(state) for state in states)

    @property
    def boxes(self) -> Decimal:
        """Complete boxes: contracts that pay one dollar when the venues agree."""
        return min(self.yes_a, self.no_b) + min(self.no_a, self.yes_b)
