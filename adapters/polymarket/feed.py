"""Books of any number of tokens: sockets of at most 200 assets, repairs, freeze detection.

No Nautilus here: events go to one callback, in order, as the protocol produced them.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from typing import Final

from adapters.common.errors import AdapterError, VenueRefusal
from adapters.common.health import FeedMonitor, FeedState
from adapters.polymarket.book import AssetBook
from adapters.polymarket.book_hash import BookTerms
from adapters.polymarket.http import ClobClient
from adapters.polymarket.markets import Market
from adapters.polymarket.protocol import BookLost, BookSnapshot, Event, Refetch
from adapters.polymarket.schemas.clob import Book
from adapters.polymarket.websocket import MarketSocket

_NS: Final = 1_000_000_000
_RETRY_S: Final = 2.0
_COMPARE_MAX: Final = 200


class MarketFeed:
    """Public market data of the tokens somebody wants.

    Parameters
    ----------
    on_events : callable
        Receives events in order; `Refetch` is handled here and not passed on.
    on_health : callable
        Called after every change of state.
    spawn : callable
        Starts a task that is cancelled with the client.
    quiet_check_s : float
        Silence after which a book is compared with REST.
    """

    def __init__(
        self,
        *,
        clob: ClobClient,
        new_socket: Callable[[str, Callable[[list[Event]], None]], MarketSocket],
        clock_ns: Callable[[], int],
        on_events: Callable[[list[Event]], None],
        on_health: Callable[[], None],
        spawn: Callable[[str, Coroutine[object, object, None]], None],
        quiet_check_s: float = 30.0,
        hash_check: bool = True,
    ) -> None:
        self._clob = clob
        self._new_socket = new_socket
        self._clock_ns = clock_ns
        self._on_events = on_events
        self._on_health = on_health
        self._spawn = spawn
        self._quiet_ns = int(quiet_check_s * _NS)
        self._hash_check = hash_check
        self._sockets: list[MarketSocket] = []
        self._socket_of: dict[str, MarketSocket] = {}
        self._wanted: Counter[str] = Counter()
        self._repairs: dict[str, str] = {}
        self._wake = asyncio.Event()
        self.repaired = 0
        self.repair_failures = 0

    # -- subscriptions ----------------------------------------------------------------------------

    async def subscribe(self, asset_id: str, terms: BookTerms) -> bool:
        """Want a token; return False when it was wanted already."""
        self._wanted[asset_id] += 1
        if asset_id in self._socket_of:
            return False
        socket = next((s for s in self._sockets if s.room > 0), None)
        if socket is None:
            socket = self._new_socket(f"market-{len(self._sockets)}", self._take)
            socket.protocol.hash_check = self._hash_check
            self._sockets.append(socket)
            self._spawn(f"polymarket {socket.monitor.feed}", socket.stream.run())
        self._socket_of[asset_id] = socket
        await socket.subscribe(asset_id, terms)
        return True

    async def unsubscribe(self, asset_id: str) -> bool:
        """Want a token once less; return True when nobody wants it any more."""
        self._wanted[asset_id] -= 1
        if self._wanted[asset_id] > 0:
            return False
        del self._wanted[asset_id]
        socket = self._socket_of.pop(asset_id, None)
        self._repairs.pop(asset_id, None)
        if socket is not None:
            await socket.unsubscribe(asset_id)
        return True

    def assets(self) -> list[str]:
        """Return the tokens wanted."""
        return list(self._socket_of)

    def book(self, asset_id: str) -> AssetBook | None:
        """Return the token's book as it stands, believed or not."""
        socket = self._socket_of.get(asset_id)
        return socket.protocol.book(asset_id) if socket else None

    def update_terms(self, market: Market) -> None:
        """Adopt metadata that changed after the subscription."""
        for asset_id in market.asset_ids:
            socket = self._socket_of.get(asset_id)
            if socket is not None:
                socket.protocol.update_terms(asset_id, market.book_terms)

    def is_live(self, asset_id: str) -> bool:
        """Tell whether the token has a book that may be believed."""
        book = self.book(asset_id)
        return book is not None and book.is_live

    def counts(self) -> Counter[str]:
        """Return what all sockets saw, by name."""
        total: Counter[str] = Counter(repaired=self.repaired, repair_failures=self.repair_failures)
        for socket in self._sockets:
            total.update(socket.protocol.counts)
            total["reconnects"] += socket.monitor.reconnects
            total["protocol_errors"] += socket.monitor.protocol_errors
        return total

    def monitors(self) -> list[FeedMonitor]:
        """Return the state of every socket."""
        return [socket.monitor for socket in self._sockets]

    def state(self) -> FeedState:
        """Return the worst state of all sockets."""
        order = [FeedState.DOWN, FeedState.CONNECTING, FeedState.RECOVERING, FeedState.GOOD]
        return min((s.monitor.state for s in self._sockets), key=order.index, default=order[0])

    # -- events -----------------------------------------------------------------------------------

    def _take(self, events: list[Event]) -> None:
        passed: list[Event] = []
        changed = False
        for event in events:
            if isinstance(event, Refetch):
                self._ask(event.asset_id, event.reason)
                continue
            if isinstance(event, BookLost):
                self._monitor(event.asset_id, event.reason)
                changed = True
            elif isinstance(event, BookSnapshot):
                changed = self._mark_whole(event.asset_id) or changed
            passed.append(event)
        if passed:
            self._on_events(passed)
        if changed:
            self._on_health()

    def _monitor(self, asset_id: str, reason: str) -> None:
        socket = self._socket_of.get(asset_id)
        if socket is not None:
            socket.monitor.spoiled(asset_id, reason)

    def _mark_whole(self, asset_id: str) -> bool:
        socket = self._socket_of.get(asset_id)
        if socket is None or asset_id not in socket.monitor.bad:
            return False
        socket.monitor.repaired(asset_id)
        return True

    def _ask(self, asset_id: str, reason: str) -> None:
        if asset_id in self._socket_of:
            self._repairs.setdefault(asset_id, reason)
            self._wake.set()

    # -- repairs ----------------------------------------------------------------------------------

    async def run_repairs(self) -> None:
        """Ask REST for the books that are missing or doubted, all of them in one call."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            asked = list(self._repairs)
            if not asked:
                continue
            self._repairs.clear()
            books = await self._read(asked)
            answered = {book.asset_id for book in books}
            for book in books:
                socket = self._socket_of.get(book.asset_id)
                if socket is not None:
                    self.repaired += 1
                    self._apply(socket, book)
            if len(answered) < len(asked):
                await asyncio.sleep(_RETRY_S)
                for asset_id in asked:
                    if asset_id not in answered and not self.is_live(asset_id):
                        self._ask(asset_id, "not answered")

    def _apply(self, socket: MarketSocket, book: Book) -> None:
        try:
            events = socket.protocol.load(book, self._clock_ns())
        except AdapterError:
            self.repair_failures += 1
            self._ask(book.asset_id, "unreadable book")
            return
        self._take(events)

    async def _read(self, asset_ids: Sequence[str]) -> list[Book]:
        try:
            if len(asset_ids) == 1:
                return [await self._clob.book(asset_ids[0])]
            return await self._clob.books(asset_ids)
        except VenueRefusal as refusal:
            if refusal.status != 404:
                self.repair_failures += 1
            return []
        except AdapterError:
            self.repair_failures += 1
            return []

    async def run_freeze_watch(self) -> None:
        """Compare quiet books with REST: a socket can stay open, answer PONG, and say nothing."""
        while True:
            await asyncio.sleep(max(1.0, self._quiet_ns / _NS / 3))
            for socket in list(self._sockets):
                if socket.stream.connected:
                    await self._compare_quiet(socket)

    async def _compare_quiet(self, socket: MarketSocket) -> None:
        quiet = socket.protocol.quiet_assets(self._clock_ns(), self._quiet_ns)[:_COMPARE_MAX]
        if not quiet:
            return
        frozen_before = socket.protocol.counts["frozen"]
        for book in await self._read(quiet):
            try:
                events = socket.protocol.compare(book, self._clock_ns())
            except AdapterError:
                self.repair_failures += 1
                continue
            self._take(events)
        if socket.protocol.counts["frozen"] > frozen_before:
            socket.redial("the stream is frozen")

    async def close(self) -> None:
        """Close every socket."""
        for socket in self._sockets:
            await socket.stream.close()
