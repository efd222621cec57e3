"""The WebSocket protocol without a socket: acks, sid and seq, channels, errors."""

from __future__ import annotations

import json

import pytest

from simulators.kalshi.ws_errors import MESSAGES
from tests.simulators.kalshi.support import BTC, FED, GAME, ORDERS, OTHER, SHARD0, make_venue

IOC = {"time_in_force": "immediate_or_cancel"}


def quoted(**switches):
    venue = make_venue(**switches)
    venue.operate("book", ticker=GAME, bids=[["0.47", "3"]], asks=[["0.52", "3"]])
    return venue


def types(frames):
    return [frame["type"] for frame in frames]


def seqs(frames, sid):
    return [f["seq"] for f in frames if f.get("sid") == sid and "seq" in f]


def errors(frames):
    return [frame["msg"]["code"] for frame in frames if frame["type"] == "error"]


def test_ack_precedes_data_and_every_market_gets_a_snapshot():
    venue = quoted()
    socket = venue.connect()
    frames = venue.subscribe(socket, "orderbook_delta", "trade", market_tickers=[GAME, OTHER])
    assert types(frames) == ["subscribed", "subscribed", "orderbook_snapshot", "orderbook_snapshot"]
    assert [f["msg"]["sid"] for f in frames[:2]] == [1, 2]
    assert [f["msg"]["market_ticker"] for f in frames[2:]] == [GAME, OTHER]
    assert "yes_dollars_fp" not in frames[3]["msg"]
    assert "no_dollars_fp" not in frames[3]["msg"]


def test_seq_counts_per_sid_over_markets_replies_and_snapshots():
    venue = quoted()
    socket = venue.connect()
    frames = venue.subscribe(socket, "orderbook_delta", market_tickers=[GAME])
    add = {"sids": [1], "market_tickers": [OTHER], "action": "add_markets"}
    frames += venue.command(socket, "update_subscription", add, 2)
    snap = {"sid": 1, "market_tickers": [GAME], "action": "get_snapshot"}
    frames += venue.command(socket, "update_subscription", snap, 3)
    venue.placed(count="1", price="0.40")
    venue.placed(ticker=OTHER, count="1", price="0.40")
    frames += venue.news(socket)[len(frames) :]
    frames += venue.command(socket, "unsubscribe", {"sids": [1]}, 4)
    assert types(frames) == [
        "subscribed", "orderbook_snapshot", "ok", "orderbook_snapshot", "orderbook_snapshot",
        "orderbook_delta", "orderbook_delta", "unsubscribed",
    ]  # fmt: skip
    assert seqs(frames, 1) == [1, 2, 3, 4, 5, 6, 7]
    assert frames[2]["msg"] == {"market_tickers": [GAME, OTHER]}
    assert frames[4]["id"] == 3
    assert frames[-1]["id"] == 4


def test_each_sid_has_its_own_seq_and_sids_restart_on_each_connection():
    venue = quoted()
    first, second = venue.connect(), venue.connect("bob")
    for socket in (first, second):
        frames = venue.subscribe(socket, "orderbook_delta", "trade", market_tickers=[GAME])
        assert [f["msg"]["sid"] for f in frames[:2]] == [1, 2]
    venue.placed("carol", price="0.52", count="1", **IOC)
    for socket in (first, second):
        frames = venue.news(socket)
        assert seqs(frames, 1) == [1, 2]
        assert seqs(frames, 2) == [1]


def test_ticker_fill_position_and_user_order_carry_no_seq():
    venue = quoted()
    socket = venue.connect()
    venue.subscribe(socket, "ticker", "fill", "user_orders", "market_positions")
    venue.news(socket)
    venue.placed(price="0.52", count="1", **IOC)
    frames = venue.news(socket)
    assert set(types(frames)) == {"ticker", "fill", "user_order", "market_position"}
    assert all("seq" not in frame for frame in frames)
    reply = venue.command(socket, "unsubscribe", {"sids": [2]}, 9)
    assert reply[0]["type"] == "unsubscribed"
    assert "seq" not in reply[0]


def test_both_price_forms_of_the_same_book():
    venue = quoted()
    yes, no = venue.connect(), venue.connect("bob")
    venue.subscribe(yes, "orderbook_delta", market_ticker=GAME, use_yes_price=True)
    venue.subscribe(no, "orderbook_delta", market_ticker=GAME, use_yes_price=False)
    venue.placed("carol", side="ask", price="0.60", count="1")
    snapshot_yes, delta_yes = venue.news(yes)[-2:]
    snapshot_no, delta_no = venue.news(no)[-2:]
    assert snapshot_yes["msg"]["no_dollars_fp"] == [["0.5200", "3.00"]]
    assert snapshot_no["msg"]["no_dollars_fp"] == [["0.4800", "3.00"]]
    assert (delta_yes["msg"]["price_dollars"], delta_yes["msg"]["side"]) == ("0.6000", "no")
    assert (delta_no["msg"]["price_dollars"], delta_no["msg"]["side"]) == ("0.4000", "no")


@pytest.mark.parametrize(("default", "price"), [(False, "0.4800"), (True, "0.5200")])
def test_default_price_form_by_switch(default, price):
    venue = quoted(use_yes_price_default=default)
    frames = venue.subscribe(venue.connect(), "orderbook_delta", market_tickers=[GAME])
    assert frames[1]["msg"]["no_dollars_fp"] == [[price, "3.00"]]


def test_deltas_rebuild_the_book_exactly():
    venue = quoted()
    socket = venue.connect()
    frames = venue.subscribe(socket, "orderbook_delta", market_tickers=[GAME], use_yes_price=True)
    levels = {("yes", "0.4700"): 300, ("no", "0.5200"): 300}
    venue.placed("bob", count="2.50", price="0.46")
    venue.placed("bob", side="ask", count="4", price="0.52")
    venue.placed("carol", count="5", price="0.60", **IOC)
    venue.operate("book", ticker=GAME, bids=[["0.45", "1"]], asks=[["0.55", "2"]])
    for frame in venue.news(socket)[len(frames) :]:
        key = (frame["msg"]["side"], frame["msg"]["price_dollars"])
        levels[key] = levels.get(key, 0) + round(float(frame["msg"]["delta_fp"]) * 100)
        assert levels[key] >= 0
    snap = {"sid": 1, "market_tickers": [GAME], "action": "get_snapshot"}
    body = venue.command(socket, "update_subscription", snap)[0]["msg"]
    found = {
        (side, price): round(float(size) * 100)
        for side in ("yes", "no")
        for price, size in body[f"{side}_dollars_fp"]
    }
    assert {key: size for key, size in levels.items() if size} == found


def test_own_deltas_are_tagged_and_others_are_not():
    venue = make_venue()
    mine, other = venue.connect(), venue.connect("bob")
    for socket in (mine, other):
        venue.subscribe(socket, "orderbook_delta", market_tickers=[GAME])
        venue.news(socket)
    venue.placed(client_order_id="tag-1")
    assert venue.news(mine)[0]["msg"]["client_order_id"] == "tag-1"
    assert "client_order_id" not in venue.news(other)[0]["msg"]


def test_private_channels_show_the_owners_data_only():
    venue = quoted()
    mine, other = venue.connect(), venue.connect("bob")
    for socket in (mine, other):
        venue.subscribe(socket, "fill", "user_orders", "market_positions", "order_group_updates")
        venue.news(socket)
    venue.placed(price="0.52", count="1", **IOC)
    venue.send("POST", "/portfolio/order_groups/create", body={"contracts_limit": 5})
    assert set(types(venue.news(mine))) == {
        "fill", "user_order", "market_position", "order_group_updates",
    }  # fmt: skip
    assert venue.news(other) == []


def test_fill_and_trade_share_id_and_time_and_come_in_both_orders():
    orders = set()
    venue = quoted()
    socket = venue.connect()
    venue.subscribe(socket, "fill", "trade")
    venue.news(socket)
    for _ in range(12):
        venue.operate("book", ticker=GAME, bids=[["0.47", "3"]], asks=[["0.52", "3"]])
        venue.placed(price="0.52", count="1", **IOC)
        first, second = venue.news(socket)
        assert first["msg"]["trade_id"] == second["msg"]["trade_id"]
        assert first["msg"]["ts_ms"] == second["msg"]["ts_ms"]
        orders.add((first["type"], second["type"]))
    assert orders == {("fill", "trade"), ("trade", "fill")}


@pytest.mark.parametrize(
    ("choice", "expected"), [("fill_first", ["fill", "trade"]), ("trade_first", ["trade", "fill"])]
)
def test_order_of_fill_and_trade_by_switch(choice, expected):
    venue = quoted(fill_and_trade=choice)
    socket = venue.connect()
    venue.subscribe(socket, "fill", "trade")
    venue.news(socket)
    venue.placed(price="0.52", count="1", **IOC)
    assert types(venue.news(socket)) == expected


@pytest.mark.parametrize(
    ("choice", "statuses"),
    [("final", ["canceled"]), ("none", []), ("new_and_final", ["resting", "canceled"])],
)
def test_user_order_of_an_order_that_never_rests_by_switch(choice, statuses):
    venue = quoted(never_resting_user_order=choice)
    socket = venue.connect()
    venue.subscribe(socket, "user_orders")
    venue.news(socket)
    venue.placed(price="0.52", count="5", **IOC)
    assert [frame["msg"]["status"] for frame in venue.news(socket)] == statuses


@pytest.mark.parametrize(
    ("choice", "expected"),
    [("fill_first", ["fill", "user_order"]), ("order_first", ["user_order", "fill"])],
)
@pytest.mark.parametrize("resting", [False, True])
def test_order_of_user_order_and_fill_by_switch(choice, expected, resting):
    venue = quoted(user_order_and_fill=choice)
    socket = venue.connect()
    if resting:
        venue.placed(price="0.50", count="1")
    venue.subscribe(socket, "user_orders", "fill")
    venue.news(socket)
    if resting:
        venue.operate("order", ticker=GAME, side="ask", price="0.50", count="1")
    else:
        venue.placed(price="0.52", count="1", **IOC)
    assert types(venue.news(socket)) == expected


def test_a_resting_order_tells_its_life():
    venue = make_venue()
    socket = venue.connect()
    venue.subscribe(socket, "user_orders")
    venue.news(socket)
    made = venue.placed(count="10")
    path = f"{ORDERS}/{made['order_id']}"
    venue.send("POST", path + "/decrease", body={"reduce_by": "1", "market_ticker": GAME})
    body = {"ticker": GAME, "side": "bid", "price": "0.48", "count": "9"}
    venue.send("POST", path + "/amend", body=body)
    venue.operate("order", ticker=GAME, side="ask", price="0.48", count="2")
    venue.send("DELETE", path, query={"market_ticker": GAME})
    found = [
        (f["msg"]["status"], f["msg"]["remaining_count_fp"], f["msg"]["last_update_reason"])
        for f in venue.news(socket)
    ]
    assert found == [
        ("resting", "10.00", ""),
        ("resting", "9.00", "Decrease"),
        ("resting", "9.00", "Amend"),
        ("resting", "7.00", "Trade"),
        ("canceled", "0.00", ""),
    ]


@pytest.mark.parametrize(("switch", "seen"), [(False, []), (True, ["canceled"])])
def test_rejected_creates_on_the_private_channel_by_switch(switch, seen):
    venue = make_venue(rejected_create_user_order=switch)
    socket = venue.connect()
    venue.subscribe(socket, "user_orders")
    venue.news(socket)
    venue.order(price="0.475")
    assert [frame["msg"]["status"] for frame in venue.news(socket)] == seen


def test_missing_fills_by_switch():
    venue = quoted(missing_fills=True)
    socket = venue.connect()
    venue.subscribe(socket, "fill", "market_positions")
    venue.news(socket)
    venue.placed(price="0.52", count="1", **IOC)
    assert types(venue.news(socket)) == ["market_position"]


def test_ticker_coalesces_and_may_lack_ts_ms():
    venue = quoted(missing_ticker_ts_permille=500)
    socket = venue.connect()
    venue.subscribe(socket, "ticker")
    venue.news(socket)
    found = []
    for step in range(20):
        venue.operate("book", ticker=GAME, bids=[["0.45", str(step + 1)], ["0.44", "2"]], asks=[])
        frames = venue.news(socket)
        assert len(frames) == 1
        found.append("ts_ms" in frames[0]["msg"])
    assert set(found) == {True, False}


def test_initial_ticker_snapshot_and_skipped_ack():
    venue = quoted()
    frames = venue.subscribe(
        venue.connect(), "ticker", market_tickers=[GAME], send_initial_snapshot=True,
        skip_ticker_ack=True,
    )  # fmt: skip
    assert types(frames) == ["ticker"]
    assert frames[0]["msg"]["yes_bid_dollars"] == "0.4700"


def test_filters_limit_and_no_filter_means_all():
    venue = make_venue()
    some, everything = venue.connect(), venue.connect("bob")
    venue.subscribe(some, "trade", market_tickers=[OTHER])
    venue.subscribe(everything, "trade")
    venue.news(some), venue.news(everything)
    for ticker in (GAME, OTHER, BTC):
        venue.placed(ticker=ticker, price="0.50", count="1")
        venue.operate("order", ticker=ticker, side="ask", price="0.50", count="1")
    assert [f["msg"]["market_ticker"] for f in venue.news(some)] == [OTHER]
    assert [f["msg"]["market_ticker"] for f in venue.news(everything)] == [GAME, OTHER, BTC]


def test_delete_markets_and_an_emptied_subscription_is_silent():
    venue = quoted()
    socket = venue.connect()
    venue.subscribe(socket, "orderbook_delta", market_tickers=[GAME])
    delete = {"sid": 1, "market_tickers": [GAME], "action": "delete_markets"}
    reply = venue.command(socket, "update_subscription", delete)
    assert reply[0]["msg"] == {"market_tickers": []}
    venue.news(socket)
    venue.placed(price="0.40")
    assert venue.news(socket) == []
    add = {"sid": 1, "market_tickers": [OTHER], "action": "add_markets"}
    reply = venue.command(socket, "update_subscription", add)
    assert reply[0]["msg"] == {"market_tickers": [OTHER]}


@pytest.mark.parametrize(
    ("choice", "sids", "codes"),
    [("merge", [1, 1], []), ("new_sid", [1, 2], []), ("error_6", [1], [6])],
)
def test_subscribing_again_by_switch(choice, sids, codes):
    venue = quoted(subscribe_again=choice)
    socket = venue.connect()
    frames = venue.subscribe(socket, "orderbook_delta", market_tickers=[GAME])
    frames += venue.subscribe(socket, "orderbook_delta", market_tickers=[OTHER], command_id=2)
    assert [f["msg"]["sid"] for f in frames if f["type"] == "subscribed"] == sids
    assert errors(frames) == codes
    before = venue.command(socket, "list_subscriptions", command_id=3)[0]["msg"]
    frames = venue.subscribe(socket, "trade", "orderbook_delta", market_tickers=[OTHER])
    after = venue.command(socket, "list_subscriptions", command_id=4)[0]["msg"]
    assert (errors(frames) == [6] and before == after) or not codes


@pytest.mark.parametrize(("choice", "first"), [("restart", 1), ("continue", 3)])
def test_first_seq_after_resubscribing_by_switch(choice, first):
    venue = quoted(resubscribe_seq=choice)
    socket = venue.connect()
    venue.subscribe(socket, "orderbook_delta", market_tickers=[GAME])
    venue.command(socket, "unsubscribe", {"sids": [1]})
    frames = venue.subscribe(socket, "orderbook_delta", market_tickers=[GAME])
    assert frames[0]["msg"]["sid"] == 2
    assert frames[1]["seq"] == first


@pytest.mark.parametrize(("numbered", "echo"), [("next", True), ("none", False)])
def test_get_snapshot_by_switch(numbered, echo):
    venue = quoted(get_snapshot_seq=numbered, get_snapshot_id=echo)
    socket = venue.connect()
    venue.subscribe(socket, "orderbook_delta", market_tickers=[GAME])
    snap = {"sid": 1, "market_tickers": [GAME], "action": "get_snapshot"}
    reply = venue.command(socket, "update_subscription", snap, 8)[0]
    assert reply.get("seq") == (2 if numbered == "next" else None)
    assert reply.get("id") == (8 if echo else None)
    listing = venue.command(socket, "list_subscriptions", command_id=9)[0]
    assert listing["msg"] == [{"channel": "orderbook_delta", "sid": 1}]


def test_market_limit_of_a_subscription_by_switch():
    venue = make_venue(subscription_markets_max=1)
    socket = venue.connect()
    assert errors(venue.subscribe(socket, "orderbook_delta", market_tickers=[GAME, OTHER])) == [26]
    venue.subscribe(socket, "orderbook_delta", market_tickers=[GAME])
    add = {"sid": 1, "market_tickers": [OTHER], "action": "add_markets"}
    assert errors(venue.command(socket, "update_subscription", add)) == [26]


BOOK = {"channels": ["orderbook_delta"], "market_tickers": [GAME]}


@pytest.mark.parametrize(
    ("row", "code"),
    [
        ({"cmd": "subscribe"}, 2),
        ({"cmd": "subscribe", "params": {}}, 3),
        ({"cmd": "subscribe", "params": {"channels": []}}, 3),
        ({"cmd": "unsubscribe", "params": {}}, 4),
        ({"cmd": "dance", "params": {}}, 5),
        ({}, 5),
        ({"cmd": "unsubscribe", "params": {"sids": [9]}}, 7),
        ({"cmd": "subscribe", "params": {"channels": ["ticker_v2"]}}, 8),
        ({"cmd": "subscribe", "params": BOOK | {"market_ticker": GAME}}, 11),
        ({"cmd": "subscribe", "params": {"channels": ["trade"], "market_tickers": [1]}}, 11),
        ({"cmd": "update_subscription", "params": {"sids": [1, 2], "action": "add_markets"}}, 12),
        ({"cmd": "update_subscription", "params": {"action": "add_markets"}}, 12),
        ({"cmd": "update_subscription", "params": {"sid": 1, "action": "fly"}}, 13),
        ({"cmd": "subscribe", "params": {"channels": ["orderbook_delta"]}}, 14),
        ({"cmd": "update_subscription", "params": {"sid": 1, "action": "add_markets"}}, 14),
        ({"cmd": "update_subscription", "params": {"sid": 1}}, 15),
        ({"cmd": "subscribe", "params": {"channels": ["cfbenchmarks_value"]}}, 24),
        ({"cmd": "subscribe", "params": {"channels": ["pyth_value"]}}, 28),
    ],
)
def test_numbered_errors(row, code):
    venue = make_venue()
    socket = venue.connect()
    venue.subscribe(socket, "orderbook_delta", "trade", market_tickers=[GAME])
    venue.news(socket)
    venue.app.command(socket, json.dumps({"id": 5} | row), venue.now_ns)
    frames = venue.news(socket)
    assert len(frames) == 1
    assert frames[0]["msg"] == {"code": code, "msg": MESSAGES[code]}
    assert frames[0]["id"] == 5


@pytest.mark.parametrize("text", ["", "{", "[]", "1", '"x"', "\x00"])
def test_garbage_is_error_1_and_the_connection_lives(text):
    venue = make_venue()
    socket = venue.connect()
    venue.app.command(socket, text, venue.now_ns)
    assert errors(venue.news(socket)) == [1]
    assert types(venue.subscribe(socket, "trade")) == ["subscribed"]


def test_an_unknown_ticker_is_no_error_and_gets_no_snapshot():
    venue = make_venue()
    frames = venue.subscribe(venue.connect(), "orderbook_delta", market_tickers=["KXNONE"])
    assert types(frames) == ["subscribed"]


def test_connections_are_limited_by_switch():
    venue = make_venue(connections_max=1)
    venue.connect()
    with pytest.raises(AssertionError):
        venue.connect()
    venue.connect("bob")


def test_lifecycle_channel_tells_changes_but_not_opening_or_closing():
    venue = make_venue()
    socket = venue.connect()
    venue.subscribe(socket, "market_lifecycle_v2")
    venue.news(socket)
    now_s = venue.now_ns // 10**9
    event = venue.state.markets[GAME].event_ticker
    venue.operate("create_event", series_ticker="KXNBAGAME", event_ticker="KXNBAGAME-NEW")
    venue.operate("create_market", event_ticker=event, ticker="KXNEW-1", open_s=now_s + 10,
                  close_s=now_s + 20)  # fmt: skip
    venue.after(10)
    assert venue.get("/markets/KXNEW-1")["market"]["status"] == "active"
    venue.after(10)
    assert venue.get("/markets/KXNEW-1")["market"]["status"] == "closed"
    venue.operate("deactivate", ticker=GAME)
    venue.operate("activate", ticker=GAME)
    venue.operate("structure", ticker=GAME, structure="deci_cent")
    venue.operate("strikes", ticker=GAME, strike_type="between", floor_strike=10, cap_strike=12)
    venue.operate("close", ticker=GAME, close_s=now_s + 100)
    venue.operate("determine", ticker=GAME, result="yes")
    venue.after(300)
    venue.operate("fees", ticker=event, fee_type="quadratic", fee_multiplier=1)
    venue.operate("fees", ticker=event)
    frames = venue.news(socket)
    assert [f["msg"].get("event_type", f["type"]) for f in frames] == [
        "event_lifecycle", "created", "deactivated", "activated", "price_level_structure_updated",
        "metadata_updated", "close_date_updated", "determined", "settled", "event_fee_update",
        "event_fee_update",
    ]  # fmt: skip
    assert seqs(frames, 1) == list(range(1, 12))
    created, determined, settled = frames[1]["msg"], frames[7]["msg"], frames[8]["msg"]
    assert created["additional_metadata"]["event_ticker"] == event
    assert created["open_ts"] == now_s + 10
    assert (determined["result"], determined["settlement_value"]) == ("yes", "1.0000")
    assert set(settled) == {"event_type", "market_ticker", "settled_ts"}
    assert frames[10]["msg"]["fee_type_override"] is None


def test_sending_ts_by_switch():
    assert "sending_ts_ms" in make_venue_frame()
    assert "sending_ts_ms" not in make_venue_frame(sending_ts=False)


def make_venue_frame(**switches):
    venue = make_venue(**switches)
    return venue.subscribe(venue.connect(), "trade")[0]


def test_unknown_fields_everywhere_by_switch():
    venue = make_venue(unknown_fields=True)
    frame = venue.subscribe(venue.connect(), "orderbook_delta", market_tickers=[FED])[1]
    assert "x_unannounced_0" in frame
    assert "x_unannounced_0" in frame["msg"]
    assert "x_unannounced_0" in venue.get(f"/markets/{SHARD0}")["market"]
