"""The market feed against the local venue: frozen streams, cut sockets, new ticks, lost frames."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator

import pytest
import pytest_asyncio

from adapters.polymarket.config import PolymarketDataClientConfig, hosts
from adapters.polymarket.feed import MarketFeed
from adapters.polymarket.hub import PolymarketHub
from adapters.polymarket.protocol import BookLost, BookSnapshot, Event, TickChange
from adapters.polymarket.websocket import MarketSocket
from tests.polymarket.support.simulator import Simulator


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    folder = tmp_path_factory.mktemp("venue")
    with Simulator(folder, seed=4, more=("--scenario", "quiet")) as found:
        yield found


class Listener:
    """A feed with everything it said."""

    def __init__(self, simulator: Simulator) -> None:
        config = PolymarketDataClientConfig(**simulator.urls)
        self.hub = PolymarketHub(hosts(config), clock_ns=time.time_ns)
        self.events: list[Event] = []
        self.tasks: list[asyncio.Task[None]] = []
        self.feed = MarketFeed(
            clob=self.hub.clob,
            new_socket=self.socket,
            clock_ns=time.time_ns,
            on_events=self.events.extend,
            on_health=lambda: None,
            spawn=self.spawn,
            quiet_check_s=1.5,
        )

    def socket(self, name: str, on_events: Callable[[list[Event]], None]) -> MarketSocket:
        return MarketSocket(
            name=name,
            transport=self.hub.transport,
            url=f"{self.hub.hosts.ws}/market",
            clock_ns=time.time_ns,
            on_events=on_events,
            on_health=lambda: None,
        )

    def spawn(self, name: str, work) -> None:  # type: ignore[no-untyped-def]
        self.tasks.append(asyncio.get_running_loop().create_task(work, name=name))

    async def open(self, tokens: list[str]) -> None:
        self.hub.join()
        await self.hub.provider.load_assets(tokens)
        self.spawn("repairs", self.feed.run_repairs())
        self.spawn("freeze watch", self.feed.run_freeze_watch())
        for token in tokens:
            await self.feed.subscribe(token, self.hub.provider.market(token).book_terms)
        await self.until(lambda: all(self.feed.is_live(t) for t in tokens))

    async def close(self) -> None:
        await self.feed.close()
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        await self.hub.leave()

    async def until(self, condition: Callable[[], bool], seconds: float = 15.0) -> None:
        async with asyncio.timeout(seconds):
            while not condition():  # noqa: ASYNC110 - events arrive in a plain list
                await asyncio.sleep(0.02)

    def seen(self) -> Counter[str]:
        return Counter(type(e).__name__ for e in self.events)


@pytest_asyncio.fixture
async def listener(simulator: Simulator) -> AsyncIterator[Listener]:
    found = Listener(simulator)
    await found.open(simulator.venue["tokens"][:4])
    yield found
    await found.close()


async def tell(simulator: Simulator, path: str, body: object) -> None:
    await asyncio.to_thread(simulator.post, path, body)


def levels(token: str, bid: str, ask: str) -> dict[str, object]:
    return {"token": token, "bids": [[bid, "40"]], "asks": [[ask, "50"]]}


@pytest.mark.asyncio
async def test_changes_arrive_and_verify(simulator: Simulator, listener: Listener) -> None:
    token = simulator.venue["tokens"][0]
    await tell(simulator, "/polymarket/book", levels(token, "0.31", "0.37"))
    book = listener.feed.book(token)
    await listener.until(lambda: str(book.best_bid()) == "0.31" and str(book.best_ask()) == "0.37")
    await listener.until(lambda: listener.feed.counts()["verified"] > 0)
    counts = listener.feed.counts()
    assert counts["hash_mismatch"] == counts["best_bid_ask_mismatch"] == 0
    other = listener.feed.book(simulator.venue["tokens"][1])
    assert (str(other.best_bid()), str(other.best_ask())) == ("0.63", "0.69"), "the mirror"


@pytest.mark.asyncio
async def test_a_silent_freeze_is_found_and_the_socket_replaced(
    simulator: Simulator, listener: Listener
) -> None:
    token = simulator.venue["tokens"][2]
    await tell(simulator, "/polymarket/sockets/freeze", {"channel": "market", "frozen": True})
    try:
        await tell(simulator, "/polymarket/book", levels(token, "0.21", "0.27"))
        book = listener.feed.book(token)
        await listener.until(lambda: str(book.best_bid()) == "0.21")
        assert listener.feed.counts()["frozen"] >= 1
        assert listener.seen()["BookLost"] >= 1
    finally:
        await tell(simulator, "/polymarket/sockets/freeze", {"channel": "market", "frozen": False})
    await listener.until(lambda: listener.feed.counts()["reconnects"] >= 1)
    await listener.until(lambda: listener.feed.is_live(token))


@pytest.mark.asyncio
async def test_a_cut_socket_withdraws_the_books_and_comes_back(
    simulator: Simulator, listener: Listener
) -> None:
    tokens = simulator.venue["tokens"][:4]
    await tell(simulator, "/polymarket/sockets/drop", {"channel": "market"})
    await listener.until(lambda: listener.seen()["BookLost"] >= 4)
    lost = [e.asset_id for e in listener.events if isinstance(e, BookLost)]
    assert set(lost) == set(tokens)
    await listener.until(lambda: all(listener.feed.is_live(t) for t in tokens))
    last = {e.asset_id: type(e) for e in listener.events if isinstance(e, BookSnapshot | BookLost)}
    assert set(last.values()) == {BookSnapshot}


@pytest.mark.asyncio
async def test_a_finer_tick_is_told_and_the_book_read_again(
    simulator: Simulator, listener: Listener
) -> None:
    token = simulator.venue["tokens"][0]
    condition = listener.hub.provider.market(token).condition_id
    path = f"/polymarket/markets/{condition}"
    await asyncio.to_thread(simulator.patch, path, {"tick_size": "0.001"})
    await listener.until(lambda: any(isinstance(e, TickChange) for e in listener.events))
    event = next(e for e in listener.events if isinstance(e, TickChange))
    assert str(event.new) == "0.001"
    await listener.until(lambda: listener.feed.repaired >= 1)
    await tell(simulator, "/polymarket/book", levels(token, "0.311", "0.377"))
    book = listener.feed.book(token)
    await listener.until(lambda: str(book.best_bid()) == "0.311")
    await listener.until(lambda: book.group is None)
    assert listener.feed.counts()["best_bid_ask_mismatch"] == 0
