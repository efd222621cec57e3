"""Worked numbers of METHODS 2.3, 3.4, 3.6, 3.7, and the choices built on them."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.contracts import Direction
from core.early_close import best_close, hold_value_n, worth_looking
from core.edge import (
    break_even_divergence,
    break_even_fill,
    compound_return,
    divergence,
    kelly_two,
    legging,
    max_resting_bid,
    required_edge,
    simple_return,
    unwind_cost,
)
from core.fees import KalshiFees, PolymarketFees
from core.hedge import Exposed, HedgeChoice, decide, slippage_allowance
from core.ladder import CostCurve
from core.pairs import Clause
from core.plan import LegOdds, choose_plan, cost_first, cost_together
from tests.core.strategies import UNIT

D = Decimal


def clause(q, yes_no, no_yes=None):
    no_yes = 2 - D(yes_no) if no_yes is None else D(no_yes)
    return Clause(name="c", q=D(q), yes_no=D(yes_no), no_yes=no_yes)


def test_required_edge_of_the_worked_box():
    """METHODS 2.3: .0072 + .00107 + .00333 = 1.16 c."""
    clauses = [clause("0.003", "0", "0"), clause("0.002", "0.7"), clause("0.004", "1.3")]
    edge = required_edge(
        clauses,
        Direction.YES_NO,
        cost=D("0.975"),
        rate_year=D("0.10"),
        lockup_days=D(4),
        second_fill=D("0.9"),
        unwind=D("0.03"),
    )
    assert edge.divergence == D("0.0072")
    assert round(edge.carry, 5) == D("0.00107")
    assert round(edge.legging, 5) == D("0.00333")
    assert round(edge.total, 4) == D("0.0116")


def test_void_risk_is_signed():
    clauses = [clause("0.01", "1.3")]
    assert divergence(clauses, Direction.YES_NO) == 0
    assert divergence(clauses, Direction.NO_YES) == D("0.006")
    assert divergence(clauses, Direction.YES_NO, credit=D(1)) == D("-0.003")


def test_returns():
    """METHODS 3.4: c = .98, 30 days -> 24.83 % simple, 27.86 % compound."""
    assert round(simple_return(D("0.98"), D(30)), 4) == D("0.2483")
    assert round(compound_return(D("0.98"), D(30)), 4) == D("0.2786")
    assert simple_return(D("0.98"), D("0.1")) == simple_return(D("0.98"), D(1))


def test_break_evens():
    assert round(break_even_fill(D("0.02"), D("0.035")), 3) == D("0.636")
    assert break_even_divergence(D("0.97")) == D("0.03")
    assert round(unwind_cost(D("0.46"), D("0.44"), D("0.07")), 4) == D("0.0546")


@pytest.mark.parametrize(("q", "fraction"), [("0.005", "0.833"), ("0.02", "0.333"), ("0.03", "0")])
def test_kelly(q, fraction):
    """METHODS 3.7 at c = .97."""
    assert round(kelly_two(D("0.97"), D(q)), 3) == D(fraction)


def test_kelly_of_a_box_without_gain_is_nothing():
    assert kelly_two(D("1.0"), D(0)) == 0


def test_max_resting_bid():
    """METHODS 3.6: hedge .49 (all-in .502495), maker .0175, need 1 c -> .48."""
    hedge = D("0.49") + D("0.05") * D("0.49") * D("0.51")
    assert max_resting_bid(hedge, D("0.01"), D("0.0175"), D("0.01")) == D("0.48")
    assert max_resting_bid(D("0.995"), D("0.01"), D("0.0175"), D("0.01")) is None


def test_leg_plans():
    """METHODS 3.6: K first .875 c, P first .237 c, together .757 c."""
    k = LegOdds(D("0.97"), D("0.95"), D("0.035"))
    p = LegOdds(D("0.85"), D("0.80"), D("0.045"))
    assert round(cost_first(k, p), 5) == D("0.00875")
    assert round(cost_first(p, k), 5) == D("0.00237")
    assert round(cost_together(k, p), 5) == D("0.00757")
    assert choose_plan(k, p).first == 1
    assert choose_plan(k, p, "parallel").first is None
    assert choose_plan(p, k, "sequential").first == 0


def test_legging_needs_a_probability():
    with pytest.raises(ValueError, match="second_fill: found 0"):
        legging(D(0), D("0.03"))


def bids(*levels):
    return tuple((int(D(p) * UNIT), s * UNIT) for p, s in levels)


def test_early_close_of_the_worked_box():
    """METHODS 3.4: K bids .55x100 .53, P bids .48x80 .47, hold 150 -> close 80, gain .66777."""
    a = CostCurve(
        bids((".55", 100), (".53", 900)), KalshiFees("quadratic", regime="2026q3").at(0), UNIT,
        buy=False,
    )  # fmt: skip
    b = CostCurve(bids((".48", 80), (".47", 900)), PolymarketFees(D("0.05")).at(0), UNIT, buy=False)
    close = best_close(
        a, b, held_u=150 * UNIT, lot_u=UNIT, hold_n=hold_value_n(D(0), D("0.1"), D(30))
    )
    assert close is not None
    assert close.size_u == 80 * UNIT
    assert round(D(close.gain_n).scaleb(-15), 5) == D("0.66777")
    assert close.proceeds_u == 42_614_000 + 37_401_600


def test_holding_wins_when_bids_are_low():
    a = CostCurve(
        bids((".50", 100)), KalshiFees("quadratic", regime="2026q3").at(0), UNIT, buy=False
    )
    b = CostCurve(bids((".48", 80)), PolymarketFees(D("0.05")).at(0), UNIT, buy=False)
    hold = hold_value_n(D(0), D("0.1"), D(30))
    assert best_close(a, b, held_u=50 * UNIT, lot_u=UNIT, hold_n=hold) is None
    assert not worth_looking(500_000, 480_000, hold)
    assert worth_looking(550_000, 480_000, hold)


def exposed(**changes):
    base = Exposed(D("0.52"), D("0.9"), D("0.43"), D("0.005"), attempts_max=1)
    return base._replace(**changes)


@pytest.mark.parametrize(
    ("changes", "choice"),
    [
        ({}, HedgeChoice.COMPLETE),
        ({"complete_cost": D("0.60")}, HedgeChoice.UNWIND),
        ({"attempts": 1}, HedgeChoice.UNWIND),
        ({"complete_cost": None}, HedgeChoice.UNWIND),
        ({"complete_cost": None, "unwind_proceeds": D("0.10"), "hold_value": D("0.30")},
         HedgeChoice.HOLD),
        ({"complete_cost": None, "unwind_proceeds": None, "may_wait": True}, HedgeChoice.WAIT),
        ({"complete_cost": None, "unwind_proceeds": None}, HedgeChoice.HOLD),
        ({"may_wait": True, "wait_gain": D("0.01")}, HedgeChoice.WAIT),
    ],
)  # fmt: skip
def test_hedge_choices(changes, choice):
    assert decide(exposed(**changes)).choice is choice


@given(st.integers(1, 99), st.integers(1, 99))
def test_the_choice_is_worth_at_least_the_unwind(cost, bid):
    hedge = decide(exposed(complete_cost=D(cost) / 100, unwind_proceeds=D(bid) / 100))
    assert hedge.value >= D(bid) / 100


def test_a_tie_ends_the_exposure_by_unwinding():
    tie = exposed(complete_cost=D("0.565"), complete_fill=D(1), unwind_proceeds=D("0.43"))
    assert decide(tie).choice is HedgeChoice.UNWIND


def test_slippage_goes_until_completing_equals_unwinding():
    assert slippage_allowance(D("0.02"), D("0.035")) == D("0.055")
    assert slippage_allowance(D("-0.05"), D("0.035")) == 0
