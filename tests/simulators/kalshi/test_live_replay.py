"""A log of a live run (real clock, real sockets, faults) plays again without a difference."""

from __future__ import annotations

import pytest

from simulators.kalshi.__main__ import main
from simulators.kalshi.replay import replay
from simulators.launcher import LaunchConfig, Launcher
from tests.simulators.kalshi.client import Client, subscribe

FAULTS = [
    {"kind": "accept_then_5xx", "scope": "POST *", "every": 4},
    {"kind": "rate_limit", "scope": "POST *", "every": 5},
    {"kind": "drop", "scope": "ws:orderbook_delta", "every": 6},
    {"kind": "duplicate", "scope": "ws:fill", "every": 2},
]


@pytest.mark.asyncio
async def test_a_live_log_replays(tmp_path, capsys):
    config = LaunchConfig(
        venues=("kalshi",),
        step_ms=20,
        state=tmp_path,
        options={"kalshi": {"tier": "prestige", "log": True}},
        switches={"kalshi": {"read_lag_ms_max": 50}},
        faults={"kalshi": FAULTS},
    )
    async with Launcher(config) as run:
        client = Client(run)
        ws = await client.connect()
        await subscribe(ws, "orderbook_delta", market_tickers=client.tickers[:3])
        await subscribe(ws, "fill", "user_orders", "ticker", command_id=2)
        for n in range(20):
            await client.order(client.tickers[n % 3], price=f"0.{40 + n}", count="3")
            await client.call("GET", "/portfolio/orders")
            await client.call("GET", "/portfolio/balance")
        await client.http.get(client.rest + "/portfolio/orders")
        async with client.http.patch(
            run.ready["admin"] + "/switches", json={"kalshi": {"fok_failure": "error_400"}}
        ) as response:
            assert response.status == 200
        async with client.http.post(
            run.ready["admin"] + "/kalshi/settle",
            json={"ticker": client.tickers[0], "result": "yes"},
        ) as response:
            assert response.status == 200
        await client.order(client.tickers[1], time_in_force="fill_or_kill", count="900000")
        await ws.close()
        await client.http.close()
    path = tmp_path / "kalshi.log.jsonl"
    found = replay(path)
    assert found.entries > 100
    assert found.frames > 50
    assert found.differences == []
    assert "KALSHI-ACCESS-SIGNATURE" not in path.read_text().upper()
    assert main([str(path)]) == 0
    assert "0 differences" in capsys.readouterr().out


def test_command_refuses_what_is_no_log(tmp_path, capsys):
    path = tmp_path / "x"
    path.write_text("{}")
    assert main([str(path)]) == 2
    assert main([str(tmp_path / "missing")]) == 2
    assert capsys.readouterr().err.count("\n") == 2
