"""What holds after any sequence of requests, ticks, settlements and transfers."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulators.kalshi.grid import STRUCTURES, orderable
from simulators.kalshi.units import (
    DOLLAR_PX,
    count,
    money,
    parse_count,
    parse_price,
    price,
    ratio4,
    rfc3339,
)
from tests.simulators.kalshi.support import GAME, ORDERS, OTHER, SHARD0, make_venue

WHO = st.sampled_from(["alice", "bob", "carol"])
TICKERS = st.sampled_from([GAME, GAME, OTHER, SHARD0])
# Mostly around one price and of small size, so that orders meet; sometimes anywhere, and large
# enough to run out of cash.
CENTS = st.one_of(st.integers(47, 53), st.integers(47, 53), st.integers(1, 99))
SIZES = st.one_of(st.integers(1, 30_00), st.integers(1, 30_00), st.integers(1, 150_000_00))
ONE_IN_FOUR = st.sampled_from([False, False, False, True])
SIDES = st.sampled_from(["bid", "ask"])
create = st.fixed_dictionaries(
    {
        "kind": st.just("create"),
        "who": WHO,
        "ticker": TICKERS,
        "side": SIDES,
        "cents": CENTS,
        "qty": SIZES,
        "tif": st.sampled_from(
            ["good_till_canceled", "good_till_canceled", "immediate_or_cancel", "fill_or_kill"]
        ),
        "stp": st.sampled_from(["maker", "taker_at_cross"]),
        "post_only": ONE_IN_FOUR,
        "reduce_only": ONE_IN_FOUR,
    }
)
change = st.fixed_dictionaries(
    {
        "kind": st.sampled_from(["cancel", "amend", "decrease", "cancel_all", "transfer", "batch"]),
        "who": WHO,
        "ticker": TICKERS,
        "nth": st.integers(0, 50),
        "cents": st.integers(1, 99),
        "qty": st.integers(1, 500_00),
    }
)
operate = st.fixed_dictionaries(
    {
        "kind": st.sampled_from(["pause", "reactivate", "book", "wait", "settle"]),
        "who": WHO,
        "ticker": TICKERS,
        "cents": st.integers(2, 98),
        "qty": st.integers(1, 500_00),
        "result": st.sampled_from(["yes", "no", "scalar"]),
    }
)
steps = st.lists(st.one_of(create, create, create, change, operate), min_size=15, max_size=60)


def run(venue, step, made):
    kind, who, ticker = step["kind"], step["who"], step["ticker"]
    if kind == "create":
        output = venue.order(
            who,
            ticker,
            step["side"],
            count=count(step["qty"]),
            price=price(step["cents"] * 100),
            time_in_force=step["tif"],
            self_trade_prevention_type=step["stp"],
            post_only=step["post_only"],
            reduce_only=step["reduce_only"] and step["tif"] == "immediate_or_cancel",
        )
        if output.status == 201 and step["tif"] == "fill_or_kill":
            own = venue.state.orders[output.body["order_id"]].reason == "SelfTradeCancel"
            filled = parse_count(output.body["fill_count"])
            assert filled in (0, step["qty"]) or own
        if output.status == 201:
            made.append((who, ticker, step["side"], output.body["order_id"]))
    elif kind == "cancel_all":
        venue.send("DELETE", ORDERS, who)
    elif kind == "transfer":
        body = {"source": "event_contract", "destination": "event_contract",
                "amount": step["qty"], "source_exchange_shard": 3}  # fmt: skip
        venue.send("POST", "/portfolio/intra_exchange_instance_transfer", who, body=body)
    elif kind in ("cancel", "amend", "decrease") and made:
        alter(venue, step, made[step["nth"] % len(made)])
    elif kind == "pause":
        venue.operate("pause", scope="trading")
        venue.order(who, ticker)
        venue.operate("resume", scope="trading")
    elif kind == "reactivate" and venue.state.markets[ticker].status == "active":
        venue.operate("deactivate", ticker=ticker)
        venue.operate("activate", ticker=ticker)
    elif kind == "book" and venue.state.markets[ticker].status == "active":
        cents, size = step["cents"], count(step["qty"])
        venue.operate("book", ticker=ticker, bids=[[f"0.{cents - 1:02d}", size]],
                      asks=[[f"0.{cents + 1:02d}", size]])  # fmt: skip
    elif kind == "wait":
        venue.after(step["cents"])
    elif kind == "settle" and step["cents"] < 20 and venue.state.markets[ticker].status == "active":
        value = price(step["cents"] * 101)
        venue.operate("settle", ticker=ticker, result=step["result"], value=value)


def alter(venue, step, order):
    who, ticker, side, order_id = order
    path = f"{ORDERS}/{order_id}"
    if step["kind"] == "cancel":
        venue.send("DELETE", path, who, {"market_ticker": ticker})
    elif step["kind"] == "amend":
        body = {"ticker": ticker, "side": side, "price": price(step["cents"] * 100),
                "count": count(step["qty"])}  # fmt: skip
        venue.send("POST", path + "/amend", who, body=body)
    else:
        body = {"reduce_to": count(step["qty"]), "market_ticker": ticker}
        venue.send("POST", path + "/decrease", who, body=body)


def check(venue):
    state = venue.state
    assert venue.gap() == 0
    for user in ("alice", "bob", "carol"):
        for shard in range(4):
            assert state.ledger.balance((venue.user_id(user), 0, shard)) >= 0
    for ticker in (GAME, OTHER, SHARD0):
        book = state.books[ticker]
        bid, ask = book.bids.best(), book.asks.best()
        assert bid is None or ask is None or bid < ask
        net = sum(p.qty for (_, _, t), p in state.ledger.positions.items() if t == ticker)
        assert net == 0
        resting = [o for o in [*book.bids.orders(), *book.asks.orders()]]
        assert all(o.status == "resting" and o.remaining > 0 for o in resting)
    for order in state.orders.values():
        assert 0 <= order.filled <= order.initial
        if order.status == "resting":
            assert order.filled + order.remaining == order.initial
        else:
            assert order.remaining == 0
        assert (order.status == "executed") == (order.filled == order.initial)


def check_reads(venue):
    """Positions, fills and cash as read agree with each other and with the truth."""
    for who in ("alice", "bob", "carol"):
        truth = venue.truth(who)
        fills = venue.get("/portfolio/fills", who, limit=1000)["fills"]
        held: dict[str, int] = {}
        for fill in fills:
            sign = 1 if fill["book_side"] == "bid" else -1
            held[fill["ticker"]] = held.get(fill["ticker"], 0) + sign * parse_count(
                fill["count_fp"]
            )
        rows = venue.get("/portfolio/positions", who, settlement_status="all")["market_positions"]
        for row in rows:
            finished = venue.state.markets[row["ticker"]].finished
            assert row["position_fp"] == count(0 if finished else held[row["ticker"]])
        for order in truth["orders"]:
            mine = [f for f in fills if f["order_id"] == order["order_id"]]
            filled = sum(parse_count(f["count_fp"]) for f in mine)
            assert count(filled) == order["fill_count_fp"]


def stay_consistent(sequence):
    venue, made = make_venue(), []
    for step in sequence:
        run(venue, step, made)
        check(venue)
    check_reads(venue)


@settings(max_examples=60, deadline=None)
@given(steps)
def test_money_books_and_orders_stay_consistent(sequence):
    stay_consistent(sequence)


@pytest.mark.full
@settings(max_examples=3000, deadline=None)
@given(steps)
def test_money_books_and_orders_stay_consistent_for_long(sequence):
    stay_consistent(sequence)


@settings(max_examples=25, deadline=None)
@given(
    steps, st.sampled_from(["legacy", "2026q2", "2026q3"]), st.sampled_from(["cent", "centicent"])
)
def test_they_do_under_every_fee_regime_and_precision(sequence, regime, precision):
    venue, made = make_venue(fee_regime=regime, balance_precision=precision), []
    for step in sequence:
        run(venue, step, made)
    check(venue)
    check_reads(venue)


@settings(max_examples=25, deadline=None)
@given(steps)
def test_lagging_reads_catch_up_with_the_truth(sequence):
    venue, made = make_venue(read_lag_ms_max=500), []
    for step in sequence:
        run(venue, step, made)
        as_of = venue.state.read.as_of_ns(venue.now_ns)
        assert as_of <= venue.now_ns
        venue.after(ms=37)
    venue.after(1)
    assert venue.state.read.as_of_ns(venue.now_ns) == venue.now_ns
    check_reads(venue)


@settings(max_examples=40, deadline=None)
@given(steps)
def test_the_book_rebuilt_from_messages_is_the_book(sequence):
    venue, made = make_venue(), []
    socket = venue.connect()
    tickers = [GAME, OTHER, SHARD0]
    frames = venue.subscribe(socket, "orderbook_delta", market_tickers=tickers, use_yes_price=True)
    levels: dict[tuple[str, str, str], int] = {}
    for step in sequence:
        run(venue, step, made)
    for seq, frame in enumerate(venue.news(socket)[1:], start=1):
        assert frame["seq"] == seq
        if frame["type"] == "orderbook_snapshot":
            continue
        msg = frame["msg"]
        key = (msg["market_ticker"], msg["side"], msg["price_dollars"])
        sign = -1 if msg["delta_fp"].startswith("-") else 1
        levels[key] = levels.get(key, 0) + sign * parse_count(msg["delta_fp"].lstrip("-"))
        assert levels[key] >= 0
    assert frames[0]["type"] == "subscribed"
    truth = {
        (ticker, side, price(px)): qty
        for ticker in tickers
        for side, half in (("yes", "bids"), ("no", "asks"))
        for px, qty in getattr(venue.state.books[ticker], half).levels()
    }
    assert {key: qty for key, qty in levels.items() if qty} == truth


@given(st.integers(0, DOLLAR_PX), st.integers(-(10**9), 10**9))
def test_units_round_trip(px, qty):
    assert parse_price(price(px)) == px
    assert parse_count(count(abs(qty))) == abs(qty)
    assert count(-qty) == (count(qty)[1:] if qty < 0 else ("-" if qty else "") + count(qty))
    assert money(qty * 10_000).endswith("0000")


@given(st.text(max_size=12))
def test_no_text_but_a_plain_decimal_is_a_price_or_count(text):
    px, qty = parse_price(text), parse_count(text)
    plain = text.replace(".", "", 1)
    if px is not None or qty is not None:
        assert plain.isascii()
        assert plain.isdigit()


@given(st.integers(0, 2**62))
def test_times_have_no_trailing_zeros(ns):
    text = rfc3339(ns)
    assert text.endswith("Z")
    assert "." not in text or not text.endswith(("0Z", ".Z"))


@given(st.integers(1, 10**9), st.integers(1, 10**6))
def test_ratio_is_the_nearest_four_decimals(numerator, denominator):
    shown = parse_price(ratio4(numerator % (DOLLAR_PX * denominator), denominator, DOLLAR_PX))
    exact = numerator % (DOLLAR_PX * denominator)
    assert abs(2 * (shown * denominator - exact)) <= denominator


@given(st.sampled_from(sorted(STRUCTURES)), st.integers(-5, DOLLAR_PX + 5))
def test_whole_cents_are_valid_in_every_structure_and_the_ends_never(name, px):
    bands = STRUCTURES[name]
    assert bands[0].start == 0
    assert bands[-1].end == DOLLAR_PX
    assert all(a.end == b.start for a, b in itertools.pairwise(bands))
    if not 0 < px < DOLLAR_PX:
        assert not orderable(bands, px)
    elif px % 100 == 0:
        assert orderable(bands, px)
