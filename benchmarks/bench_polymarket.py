"""Speed of the Polymarket adapter, side by side with the SDK and Nautilus's bundled adapter.

``./run python -m benchmarks.bench_polymarket`` prints a table. Everything is measured in one run on
one machine; ``best`` is what the code costs when the machine does nothing else, ``ratio`` compares
best times.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import msgspec
from aiohttp import web
from nautilus_trader.adapters.polymarket.common.parsing import parse_polymarket_instrument
from nautilus_trader.adapters.polymarket.schemas.book import PolymarketQuotes
from nautilus_trader.model.data import BookOrder, OrderBookDelta
from nautilus_trader.model.enums import BookAction, OrderSide
from py_clob_client_v2.order_utils.exchange_order_builder_v2 import ExchangeOrderBuilderV2
from py_clob_client_v2.order_utils.model.order_data_v2 import OrderV2
from py_clob_client_v2.order_utils.model.side import Side
from py_clob_client_v2.order_utils.model.signature_type_v2 import SignatureTypeV2
from py_clob_client_v2.signer import Signer

from adapters.common.transport import AiohttpTransport, HttpRequest
from adapters.polymarket.amounts import taker_buy_amounts
from adapters.polymarket.book_hash import BookTerms, Level, book_hash
from adapters.polymarket.constants import SignatureType
from adapters.polymarket.http import ClobClient, order_body
from adapters.polymarket.parsing import change_deltas
from adapters.polymarket.protocol import BookChange, MarketProtocol
from adapters.polymarket.rest import RestClient, make_limiter
from adapters.polymarket.signing import STANDARD, ApiKey, ApiSecret, OrderFields, OrderSigner

D = Decimal
KEY = "0x" + "11" * 32
SECRET = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
TOKEN = "72690798903588392269001731007662425920353908498880709179939493847828858696064"
MARKET = "0xdd22472e552920b8438158ea7238bfadfa4f736aa4cee91a6b86c39ead110917"


def measure(call: Callable[[], object], calls: int, batches: int = 21) -> tuple[float, float]:
    """Return best and p50 in microseconds per call over batches of ``calls``."""
    call()
    times = []
    gc.disable()
    for _ in range(batches):
        start = time.perf_counter_ns()
        for _ in range(calls):
            call()
        times.append((time.perf_counter_ns() - start) / calls / 1000)
    gc.enable()
    times.sort()
    return times[0], times[len(times) // 2]


def order_fields() -> OrderFields:
    return OrderFields(
        salt=479249096354,
        token_id=TOKEN,
        maker_amount=5_000_000,
        taker_amount=10_000_000,
        side="BUY",
        timestamp_ms=1_760_000_000_000,
    )


def sdk_sign() -> Callable[[], object]:
    builder = ExchangeOrderBuilderV2(STANDARD.contract, 137, Signer(KEY, 137))
    ours = OrderSigner(KEY)
    fields = order_fields()
    order = OrderV2(
        salt=str(fields.salt),
        maker=ours.maker,
        signer=ours.signer,
        tokenId=TOKEN,
        makerAmount=str(fields.maker_amount),
        takerAmount=str(fields.taker_amount),
        side=Side.BUY,
        signatureType=SignatureTypeV2.EOA,
        timestamp=str(fields.timestamp_ms),
        metadata=fields.metadata,
        builder=fields.builder,
        expiration="0",
    )

    def call() -> tuple[str, str]:
        typed = builder.build_order_typed_data(order)
        return builder.build_order_hash(typed), builder.build_order_signature(typed)

    return call


def frames(levels: int) -> tuple[MarketProtocol, list[bytes]]:
    """Return a protocol with a book and true changes of it: best prices and hashes agree."""
    terms = BookTerms(MARKET, "5", "0.01", False)
    bids = {n: "100" for n in range(1, levels + 1)}
    asks = {n: "100" for n in range(99, 99 - levels, -1)}

    def printed(side: dict[int, str], *, down: bool) -> list[Level]:
        return [Level(f"{n / 100:g}", side[n]) for n in sorted(side, reverse=down)]

    def digest(ts: str) -> str:
        return book_hash(
            terms, asset_id=TOKEN, timestamp=ts, bids=printed(bids, down=False),
            asks=printed(asks, down=True), last_trade_price="",
        )  # fmt: skip

    protocol = MarketProtocol()
    protocol.subscribe(TOKEN, terms)
    first = {
        "market": MARKET, "asset_id": TOKEN, "timestamp": "1790000000000",
        "hash": digest("1790000000000"), "event_type": "book", "last_trade_price": "",
        "bids": [level._asdict() for level in printed(bids, down=False)],
        "asks": [level._asdict() for level in printed(asks, down=True)],
    }  # fmt: skip
    protocol.receive(msgspec.json.encode(first), 1)
    found = []
    for n in range(400):
        ts, price = str(1_790_000_000_001 + n), 1 + n % levels
        bids[price] = str(100 + n)
        entry = {
            "asset_id": TOKEN, "price": f"{price / 100:g}", "size": bids[price], "side": "BUY",
            "hash": digest(ts), "best_bid": f"{max(bids) / 100:g}",
            "best_ask": f"{min(asks) / 100:g}",
        }  # fmt: skip
        other = entry | {"asset_id": "1", "side": "SELL", "price": f"{1 - price / 100:g}"}
        found.append(
            msgspec.json.encode(
                {
                    "market": MARKET, "price_changes": [entry, other], "timestamp": ts,
                    "event_type": "price_change",
                }
            )
        )  # fmt: skip
    return protocol, found


def ours_frame_to_deltas(levels: int, *, verify: bool) -> Callable[[], object]:
    protocol, found = frames(levels)
    if not verify:  # what parsing alone costs
        protocol._end_group = lambda *_: None
    position = 0

    def call() -> object:
        nonlocal position
        events = protocol.receive(found[position % len(found)], position)
        position += 1
        changes = [e for e in events if isinstance(e, BookChange)]
        assert changes
        return change_deltas(changes[0], position)

    return call


def bundled_frame_to_deltas() -> Callable[[], object]:
    """Decode and convert one price change as the bundled adapter does; it verifies nothing."""
    _, found = frames(20)
    info = {
        "condition_id": MARKET, "question": "q", "minimum_tick_size": "0.01",
        "minimum_order_size": "5", "end_date_iso": "2027-01-01T00:00:00Z",
        "maker_base_fee": "0", "taker_base_fee": "0",
    }  # fmt: skip
    instrument = parse_polymarket_instrument(info, TOKEN, "Yes", 0)
    decoder = msgspec.json.Decoder(PolymarketQuotes)
    position = 0

    def call() -> object:
        nonlocal position
        quotes = decoder.decode(found[position % len(found)])
        position += 1
        deltas = []
        for quote in quotes.price_changes:
            order = BookOrder(
                OrderSide.BUY if quote.side.value == "BUY" else OrderSide.SELL,
                instrument.make_price(float(quote.price)),
                instrument.make_qty(float(quote.size)),
                0,
            )
            deltas.append(
                OrderBookDelta(instrument.id, BookAction.UPDATE, order, 0, 0, position, position)
            )
        return deltas

    return call


async def submit_latency() -> list[tuple[str, float, float]]:
    """Return the time of a POST through everything we do, and of the bare transport."""
    replies = web.Application()
    body = b""

    async def accept(request: web.Request) -> web.Response:
        await request.read()
        return web.Response(body=body, content_type="application/json")

    replies.router.add_post("/order", accept)
    runner = web.AppRunner(replies)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    transport = AiohttpTransport()
    signer = OrderSigner(KEY)
    rest = RestClient(
        base_url=url, transport=transport, limiter=make_limiter(lambda: time.time_ns() * 1_000_000)
    )
    clob = ClobClient(
        rest,
        signer=signer,
        api_key=ApiKey("key", ApiSecret(SECRET), "pass"),
        clock_s=lambda: int(time.time()),
    )

    def build() -> tuple[dict[str, object], str]:
        amounts = taker_buy_amounts(D("0.52"), D(10), D("0.01"))
        fields = OrderFields(
            salt=time.time_ns() % 2**53,
            token_id=TOKEN,
            maker_amount=amounts.maker,
            taker_amount=amounts.taker,
            side="BUY",
            timestamp_ms=time.time_ns() // 1_000_000,
        )
        signed = signer.sign_order(fields, STANDARD)
        found = order_body(signed, owner="key", order_type="FAK", post_only=False, expiration_s=0)
        return found, signed.order_hash

    async def full() -> None:
        nonlocal body
        found, order_id = build()
        reply = {"success": True, "errorMsg": "", "orderID": order_id, "status": "live"}
        body = msgspec.json.encode(reply)
        await clob.post_orders([found], [order_id])

    payload = msgspec.json.encode(build()[0])

    async def floor() -> None:
        await transport.send(HttpRequest("POST", f"{url}/order", {}, payload))

    rows = []
    for name, call in (
        ("floor: bare POST on loopback", floor),
        ("submit: build, sign, POST", full),
    ):
        times = []
        for _ in range(600):
            start = time.perf_counter_ns()
            await call()
            times.append((time.perf_counter_ns() - start) / 1000)
        times.sort()
        rows.append((name, times[len(times) // 20], times[len(times) // 2]))
    await transport.close()
    await runner.cleanup()
    return rows


def main() -> None:
    ours = OrderSigner(KEY)
    wallet = OrderSigner(KEY, signature_type=SignatureType.DEPOSIT_WALLET, funder="0x" + "34" * 20)
    fields = order_fields()
    groups: list[list[tuple[str, float, float]]] = [
        [
            (
                "order hash + signature, EOA",
                *measure(lambda: ours.sign_order(fields, STANDARD), 200),
            ),
            (
                "  deposit wallet (type 3)",
                *measure(lambda: wallet.sign_order(fields, STANDARD), 200),
            ),
            ("  py-clob-client-v2, EOA", *measure(sdk_sign(), 10)),
        ],
        [
            ("frame to deltas, 20 levels", *measure(ours_frame_to_deltas(20, verify=False), 400)),
            ("  with hash verification", *measure(ours_frame_to_deltas(20, verify=True), 400)),
            ("  with it, 45 levels a side", *measure(ours_frame_to_deltas(45, verify=True), 400)),
            ("  bundled adapter, unverified", *measure(bundled_frame_to_deltas(), 400)),
        ],
        asyncio.run(submit_latency()),
    ]
    print(f"{'':<34}{'best us':>10}{'p50 us':>10}{'ratio':>8}")
    for group in groups:
        base = group[0][1]
        for name, best, p50 in group:
            print(f"{name:<34}{best:>10.1f}{p50:>10.1f}{best / base:>8.2f}")


if __name__ == "__main__":
    main()
