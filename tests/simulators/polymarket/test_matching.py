"""Matching, dollars against shares, fees and balances that move when mined."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulators.polymarket import operations, orders
from simulators.polymarket.fees import taker_fee
from simulators.polymarket.frames import book_hash, rest_book
from simulators.polymarket.model import Refusal
from simulators.polymarket.units import ONE, decimals, number, text, units
from tests.simulators.polymarket.kit import (
    SPORTS,
    START_NS,
    S,
    check_world,
    make_market,
    make_trader,
    make_world,
)


@pytest.fixture
def world():
    return make_world()


def settle(world):
    world.run(world.now_ns + 60 * S)
    check_world(world)


def other(world, market, side, price, size, outcome=0):
    return operations.submit_other(world, market.tokens[outcome], side, units(price), units(size))[
        0
    ]


@pytest.mark.parametrize(
    ("side", "maker_side", "outcome", "maker_price", "kind", "taker_cash"),
    [
        ("BUY", "SELL", 0, "0.48", "complementary", "4.8"),
        ("BUY", "BUY", 1, "0.52", "mint", "4.8"),
        ("SELL", "BUY", 0, "0.53", "complementary", "5.3"),
        ("SELL", "SELL", 1, "0.47", "merge", "5.3"),
    ],
)
def test_three_kinds_of_match_honour_the_resting_price(
    world, side, maker_side, outcome, maker_price, kind, taker_cash
):
    market, trader = make_market(world), make_trader(world)
    world.ledger.split(trader.wallet, market, 100 * ONE)
    world.ledger.refresh(trader.wallet)
    maker = other(world, market, maker_side, maker_price, 30, outcome)
    before_cash, before = trader.wallet.cash, trader.wallet.tokens[market.tokens[0]]
    answer = trader.post(market, side, "0.5", 10)
    assert answer["status"] == "matched"
    fill = world.trades[answer["tradeIDs"][0]].fills[0]
    assert (fill.kind, fill.maker.id, text(fill.taker_cash)) == (kind, maker.id, taker_cash)
    assert trader.wallet.cash == before_cash, "nothing moves before it is mined"
    settle(world)
    sign = 1 if side == "BUY" else -1
    assert trader.wallet.cash == before_cash - sign * units(taker_cash)
    assert trader.wallet.tokens[market.tokens[0]] == before + sign * 10 * ONE


def test_price_then_time(world):
    market, trader = make_market(world), make_trader(world)
    late = other(world, market, "SELL", "0.5", 10)
    first = other(world, market, "BUY", "0.51", 10, outcome=1)  # an ask of YES at 0.49
    second = other(world, market, "SELL", "0.49", 10)
    answer = trader.post(market, "BUY", "0.5", 25)
    makers = [f.maker.id for t in answer["tradeIDs"] for f in world.trades[t].fills]
    assert makers == [first.id, second.id, late.id]
    assert late.left == 5 * ONE


def test_size_beyond_the_book_rests(world):
    market, trader = make_market(world), make_trader(world)
    other(world, market, "SELL", "0.5", 10)
    answer = trader.post(market, "BUY", "0.52", 25)
    assert (answer["makingAmount"], answer["takingAmount"]) == ("5", "10")
    assert market.book.levels(0)[0] == [(units("0.52"), 15 * ONE)]
    check_world(world)


def test_fak_buy_spends_dollars_and_returns_more_shares(world):
    """Five shares signed at 0.99 hit 0.98: 4.95 / 0.98 = 5.05102 shares."""
    market, trader = make_market(world), make_trader(world)
    other(world, market, "SELL", "0.98", 100)
    answer = trader.spend(market, "4.95", "5")
    assert (answer["makingAmount"], answer["takingAmount"]) == ("4.949999", "5.05102")


@pytest.mark.parametrize(("shares", "fills"), [("12.1951", True), ("12.1952", False)])
def test_a_dollar_order_crosses_by_its_exact_ratio(world, shares, fills):
    """Rounded up, 10 / 12.1952 is 0.81999: read as 0.82, but below the ask of 0.82."""
    market, trader = make_market(world), make_trader(world)
    other(world, market, "SELL", "0.82", 100)
    if fills:
        assert trader.spend(market, "10", shares)["takingAmount"] == "12.195121"
    else:
        with pytest.raises(Refusal, match="no orders found to match"):
            trader.spend(market, "10", shares)


def test_fak_shares_switch_takes_one_unit_off(world):
    world.switches.update({"fak_shares": "floor_minus_one"})
    market, trader = make_market(world), make_trader(world)
    other(world, market, "SELL", "0.98", 100)
    assert trader.spend(market, "4.95", "5")["takingAmount"] == "5.051019"


def test_marketable_gtc_fills_exactly_its_shares(world):
    market, trader = make_market(world), make_trader(world)
    other(world, market, "SELL", "0.95", 100)
    assert trader.post(market, "BUY", "0.96", "5.12")["takingAmount"] == "5.12"


def test_fok_fills_whole_or_leaves_no_trace(world):
    market, trader = make_market(world), make_trader(world)
    maker = other(world, market, "SELL", "0.5", 10)
    with pytest.raises(Refusal, match="FOK orders are fully filled or killed"):
        trader.spend(market, "6", "12", "FOK")
    assert maker.left == 10 * ONE
    assert not any(order.by == trader.key.address.lower() for order in world.orders.values())
    assert trader.spend(market, "4", "8", "FOK")["takingAmount"] == "8"


def test_fak_kills_the_rest_and_refuses_nothing_at_all(world):
    market, trader = make_market(world), make_trader(world)
    with pytest.raises(Refusal, match="no orders found to match with FAK order"):
        trader.spend(market, "4", "8")
    other(world, market, "SELL", "0.5", 10)
    answer = trader.spend(market, "6", "12")
    assert answer["takingAmount"] == "10"
    assert world.orders[answer["orderID"]].status == "CANCELED"
    assert trader.wallet.open_cash == 0


@pytest.mark.parametrize(
    ("choice", "matched"), [("match", "10"), ("skip", "")], ids=["match", "skip"]
)
def test_self_trade_switch(world, choice, matched):
    world.switches.update({"self_trade": choice})
    market, trader = make_market(world), make_trader(world)
    trader.post(market, "BUY", "0.6", 10, outcome=1)
    answer = trader.post(market, "BUY", "0.5", 10)
    assert answer["takingAmount"] == matched


def test_a_skipped_own_order_never_leaves_a_crossed_book(world):
    world.switches.update({"self_trade": "skip"})
    market, trader = make_market(world), make_trader(world)
    trader.post(market, "BUY", "0.6", 10, outcome=1)
    answer = trader.post(market, "BUY", "0.5", 10)
    assert world.orders[answer["orderID"]].status == "CANCELED"
    check_world(world)


def test_fees_of_the_reference(world):
    del world
    politics, crypto = SPORTS.__class__("p", 40_000), SPORTS.__class__("c", 70_000)
    assert text(taker_fee(SPORTS, units("0.55"), 100 * ONE, "half_up")) == "1.2375"
    assert text(taker_fee(crypto, units("0.3"), 250 * ONE, "half_up")) == "3.675"
    assert text(taker_fee(politics, units("0.08"), 125 * ONE, "half_up")) == "0.368"
    assert taker_fee(None, units("0.5"), ONE, "half_up") == 0


@pytest.mark.parametrize(("rounding", "fee"), [("half_up", 10), ("up", 20), ("down", 10)])
def test_fee_rounding_switch(rounding, fee):
    # 0.05 × 0.25 × 0.00104 = 0.000013 dollars
    assert taker_fee(SPORTS, units("0.5"), 1040, rounding) == fee


@pytest.mark.parametrize(("unit", "fee"), [("fill", "0.12454"), ("trade", "0.12454")])
def test_fee_unit_switch_is_per_fill_or_per_trade(world, unit, fee):
    world.switches.update({"fee_unit": unit})
    market, trader = make_market(world, fees=SPORTS), make_trader(world)
    other(world, market, "SELL", "0.4", "5.01")
    other(world, market, "SELL", "0.6", "5.37")
    trader.post(market, "BUY", "0.6", "10.38")
    per_fill = taker_fee(SPORTS, units("0.4"), units("5.01"), "half_up")
    per_fill += taker_fee(SPORTS, units("0.6"), units("5.37"), "half_up")
    cash = units("5.01") * 4 // 10 + units("5.37") * 6 // 10
    average = taker_fee(SPORTS, cash * ONE // units("10.38"), units("10.38"), "half_up")
    del fee
    trade = next(iter(world.trades.values()))
    assert trade.fee == (per_fill if unit == "fill" else average)
    assert per_fill != average


def test_fee_is_on_top_of_a_buy_and_off_a_sell(world):
    market, trader = make_market(world, fees=SPORTS), make_trader(world)
    other(world, market, "SELL", "0.55", 100)
    trader.post(market, "BUY", "0.55", 100)
    settle(world)
    assert text(trader.wallet.cash) == text(1000 * ONE - units("55") - units("1.2375"))
    other(world, market, "BUY", "0.55", 100)
    trader.post(market, "SELL", "0.55", 100)
    settle(world)
    assert text(trader.wallet.cash) == text(1000 * ONE - 2 * units("1.2375"))


def test_balance_counts_open_orders_and_unmined_trades(world):
    market, trader = make_market(world, fees=SPORTS), make_trader(world, cash=10)
    trader.post(market, "BUY", "0.4", 10)
    with pytest.raises(Refusal, match="sum of active orders: 4000000, order amount: 6400000"):
        trader.post(market, "BUY", "0.4", 16)
    other(world, market, "SELL", "0.5", 100)
    trader.post(market, "BUY", "0.5", 10)
    with pytest.raises(Refusal, match="not enough balance"):
        trader.post(market, "BUY", "0.4", 5)
    assert trader.wallet.cash == 10 * ONE


def test_the_fee_of_a_marketable_buy_must_be_covered(world):
    market, trader = make_market(world, fees=SPORTS), make_trader(world, cash=50)
    other(world, market, "SELL", "0.5", 1000)
    with pytest.raises(Refusal, match="not enough balance"):
        trader.post(market, "BUY", "0.5", 100)
    assert trader.post(market, "BUY", "0.5", 90)["status"] == "matched"


def test_unconfirmed_shares_cannot_be_sold(world):
    world.switches.update({"hold_trades": True})
    market, trader = make_market(world), make_trader(world)
    other(world, market, "SELL", "0.5", 100)
    trader.post(market, "BUY", "0.5", 10)
    with pytest.raises(Refusal, match="balance: 0, order amount: 10000000"):
        trader.post(market, "SELL", "0.6", 10)


@pytest.mark.parametrize(("choice", "ends"), [("detailed", "5000000"), ("plain", "allowance")])
def test_balance_text_switch(world, choice, ends):
    world.switches.update({"balance_text": choice})
    market, trader = make_market(world), make_trader(world, cash=0)
    with pytest.raises(Refusal) as caught:
        trader.post(market, "BUY", "0.5", 10)
    assert caught.value.message.startswith("not enough balance / allowance")
    assert caught.value.message.endswith(ends)


@pytest.mark.parametrize("changes", [{}, {"neg_risk": True}, {"version": "v2"}])
@pytest.mark.parametrize("side", ["BUY", "SELL"])
def test_allowance_is_asked_of_the_market_s_own_exchange(world, changes, side):
    market, trader = make_market(world, **changes), make_trader(world, approved=False)
    trader.wallet.tokens[market.tokens[0]] = 0
    trader.wallet.seen_tokens[market.tokens[0]] = 100 * ONE
    with pytest.raises(Refusal, match="the allowance is not enough"):
        trader.post(market, side, "0.5", 10)


def test_funds_that_leave_cancel_the_orders_they_covered(world):
    world.switches.update({"balance_cache": "fresh"})
    market, trader, friend = make_market(world), make_trader(world), make_trader(world, "b")
    first = trader.post(market, "BUY", "0.4", 1000)["orderID"]
    second = trader.post(market, "BUY", "0.4", 1000)["orderID"]
    operations.move(world, trader.wallet, friend.wallet, "", 500 * ONE)
    assert world.orders[second].status == "CANCELED_NOT_ENOUGH_BALANCE"
    assert world.orders[first].status == "LIVE"
    check_world(world)


_ACTION = st.tuples(
    st.sampled_from(["post", "post", "post", "fak", "cancel", "crowd", "quote", "time", "split"]),
    st.integers(0, 1),
    st.sampled_from(["BUY", "SELL"]),
    st.integers(0, 1),
    st.integers(2, 98),
    st.integers(500, 6000),
)


_SETTINGS = st.fixed_dictionaries(
    {
        "fail_per_mille": st.integers(0, 400),
        "retry_per_mille": st.integers(0, 200),
        "self_trade": st.sampled_from(["match", "skip"]),
        "fak_shares": st.sampled_from(["floor", "floor_minus_one"]),
        "fee_unit": st.sampled_from(["fill", "trade"]),
        "fee_rounding": st.sampled_from(["half_up", "up", "down"]),
        "makers_per_trade": st.integers(1, 4),
        "sub_cent_sizes": st.sampled_from(["reject", "accept"]),
        "itode_delay_ms": st.sampled_from([0, 150]),
    }
)


@given(st.lists(_ACTION, max_size=25), st.booleans(), _SETTINGS)
def test_nothing_is_lost_whatever_happens(actions, neg_risk, switches):
    play(actions, neg_risk, switches)


@pytest.mark.full
@settings(max_examples=3_000, deadline=None)
@given(st.lists(_ACTION, max_size=60), st.booleans(), _SETTINGS)
def test_nothing_is_lost_in_long_sessions(actions, neg_risk, switches):
    play(actions, neg_risk, switches)


def play(actions, neg_risk, switches):
    world = make_world(**switches)
    market = make_market(world, fees=SPORTS, neg_risk=neg_risk, itode=True)
    traders = [make_trader(world, name, cash=5000) for name in "ab"]
    for kind, who, side, outcome, cents, size in actions:
        trader, price, shares = traders[who], units(f"0.{cents:02d}"), size * 10_000
        if price % market.tick:
            continue
        with contextlib.suppress(Refusal):
            act(world, market, trader, kind, side, outcome, price, shares)
        world.publish()
        check_world(world)
        for token in (0, 1):
            body = rest_book(market, token)
            assert book_hash(body) == body["hash"]
    world.run(world.now_ns + 600 * S)
    check_world(world)
    assert all(t.status in ("CONFIRMED", "FAILED") for t in world.trades.values())
    for trader in traders:
        assert trader.wallet.flight_cash == 0
        assert not trader.wallet.flight_tokens


def act(world, market, trader, kind, side, outcome, price, shares):
    if kind == "post":
        trader.post(market, side, text(price), text(shares), outcome=outcome)
    elif kind == "fak" and side == "BUY":
        dollars = price * shares // ONE // 10_000 * 10_000
        whole = dollars * ONE // price // 100 * 100
        trader.spend(market, text(dollars), text(whole), outcome=outcome)
    elif kind == "fak":
        body = trader.raw(market, "SELL", shares, shares * price // ONE // 100 * 100, "FAK",
                          outcome)  # fmt: skip
        orders.post_order(world, trader.key, body)
    elif kind == "cancel":
        orders.cancel_where(world, trader.key, lambda o: o.side == side)
    elif kind == "crowd":
        operations.submit_other(world, market.tokens[outcome], side, price, shares)
    elif kind == "quote" and 2 * 10_000 < price < 98 * 10_000:
        operations.quote(world, market, [(price - 10_000, shares)], [(price + 10_000, shares)])
    elif kind == "time":
        world.run(world.now_ns + shares)
    elif kind == "split":
        world.ledger.split(trader.wallet, market, min(shares, trader.wallet.cash
                           - trader.wallet.open_cash - trader.wallet.flight_cash))  # fmt: skip
        world.ledger.refresh(trader.wallet)


@given(st.integers(0, 10**15))
def test_printed_amounts_read_back(amount):
    assert units(text(amount)) == amount
    assert "e" not in text(amount).lower()
    assert amount % 10 ** (6 - decimals(amount)) == 0
    assert units(number(amount % 10**9)) == amount % 10**9


def test_same_seed_same_orders_same_everything():
    def run():
        world = make_world(fail_per_mille=300)
        market = make_market(world, fees=SPORTS)
        trader = make_trader(world)
        for step in range(20):
            operations.quote(world, market, [(480_000, 5 * ONE)], [(500_000, (5 + step) * ONE)])
            trader.post(market, "BUY", "0.5", 6)
            world.run(world.now_ns + S)
        frames = [e.payload for e in world.drain()]
        return frames, [(t.id, t.status) for t in world.trades.values()], trader.wallet.cash

    first, second = run(), run()
    assert first == second
    assert any(status == "FAILED" for _, status in first[1])
    assert START_NS > 0
