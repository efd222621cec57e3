"""Market data by REST: filters, books, trades, candles; reads that lag; the remaining switches."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path

import pytest

from simulators.kalshi.switchboard import TABLE
from tests.simulators.kalshi.support import (
    BTC,
    FED,
    GAME,
    ORDERS,
    OTHER,
    SHARD0,
    START_NS,
    make_venue,
)

IOC = {"time_in_force": "immediate_or_cancel"}
NOW_S = START_NS // 10**9


def tickers(venue, **query):
    return {m["ticker"] for m in venue.get("/markets", limit=1000, **query)["markets"]}


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"tickers": f"{GAME},{BTC},KXNONE"}, {GAME, BTC}),
        ({"series_ticker": "KXBTCD"}, {BTC}),
        ({"event_ticker": "KXNBAGAME-26NOV22BOSNYK"}, {GAME, OTHER}),
        ({"mve_filter": "only"}, set()),
        ({"status": "settled"}, set()),
        ({"max_close_ts": NOW_S}, set()),
        ({"min_updated_ts": NOW_S + 1}, set()),
    ],
)
def test_market_filters(query, expected):
    assert tickers(make_venue(), **query) == expected


@pytest.mark.parametrize(
    "query",
    [
        {"status": "active"},
        {"status": "open,closed"},
        {"min_close_ts": 1, "min_created_ts": 1},
        {"min_close_ts": 1, "status": "open"},
        {"min_close_ts": "soon"},
    ],
)
def test_bad_market_filters_are_400_in_the_bare_shape(query):
    output = make_venue().send("GET", "/markets", query=query)
    assert output.status == 400
    assert list(output.body) == ["msg"]


def test_updated_filter_is_the_incremental_poll():
    venue = make_venue()
    venue.after(100)
    venue.operate("deactivate", ticker=GAME)
    assert tickers(venue, min_updated_ts=NOW_S + 50, mve_filter="exclude") == {GAME}
    assert tickers(venue, status="paused") == {GAME}


def test_status_paused_filter_by_switch():
    venue = make_venue(status_paused_filter="reject_400")
    assert venue.send("GET", "/markets", query={"status": "paused"}).status == 400


def test_pages_cover_every_market_once():
    venue = make_venue()
    seen, cursor = [], ""
    while True:
        page = venue.get("/markets", limit=7, cursor=cursor)
        seen += [m["ticker"] for m in page["markets"]]
        cursor = page["cursor"]
        if not cursor:
            break
    assert len(seen) == len(set(seen)) == len(venue.state.markets)


def quoted(**switches):
    venue = make_venue(**switches)
    bids, asks = [["0.45", "5"], ["0.47", "3"]], [["0.52", "3"], ["0.55", "1"]]
    venue.operate("book", ticker=GAME, bids=bids, asks=asks)
    return venue


def test_book_depth_keeps_the_best():
    venue = quoted()
    book = venue.get(f"/markets/{GAME}/orderbook", depth=1)["orderbook_fp"]
    assert book == {"yes_dollars": [["0.4700", "3.00"]], "no_dollars": [["0.4800", "3.00"]]}
    whole = venue.get(f"/markets/{GAME}/orderbook", depth=0)["orderbook_fp"]
    assert [px for px, _ in whole["no_dollars"]] == ["0.4500", "0.4800"]
    assert venue.send("GET", f"/markets/{GAME}/orderbook", query={"depth": 101}).status == 400


@pytest.mark.parametrize(
    ("order", "prices"), [("ascending", ["0.4500", "0.4700"]), ("descending", ["0.4700", "0.4500"])]
)
def test_book_order_by_switch(order, prices):
    book = quoted(orderbook_order=order).get(f"/markets/{GAME}/orderbook")["orderbook_fp"]
    assert [px for px, _ in book["yes_dollars"]] == prices


@pytest.mark.parametrize(
    ("choice", "book"), [("empty", {"yes_dollars": [], "no_dollars": []}), ("missing", {})]
)
def test_empty_book_side_by_switch(choice, book):
    venue = make_venue(empty_book_side=choice)
    assert venue.get(f"/markets/{GAME}/orderbook")["orderbook_fp"] == book


def test_plural_books_take_repeated_keys():
    venue = quoted()
    found = venue.get("/markets/orderbooks", tickers=[GAME, OTHER, "KXNONE"])["orderbooks"]
    assert [row["ticker"] for row in found] == [GAME, OTHER]
    many = {"tickers": [GAME] * 101}
    assert venue.send("GET", "/markets/orderbooks", query=many).status == 400
    assert venue.send("GET", "/markets/orderbooks").status == 400


def test_empty_sides_read_zero_and_one_on_the_market():
    market = make_venue().get(f"/markets/{GAME}")["market"]
    assert (market["yes_bid_dollars"], market["yes_ask_dollars"]) == ("0.0000", "1.0000")
    assert (market["no_bid_dollars"], market["no_ask_dollars"]) == ("0.0000", "1.0000")


def test_trades_newest_first_by_filter():
    venue = quoted()
    venue.placed(price="0.52", count="1", **IOC)
    venue.after(10)
    venue.placed(side="ask", price="0.47", count="2", **IOC)
    found = venue.get("/markets/trades", ticker=GAME)["trades"]
    assert [(t["taker_book_side"], t["count_fp"]) for t in found] == [
        ("ask", "2.00"), ("bid", "1.00"),
    ]  # fmt: skip
    assert len(venue.get("/markets/trades", min_ts=NOW_S + 5)["trades"]) == 1
    assert len(venue.get("/markets/trades", max_ts=NOW_S + 5)["trades"]) == 1
    assert venue.get("/markets/trades", is_block_trade="true")["trades"] == []
    assert venue.get("/markets/trades", ticker=OTHER)["trades"] == []
    market = venue.get(f"/markets/{GAME}")["market"]
    assert (market["last_price_dollars"], market["volume_fp"]) == ("0.4700", "3.00")
    # The second trade hands one of alice's two contracts back to the house: one remains open
    assert market["open_interest_fp"] == "1.00"


def candles(venue, path=f"/series/KXNBAGAME/markets/{GAME}/candlesticks", **query):
    base = {"start_ts": NOW_S - 60, "end_ts": NOW_S + 7200, "period_interval": 1}
    return venue.get(path, **(base | query))


def test_candles_of_a_minute_and_of_an_hour():
    venue = quoted()
    venue.placed(price="0.52", count="1", **IOC)
    venue.placed(price="0.55", count="3", **IOC)
    venue.after(60)
    venue.placed(side="ask", price="0.47", count="1", **IOC)
    minutes = candles(venue)["candlesticks"]
    assert [c["end_period_ts"] for c in minutes] == [NOW_S + 60, NOW_S + 120]
    assert minutes[0]["price"]["open_dollars"] == "0.5200"
    assert minutes[0]["price"]["close_dollars"] == "0.5500"
    assert minutes[0]["price"]["mean_dollars"] == "0.5275"
    assert minutes[0]["volume_fp"] == "4.00"
    assert minutes[1]["price"]["previous_dollars"] == "0.5500"
    hours = candles(venue, period_interval=60)["candlesticks"]
    assert len(hours) == 1
    assert (hours[0]["volume_fp"], hours[0]["price"]["low_dollars"]) == ("5.00", "0.4700")
    later = candles(venue, start_ts=NOW_S + 600, include_latest_before_start="true")["candlesticks"]
    assert later[0]["price"] == dict.fromkeys(
        ("open_dollars", "low_dollars", "high_dollars", "close_dollars", "mean_dollars",
         "min_dollars", "max_dollars")
    ) | {"previous_dollars": "0.4700"}  # fmt: skip


def test_candles_without_trades_have_null_prices_and_the_book():
    venue = quoted()
    candle = candles(venue)["candlesticks"][0]
    assert set(candle["price"].values()) == {None}
    assert candle["yes_bid"]["close_dollars"] == "0.4700"
    assert candle["yes_ask"]["close_dollars"] == "0.5200"


@pytest.mark.parametrize(
    "query", [{"period_interval": 5}, {"period_interval": ""}, {"start_ts": "x"},
              {"end_ts": NOW_S - 600}]
)  # fmt: skip
def test_bad_candle_queries(query):
    base = {"start_ts": NOW_S, "end_ts": NOW_S + 60, "period_interval": 1}
    path = f"/series/KXNBAGAME/markets/{GAME}/candlesticks"
    assert make_venue().send("GET", path, query=base | query).status == 400


@pytest.mark.parametrize(
    "path",
    ["/markets/KXNONE", "/markets/KXNONE/orderbook", "/events/KXNONE", "/series/KXNONE",
     "/milestones/none", "/historical/markets/KXNONE"],
)  # fmt: skip
def test_unknown_things_are_404(path):
    assert make_venue().send("GET", path).status == 404


def test_events_by_filter_and_the_join_to_fees():
    venue = make_venue()
    page = venue.get("/events", series_ticker="KXFEDDECISION", with_nested_markets="true")
    event = page["events"][0]
    assert event["mutually_exclusive"] is True
    assert event["collateral_return_type"] == "MECNET"
    assert FED in [m["ticker"] for m in event["markets"]]
    assert all("series_ticker" not in m for m in event["markets"])
    assert venue.get("/events", status="settled")["events"] == []
    series = venue.get(f"/series/{event['series_ticker']}")["series"]
    assert (series["fee_type"], series["fee_multiplier"]) == ("quadratic", 1)
    with_milestones = venue.get("/events", with_milestones="true")
    assert with_milestones["milestones"][0]["related_event_tickers"]


def test_combo_endpoints_answer_empty():
    venue = make_venue()
    assert venue.get("/events/multivariate") == {"events": [], "cursor": ""}
    found = venue.get("/multivariate_event_collections")
    assert found == {"multivariate_contracts": [], "cursor": ""}


# reads that lag


def test_reads_lag_in_order_and_the_timestamp_says_so():
    venue = make_venue(read_lag_ms_max=500, seed=3)
    made = venue.placed()
    acknowledged = venue.now_ns
    path = f"/portfolio/orders/{made['order_id']}"
    seen = []
    for _ in range(60):
        fresh = venue.state.read.as_of_ns(venue.now_ns) >= acknowledged
        found = venue.send("GET", path).status == 200
        assert found or not fresh
        seen.append(found)
        venue.after(ms=10)
    assert seen == sorted(seen)
    assert seen[-1]
    assert not seen[0]


def test_a_read_just_after_a_cancel_may_still_say_resting():
    stale = 0
    for seed in range(12):
        venue = make_venue(seed=seed, read_lag_ms_max=500)
        made = venue.placed()
        venue.after(1)
        path = f"{ORDERS}/{made['order_id']}"
        assert venue.send("DELETE", path, query={"market_ticker": GAME}).status == 200
        assert venue.send("DELETE", path, query={"market_ticker": GAME}).status == 404
        order = venue.get(f"/portfolio/orders/{made['order_id']}")["order"]
        stale += order["status"] == "resting"
        venue.after(0.5)
        assert venue.get(f"/portfolio/orders/{made['order_id']}")["order"]["status"] == "canceled"
    assert stale > 6


def test_operator_can_expose_everything():
    venue = make_venue(read_lag_ms_max=500, seed=3)
    made = venue.placed()
    assert venue.send("GET", f"/portfolio/orders/{made['order_id']}").status == 404
    venue.operate("expose")
    assert venue.send("GET", f"/portfolio/orders/{made['order_id']}").status == 200


# switches not tested elsewhere


@pytest.mark.parametrize(
    "code", ["fill_or_kill_insufficient_resting_volume", "fok_insufficient_volume"]
)
def test_fok_code_by_switch(code):
    output = quoted(fok_code=code).order(price="0.52", count="9", time_in_force="fill_or_kill")
    assert output.body["error"]["code"] == code


@pytest.mark.parametrize("status", ["404", "400"])
def test_market_not_found_status_by_switch(status):
    venue = make_venue(market_not_found_status=status)
    assert venue.order(ticker="KXNONE").status == int(status)


def test_quotes_follow_a_grid_that_becomes_coarser():
    venue = make_venue()
    venue.operate("book", ticker=FED, bids=[["0.471", "5"], ["0.46", "5"]], asks=[])
    venue.operate("structure", ticker=FED, structure="linear_cent")
    rows = [(Decimal("0.471"), Decimal(7)), (Decimal("0.46"), Decimal(7))]
    venue.app.quote(FED, rows, [], venue.now_ns)
    book = venue.get(f"/markets/{FED}/orderbook")["orderbook_fp"]
    assert book["yes_dollars"] == [["0.4600", "7.00"]]


@pytest.mark.parametrize(("on", "present"), [(True, True), (False, False)])
def test_cancel_client_id_by_switch(on, present):
    venue = make_venue(cancel_client_id=on)
    made = venue.placed()
    path = f"{ORDERS}/{made['order_id']}"
    body = venue.send("DELETE", path, query={"market_ticker": GAME}).body
    assert ("client_order_id" in body) is present


@pytest.mark.parametrize(("ms", "status"), [(0, "canceled"), (5000, "resting")])
def test_close_cancel_delay_by_switch(ms, status):
    venue = make_venue(close_cancel_ms=ms)
    made = venue.placed(ticker=SHARD0)
    venue.operate("close", ticker=SHARD0)
    venue.after(ms=1)
    order = venue.get(f"/portfolio/orders/{made['order_id']}")["order"]
    assert order["status"] == status


def test_fee_cost_before_or_after_the_rebate_by_switch():
    costs, balances = {}, {}
    for choice in ("net", "gross"):
        venue = make_venue(fee_cost=choice, fee_regime="2026q3")
        for n in range(27):
            venue.placed("bob", FED, "ask", "0.37", "0.201", client_order_id=f"x{n}")
        venue.placed(ticker=FED, price="0.201", count="9.99")
        fills = venue.get("/portfolio/fills", limit=1000)["fills"]
        costs[choice] = sorted(fill["fee_cost"] for fill in fills)
        balances[choice] = venue.get("/portfolio/balance")["balance_dollars"]
    assert balances["net"] == balances["gross"]
    assert sum(map(cents, costs["gross"])) > sum(map(cents, costs["net"]))


def cents(text: str) -> int:
    return int(text.replace(".", ""))


def test_balance_precision_by_switch():
    for choice, step in (("centicent", 100), ("cent", 10_000)):
        venue = make_venue(balance_precision=choice, fee_regime="2026q2")
        venue.operate("book", ticker=SHARD0, bids=[], asks=[["0.52", "3"]])
        venue.placed(ticker=SHARD0, price="0.52", count="1", **IOC)
        cash = venue.state.ledger.balance((venue.user_id("alice"), 0, 0))
        assert cash % step == 0
        assert cash % 10_000 == (0 if choice == "cent" else 2500)


def test_calibrated_scenario_misses_as_often_as_real_fok_orders_did():
    filled = {count: 0 for count in ("1", "15")}
    tries = 400
    for size in filled:
        venue = make_venue(scenario="calibrated")
        for n in range(tries):
            venue.operate("book", ticker=GAME, bids=[], asks=[["0.50", "30"]])
            output = venue.order(
                price="0.50", count=size, time_in_force="fill_or_kill", client_order_id=f"h{n}"
            )
            filled[size] += output.status == 201
    assert abs(filled["15"] / tries - 0.54) < 0.08
    assert abs(filled["1"] / tries - 0.80) < 0.08


def test_misses_are_drawn_by_order_and_hit_immediate_orders_of_every_kind():
    filled = []
    for tif in ("immediate_or_cancel", "fill_or_kill"):
        venue = make_venue(scenario="calibrated", fok_failure="canceled_201")
        found = []
        for n in range(60):
            venue.operate("book", ticker=GAME, bids=[], asks=[["0.50", "30"]])
            body = venue.placed(
                price="0.50", count="15", time_in_force=tif, client_order_id=f"h{n}"
            )
            found.append(body["fill_count"])
        filled.append(found)
    assert filled[0] == filled[1]
    assert set(filled[0]) == {"0.00", "15.00"}
    venue = make_venue(scenario="calibrated")
    for _ in range(30):
        venue.operate("book", ticker=GAME, bids=[], asks=[["0.50", "30"]])
        assert venue.placed(price="0.50", count="15")["fill_count"] == "15.00"


def test_default_scenario_never_misses():
    venue = make_venue(scenario="default")
    for n in range(50):
        venue.operate("book", ticker=GAME, bids=[], asks=[["0.50", "30"]])
        output = venue.order(price="0.50", count="15", time_in_force="fill_or_kill")
        assert output.status == 201, n


def test_every_switch_is_named_in_a_test_and_in_the_readme():
    here = Path(__file__).parent
    tests = "\n".join(path.read_text() for path in here.glob("test_*.py"))
    readme = (here.parents[2] / "simulators" / "README.md").read_text()
    for switch in TABLE:
        assert re.search(rf"\b{switch.name}\b", tests), switch.name
        assert f"`{switch.name}`" in readme, switch.name
        for value in switch.allowed:
            if isinstance(value, str):
                assert value in readme, (switch.name, value)
