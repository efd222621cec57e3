"""Order entry and matching, rule by rule."""

from __future__ import annotations

import pytest

from simulators.kalshi.units import parse_count
from tests.simulators.kalshi.support import (
    BTC,
    FED,
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


def cancel(venue, order_id):
    return venue.send("DELETE", f"{ORDERS}/{order_id}", query={"market_ticker": GAME})


# decoding and validation


@pytest.mark.parametrize("field", ["count", "price", "ticker", "side"])
def test_numbers_instead_of_strings_are_refused_in_the_flat_shape(field):
    output = make_venue().order(**{field: 1})
    assert output.status == 400
    assert output.body == {
        "code": "bad_request",
        "message": "bad request",
        "details": "json: cannot unmarshal number into Go struct field "
        f"CreateOrderV2Request.{field} of type string",
    }


@pytest.mark.parametrize(
    "field", ["self_trade_prevention_type", "time_in_force", "side", "count", "price", "ticker"]
)
def test_a_missing_required_field_is_refused(field):
    output = make_venue().order(**{field: None})
    assert (output.status, output.body["code"]) == (400, "bad_request")
    assert "required" in output.body["details"]


@pytest.mark.parametrize(
    ("fields", "status", "expected"),
    [
        ({"price": "0.475"}, 400, "invalid_price"),
        ({"price": "0.0000"}, 400, "invalid_price"),
        ({"price": "1.0000"}, 400, "invalid_price"),
        ({"price": "-0.10"}, 400, "invalid_price"),
        ({"price": "0.47001"}, 400, "invalid_price"),
        ({"count": "0"}, 400, "invalid_order_size"),
        ({"count": "0.001"}, 400, "invalid_order_size"),
        ({"count": "-1"}, 400, "invalid_order_size"),
        ({"client_order_id": "a.b"}, 400, "invalid_parameters"),
        ({"client_order_id": "x" * 65}, 400, "invalid_parameters"),
        ({"ticker": "KXNONE"}, 404, "market_not_found"),
        ({"exchange_index": 0}, 404, "market_not_found"),
        ({"side": "yes"}, 400, "bad_request"),
        ({"time_in_force": "GTD"}, 400, "bad_request"),
        ({"expiration_time": 1}, 400, "invalid_parameters"),
        ({"expiration_time": 1_900_000_000} | IOC, 400, "invalid_parameters"),
        ({"reduce_only": True}, 400, "invalid_order"),
        ({"subaccount": 5}, 404, "customer_account_not_found"),
        ({"subaccount": 64}, 400, "invalid_parameters"),
        ({"order_group_id": "nope"}, 404, "order_group_not_found"),
    ],
)
def test_a_bad_order_is_refused_and_leaves_nothing(fields, status, expected):
    venue = quoted()
    before = venue.truth()
    output = venue.order(**fields)
    assert (output.status, code(output)) == (status, expected)
    assert venue.truth() == before
    assert book(venue) == {"yes_dollars": [["0.4700", "3.00"]], "no_dollars": [["0.4800", "3.00"]]}


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b'"x"', b"\xff\xfe"])
def test_a_body_that_is_no_object_is_the_decoders_error(raw):
    output = make_venue().send("POST", ORDERS, raw=raw)
    assert (output.status, output.body["code"]) == (400, "bad_request")


@pytest.mark.parametrize(
    ("ticker", "good", "bad"),
    [
        (GAME, ["0.01", "0.99"], ["0.005", "0.471"]),
        (FED, ["0.001", "0.999", "0.4710"], ["0.0005"]),
        (BTC, ["0.001", "0.1", "0.105", "0.9", "0.901"], ["0.101", "0.899"]),
    ],
)
def test_the_grid_is_the_markets_own(ticker, good, bad):
    venue = make_venue()
    for price in good:
        assert venue.order(ticker=ticker, price=price, count="1").status == 201, price
    for price in bad:
        assert code(venue.order(ticker=ticker, price=price, count="1")) == "invalid_price", price


def test_price_limits_switch_keeps_whole_cents_at_the_ends():
    venue = make_venue(price_limits="whole_cent")
    assert code(venue.order(ticker=FED, price="0.001")) == "invalid_price"
    assert venue.order(ticker=FED, price="0.011").status == 201


# matching


def test_a_sweep_takes_price_then_time_at_the_resting_prices():
    venue = quoted(asks=[("0.52", "3"), ("0.53", "5")])
    first = venue.placed("bob", side="ask", price="0.52", count="2")
    late = venue.placed("carol", side="ask", price="0.52", count="2")
    output = venue.placed(count="6", price="0.60")
    assert (output["fill_count"], output["remaining_count"]) == ("6.00", "0.00")
    assert output["average_fill_price"] == "0.5200"
    fills = venue.get("/portfolio/fills")["fills"]
    assert [f["count_fp"] for f in reversed(fills)] == ["3.00", "2.00", "1.00"]
    bob = venue.get(f"/portfolio/orders/{first['order_id']}", "bob")["order"]
    carol = venue.get(f"/portfolio/orders/{late['order_id']}", "carol")["order"]
    assert (bob["status"], carol["status"]) == ("executed", "resting")
    assert carol["remaining_count_fp"] == "1.00"
    assert venue.gap() == 0


def test_trade_is_priced_by_the_resting_order_and_the_order_keeps_its_limit():
    venue = quoted()
    output = venue.placed(price="0.99", count="1", **IOC)
    assert output["average_fill_price"] == "0.5200"
    order = venue.get(f"/portfolio/orders/{output['order_id']}")["order"]
    assert (order["yes_price_dollars"], order["no_price_dollars"]) == ("0.9900", "0.0100")


def test_ioc_remainder_is_canceled_with_201():
    venue = quoted()
    output = venue.placed(price="0.52", count="5", **IOC)
    assert (output["fill_count"], output["remaining_count"]) == ("3.00", "0.00")
    order = venue.get(f"/portfolio/orders/{output['order_id']}")["order"]
    assert (order["status"], order["fill_count_fp"]) == ("canceled", "3.00")


@pytest.mark.parametrize(
    ("switch", "status", "orders"), [("error_409", 409, 0), ("error_400", 400, 0)]
)
def test_fok_that_finds_too_little_is_an_error(switch, status, orders):
    venue = quoted(fok_failure=switch)
    output = venue.order(price="0.52", count="5", **FOK)
    assert output.status == status
    assert code(output).startswith("fill_or_kill")
    assert len(venue.get("/portfolio/orders")["orders"]) == orders


def test_fok_as_a_canceled_order_by_switch():
    venue = quoted(fok_failure="canceled_201")
    output = venue.placed(price="0.52", count="5", **FOK)
    assert (output["fill_count"], output["remaining_count"]) == ("0.00", "0.00")
    assert book(venue)["no_dollars"] == [["0.4800", "3.00"]]


@pytest.mark.parametrize(("count", "status"), [("150000", 201), ("150001", 201), ("210000", 409)])
def test_fok_counts_only_what_makers_can_pay_for(count, status):
    venue = make_venue()
    for _ in range(2):  # bob has the cash for one of them and a third of the other
        venue.placed("bob", side="ask", price="0.50", count="150000")
    venue.operate("deposit", user="alice", dollars="1000000", exchange_index=3)
    output = venue.order(price="0.50", count=count, **FOK)
    assert output.status == status
    held = venue.state.ledger.quantity(venue.user_id("alice"), 0, GAME)
    assert held == (parse_count(count) if status == 201 else 0)
    assert venue.gap() == 0


def test_fok_fills_whole_over_levels():
    venue = quoted(asks=[("0.52", "3"), ("0.53", "5")])
    assert venue.placed(price="0.53", count="8", **FOK)["fill_count"] == "8.00"


def test_post_only_cross_by_default_is_400_and_no_order_exists():
    venue = quoted()
    output = venue.order(price="0.52", post_only=True)
    assert (output.status, output.body["error"]["details"]) == (400, "post only cross")
    assert venue.get("/portfolio/orders")["orders"] == []


def test_post_only_cross_by_switch_is_an_order_that_is_canceled():
    venue = quoted(post_only_cross="accept_then_cancel")
    socket = venue.connect()
    venue.subscribe(socket, "user_orders")
    output = venue.placed(price="0.52", post_only=True)
    assert (output["fill_count"], output["remaining_count"]) == ("0.00", "0.00")
    assert [m["msg"]["last_update_reason"] for m in venue.news(socket) if "sid" in m] == [
        "PostOnlyCrossCancel"
    ]


def test_stp_taker_at_cross_ends_the_incoming_and_keeps_earlier_fills():
    venue = quoted(asks=[("0.51", "2")])
    own = venue.placed(side="ask", price="0.52", count="4")
    output = venue.placed(price="0.55", count="10")
    assert (output["fill_count"], output["remaining_count"]) == ("2.00", "0.00")
    resting = venue.get(f"/portfolio/orders/{own['order_id']}")["order"]
    assert (resting["status"], resting["remaining_count_fp"]) == ("resting", "4.00")


def test_stp_maker_cancels_the_resting_order_and_goes_on():
    venue = quoted(asks=[("0.53", "2")])
    own = venue.placed(side="ask", price="0.52", count="4")
    output = venue.placed(price="0.55", count="10", self_trade_prevention_type="maker")
    assert (output["fill_count"], output["remaining_count"]) == ("2.00", "8.00")
    assert venue.get(f"/portfolio/orders/{own['order_id']}")["order"]["status"] == "canceled"


def test_reduce_only_is_capped_at_the_position():
    venue = quoted()
    venue.placed(price="0.52", count="2", **IOC)
    output = venue.placed(side="ask", price="0.47", count="3", reduce_only=True, **IOC)
    assert (output["fill_count"], output["remaining_count"]) == ("2.00", "0.00")
    flat = venue.placed(side="ask", price="0.47", count="3", reduce_only=True, **IOC)
    assert flat["fill_count"] == "0.00"
    assert venue.get("/portfolio/positions")["market_positions"][0]["position_fp"] == "0.00"


def test_selling_without_inventory_opens_no():
    venue = quoted()
    venue.placed(side="ask", price="0.47", count="3", **IOC)
    row = venue.get("/portfolio/positions")["market_positions"][0]
    assert (row["position_fp"], row["market_exposure_dollars"]) == ("-3.00", "1.590000")


def test_expiry_cancels_at_its_second():
    venue = make_venue()
    expires = venue.now_ns // 10**9 + 30
    made = venue.placed(expiration_time=expires)
    venue.after(29.999)
    assert venue.get(f"/portfolio/orders/{made['order_id']}")["order"]["status"] == "resting"
    socket = venue.connect()
    venue.subscribe(socket, "user_orders")
    venue.after(0.001)
    last = venue.news(socket)[-1]["msg"]
    assert (last["status"], last["last_update_reason"]) == ("canceled", "ExpiryCancel")
    assert venue.get(f"/portfolio/orders/{made['order_id']}")["order"]["status"] == "canceled"


def test_client_order_ids_are_single_use_for_ever():
    venue = make_venue()
    made = venue.placed(client_order_id="once")
    assert code(venue.order(client_order_id="once")) == "order_already_exists"
    cancel(venue, made["order_id"])
    assert venue.order(client_order_id="once").status == 409
    assert venue.order("bob", client_order_id="once").status == 201


def test_client_order_ids_free_after_archive_by_switch():
    venue = make_venue(client_order_id_reuse="after_archive")
    made = venue.placed(client_order_id="once")
    cancel(venue, made["order_id"])
    assert venue.order(client_order_id="once").status == 409
    venue.after(15 * 86_400)
    assert venue.order(ticker=SHARD0, client_order_id="once").status == 201


def test_client_order_id_characters_by_switch():
    assert make_venue(client_order_id_chars="any").order(client_order_id="a.b").status == 201


def test_create_status_switch():
    assert make_venue(create_status="200").order().status == 200


# collateral


def test_shard_without_cash_refuses_although_the_total_is_ample():
    venue = make_venue()
    venue.operate("deposit", user="alice", dollars="-100000", exchange_index=3)
    assert code(venue.order(count="1")) == "insufficient_balance"
    assert venue.order(ticker=SHARD0, count="1").status == 201
    assert venue.get("/portfolio/balance")["balance_dollars"] == "300000.0000"


def test_resting_orders_do_not_lower_the_balance_by_default():
    venue = make_venue()
    venue.placed(count="150000", price="0.50")
    venue.placed(count="150000", price="0.50")
    assert venue.get("/portfolio/balance", exchange_index=3)["balance_dollars"] == "100000.0000"


def test_resting_orders_reserve_cash_by_switch():
    venue = make_venue(resting_collateral="reserved")
    venue.placed(count="150000", price="0.50")
    assert venue.get("/portfolio/balance", exchange_index=3)["balance_dollars"] == "25000.0000"
    assert code(venue.order(count="150000", price="0.50")) == "insufficient_balance"


def test_an_order_that_can_no_longer_be_funded_is_removed_at_match():
    venue = make_venue()
    venue.placed(count="150000", price="0.50")
    second = venue.placed(ticker=OTHER, count="150000", price="0.50")
    socket = venue.connect()
    venue.subscribe(socket, "user_orders")
    venue.operate("order", ticker=GAME, side="ask", count="150000", price="0.50")
    assert (
        venue.operate("order", ticker=OTHER, side="ask", count="150000", price="0.50")[
            "fill_count_fp"
        ]
        == "0.00"
    )
    last = venue.news(socket)[-1]["msg"]
    assert (last["order_id"], last["last_update_reason"]) == (second["order_id"], "MarginCancel")
    assert venue.gap() == 0


def test_closing_releases_the_pair_at_once():
    venue = quoted(fee_regime="2026q2")
    venue.placed(price="0.52", count="3", **IOC)
    venue.placed(side="ask", price="0.47", count="3", **IOC)
    # −3·0.52 − 0.0525 (taker fee) + 3·0.47 − 0.0524
    cash = venue.truth()["cash"]["0/3"]
    assert cash == "99999.745100"
