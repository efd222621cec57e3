"""Faults and protocol over real sockets."""

from __future__ import annotations

import asyncio
import time

import aiohttp
import pytest

from tests.simulators.kalshi.client import Client, running, subscribe

CREATE = "POST /portfolio/events/orders"


def rule(kind, scope=CREATE, **more):
    return {"kind": kind, "scope": scope} | ({"at": [1]} if "every" not in more else {}) | more


async def receive(ws, count):
    return [await ws.receive_json(timeout=5) for _ in range(count)]


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("fault", "status", "code", "orders"),
    [
        (rule("reject", params={"status": 400, "code": "invalid_order"}), 400, "invalid_order", 0),
        (rule("error_before_accept"), 503, "service_unavailable", 0),
        (rule("accept_then_5xx"), 503, "service_unavailable", 1),
        (rule("accept_then_5xx", params={"status": 500}), 500, "service_unavailable", 1),
        (rule("pause"), 409, "trading_is_paused", 0),
    ],
)
async def test_answers_that_lie_or_refuse(fault, status, code, orders):
    async with running(faults=[fault]) as client:
        found, body = await client.order(client.tickers[0])
        assert found == status
        assert body.get("error", body)["code"] == code
        assert len(client.truth()["orders"]) == orders


@pytest.mark.asyncio
async def test_rate_limit_fault_has_the_string_body_and_no_headers():
    async with running(faults=[rule("rate_limit")]) as client:
        assert await client.order(client.tickers[0]) == (429, {"error": "too many requests"})
        assert (await client.order(client.tickers[0]))[0] == 201


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("kind", "orders"), [("accept_then_timeout", 1), ("timeout_before_accept", 0)]
)
async def test_no_answer_at_all(kind, orders):
    async with running(faults=[rule(kind)]) as client:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await client.order(client.tickers[0])
        assert len(client.truth()["orders"]) == orders
        assert (await client.order(client.tickers[0]))[0] == 201


@pytest.mark.asyncio
@pytest.mark.parametrize("applied", [True, False])
async def test_reset_before_or_after_the_effect(applied):
    async with running(faults=[rule("reset", params={"applied": applied})]) as client:
        with pytest.raises(aiohttp.ClientConnectionError):
            await client.order(client.tickers[0])
        assert len(client.truth()["orders"]) == int(applied)


@pytest.mark.asyncio
async def test_late_reply_comes_after_the_fill_on_the_socket():
    fault = rule("late_reply", params={"messages": 1})
    async with running(faults=[fault]) as client:
        ticker = client.tickers[0]
        client.operate("book", ticker=ticker, asks=[["0.47", "5"]])
        ws = await client.connect()
        await subscribe(ws, "fill")
        reply = asyncio.create_task(client.order(ticker))
        frame = await ws.receive_json(timeout=5)
        assert frame["type"] == "fill"
        status, body = await reply
        assert (status, frame["msg"]["order_id"]) == (201, body["order_id"])
        await ws.close()


@pytest.mark.asyncio
async def test_late_reply_without_a_socket_is_not_late():
    async with running(faults=[rule("late_reply")]) as client:
        assert (await client.order(client.tickers[0]))[0] == 201


@pytest.mark.asyncio
async def test_delayed_visibility_hides_for_so_many_reads():
    fault = rule("delayed_visibility", params={"requests": 2})
    async with running(faults=[fault]) as client:
        _, body = await client.order(client.tickers[0])
        path = f"/portfolio/orders/{body['order_id']}"
        found = [(await client.call("GET", path))[0] for _ in range(3)]
        assert found == [404, 404, 200]
        as_of = (await client.call("GET", "/exchange/user_data_timestamp"))[1]["as_of_time"]
        assert as_of.endswith("Z")


@pytest.mark.asyncio
async def test_clock_skew_makes_signatures_expire_for_so_many_requests():
    fault = rule("clock_skew", "GET /portfolio/balance", params={"ms": 60_000, "requests": 2})
    async with running(faults=[fault]) as client:
        found = [(await client.call("GET", "/portfolio/balance"))[0] for _ in range(3)]
        assert found == [401, 401, 200]


@pytest.mark.asyncio
async def test_unknown_fields_fault():
    fault = rule("unknown_fields", "GET /portfolio/balance")
    async with running(faults=[fault]) as client:
        _, body = await client.call("GET", "/portfolio/balance")
        assert "x_unannounced_1" in body
        assert "x_unannounced_1" in body["balance_breakdown"][0]


@pytest.mark.asyncio
async def test_same_faults_hit_the_same_requests_in_every_run():
    fault = {"id": "p", "kind": "reject", "scope": CREATE, "probability": 0.4}
    runs = []
    for _ in range(2):
        async with running(faults=[fault]) as client:
            runs.append([(await client.order(client.tickers[0]))[0] for _ in range(12)])
    assert runs[0] == runs[1]
    assert set(runs[0]) == {201, 400}


# sockets


async def feed(client: Client, *faults, count=6):
    """Subscribe to one book, make ``count`` deltas under faults, return (ws, frames)."""
    ticker = client.tickers[0]
    ws = await client.connect()
    await subscribe(ws, "orderbook_delta", market_tickers=[ticker], use_yes_price=True)
    await ws.receive_json(timeout=5)
    client.plan(*faults)
    for cents in range(30, 30 + count):
        client.operate(
            "order", ticker=ticker, side="bid", count="1", price=f"0.{cents}",
            time_in_force="good_till_canceled",
        )  # fmt: skip
    return ws


DELTA = "ws:orderbook_delta"


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("fault", "seqs"),
    [
        (rule("drop", DELTA, at=[2]), [2, 4, 5, 6, 7]),
        (rule("duplicate", DELTA, at=[2]), [2, 3, 3, 4, 5, 6, 7]),
        (rule("reorder", DELTA, at=[2]), [2, 4, 3, 5, 6, 7]),
        (rule("late", DELTA, at=[1], params={"messages": 4}), [3, 4, 5, 6, 2, 7]),
        (rule("seq_gap", DELTA, at=[3], params={"by": 5}), [2, 3, 9, 10, 11, 12]),
    ],
)
async def test_message_faults(fault, seqs):
    async with running() as client:
        ws = await feed(client, fault)
        assert [frame["seq"] for frame in await receive(ws, len(seqs))] == seqs
        await ws.close()


@pytest.mark.asyncio
async def test_missing_and_unknown_fields_of_messages():
    faults = [
        rule("missing_field", DELTA, at=[1], params={"field": "ts_ms"}),
        rule("unknown_fields", DELTA, at=[2]),
    ]
    async with running() as client:
        ws = await feed(client, *faults)
        first, second, third = await receive(ws, 3)
        assert "ts_ms" not in first["msg"]
        assert "x_unannounced_2" in second["msg"]
        assert "ts_ms" in third["msg"]
        await ws.close()


@pytest.mark.asyncio
async def test_overflow_is_error_25_and_then_silence_until_resubscribed():
    async with running() as client:
        ws = await feed(client, rule("overflow", DELTA, at=[2]))
        first, error = await receive(ws, 2)
        assert first["type"] == "orderbook_delta"
        assert (error["type"], error["sid"], error["msg"]["code"]) == ("error", 1, 25)
        params = {"channels": ["orderbook_delta"], "market_tickers": [client.tickers[0]]}
        await ws.send_json({"id": 2, "cmd": "subscribe", "params": params})
        ack, snapshot = await receive(ws, 2)
        assert ack["msg"]["sid"] == 2
        assert len(snapshot["msg"]["yes_dollars_fp"]) == 6
        await ws.close()


@pytest.mark.asyncio
async def test_reset_cuts_without_a_close_frame():
    async with running() as client:
        ws = await feed(client, rule("reset", DELTA, at=[3]))
        kinds = []
        while not ws.closed:
            kinds.append((await ws.receive(timeout=5)).type)
        assert aiohttp.WSMsgType.CLOSE not in kinds
        assert ws.close_code == 1006


@pytest.mark.asyncio
async def test_close_comes_with_its_frame():
    async with running() as client:
        ws = await feed(client, rule("close", DELTA, at=[1]), count=1)
        kinds = [(await ws.receive(timeout=5)).type for _ in range(2)]
        assert kinds == [aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.CLOSE]
        assert ws.close_code == 1001


@pytest.mark.asyncio
async def test_half_open_socket_answers_nothing_more():
    async with running() as client:
        ws = await feed(client, rule("half_open", DELTA, at=[1]), count=1)
        await ws.receive_json(timeout=5)
        await ws.send_json({"id": 9, "cmd": "list_subscriptions"})
        await ws.ping(b"there?")
        with pytest.raises(TimeoutError):
            await ws.receive(timeout=0.3)
        other = await client.connect()
        assert (await subscribe(other, "trade"))[0]["type"] == "subscribed"
        await other.close()


@pytest.mark.asyncio
@pytest.mark.parametrize(("status", "given"), [(502, {}), (503, {"status": 503})])
async def test_connect_can_be_refused(status, given):
    async with running(faults=[rule("reject", "ws:connect", params=given)]) as client:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await client.connect()
        assert refused.value.status == status
        await (await client.connect()).close()


@pytest.mark.asyncio
async def test_connect_can_be_cut_or_fall_silent():
    # aiohttp's client tries a GET once more when its connection breaks: cut both.
    faults = [rule("reset", "ws:connect", at=[1, 2]), rule("half_open", "ws:connect", at=[3])]
    async with running(faults=faults) as client:
        with pytest.raises(aiohttp.ClientConnectionError):
            await client.connect()
        ws = await client.connect()
        await ws.send_json({"id": 1, "cmd": "list_subscriptions"})
        with pytest.raises(TimeoutError):
            await ws.receive(timeout=0.3)


@pytest.mark.asyncio
async def test_a_lost_command_gets_no_reply():
    async with running(faults=[rule("drop", "ws:command:subscribe")]) as client:
        ws = await client.connect()
        params = {"channels": ["trade"]}
        await ws.send_json({"id": 1, "cmd": "subscribe", "params": params})
        await ws.send_json({"id": 2, "cmd": "subscribe", "params": params})
        assert (await ws.receive_json(timeout=5))["id"] == 2
        await ws.close()


@pytest.mark.asyncio
@pytest.mark.parametrize("broken", ["unsigned", "stale", "wrong path"])
async def test_a_badly_signed_upgrade_is_401(broken):
    async with running() as client:
        headers = {
            "unsigned": {},
            "stale": client.headers("GET", "/trade-api/ws/v2", time.time_ns() // 10**6 - 60_000),
            "wrong path": client.headers("GET", "/trade-api/v2"),
        }[broken]
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await client.http.ws_connect(client.ws_url, headers=headers)
        assert refused.value.status == 401


@pytest.mark.asyncio
async def test_client_pings_are_answered_and_text_is_compressible():
    async with running() as client:
        ws = await client.connect(autoping=False, compress=15)
        await ws.ping(b"hello")
        message = await ws.receive(timeout=5)
        assert (message.type, message.data) == (aiohttp.WSMsgType.PONG, b"hello")
        assert (await subscribe(ws, "trade"))[0]["type"] == "subscribed"
        await ws.close()


@pytest.mark.asyncio
async def test_server_pings_with_heartbeat(monkeypatch):
    monkeypatch.setattr("simulators.kalshi.server.PING_EVERY_S", 0.05)
    async with running() as client:
        ws = await client.connect(autoping=False)
        message = await ws.receive(timeout=5)
        assert (message.type, message.data) == (aiohttp.WSMsgType.PING, b"heartbeat")
        await ws.close()


# http details


@pytest.mark.asyncio
async def test_trailing_slash_redirects_and_unknown_paths_are_404():
    async with (
        running() as client,
        client.http.get(client.rest + "/markets/", allow_redirects=False) as response,
    ):
        assert response.status == 301
        assert response.headers["Location"] == "/trade-api/v2/markets"
        assert (await client.call("GET", "/nothing"))[0] == 404


@pytest.mark.asyncio
async def test_signature_covers_path_without_query_and_private_needs_it():
    async with running() as client:
        assert (await client.call("GET", "/portfolio/orders", limit=5))[0] == 200
        async with client.http.get(client.rest + "/portfolio/orders") as response:
            body = await response.json()
            assert response.status == 401
            assert body["error"]["code"] == "signature_is_missing_from_headers"
        async with client.http.get(client.rest + "/markets?limit=1") as response:
            assert response.status == 200


@pytest.mark.asyncio
async def test_background_market_reaches_the_socket_and_moves_books():
    async with running(scenario="default") as client:
        ws = await client.connect()
        await subscribe(ws, "orderbook_delta", market_tickers=client.tickers)
        levels: dict[tuple[str, str], dict[str, int]] = {}
        kinds = set()
        while "orderbook_delta" not in kinds or len(levels) < 2 * len(client.tickers):
            frame = await ws.receive_json(timeout=10)
            kinds.add(frame["type"])
            if frame["type"] == "orderbook_snapshot":
                for side in ("yes", "no"):
                    rows = frame["msg"].get(f"{side}_dollars_fp", [])
                    assert rows
                    levels[(frame["msg"]["market_ticker"], side)] = dict(rows)
        await ws.close()


@pytest.mark.asyncio
async def test_a_client_that_goes_away_frees_its_place():
    async with running(connections_max=1) as client:
        ws = await client.connect()
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await client.connect()
        assert refused.value.status == 429
        await ws.close()
        await (await client.connect()).close()


@pytest.mark.asyncio
async def test_a_5xx_can_carry_the_true_body_and_a_200_a_false_one():
    faults = [
        rule("accept_then_5xx", "GET /exchange/status", params={"keep_body": True}),
        rule("accept_then_5xx", params={"status": 200, "body": {}}),
    ]
    async with running(faults=faults) as client:
        status, body = await client.call("GET", "/exchange/status")
        assert (status, body["exchange_active"]) == (503, True)
        assert await client.order(client.tickers[0]) == (200, {})
        assert len(client.truth()["orders"]) == 1


@pytest.mark.asyncio
async def test_a_pause_by_plan_ends_after_its_requests():
    fault = rule("pause", params={"scope_of": "exchange", "requests": 2})
    async with running(faults=[fault]) as client:
        found = [(await client.order(client.tickers[0]))[0] for _ in range(4)]
        assert found == [409, 409, 409, 201]
