"""Fees by regime, against the published tables and as properties."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.kalshi.fees import (
    REGIMES,
    FeeAccumulator,
    FeeTerms,
    charge,
    raw_fee,
    regime_at,
)
from simulators.kalshi.units import NS_PER_S

TAKER = Fraction(7, 100)


def one(regime, rate, qty, px, precision=100, side="bid"):
    own = px if side == "bid" else 10_000 - px
    return charge(regime, rate, qty, px, -qty * own, precision, FeeAccumulator())


@pytest.mark.parametrize(
    ("qty", "px", "fee"),
    [
        (100, 5200, 17_500),
        (100, 9900, 700),
        (10_000, 5000, 1_750_000),
        (25_000, 850, 1_361_100),
        (777, 300, 15_900),
    ],
)
def test_taker_fees_of_the_published_table(qty, px, fee):
    assert one("2026q2", TAKER, qty, px).trade == fee


@pytest.mark.parametrize(
    ("fee_type", "multiplier", "is_taker", "fee"),
    [
        ("quadratic", "0.5", True, 84_000),
        ("quadratic", "1", False, 0),
        ("quadratic_with_maker_fees", "1", False, 42_000),
        ("quadratic_with_combo_maker_fees", "1", False, 84_000),
        ("quadratic_with_combo_maker_fees", "1", True, 168_000),
        ("flat", "1", True, 0),
    ],
)
def test_ten_at_forty_cents_by_fee_type(fee_type, multiplier, is_taker, fee):
    rate = FeeTerms(fee_type, Fraction(multiplier)).rate(is_taker)
    assert one("2026q2", rate, 1000, 4000).trade == fee


def test_a_sub_cent_cost_is_rounded_to_the_balance_step():
    found = one("2026q2", TAKER, 3, 3301)
    assert (found.trade, found.rounding, found.rebate) == (500, 97, 0)


@pytest.mark.parametrize(("precision", "rounding", "net"), [(10_000, 1361, 5000), (100, 61, 3700)])
def test_the_regime_of_july_rounds_the_model_to_a_millionth(precision, rounding, net):
    found = one("2026q3", TAKER, 100, 550, precision)
    assert (found.trade, found.rounding, found.net) == (3639, rounding, net)


@pytest.mark.parametrize(
    ("qty", "px", "fee"), [(10_000, 5000, 1_750_000), (100, 5000, 20_000), (10_000, 100, 70_000)]
)
def test_the_legacy_regime_ceils_whole_cents_an_order(qty, px, fee):
    assert one("legacy", TAKER, qty, px).net == fee
    order = FeeAccumulator()
    parts = [charge("legacy", TAKER, qty // 100, px, 0, 100, order).net for _ in range(100)]
    assert sum(parts) == fee


def test_the_accumulator_rebates_a_cent_when_it_exceeds_one():
    order, paid, trade = FeeAccumulator(), 0, 0
    for _ in range(200):
        found = charge("2026q2", TAKER, 3, 3301, -9903, 100, order)
        paid, trade = paid + found.net, trade + found.trade
        assert 0 <= order.rounding <= 10_000
    assert paid - trade == order.rounding


@pytest.mark.parametrize(
    ("day", "regime"),
    [(1_779_926_399, "legacy"), (1_779_926_400, "2026q2"), (1_783_382_399, "2026q2"),
     (1_783_382_400, "2026q3")],
)  # fmt: skip
def test_regime_by_trade_date(day, regime):
    assert regime_at(day * NS_PER_S) == regime


fills = st.lists(
    st.tuples(st.integers(1, 100_000), st.integers(1, 9999), st.booleans()), min_size=1, max_size=30
)


@given(fills, st.sampled_from(REGIMES[1:]), st.sampled_from([100, 10_000]))
def test_bounds_and_balance_grid_of_an_order(rows, regime, precision):
    order = FeeAccumulator()
    raw, net, balance = Fraction(0), 0, 0
    for qty, px, is_bid in rows:
        revenue = -qty * (px if is_bid else 10_000 - px)
        found = charge(regime, TAKER, qty, px, revenue, precision, order)
        assert found.net >= 0
        balance += revenue - found.net
        assert balance % precision == 0
        raw += raw_fee(TAKER, qty, px)
        net += found.net
    step = 100 if regime == "2026q2" else 1
    assert raw <= net < raw + len(rows) * (step + precision)


@given(fills)
def test_legacy_costs_the_ceiling_of_the_whole_order(rows):
    order, net, raw = FeeAccumulator(), 0, Fraction(0)
    for qty, px, _ in rows:
        net += charge("legacy", TAKER, qty, px, 0, 100, order).net
        raw += raw_fee(TAKER, qty, px)
    assert net == -(-raw // 10_000) * 10_000
