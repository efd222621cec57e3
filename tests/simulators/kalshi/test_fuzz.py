"""No request and no command, however odd, ends in anything but an answer."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulators.kalshi.router import ROUTES
from tests.simulators.kalshi.support import GAME, ORDERS, SHARD0, make_venue

NAMES = sorted(
    {"limit", "cursor", "status", "ticker", "tickers", "event_ticker", "series_ticker", "depth",
     "min_ts", "max_ts", "subaccount", "exchange_index", "market_ticker", "market_tickers",
     "start_ts", "end_ts", "period_interval", "count_filter", "settlement_status", "mve_filter",
     "is_block_trade", "min_close_ts", "with_nested_markets", "minimum_start_date", "order_id"}
)  # fmt: skip
VALUES = st.one_of(
    st.sampled_from(["", "0", "-1", "1", "5", "63", "64", "999999999999999999999", "1.5", "true",
                     "open", "resting", GAME, "²", "a,b", "2026-01-01T00:00:00Z", "%00"]),
    st.text(max_size=8),
)  # fmt: skip
KEYS = st.sampled_from(
    ["ticker", "side", "count", "price", "time_in_force", "self_trade_prevention_type",
     "client_order_id", "expiration_time", "subaccount", "exchange_index", "orders", "amount",
     "allocations", "reduce_by", "reduce_to", "contracts_limit", "source", "destination",
     "order_group_id", "post_only", "public_key", "percent", "enabled", "amount_cents", "scopes"]
)  # fmt: skip
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False),
    st.sampled_from([GAME, SHARD0, "bid", "1", "0.47", "good_till_canceled", "maker", "sum"]),
    st.text(max_size=6),
)
BODIES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(KEYS, inner, max_size=8)),
    max_leaves=12,
)
IDS = st.sampled_from([GAME, "KXNBAGAME", "x", "0" * 8 + "-0000-4000-8000-" + "0" * 12, "²"])


REQUESTS = given(
    st.sampled_from(ROUTES),
    st.lists(IDS, min_size=3, max_size=3),
    st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=5),
    BODIES,
    st.sampled_from(["alice", "bob", ""]),
)


def get_an_answer(route, ids, query, body, who):
    venue = FUZZED
    parts = [ids[n] if p.startswith("{") else p for n, p in enumerate(route.parts[:3])]
    parts += [ids[0] if p.startswith("{") else p for p in route.parts[3:]]
    output = venue.send(route.method, "/" + "/".join(parts), who, query, body)
    assert 200 <= output.status < 500
    json.dumps(output.body)
    assert venue.gap() == 0


@settings(max_examples=200, deadline=None)
@REQUESTS
def test_every_request_gets_an_answer(route, ids, query, body, who):
    get_an_answer(route, ids, query, body, who)


@pytest.mark.full
@settings(max_examples=20_000, deadline=None)
@REQUESTS
def test_every_request_gets_an_answer_for_long(route, ids, query, body, who):
    get_an_answer(route, ids, query, body, who)


COMMANDS = st.dictionaries(
    st.sampled_from(["id", "cmd", "params", "x"]),
    st.one_of(
        BODIES,
        st.sampled_from(["subscribe", "unsubscribe", "update_subscription", "list_subscriptions"]),
        st.dictionaries(
            st.sampled_from(
                ["channels", "market_tickers", "market_ticker", "sids", "sid", "action",
                 "use_yes_price", "send_initial_snapshot", "index_ids"]
            ),
            st.one_of(
                BODIES,
                st.lists(
                    st.one_of(
                        BODIES, st.sampled_from(["orderbook_delta", "trade", "ticker", "fill"])
                    ),
                    max_size=3,
                ),
                st.sampled_from(["add_markets", "delete_markets", "get_snapshot"]),
            ),
            max_size=5,
        ),
    ),
    max_size=4,
)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(COMMANDS)
def test_every_command_is_answered_or_ignored(row):
    venue = make_venue()
    socket = venue.connect()
    venue.subscribe(socket, "orderbook_delta", market_tickers=[GAME])
    venue.news(socket)
    venue.app.command(socket, json.dumps(row), venue.now_ns)
    frames = venue.news(socket)
    assert frames or (row.get("cmd") == "update_subscription") or "subscribe" in str(row)
    assert all(frame["type"] in KNOWN for frame in frames)
    assert venue.subscribe(socket, "trade", command_id=77)[0]["id"] == 77
    venue.placed()


KNOWN = {"subscribed", "ok", "unsubscribed", "error", "orderbook_snapshot", "ticker"}
FUZZED = make_venue()
FUZZED.operate("book", ticker=GAME, bids=[["0.47", "300"]], asks=[["0.52", "300"]])
assert FUZZED.send("DELETE", ORDERS).status == 204
