"""What the tests of the local Polymarket share: a small world, a signer, a running venue."""

from __future__ import annotations

import json
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
from coincurve import PrivateKey

from simulators.clock import RealClock, VirtualClock
from simulators.polymarket import eip712, operations, orders
from simulators.polymarket.app import PolymarketVenue
from simulators.polymarket.auth import create_key, sign_request
from simulators.polymarket.catalogue import Account, open_account
from simulators.polymarket.keccak import keccak256, word
from simulators.polymarket.ledger import exchange_of
from simulators.polymarket.model import FeeTerms, Market
from simulators.polymarket.units import ONE, units
from simulators.polymarket.world import ApiKey, Event, World
from simulators.scenario import load_scenario
from simulators.venue import LaunchContext

START_NS = 1_790_000_000 * 10**9
S = 10**9
SPORTS = FeeTerms("sports_fees_v3", 50_000, 1, 150_000)


def make_market(world: World, number: int = 1, **changes: object) -> Market:
    event = Event(str(number), f"e{number}", f"Event {number}", "", START_NS, START_NS, "sports")
    version = changes.get("version", "v1")
    tokens = (str(10**76 + number * 2), str(10**76 + number * 2 + 1))
    condition = "0x" + f"{number:064x}"
    if version == "v2":
        stem = b"\x01" + keccak256(str(number).encode())[:18] + bytes(8) + b"\0\0\0\1"
        tokens = tuple(str(int.from_bytes(stem + bytes([side]), "big")) for side in (0, 1))
        condition = "0x" + stem.hex() + "00"
    values = {
        "gamma_id": str(1000 + number),
        "condition_id": condition,
        "question_id": "0x" + f"{number:064x}",
        "tokens": tokens,
        "outcomes": ("Yes", "No"),
        "question": f"Question {number}?",
        "slug": f"question-{number}",
        "description": "Rules.",
        "event_id": str(number),
        "start_ns": START_NS,
        "end_ns": START_NS + 86_400 * S,
        **changes,
    }
    market = Market(**values)  # type: ignore[arg-type] - test data
    world.add_market(event, market)
    return market


@dataclass
class Trader:
    """An account with its API key, able to sign."""

    world: World
    account: Account
    key: ApiKey
    salt: int = 0

    @property
    def wallet(self):
        return self.world.wallet(self.account.funder)

    def body(
        self,
        market: Market,
        side: str,
        price: object,
        size: object,
        order_type: str = "GTC",
        outcome: int = 0,
        **changes: object,
    ) -> dict:
        """Return the JSON of POST /order for a limit-built order."""
        p, s = units(price), units(size)
        dollars = p * s // ONE
        maker, taker = (dollars, s) if side == "BUY" else (s, dollars)
        return self.raw(market, side, maker, taker, order_type, outcome, **changes)

    def raw(
        self,
        market: Market,
        side: str,
        maker: int,
        taker: int,
        order_type: str = "GTC",
        outcome: int = 0,
        *,
        expiration: int = 0,
        post_only: bool = False,
        separator: bytes | None = None,
        secret: str | None = None,
        **fields: object,
    ) -> dict:
        self.salt += 1
        kind = self.account.signature_type
        signer = self.account.funder if kind == 3 else self.account.owner
        order = {
            "salt": self.salt,
            "maker": self.account.funder,
            "signer": signer,
            "tokenId": market.tokens[outcome],
            "makerAmount": str(maker),
            "takerAmount": str(taker),
            "side": side,
            "expiration": str(expiration),
            "signatureType": kind,
            "timestamp": str(self.world.now_ns // 10**6),
            "metadata": "0x" + "00" * 32,
            "builder": "0x" + "00" * 32,
            **fields,
        }
        domain = separator or separator_of(market)
        order["signature"] = sign_order(order, domain, secret or self.account.private_key)
        return {
            "deferExec": False,
            "order": order,
            "owner": self.key.key,
            "orderType": order_type,
            "postOnly": post_only,
        }

    def post(self, *args: object, **kwargs: object) -> dict:
        return orders.post_order(self.world, self.key, self.body(*args, **kwargs))

    def spend(self, market: Market, dollars: object, shares: object, order_type: str = "FAK",
              outcome: int = 0) -> dict:  # fmt: skip
        """Post a BUY that is signed in dollars."""
        body = self.raw(market, "BUY", units(dollars), units(shares), order_type, outcome)
        return orders.post_order(self.world, self.key, body)

    def events(self, kind: str = "") -> list[dict]:
        """Take everything out of the outbox and return this signer's user events."""
        mine = (self.key.address.lower(),)
        found = [e.payload for e in self.world.drain() if e.topic == "user" and e.keys == mine]
        return [e for e in found if not kind or e["event_type"] == kind]


def separator_of(market: Market, chain_id: int = 137) -> bytes:
    version = "3" if market.version == "v2" else "2"
    return eip712.domain_separator(exchange_of(market), version, chain_id)


def signed_order(order: dict, signature: str = "0x") -> eip712.SignedOrder:
    return eip712.SignedOrder(
        salt=order["salt"],
        maker=order["maker"],
        signer=order["signer"],
        token_id=int(order["tokenId"]),
        maker_amount=int(order["makerAmount"]),
        taker_amount=int(order["takerAmount"]),
        side=("BUY", "SELL").index(order["side"]),
        signature_type=order["signatureType"],
        timestamp=int(order["timestamp"]),
        metadata=bytes.fromhex(order["metadata"][2:]),
        builder=bytes.fromhex(order["builder"][2:]),
        signature=signature,
    )


def sign_digest(secret: str, digest: bytes) -> bytes:
    raw = PrivateKey(bytes.fromhex(secret[2:])).sign_recoverable(digest, hasher=None)
    return raw[:64] + bytes([raw[64] + 27])


def sign_order(order: dict, separator: bytes, secret: str) -> str:
    signed = signed_order(order)
    if order["signatureType"] != 3:
        return "0x" + sign_digest(secret, eip712.order_hash(signed, separator)).hex()
    contents = eip712.order_struct_hash(signed)
    kind = (
        "TypedDataSign(Order contents,string name,string version,uint256 chainId,"
        "address verifyingContract,bytes32 salt)" + eip712.ORDER_TYPE
    )
    struct = keccak256(
        keccak256(kind.encode())
        + contents
        + keccak256(b"DepositWallet")
        + keccak256(b"1")
        + word(137)
        + word(order["signer"])
        + word(0)
    )
    inner = sign_digest(secret, keccak256(b"\x19\x01" + separator + struct))
    tail = eip712.ORDER_TYPE.encode()
    return "0x" + (inner + separator + contents + tail + len(tail).to_bytes(2, "big")).hex()


def make_world(seed: int = 7, **switches: object) -> World:
    return World(seed, START_NS, switches)


def make_trader(world: World, name: str = "a", kind: int = 0, cash: int = 1000, *,
                approved: bool = True) -> Trader:  # fmt: skip
    account = open_account(world, kind, cash * ONE, approved=approved, name=name)
    return Trader(world, account, create_key(world, account.owner, 0))


def check_world(world: World) -> None:
    """The sums and orders that must hold at every moment."""
    ledger = world.ledger
    assert ledger.total() == ledger.minted
    for market in world.markets.values():
        locked = ledger.collateral.get(market.condition_id, 0)
        if market.payouts is None:
            assert [ledger.supply(token) for token in market.tokens] == [locked, locked]
        bid, ask = market.book.best(0)
        assert bid is None or ask is None or bid < ask, "the book is crossed"
        mirror = market.book.levels(1)
        assert mirror[0] == [(ONE - p, s) for p, s in market.book.levels(0)[1]]
        assert mirror[1] == [(ONE - p, s) for p, s in market.book.levels(0)[0]]
    for wallet in ledger.wallets.values():
        assert wallet.cash >= 0
        assert all(size > 0 for size in wallet.tokens.values())
        live = [o for o in world.orders.values() if o.wallet is wallet and o.status in
                ("LIVE", "DELAYED")]  # fmt: skip
        buys = [o for o in live if o.side == "BUY"]
        assert wallet.open_cash == sum(max(0, o.budget - o.given) for o in buys)
        for token in wallet.open_tokens:
            sells = [o for o in live if o.side == "SELL" and o.token == token]
            assert wallet.open_tokens[token] == sum(o.left for o in sells)


@dataclass
class Running:
    """A venue that listens, and one HTTP session."""

    venue: PolymarketVenue
    ready: dict
    http: aiohttp.ClientSession
    opened: list = field(default_factory=list)

    async def open(self, name: str) -> aiohttp.ClientWebSocketResponse:
        """Open a socket that is closed with the venue."""
        ws = await self.http.ws_connect(self.ready[name])
        self.opened.append(ws)
        return ws

    @property
    def world(self) -> World:
        return self.venue.world

    def headers(self, account: dict, method: str, path: str, body: str = "", stamp: int = 0):
        when = str(stamp or int(time.time()))
        return {
            "POLY_ADDRESS": account["address"],
            "POLY_API_KEY": account["api_key"],
            "POLY_PASSPHRASE": account["api_passphrase"],
            "POLY_TIMESTAMP": when,
            "POLY_SIGNATURE": sign_request(account["api_secret"], when, method, path, body),
        }

    async def ask(self, method: str, path: str, body: object = None, account: dict | None = None):
        """Send one request to the order book; return status, body and headers."""
        text = "" if body is None else json.dumps(body, separators=(",", ":"))
        bare = path.split("?")[0]
        headers = self.headers(account, method, bare, text) if account else {}
        async with self.http.request(
            method, self.ready["clob"] + path, data=text or None, headers=headers
        ) as answer:
            raw = await answer.text()
            try:
                value = json.loads(raw)
            except json.JSONDecodeError:
                value = raw
            return answer.status, value, answer.headers

    async def get(self, service: str, path: str):
        """Read from the catalogue or the data service."""
        async with self.http.get(self.ready[service] + path) as answer:
            return answer.status, await answer.json()

    def trader(self, index: int = 0) -> Trader:
        account = self.venue.accounts[index]
        key = self.world.keys[self.ready["accounts"][index]["api_key"]]
        return Trader(self.world, account, key)


@asynccontextmanager
async def running(
    tmp: Path,
    *,
    virtual: bool = False,
    start_ns: int = 0,
    faults=(),
    switches=None,
    scenario="quiet",
    options=None,
):
    now_ns = start_ns or time.time_ns()
    clock = VirtualClock(now_ns) if virtual else RealClock()
    context = LaunchContext(
        seed=7,
        scenario=load_scenario(scenario, now_ns),
        clock=clock,
        host="127.0.0.1",
        state=tmp,
        options=options or {},
        switches=switches or {},
        faults=list(faults),
    )
    venue = PolymarketVenue(context)
    ready = await venue.start()
    try:
        async with aiohttp.ClientSession() as http:
            run = Running(venue, ready, http)
            yield run
            for ws in run.opened:
                await ws.close()
    finally:
        await venue.stop()


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
