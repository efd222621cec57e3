"""Payoffs in every state."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.contracts import (
    AGREEING,
    Direction,
    Holding,
    Outcome,
    State,
    box_payoff,
    scalar_state,
    void_state,
)
from core.settlement import Payout, payout, worst_value

D = Decimal
shares = st.decimals(0, 1, places=4)
sizes = st.decimals(0, 1000, places=2)
holdings = st.builds(Holding, sizes, sizes, sizes, sizes)


@given(shares, shares)
def test_the_two_directions_pay_two_in_every_state(a, b):
    state = State("any", a, b)
    assert sum(box_payoff(d, state) for d in Direction) == 2


@pytest.mark.parametrize("direction", list(Direction))
def test_a_box_pays_one_when_the_venues_agree(direction):
    assert [box_payoff(direction, state) for state in AGREEING] == [1, 1]
    assert box_payoff(direction, scalar_state(D("0.37"), D("0.37"))) == 1


def test_a_void_pays_the_favourite_on_kalshi():
    """METHODS 0.3: v = 0.8 pays 1.30 with YES on Kalshi and 0.70 mirrored."""
    state = void_state(D("0.8"))
    assert box_payoff(Direction.YES_NO, state) == D("1.3")
    assert box_payoff(Direction.NO_YES, state) == D("0.7")


def test_time_person_of_the_year_lost_one_box_and_doubled_the_other():
    """METHODS 2.2: Kalshi paid YES on a name, Polymarket resolved it NO."""
    state = State("name", D(1), D(0))
    assert box_payoff(Direction.NO_YES, state) == 0
    assert box_payoff(Direction.YES_NO, state) == 2


@given(holdings, shares, shares)
def test_value_is_the_sum_of_its_parts_and_worst_is_the_least(holding, a, b):
    state = State("s", a, b)
    paid = payout(holding, a, b)
    assert paid.total == holding.value(state)
    assert holding.worst((state, *AGREEING)) <= holding.value(state)


@given(holdings)
def test_boxes_are_what_every_agreeing_state_pays(holding):
    assert holding.worst() >= holding.boxes


def test_an_unknown_venue_leaves_the_total_unknown():
    holding = Holding(yes_a=D(10), no_b=D(10))
    assert payout(holding, D(1), None) == Payout(D(10), None)
    assert payout(holding, D(1), None).total is None


def test_the_worst_state_uses_what_is_known():
    holding = Holding(yes_a=D(10), no_b=D(10))
    assert worst_value(holding, None, None) == 10
    assert worst_value(holding, D("0.5"), None) == 5
    assert worst_value(holding, D(0), D(1)) == 0


def test_outcomes_of_directions():
    assert [Direction.YES_NO.outcome(i) for i in (0, 1)] == [Outcome.YES, Outcome.NO]
    assert [Direction.NO_YES.outcome(i) for i in (0, 1)] == [Outcome.NO, Outcome.YES]
    assert Direction.YES_NO.other is Direction.NO_YES


def test_states_outside_the_unit_are_refused():
    with pytest.raises(ValueError, match=r"state s\.yes_b: found 1\.1, allowed 0 to 1"):
        State("s", D(1), D("1.1"))
