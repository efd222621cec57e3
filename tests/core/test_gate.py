"""The gate never rejects a book on which the exact path finds an edge."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from core.fees import KalshiFees, PolymarketFees, PolymarketUSFees
from core.gate import GateTable, edge_possible
from core.ladder import CostCurve
from core.sizing import BoxSize, SizeRules, best_box
from tests.core.strategies import UNIT, ladders, schedules

PLENTY = 10**13
US = PolymarketUSFees().at(0)


@settings(max_examples=500, deadline=None)
@given(
    ladders(size_max=20),
    ladders(size_max=20),
    schedules,
    schedules,
    st.integers(1, 10),
    st.booleans(),
)
@example(((500_000, 10 * UNIT),), ((460_000, 10 * UNIT),), US, US, 1, True)
def test_no_edge_is_lost(first, second, fee_a, fee_b, size_min, pull_together):
    """Compare with the exact search under no hurdle at all."""
    if pull_together:  # books that nearly add up to a dollar: where a careless gate errs
        best = first[0][0]
        second = tuple(sorted({max(10_000, p - best): s for p, s in second}.items()))
    curves = CostCurve(first, fee_a, UNIT), CostCurve(second, fee_b, UNIT)
    least = size_min * UNIT
    found = best_box(*curves, SizeRules(UNIT, least, PLENTY, (PLENTY, PLENTY), PLENTY))
    bound_a = GateTable(fee_a, least, UNIT)[first[0][0]]
    bound_b = GateTable(fee_b, least, UNIT)[second[0][0]]
    if isinstance(found, BoxSize):
        assert edge_possible(bound_a, UNIT, UNIT, bound_b)
        assert found.locked_u > 0


def test_prices_outside_the_unit_can_never_be_bought():
    table = GateTable(US, UNIT, 10**16)
    assert table[0] == table[10**16] == table[2 * 10**16] == UNIT
    assert not edge_possible(table[0], UNIT, UNIT, 0)


def test_bounds_contain_the_fee():
    half = 5 * 10**15
    assert GateTable(KalshiFees("quadratic", regime="2026q3").at(0), UNIT, 10**16)[half] == 517_500
    assert GateTable(PolymarketFees(Decimal("0.05")).at(0), UNIT, 10**16)[half] == 512_500
    assert GateTable(None, UNIT, 10**16)[half] == 500_000
    # banker's rounding can favour an order by half a cent: one contract pays 1.7375 c or 1 c less
    assert GateTable(US, 1 * UNIT, 10**16)[half] == 512_375
    assert GateTable(US, 100 * UNIT, 10**16)[half] == 517_325


def test_a_price_is_calculated_once():
    table = GateTable(US, UNIT, 10**16)
    assert len(table) == 0
    assert table[10**15] == table[10**15]
    assert len(table) == 1


def test_a_scale_that_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="raw_scale"):
        GateTable(US, UNIT, 1_500_000)
