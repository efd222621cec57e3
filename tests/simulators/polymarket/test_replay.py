"""The log replays: same requests, same replies."""

from __future__ import annotations

import json

import pytest

from simulators.market import BackgroundMarket
from simulators.polymarket.replay import replay
from tests.simulators.polymarket.kit import START_NS, S, running

pytestmark = pytest.mark.asyncio
FATES = {"fail_per_mille": 600, "mined_ms_min": 500, "mined_ms_max": 900}


async def session(tmp_path, faults=()):
    """Trade a little with everything that is logged, and return the log."""
    log = tmp_path / "log.jsonl"
    async with running(tmp_path, options={"log": str(log)}, faults=faults) as venue:
        books, account = venue.venue.market_port(), venue.ready["accounts"][0]
        market = next(m for m in venue.world.markets.values() if not m.seconds_delay)
        ref = next(r for r in books.markets() if r.key == market.tokens[0])
        trader = venue.trader()
        for step in range(5):
            now_ns = venue.venue.clock.now_ns()
            books.quote(ref.key, [(ref.fair - ref.step, ref.step * 900)],
                        [(ref.fair + (step + 1) * ref.step, ref.step * 800)], now_ns)  # fmt: skip
            books.take(ref.key, "ask", ref.step, ref.step * 500, now_ns)
            body = trader.body(market, "BUY", "0.6", 10)
            await venue.ask("POST", "/order", body, account)
            await venue.ask("POST", "/order", body, account)
            await venue.ask("GET", f"/book?token_id={ref.key}")
            await venue.ask("GET", "/data/trades", None, account)
            await venue.ask("GET", "/balance-allowance?asset_type=COLLATERAL", None, account)
            await venue.get("gamma", "/markets/keyset?limit=3")
            await venue.get("data", f"/v2/positions?user={account['funder']}")
        await venue.ask("DELETE", "/cancel-all", None, account)
        await venue.ask("POST", "/v1/heartbeats", {"heartbeat_id": ""}, account)
    return log


async def test_a_log_repeats_answer_by_answer(tmp_path):
    log = await session(tmp_path)
    assert len(log.read_text().splitlines()) > 40
    assert replay(log) == []


async def test_a_log_with_faults_repeats(tmp_path):
    rules = [
        {"scope": "POST /order", "at": [2, 5], "kind": "accept_then_5xx"},
        {"scope": "POST /order", "at": [3], "kind": "reject"},
    ]
    assert replay(await session(tmp_path, rules)) == []


async def test_a_changed_log_shows_the_difference(tmp_path):
    log = await session(tmp_path)
    rows = log.read_text().splitlines()
    for index, line in enumerate(rows):
        row = json.loads(line)
        if row.get("route") == "GET /book":
            row["reply"]["hash"] = "0" * 40
            rows[index] = json.dumps(row)
            break
    log.write_text("\n".join(rows))
    found = replay(log)
    assert [item.route for item in found] == ["GET /book"]


async def test_a_foreign_log_is_refused(tmp_path):
    path = tmp_path / "other.jsonl"
    path.write_text('{"log": 1, "venue": "kalshi"}\n')
    with pytest.raises(ValueError, match="expected 'polymarket'"):
        replay(path)


async def script(tmp_path):
    """Ask one sequence of requests at one exchange time after another; return every answer."""
    answers = []
    faults = [{"scope": "* /order", "probability": 0.3, "kind": "accept_then_5xx"}]
    options = {"virtual": True, "start_ns": START_NS, "faults": faults}
    async with running(tmp_path, switches=FATES, **options) as venue:
        account, trader = venue.ready["accounts"][0], venue.trader()
        books, tick = venue.venue.market_port(), venue.venue.tick
        market = next(m for m in venue.world.markets.values() if not m.seconds_delay)
        flow = BackgroundMarket(7, {"polymarket": books})
        for step in range(12):
            now_ns = venue.venue.clock.advance(S)
            flow.step(now_ns)
            tick(now_ns)
            price = ("0.4", "0.7")[step % 2]
            order = trader.body(market, "BUY", price, 6)
            asked = [
                ("POST", "/order", order),
                ("GET", f"/book?token_id={market.tokens[0]}", None),
                ("GET", "/data/orders", None),
                ("GET", "/data/trades", None),
                ("GET", "/balance-allowance?asset_type=COLLATERAL", None),
                ("DELETE", "/cancel-all", None),
            ]
            for method, path, body in asked:
                status, answer, _ = await venue.ask(method, path, body, account)
                answers.append((path, status, answer))
    return answers


async def test_same_requests_same_replies(tmp_path):
    first, second = await script(tmp_path), await script(tmp_path)
    assert first == second
    statuses = {status for path, status, _ in first if path == "/order"}
    assert statuses == {200, 503}, "faults hit, and hit the same requests"
    states = {t["status"] for path, _, page in first if path == "/data/trades"
              for t in page["data"]}  # fmt: skip
    assert {"CONFIRMED", "FAILED"} <= states
