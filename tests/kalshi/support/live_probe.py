"""Talk to Kalshi's demo environment: read everything, rest one far order, cancel it.

Runs as a process of its own, because tests may reach loopback only. Prints one line per step.
"""

from __future__ import annotations

import asyncio
import sys
import time
import uuid

from adapters.common.outcome import Accepted
from adapters.common.transport import AiohttpTransport
from adapters.kalshi.books import YesBook
from adapters.kalshi.commands import CancelWish, Commands
from adapters.kalshi.config import environment
from adapters.kalshi.credentials import load_credential
from adapters.kalshi.http import KalshiHttp
from adapters.kalshi.netting import Gross
from adapters.kalshi.orders import Terms, Wish, build
from adapters.kalshi.protocol import BookReset, Channel
from adapters.kalshi.providers import KalshiInstrumentProvider
from adapters.kalshi.symbols import Leg
from adapters.kalshi.websocket import KalshiStream


def step(name: str, good: object) -> None:
    print(f"{'ok' if good else 'FAILED'} {name}", flush=True)
    if not good:
        sys.exit(1)


async def main() -> None:
    found = environment("demo")
    assert not found.real_money
    credential = load_credential("demo")
    transport = AiohttpTransport()
    http = KalshiHttp(
        rest_url=found.rest_url, transport=transport, clock_ns=time.time_ns, credential=credential
    )
    step("limits", (await http.load_limits()).write.refill_rate > 0)
    step("status", (await http.exchange_status()).exchange_active)
    step("balance", (await http.balance()).balance_dollars)
    step("freshness", abs(await http.user_data_ts_ns() - time.time_ns()) < 60 * 10**9)
    for name, read in (
        ("positions", http.positions),
        ("fills", http.fills),
        ("settlements", http.settlements),
    ):
        step(name, await read() is not None)
    quoted = []
    async for page in http.market_pages(status="open", mve_filter="exclude"):
        quoted += [m for m in page if m.yes_bid_dollars not in (None, "0.0000")]
        if quoted:
            break
    step("a quoted market", quoted)
    provider = KalshiInstrumentProvider(http, time.time_ns)
    ticker = quoted[0].ticker
    await provider.load_tickers([ticker])
    market = provider.markets[ticker]
    levels, book = await http.orderbook(ticker), YesBook()
    book.load(levels.yes_dollars or (), levels.no_dollars or (), yes_price=False)
    step("its book", book.best_bid < book.best_ask)
    events: list[object] = []
    stream = KalshiStream(
        name="live",
        url=found.ws_url,
        credential=credential,
        transport=transport,
        clock_ns=time.time_ns,
        on_event=lambda event, _: events.append(event),
        on_state=lambda _: None,
        idle_timeout_s=25,
    )
    stream.protocol.want(Channel.BOOK, [ticker])
    task = asyncio.create_task(stream.run())
    for _ in range(100):
        if any(isinstance(event, BookReset) for event in events):
            break
        await asyncio.sleep(0.1)
    step("its stream", any(isinstance(event, BookReset) for event in events))
    await stream.close()
    await task
    wish = Wish(f"live-{uuid.uuid4()}", Leg.YES, True, 10_000, 1_000_000, post_only=True)
    request = build(
        wish,
        Terms(ticker, market.grid, market.shard),
        held=Gross(0, 0),
        offered_u=0,
        now_ns=time.time_ns(),
    )
    commands = Commands(http, subaccount=0)
    (placed,) = await commands.create([request])
    step(f"a resting order ({placed})", isinstance(placed, Accepted))
    order_id = placed.value.order_id
    (gone,) = await commands.cancel([CancelWish(order_id, ticker, market.shard)])
    step(f"its cancel ({gone})", isinstance(gone, Accepted))
    await transport.close()


if __name__ == "__main__":
    asyncio.run(main())
