"""Life of markets, pauses, settlement, fees in force, historical cutoff."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tests.simulators.kalshi.support import (
    GAME,
    ORDERS,
    OTHER,
    QUICK,
    SHARD0,
    START_NS,
    make_venue,
)

IOC = {"time_in_force": "immediate_or_cancel"}


def code(output):
    return output.body["error"]["code"]


def status(venue, ticker=GAME):
    return venue.get(f"/markets/{ticker}")["market"]["status"]


def holding(who_long="alice", who_short="bob", ticker=GAME, count="10", price="0.40", **switches):
    venue = make_venue(**switches)
    venue.placed(who_short, ticker=ticker, side="ask", price=price, count=count)
    venue.placed(who_long, ticker=ticker, price=price, count=count)
    return venue


def test_closing_is_silent_rejects_everything_and_cancels_a_little_later():
    venue = make_venue()
    made = venue.placed(ticker=SHARD0)
    close_ns = venue.state.markets[SHARD0].close_ns
    venue.after((close_ns - venue.now_ns) / 1e9)
    assert status(venue, SHARD0) == "closed"
    path = f"{ORDERS}/{made['order_id']}"
    for output in (
        venue.order(ticker=SHARD0),
        venue.send("DELETE", path),
        venue.send("POST", path + "/decrease", body={"reduce_by": "1"}),
        venue.send("POST", path + "/amend", body={"ticker": SHARD0, "side": "bid",
                                                  "price": "0.47", "count": "10"}),
    ):  # fmt: skip
        assert (output.status, code(output)) == (400, "MARKET_INACTIVE")
    socket = venue.connect()
    venue.subscribe(socket, "user_orders")
    venue.after(2)
    assert venue.news(socket)[-1]["msg"]["last_update_reason"] == "CloseCancel"


def test_market_inactive_status_by_switch():
    venue = make_venue(market_inactive_status="409")
    venue.operate("close", ticker=GAME)
    assert venue.order().status == 409


def test_deactivation_keeps_orders_and_activation_cancels_them():
    venue = make_venue()
    made = venue.placed()
    venue.operate("deactivate", ticker=GAME)
    assert code(venue.order()) == "MARKET_INACTIVE"
    assert venue.get(f"/portfolio/orders/{made['order_id']}")["order"]["status"] == "resting"
    venue.operate("activate", ticker=GAME)
    assert venue.get(f"/portfolio/orders/{made['order_id']}")["order"]["status"] == "canceled"
    assert venue.order().status == 201


def test_a_closed_market_reopens_when_its_close_moves_to_the_future():
    venue = make_venue()
    socket = venue.connect()
    venue.subscribe(socket, "market_lifecycle_v2")
    venue.operate("close", ticker=GAME, silent=True)
    venue.news(socket)
    venue.operate("close", ticker=GAME, close_s=venue.now_ns // 10**9 + 60)
    assert [f["msg"]["event_type"] for f in venue.news(socket)] == [
        "close_date_updated",
        "activated",
    ]
    assert venue.order().status == 201
    venue.after(60)
    assert status(venue) == "closed"


def test_an_earlier_close_timer_does_not_close_an_extended_market():
    venue = make_venue()
    soon = venue.now_ns // 10**9 + 10
    venue.operate("close", ticker=GAME, close_s=soon)
    venue.operate("close", ticker=GAME, close_s=soon + 50)
    venue.after(20)
    assert status(venue) == "active"


@pytest.mark.parametrize(
    ("halt_code", "status_code"),
    [("MARKET_INACTIVE", 400), ("trading_is_paused", 409), ("exchange_is_paused", 409)],
)
def test_halt_of_one_market_by_switch(halt_code, status_code):
    venue = make_venue(halt_code=halt_code)
    made = venue.placed()
    venue.operate("halt", ticker=GAME)
    output = venue.order()
    assert (output.status, code(output)) == (status_code, halt_code)
    assert venue.order(ticker=OTHER).status == 201
    gone = venue.send("DELETE", f"{ORDERS}/{made['order_id']}", query={"market_ticker": GAME})
    assert gone.status == (200 if halt_code == "trading_is_paused" else status_code)


def test_trading_pause_lets_cancels_pass_and_exchange_pause_does_not():
    venue = make_venue()
    first, second = venue.placed(ticker=SHARD0), venue.placed(ticker=SHARD0)
    venue.operate("pause", scope="trading", resume_s=venue.now_ns // 10**9 + 7200)
    assert (venue.order().status, code(venue.order())) == (409, "trading_is_paused")
    assert venue.send("DELETE", f"{ORDERS}/{first['order_id']}").status == 200
    found = venue.get("/exchange/status")
    assert (found["exchange_active"], found["trading_active"]) == (True, False)
    assert "exchange_estimated_resume_time" in found
    venue.operate("resume", scope="trading")
    venue.operate("pause", scope="exchange")
    for output in (
        venue.order(),
        venue.send("DELETE", f"{ORDERS}/{second['order_id']}"),
        venue.send("DELETE", ORDERS),
    ):
        assert (output.status, code(output)) == (409, "exchange_is_paused")
    assert venue.get("/exchange/status")["exchange_active"] is False
    venue.operate("resume", scope="exchange")
    assert venue.send("DELETE", f"{ORDERS}/{second['order_id']}").status == 200


def test_exchange_pause_of_one_shard_lets_the_others_cancel():
    venue = make_venue()
    here, there = venue.placed(ticker=SHARD0), venue.placed(ticker=GAME)
    venue.operate("pause", scope="exchange", exchange_index=0)
    assert code(venue.send("DELETE", f"{ORDERS}/{here['order_id']}")) == "exchange_is_paused"
    query = {"market_ticker": GAME}
    assert venue.send("DELETE", f"{ORDERS}/{there['order_id']}", query=query).status == 200


def test_pause_of_one_shard_leaves_the_others_open():
    venue = make_venue()
    venue.operate("pause", scope="trading", exchange_index=3)
    assert code(venue.order(ticker=GAME)) == "trading_is_paused"
    assert venue.order(ticker=SHARD0).status == 201
    found = venue.get("/exchange/status")
    assert found["trading_active"] is True
    assert [s["trading_active"] for s in found["exchange_index_statuses"]] == [
        True, True, True, False,
    ]  # fmt: skip


@pytest.mark.parametrize("scope", ["trading", "exchange"])
def test_cancel_order_on_pause(scope):
    venue = make_venue()
    flagged = venue.placed(cancel_order_on_pause=True)
    plain = venue.placed()
    venue.operate("pause", scope=scope)
    rows = {o["order_id"]: o["status"] for o in venue.get("/portfolio/orders")["orders"]}
    assert rows == {flagged["order_id"]: "canceled", plain["order_id"]: "resting"}


def test_weekly_pause_by_switch():
    thursday_ns = int(datetime(2026, 11, 26, 8, 0, tzinfo=UTC).timestamp()) * 10**9  # 03:00 EST
    for on, expected in ((True, 409), (False, 201)):
        venue = make_venue(weekly_pause=on)
        venue.after((thursday_ns - START_NS) / 1e9 - 1)
        assert venue.order(ticker=SHARD0).status == 201
        venue.after(1)
        assert venue.order(ticker=SHARD0).status == expected
        venue.after(7200)
        assert venue.order(ticker=SHARD0).status == 201


@pytest.mark.parametrize(
    ("result", "value", "long_gets", "short_gets"),
    [("yes", None, 10_000_000, 0), ("no", None, 0, 10_000_000),
     ("scalar", "0.37", 3_700_000, 6_300_000)],
)  # fmt: skip
def test_settlement_pays_the_value_and_nothing_else(result, value, long_gets, short_gets):
    venue = holding()
    before = {who: cash(venue, who) for who in ("alice", "bob")}
    venue.operate("determine", ticker=GAME, result=result, **({"value": value} if value else {}))
    assert {who: cash(venue, who) for who in before} == before
    venue.after(300)
    assert status(venue) == "finalized"
    assert cash(venue, "alice") - before["alice"] == long_gets
    assert cash(venue, "bob") - before["bob"] == short_gets
    assert venue.gap() == 0
    row = venue.get("/portfolio/settlements", "bob")["settlements"][0]
    assert (row["market_result"], row["no_count_fp"], row["yes_count_fp"]) == (
        result, "10.00", "0.00",
    )  # fmt: skip
    assert row["revenue"] == short_gets // 10_000
    assert row["value"] == {"yes": 100, "no": 0, "scalar": 37}[result]
    assert venue.get("/portfolio/positions", "bob")["market_positions"] == []
    settled = venue.get("/portfolio/positions", "bob", settlement_status="settled")
    assert settled["market_positions"][0]["position_fp"] == "0.00"


def cash(venue, who, shard=3):
    return venue.state.ledger.balance((venue.user_id(who), 0, shard))


def test_truth_of_one_account():
    venue = holding()
    venue.operate("settle", ticker=GAME, result="yes")
    whole = venue.operate("truth")["accounts"]
    one = venue.operate("truth", user="bob")["accounts"]
    assert len(whole) == 4
    assert one == {venue.user_id("bob"): whole[venue.user_id("bob")]}
    with pytest.raises(ValueError, match="no such account"):
        venue.operate("truth", user="nobody")


def test_a_sub_cent_scalar_value_has_no_whole_cents():
    venue = holding(count="0.03")
    venue.operate("determine", ticker=GAME, result="scalar", value="0.3333")
    venue.after(300)
    row = venue.get("/portfolio/settlements")["settlements"][0]
    assert (row["value"], row["revenue"], row["fee_cost"]) == (None, 0, "0.000099")
    assert venue.gap() == 0


def test_settlement_waits_for_the_timer_and_only_then_says_settled():
    venue = holding(ticker=QUICK)
    socket = venue.connect()
    venue.subscribe(socket, "market_lifecycle_v2")
    venue.operate("determine", ticker=QUICK, result="yes")
    venue.after(4.999)
    assert status(venue, QUICK) == "determined"
    venue.after(0.001)
    assert status(venue, QUICK) == "finalized"
    assert venue.news(socket)[-1]["msg"]["event_type"] == "settled"


@pytest.mark.parametrize(("messages", "count"), [("silent", 1), ("determined_again", 2)])
@pytest.mark.parametrize(("shown", "present"), [("kept", True), ("cleared", False)])
def test_dispute_path(messages, count, shown, present):
    venue = holding(dispute_messages=messages, dispute_value=shown)
    socket = venue.connect()
    venue.subscribe(socket, "market_lifecycle_v2")
    venue.operate("determine", ticker=GAME, result="yes")
    venue.operate("dispute", ticker=GAME)
    assert ("settlement_value_dollars" in venue.get(f"/markets/{GAME}")["market"]) is present
    venue.after(1000)
    assert status(venue) == "disputed"
    venue.operate("amend_result", ticker=GAME, result="no")
    assert status(venue) == "amended"
    venue.after(300)
    told = [f["msg"]["event_type"] for f in venue.news(socket)[1:]]
    assert told.count("determined") == count
    assert venue.get("/portfolio/settlements")["settlements"][0]["revenue"] == 0
    assert venue.gap() == 0


@pytest.mark.parametrize(
    ("action", "body"),
    [
        ("determine", {"result": "maybe"}),
        ("determine", {"result": "scalar"}),
        ("determine", {"result": "scalar", "value": "1.5"}),
        ("dispute", {}),
        ("amend_result", {"result": "yes"}),
        ("activate", {}),
        ("structure", {"structure": "round"}),
        ("determine", {"ticker": "KXNONE", "result": "yes"}),
    ],
)
def test_a_wrong_operation_is_refused_and_changes_nothing(action, body):
    venue = holding()
    before = venue.get(f"/markets/{GAME}")
    with pytest.raises(ValueError, match=r"expected|allowed|needs|no such"):
        venue.operate(action, **({"ticker": GAME} | body))
    assert venue.get(f"/markets/{GAME}") == before


def test_scheduled_fee_change_applies_at_its_time():
    venue = make_venue(fee_regime="2026q2")
    venue.operate("book", ticker=SHARD0, bids=[["0.50", "500"]], asks=[["0.51", "500"]])
    at_s = venue.now_ns // 10**9 + 60
    venue.operate("fees", ticker="KXGOVSHUT", fee_type="quadratic", fee_multiplier="0.5",
                  at_s=at_s)  # fmt: skip
    assert fee(venue) == "1.750000"
    venue.after(60)
    assert fee(venue) == "0.875000"
    assert venue.get("/series/KXGOVSHUT")["series"]["fee_multiplier"] == 0.5
    assert venue.get("/series/fee_changes")["series_fee_change_arr"] == []
    shown = venue.get("/series/fee_changes", show_historical="true")
    assert len(shown["series_fee_change_arr"]) == 1


def test_event_override_wins_and_a_waiver_wins_over_it():
    venue = make_venue(fee_regime="2026q2")
    venue.operate("book", ticker=SHARD0, bids=[["0.50", "500"]], asks=[["0.51", "500"]])
    event = venue.state.markets[SHARD0].event_ticker
    venue.operate("fees", ticker=event, fee_type="quadratic", fee_multiplier="2")
    assert fee(venue) == "3.500000"
    venue.operate("waiver", ticker=SHARD0, until_s=venue.now_ns // 10**9 + 60)
    assert fee(venue) == "0.000000"
    venue.after(60)
    venue.operate("fees", ticker=event)
    assert fee(venue) == "1.750000"


def fee(venue):
    venue.placed(ticker=SHARD0, side="ask", count="100", price="0.50", **IOC)
    return venue.get("/portfolio/fills")["fills"][0]["fee_cost"]


def test_new_market_is_404_for_a_while_by_switch():
    venue = make_venue(market_404_ms=500)
    event = venue.state.markets[GAME].event_ticker
    venue.operate("create_market", event_ticker=event, ticker="KXNEW-1")
    assert venue.send("GET", "/markets/KXNEW-1").status == 404
    venue.after(ms=500)
    assert venue.send("GET", "/markets/KXNEW-1").status == 200


def test_settled_markets_and_trades_move_to_history():
    venue = holding(ticker=QUICK)
    venue.operate("settle", ticker=QUICK, result="yes")
    venue.operate("cutoff", markets_s=venue.now_ns // 10**9 + 10)
    assert venue.get("/markets", tickers=QUICK)["markets"] == []
    assert [m["ticker"] for m in venue.get("/historical/markets")["markets"]] == [QUICK]
    assert venue.get(f"/historical/markets/{QUICK}")["market"]["status"] == "finalized"
    assert venue.get("/markets/trades", ticker=QUICK)["trades"] == []
    assert len(venue.get("/historical/trades", ticker=QUICK)["trades"]) == 1
    assert venue.get("/portfolio/fills")["fills"] == []
    assert len(venue.get("/historical/fills")["fills"]) == 1
    positions = venue.get("/historical/positions", settlement_status="all")
    assert len(positions["market_positions"]) == 1
    candles = venue.get(f"/historical/markets/{QUICK}/candlesticks", start_ts=0,
                        end_ts=2_000_000_000, period_interval=1)  # fmt: skip
    assert set(candles["candlesticks"][0]["price"]) == {
        "open", "low", "high", "close", "mean", "previous",
    }  # fmt: skip


@pytest.mark.parametrize(("choice", "returned"), [("off", 0), ("mecnet", 10_000_000)])
def test_event_netting_by_switch(choice, returned):
    venue = make_venue(event_netting=choice)
    body = {"subaccount_number": 0, "enabled": True}
    assert venue.send("PUT", "/portfolio/subaccounts/netting", body=body).status == 200
    before = cash(venue, "alice")
    for ticker in (GAME, OTHER):
        venue.placed("bob", ticker=ticker, price="0.50", count="10")
        venue.placed(ticker=ticker, side="ask", price="0.50", count="10", **IOC)
    spent = before - cash(venue, "alice")
    assert spent == 10_000_000 + 350_000 - returned  # two NOs at 0.50, fees, 1 returned
    assert venue.gap() == 0
    venue.operate("settle", ticker=GAME, result="no")
    venue.operate("settle", ticker=OTHER, result="yes")
    assert cash(venue, "alice") == before - 350_000
    assert venue.gap() == 0
