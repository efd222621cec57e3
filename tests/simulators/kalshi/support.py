"""The venue without sockets for tests: time is a number the test moves."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from simulators.kalshi.app import Connection, HttpInput, HttpOutput, KalshiApp, Verdict
from simulators.kalshi.build import VenueSpec, build_app, default_accounts, key_id_of
from simulators.kalshi.router import PREFIX
from simulators.kalshi.units import NS_PER_MS, NS_PER_S

START_NS = 1_795_248_000 * NS_PER_S  # 2026-11-21T08:00:00Z, a Saturday
GAME = "KXNBAGAME-26NOV22BOSNYK-BOS"
OTHER = "KXNBAGAME-26NOV22BOSNYK-NYK"
SHARD0 = "KXGOVSHUT-26DEC16"
BTC = "KXBTCD-26NOV25-T100000"
FED = "KXFEDDECISION-26DEC08-H0"
QUICK = "KXQUICKSETTLE-26NOV21"
ORDERS = "/portfolio/events/orders"


@cache
def public_key():
    return Ed25519PrivateKey.generate().public_key()


@dataclass
class Venue:
    app: KalshiApp
    now_ns: int = START_NS
    client_ids: int = 0
    sockets: int = 0
    frames: dict[int, list[dict]] = field(default_factory=dict)

    @property
    def state(self):
        return self.app.state

    def after(self, seconds: float = 0.0, ms: int = 0) -> None:
        self.now_ns += int(seconds * NS_PER_S) + ms * NS_PER_MS
        self.app.exchange.advance(self.now_ns)
        self.collect()

    def key_id(self, who: str) -> str:
        return key_id_of(self.state.seed, who)

    def user_id(self, who: str) -> str:
        return self.app.core.keys.keys[self.key_id(who)].user_id

    def send(self, method, path, who="alice", query=None, body=None, raw=None) -> HttpOutput:
        key = self.app.core.keys.keys[self.key_id(who)] if who else None
        name = path.split("?")[0]
        text = raw if raw is not None else (b"" if body is None else json.dumps(body).encode())
        pairs = {k: v if isinstance(v, list) else [str(v)] for k, v in (query or {}).items()}
        headers = {"KALSHI-ACCESS-KEY": self.key_id(who)} if who else {}
        request = HttpInput(method, PREFIX + name, pairs, headers, text)
        route, _ = self.app._named(request)
        faults = self.app.faults.hit(route, self.key_id(who) if who else "")
        output = self.app.apply(request, self.now_ns, Verdict(key), faults)
        self.collect()
        return output

    def get(self, path, who="alice", **query):
        output = self.send("GET", path, who, query)
        assert output.status == 200, output
        return output.body

    def order(self, who="alice", ticker=GAME, side="bid", count="10.00", price="0.4700", **more):
        self.client_ids += 1
        body = {
            "ticker": ticker,
            "client_order_id": f"c-{self.client_ids}",
            "side": side,
            "count": count,
            "price": price,
            "time_in_force": "good_till_canceled",
            "self_trade_prevention_type": "taker_at_cross",
        } | more
        body = {key: value for key, value in body.items() if value is not None}
        return self.send("POST", ORDERS, who, body=body)

    def placed(self, *args, **kwargs) -> dict:
        output = self.order(*args, **kwargs)
        assert output.status == 201, output
        return output.body

    def operate(self, action, **body):
        result = self.app.operate(action, body, self.now_ns)
        self.collect()
        return result

    def connect(self, who="alice") -> int:
        self.sockets += 1
        self.app.faults.hit("ws:connect", self.key_id(who))
        opened = self.app.open_socket(
            self.sockets, Verdict(self.app.core.keys.keys[self.key_id(who)]), self.now_ns
        )
        assert isinstance(opened, Connection), opened
        self.frames[self.sockets] = []
        return self.sockets

    def command(self, socket: int, cmd: str, params=None, command_id=1) -> list[dict]:
        self.collect()
        before = len(self.frames[socket])
        row = {"id": command_id, "cmd": cmd}
        if params is not None:
            row["params"] = params
        self.app.command(socket, json.dumps(row), self.now_ns)
        self.collect()
        return self.frames[socket][before:]

    def subscribe(self, socket: int, *channels: str, command_id=1, **params) -> list[dict]:
        return self.command(socket, "subscribe", {"channels": list(channels)} | params, command_id)

    def collect(self) -> None:
        for number, frames in self.app.take_frames(self.now_ns).items():
            self.frames.setdefault(number, []).extend(frame.body for frame in frames)

    def news(self, socket: int) -> list[dict]:
        self.collect()
        found, self.frames[socket] = self.frames[socket], []
        return found

    def truth(self, who="alice") -> dict:
        return self.operate("truth")["accounts"][self.user_id(who)]

    def gap(self) -> int:
        return self.app.exchange.money_gap()


def make_venue(
    seed=7, tier="prestige", log_path: Path | None = None, scenario="quiet", faults=(), **switches
) -> Venue:
    spec = VenueSpec(seed, scenario, START_NS, default_accounts(tier), switches, list(faults))
    keys = {account.name: public_key() for account in spec.accounts}
    return Venue(build_app(spec, keys, log_path))
