"""Wishes become exactly the venue's request, or one sentence why not."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.kalshi.netting import Gross
from adapters.kalshi.orders import Denied, Terms, TimeInForce, Wish, amend, build, decrease
from adapters.kalshi.symbols import Leg
from core.money import PriceGrid, TickBand

CENT = PriceGrid.uniform(Decimal("0.01"))
TAPERED = PriceGrid(
    (
        TickBand(Decimal("0"), Decimal("0.1"), Decimal("0.001")),
        TickBand(Decimal("0.1"), Decimal("0.9"), Decimal("0.01")),
        TickBand(Decimal("0.9"), Decimal("1"), Decimal("0.001")),
    )
)
TERMS = Terms("KXA-1", CENT, 2)
NOW = 1_781_159_360_866_000_000
FLAT = Gross(0, 0)
BUY = Wish("c-1", Leg.YES, True, 470_000, 10_000_000)


def made(wish: Wish, terms: Terms = TERMS, held: Gross = FLAT, offered: int = 0):
    return build(wish, terms, held=held, offered_u=offered, now_ns=NOW)


def test_a_buy_of_yes_is_a_bid_in_strings() -> None:
    assert made(BUY) == {
        "ticker": "KXA-1",
        "client_order_id": "c-1",
        "side": "bid",
        "count": "10.00",
        "price": "0.4700",
        "time_in_force": "good_till_canceled",
        "self_trade_prevention_type": "taker_at_cross",
        "cancel_order_on_pause": False,
        "exchange_index": 2,
    }


@pytest.mark.parametrize(
    ("leg", "buy", "side", "price"),
    [
        (Leg.YES, True, "bid", "0.4700"),
        (Leg.YES, False, "ask", "0.4700"),
        (Leg.NO, True, "ask", "0.5300"),
        (Leg.NO, False, "bid", "0.5300"),
    ],
)
def test_the_four_corners(leg: Leg, buy: bool, side: str, price: str) -> None:
    held = FLAT if buy else Gross(10**8, 0) if leg is Leg.YES else Gross(0, 10**8)
    request = made(replace(BUY, leg=leg, buy=buy), held=held)
    assert (request["side"], request["price"]) == (side, price)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"client_id": "a.b"}, "client order id"),
        ({"client_id": "x" * 65}, "client order id"),
        ({"client_id": ""}, "client order id"),
        ({"price_u": 0}, "between 0 and 1"),
        ({"price_u": 1_000_000}, "between 0 and 1"),
        ({"price_u": 475_000}, r"off the grid; next allowed: 0\.47 and 0\.48"),
        ({"price_u": 470_001}, "off the grid"),
        ({"size_u": 9_999}, r"size: found 0\.009999, allowed: at least 0\.01"),
        ({"size_u": 0}, "at least 0.01"),
        ({"size_u": 15_000}, r"multiples of 0\.01"),
        ({"tif": TimeInForce.IOC, "post_only": True}, "post-only"),
        ({"tif": TimeInForce.IOC, "expire_ns": NOW * 2}, "expiry"),
        ({"expire_ns": NOW}, "has passed"),
        ({"reduce_only": True}, "reduce-only"),
        ({"buy": False}, r"SELL of 10 YES, allowed: 0 "),
    ],
)
def test_bad_wishes_are_denied_with_the_reason(change: dict, says: str) -> None:
    denied = made(replace(BUY, **change))
    assert isinstance(denied, Denied)
    with pytest.raises(AssertionError, match=says):
        raise AssertionError(denied.reason)


def test_off_grid_no_prices_are_explained_in_no_prices() -> None:
    denied = made(replace(BUY, leg=Leg.NO, price_u=475_000))
    assert denied.reason.endswith("next allowed: 0.47 and 0.48")


def test_a_tapered_grid_is_fine_at_the_edges_only() -> None:
    terms = replace(TERMS, grid=TAPERED)
    assert made(replace(BUY, price_u=55_000), terms)["price"] == "0.0550"
    assert made(replace(BUY, leg=Leg.NO, price_u=945_000), terms)["price"] == "0.0550"
    assert isinstance(made(replace(BUY, price_u=555_000), terms), Denied)


def test_the_reduce_only_flag_goes_only_with_ioc() -> None:
    sell = replace(BUY, buy=False, reduce_only=True)
    assert "reduce_only" not in made(sell, held=Gross(10_000_000, 0))
    ioc = replace(sell, tif=TimeInForce.IOC)
    assert made(ioc, held=Gross(10_000_000, 0))["reduce_only"] is True
    both = made(ioc, held=Gross(10_000_000, 5_000_000))
    assert "reduce_only" not in both, "the venue sees only the net and would cut the order"


def test_a_sell_never_exceeds_what_is_held_less_what_is_offered() -> None:
    sell = replace(BUY, buy=False)
    assert not isinstance(made(sell, held=Gross(10_000_000, 0)), Denied)
    assert isinstance(made(sell, held=Gross(10_000_000, 0), offered=10_000), Denied)


def test_expiry_is_in_whole_seconds() -> None:
    request = made(replace(BUY, expire_ns=NOW + 61_999_999_999))
    assert request["expiration_time"] == (NOW + 61_999_999_999) // 10**9


@given(price=st.integers(1, 99), size=st.integers(1, 10**6), leg=st.sampled_from(Leg))
def test_strings_are_exact(price: int, size: int, leg: Leg) -> None:
    request = made(replace(BUY, leg=leg, price_u=price * 10_000, size_u=size * 10_000))
    yes = price if leg is Leg.YES else 100 - price
    assert Decimal(request["price"]) == Decimal(yes) / 100
    assert len(request["price"].partition(".")[2]) == 4
    assert Decimal(request["count"]) == Decimal(size) / 100


def test_amend_counts_the_total_and_decrease_the_difference() -> None:
    request = amend(
        ticker="KXA-1",
        bid=False,
        leg=Leg.NO,
        price_u=400_000,
        total_u=8_000_000,
        client_id="c-1",
        shard=0,
    )
    assert request == {
        "ticker": "KXA-1",
        "side": "ask",
        "price": "0.6000",
        "count": "8.00",
        "client_order_id": "c-1",
        "exchange_index": 0,
    }
    assert decrease(ticker="KXA-1", by_u=2_000_000, shard=None) == {
        "market_ticker": "KXA-1",
        "reduce_by": "2.00",
    }
