"""Baskets: the worked examples of METHODS 3.5, and any hand-made basket is no better."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.basket import Offer, best_basket
from core.fees import KalshiFees, PolymarketFees
from tests.core.strategies import UNIT

D = Decimal
KALSHI = KalshiFees("quadratic", regime="2026q3").at(0)
POLY = PolymarketFees(D("0.05")).at(0)
FREE = PolymarketFees(D(0)).at(0)


def asks(*rows):
    return tuple((int(D(p) * UNIT), s * UNIT) for p, s in rows)


def yes(name, rows, schedule, state, states=3):
    pays = tuple(int(i == state) for i in range(states))
    return Offer(name, asks(*rows), schedule, pays)


THREE_WAY = [
    yes("K home", [(".42", 40)], KALSHI, 0),
    yes("K draw", [(".27", 60)], KALSHI, 1),
    yes("K away", [(".31", 30)], KALSHI, 2),
    yes("P home", [(".44", 100)], POLY, 0),
    yes("P draw", [(".24", 50)], POLY, 1),
    yes("P away", [(".27", 80)], POLY, 2),
]


def test_the_three_way_example():
    """n = 50, cost 48.45405, profit 1.54595: home 40 on Kalshi and 10 on Polymarket, rest there."""
    basket = best_basket(THREE_WAY, UNIT)
    sizes = {name: size // UNIT for name, size in basket.sizes_u.items()}
    assert sizes == {"K home": 40, "P home": 10, "P draw": 50, "P away": 50}
    assert (basket.pays_u, basket.cost_u, basket.profit_u) == (50_000_000, 48_454_050, 1_545_950)


def test_no_on_all_four():
    """METHODS 3.5: .62 .71 .78 .82 x50 at r = .04, profit 1.9786."""
    schedule = PolymarketFees(D("0.04")).at(0)
    prices = (".62", ".71", ".78", ".82")
    offers = [
        Offer(p, asks((p, 50)), schedule, tuple(int(i != j) for j in range(4)))
        for i, p in enumerate(prices)
    ]
    basket = best_basket(offers, UNIT)
    assert set(basket.sizes_u.values()) == {50 * UNIT}
    assert D(basket.profit_u) / UNIT == D("1.9786")


def test_no_on_all_is_safe_even_if_none_happens():
    offers = [
        Offer(p, asks((p, 10)), FREE, (*(int(i != j) for j in range(3)), 1))
        for i, p in enumerate((".60", ".60", ".60"))
    ]
    assert best_basket(offers, UNIT).profit_u == 2_000_000


def test_yes_on_all_is_worthless_when_none_may_happen():
    offers = [yes(str(i), [(".30", 10)], FREE, i, states=4) for i in range(3)]
    assert best_basket(offers, UNIT).profit_u == 0


prices = st.integers(5, 60).map(lambda p: f"0.{p:02d}")


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(prices, st.integers(1, 9)), min_size=3, max_size=3), st.data())
def test_no_hand_made_basket_is_better(rows, data):
    offers = [yes(str(i), [row], FREE, i) for i, row in enumerate(rows)]
    best = best_basket(offers, UNIT)
    sizes = [data.draw(st.integers(0, size)) for _, size in rows]
    cost = sum(int(D(p) * UNIT) * n for (p, _), n in zip(rows, sizes, strict=True))
    assert best.profit_u >= min(sizes) * UNIT - cost


def test_offers_must_agree_about_the_states():
    with pytest.raises(ValueError, match="found \\[3, 4\\] states"):
        best_basket([THREE_WAY[0], yes("x", [(".1", 1)], FREE, 0, states=4)], UNIT)
