"""The venue over real HTTP and WebSocket: logins, faults, modes, limits, order of replies."""

from __future__ import annotations

import asyncio
import json
import time

import aiohttp
import pytest

from simulators.polymarket import operations
from simulators.polymarket.keccak import keccak256
from simulators.polymarket.shell import replies_first
from simulators.polymarket.units import ONE
from tests.simulators.polymarket.kit import running, sign_digest

pytestmark = pytest.mark.asyncio
ROUTE = "POST /order"


def first(venue):
    """The first market without a taker delay, with a small book."""
    world = venue.world
    market = next(m for m in world.markets.values() if not m.seconds_delay and not m.itode)
    operations.quote(world, market, [(480_000, 100 * ONE)], [(520_000, 100 * ONE)])
    world.drain()
    return market


async def socket(venue, path, hello):
    ws = await venue.open(path)
    await ws.send_str(json.dumps(hello))
    return ws


async def user_socket(venue, account):
    auth = {"apiKey": account["api_key"], "secret": account["api_secret"],
            "passphrase": account["api_passphrase"]}  # fmt: skip
    ws = await socket(venue, "ws_user", {"type": "user", "auth": auth})
    await ws.send_str("PING")
    assert await ws.receive_str(timeout=5) == "PONG"
    return ws


async def test_health_clock_and_version(tmp_path):
    async with running(tmp_path) as venue:
        assert (await venue.ask("GET", "/ok"))[:2] == (200, "OK")
        assert (await venue.ask("GET", "/version"))[1] == {"version": 2}
        assert abs((await venue.ask("GET", "/time"))[1] - time.time()) < 5
        async with venue.http.get(venue.ready["geoblock"]) as answer:
            assert (await answer.json())["blocked"] is False


async def test_login_creates_once_and_derives_the_same(tmp_path):
    async with running(tmp_path) as venue:
        account = venue.ready["accounts"][0]

        def headers(nonce, stamp=None, address=None, secret=None):
            from simulators.polymarket.eip712 import login_hash

            when = str(stamp or int(time.time()))
            digest = login_hash(account["address"], when, nonce, 137)
            return {
                "POLY_ADDRESS": address or account["address"],
                "POLY_SIGNATURE": "0x"
                + sign_digest(secret or account["private_key"], digest).hex(),
                "POLY_TIMESTAMP": when,
                "POLY_NONCE": str(nonce),
            }

        async def call(method, path, head):
            async with venue.http.request(method, venue.ready["clob"] + path, headers=head) as a:
                return a.status, await a.json()

        status, body = await call("POST", "/auth/api-key", headers(0))
        assert (status, body) == (400, {"error": "Could not create api key"})
        assert (await call("GET", "/auth/derive-api-key", headers(9)))[0] == 400
        status, made = await call("POST", "/auth/api-key", headers(1))
        assert status == 200
        assert await call("GET", "/auth/derive-api-key", headers(1)) == (200, made)
        assert (await call("GET", "/auth/derive-api-key", headers(0)))[1]["apiKey"] == (
            account["api_key"]
        )
        stranger = venue.ready["accounts"][1]
        for wrong in (
            headers(0, stamp=int(time.time()) - 4000),
            headers(0, address=stranger["address"]),
            headers(0, secret=stranger["private_key"]),
            {},
        ):
            status, body = await call("GET", "/auth/derive-api-key", wrong)
            assert (status, body) == (401, {"error": "Invalid L1 Request headers"})


async def test_request_signatures_are_checked(tmp_path):
    async with running(tmp_path) as venue:
        account = venue.ready["accounts"][0]
        good = venue.headers(account, "GET", "/data/orders")

        async def status(headers, path="/data/orders?market=0x1"):
            async with venue.http.get(venue.ready["clob"] + path, headers=headers) as answer:
                return answer.status, await answer.json()

        assert (await status(good))[0] == 200, "the query string is not signed"
        late = venue.headers(account, "GET", "/data/orders", stamp=int(time.time()) - 120)
        other = venue.headers(venue.ready["accounts"][1], "GET", "/data/orders")
        wrong = [
            late,
            {**good, "POLY_SIGNATURE": "x"},
            {**good, "POLY_PASSPHRASE": "x"},
            {**good, "POLY_ADDRESS": account["funder"][:-1] + "0"},
            {**good, "POLY_API_KEY": other["POLY_API_KEY"]},
            venue.headers(account, "GET", "/data/orders?market=0x1"),
            venue.headers(account, "POST", "/data/orders"),
            {},
        ]
        for headers in wrong:
            assert await status(headers) == (401, {"error": "Unauthorized/Invalid api key"})


async def test_the_signed_body_is_the_sent_body(tmp_path):
    async with running(tmp_path) as venue:
        account = venue.ready["accounts"][0]
        body = '{"orderID": "0xabc"}'
        headers = venue.headers(account, "DELETE", "/order", body)
        url = venue.ready["clob"] + "/order"
        async with venue.http.delete(url, data=body, headers=headers) as answer:
            assert answer.status == 200
        async with venue.http.delete(url, data=body + " ", headers=headers) as answer:
            assert answer.status == 401


async def test_readonly_keys_read_and_do_not_write(tmp_path):
    async with running(tmp_path) as venue:
        account = venue.ready["accounts"][0]
        _, made, _ = await venue.ask("POST", "/auth/readonly-api-key", None, account)
        reader = {**account, "api_key": made["apiKey"], "api_secret": made["secret"],
                  "api_passphrase": made["passphrase"]}  # fmt: skip
        assert (await venue.ask("GET", "/data/orders", None, reader))[0] == 200
        assert (await venue.ask("DELETE", "/cancel-all", None, reader))[0] == 401


async def test_an_order_s_whole_way(tmp_path):
    async with running(tmp_path) as venue:
        market, trader, account = first(venue), venue.trader(), venue.ready["accounts"][0]
        status, answer, headers = await venue.ask(
            "POST", "/order", trader.body(market, "BUY", "0.4", 10), account
        )
        assert (status, answer["status"]) == (200, "live")
        assert headers["Poly-RateLimit-Tier"] == "Standard"
        order = answer["orderID"]
        status, page, _ = await venue.ask("GET", f"/data/orders?id={order}", None, account)
        assert (page["count"], page["next_cursor"], page["limit"]) == (1, "LTE=", 100)
        assert page["data"][0]["original_size"] == "10"
        assert (await venue.ask("GET", f"/data/order/{order}", None, account))[1]["id"] == order
        body = {"orderID": order}
        assert (await venue.ask("DELETE", "/order", body, account))[1]["canceled"] == [order]
        row = (await venue.ask("GET", f"/data/order/{order}", None, account))[1]
        assert row["status"] == "CANCELED"
        stranger = venue.ready["accounts"][1]
        assert (await venue.ask("GET", f"/data/order/{order}", None, stranger))[0] == 404


@pytest.mark.parametrize(("choice", "status", "body"), [
    ("order", 200, "CANCELED"), ("null", 200, None), ("404", 404, None),
])  # fmt: skip
async def test_cancelled_order_query_switch(tmp_path, choice, status, body):
    async with running(tmp_path, switches={"cancelled_order_query": choice}) as venue:
        market, trader, account = first(venue), venue.trader(), venue.ready["accounts"][0]
        order = trader.post(market, "BUY", "0.4", 10)["orderID"]
        await venue.ask("DELETE", "/cancel-all", None, account)
        got, answer, _ = await venue.ask("GET", f"/data/order/{order}", None, account)
        assert got == status
        assert (answer or {}).get("status") == body


async def test_asset_filter_of_trades_is_the_taker_s(tmp_path):
    async with running(tmp_path) as venue:
        market, maker, taker = first(venue), venue.trader(0), venue.trader(4)
        maker.post(market, "BUY", "0.49", 10, outcome=1)
        taker.post(market, "BUY", "0.51", 10)
        account = venue.ready["accounts"][0]
        by_market = f"/data/trades?market={market.condition_id}"
        by_asset = f"/data/trades?asset_id={market.tokens[1]}"
        assert (await venue.ask("GET", by_market, None, account))[1]["count"] == 1
        assert (await venue.ask("GET", by_asset, None, account))[1]["count"] == 0


async def test_pages_of_orders_follow_the_cursor(tmp_path):
    async with running(tmp_path, switches={"signer_limits": "off"}) as venue:
        market, trader, account = first(venue), venue.trader(), venue.ready["accounts"][0]
        for _ in range(130):
            trader.post(market, "BUY", "0.1", 5)
        seen, cursor = [], "MA=="
        while cursor != "LTE=":
            _, page, _ = await venue.ask("GET", f"/data/orders?next_cursor={cursor}", None, account)
            seen += [row["id"] for row in page["data"]]
            cursor = page["next_cursor"]
        assert len(seen) == len(set(seen)) == 130
        assert (await venue.ask("GET", "/data/orders?next_cursor=!!", None, account))[0] == 400


async def test_cancel_many_all_and_by_market(tmp_path):
    async with running(tmp_path) as venue:
        market, trader, account = first(venue), venue.trader(), venue.ready["accounts"][0]
        ids = [trader.post(market, "BUY", "0.4", 10)["orderID"] for _ in range(4)]
        _, reply, _ = await venue.ask("DELETE", "/orders", [ids[0], "0x00"], account)
        assert reply["canceled"] == [ids[0]]
        assert list(reply["not_canceled"]) == ["0x00"]
        wrong = {"market": "0x" + "00" * 32, "asset_id": market.tokens[0]}
        _, reply, _ = await venue.ask("DELETE", "/cancel-market-orders", wrong, account)
        assert reply == {"canceled": [], "not_canceled": {}}
        by_asset = {"asset_id": market.tokens[0]}
        _, reply, _ = await venue.ask("DELETE", "/cancel-market-orders", by_asset, account)
        assert sorted(reply["canceled"]) == sorted(ids[1:])
        assert (await venue.ask("DELETE", "/order", {"orderID": "1"}, account))[0] == 400


@pytest.mark.parametrize(("limit", "status"), [(1000, 400), (3000, 200)])
async def test_max_cancel_batch_switch(tmp_path, limit, status):
    switches = {"max_cancel_batch": limit, "signer_limits": "off"}
    async with running(tmp_path, switches=switches) as venue:
        ids = [f"0x{n:064x}" for n in range(1001)]
        assert (await venue.ask("DELETE", "/orders", ids, venue.ready["accounts"][0]))[0] == status


@pytest.mark.parametrize(("body", "is_json"), [("html", False), ("json", True)])
async def test_orders_from_a_blocked_region(tmp_path, body, is_json):
    async with running(tmp_path, switches={"geoblock_body": body}) as venue:
        market, trader, account = first(venue), venue.trader(), venue.ready["accounts"][0]
        venue.world.blocked_region = True
        order = trader.body(market, "BUY", "0.4", 10)
        status, answer, headers = await venue.ask("POST", "/order", order, account)
        assert status == 403
        assert ("json" in headers["Content-Type"]) is is_json
        assert isinstance(answer, dict) is is_json
        assert (await venue.ask("GET", "/data/orders", None, account))[0] == 200
        async with venue.http.get(venue.ready["geoblock"]) as reply:
            assert (await reply.json())["blocked"] is True


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


async def test_market_socket_end_to_end(tmp_path):
    async with running(tmp_path) as venue:
        market, trader, account = first(venue), venue.trader(), venue.ready["accounts"][0]
        hello = {"type": "market", "assets_ids": list(market.tokens)}
        ws = await socket(venue, "ws_market", hello)
        assert len(json.loads(await ws.receive_str(timeout=5))) == 2
        await ws.send_str(json.dumps(hello))
        assert await ws.receive_str(timeout=5) == "INVALID OPERATION"
        await venue.ask("POST", "/order", trader.body(market, "BUY", "0.41", 10), account)
        change = json.loads(await ws.receive_str(timeout=5))
        assert change["price_changes"][0]["price"] == "0.41"


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


async def test_wrong_credentials_close_the_user_socket(tmp_path):
    async with running(tmp_path) as venue:
        ws = await socket(venue, "ws_user", {"type": "user", "auth": {"apiKey": "x"}})
        assert (await ws.receive(timeout=5)).type == aiohttp.WSMsgType.CLOSE


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


@pytest.mark.parametrize(("choice", "status"), [("absent", 404), ("present", 200)])
async def test_history_endpoints_switch(tmp_path, choice, status):
    async with running(tmp_path, switches={"history_endpoints": choice}) as venue:
        market = first(venue)
        path = f"/ohlc?asset_id={market.tokens[0]}"
        assert (await venue.ask("GET", path))[0] == status


async def test_market_data_endpoints(tmp_path):
    async with running(tmp_path) as venue:
        market = first(venue)
        yes, no = market.tokens
        for token, bid, ask in ((yes, "0.48", "0.52"), (no, "0.48", "0.52")):
            _, book, _ = await venue.ask("GET", f"/book?token_id={token}")
            assert (book["bids"][-1]["price"], book["asks"][-1]["price"]) == (bid, ask)
        price = f"/price?token_id={yes}&side="
        assert (await venue.ask("GET", price + "BUY"))[1] == {"price": "0.48"}
        assert (await venue.ask("GET", price + "SELL"))[1] == {"price": "0.52"}
        assert (await venue.ask("GET", f"/midpoint?token_id={yes}"))[1] == {"mid": "0.5"}
        assert (await venue.ask("GET", f"/spread?token_id={yes}"))[1] == {"spread": "0.04"}
        never = (await venue.ask("GET", f"/last-trade-price?token_id={yes}"))[1]
        assert never == {"price": "0.5", "side": ""}
        both = [{"token_id": yes}, {"token_id": no}, {"token_id": "12345"}]
        assert len((await venue.ask("POST", "/books", both))[1]) == 2
        assert (await venue.ask("POST", "/midpoints", both))[1] == {yes: "0.5", no: "0.5"}
        assert (await venue.ask("POST", "/books", both * 200))[0] == 400
        sides = [{"token_id": yes, "side": side} for side in ("BUY", "SELL")]
        expected = {yes: {"BUY": "0.48", "SELL": "0.52"}}
        assert (await venue.ask("POST", "/prices", sides))[1] == expected
        assert (await venue.ask("GET", f"/tick-size?token_id={yes}"))[1] == {
            "minimum_tick_size": 0.01}  # fmt: skip
        assert (await venue.ask("GET", f"/fee-rate?token_id={yes}"))[1] == {"base_fee": 1000}
        for path in ("/book?token_id=abc", "/price?token_id=1&side=x"):
            assert (await venue.ask("GET", path))[0] in (400, 404)
        assert (await venue.ask("GET", "/book?token_id=999"))[0] == 404


async def test_market_records_and_the_stale_tick(tmp_path):
    async with running(tmp_path) as venue:
        market = first(venue)
        venue.world.change_tick(market, 1_000)
        big = (await venue.ask("GET", f"/markets/{market.condition_id}"))[1]
        small = (await venue.ask("GET", f"/clob-markets/{market.condition_id}"))[1]
        tick = (await venue.ask("GET", f"/tick-size?token_id={market.tokens[0]}"))[1]
        assert (big["minimum_tick_size"], small["mts"], tick["minimum_tick_size"]) == (
            0.01, 0.001, 0.001)  # fmt: skip
        assert small["fd"] == {"r": 0.05, "e": 1, "to": True}
        by_token = (await venue.ask("GET", f"/markets-by-token/{market.tokens[0]}"))[1]
        assert by_token["primary_token_id"] == min(market.tokens, key=int)
        page = (await venue.ask("GET", "/markets"))[1]
        assert page["count"] == len(venue.world.markets) - 1, "one is not on the book yet"
        assert (await venue.ask("GET", "/markets/0x00"))[0] == 404
        assert (await venue.ask("GET", "/markets/abc"))[0] == 400


async def test_heartbeat_over_http(tmp_path):
    async with running(tmp_path) as venue:
        account = venue.ready["accounts"][0]
        beat = {"heartbeat_id": ""}
        status, reply, _ = await venue.ask("POST", "/v1/heartbeats", beat, account)
        assert status == 200
        status, wrong, _ = await venue.ask("POST", "/v1/heartbeats", {"heartbeat_id": "x"}, account)
        assert (status, wrong["heartbeat_id"]) == (400, reply["heartbeat_id"])


@pytest.mark.parametrize(("scope", "left"), [("key", 1), ("signer", 0)])
async def test_heartbeat_scope_switch(tmp_path, scope, left):
    async with running(tmp_path, switches={"heartbeat_scope": scope}, virtual=True) as venue:
        market, trader, account = first(venue), venue.trader(), venue.ready["accounts"][0]
        from simulators.polymarket.auth import create_key

        trader.key = create_key(venue.world, account["address"], 5)
        trader.post(market, "BUY", "0.4", 10)
        await venue.ask("POST", "/v1/heartbeats", {"heartbeat_id": ""}, account)
        venue.venue.tick(venue.venue.clock.advance(60 * 10**9))
        live = venue.world.orders_of(lambda o: o.status == "LIVE" and not o.wallet.house)
        assert len(live) == left


@pytest.mark.parametrize(("skew", "status"), [(30, 401), (120, 200)])
async def test_l2_skew_switch(tmp_path, skew, status):
    async with running(tmp_path, switches={"l2_skew_s": skew}) as venue:
        account = venue.ready["accounts"][0]
        headers = venue.headers(account, "GET", "/data/orders", stamp=int(time.time()) - 60)
        url = venue.ready["clob"] + "/data/orders"
        async with venue.http.get(url, headers=headers) as answer:
            assert answer.status == status


async def test_secrets_do_not_reach_the_log(tmp_path):
    log = tmp_path / "log.jsonl"
    async with running(tmp_path, options={"log": str(log)}) as venue:
        market, trader, account = first(venue), venue.trader(), venue.ready["accounts"][0]
        body = trader.body(market, "BUY", "0.4", 10)
        await venue.ask("POST", "/order", body, account)
        await user_socket(venue, account)
        await venue.ask("POST", "/auth/readonly-api-key", None, account)
    written = log.read_text()
    for secret in (account["api_secret"], account["api_passphrase"], account["private_key"],
                   body["order"]["signature"]):  # fmt: skip
        assert secret not in written
    assert keccak256(b"") not in written.encode()


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
