"""Whatever comes in, the venue answers with a refusal or an answer, never with an exception."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulators.polymarket import data, gamma, operations, orders, private, public
from simulators.polymarket.chain import Chain
from simulators.polymarket.limits import Limits
from simulators.polymarket.model import Refusal
from simulators.polymarket.routes import Call
from simulators.polymarket.sockets import MarketSession, SportsSession, UserSession
from simulators.polymarket.units import ONE
from tests.simulators.polymarket.kit import check_world, make_market, make_trader, make_world

_LEAF = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9)
JSON = st.recursive(
    _LEAF,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner,
                                                               max_size=4),
    max_leaves=12,
)  # fmt: skip


def world_with_book():
    world = make_world()
    market, trader = make_market(world), make_trader(world)
    operations.quote(world, market, [(480_000, 10 * ONE)], [(520_000, 10 * ONE)])
    return world, market, trader


FIELDS = ("salt", "maker", "signer", "tokenId", "makerAmount", "takerAmount", "side", "expiration",
          "signatureType", "timestamp", "metadata", "builder", "signature")  # fmt: skip


@given(JSON)
def test_any_body(body):
    world, _, trader = world_with_book()
    for call in (orders.post_order, orders.post_orders):
        with contextlib.suppress(Refusal):
            call(world, trader.key, body)
    check_world(world)


@given(st.sampled_from(FIELDS), JSON)
def test_any_field(field, value):
    world, market, trader = world_with_book()
    body = trader.body(market, "BUY", "0.4", 10)
    body["order"][field] = value
    with contextlib.suppress(Refusal):
        orders.post_order(world, trader.key, body)
    check_world(world)


@given(st.sampled_from(("orderType", "postOnly", "owner", "deferExec", "order")), JSON)
def test_any_envelope(field, value):
    world, market, trader = world_with_book()
    body = {**trader.body(market, "BUY", "0.4", 10), field: value}
    with contextlib.suppress(Refusal):
        orders.post_order(world, trader.key, body)
    check_world(world)


@given(st.sampled_from(("BUY", "SELL")), st.sampled_from(("GTC", "GTD", "FAK", "FOK")),
       st.integers(0, 10**12), st.integers(0, 10**12), st.integers(0, 1))  # fmt: skip
def test_any_amounts(side, kind, maker, taker, outcome):
    world, market, trader = world_with_book()
    with contextlib.suppress(Refusal):
        orders.post_order(world, trader.key, trader.raw(market, side, maker, taker, kind, outcome))
    check_world(world)


@given(st.text(max_size=60) | JSON.map(json.dumps))
def test_any_frame(frame):
    world, _, _ = world_with_book()
    for session in (MarketSession(world), UserSession(world), SportsSession(world)):
        assert all(isinstance(answer, str) for answer in session.receive(frame))


@given(JSON, st.sampled_from(("type", "operation", "assets_ids", "markets", "auth")))
def test_any_subscription(value, field):
    world, market, trader = world_with_book()
    opened = MarketSession(world)
    opened.receive(json.dumps({"type": "market", "assets_ids": list(market.tokens)}))
    known = UserSession(world)
    auth = {"apiKey": trader.key.key, "secret": trader.key.secret,
            "passphrase": trader.key.passphrase}  # fmt: skip
    known.receive(json.dumps({"type": "user", "auth": auth}))
    for session in (opened, known, MarketSession(world), UserSession(world)):
        base = {"operation": "subscribe", "assets_ids": [], "markets": [], "auth": auth}
        session.receive(json.dumps({**base, field: value}))


ROUTES = (*public.ROUTES, *private.ROUTES, *gamma.ROUTES, *data.ROUTES)
NAMES = ("token_id", "side", "market", "id", "limit", "offset", "after_cursor", "cursor",
         "next_cursor", "user", "condition_id", "start", "end", "after", "signature_type",
         "asset_type", "ids", "filter_amount", "startTs", "interval", "fidelity", "end_date_min",
         "tag_id", "order", "q", "order_id", "key", "heartbeat_id")  # fmt: skip


@settings(max_examples=300)
@given(st.sampled_from(ROUTES), st.dictionaries(st.sampled_from(NAMES),
       st.lists(st.text(max_size=12) | st.sampled_from(["0x" + "12" * 20, "-1", "9" * 30]),
                min_size=1, max_size=2)), JSON, st.text(max_size=20))  # fmt: skip
def test_any_query(route, query, body, part):
    world, _, trader = world_with_book()
    path = dict.fromkeys(("token", "condition", "id", "key", "code"), part)
    call = Call(world, Limits(), path, query, body, trader.key, (trader.account.owner, 1))
    with contextlib.suppress(Refusal):
        answer = route.handle(call)
        if not hasattr(answer, "status"):
            json.dumps(answer)


@given(JSON)
def test_any_chain_request(body):
    world, _, _ = world_with_book()
    for route in Chain(world).routes():
        call = Call(world, Limits(), {"id": "x"}, {}, body)
        with contextlib.suppress(Refusal):
            json.dumps(route.handle(call))


@pytest.mark.parametrize("method", ["eth_call", "eth_sendRawTransaction", "eth_getTransactionCount",
                                    "eth_getTransactionReceipt"])  # fmt: skip
@given(params=st.lists(JSON | st.just("0x" + "02" * 40), max_size=3))
def test_any_parameters(method, params):
    world, _, _ = world_with_book()
    rpc = next(r for r in Chain(world).routes() if r.path == "/rpc")
    body = {"id": 1, "method": method, "params": params}
    answer = rpc.handle(Call(world, Limits(), {}, {}, body))
    assert ("error" in answer) or ("result" in answer)
