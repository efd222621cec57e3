"""The operator's interface over HTTP, through the launcher."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from contextlib import asynccontextmanager

import aiohttp
import pytest

from simulators.launcher import LaunchConfig, Launcher
from simulators.polymarket import operations
from simulators.polymarket.units import ONE
from tests.simulators.polymarket.kit import Trader

pytestmark = pytest.mark.asyncio


class Desk:
    """The admin port and what stands behind it."""

    def __init__(self, run, http):
        self.run, self.http = run, http
        self.venue = run.venues["polymarket"]
        self.world = self.venue.world
        self.market = next(m for m in self.world.markets.values() if not m.seconds_delay)

    async def call(self, method, path, body=None):
        url = self.run.ready["admin"] + "/polymarket" + path
        async with self.http.request(method, url, json=body) as answer:
            return answer.status, await answer.json()

    async def good(self, method, path, body=None):
        status, value = await self.call(method, path, body)
        assert status == 200, value
        return value

    def trader(self):
        account, part = self.venue.accounts[0], self.run.ready["polymarket"]["accounts"][0]
        return Trader(self.world, account, self.world.keys[part["api_key"]])


@asynccontextmanager
async def desk(**switches):
    config = LaunchConfig(
        venues=("polymarket",),
        scenario="quiet",
        virtual_start_ns=1_790_000_000 * 10**9,
        switches={"polymarket": switches},
    )
    async with Launcher(config) as run, aiohttp.ClientSession() as http:
        yield Desk(run, http)


async def test_books_and_others(tmp_path):
    async with desk() as admin:
        token, other = admin.market.tokens
        levels = {"bids": [["0.48", "10"]], "asks": [["0.52", "12.5"], ["0.53", 7]]}
        book = await admin.good("POST", "/book", {"token": token, **levels})
        assert book["asks"] == [{"price": "0.53", "size": "7"}, {"price": "0.52", "size": "12.5"}]
        mirror = await admin.good("GET", f"/book/{other}")
        assert mirror["bids"][-1] == {"price": "0.48", "size": "12.5"}
        await admin.good("POST", "/book", {"token": other, "bids": [["0.3", "9"]]})
        assert (await admin.good("GET", f"/book/{token}"))["asks"] == [
            {"price": "0.7", "size": "9"}]  # fmt: skip
        order = {"token": token, "side": "sell", "price": "0.6", "size": "5"}
        placed = await admin.good("POST", "/orders", order)
        assert placed["order"]["status"] == "LIVE"
        taken = {"token": token, "side": "buy", "price": "0.6", "size": "5"}
        assert [t["size"] for t in await admin.good("POST", "/take", taken)] == ["5"]


async def test_mistakes_are_explained_and_change_nothing(tmp_path):
    async with desk() as admin:
        token = admin.market.tokens[0]
        condition = admin.market.condition_id
        order = {"token": token, "side": "buy", "price": "0.5", "size": 1}
        await admin.good("POST", "/book", {"token": token, "bids": [["0.4", "5"]]})
        wrong = [
            ("POST", "/book", {"token": "1", "bids": []}, "neither a condition id nor a token"),
            ("POST", "/book", {"token": token, "bids": [["x", "1"]]}, "not a decimal number"),
            ("POST", "/book", {"token": token, "bids": 5}, "expected a list"),
            ("POST", "/book", {"token": token, "bids": [["0.3", "5"], ["0.505", "5"]]}, "off"),
            ("POST", "/orders", {**order, "side": "up"}, "side 'UP'"),
            ("POST", "/orders", {**order, "price": "0.505"}, "is off"),
            ("POST", "/orders", {**order, "size": 0}, "not above 0"),
            ("PATCH", f"/markets/{condition}", {"tick_size": "0.03"}, "allowed"),
            ("POST", f"/markets/{condition}/resolve", {"payouts": [2, 0]}, "allowed"),
            ("POST", f"/markets/{condition}/resolve", {"payouts": 1}, "expected two numbers"),
            ("PATCH", f"/markets/{condition}", {"tick": "0.1"}, "unknown key"),
            ("PATCH", f"/markets/{condition}", {"uma_status": "maybe"}, "allowed"),
            ("POST", "/mode", {"mode": "asleep"}, "allowed"),
            ("GET", "/accounts/0x00", None, "no wallet here"),
            ("POST", "/trades/none", {"action": "mine"}, "missing or unknown"),
            ("DELETE", "/orders/0x00", None, "unknown"),
            ("POST", "/sockets/freeze", {"channel": "tv"}, "allowed"),
            ("POST", "/take", None, "missing body"),
            ("POST", "/take", {"side": "buy"}, "missing or unknown"),
        ]
        before = [await admin.good("GET", path) for path in ("/truth", f"/book/{token}")]
        for method, path, body, words in wrong:
            status, answer = await admin.call(method, path, body)
            assert (status, words in answer["error"]) == (400, True), (path, answer)
        after = [await admin.good("GET", path) for path in ("/truth", f"/book/{token}")]
        assert after == before


async def test_life_cycle_by_hand_and_the_truth(tmp_path):
    async with desk(hold_trades=True) as admin:
        token = admin.market.tokens[0]
        await admin.good("POST", "/book", {"token": token, "asks": [["0.5", "100"]]})
        trader = admin.trader()
        trade_id = trader.post(admin.market, "BUY", "0.5", 10)["tradeIDs"][0]
        path = f"/accounts/{trader.account.funder}"
        account = await admin.good("GET", path)
        assert (account["cash"], account["tokens"]) == ("10000", {})
        assert account["cash_in_unmined_trades"] == "5.125"
        await admin.good("POST", f"/trades/{trade_id}", {"action": "retry"})
        await admin.good("POST", f"/trades/{trade_id}", {"action": "mine"})
        account = await admin.good("GET", path)
        assert (account["cash"], account["tokens"]) == ("9994.875", {token: "10"})
        assert [t["status"] for t in account["trades"]] == ["MINED"]
        done = await admin.good("POST", "/trades/all", {"action": "confirm"})
        assert [t["status"] for t in done] == ["CONFIRMED"]
        truth = await admin.good("GET", "/truth")
        assert truth["minted"] == truth["total"]
        assert truth["fees"] == "0.125"
        status, answer = await admin.call("POST", f"/trades/{trade_id}", {"action": "fail"})
        assert (status, "cannot become" in answer["error"]) == (409, True)


async def test_game_start_result_and_announcement(tmp_path):
    async with desk() as admin:
        condition = admin.market.condition_id
        await admin.good("POST", "/book", {"token": condition, "bids": [["0.4", "10"]]})
        assert admin.market.clear_book_on_start
        assert await admin.good("POST", f"/markets/{condition}/start") == {"canceled": 1}
        await admin.good("POST", f"/markets/{condition}/announce")
        change = {"tick_size": "0.001", "uma_status": "proposed", "accepting": False}
        await admin.good("PATCH", f"/markets/{condition}", change)
        assert (admin.market.tick, admin.market.accepting) == (1_000, False)
        await admin.good("POST", f"/markets/{condition}/resolve", {"payouts": [0.5, 0.5]})
        row = next(m for m in await admin.good("GET", "/markets") if m["condition_id"] == condition)
        assert (row["closed"], row["payouts"]) == (True, ["0.5", "0.5"])
        again = await admin.call("POST", f"/markets/{condition}/resolve", {"payouts": [1, 0]})
        assert again[0] == 409


async def test_a_neg_risk_event_has_one_winner(tmp_path):
    async with desk() as admin:
        event = next(e for e in admin.world.events.values() if e.neg_risk_id)
        path, winner = f"/events/{event.id}/resolve", event.markets[1]
        stranger = await admin.call("POST", path, {"winner": admin.market.condition_id})
        assert stranger[0] == 400
        await admin.good("POST", path, {"winner": winner.condition_id})
        assert [m.payouts == (ONE, 0) for m in event.markets] == [
            m is winner for m in event.markets]  # fmt: skip
        assert (await admin.call("POST", path, {"winner": winner.condition_id}))[0] == 400


async def test_sigterm_ends_the_process_with_open_sockets_and_hanging_requests(tmp_path):
    faults = tmp_path / "faults.json"
    rule = {"scope": "GET /ok", "every": 1, "kind": "accept_then_timeout"}
    faults.write_text(json.dumps({"polymarket": [rule]}))
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-W", "default", "-m", "simulators", "polymarket", "--faults", str(faults),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    try:
        async with asyncio.timeout(30):
            # Without --ready the details are printed once everything listens.
            printed = (await process.stdout.readuntil(b"\n}\n")).decode()
            ready = json.loads(printed)
            part = ready["polymarket"]
            async with aiohttp.ClientSession() as http:
                ws = await http.ws_connect(part["ws_market"])
                await ws.send_str(json.dumps({"type": "market", "assets_ids": part["tokens"]}))
                await ws.receive_str(timeout=5)
                hanging = asyncio.create_task(http.get(part["clob"] + "/ok"))
                taken = False
                while not taken:
                    async with http.get(ready["admin"] + "/log?kind=rest") as answer:
                        entries = (await answer.json())["polymarket"]
                    taken = any(entry["route"] == "GET /ok" for entry in entries)
                process.send_signal(signal.SIGTERM)
                output, _ = await process.communicate()
                hanging.cancel()
                await asyncio.gather(hanging, return_exceptions=True)
                await ws.close()
    finally:
        if process.returncode is None:
            process.kill()
    assert (process.returncode, output.decode()) == (0, "")


async def test_accounts(tmp_path):
    async with desk() as admin:
        made = await admin.good(
            "POST", "/accounts", {"signature_type": 3, "cash": "12.5", "approved": False}
        )
        assert {"private_key", "api_key", "funder"} <= set(made)
        path = f"/accounts/{made['funder']}"
        assert (await admin.good("GET", path))["cash"] == "12.5"
        changed = await admin.good("PATCH", path, {"banned": True, "add_cash": 7.5})
        assert (changed["banned"], changed["cash"]) == (True, "20")
        target = "0x" + "12" * 20
        moved = await admin.good("POST", f"{path}/transfer", {"to": target, "amount": "20"})
        assert moved["cash"] == "0"
        status, _ = await admin.call("POST", f"{path}/transfer", {"to": target, "amount": "1"})
        assert status == 400
        plain = await admin.good("POST", "/accounts", {"with_key": False})
        assert "api_key" not in plain
        assert len(await admin.good("GET", "/accounts")) == len(admin.world.ledger.wallets)


@pytest.mark.parametrize("channel", ["market", "user"])
async def test_freeze_keeps_pongs_and_stops_frames(tmp_path, channel):
    async with desk(reply_order="events_first") as admin:
        ready, trader = admin.run.ready["polymarket"], admin.trader()
        account = ready["accounts"][0]
        auth = {"apiKey": account["api_key"], "secret": account["api_secret"],
                "passphrase": account["api_passphrase"]}  # fmt: skip
        hello = {
            "market": {"type": "market", "assets_ids": list(admin.market.tokens)},
            "user": {"type": "user", "auth": auth},
        }
        async with admin.http.ws_connect(ready[f"ws_{channel}"]) as ws:
            await ws.send_str(json.dumps(hello[channel]))
            if channel == "market":
                await ws.receive_str(timeout=5)
            await ws.send_str("PING")
            assert await ws.receive_str(timeout=5) == "PONG"
            sockets = await admin.good("GET", "/sockets")
            assert [s["channel"] for s in sockets] == [channel]
            await admin.good("POST", "/sockets/freeze", {"channel": channel})
            trader.post(admin.market, "BUY", "0.4", 10)
            await admin.good("GET", "/truth")
            await ws.send_str("PING")
            assert await ws.receive_str(timeout=5) == "PONG"
            await admin.good("POST", "/sockets/freeze", {"channel": channel, "frozen": False})
            trader.post(admin.market, "BUY", "0.41", 10)
            await admin.good("GET", "/truth")
            assert "0.41" in await ws.receive_str(timeout=5)
            assert (await admin.good("POST", "/sockets/drop", {}))["dropped"] == 1
            kind = (await ws.receive(timeout=5)).type
            assert kind in (aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.CLOSE,
                            aiohttp.WSMsgType.ERROR)  # fmt: skip


async def test_venue_cancel_with_free_text(tmp_path):
    async with desk() as admin:
        trader = admin.trader()
        order = trader.post(admin.market, "BUY", "0.4", 10)["orderID"]
        admin.world.drain()
        body = {"status": "INVALID", "text": "INVALID"}
        assert await admin.good("DELETE", f"/orders/{order}", body) == {"canceled": 1}
        assert admin.world.orders[order].status == "INVALID"


async def test_background_market_moves_books_and_conserves_money(tmp_path):
    config = LaunchConfig(venues=("polymarket",), virtual_start_ns=1_790_000_000 * 10**9)
    async with Launcher(config) as run:
        world = run.venues["polymarket"].world
        first = {m.slug: m.book.levels(0) for m in world.markets.values()}
        for _ in range(40):
            now_ns = run.clock.advance(200_000_000)
            run.market.step(now_ns)
            run.venues["polymarket"].tick(now_ns)
        moved = [s for s, m in ((m.slug, m) for m in world.markets.values())
                 if m.book.levels(0) != first[s]]  # fmt: skip
        assert len(moved) >= 20
        assert world.ledger.total() == world.ledger.minted
        for market in world.markets.values():
            locked = world.ledger.collateral.get(market.condition_id, 0)
            assert [world.ledger.supply(t) for t in market.tokens] == [locked, locked]
        assert len(world.orders) < 2000
        run.clock.advance(60 * 10**9)
        run.venues["polymarket"].tick(run.clock.now_ns())
        assert not world.trades, "finished trades among the crowd are forgotten"


async def test_playback_sets_the_books(tmp_path):
    async with desk() as admin:
        token = admin.market.tokens[0]
        path = tmp_path / "session.jsonl"
        rows = [{"ts_ns": 1 + step, "market": token, "bids": [[f"0.4{step}", "5"]], "asks": []}
                for step in range(3)]  # fmt: skip
        path.write_text("\n".join(json.dumps(row) for row in rows))
        url = admin.run.ready["admin"] + "/market/playback"
        async with admin.http.post(url, json={"venue": "polymarket", "path": str(path)}) as reply:
            assert reply.status == 200
        from simulators.market import Playback

        playback = Playback(admin.venue.market_port(), path, 0)
        playback.advance(10)
        assert admin.market.book.levels(0)[0] == [(420_000, 5 * ONE)]


@pytest.mark.parametrize("scenario", ["default", "calibrated"])
async def test_calibrated_hazard_leaves_fewer_fills(tmp_path, scenario):
    from simulators.polymarket.model import Refusal
    from simulators.scenario import CALIBRATED
    from tests.simulators.polymarket.kit import make_market, make_trader, make_world

    world = make_world()
    world.hazards = CALIBRATED if scenario == "calibrated" else world.hazards
    market, trader = make_market(world), make_trader(world, cash=100_000)
    filled = 0
    for _ in range(300):
        operations.quote(world, market, [], [(500_000, 20 * ONE)])
        try:
            trader.spend(market, "5", "10", "FAK")
            filled += 1
        except Refusal:
            continue
    expected = (60, 115) if scenario == "calibrated" else (300, 300)
    assert expected[0] <= filled <= expected[1], "29 % at a size ratio of 2"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"ports": "1,2"}, "expected clob,gamma,data,site"),
        ({"colour": "red"}, "allowed"),
        ({"cash": "much"}, "option cash: 'much' is not a decimal number"),
        ({"cash": -1}, "allowed is >= 0"),
        ({"tier": "Tin"}, "is not one of"),
    ],
)
async def test_wrong_options_do_not_half_start(options, words):
    config = LaunchConfig(venues=("polymarket",), options={"polymarket": options})
    with pytest.raises(ValueError, match=words):
        async with Launcher(config):
            pass
