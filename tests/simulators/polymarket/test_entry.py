"""What the venue refuses, in which order, and with which words."""

from __future__ import annotations

import pytest

from simulators.polymarket import operations, orders
from simulators.polymarket.model import Refusal
from simulators.polymarket.units import ONE, units
from tests.simulators.polymarket.kit import S, make_market, make_trader, make_world


@pytest.fixture
def world():
    return make_world()


@pytest.fixture
def market(world):
    market = make_market(world)
    operations.quote(world, market, [(480_000, 100 * ONE)], [(520_000, 100 * ONE)])
    return market


@pytest.fixture
def trader(world):
    return make_trader(world)


def refused(world, trader, body, status=400):
    with pytest.raises(Refusal) as caught:
        orders.post_order(world, trader.key, body)
    assert caught.value.status == status
    return caught.value.message


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("salt", "1"), ("salt", 2**53 + 1), ("salt", -1), ("salt", True), ("maker", "0x12"),
        ("tokenId", 5), ("tokenId", "-1"), ("tokenId", "9" * 79), ("makerAmount", "1.5"),
        ("makerAmount", 100), ("takerAmount", ""), ("side", "buy"), ("side", 0),
        ("signatureType", 4), ("signatureType", "0"), ("timestamp", "now"), ("metadata", "0x00"),
        ("builder", None),
    ],
)  # fmt: skip
def test_malformed_fields(world, market, trader, field, value):
    body = trader.body(market, "BUY", "0.4", 10)
    body["order"][field] = value
    assert refused(world, trader, body) == "Invalid order payload"


@pytest.mark.parametrize("field", ["salt", "maker", "signature", "metadata", "timestamp"])
def test_missing_fields(world, market, trader, field):
    body = trader.body(market, "BUY", "0.4", 10)
    del body["order"][field]
    assert refused(world, trader, body) == "Invalid order payload"


@pytest.mark.parametrize("body", [None, [], "x", {"order": 1}, {"order": {}}])
def test_bodies_that_are_no_order(world, trader, body):
    assert refused(world, trader, body) == "Invalid order payload"


def test_orders_of_the_first_version(world, market, trader):
    body = trader.body(market, "BUY", "0.4", 10)
    body["order"] |= {"nonce": "0", "feeRateBps": "0"}
    assert refused(world, trader, body) == "order_version_mismatch"


@pytest.mark.parametrize(("choice", "accepted"), [("both", True), ("v3_only", False)])
def test_order_version_switch(world, market, trader, choice, accepted):
    world.switches.update({"order_version": choice})
    body = trader.body(market, "BUY", "0.4", 10)
    if accepted:
        assert orders.post_order(world, trader.key, body)["success"]
    else:
        assert refused(world, trader, body) == "order_version_mismatch"


def test_owner_signer_and_maker(world, market, trader):
    stranger, deposit = make_trader(world, "b"), make_trader(world, "c", 3)
    body = trader.body(market, "BUY", "0.4", 10)
    body["owner"] = stranger.key.key
    assert "owner of the API KEY" in refused(world, trader, body)
    body = trader.body(market, "BUY", "0.4", 10)
    body["owner"] = stranger.key.key
    assert "address of the API KEY" in refused(world, stranger, body)
    body = trader.body(market, "BUY", "0.4", 10)
    body["order"]["maker"] = deposit.account.funder
    assert "use the deposit wallet flow" in refused(world, trader, body)


@pytest.mark.parametrize(
    ("flag", "words"),
    [("banned", "address banned"), ("closed_only", "address in closed only mode")],
)
def test_account_flags(world, market, trader, flag, words):
    setattr(trader.wallet, flag, True)
    assert words in refused(world, trader, trader.body(market, "BUY", "0.4", 10))
    world.ledger.split(trader.wallet, market, 10 * ONE)
    world.ledger.refresh(trader.wallet)
    if flag == "closed_only":
        assert trader.post(market, "SELL", "0.9", 10)["status"] == "live"


@pytest.mark.parametrize(
    ("mode", "status", "words"),
    [
        ("restarting", 425, "restarting"),
        ("disabled", 503, "Trading is currently disabled"),
        ("cancel_only", 503, "currently cancel-only"),
        ("post_only", 503, "only post-only orders and cancels"),
    ],
)
def test_modes(world, market, trader, mode, status, words):
    resting = trader.post(market, "BUY", "0.4", 10)["orderID"]
    operations.set_mode(world, mode)
    assert words in refused(world, trader, trader.body(market, "BUY", "0.3", 10), status)
    if mode == "post_only":
        assert trader.post(market, "BUY", "0.3", 10, post_only=True)["success"]
    if mode in ("post_only", "cancel_only"):
        assert orders.cancel(world, trader.key, [resting])["canceled"] == [resting]
    else:
        with pytest.raises(Refusal):
            orders.cancel(world, trader.key, [resting])


@pytest.mark.parametrize(("choice", "words"), [("long", "Check polymarket.com"),
                                               ("short", "trading is disabled")])  # fmt: skip
def test_disabled_text_switch(world, market, trader, choice, words):
    world.switches.update({"disabled_text": choice})
    operations.set_mode(world, "disabled")
    assert words in refused(world, trader, trader.body(market, "BUY", "0.3", 10), 503)


@pytest.mark.parametrize(("restart_s", "post_only_s"), [(90, 120), (1, 2)])
def test_a_restart_ends_in_post_only_and_then_opens(world, restart_s, post_only_s):
    world.switches.update({"restart_s": restart_s, "post_only_s": post_only_s})
    operations.set_mode(world, "restarting")
    world.run(world.now_ns + restart_s * S - 1)
    assert world.mode == "restarting"
    world.run(world.now_ns + 1)
    assert world.mode == "post_only"
    world.run(world.now_ns + post_only_s * S)
    assert world.mode == "open"


def test_unknown_closed_and_paused_markets(world, market, trader):
    stranger = make_market(make_world(), 99)
    assert "does not exist" in refused(world, trader, trader.body(stranger, "BUY", "0.4", 10))
    operations.stop_trading(world, market, accepting=False)
    assert "not yet ready" in refused(world, trader, trader.body(market, "BUY", "0.4", 10))
    operations.resolve(world, market, (ONE, 0))
    assert "does not exist" in refused(world, trader, trader.body(market, "BUY", "0.4", 10))


def test_a_market_is_in_the_catalogue_before_the_book_knows_it(world, trader):
    late = make_market(world, 5, listed_ns=world.now_ns + 60 * S)
    assert "does not exist" in refused(world, trader, trader.body(late, "BUY", "0.4", 10))
    world.run(world.now_ns + 60 * S)
    assert trader.post(late, "BUY", "0.4", 10)["status"] == "live"


@pytest.mark.parametrize(("tick", "price"), [(10_000, "0.505"), (5_000, "0.502"),
                                             (2_500, "0.501"), (100_000, "0.45")])  # fmt: skip
def test_off_tick(world, trader, tick, price):
    market = make_market(world, 2, tick=tick)
    words = refused(world, trader, trader.body(market, "BUY", price, 100))
    assert "breaks minimum tick size rule" in words
    assert f"Price ({price})" in words


@pytest.mark.parametrize(
    ("tick", "price"),
    [(100_000, "0.4"), (10_000, "0.45"), (5_000, "0.455"), (2_500, "0.4525"), (1_000, "0.453"),
     (100, "0.4531")],
)  # fmt: skip
def test_every_tick_takes_its_prices(world, trader, tick, price):
    market = make_market(world, 2, tick=tick)
    assert trader.post(market, "BUY", price, "21.04")["status"] == "live"


@pytest.mark.parametrize("price", ["0.99", "0.01"])
def test_the_grid_ends_one_tick_before_zero_and_one(world, trader, price):
    market = make_market(world, 2)
    assert trader.post(market, "BUY", price, 200)["status"] == "live"
    outside = "1" if price == "0.99" else "0.00"
    if outside == "1":
        words = refused(world, trader, trader.raw(market, "BUY", 10 * ONE, 10 * ONE))
        assert "breaks minimum tick size rule" in words


def test_amounts_must_be_price_times_size(world, market, trader):
    body = trader.raw(market, "SELL", units("19.69"), units("4.33"))
    assert "should be '4.3318' but the value submited is '4.33'" in refused(world, trader, body)


@pytest.mark.parametrize(("unit", "accepted"), [("shares", False), ("usdc", False)])
def test_minimum_size(world, market, trader, unit, accepted):
    del accepted
    world.switches.update({"min_size_unit": unit})
    words = refused(world, trader, trader.body(market, "BUY", "0.4", 3))
    assert "lower than the minimum: 5" in words
    big = trader.body(market, "BUY", "0.4", 5)
    if unit == "shares":
        assert orders.post_order(world, trader.key, big)["success"]
    else:
        assert "Size (2) lower than the minimum: 5" in refused(world, trader, big)


def test_a_marketable_buy_needs_a_dollar(world, market, trader):
    operations.quote(world, market, [], [(units("0.1"), 100 * ONE)])
    words = refused(world, trader, trader.body(market, "BUY", "0.1", 5))
    assert words == "invalid amount for a marketable BUY order ($0.5), min size: $1"
    assert trader.post(market, "BUY", "0.09", 5)["status"] == "live"
    body = trader.raw(market, "BUY", units("0.5"), units("5"), "FAK")
    assert "min size: $1" in refused(world, trader, body)


@pytest.mark.parametrize("order_type", ["FAK", "FOK"])
@pytest.mark.parametrize(("maker", "taker", "refuses"), [
    ("10", "19.2307", False), ("10.001", "19.2326", True), ("10", "19.23076", True),
])  # fmt: skip
def test_caps_of_two_and_four_decimals(world, market, trader, order_type, maker, taker, refuses):
    body = trader.raw(market, "BUY", units(maker), units(taker), order_type)
    if refuses:
        assert "max accuracy of 2 decimals, taker amount a max of 4" in refused(world, trader, body)
    else:
        assert orders.post_order(world, trader.key, body)["status"] == "matched"


@pytest.mark.parametrize(("choice", "refuses"), [(False, False), (True, True)])
def test_cap_marketable_switch(world, trader, choice, refuses):
    world.switches.update({"cap_marketable": choice})
    market = make_market(world, 2, tick=1_000)
    operations.quote(world, market, [], [(units("0.5"), 100 * ONE)])
    body = trader.body(market, "BUY", "0.503", "10.01")
    if refuses:
        assert "max accuracy of 2 decimals" in refused(world, trader, body)
    else:
        assert orders.post_order(world, trader.key, body)["status"] == "matched"
    assert trader.post(market, "BUY", "0.403", "10.01")["status"] == "live"


@pytest.mark.parametrize(("choice", "refuses"), [("reject", True), ("accept", False)])
def test_sub_cent_sizes_switch(world, market, trader, choice, refuses):
    world.switches.update({"sub_cent_sizes": choice})
    body = trader.body(market, "BUY", "0.4", "10.005")
    if refuses:
        assert "taker amount a max of 2 decimals" in refused(world, trader, body)
    else:
        assert orders.post_order(world, trader.key, body)["success"]


def test_expiration_dies_a_minute_early(world, market, trader):
    now_s = world.now_ns // S
    for bad in (now_s - 1, now_s + 60):
        body = trader.body(market, "BUY", "0.4", 10, "GTD", expiration=bad)
        assert refused(world, trader, body) == "invalid expiration"
    assert (
        refused(world, trader, trader.body(market, "BUY", "0.4", 10, expiration=now_s + 600))
        == "invalid expiration"
    )
    order = trader.post(market, "BUY", "0.4", 10, "GTD", expiration=now_s + 180)["orderID"]
    world.run((now_s + 120) * S - 1)
    assert world.orders[order].status == "LIVE"
    world.drain()
    world.run((now_s + 120) * S)
    assert world.orders[order].status == "CANCELED_EXPIRED_ORDER"
    event = trader.events("order")[0]
    assert (event["type"], event["status"]) == ("CANCELLATION", "CANCELED_EXPIRED_ORDER")


@pytest.mark.parametrize(("choice", "words"), [("last", "not enough balance"),
                                               ("first", "Duplicated.")])  # fmt: skip
def test_duplicate_check_switch(world, market, choice, words):
    world.switches.update({"duplicate_check": choice})
    poor = make_trader(world, "poor", cash=4)
    body = poor.body(market, "BUY", "0.4", 10)
    order = orders.post_order(world, poor.key, body)["orderID"]
    assert words in refused(world, poor, body)
    rich = make_trader(world, "rich")
    body = rich.body(market, "BUY", "0.4", 10)
    order = orders.post_order(world, rich.key, body)["orderID"]
    assert refused(world, rich, body) == f"order {order} is invalid. Duplicated."
    orders.cancel(world, rich.key, [order])
    assert "Duplicated." in refused(world, rich, body), "known bytes stay known"


def test_post_only(world, market, trader):
    body = trader.body(market, "BUY", "0.52", 10, post_only=True)
    assert refused(world, trader, body) == "invalid post-only order: order crosses book"
    assert trader.post(market, "BUY", "0.51", 10, post_only=True)["status"] == "live"
    body = trader.raw(market, "BUY", units("5"), units("10"), "FAK", post_only=True)
    assert "only GTC and GTD" in refused(world, trader, body)


def test_rules_come_in_the_venue_s_sequence(world, market):
    """An order that breaks everything is refused for the first rule; mend it, the next speaks."""
    poor = make_trader(world, "poor", cash=0)
    world.mode = "disabled"
    poor.wallet.banned = True
    body = poor.body(market, "BUY", "0.505", 1, "GTD", expiration=1)
    good_owner, body["owner"] = body["owner"], "nobody"
    said = [refused(world, poor, body)]
    body["owner"] = good_owner
    said.append(refused(world, poor, body))
    poor.wallet.banned = False
    said.append(refused(world, poor, body, 503))
    world.mode = "open"
    said.append(refused(world, poor, body))
    said.append(refused(world, poor, poor.body(market, "BUY", "0.5", 1, "GTD", expiration=1)))
    said.append(refused(world, poor, poor.body(market, "BUY", "0.5", "9.005", "GTD",
                                               expiration=1)))  # fmt: skip
    said.append(refused(world, poor, poor.body(market, "BUY", "0.5", 10, "GTD", expiration=1)))
    said.append(refused(world, poor, poor.body(market, "BUY", "0.53", 10, post_only=True)))
    words = ["owner", "banned", "disabled", "tick size", "minimum", "accuracy", "expiration",
             "balance"]  # fmt: skip
    assert [word for word, text in zip(words, said, strict=True) if word not in text] == []


def test_batches(world, market, trader):
    with pytest.raises(Refusal, match="Too many orders in payload: 16, max allowed: 15"):
        orders.post_orders(world, trader.key, [{}] * 16)
    for wrong in ([], {}, None):
        with pytest.raises(Refusal, match="Invalid order payload"):
            orders.post_orders(world, trader.key, wrong)
    good = trader.body(market, "BUY", "0.4", 10)
    crossing = trader.body(market, "BUY", "0.6", 10, post_only=True)
    answers = orders.post_orders(world, trader.key, [good, crossing, {}])
    assert [a["status"] for a in answers] == ["live", "", ""]
    assert answers[1]["success"] is True
    assert (answers[1]["orderID"], "crosses" in answers[1]["errorMsg"]) == ("", True)
    world.switches.update({"batch_error_success": False})
    assert orders.post_orders(world, trader.key, [{}])[0]["success"] is False


def test_post_only_mode_refuses_in_a_batch_with_success(world, market, trader):
    operations.set_mode(world, "post_only")
    taking = trader.body(market, "BUY", "0.6", 10)
    resting = trader.body(market, "BUY", "0.4", 10, post_only=True)
    answers = orders.post_orders(world, trader.key, [taking, resting])
    assert "post-only mode" in answers[0]["errorMsg"]
    assert answers[1]["status"] == "live"
    operations.set_mode(world, "restarting")
    with pytest.raises(Refusal) as caught:
        orders.post_orders(world, trader.key, [resting])
    assert caught.value.status == 425


def test_deferred_execution_hides_the_amounts(world, market, trader):
    body = trader.body(market, "BUY", "0.52", 10)
    body["deferExec"] = True
    answer = orders.post_order(world, trader.key, body)
    assert (answer["status"], answer["makingAmount"], answer["tradeIDs"]) == ("matched", "", [])


@pytest.mark.parametrize(("choice", "accepted"), [("all", False), ("resting", True)])
def test_min_size_on_switch(world, market, trader, choice, accepted):
    world.switches.update({"min_size_on": choice})
    taking = trader.body(market, "BUY", "0.52", 3)
    if accepted:
        assert orders.post_order(world, trader.key, taking)["status"] == "matched"
    else:
        assert "lower than the minimum" in refused(world, trader, taking)
    resting = trader.body(market, "BUY", "0.4", 3)
    assert "lower than the minimum" in refused(world, trader, resting)
