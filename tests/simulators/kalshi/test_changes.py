"""Cancels, amends, decreases, batches, groups and queries, rule by rule."""

from __future__ import annotations

import pytest

from tests.simulators.kalshi.support import (
    BTC,
    GAME,
    ORDERS,
    OTHER,
    SHARD0,
    make_venue,
)

IOC = {"time_in_force": "immediate_or_cancel"}
FOK = {"time_in_force": "fill_or_kill"}


def code(output) -> str:
    error = output.body.get("error", output.body)
    return error["code"] if isinstance(error, dict) else error


def quoted(ticker=GAME, bids=(("0.47", "3"),), asks=(("0.52", "3"),), **switches):
    venue = make_venue(**switches)
    venue.operate("book", ticker=ticker, bids=list(bids), asks=list(asks))
    return venue


def book(venue, ticker=GAME):
    return venue.get(f"/markets/{ticker}/orderbook")["orderbook_fp"]


def cancel(venue, order_id, who="alice", ticker=GAME, **query):
    if ticker:
        query["market_ticker"] = ticker
    return venue.send("DELETE", f"{ORDERS}/{order_id}", who, query)


# changes


def test_cancel_answers_alike_for_unknown_canceled_and_executed():
    venue = quoted()
    done = venue.placed(price="0.52", count="1", **IOC)
    gone = venue.placed(count="1")
    assert cancel(venue, gone["order_id"]).body["reduced_by"] == "1.00"
    bodies = [
        cancel(venue, order_id)
        for order_id in (
            gone["order_id"],
            done["order_id"],
            "0" * 8 + "-0000-0000-0000-" + "0" * 12,
        )
    ]
    assert {(b.status, str(b.body)) for b in bodies} == {
        (404, "{'error': {'code': 'not_found', 'message': 'not found'}}")
    }


def test_nobody_cancels_anothers_order():
    venue = make_venue()
    made = venue.placed()
    assert cancel(venue, made["order_id"], "bob").status == 404
    assert venue.send("GET", f"/portfolio/orders/{made['order_id']}", "bob").status == 404


def test_cancel_without_ticker_or_index_goes_to_shard_0():
    venue = make_venue()
    here, there = venue.placed(ticker=SHARD0), venue.placed(ticker=GAME)
    assert cancel(venue, there["order_id"], ticker=None).status == 404
    assert cancel(venue, there["order_id"], ticker=None, exchange_index=3).status == 200
    assert cancel(venue, here["order_id"], ticker=None).status == 200


def test_cancel_all_is_204_and_reaches_every_shard():
    venue = make_venue()
    for ticker in (SHARD0, GAME, BTC):
        venue.placed(ticker=ticker)
    output = venue.send("DELETE", ORDERS)
    assert (output.status, output.body) == (204, None)
    assert venue.get("/portfolio/orders", status="resting")["orders"] == []
    assert venue.order().status == 201


def test_cancel_all_tail_reaches_orders_of_the_next_minute():
    venue = make_venue(cancel_all_tail=True)
    venue.send("DELETE", ORDERS)
    caught = venue.placed()
    venue.after(ms=1)
    assert venue.get(f"/portfolio/orders/{caught['order_id']}")["order"]["status"] == "canceled"
    venue.after(61)
    safe = venue.placed()
    venue.after(1)
    assert venue.get(f"/portfolio/orders/{safe['order_id']}")["order"]["status"] == "resting"


def amend(venue, order_id, who="alice", **fields):
    body = {"ticker": GAME, "side": "bid", "price": "0.4700", "count": "10.00"} | fields
    body = {key: value for key, value in body.items() if value is not None}
    return venue.send("POST", f"{ORDERS}/{order_id}/amend", who, body=body)


def ahead(venue, order_id):
    return venue.get(f"/portfolio/orders/{order_id}/queue_position")["queue_position_fp"]


def test_amend_keeps_priority_only_when_size_shrinks():
    venue = make_venue()
    mine = venue.placed(count="10")
    venue.placed("bob", count="7")
    assert ahead(venue, mine["order_id"]) == "0.00"
    assert amend(venue, mine["order_id"], count="8").body["remaining_count"] == "8.00"
    assert ahead(venue, mine["order_id"]) == "0.00"
    assert amend(venue, mine["order_id"], count="9").body["remaining_count"] == "9.00"
    assert ahead(venue, mine["order_id"]) == "7.00"


def test_amend_count_is_the_total_and_a_cross_fills():
    venue = quoted(bids=[], asks=[["0.52", "3"]])
    mine = venue.placed(count="10")
    venue.operate("order", ticker=GAME, side="ask", count="4", price="0.47")
    output = amend(venue, mine["order_id"], count="9", price="0.52")
    assert (output.body["fill_count"], output.body["remaining_count"]) == ("7.00", "2.00")
    assert output.body["average_fill_price"] == "0.4914"
    assert venue.gap() == 0


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"ticker": OTHER}, "order_ticker_mismatch"),
        ({"side": "ask"}, "order_side_mismatch"),
        ({"client_order_id": "x"}, "order_id_and_client_order_id_mismatch"),
        ({"count": "3"}, "invalid_amend_qty_for_order"),
        ({"price": "0.475"}, "invalid_price"),
        ({"count": "1000000000"}, "insufficient_balance"),
        ({"updated_client_order_id": "c-1"}, "order_already_exists"),
        ({"expiration_time": 5}, "invalid_parameters"),
    ],
)
def test_a_bad_amend_changes_nothing(fields, expected):
    venue = make_venue()
    venue.placed(side="ask", price="0.90")
    mine = venue.placed(count="10")
    venue.operate("order", ticker=GAME, side="ask", count="4", price="0.47")
    before = venue.get(f"/portfolio/orders/{mine['order_id']}")
    assert code(amend(venue, mine["order_id"], **fields)) == expected
    assert venue.get(f"/portfolio/orders/{mine['order_id']}") == before


def test_amend_changes_client_id_and_expiry():
    venue = make_venue()
    mine = venue.placed()
    soon = venue.now_ns // 10**9 + 10
    output = amend(venue, mine["order_id"], updated_client_order_id="new", expiration_time=soon)
    assert output.body["client_order_id"] == "new"
    assert amend(venue, mine["order_id"], client_order_id="new", expiration_time=0).status == 200
    venue.after(20)
    assert venue.get(f"/portfolio/orders/{mine['order_id']}")["order"]["status"] == "resting"


@pytest.mark.parametrize(("switch", "status"), [("cancel", 200), ("reject", 400)])
def test_amend_to_the_filled_count_by_switch(switch, status):
    venue = make_venue(amend_to_filled=switch)
    mine = venue.placed(count="10")
    venue.operate("order", ticker=GAME, side="ask", count="4", price="0.47")
    assert amend(venue, mine["order_id"], count="4").status == status
    order = venue.get(f"/portfolio/orders/{mine['order_id']}")["order"]
    assert order["status"] == ("canceled" if status == 200 else "resting")


@pytest.mark.parametrize(("needed", "status"), [(False, 200), (True, 400)])
def test_amend_without_client_id_by_switch(needed, status):
    venue = make_venue(amend_needs_client_id=needed)
    assert amend(venue, venue.placed()["order_id"]).status == status


def decrease(venue, order_id, **body):
    return venue.send("POST", f"{ORDERS}/{order_id}/decrease", body={"market_ticker": GAME} | body)


def test_decrease_keeps_priority():
    venue = make_venue()
    mine = venue.placed(count="10")
    venue.placed("bob", count="7")
    assert decrease(venue, mine["order_id"], reduce_by="4").body["remaining_count"] == "6.00"
    assert decrease(venue, mine["order_id"], reduce_to="5").body["remaining_count"] == "5.00"
    assert ahead(venue, mine["order_id"]) == "0.00"
    assert book(venue)["yes_dollars"] == [["0.4700", "12.00"]]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"reduce_by": "1", "reduce_to": "1"},
        {"reduce_by": 1},
        {"reduce_to": "11"},
        {"reduce_by": "11"},
        {"reduce_by": "0"},
    ],
)
def test_a_bad_decrease_changes_nothing(body):
    venue = make_venue()
    mine = venue.placed(count="10")
    assert decrease(venue, mine["order_id"], **body).status == 400
    assert book(venue)["yes_dollars"] == [["0.4700", "10.00"]]


@pytest.mark.parametrize(("switch", "status"), [("cancel", 200), ("reject", 400)])
def test_decrease_to_zero_by_switch(switch, status):
    venue = make_venue(decrease_to_zero=switch)
    mine = venue.placed(count="10")
    assert decrease(venue, mine["order_id"], reduce_to="0").status == status


def test_batch_equals_singles_and_reports_each_item():
    venue = quoted()
    good = {
        "ticker": GAME, "side": "bid", "count": "1", "price": "0.52",
        "time_in_force": "good_till_canceled", "self_trade_prevention_type": "maker",
    }  # fmt: skip
    rows = [good | {"client_order_id": "b1"}, good | {"price": "0.525", "client_order_id": "b2"},
            good | {"time_in_force": "x"}, good | {"client_order_id": "b1"}]  # fmt: skip
    output = venue.send("POST", f"{ORDERS}/batched", body={"orders": rows})
    found = output.body["orders"]
    assert output.status == 201
    assert found[0]["fill_count"] == "1.00"
    assert [row["error"]["code"] for row in found[1:]] == [
        "invalid_price", "bad_request", "order_already_exists",
    ]  # fmt: skip
    assert found[1]["client_order_id"] == "b2"
    assert "order_id" not in found[1]


def test_batch_size_by_switch():
    venue = make_venue(batch_orders_max=1)
    output = venue.send("POST", f"{ORDERS}/batched", body={"orders": [{}, {}]})
    assert (output.status, output.body["code"]) == (400, "bad_request")


@pytest.mark.parametrize("body", [{}, {"orders": []}, {"orders": "x"}, []])
def test_a_batch_without_orders_is_refused(body):
    assert make_venue().send("POST", f"{ORDERS}/batched", body=body).status == 400


def test_legacy_mutations_are_gone():
    venue = make_venue()
    for method, path in (
        ("POST", "/portfolio/orders"),
        ("DELETE", "/portfolio/orders/abc"),
        ("POST", "/portfolio/orders/batched"),
        ("POST", "/portfolio/orders/abc/amend"),
    ):
        output = venue.send(method, path, body={})
        assert (output.status, code(output)) == (410, "deprecated_v1_order_endpoint")


def test_an_order_id_that_is_no_uuid_is_400():
    assert code(make_venue().send("GET", "/portfolio/orders/abc")) == "invalid_UUID"


# groups


def group(venue, limit=5, **more):
    body = {"contracts_limit": limit, "exchange_index": 3} | more
    return venue.send("POST", "/portfolio/order_groups/create", body=body)


def test_a_group_triggers_when_15_seconds_fill_more_than_its_limit():
    venue = make_venue()
    group_id = group(venue).body["order_group_id"]
    fill = {"ticker": GAME, "side": "ask", "price": "0.47"}
    venue.placed(count="20", order_group_id=group_id)
    other = venue.placed(count="3", price="0.40", order_group_id=group_id)
    venue.operate("order", count="5", **fill)
    venue.after(15)
    venue.operate("order", count="5", **fill)
    assert venue.get("/portfolio/orders", status="resting")["orders"] != []
    venue.after(1)
    venue.operate("order", count="1", **fill)
    assert venue.get("/portfolio/orders", status="resting")["orders"] == []
    assert venue.get(f"/portfolio/orders/{other['order_id']}")["order"]["status"] == "canceled"
    refused = venue.order(order_group_id=group_id)
    assert code(refused) == "exceeded_order_group_risk_limit"
    venue.send("PUT", f"/portfolio/order_groups/{group_id}/reset")
    assert venue.order(order_group_id=group_id).status == 201


@pytest.mark.parametrize(
    "more", [{"contracts_limit": 0}, {"contracts_limit": 1_000_001}, {"contracts_limit_fp": "7"},
             {"contracts_limit": None}]
)  # fmt: skip
def test_a_bad_group_is_refused(more):
    venue = make_venue()
    assert group(venue, **more).status == 400
    assert venue.get("/portfolio/order_groups")["order_groups"] == []


def test_a_group_stays_on_its_shard():
    venue = make_venue()
    group_id = group(venue).body["order_group_id"]
    assert code(venue.order(ticker=SHARD0, order_group_id=group_id)) == "order_group_not_found"


# queries


def test_orders_are_newest_first_and_paged():
    venue = make_venue()
    made = [venue.placed(count="1")["order_id"] for _ in range(5)]
    first = venue.get("/portfolio/orders", limit=2)
    newest = venue.placed(count="1")["order_id"]
    second = venue.get("/portfolio/orders", limit=2, cursor=first["cursor"])
    third = venue.get("/portfolio/orders", limit=2, cursor=second["cursor"])
    seen = [o["order_id"] for page in (first, second, third) for o in page["orders"]]
    assert seen == made[::-1]
    assert newest not in seen
    assert third["cursor"] == ""


@pytest.mark.parametrize(
    ("path", "most"),
    [("/markets", 1000), ("/events", 200), ("/portfolio/orders", 1000), ("/portfolio/fills", 1000),
     ("/portfolio/positions", 1000), ("/portfolio/settlements", 1000), ("/markets/trades", 1000)],
)  # fmt: skip
def test_a_limit_above_the_maximum_is_refused_not_cut(path, most):
    venue = make_venue()
    assert venue.send("GET", path, query={"limit": most}).status == 200
    output = venue.send("GET", path, query={"limit": most + 1})
    assert output.status == 400
    assert "'lte' tag" in output.body["msg"]
    assert venue.send("GET", path, query={"limit": "x"}).status == 400


def test_finished_orders_move_to_history_after_two_weeks():
    venue = make_venue()
    made = venue.placed(ticker=SHARD0)
    cancel(venue, made["order_id"], ticker=SHARD0)
    resting = venue.placed(ticker=SHARD0)
    venue.after(15 * 86_400)
    assert [o["order_id"] for o in venue.get("/portfolio/orders")["orders"]] == [
        resting["order_id"]
    ]
    assert [o["order_id"] for o in venue.get("/historical/orders")["orders"]] == [made["order_id"]]
    assert venue.send("GET", f"/portfolio/orders/{made['order_id']}").status == 404


@pytest.mark.parametrize(("leg", "cost"), [("no", "1.590000"), ("yes", "1.410000")])
def test_fill_cost_leg_of_an_ask_by_switch(leg, cost):
    venue = quoted(ask_cost_leg=leg)
    made = venue.placed(side="ask", price="0.47", count="3", **IOC)
    order = venue.get(f"/portfolio/orders/{made['order_id']}")["order"]
    assert order["taker_fill_cost_dollars"] == cost


def test_legacy_direction_fields_by_switch():
    venue = quoted(legacy_direction="removed")
    made = venue.placed(side="ask", price="0.47", count="1", **IOC)
    order = venue.get(f"/portfolio/orders/{made['order_id']}")["order"]
    fill = venue.get("/portfolio/fills")["fills"][0]
    trade = venue.get("/markets/trades")["trades"][0]
    assert not {"side", "action", "taker_side"} & (set(order) | set(fill) | set(trade))
    assert (order["outcome_side"], fill["book_side"]) == ("no", "ask")


def test_one_undecodable_item_refuses_the_whole_batch_before_anything_happens():
    venue = make_venue()
    good = {
        "ticker": GAME, "side": "bid", "count": "1", "price": "0.40",
        "time_in_force": "good_till_canceled", "self_trade_prevention_type": "maker",
    }  # fmt: skip
    output = venue.send("POST", f"{ORDERS}/batched", body={"orders": [good, good | {"count": 1}]})
    assert (output.status, output.body["code"]) == (400, "bad_request")
    assert venue.get("/portfolio/orders")["orders"] == []
    made = venue.placed()
    rows = [{"order_id": made["order_id"], "market_ticker": GAME}, {"order_id": 5}]
    output = venue.send("DELETE", f"{ORDERS}/batched", body={"orders": rows})
    assert (output.status, output.body["code"]) == (400, "bad_request")
    assert venue.get(f"/portfolio/orders/{made['order_id']}")["order"]["status"] == "resting"
