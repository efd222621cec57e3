"""A small signing client for tests of the sockets."""

from __future__ import annotations

import base64
import json
import time
import uuid
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
from cryptography.hazmat.primitives import serialization

from simulators.launcher import LaunchConfig, Launcher


class Client:
    def __init__(self, run: Launcher, account: int = 1) -> None:
        part = run.ready["kalshi"]
        self.run = run
        self.rest, self.ws_url = part["rest"], part["ws"]
        self.key_id = part["accounts"][account]["key_id"]
        pem = Path(part["accounts"][account]["private_key_path"]).read_bytes()
        self._private = serialization.load_pem_private_key(pem, None)
        self.http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10))

    def headers(self, method: str, path: str, timestamp: int | None = None) -> dict[str, str]:
        stamp = str(timestamp or time.time_ns() // 10**6)
        signature = self._private.sign(f"{stamp}{method}{path}".encode())
        return {
            "KALSHI-ACCESS-KEY": self.key_id,
            "KALSHI-ACCESS-TIMESTAMP": stamp,
            "KALSHI-ACCESS-SIGNATURE": base64.b64encode(signature).decode(),
        }

    async def call(self, method, path, body=None, **query):
        url = self.rest + path
        headers = self.headers(method, urlsplit(url).path)
        async with self.http.request(
            method, url, headers=headers, json=body, params=query
        ) as response:
            text = await response.text()
            return response.status, json.loads(text) if text else None

    async def order(self, ticker, **fields):
        body = {
            "ticker": ticker,
            "client_order_id": str(uuid.uuid4()),
            "side": "bid",
            "count": "10.00",
            "price": "0.4700",
            "time_in_force": "good_till_canceled",
            "self_trade_prevention_type": "taker_at_cross",
        } | fields
        return await self.call("POST", "/portfolio/events/orders", body)

    async def connect(self, **options):
        headers = self.headers("GET", "/trade-api/ws/v2")
        return await self.http.ws_connect(self.ws_url, headers=headers, **options)

    def plan(self, *rules) -> None:
        self.run.venues["kalshi"].faults.extend(rules)

    def operate(self, action, **body):
        venue = self.run.venues["kalshi"]
        result = venue.app.operate(action, body, self.run.clock.now_ns())
        venue.flush()
        return result

    def truth(self):
        accounts = self.operate("truth")["accounts"]
        return next(row for row in accounts.values() if self.key_id in row["key_ids"])

    @property
    def tickers(self):
        return self.run.ready["kalshi"]["tickers"]


@asynccontextmanager
async def running(account: int = 1, scenario: str = "quiet", faults=(), **switches):
    config = LaunchConfig(
        venues=("kalshi",),
        scenario=scenario,
        options={"kalshi": {"tier": "prestige"}},
        switches={"kalshi": switches},
        faults={"kalshi": list(faults)},
    )
    async with Launcher(config) as run:
        client = Client(run, account)
        try:
            yield client
        finally:
            await client.http.close()


async def subscribe(ws, *channels, command_id=1, **params):
    params = {"channels": list(channels)} | params
    await ws.send_json({"id": command_id, "cmd": "subscribe", "params": params})
    return [await ws.receive_json(timeout=5) for _ in channels]
