"""Kalshi: what a frame, a signature and a submit cost beside their floors, in one run.

Run: ``./run python benchmarks/bench_kalshi.py``. Only ratios travel between machines.
"""

from __future__ import annotations

import asyncio
import json
import random
import statistics
import time
from base64 import b64encode
from decimal import Decimal

import msgspec
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from nautilus_trader.model.book import OrderBook
from nautilus_trader.model.enums import BookType

from adapters.common.outcome import classify
from adapters.common.transport import HttpRequest, HttpResponse
from adapters.kalshi import parsing, replies
from adapters.kalshi.credentials import Credential
from adapters.kalshi.http import KalshiHttp, encode
from adapters.kalshi.netting import Gross
from adapters.kalshi.orders import Terms, Wish, build
from adapters.kalshi.protocol import Channel, StreamProtocol
from adapters.kalshi.schemas import ws
from adapters.kalshi.signing import auth_headers, sign
from adapters.kalshi.symbols import Leg
from core.money import PriceGrid, TickBand

FRAMES = 60_000


def frames() -> list[bytes]:
    draw, book, out = random.Random(1), {p: 500 for p in range(20, 48)}, []
    for seq in range(2, FRAMES + 2):
        price = draw.choice(list(book))
        change = draw.randint(-book[price] + 1, 400)
        book[price] += change
        out.append(
            json.dumps(
                {
                    "type": "orderbook_delta",
                    "sid": 1,
                    "seq": seq,
                    "msg": {
                        "market_ticker": "KXNBAGAME-26NOV22BOSNYK-BOS",
                        "market_id": "00000000-0000-4000-8000-00000000d001",
                        "price_dollars": f"{price / 100:.4f}",
                        "delta_fp": f"{change / 100:.2f}",
                        "side": "yes",
                        "ts": "2026-06-11T06:29:47.354803Z",
                        "ts_ms": 1781159387354,
                    },
                }
            ).encode()
        )
    return out


def protocol() -> StreamProtocol:
    made = StreamProtocol()
    made.want(Channel.BOOK, ["KXNBAGAME-26NOV22BOSNYK-BOS"])
    made.opened()
    made.receive(b'{"type":"subscribed","id":1,"msg":{"channel":"orderbook_delta","sid":1}}')
    levels = [[f"{p / 100:.4f}", "5.00"] for p in range(20, 48)]
    made.receive(
        json.dumps(
            {
                "type": "orderbook_snapshot",
                "sid": 1,
                "seq": 1,
                "msg": {"market_ticker": "KXNBAGAME-26NOV22BOSNYK-BOS", "yes_dollars_fp": levels},
            }
        ).encode()
    )
    return made


def best_of(runs: int, work) -> float:
    return min(_timed(work) for _ in range(runs))


def _timed(work) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def bench_frames() -> None:
    data, decoder = frames(), msgspec.json.Decoder(ws.Frame)

    def floor() -> None:
        for frame in data:
            decoder.decode(frame)

    def decoded() -> None:
        made = protocol()
        for frame in data:
            made.receive(frame)

    def cached() -> None:
        made = protocol()
        ticker = "KXNBAGAME-26NOV22BOSNYK-BOS"
        book = OrderBook(parsing.instrument_id(ticker, Leg.YES), BookType.L2_MBP)
        for frame in data:
            for event in made.receive(frame):
                book.apply_deltas(parsing.change_deltas(event, Leg.YES, 1, 1))

    base = best_of(3, floor)
    for name, work in (
        ("decode (floor)", floor),
        ("protocol", decoded),
        ("to Nautilus book", cached),
    ):
        took = best_of(3, work)
        print(f"{name:<22}{FRAMES / took / 1000:>9.0f} k frames/s {took / base:>7.2f} × floor")


def bench_signing() -> None:
    payload = b"1781159360866POST/trade-api/v2/portfolio/events/orders"
    floor = best_of(3, lambda: [b64encode(payload) for _ in range(2_000)]) / 2_000
    keys = {
        "ed25519": (Ed25519PrivateKey.generate(), 2_000),
        "rsa 2048": (rsa.generate_private_key(public_exponent=65537, key_size=2048), 100),
    }
    costs = {}
    for name, (key, count) in keys.items():
        costs[name] = (
            best_of(3, lambda k=key, n=count: [sign(k, payload) for _ in range(n)]) / count
        )
        print(f"sign {name:<17}{costs[name] * 1e6:>9.1f} µs {costs[name] / floor:>13.0f} × base64")
    print(f"{'rsa / ed25519':<22}{costs['rsa 2048'] / costs['ed25519']:>9.1f} ×")


class Sink:
    """A transport that answers at once: what remains is our own work."""

    reply = HttpResponse(
        201,
        json.dumps(
            {
                "order_id": "00000000-0000-4000-8000-00000000b001",
                "client_order_id": "c-1",
                "fill_count": "0.00",
                "remaining_count": "10.00",
                "ts_ms": 1781159360866,
            }
        ).encode(),
    )

    async def send(self, _: HttpRequest) -> HttpResponse:
        """Answer with an acknowledgement."""
        return self.reply

    async def close(self) -> None:
        """Nothing is open."""


async def bench_submit() -> None:
    """Frame in to request bytes out, against decode + sign + encode alone."""
    key = Ed25519PrivateKey.generate()
    http = KalshiHttp(
        rest_url="http://127.0.0.1/trade-api/v2",
        transport=Sink(),
        clock_ns=time.time_ns,
        credential=Credential("key", key),
    )
    http.limiter.ensure("write:2", 1e9, 1e9)
    http._write_figures = (1e9, 1e9)
    grid = PriceGrid((TickBand(Decimal(0), Decimal(1), Decimal("0.01")),))
    terms = Terms("KXNBAGAME-26NOV22BOSNYK-BOS", grid, 2)
    data, decoder, made = frames()[:3_000], msgspec.json.Decoder(ws.Frame), protocol()
    floors, ours = [], []
    for number, frame in enumerate(data):
        start = time.perf_counter_ns()
        decoder.decode(frame)
        auth_headers("key", key, "POST", "/trade-api/v2/portfolio/events/orders", 1781159360866)
        msgspec.json.encode({"ticker": "K", "side": "bid", "count": "10.00", "price": "0.4700"})
        middle = time.perf_counter_ns()
        made.receive(frame)
        wish = Wish(f"c-{number}", Leg.YES, True, 470_000, 10_000_000)
        request = build(wish, terms, held=Gross(0, 0), offered_u=0, now_ns=1)
        attempt = await http.create_order(encode(request), shard=2)
        classify(1, attempt, read=replies.read_create, refused=replies.create_refused)
        ours.append(time.perf_counter_ns() - middle)
        floors.append(middle - start)
    floor, own = statistics.median(floors), statistics.median(ours)
    print(f"{'submit floor':<22}{floor / 1000:>9.1f} µs p50")
    print(f"{'frame to request':<22}{own / 1000:>9.1f} µs p50 {own / floor:>9.2f} × floor")


if __name__ == "__main__":
    bench_frames()
    bench_signing()
    asyncio.run(bench_submit())
