"""Hypothesis strategies shared by the core tests."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import strategies as st

from core.fees import FeeSchedule, KalshiFees, PolymarketFees, PolymarketUSFees

UNIT = 1_000_000

regimes = st.sampled_from(["legacy", "2026q2", "2026q3"])
members = st.sampled_from([Decimal("0.0001"), Decimal("0.01")])
kalshi = st.builds(
    lambda kind, multiplier, member, regime: KalshiFees(kind, multiplier, member, regime).at(0),
    st.sampled_from(["quadratic", "quadratic_with_maker_fees", "quadratic_with_combo_maker_fees"]),
    st.sampled_from([Decimal(1), Decimal("0.5"), Decimal(0), Decimal("0.75")]),
    members,
    regimes,
)
polymarket = st.builds(
    lambda rate, exponent, form, rounding: PolymarketFees(
        rate, Decimal(exponent), "collateral", form, rounding
    ).at(0),
    st.sampled_from([Decimal(0), Decimal("0.04"), Decimal("0.05"), Decimal("0.07")]),
    st.sampled_from([1, 2]),
    st.sampled_from(["symmetric", "price_weighted"]),
    st.sampled_from(["up", "nearest"]),
)
polymarket_us = st.just(PolymarketUSFees().at(0))
schedules: st.SearchStrategy[FeeSchedule] = st.one_of(kalshi, polymarket, polymarket_us)

prices = st.integers(1, 9_999).map(lambda n: n * 100)
cent_prices = st.integers(1, 99).map(lambda n: n * 10_000)
sizes = st.integers(1, 50_000).map(lambda n: n * 10_000)


@st.composite
def ladders(draw: st.DrawFn, *, levels: int = 4, size_max: int = 30, lot: int = UNIT):
    """Ask ladders: strictly rising cent prices, whole-lot sizes."""
    chosen = draw(st.lists(cent_prices, min_size=1, max_size=levels, unique=True))
    return tuple((price, draw(st.integers(1, size_max)) * lot) for price in sorted(chosen))
