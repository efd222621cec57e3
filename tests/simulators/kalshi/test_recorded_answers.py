"""Recorded demo answers (June 2026) against the venue's: keys, JSON types, formats, error bodies.

What changed at the venue since the recording is listed here and nowhere else: removed keys must
be absent from our answers, added keys may be present.
"""

from __future__ import annotations

import json
import re

import pytest

from tests.simulators.kalshi.support import GAME, OTHER, SHARD0, make_venue

REMOVED = {
    "response_price_units",
    "liquidity_dollars",
    "fractional_trading_enabled",
    "resting_orders_count",
    "service",
}
ADDED = {
    "exchange_index",
    "settlement_bounds_type",
    "intra_exchange_transfers_active",
    "exchange_index_statuses",
    "subtitle",
}
# Keys that a market has only where they apply.
CONDITIONAL = {
    "custom_strike",
    "floor_strike",
    "cap_strike",
    "functional_strike",
    "strike_type",
    "early_close_condition",
    "occurrence_datetime",
    "settlement_ts",
    "settlement_value_dollars",
    "is_provisional",
    "mve_collection_ticker",
    "mve_selected_legs",
    "primary_participant_key",
}
FORMATS = (
    re.compile(r"-?\d+\.\d{4}\Z"),
    re.compile(r"-?\d+\.\d{6}\Z"),
    re.compile(r"-?\d+\.\d{2}\Z"),
    re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z\Z"),
    re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z"),
)
TEXTS = {
    "custom_strike",
    "early_close_condition",
    "rules_primary",
    "rules_secondary",
    "title",
    "expiration_value",
    "yes_sub_title",
    "no_sub_title",
    "subtitle",
    "client_order_id",
    "cursor",
}


@pytest.fixture
def fixtures(recordings):
    folder = recordings / "public" / "XavierBriggs+Fortuna" / "kalshi"

    def load(name: str):
        text = (folder / f"{name}.json").read_text()
        meta = folder / f"{name}.meta.json"
        status = json.loads(meta.read_text())["status"] if meta.exists() else 200
        return status, json.loads(text)

    load.folder = folder
    return load


def kind(value) -> str:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int | float):
        return "number"
    if isinstance(value, str):
        for number, pattern in enumerate(FORMATS):
            if pattern.match(value):
                return f"text {number}"
        return "text"
    return type(value).__name__


def differences(ours, theirs, path="") -> list[str]:
    """Return what differs in shape between our JSON and recorded JSON."""
    if isinstance(theirs, dict) and isinstance(ours, dict):
        keys_theirs, keys_ours = set(theirs) - REMOVED - CONDITIONAL, set(ours)
        found = [f"{path}.{k} is gone but sent" for k in keys_ours & REMOVED]
        found += [f"{path}.{k} is missing" for k in keys_theirs - keys_ours]
        extra = keys_ours - set(theirs) - ADDED - CONDITIONAL
        found += [f"{path}.{k} is not in the recording" for k in extra]
        for key in set(theirs) & keys_ours:
            if key not in TEXTS:
                found += differences(ours[key], theirs[key], f"{path}.{key}")
        return found
    if isinstance(theirs, list) and isinstance(ours, list):
        if not theirs or not ours:
            return []
        return differences(ours[0], theirs[0], f"{path}[0]")
    return [] if kind(ours) == kind(theirs) else [f"{path}: {kind(ours)} for {kind(theirs)}"]


def quoted():
    """A book like the recorded one: 3 at 0.47 against 3 at 0.52."""
    venue = make_venue(fee_regime="2026q2")
    venue.operate("book", ticker=GAME, bids=[["0.47", "3"]], asks=[["0.52", "3"]])
    return venue


IOC = {"time_in_force": "immediate_or_cancel"}


def test_account_answers(fixtures):
    venue = quoted()
    for name, path in (
        ("auth__balance_ok", "/portfolio/balance"),
        ("account__limits", "/account/limits"),
        ("exchange__status", "/exchange/status"),
        ("series__fee_changes", "/series/fee_changes"),
        ("settlements__page", "/portfolio/settlements"),
    ):
        assert differences(venue.get(path), fixtures(name)[1]) == [], name


def test_endpoint_costs_of_endpoints_that_still_exist(fixtures):
    _, recorded = fixtures("account__endpoint_costs")
    ours = make_venue().get("/account/endpoint_costs")
    assert differences(ours, recorded) == []
    assert ours["default_cost"] == recorded["default_cost"]
    table = {(row["method"], row["path"]): row["cost"] for row in ours["endpoint_costs"]}
    gone = ("/portfolio/orders", "/cfbenchmarks", "/margin", "/lookup")
    for row in recorded["endpoint_costs"]:
        legacy = row["method"] != "GET" and "/portfolio/orders" in row["path"]
        if not legacy and not any(part in row["path"] for part in gone[1:]):
            assert table[(row["method"], row["path"])] == row["cost"], row


@pytest.mark.parametrize(
    "name",
    ["markets__single", "markets__unauth_single"],
)
def test_one_market(fixtures, name):
    assert differences(quoted().get(f"/markets/{GAME}"), fixtures(name)[1]) == []


def test_lists_of_markets_by_status(fixtures):
    venue = quoted()
    venue.operate("settle", ticker=SHARD0, result="no")
    venue.operate("close", ticker=OTHER)
    event = venue.state.markets[GAME].event_ticker
    opens = venue.now_ns // 10**9 + 3600
    venue.operate("create_market", event_ticker=event, ticker="KXNEW-1", open_s=opens,
                  close_s=opens + 60)  # fmt: skip
    for name, query in (
        ("markets__page1", {"status": "unopened"}),
        ("markets__status_closed", {"status": "closed"}),
        ("markets__status_settled", {"status": "settled"}),
    ):
        ours = venue.get("/markets", **query)
        assert len(ours["markets"]) == 1
        assert differences(ours, fixtures(name)[1]) == [], name
    unopened = venue.get("/markets", status="unopened")["markets"][0]
    recorded = fixtures("markets__page1")[1]["markets"][0]
    for key in ("yes_bid_dollars", "yes_ask_dollars", "no_bid_dollars", "no_ask_dollars"):
        assert unopened[key] == recorded[key], key


def test_last_page_and_garbage_cursor(fixtures):
    venue = quoted()
    assert fixtures("markets__single_filter_lastpage")[1]["cursor"] == ""
    assert venue.get("/markets", tickers=GAME)["cursor"] == ""
    status, _ = fixtures("markets__garbage_cursor")
    first = venue.get("/markets", limit=5)
    garbage = venue.send("GET", "/markets", query={"limit": 5, "cursor": "garbage-cursor-fixture"})
    assert (garbage.status, garbage.body) == (status, first)


def test_orderbook(fixtures):
    status, recorded = fixtures("orderbook__base")
    assert quoted().get(f"/markets/{GAME}/orderbook") == recorded
    assert status == 200


def test_trades(fixtures):
    venue = quoted()
    for _ in range(3):
        venue.placed(count="1.00", price="0.5200", **IOC)
        venue.operate("book", ticker=GAME, bids=[["0.47", "3"]], asks=[["0.52", "3"]])
    ours = venue.get("/markets/trades", ticker=GAME, limit=2)
    assert differences(ours, fixtures("trades__public_recorded")[1]) == []


def test_the_recorded_session_of_orders(fixtures):
    """The session's requests in its order, each answer compared by shape and by value."""
    venue = quoted()

    def check(name: str, output, *same: str):
        status, recorded = fixtures(name)
        assert output.status == status, (name, output)
        assert differences(output.body, recorded) == [], name
        for key in same:
            assert output.body[key] == recorded[key], (name, key)

    maker = venue.order(count="1.00", price="0.0100", post_only=False)
    check("orders__create_v2_maker", maker, "fill_count", "remaining_count")
    maker_id = maker.body["order_id"]
    sent = {"client_order_id": maker.body["client_order_id"], "count": "1.00", "price": "0.0100"}
    check("orders__duplicate_client_order_id", venue.order(**sent))
    check("orders__get_after_create", venue.send("GET", f"/portfolio/orders/{maker_id}"))
    cancel = f"/portfolio/events/orders/{maker_id}"
    route = {"market_ticker": GAME}
    check("orders__cancel_v2", venue.send("DELETE", cancel, query=route), "reduced_by")
    check("orders__cancel_already_canceled", venue.send("DELETE", cancel, query=route))
    check("orders__reuse_canceled_client_id", venue.order(**sent))
    nobody = "/portfolio/events/orders/00000000-0000-0000-0000-000000000000"
    check("orders__cancel_unknown_id", venue.send("DELETE", nobody, query=route))
    taker = venue.order(count="1.00", price="0.9900", **IOC)
    check("orders__create_v2_taker_ioc", taker, "fill_count", "remaining_count",
          "average_fill_price", "average_fee_paid")  # fmt: skip
    executed = f"/portfolio/events/orders/{taker.body['order_id']}"
    check("orders__cancel_executed", venue.send("DELETE", executed, query=route))
    check("fills__after_taker", venue.send("GET", "/portfolio/fills", query={"limit": 10}))
    check("portfolio__positions", venue.send("GET", "/portfolio/positions"))
    check("portfolio__orders_list", venue.send("GET", "/portfolio/orders", query={"limit": 10}))
    check("orders__insufficient_balance", venue.order(count="1009900.00", price="0.9900"))
    check("orders__invalid_price_structure", venue.order(count="1.00", price="0.5150"))
    check("orders__numeric_field_types", venue.order(count=1, price=0.01))
    check("orders__post_only_cross", venue.order(count="1.00", price="0.9900", post_only=True))
    setup = venue.order(count="1.00", price="0.4800", post_only=True)
    check("orders__stp_setup", setup, "fill_count", "remaining_count")
    cross = venue.order(side="ask", count="1.00", price="0.4800", **IOC)
    check("orders__stp_self_cross", cross, "fill_count", "remaining_count")
    resting = venue.send("GET", f"/portfolio/orders/{setup.body['order_id']}")
    check("orders__stp_resting_after", resting)
    assert resting.body["order"]["status"] == "resting"


def test_error_bodies_are_the_recorded_ones(fixtures):
    """Error bodies are compared whole, but for the service key that was dropped in August."""
    venue = quoted()
    venue.placed(client_order_id="twice")
    cases = {
        "orders__insufficient_balance": venue.order(count="1009900.00", price="0.9900"),
        "orders__invalid_price_structure": venue.order(count="1.00", price="0.5150"),
        "orders__numeric_field_types": venue.order(count=1),
        "orders__post_only_cross": venue.order(price="0.9900", post_only=True),
        "orders__duplicate_client_order_id": venue.order(client_order_id="twice"),
        "markets__limit_over_max": venue.send("GET", "/markets", query={"limit": "1001"}),
    }
    for name, output in cases.items():
        status, recorded = fixtures(name)
        if isinstance(recorded.get("error"), dict):
            recorded["error"].pop("service", None)
        assert (output.status, output.body) == (status, recorded), name


def test_service_key_switch_restores_the_body_of_june(fixtures):
    venue = make_venue(error_service_key=True)
    output = venue.order(count="1009900.00", price="0.9900")
    assert (output.status, output.body) == fixtures("orders__insufficient_balance")


@pytest.mark.parametrize("form", ["yes", "noleg"])
def test_websocket_frames(fixtures, form):
    """The recorded book session, replayed: same frames but for ids, times and sending_ts_ms."""
    lines = (fixtures.folder / f"ws__orderbook_trade_{form}.jsonl").read_text().splitlines()
    recorded = [json.loads(line) for line in lines if line.strip()]
    venue = make_venue(sending_ts=False)
    asks = "1" if form == "yes" else "2"
    venue.operate("book", ticker=GAME, bids=[["0.47", "3"]], asks=[["0.52", asks]])
    socket = venue.connect()
    frames = venue.subscribe(
        socket, "orderbook_delta", "trade", market_tickers=[GAME], use_yes_price=form == "yes"
    )
    bids = [["0.47", "3"]]
    if form == "yes":
        steps = [(bids, []), (bids, [["0.52", "2"]])]
    else:
        steps = [([], [["0.52", "2"]]), ([], []), (bids, []), (bids, [["0.52", "1"]])]
    for book_bids, book_asks in steps:
        venue.operate("book", ticker=GAME, bids=book_bids, asks=book_asks)
    frames += venue.news(socket)[len(frames) :]
    assert len(frames) == len(recorded)
    for ours, theirs in zip(frames, recorded, strict=True):
        assert list(ours) == list(theirs)
        assert list(ours["msg"]) == list(theirs["msg"])
        volatile = {"market_ticker", "market_id", "ts", "ts_ms"}
        assert {k: v for k, v in ours.items() if k != "msg"} == {
            k: v for k, v in theirs.items() if k != "msg"
        }
        for key in set(theirs["msg"]) - volatile:
            assert ours["msg"][key] == theirs["msg"][key]
        for key in volatile & set(theirs["msg"]):
            assert kind(ours["msg"][key])[:4] == kind(theirs["msg"][key])[:4]


def test_production_frames_of_august_and_september(recordings):
    """Keys of each kind of frame, in order, against frames of the production socket."""
    path = recordings / "public" / "read_only_text_samples" / "kalshi_ws_real"
    lines = (path / "frames_2026-08_09.jsonl").read_text().splitlines()
    recorded = [json.loads(line) for line in lines if line.strip()]
    venue = make_venue(sending_ts=False)
    venue.operate("book", ticker=GAME, bids=[["0.47", "3"]], asks=[["0.52", "3"]])
    socket = venue.connect()
    frames = venue.subscribe(socket, "orderbook_delta", "trade", market_tickers=[GAME])
    add = {"sid": 1, "market_tickers": [OTHER], "action": "add_markets"}
    frames += venue.command(socket, "update_subscription", add, 2)
    seen = len(frames)
    venue.placed(price="0.52", count="1", **IOC)
    frames += venue.news(socket)[seen:]
    ours = {frame["type"]: frame for frame in frames if frame["type"] != "subscribed"}
    assert {frame["type"] for frame in recorded} == set(ours)
    for theirs in recorded:
        mine = ours[theirs["type"]]
        assert set(mine) == set(theirs), theirs["type"]
        if theirs["type"] == "orderbook_snapshot":
            assert set(mine["msg"]) <= {"market_ticker", "market_id", "yes_dollars_fp",
                                        "no_dollars_fp"}  # fmt: skip
            continue
        assert set(mine["msg"]) == set(theirs["msg"]), theirs["type"]
        for key, value in theirs["msg"].items():
            assert kind(mine["msg"][key])[:4] == kind(value)[:4], (theirs["type"], key)


def test_demo_answers_of_september(recordings):
    path = recordings / "public" / "read_only_text_samples" / "kalshi_rest_errors"
    recorded = json.loads((path / "jams411_sep2026.json").read_text())
    venue = make_venue(auth_message="sentence")
    request = recorded["v2_create_201_request_body"]
    body = {k: v for k, v in request["request"].items() if k not in ("ticker", "client_order_id")}
    made = venue.order(**body)
    assert made.status == request["status"]
    assert sorted(made.body) == request["response_keys"]
    order_id = made.body["order_id"]
    order = venue.get(f"/portfolio/orders/{order_id}")["order"]
    assert sorted(order) == recorded["get_order_keys_sep2026"]
    gone = venue.send(
        "DELETE", f"/portfolio/events/orders/{order_id}", query={"market_ticker": GAME}
    )
    assert sorted(gone.body) == recorded["v2_cancel_200"]["response_keys"]
    assert venue.get("/portfolio/fills") == recorded["fills_empty_200"]
    for name, output in (
        ("v1_create_deprecated_410", venue.send("POST", "/portfolio/orders", body={})),
        ("order_invalid_uuid_400", venue.send("GET", "/portfolio/orders/nonsense")),
    ):
        assert (output.status, output.body) == (recorded[name]["status"], recorded[name]["body"])
