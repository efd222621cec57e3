"""Orders and trades in time: delays, mining, failures, heartbeats, games, results."""

from __future__ import annotations

import pytest

from simulators.polymarket import lifecycle, operations, orders, records
from simulators.polymarket.model import Refusal
from simulators.polymarket.units import ONE, text, units
from tests.simulators.polymarket.kit import (
    SPORTS,
    S,
    check_world,
    make_market,
    make_trader,
    make_world,
)

MS = 10**6


@pytest.fixture
def world():
    return make_world()


@pytest.fixture
def market(world):
    market = make_market(world, fees=SPORTS)
    operations.quote(world, market, [(480_000, 100 * ONE)], [(520_000, 100 * ONE)])
    world.drain()
    return market


@pytest.fixture
def trader(world):
    return make_trader(world)


def buy(world, trader, market, size=10):
    answer = trader.post(market, "BUY", "0.52", size)
    return world.trades[answer["tradeIDs"][0]]


def statuses(trader):
    return [event["status"] for event in trader.events("trade")]


def test_matched_mined_confirmed_with_seeded_waits(world, market, trader):
    trade = buy(world, trader, market)
    assert statuses(trader) == ["MATCHED"]
    assert trade.tx_hash == ""
    world.run(world.now_ns + 2 * S - 1)
    assert trade.status == "MATCHED"
    world.run(world.now_ns + 4 * S + 1)
    assert trade.status in ("MINED", "CONFIRMED")
    assert len(trade.tx_hash) == 66
    world.run(world.now_ns + 2 * S)
    assert statuses(trader) == ["MINED", "CONFIRMED"]


def test_a_failed_trade_gives_everything_back_and_says_so(world, market, trader):
    world.switches.update({"fail_per_mille": 1000})
    trade = buy(world, trader, market)
    committed = trader.wallet.flight_cash
    assert committed == trade.cash + trade.fee
    world.run(world.now_ns + 60 * S)
    assert statuses(trader) == ["MATCHED", "RETRYING", "FAILED"]
    assert (trader.wallet.cash, trader.wallet.flight_cash) == (1000 * ONE, 0)
    assert trader.wallet.tokens == {}
    assert [n["type"] for n in world.notices] == [2, 8]
    assert world.orders[trade.taker.id].status == "MATCHED", "the order stays matched"
    check_world(world)


def test_a_retried_trade_can_still_succeed(world, market, trader):
    world.switches.update({"retry_per_mille": 1000})
    buy(world, trader, market)
    world.run(world.now_ns + 60 * S)
    assert statuses(trader) == ["MATCHED", "RETRYING", "MINED", "CONFIRMED"]


def test_the_operator_steers_a_trade(world, market, trader):
    world.switches.update({"hold_trades": True})
    trade = buy(world, trader, market)
    world.run(world.now_ns + 3600 * S)
    assert trade.status == "MATCHED"
    with pytest.raises(Refusal, match="cannot become CONFIRMED"):
        lifecycle.steer(world, trade, "confirm")
    with pytest.raises(Refusal, match="not one of"):
        lifecycle.steer(world, trade, "explode")
    for action, status in (("retry", "RETRYING"), ("mine", "MINED"), ("confirm", "CONFIRMED")):
        lifecycle.steer(world, trade, action)
        assert trade.status == status
    with pytest.raises(Refusal) as caught:
        lifecycle.steer(world, trade, "fail")
    assert caught.value.status == 409


@pytest.mark.parametrize("before", ["none", "retry"])
def test_release_lets_a_held_trade_go_on_by_itself(world, market, trader, before):
    trade = buy(world, trader, market)
    lifecycle.steer(world, trade, "hold")
    if before == "retry":
        lifecycle.steer(world, trade, "retry")
    world.run(world.now_ns + 60 * S)
    lifecycle.steer(world, trade, "release")
    world.run(world.now_ns + 60 * S)
    assert trade.status == "CONFIRMED"


def test_a_trade_whose_funds_left_fails_when_it_is_mined(world, market, trader):
    friend = make_trader(world, "b")
    trade = buy(world, trader, market, 50)
    operations.move(world, trader.wallet, friend.wallet, "", 990 * ONE)
    world.run(world.now_ns + 60 * S)
    assert trade.status == "FAILED"
    assert trader.wallet.cash == 10 * ONE
    check_world(world)


@pytest.mark.parametrize(("most", "buckets"), [(5, [0]), (1, [0, 1, 2])])
def test_a_big_taker_is_split_into_buckets(world, trader, most, buckets):
    world.switches.update({"makers_per_trade": most})
    market = make_market(world, 2)
    for price in (400_000, 410_000, 420_000):
        operations.submit_other(world, market.tokens[0], "SELL", price, 5 * ONE)
    answer = trader.post(market, "BUY", "0.5", 15)
    trades = [world.trades[t] for t in answer["tradeIDs"]]
    assert [t.bucket for t in trades] == buckets
    assert {t.taker.id for t in trades} == {answer["orderID"]}
    assert answer["takingAmount"] == "15"


@pytest.mark.parametrize(
    ("choice", "price"), [("vwap", "0.45"), ("limit", "0.52"), ("last", "0.5")]
)
def test_taker_price_switch(world, trader, choice, price):
    world.switches.update({"taker_price": choice})
    market = make_market(world, 2)
    for level in (400_000, 500_000):
        operations.submit_other(world, market.tokens[0], "SELL", level, 5 * ONE)
    trader.post(market, "BUY", "0.52", 10)
    assert trader.events("trade")[0]["price"] == price


@pytest.mark.parametrize(("prefix", "quiet", "shown"), [
    ("plain", 0, "MATCHED"), ("prefixed", 0, "TRADE_STATUS_MATCHED"),
    ("plain", 500, "MATCHED_NOT_BROADCASTED"),
    ("prefixed", 500, "TRADE_STATUS_MATCHED_NOT_BROADCASTED"),
])  # fmt: skip
def test_rest_trade_status_switches(world, market, trader, prefix, quiet, shown):
    world.switches.update({"trade_status_prefix": prefix, "not_broadcasted_ms": quiet})
    trade = buy(world, trader, market)
    row = records.rest_trade(trade, trader.key.address.lower(), world.now_ns, world.switches)
    assert row["status"] == shown
    world.run(world.now_ns + 600 * MS)
    row = records.rest_trade(trade, trader.key.address.lower(), world.now_ns, world.switches)
    assert row["status"].endswith("MATCHED")


@pytest.mark.parametrize(("delay", "changes", "wait_ms"), [
    (0, {"seconds_delay": 1}, 1000), (150, {"itode": True}, 150), (250, {"itode": True}, 250),
])  # fmt: skip
@pytest.mark.parametrize("order_type", ["GTC", "FAK"])
def test_marketable_orders_wait_on_delayed_markets(world, trader, delay, changes, wait_ms,
                                                   order_type):  # fmt: skip
    world.switches.update({"itode_delay_ms": delay})
    market = make_market(world, 2, **changes)
    operations.quote(world, market, [], [(500_000, 100 * ONE)])
    if order_type == "GTC":
        answer = trader.post(market, "BUY", "0.5", 10)
    else:
        answer = trader.spend(market, "5", "10")
    assert (answer["status"], answer["makingAmount"]) == ("delayed", "0")
    assert trader.wallet.open_cash == 5 * ONE
    reply = orders.cancel(world, trader.key, [answer["orderID"]])
    assert "delayed" in reply["not_canceled"][answer["orderID"]]
    world.run(world.now_ns + wait_ms * MS - 1)
    assert world.orders[answer["orderID"]].status == "DELAYED"
    world.run(world.now_ns + 1)
    assert world.orders[answer["orderID"]].status == "MATCHED"
    assert trader.events("trade")[0]["status"] == "MATCHED"
    check_world(world)


def test_resting_orders_and_cancels_are_never_delayed(world, trader):
    market = make_market(world, 2, seconds_delay=1)
    answer = trader.post(market, "BUY", "0.5", 10)
    assert answer["status"] == "live"
    assert orders.cancel(world, trader.key, [answer["orderID"]])["canceled"]


@pytest.mark.parametrize(("choice", "status"), [("booked", "LIVE"), ("failed", "CANCELED")])
def test_unmatched_switch(world, trader, choice, status):
    world.switches.update({"unmatched": choice})
    market = make_market(world, 2, seconds_delay=1)
    operations.quote(world, market, [], [(500_000, 100 * ONE)])
    answer = trader.post(market, "BUY", "0.5", 10)
    operations.quote(world, market, [], [])
    trader.events()
    world.run(world.now_ns + S)
    assert world.orders[answer["orderID"]].status == status
    event = trader.events("order")[0]
    expected = ("PLACEMENT", "LIVE") if choice == "booked" else ("CANCELLATION", "UNMATCHED")
    assert (event["type"], event["status"]) == expected
    check_world(world)


def test_a_delayed_fok_that_finds_nothing_dies_with_free_text(world, trader):
    market = make_market(world, 2, seconds_delay=1)
    operations.quote(world, market, [], [(500_000, 100 * ONE)])
    answer = trader.spend(market, "5", "10", "FOK")
    operations.quote(world, market, [], [])
    world.run(world.now_ns + S)
    event = trader.events("order")[0]
    assert event["status"].startswith("CANCELED_order couldn't be fully filled")
    assert (event["size_matched"], event["outcome"]) == ("", "")
    assert world.orders[answer["orderID"]].status == "CANCELED"
    assert trader.wallet.open_cash == 0


@pytest.mark.parametrize("what", ["funds", "tick", "closed"])
def test_a_delayed_order_is_checked_again(world, trader, what):
    market = make_market(world, 2, seconds_delay=1)
    operations.quote(world, market, [], [(500_000, 100 * ONE)])
    order = world.orders[trader.post(market, "BUY", "0.51", 10)["orderID"]]
    if what == "funds":
        operations.move(world, trader.wallet, make_trader(world, "b").wallet, "", 1000 * ONE)
        world.ledger.refresh(trader.wallet)
    elif what == "tick":
        world.change_tick(market, 100_000)
    else:
        operations.stop_trading(world, market, accepting=False)
    world.run(world.now_ns + S)
    assert order.status != "MATCHED"
    assert not world.trades
    check_world(world)


def test_heartbeat_arms_matches_ids_and_cancels_in_silence(world, market, trader):
    first = trader.post(market, "BUY", "0.4", 10)["orderID"]
    world.run(world.now_ns + 3600 * S)
    assert world.orders[first].status == "LIVE", "not armed before the first beat"
    scope = trader.key.key
    beat = operations.beat(world, scope, "")
    with pytest.raises(Refusal) as caught:
        operations.beat(world, scope, "wrong")
    assert caught.value.extra["body"] == {
        "error_msg": "Invalid Heartbeat ID", "heartbeat_id": beat}  # fmt: skip
    for _ in range(5):
        world.run(world.now_ns + 5 * S)
        beat = operations.beat(world, scope, beat)
    assert world.orders[first].status == "LIVE"
    world.run(world.now_ns + 9 * S)
    assert world.orders[first].status == "LIVE"
    world.run(world.now_ns + 6 * S)
    assert world.orders[first].status == "CANCELED"


def test_a_wrong_heartbeat_does_not_refresh_the_deadline(world, market, trader):
    order = trader.post(market, "BUY", "0.4", 10)["orderID"]
    operations.beat(world, trader.key.key, "")
    for _ in range(8):
        world.run(world.now_ns + 2 * S)
        with pytest.raises(Refusal):
            operations.beat(world, trader.key.key, "wrong")
    assert world.orders[order].status == "CANCELED"


@pytest.mark.parametrize("key", ["error_msg", "error"])
def test_heartbeat_error_key_switch(world, key):
    world.switches.update({"heartbeat_error_key": key})
    operations.beat(world, "k", "")
    with pytest.raises(Refusal) as caught:
        operations.beat(world, "k", "x")
    assert set(caught.value.extra["body"]) == {key, "heartbeat_id"}


@pytest.mark.parametrize(("clears", "left"), [(True, 0), (False, 1)])
def test_game_start_wipes_the_book_and_trading_goes_on(world, trader, clears, left):
    market = make_market(world, 2, clear_book_on_start=clears)
    mine = trader.post(market, "BUY", "0.4", 10)["orderID"]
    operations.submit_other(world, market.tokens[0], "BUY", 390_000, 5 * ONE)
    trader.events()
    assert operations.start_game(world, market) == (2 if clears else 0)
    assert (world.orders[mine].status == "LIVE") is (left == 1)
    if clears:
        assert trader.events("order")[0]["type"] == "CANCELLATION"
    assert trader.post(market, "BUY", "0.4", 10)["status"] == "live"


@pytest.mark.parametrize(
    ("payouts", "paid"), [((ONE, 0), "10"), ((0, ONE), "0"), ((ONE // 2, ONE // 2), "5")]
)
def test_results_pay_one_zero_or_a_half(world, market, trader, payouts, paid):
    buy(world, trader, market)
    world.run(world.now_ns + 60 * S)
    resting = trader.post(market, "BUY", "0.4", 10)["orderID"]
    trader.events()
    operations.resolve(world, market, payouts)
    assert world.orders[resting].status == "CANCELED_MARKET_RESOLVED"
    assert trader.events("order")[0]["status"] == "CANCELED_MARKET_RESOLVED"
    cash = trader.wallet.cash
    row = operations.on_chain(world, trader.wallet, "redeem", market)
    assert text(row["cash"]) == paid
    assert trader.wallet.cash - cash == units(paid)
    assert world.ledger.total() == world.ledger.minted
    with pytest.raises(Refusal, match="is resolved"):
        operations.resolve(world, market, payouts)


def test_results_of_another_kind_are_refused(world, market):
    with pytest.raises(Refusal, match="allowed: 1/0, 0/1"):
        operations.resolve(world, market, (ONE, ONE))
    assert market.payouts is None
    assert not market.closed


@pytest.mark.parametrize(("delay_ms", "works"), [(0, True), (60_000, False)])
def test_redeem_delay(world, market, trader, delay_ms, works):
    world.switches.update({"redeem_delay_ms": delay_ms})
    buy(world, trader, market)
    world.run(world.now_ns + 60 * S)
    operations.resolve(world, market, (ONE, 0))
    if not works:
        with pytest.raises(ValueError, match="not resolved"):
            operations.on_chain(world, trader.wallet, "redeem", market)
        world.run(world.now_ns + 60 * S)
    assert operations.on_chain(world, trader.wallet, "redeem", market)["cash"] == 10 * ONE


def test_split_merge_and_their_limits(world, market, trader):
    operations.on_chain(world, trader.wallet, "split", market, 40 * ONE)
    assert [trader.wallet.tokens[t] for t in market.tokens] == [40 * ONE] * 2
    operations.on_chain(world, trader.wallet, "merge", market, 15 * ONE)
    check_world(world)
    with pytest.raises(ValueError, match="merge amount exceeds"):
        operations.on_chain(world, trader.wallet, "merge", market, 26 * ONE)
    with pytest.raises(ValueError, match="split amount exceeds"):
        operations.on_chain(world, trader.wallet, "split", market, 10_000 * ONE)
    with pytest.raises(ValueError, match="not resolved"):
        operations.on_chain(world, trader.wallet, "redeem", market)


@pytest.mark.parametrize(("choice", "seen"), [("stale", 0), ("fresh", 40)])
def test_balance_cache_switch(world, market, trader, choice, seen):
    world.switches.update({"balance_cache": choice})
    operations.on_chain(world, trader.wallet, "split", market, 40 * ONE)
    assert trader.wallet.seen_tokens.get(market.tokens[0], 0) == seen * ONE


def test_cancel_answers_say_what_happened_to_each(world, market, trader):
    live = trader.post(market, "BUY", "0.4", 10)["orderID"]
    done = trader.post(market, "BUY", "0.52", 10)["orderID"]
    theirs = make_trader(world, "b").post(market, "BUY", "0.4", 10)["orderID"]
    reply = orders.cancel(world, trader.key, [live, done, theirs, "0xdead"])
    assert reply["canceled"] == [live]
    assert reply["not_canceled"] == {
        done: "already canceled or matched",
        theirs: "Order not found or already canceled",
        "0xdead": "Order not found or already canceled",
    }
    again = orders.cancel(world, trader.key, [live])
    assert again["not_canceled"][live] == "Order not found or already canceled"


@pytest.mark.parametrize("first", ["fill", "cancel"])
def test_cancel_against_fill_in_both_orders(world, market, trader, first):
    order = trader.post(market, "BUY", "0.5", 10)["orderID"]
    trader.events()
    if first == "fill":
        operations.take(world, market, yes_buy=False, price=500_000, size=10 * ONE)
        assert order in orders.cancel(world, trader.key, [order])["not_canceled"]
        assert [e["type"] for e in trader.events()] == ["UPDATE", "TRADE"]
    else:
        assert orders.cancel(world, trader.key, [order])["canceled"] == [order]
        operations.take(world, market, yes_buy=False, price=500_000, size=10 * ONE)
        assert [e["type"] for e in trader.events()] == ["CANCELLATION"]
    check_world(world)


@pytest.mark.parametrize(("low", "high", "confirm"), [(100, 100, 50), (10_000, 50_000, 2_000)])
def test_settlement_times_are_switches(market, world, trader, low, high, confirm):
    world.switches.update({"mined_ms_min": low, "mined_ms_max": high, "confirmed_ms": confirm})
    trade = buy(world, trader, market)
    world.run(trade.match_ns + low * MS - 1)
    assert trade.status == "MATCHED"
    world.run(trade.match_ns + high * MS)
    assert trade.status in ("MINED", "CONFIRMED")
    world.run(trade.match_ns + (high + confirm) * MS)
    assert trade.status == "CONFIRMED"


@pytest.mark.parametrize(("limit", "sweep", "dead_s"), [(10, 5, 10), (20, 1, 20)])
def test_heartbeat_times_are_switches(world, market, trader, limit, sweep, dead_s):
    world.switches.update({"heartbeat_s": limit, "heartbeat_sweep_s": sweep})
    order = world.orders[trader.post(market, "BUY", "0.4", 10)["orderID"]]
    operations.beat(world, trader.key.key, "")
    world.run(world.now_ns + (dead_s - 1) * S)
    assert order.status == "LIVE"
    world.run(world.now_ns + S)
    assert order.status == "CANCELED"


@pytest.mark.parametrize("choice", ["half_up", "up", "down"])
def test_fee_rounding_reaches_the_trade(world, trader, choice):
    """5.01 shares at 0.41 cost 0.05 × 0.2419 × 5.01 = 0.06059595 dollars."""
    world.switches.update({"fee_rounding": choice})
    market = make_market(world, 2, fees=SPORTS)
    operations.submit_other(world, market.tokens[0], "SELL", 410_000, units("5.01"))
    trade = world.trades[trader.post(market, "BUY", "0.41", "5.01")["tradeIDs"][0]]
    expected = {"half_up": "0.0606", "up": "0.0606", "down": "0.06059"}[choice]
    assert text(trade.fee) == expected


@pytest.mark.parametrize(("shift", "at_start"), [(0, 0), (600, 1)])
def test_the_book_is_wiped_at_its_own_start_of_the_game(trader, world, shift, at_start):
    world.switches.update({"game_start_shift_s": shift})
    start_ns = world.now_ns + 3600 * S
    market = make_market(world, 2, clear_book_on_start=True, game_start_ns=start_ns)
    operations.schedule_games(world)
    trader.post(market, "BUY", "0.4", 10)
    world.run(start_ns - 1)
    assert len(market.book.orders()) == 1
    world.run(start_ns)
    assert len(market.book.orders()) == at_start
    world.run(start_ns + 600 * S)
    assert market.book.orders() == []
    assert trader.post(market, "BUY", "0.4", 10)["status"] == "live"
    world.run(start_ns + 7200 * S)
    assert len(market.book.orders()) == 1, "a game starts once"


@pytest.mark.parametrize(("delay_ms", "approved", "kinds"), [
    (0, True, [4]), (5000, True, [4, 9]), (5000, False, [4]),
])  # fmt: skip
def test_auto_redeem_pays_wallets_that_approved_it(world, delay_ms, approved, kinds):
    world.switches.update({"auto_redeem_ms": delay_ms})
    market, trader = make_market(world, 2), make_trader(world, approved=approved)
    world.ledger.split(trader.wallet, market, 10 * ONE)
    operations.resolve(world, market, (ONE, 0))
    world.run(world.now_ns + 10 * S)
    assert [n["type"] for n in world.notices] == kinds
    assert (trader.wallet.tokens == {}) is (9 in kinds)
    assert trader.wallet.cash == (1000 if 9 in kinds else 990) * ONE


@pytest.mark.parametrize("word", ["delayed", "unmatched"])
def test_delayed_reply_switch(world, trader, word):
    world.switches.update({"delayed_reply": word})
    market = make_market(world, 2, seconds_delay=1)
    operations.quote(world, market, [], [(500_000, 100 * ONE)])
    answer = trader.post(market, "BUY", "0.5", 10)
    assert (answer["status"], answer["takingAmount"]) == (word, "0")
    world.run(world.now_ns + S)
    assert world.orders[answer["orderID"]].status == "MATCHED"


@pytest.mark.parametrize(("choice", "reason"), [
    ("ambiguous", "already canceled or matched"), ("exact", "Order already matched"),
])  # fmt: skip
def test_cancel_reason_switch(world, market, trader, choice, reason):
    world.switches.update({"cancel_reason": choice})
    done = trader.post(market, "BUY", "0.52", 10)["orderID"]
    assert orders.cancel(world, trader.key, [done])["not_canceled"] == {done: reason}


def test_live_games_are_repeated_until_they_end(world):
    market = make_market(world, 2, game_id="77")
    event = world.events[market.event_id]
    event.game_id = "77"
    operations.start_game(world, market)
    assert [e.payload["status"] for e in world.drain() if e.topic == "sports"] == ["InProgress"]
    operations.repeat_games(world)
    assert len(world.drain()) == 1
    event.ended = True
    operations.repeat_games(world)
    assert world.drain() == []
