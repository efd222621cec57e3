"""What the market and user streams say, and to whom."""

from __future__ import annotations

import json

import pytest

from simulators.polymarket import operations, orders
from simulators.polymarket.frames import book_hash, rest_book
from simulators.polymarket.sockets import CLOSE, MarketSession, SportsSession, UserSession
from simulators.polymarket.units import ONE, units
from tests.simulators.polymarket.kit import SPORTS, S, make_market, make_trader, make_world


@pytest.fixture
def world():
    return make_world(last_trade_delay_ms=0)


@pytest.fixture
def market(world):
    market = make_market(world, fees=SPORTS)
    operations.quote(world, market, [(480_000, 100 * ONE)], [(520_000, 100 * ONE)])
    world.drain()
    return market


class Joined:
    """A market socket and what it was told at first."""

    def __init__(self, world, tokens, **more):
        self.session = MarketSession(world)
        first = {"type": "market", "assets_ids": list(tokens), **more}
        self.first = self.session.receive(json.dumps(first))

    def say(self, **message):
        return self.session.receive(json.dumps(message))

    def take(self, world):
        return [json.loads(self.session.render(e)) for e in world.drain() if self.session.wants(e)]


def test_first_answer_is_one_array_of_books_with_a_newline(world, market):
    joined = Joined(world, market.tokens)
    assert len(joined.first) == 1
    assert joined.first[0].endswith("]\n")
    books = json.loads(joined.first[0])
    assert [b["asset_id"] for b in books] == list(market.tokens)
    assert set(books[0]) == {"market", "asset_id", "timestamp", "hash", "bids", "asks",
                             "tick_size", "event_type", "last_trade_price"}  # fmt: skip
    rest = rest_book(market, 0)
    assert books[0]["hash"] == rest["hash"] == book_hash(rest)
    assert books[0]["bids"][-1] == {"price": "0.48", "size": "100"}
    assert books[1]["asks"][-1] == {"price": "0.52", "size": "100"}


def test_empty_books_are_sent_empty(world):
    bare = make_market(world, 2)
    book = json.loads(Joined(world, bare.tokens[:1]).first[0])[0]
    assert (book["bids"], book["asks"], book["last_trade_price"]) == ([], [], "")


def test_protocol_v2_books_say_so_and_hash_it(world):
    second = make_market(world, 2, version="v2")
    book = json.loads(Joined(world, second.tokens[:1]).first[0])[0]
    rest = rest_book(second, 0)
    assert book["version"] == rest["version"] == "v2"
    assert list(rest)[-1] == "version"
    assert book_hash(rest) != book_hash({k: v for k, v in rest.items() if k != "version"})


def test_operations_and_their_answers(world, market):
    other = make_market(world, 2)
    joined = Joined(world, market.tokens[:1])
    assert joined.say(type="market", assets_ids=[]) == ["INVALID OPERATION"]
    assert joined.say(operation="subscribe", assets_ids=[market.tokens[0]]) == ["NO NEW ASSETS"]
    assert joined.say(operation="dance") == ["INVALID OPERATION"]
    assert joined.session.receive("hello") == ["INVALID OPERATION"]
    assert joined.session.receive("[1]") == ["INVALID OPERATION"]
    assert joined.session.receive("PING") == ["PONG"]
    added = joined.say(operation="subscribe", assets_ids=[*market.tokens, other.tokens[0]])
    fresh = [b["asset_id"] for b in json.loads(added[0])]
    assert fresh == [market.tokens[1], other.tokens[0]], "only the new ones, once per socket"
    assert joined.say(operation="unsubscribe", assets_ids=list(market.tokens)) == []
    operations.quote(world, market, [(470_000, 5 * ONE)], [])
    assert joined.take(world) == []


def test_the_custom_flag_is_set_even_when_no_asset_is_new(world, market):
    joined = Joined(world, market.tokens)
    said = joined.say(operation="subscribe", assets_ids=list(market.tokens),
                      custom_feature_enabled=True)  # fmt: skip
    assert said == ["NO NEW ASSETS"]
    operations.quote(world, market, [(490_000, 5 * ONE)], [(520_000, 100 * ONE)])
    kinds = {frame["event_type"] for frame in joined.take(world)}
    assert "best_bid_ask" in kinds


@pytest.mark.parametrize(("limit", "dumped"), [(2, True), (1, False), (0, True)])
def test_max_assets_switch(world, market, limit, dumped):
    world.switches.update({"max_assets_per_socket": limit})
    assert bool(Joined(world, market.tokens).first) is dumped


def test_one_order_is_one_frame_with_two_mirrored_entries(world, market):
    trader, joined = make_trader(world), Joined(world, market.tokens)
    trader.post(market, "BUY", "0.46", "918.34")
    frames = joined.take(world)
    assert [f["event_type"] for f in frames] == ["price_change"]
    yes, no = frames[0]["price_changes"]
    assert (yes["price"], yes["side"], yes["size"]) == ("0.46", "BUY", "918.34")
    assert (no["price"], no["side"], no["size"]) == ("0.54", "SELL", "918.34")
    assert (yes["best_bid"], yes["best_ask"]) == ("0.48", "0.52")
    assert (no["best_bid"], no["best_ask"]) == ("0.48", "0.52")
    assert [e["hash"] for e in (yes, no)] == [rest_book(market, i)["hash"] for i in (0, 1)]
    assert frames[0]["timestamp"] == rest_book(market, 0)["timestamp"]
    orders.cancel_where(world, trader.key, lambda _: True)
    assert joined.take(world)[0]["price_changes"][0]["size"] == "0"


def test_sizes_are_new_totals_of_the_level(world, market):
    trader, joined = make_trader(world), Joined(world, market.tokens)
    trader.post(market, "BUY", "0.48", 7)
    assert joined.take(world)[0]["price_changes"][0]["size"] == "107"


def test_a_batch_gives_frames_of_one_timestamp_and_one_hash(world, market):
    trader, joined = make_trader(world), Joined(world, market.tokens)
    bodies = [trader.body(market, "BUY", price, 10) for price in ("0.41", "0.42", "0.43")]
    orders.post_orders(world, trader.key, bodies)
    frames = joined.take(world)
    assert [f["price_changes"][0]["price"] for f in frames] == ["0.41", "0.42", "0.43"]
    assert len({f["timestamp"] for f in frames}) == 1
    assert {f["price_changes"][0]["hash"] for f in frames} == {rest_book(market, 0)["hash"]}


@pytest.mark.parametrize(("choice", "entries"), [("both", 2), ("subscribed", 1)])
def test_price_change_entries_switch(world, market, choice, entries):
    world.switches.update({"price_change_entries": choice})
    joined = Joined(world, market.tokens[:1])
    make_trader(world).post(market, "BUY", "0.46", 10)
    assert len(joined.take(world)[0]["price_changes"]) == entries


@pytest.mark.parametrize("delay", [0, 35])
def test_books_come_before_the_trade_print(world, market, delay):
    world.switches.update({"last_trade_delay_ms": delay})
    joined = Joined(world, market.tokens)
    make_trader(world).post(market, "BUY", "0.52", 10)
    first = [f["event_type"] for f in joined.take(world)]
    world.run(world.now_ns + 35 * 10**6)
    rest = [f["event_type"] for f in joined.take(world)]
    assert first + rest == ["book", "book", "last_trade_price"]
    assert rest == ([] if delay == 0 else ["last_trade_price"])


def test_trade_print_and_bare_books(world, market):
    joined = Joined(world, market.tokens)
    make_trader(world).post(market, "BUY", "0.52", 10)
    book, _, print_ = joined.take(world)
    assert set(book) == {"market", "asset_id", "bids", "asks", "hash", "timestamp", "event_type"}
    assert (print_["side"], print_["price"], print_["size"]) == ("BUY", "0.52", "10")
    assert print_["fee_rate_bps"] == "0"


@pytest.mark.parametrize(
    ("choice", "taker_outcome", "shown"),
    [("maker", 0, "0.480"), ("complement", 0, "0.480"), ("token", 0, "0.520")],
)
def test_hash_last_price_switch(world, choice, taker_outcome, shown):
    """A mint: YES is bought at 0.52 from a bid on NO at 0.48."""
    world.switches.update({"hash_last_price": choice})
    market = make_market(world, 3)
    operations.submit_other(world, market.tokens[1], "BUY", units("0.48"), 10 * ONE)
    make_trader(world).post(market, "BUY", "0.52", 10, outcome=taker_outcome)
    assert {rest_book(market, i)["last_trade_price"] for i in (0, 1)} == {shown}


@pytest.mark.parametrize(("limit", "returns", "ticks"), [
    ("0.96", False, [1_000, 1_000]), ("0.96", True, [1_000, 10_000]),
    ("0.9", False, [1_000, 1_000]), ("off", False, [10_000, 10_000]),
])  # fmt: skip
def test_tick_switch_near_the_end(world, limit, returns, ticks):
    world.switches.update({"tick_switch": limit, "tick_returns": returns})
    market = make_market(world, 3)
    joined = Joined(world, market.tokens)
    operations.quote(world, market, [(960_000, 5 * ONE)], [(980_000, 5 * ONE)])
    seen = [market.tick]
    changes = [f for f in joined.take(world) if f["event_type"] == "tick_size_change"]
    assert [f["asset_id"] for f in changes] == (list(market.tokens) if limit != "off" else [])
    operations.quote(world, market, [(500_000, 5 * ONE)], [(520_000, 5 * ONE)])
    assert [*seen, market.tick] == ticks


def test_tick_switch_mirrors_at_the_low_end(world):
    market = make_market(world, 3)
    operations.quote(world, market, [(20_000, 5 * ONE)], [(40_000, 5 * ONE)])
    assert market.tick == 1_000


@pytest.mark.parametrize(("choice", "fields"), [
    ("no_winner", False), ("empty_winner", True), ("not_sent", None),
])  # fmt: skip
def test_resolution_of_fifty_fifty(world, market, choice, fields):
    world.switches.update({"resolved_fifty": choice})
    joined = Joined(world, market.tokens, custom_feature_enabled=True)
    operations.resolve(world, market, (ONE // 2, ONE // 2))
    found = [f for f in joined.take(world) if f["event_type"] == "market_resolved"]
    assert len(found) == (0 if fields is None else 1)
    if found:
        assert ("winning_asset_id" in found[0]) is fields


@pytest.mark.parametrize(("choice", "count"), [("sent", 1), ("not_sent", 0)])
def test_resolution_of_protocol_v2(world, choice, count):
    world.switches.update({"resolved_v2": choice})
    market = make_market(world, 3, version="v2")
    joined = Joined(world, market.tokens, custom_feature_enabled=True)
    operations.resolve(world, market, (0, ONE))
    found = [f for f in joined.take(world) if f["event_type"] == "market_resolved"]
    assert [f["winning_outcome"] for f in found] == ["No"] * count


def test_resolution_needs_the_custom_flag(world, market):
    joined = Joined(world, market.tokens)
    operations.resolve(world, market, (ONE, 0))
    assert "market_resolved" not in {f["event_type"] for f in joined.take(world)}


def test_user_socket_needs_real_credentials(world):
    trader = make_trader(world)
    auth = {"apiKey": trader.key.key, "secret": trader.key.secret,
            "passphrase": trader.key.passphrase}  # fmt: skip
    good = UserSession(world)
    assert good.receive(json.dumps({"type": "user", "auth": auth})) == []
    assert good.receive("PING") == ["PONG"]
    for wrong in ({}, {**auth, "secret": "x"}, {**auth, "passphrase": ""}, {"apiKey": "x"}):
        assert UserSession(world).receive(json.dumps({"type": "user", "auth": wrong})) == [CLOSE]
    assert UserSession(world).receive(json.dumps({"type": "market", "auth": auth})) == [CLOSE]


def user(world, trader, **more):
    session = UserSession(world)
    auth = {"apiKey": trader.key.key, "secret": trader.key.secret,
            "passphrase": trader.key.passphrase}  # fmt: skip
    session.receive(json.dumps({"type": "user", "auth": auth, **more}))
    return session


def heard(world, session):
    return [json.loads(session.render(e)) for e in world.drain() if session.wants(e)]


def test_user_socket_hears_its_own_markets_and_nobody_else_s(world, market):
    trader, stranger = make_trader(world), make_trader(world, "b")
    second = make_market(world, 2)
    everything = user(world, trader)
    one = user(world, trader, markets=[market.condition_id])
    trader.post(market, "BUY", "0.4", 10)
    trader.post(second, "BUY", "0.4", 10)
    stranger.post(market, "BUY", "0.4", 10)
    emissions = world.drain()
    assert sum(everything.wants(e) for e in emissions) == 2
    assert sum(one.wants(e) for e in emissions) == 1
    one.receive(json.dumps({"operation": "subscribe", "markets": [second.condition_id]}))
    assert sum(one.wants(e) for e in emissions) == 2
    one.receive(json.dumps({"operation": "unsubscribe", "markets": [market.condition_id]}))
    assert sum(one.wants(e) for e in emissions) == 1


def test_maker_and_taker_read_the_same_trade_from_their_side(world):
    market = make_market(world, 2)
    maker, taker = make_trader(world), make_trader(world, "b")
    maker.post(market, "BUY", "0.6", 10, outcome=1)
    world.drain()
    taker.post(market, "BUY", "0.5", 10)
    emissions = world.drain()
    views = {}
    for trader in (maker, taker):
        mine = [e.payload for e in emissions if e.keys == (trader.key.address.lower(),)]
        views[trader.key.key] = next(e for e in mine if e["event_type"] == "trade")
    made, took = views[maker.key.key], views[taker.key.key]
    assert (made["trader_side"], took["trader_side"]) == ("MAKER", "TAKER")
    assert made["id"] == took["id"]
    entry = made["maker_orders"][0]
    assert entry["owner"] == maker.key.key
    assert (entry["side"], entry["price"], entry["outcome"]) == ("BUY", "0.6", "No")
    assert (took["side"], took["price"], took["outcome"]) == ("BUY", "0.4", "Yes")


@pytest.mark.parametrize(("unit", "created", "lengths"), [
    ("ms", "s", (13, 10)), ("s", "ms", (10, 13)),
])  # fmt: skip
def test_timestamp_switches(world, market, unit, created, lengths):
    world.switches.update({"user_timestamp": unit, "created_at": created})
    trader = make_trader(world)
    trader.post(market, "BUY", "0.4", 10)
    event = trader.events("order")[0]
    assert (len(event["timestamp"]), len(event["created_at"])) == lengths


@pytest.mark.parametrize(("choice", "kinds"), [
    ("cancellation_only", ["CANCELLATION"]), ("full", ["PLACEMENT", "CANCELLATION"]), ("none", []),
])  # fmt: skip
def test_taker_order_events_switch(world, market, choice, kinds):
    world.switches.update({"taker_order_events": choice})
    trader = make_trader(world)
    trader.spend(market, "60", "115.3846")
    assert [e["type"] for e in trader.events("order")] == kinds


@pytest.mark.parametrize(("choice", "count"), [("sent", 1), ("not_sent", 0)])
def test_kill_event_switch(world, choice, count):
    world.switches.update({"kill_event": choice})
    market, trader = make_market(world, 2), make_trader(world)
    with pytest.raises(Exception, match="FAK"):
        trader.spend(market, "5", "10")
    events = trader.events("order")
    assert len(events) == count
    if events:
        assert events[0]["status"].startswith("CANCELED_no orders found")


@pytest.mark.parametrize(("choice", "kind", "status"), [
    ("cancellation", "CANCELLATION", "CANCELED"), ("update", "UPDATE", "CANCELED"),
    ("invalid", "CANCELLATION", "INVALID"), ("free_text", "CANCELLATION", "CANCELED_by the owner"),
])  # fmt: skip
def test_cancel_event_switch_on_a_partly_filled_order(world, market, choice, kind, status):
    world.switches.update({"cancel_event": choice})
    trader = make_trader(world)
    order = trader.post(market, "BUY", "0.5", 10)["orderID"]
    operations.take(world, market, yes_buy=False, price=500_000, size=3 * ONE)
    trader.events()
    orders.cancel(world, trader.key, [order])
    event = trader.events("order")[0]
    assert (event["type"], event["status"], event["size_matched"]) == (kind, status, "3")


@pytest.mark.parametrize("choice", ["full", "sparse"])
def test_trade_fields_switch(world, market, choice):
    world.switches.update({"trade_fields": choice})
    trader = make_trader(world)
    trader.post(market, "BUY", "0.52", 10)
    event = trader.events("trade")[0]
    optional = {"match_time", "bucket_index", "trade_owner", "fee_rate_bps", "maker_orders"}
    assert optional & set(event) == (optional if choice == "full" else set())
    assert event["transaction_hash"] == ("" if choice == "full" else None)


@pytest.mark.parametrize("choice", [False, True])
def test_empty_strings_switch(world, market, choice):
    world.switches.update({"empty_strings": choice})
    trader = make_trader(world)
    trader.post(market, "BUY", "0.4", 10)
    event = trader.events("order")[0]
    assert (event["outcome"] == "") is choice
    assert event["associate_trades"] == ([] if choice else None)


def test_nothing_is_replayed_to_a_new_socket(world, market):
    trader = make_trader(world)
    trader.post(market, "BUY", "0.52", 10)
    world.drain()
    session = user(world, trader)
    assert heard(world, session) == []
    world.run(world.now_ns + 60 * S)
    assert [e["status"] for e in heard(world, session)] == ["MINED", "CONFIRMED"]


def test_sports_stream_pongs_and_wants_only_games(world, market):
    session = SportsSession(world)
    assert session.receive("ping") == ["pong"]
    assert session.receive("pong") == []
    operations.quote(world, market, [(470_000, 5 * ONE)], [])
    assert not any(session.wants(e) for e in world.drain())


@pytest.mark.parametrize(("choice", "bests"), [
    ("bounds", ("0.4", "1", "0.6")), ("empty", ("0.4", "", "")),
])  # fmt: skip
def test_empty_best_switch(world, choice, bests):
    world.switches.update({"empty_best": choice})
    market = make_market(world, 3)
    joined = Joined(world, market.tokens[:1], custom_feature_enabled=True)
    make_trader(world).post(market, "BUY", "0.4", 10)
    change, best = joined.take(world)
    entry = change["price_changes"][0]
    assert (entry["best_bid"], entry["best_ask"]) == bests[:2]
    assert (best["best_bid"], best["best_ask"], best["spread"]) == bests
