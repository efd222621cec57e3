"""Faults, limits and the order of replies, over real HTTP and WebSocket."""

from __future__ import annotations

import asyncio
import json
import time

import aiohttp
import pytest

from simulators.polymarket.shell import replies_first
from tests.simulators.polymarket.kit import first, running, socket, user_socket

pytestmark = pytest.mark.asyncio
ROUTE = "POST /order"


@pytest.mark.parametrize(("policy", "statuses"), [
    ("enforce", {200, 429}), ("warn", {200}), ("off", {200}),
])  # fmt: skip
async def test_signer_limits_switch(tmp_path, policy, statuses):
    async with running(tmp_path, switches={"signer_limits": policy}, virtual=True) as venue:
        market, trader, account = first(venue), venue.trader(), venue.ready["accounts"][0]
        seen, warned = set(), False
        for _ in range(5):
            batch = [trader.body(market, "BUY", "0.1", 5) for _ in range(15)]
            status, _, headers = await venue.ask("POST", "/orders", batch, account)
            seen.add(status)
            warned = warned or "Poly-RateLimit-Warning" in headers
            if status == 429:
                assert int(headers["Retry-After"]) >= 1
        assert seen == statuses
        assert warned is (policy == "warn")


async def test_rate_tier_switch_raises_the_burst(tmp_path):
    async with running(tmp_path, options={"tier": "Elite"}, virtual=True) as venue:
        market, trader, account = first(venue), venue.trader(), venue.ready["accounts"][0]
        for _ in range(10):
            batch = [trader.body(market, "BUY", "0.1", 5) for _ in range(15)]
            assert (await venue.ask("POST", "/orders", batch, account))[0] == 200
        for tier in ("Elite", "Standard"):
            venue.world.switches.update({"rate_tier": tier})
            answer = (await venue.ask("GET", "/v1/user/rate-limit-tier", None, account))[1]
            assert answer == {"tier": tier}


async def test_route_windows_answer_429_with_retry_after(tmp_path):
    async with running(tmp_path, virtual=True) as venue:
        statuses = [(await venue.ask("GET", "/ok"))[0] for _ in range(101)]
        assert statuses == [200] * 100 + [429]
        venue.venue.clock.advance(11 * 10**9)
        assert (await venue.ask("GET", "/ok"))[0] == 200


@pytest.mark.parametrize("fault, status, applied", [  # noqa: PT006 - one string reads better here
    ({"kind": "reject"}, 400, False),
    ({"kind": "error_before_accept"}, 503, False),
    ({"kind": "accept_then_5xx"}, 503, True),
    ({"kind": "rate_limit"}, 429, False),
    ({"kind": "rate_limit", "params": {"html": True}}, 429, False),
    ({"kind": "reject", "params": {"status": 403, "html": "<html>no</html>"}}, 403, False),
])  # fmt: skip
async def test_faults_with_an_answer(tmp_path, fault, status, applied):
    rule = {"scope": ROUTE, "at": [2], **fault}
    async with running(tmp_path, faults=[rule]) as venue:
        market, trader, account = first(venue), venue.trader(), venue.ready["accounts"][0]
        got = []
        for _ in range(3):
            body = trader.body(market, "BUY", "0.4", 10)
            got.append((await venue.ask("POST", "/order", body, account))[0])
        assert got == [200, status, 200]
        assert len(venue.world.orders_of(lambda o: o.by == account["address"].lower())) == (
            3 if applied else 2
        )


@pytest.mark.parametrize("fault, applied", [  # noqa: PT006 - one string reads better here
    ({"kind": "accept_then_timeout"}, True),
    ({"kind": "timeout_before_accept"}, False),
    ({"kind": "reset", "params": {"applied": True}}, True),
    ({"kind": "reset"}, False),
])  # fmt: skip
async def test_faults_without_an_answer(tmp_path, fault, applied):
    rule = {"scope": ROUTE, "at": [1], **fault}
    async with running(tmp_path, faults=[rule]) as venue:
        market, trader, account = first(venue), venue.trader(), venue.ready["accounts"][0]
        body = trader.body(market, "BUY", "0.4", 10)
        text = json.dumps(body, separators=(",", ":"))
        headers = venue.headers(account, "POST", "/order", text)
        with pytest.raises((aiohttp.ClientError, TimeoutError)):
            await venue.http.post(
                venue.ready["clob"] + "/order",
                data=text,
                headers=headers,
                timeout=aiohttp.ClientTimeout(total=0.3),
            )
        _, page, _ = await venue.ask("GET", "/data/orders", None, account)
        assert page["count"] == (1 if applied else 0)


async def test_delayed_visibility_hides_an_order_from_some_reads(tmp_path):
    rule = {"scope": ROUTE, "at": [1], "kind": "delayed_visibility", "params": {"requests": 2}}
    async with running(tmp_path, faults=[rule]) as venue:
        market, trader, account = first(venue), venue.trader(), venue.ready["accounts"][0]
        await venue.ask("POST", "/order", trader.body(market, "BUY", "0.4", 10), account)
        counts = [(await venue.ask("GET", "/data/orders", None, account))[1]["count"]
                  for _ in range(3)]  # fmt: skip
        assert counts == [0, 0, 1]


async def test_clock_skew_makes_signatures_stale_for_a_while(tmp_path):
    rule = {"scope": "GET /data/orders", "at": [2], "kind": "clock_skew",
            "params": {"ms": 100_000, "requests": 2}}  # fmt: skip
    async with running(tmp_path, faults=[rule]) as venue:
        account = venue.ready["accounts"][0]
        got = [(await venue.ask("GET", "/data/orders", None, account))[0] for _ in range(4)]
        assert got == [200, 401, 401, 200]


async def test_a_pause_lasts_some_requests(tmp_path):
    rule = {"scope": ROUTE, "at": [1], "kind": "pause", "params": {"requests": 2}}
    async with running(tmp_path, faults=[rule]) as venue:
        market, trader, account = first(venue), venue.trader(), venue.ready["accounts"][0]
        got = []
        for _ in range(4):
            body = trader.body(market, "BUY", "0.4", 10)
            got.append((await venue.ask("POST", "/order", body, account))[0])
        assert got == [503, 503, 200, 200]


async def test_unknown_fields_everywhere(tmp_path):
    rules = [
        {"scope": "GET /book", "every": 1, "kind": "unknown_fields"},
        {"scope": "ws:*", "every": 1, "kind": "unknown_fields"},
    ]
    async with running(tmp_path, faults=rules) as venue:
        market = first(venue)
        _, book, _ = await venue.ask("GET", f"/book?token_id={market.tokens[0]}")
        assert any(key.startswith("x_unannounced") for key in book["bids"][0])
        ws = await socket(venue, "ws_market", {"type": "market", "assets_ids": [market.tokens[0]]})
        dump = json.loads(await ws.receive_str(timeout=5))
        assert any(key.startswith("x_unannounced") for key in dump[0])


@pytest.mark.parametrize("choice", ["reply_first", "events_first", "random"])
async def test_reply_order_switch(tmp_path, choice):
    async with running(tmp_path, switches={"reply_order": choice}) as venue:
        market, trader, account = first(venue), venue.trader(), venue.ready["accounts"][0]
        ws = await user_socket(venue, account)
        for _ in range(4):
            body = trader.body(market, "BUY", "0.4", 10)
            assert (await venue.ask("POST", "/order", body, account))[0] == 200
            assert json.loads(await ws.receive_str(timeout=5))["type"] == "PLACEMENT"
    ways = {replies_first(choice, 7, ordinal) for ordinal in range(20)}
    assert ways == {"reply_first": {True}, "events_first": {False}, "random": {True, False}}[choice]


@pytest.mark.parametrize(("kind", "params", "seen"), [
    ("drop", {}, ["0.42", "0.43"]), ("duplicate", {}, ["0.41", "0.41", "0.42", "0.43"]),
    ("reorder", {}, ["0.42", "0.41", "0.43"]), ("late", {"messages": 2}, ["0.42", "0.43", "0.41"]),
])  # fmt: skip
async def test_message_faults(tmp_path, kind, params, seen):
    rule = {"scope": "ws:price_change", "at": [1], "kind": kind, "params": params}
    async with running(tmp_path, faults=[rule]) as venue:
        market, trader = first(venue), venue.trader()
        hello = {"type": "market", "assets_ids": [market.tokens[0]]}
        ws = await socket(venue, "ws_market", hello)
        await ws.receive_str(timeout=5)
        for price in ("0.41", "0.42", "0.43"):
            trader.post(market, "BUY", price, 10)
            venue.venue.tick(venue.venue.clock.now_ns())
        got = [json.loads(await ws.receive_str(timeout=5))["price_changes"][0]["price"]
               for _ in seen]  # fmt: skip
        assert got == seen


@pytest.mark.parametrize("pong", [False, True])
async def test_half_open_and_silent_freeze(tmp_path, pong):
    rule = {"scope": "ws:price_change", "at": [1], "kind": "half_open", "params": {"pong": pong}}
    async with running(tmp_path, faults=[rule]) as venue:
        market, trader = first(venue), venue.trader()
        ws = await socket(venue, "ws_market", {"type": "market", "assets_ids": [market.tokens[0]]})
        await ws.receive_str(timeout=5)
        for price in ("0.41", "0.42"):
            trader.post(market, "BUY", price, 10)
            venue.venue.tick(venue.venue.clock.now_ns())
        await ws.receive_str(timeout=5)
        await ws.send_str("PING")
        if pong:
            assert await ws.receive_str(timeout=5) == "PONG"
        else:
            with pytest.raises(TimeoutError):
                await ws.receive_str(timeout=0.2)


@pytest.mark.parametrize("kind", ["reset", "close"])
async def test_sockets_that_end(tmp_path, kind):
    rule = {"scope": "ws:price_change", "at": [1], "kind": kind, "params": {"code": 1012}}
    async with running(tmp_path, faults=[rule]) as venue:
        market, trader = first(venue), venue.trader()
        ws = await socket(venue, "ws_market", {"type": "market", "assets_ids": [market.tokens[0]]})
        await ws.receive_str(timeout=5)
        trader.post(market, "BUY", "0.41", 10)
        venue.venue.tick(venue.venue.clock.now_ns())
        kinds = [(await ws.receive(timeout=5)).type for _ in range(2)]
        assert kinds[0] == aiohttp.WSMsgType.TEXT
        assert kinds[1] in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED,
                            aiohttp.WSMsgType.ERROR)  # fmt: skip
        assert ws.close_code == (1012 if kind == "close" else 1006)


async def test_refused_upgrade(tmp_path):
    rule = {"scope": "ws:connect", "at": [1], "kind": "reject", "params": {"status": 502}}
    async with running(tmp_path, faults=[rule]) as venue:
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await venue.open("ws_market")
        ws = await venue.open("ws_market")
        await ws.send_str("PING")
        assert await ws.receive_str(timeout=5) == "PONG"


@pytest.mark.parametrize(("seconds", "closed"), [(0, False), (20, True)])
async def test_silence_close_switch(tmp_path, seconds, closed):
    switches = {"silence_close_s": seconds}
    async with running(tmp_path, switches=switches, virtual=True) as venue:
        ws = await venue.open("ws_market")
        await ws.send_str("PING")
        await ws.receive_str(timeout=5)
        venue.venue.tick(venue.venue.clock.advance(60 * 10**9))
        if closed:
            assert (await ws.receive(timeout=5)).type == aiohttp.WSMsgType.CLOSE
        else:
            await ws.send_str("PING")
            assert await ws.receive_str(timeout=5) == "PONG"


async def test_sports_stream_pings_and_sends_games(tmp_path):
    async with running(tmp_path, virtual=True) as venue:
        ws = await venue.open("ws_sports")
        await ws.send_str("ping")
        assert await ws.receive_str(timeout=5) == "pong"
        venue.venue.tick(venue.venue.clock.advance(6 * 10**9))
        assert await ws.receive_str(timeout=5) == "ping"
        event = next(e for e in venue.world.events.values() if e.game_id)
        venue.venue.operator.apply(
            "PATCH /events/{id}", {"id": event.id}, {"live": True, "score": "3-16"}
        )
        venue.venue.tick(venue.venue.clock.now_ns())
        game = json.loads(await ws.receive_str(timeout=5))
        assert (game["status"], game["score"]) == ("InProgress", "3-16")
        assert game["gameId"] == int(event.game_id)


@pytest.mark.parametrize(("noise", "heard"), [(True, True), (False, False)])
async def test_new_market_noise_switch(tmp_path, noise, heard):
    async with running(tmp_path, switches={"new_market_noise": noise}, virtual=True) as venue:
        hello = {"type": "market", "assets_ids": [], "custom_feature_enabled": True}
        ws = await socket(venue, "ws_market", hello)
        await ws.send_str("PING")
        assert await ws.receive_str(timeout=5) == "PONG"
        venue.venue.tick(venue.venue.clock.advance(3 * 10**9))
        await ws.send_str("PING")
        frame = await ws.receive_str(timeout=5)
        assert (frame != "PONG") is heard
        if heard:
            assert json.loads(frame)["event_type"] == "new_market"


@pytest.mark.parametrize("choice", ["text", "protocol"])
async def test_sports_ping_switch(tmp_path, choice):
    async with running(tmp_path, switches={"sports_ping": choice}, virtual=True) as venue:
        ws = await venue.http.ws_connect(venue.ready["ws_sports"], autoping=False)
        venue.opened.append(ws)
        await ws.send_str("ping")
        assert await ws.receive_str(timeout=5) == "pong"
        venue.venue.tick(venue.venue.clock.advance(6 * 10**9))
        message = await ws.receive(timeout=5)
        expected = aiohttp.WSMsgType.TEXT if choice == "text" else aiohttp.WSMsgType.PING
        assert message.type == expected


async def test_an_aborted_request_may_have_been_taken(tmp_path):
    rule = {"scope": ROUTE, "at": [1], "kind": "accept_then_5xx",
            "params": {"status": 400, "code": "context canceled"}}  # fmt: skip
    async with running(tmp_path, faults=[rule]) as venue:
        market, trader, account = first(venue), venue.trader(), venue.ready["accounts"][0]
        body = trader.body(market, "BUY", "0.4", 10)
        status, answer, _ = await venue.ask("POST", "/order", body, account)
        assert (status, answer) == (400, {"error": "context canceled"})
        assert (await venue.ask("GET", "/data/orders", None, account))[1]["count"] == 1


async def test_expiries_are_times_of_day_even_when_the_exchange_is_ahead(tmp_path):
    async with running(tmp_path) as venue:
        market, trader, account = first(venue), venue.trader(), venue.ready["accounts"][0]
        clock = venue.venue.clock
        clock.advance(86_400 * 10**9)
        expiry = int(time.time()) + 180
        body = trader.body(market, "BUY", "0.4", 10, "GTD", expiration=expiry)
        status, answer, _ = await venue.ask("POST", "/order", body, account)
        assert (status, answer["status"]) == (200, "live")
        clock.advance(100 * 10**9)
        assert (await venue.ask("GET", "/data/orders", None, account))[1]["count"] == 1
        clock.advance(30 * 10**9)
        assert (await venue.ask("GET", "/data/orders", None, account))[1]["count"] == 0


async def test_late_reply_comes_after_the_account_s_messages(tmp_path):
    rule = {"scope": ROUTE, "at": [1], "kind": "late_reply", "params": {"messages": 1}}
    async with running(tmp_path, faults=[rule]) as venue:
        market, trader, account = first(venue), venue.trader(), venue.ready["accounts"][0]
        ws = await user_socket(venue, account)
        body = trader.body(market, "BUY", "0.4", 10)
        waiting = asyncio.create_task(venue.ask("POST", "/order", body, account))
        assert json.loads(await ws.receive_str(timeout=5))["type"] == "PLACEMENT"
        assert not waiting.done()
        trader.post(market, "BUY", "0.41", 10)
        venue.venue.tick(venue.venue.clock.now_ns())
        assert (await asyncio.wait_for(waiting, 5))[0] == 200
