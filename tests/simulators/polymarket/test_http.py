"""The venue over real HTTP and WebSocket: logins, faults, modes, limits, order of replies."""

from __future__ import annotations

import json
import time

import aiohttp
import pytest

from simulators.polymarket.keccak import keccak256
from tests.simulators.polymarket.kit import first, running, sign_digest, socket, user_socket

pytestmark = pytest.mark.asyncio
ROUTE = "POST /order"


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
    ("order", 200, "CANCELED"), ("null", 200, None), ("not_found", 404, None),
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


async def test_wrong_credentials_close_the_user_socket(tmp_path):
    async with running(tmp_path) as venue:
        ws = await socket(venue, "ws_user", {"type": "user", "auth": {"apiKey": "x"}})
        assert (await ws.receive(timeout=5)).type == aiohttp.WSMsgType.CLOSE


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
