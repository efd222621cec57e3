"""Market data for Nautilus: thin hooks over feed, provider and parsing.

What is published is believed at that moment; the instant it is not, a lone CLEAR goes out and
`FeedHealth` says why.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine
from datetime import datetime
from pathlib import Path

from nautilus_trader.cache.cache import Cache
from nautilus_trader.common.component import LiveClock, MessageBus
from nautilus_trader.core.data import Data
from nautilus_trader.data.messages import (
    RequestBars,
    RequestInstrument,
    RequestInstruments,
    RequestOrderBookSnapshot,
    RequestTradeTicks,
    SubscribeData,
    SubscribeInstrument,
    SubscribeInstrumentClose,
    SubscribeInstruments,
    SubscribeInstrumentStatus,
    SubscribeOrderBook,
    SubscribeQuoteTicks,
    SubscribeTradeTicks,
    UnsubscribeData,
    UnsubscribeInstrument,
    UnsubscribeInstrumentClose,
    UnsubscribeInstruments,
    UnsubscribeInstrumentStatus,
    UnsubscribeOrderBook,
    UnsubscribeQuoteTicks,
    UnsubscribeTradeTicks,
)
from nautilus_trader.live.data_client import LiveMarketDataClient
from nautilus_trader.model.data import CustomData, DataType, OrderBookDeltas
from nautilus_trader.model.enums import MarketStatusAction
from nautilus_trader.model.identifiers import ClientId, InstrumentId
from nautilus_trader.model.instruments import BinaryOption

from adapters.common.errors import AdapterError
from adapters.common.frames import FrameTap
from adapters.polymarket import parsing
from adapters.polymarket.book_hash import Level
from adapters.polymarket.config import PolymarketDataClientConfig
from adapters.polymarket.feed import MarketFeed
from adapters.polymarket.hub import PolymarketHub
from adapters.polymarket.markets import Market
from adapters.polymarket.protocol import (
    BookChange,
    BookLost,
    BookSnapshot,
    Event,
    NewMarket,
    PublicTrade,
    Resolved,
    TickChange,
)
from adapters.polymarket.symbols import asset_id_of
from adapters.polymarket.websocket import MarketSocket
from messages.fills import FillReverted
from messages.health import FEED_HEALTH, FeedHealth

_NS = 1_000_000_000


class PolymarketDataClient(LiveMarketDataClient):
    """Polymarket's market data; needs no account.

    Parameters
    ----------
    hub : PolymarketHub
        Shared with the execution client, so that both obey one set of limits and both know the
        tick sizes the stream tells.
    """

    def __init__(
        self,
        *,
        loop: asyncio.AbstractEventLoop,
        client_id: ClientId,
        hub: PolymarketHub,
        msgbus: MessageBus,
        cache: Cache,
        clock: LiveClock,
        config: PolymarketDataClientConfig,
    ) -> None:
        super().__init__(
            loop=loop,
            client_id=client_id,
            venue=parsing.VENUE,
            msgbus=msgbus,
            cache=cache,
            clock=clock,
            instrument_provider=hub.provider,
            config=config,
        )
        self._hub = hub
        self._config = config
        self._provider = hub.provider
        self._ts_last = 0
        self._deltas: Counter[str] = Counter()
        self._quotes: Counter[str] = Counter()
        self._trades: Counter[str] = Counter()
        self._statuses: dict[str, MarketStatusAction | None] = {}
        self._closes: dict[str, bool] = {}
        self._tops: dict[str, tuple[Level, Level]] = {}
        self._health_sent: tuple[object, ...] = ()
        self._tap = FrameTap(Path(config.tap_path)) if config.tap_path else None
        self.feed = MarketFeed(
            clob=hub.clob,
            new_socket=self._new_socket,
            clock_ns=clock.timestamp_ns,
            on_events=self._on_events,
            on_health=self._publish_health,
            spawn=lambda name, work: self._spawn(work, name),
            quiet_check_s=config.quiet_check_s,
            hash_check=config.hash_check,
        )
        self._handlers: dict[type, Callable[..., None]] = {
            BookSnapshot: self._on_snapshot,
            BookChange: self._on_change,
            BookLost: self._on_book_lost,
            PublicTrade: self._on_trade,
            TickChange: self._on_tick_change,
            Resolved: self._on_resolved,
            NewMarket: self._on_new_market,
        }

    def _new_socket(self, name: str, on_events: Callable[[list[Event]], None]) -> MarketSocket:
        return MarketSocket(
            name=name,
            transport=self._hub.transport,
            url=f"{self._hub.hosts.ws}/market",
            clock_ns=self._clock.timestamp_ns,
            on_events=on_events,
            on_health=self._publish_health,
            tap=self._tap,
        )

    # -- connection

    async def _connect(self) -> None:
        self._hub.join()
        await self._hub.measure_clock()
        await self._provider.initialize()
        for instrument in self._provider.list_all():
            self._handle_data(instrument)
        self._provider.watch(self._on_instrument)
        for reason in list(self._provider.refused.values())[:3]:
            self._log.info(f"Not an instrument: {reason}")
        self._spawn(self.feed.run_repairs(), "repairs")
        self._spawn(self.feed.run_freeze_watch(), "freeze watch")
        self._spawn(self._watch_resolutions(), "resolutions")
        if self._config.refresh_interval_s > 0:
            self._spawn(self._refresh(), "refresh")

    async def _disconnect(self) -> None:
        await self.feed.close()
        self._provider.unwatch(self._on_instrument)
        if self._tap is not None:
            self._tap.close()
        await self._hub.leave()

    def _ts(self) -> int:
        """Return a strictly increasing receive time: catalogs and replays depend on it."""
        self._ts_last = max(self._ts_last + 1, self._clock.timestamp_ns())
        return self._ts_last

    def _spawn(self, work: Coroutine[object, object, None], name: str) -> None:
        self.create_task(self._guarded(work, name), log_msg=name)

    async def _guarded(self, work: Coroutine[object, object, None], name: str) -> None:
        try:
            await work
        except AdapterError as exc:
            self._log.error(f"{name}: {exc}")

    # -- events of the feed

    def _on_events(self, events: list[Event]) -> None:
        for event in events:
            handler = self._handlers.get(type(event))
            if handler is not None:
                handler(event)

    def _on_snapshot(self, event: BookSnapshot) -> None:
        self._hub.ticks.stream_whole(event.asset_id, whole=True)
        if event.asset_id in self._deltas:
            self._handle_data(parsing.snapshot_deltas(event, self._ts()))
        self._on_top(event.asset_id, event.ts_event_ns)

    def _on_change(self, event: BookChange) -> None:
        if event.asset_id in self._deltas:
            self._handle_data(parsing.change_deltas(event, self._ts()))
        self._on_top(event.asset_id, event.ts_event_ns)

    def _on_book_lost(self, event: BookLost) -> None:
        self._hub.ticks.stream_whole(event.asset_id, whole=False)
        self._tops.pop(event.asset_id, None)
        if event.asset_id in self._deltas:
            ts_ns = self._ts()
            self._handle_data(parsing.clear_deltas(event.asset_id, ts_ns, ts_ns))

    def _on_top(self, asset_id: str, ts_event_ns: int) -> None:
        if asset_id not in self._quotes:
            return
        book = self.feed.book(asset_id)
        top = book.top() if book is not None and book.is_live else None
        if top is None or top == self._tops.get(asset_id):
            return
        self._tops[asset_id] = top
        self._handle_data(parsing.quote_tick(asset_id, top, ts_event_ns, self._ts()))

    def _on_trade(self, event: PublicTrade) -> None:
        if event.asset_id in self._trades:
            tick = parsing.trade_tick(event, self._ts())
            if tick is not None:
                self._handle_data(tick)

    def _on_tick_change(self, event: TickChange) -> None:
        self._log.info(f"Tick size of {event.asset_id}: {event.old} -> {event.new}")
        self._hub.set_tick(event.asset_id, event.new)

    def _on_resolved(self, event: Resolved) -> None:
        market = self._provider.market_of_condition(event.market)
        if market is not None:
            self._spawn(self._resolve([market.condition_id]), "resolution")

    def _on_new_market(self, event: NewMarket) -> None:
        if self._config.new_markets:
            self._log.info(f"New market {event.slug}: {event.question}")

    def _on_instrument(self, instrument: BinaryOption) -> None:
        self._handle_data(instrument)
        market = self._provider.market(instrument.raw_symbol.value)
        if market is not None:
            self.feed.update_terms(market)
            self._announce(market)

    # -- state of markets

    def _announce(self, market: Market) -> None:
        action = _status(market, market.condition_id in self._hub.resolved)
        for asset_id in market.asset_ids:
            if asset_id in self._statuses and self._statuses[asset_id] != action:
                self._statuses[asset_id] = action
                reason = market.resolution_status or market.slug
                self._handle_data(parsing.instrument_status(asset_id, action, reason, self._ts()))

    async def _refresh(self) -> None:
        while True:
            await asyncio.sleep(self._config.refresh_interval_s)
            try:
                await self._provider.load_conditions(self._watched_conditions())
            except AdapterError as exc:
                self._log.warning(f"Refresh of markets failed: {exc}")

    async def _watch_resolutions(self) -> None:
        while True:
            await asyncio.sleep(self._config.resolve_poll_s)
            now_ns = self._clock.timestamp_ns()
            due = [
                condition_id
                for condition_id in self._watched_conditions()
                if self._may_have_ended(condition_id, now_ns)
            ]
            if due:
                try:
                    await self._resolve(due)
                except AdapterError as exc:
                    self._log.warning(f"Could not ask for resolutions: {exc}")

    def _watched_conditions(self) -> list[str]:
        assets = set(self.feed.assets()) | set(self._statuses) | set(self._closes)
        markets = (self._provider.market(asset_id) for asset_id in assets)
        return sorted({m.condition_id for m in markets if m is not None})

    def _may_have_ended(self, condition_id: str, now_ns: int) -> bool:
        market = self._provider.market_of_condition(condition_id)
        if market is None:
            return False
        ended = market.closed or not market.accepting_orders or 0 < market.end_ns <= now_ns
        return ended or 0 < market.game_start_ns <= now_ns

    async def _resolve(self, condition_ids: list[str]) -> None:
        for condition_id, values in (await self._hub.resolutions(condition_ids)).items():
            market = self._provider.market_of_condition(condition_id)
            if market is None:
                continue
            self._announce(market)
            for asset_id, value in zip(market.asset_ids, values, strict=True):
                if self._closes.get(asset_id) is False:
                    self._closes[asset_id] = True
                    self._handle_data(parsing.instrument_close(asset_id, value, self._ts()))

    # -- health

    def _publish_health(self) -> None:
        """Publish the feed's state if it differs from what was published last."""
        health = self._health_message()
        told = (health.state, health.bad, health.reason)
        if told != self._health_sent:
            self._health_sent = told
            self._handle_data(CustomData(FEED_HEALTH, health))

    def _health_message(self) -> FeedHealth:
        monitors = self.feed.monitors()
        ts_ns = self._ts()
        return FeedHealth(
            venue=self.venue.value,
            feed="market-data",
            state=self.feed.state().value,
            bad=tuple(sorted(asset_id for m in monitors for asset_id in m.bad)),
            reason=next((m.reason for m in monitors if m.reason), ""),
            gaps=sum(m.gaps for m in monitors),
            reconnects=sum(m.reconnects for m in monitors),
            ts_last_frame_ns=max((m.ts_last_frame_ns for m in monitors), default=0),
            ts_event=ts_ns,
            ts_init=ts_ns,
        )

    # -- subscriptions

    async def _market_of(self, instrument_id: InstrumentId) -> tuple[str, Market] | None:
        """Return token and market, loading the market if need be; None after saying why not."""
        try:
            asset_id = asset_id_of(instrument_id.value)
            if self._provider.market(asset_id) is None:
                await self._provider.load_ids_async([instrument_id])
        except AdapterError as exc:
            self._log.error(f"Cannot use {instrument_id}: {exc}")
            return None
        market = self._provider.market(asset_id)
        return None if market is None else (asset_id, market)

    async def _join(self, table: Counter[str], instrument_id: InstrumentId) -> str | None:
        found = await self._market_of(instrument_id)
        if found is None:
            return None
        asset_id, market = found
        table[asset_id] += 1
        fresh = await self.feed.subscribe(asset_id, market.book_terms)
        return None if fresh else asset_id

    async def _leave(self, table: Counter[str], instrument_id: InstrumentId) -> None:
        asset_id = asset_id_of(instrument_id.value)
        if asset_id not in table:
            return
        table[asset_id] -= 1
        if table[asset_id] <= 0:
            del table[asset_id]
        if await self.feed.unsubscribe(asset_id):
            self._hub.ticks.stream_whole(asset_id, whole=False)

    async def _subscribe(self, command: SubscribeData) -> None:
        if command.data_type.type is FeedHealth:
            self._handle_data(CustomData(FEED_HEALTH, self._health_message()))
        elif command.data_type.type is not FillReverted:  # published by the execution client
            self._log.error(
                f"Cannot subscribe to {command.data_type}: FeedHealth and FillReverted are offered"
            )

    async def _unsubscribe(self, command: UnsubscribeData) -> None:
        """Nothing to undo: the bus stops delivering."""

    async def _subscribe_instruments(self, command: SubscribeInstruments) -> None:
        """Changed instruments are always published."""

    async def _unsubscribe_instruments(self, command: UnsubscribeInstruments) -> None:
        """Changed instruments are always published."""

    async def _subscribe_instrument(self, command: SubscribeInstrument) -> None:
        await self._market_of(command.instrument_id)

    async def _unsubscribe_instrument(self, command: UnsubscribeInstrument) -> None:
        """Changed instruments are always published."""

    async def _subscribe_order_book_deltas(self, command: SubscribeOrderBook) -> None:
        asset_id = await self._join(self._deltas, command.instrument_id)
        book = self.feed.book(asset_id) if asset_id else None
        if asset_id is not None and book is not None and book.is_live:
            # Streamed already for somebody else: start from the book as it stands.
            snapshot = BookSnapshot(
                asset_id, tuple(book.bids()), tuple(book.asks()), book.ts_event_ns
            )
            self._handle_data(parsing.snapshot_deltas(snapshot, self._ts()))

    async def _unsubscribe_order_book_deltas(self, command: UnsubscribeOrderBook) -> None:
        await self._leave(self._deltas, command.instrument_id)

    async def _subscribe_quote_ticks(self, command: SubscribeQuoteTicks) -> None:
        asset_id = await self._join(self._quotes, command.instrument_id)
        book = self.feed.book(asset_id) if asset_id else None
        if asset_id is not None and book is not None:
            self._tops.pop(asset_id, None)
            self._on_top(asset_id, book.ts_event_ns)

    async def _unsubscribe_quote_ticks(self, command: UnsubscribeQuoteTicks) -> None:
        await self._leave(self._quotes, command.instrument_id)

    async def _subscribe_trade_ticks(self, command: SubscribeTradeTicks) -> None:
        await self._join(self._trades, command.instrument_id)

    async def _unsubscribe_trade_ticks(self, command: UnsubscribeTradeTicks) -> None:
        await self._leave(self._trades, command.instrument_id)

    async def _subscribe_instrument_status(self, command: SubscribeInstrumentStatus) -> None:
        found = await self._market_of(command.instrument_id)
        if found is not None:
            asset_id, market = found
            self._statuses[asset_id] = None
            self._announce(market)

    async def _unsubscribe_instrument_status(self, command: UnsubscribeInstrumentStatus) -> None:
        self._statuses.pop(asset_id_of(command.instrument_id.value), None)

    async def _subscribe_instrument_close(self, command: SubscribeInstrumentClose) -> None:
        found = await self._market_of(command.instrument_id)
        if found is not None:
            asset_id, market = found
            self._closes[asset_id] = False
            if market.closed:
                await self._guarded(self._resolve([market.condition_id]), "resolution")

    async def _unsubscribe_instrument_close(self, command: UnsubscribeInstrumentClose) -> None:
        self._closes.pop(asset_id_of(command.instrument_id.value), None)

    # -- requests

    async def _request_instrument(self, request: RequestInstrument) -> None:
        await self._market_of(request.instrument_id)
        instrument = self._provider.find(request.instrument_id)
        if instrument is None:
            self._log.error(f"Cannot find {request.instrument_id}")
            return
        self._handle_instrument(instrument, request.id, request.start, request.end, request.params)

    async def _request_instruments(self, request: RequestInstruments) -> None:
        self._handle_instruments(
            self.venue,
            self._provider.list_all(),
            request.id,
            request.start,
            request.end,
            request.params,
        )

    async def _request_order_book_snapshot(self, request: RequestOrderBookSnapshot) -> None:
        found: list[Data] = []
        try:
            book = await self._hub.clob.book(asset_id_of(request.instrument_id.value))
            found.append(parsing.rest_book_deltas(book, self._ts()))
        except AdapterError as exc:
            self._log.error(f"Cannot read the book of {request.instrument_id}: {exc}")
        data_type = DataType(OrderBookDeltas, metadata={"instrument_id": request.instrument_id})
        self._handle_data_response(
            data_type, found, request.id, request.start, request.end, request.params
        )

    async def _request_trade_ticks(self, request: RequestTradeTicks) -> None:
        ticks: list[Data] = []
        try:
            ticks = await self._read_trades(request)
        except AdapterError as exc:
            self._log.error(f"Cannot read the trades of {request.instrument_id}: {exc}")
        self._handle_trade_ticks(
            request.instrument_id, ticks, request.id, request.start, request.end, request.params
        )

    async def _read_trades(self, request: RequestTradeTicks) -> list[Data]:
        found = await self._market_of(request.instrument_id)
        if found is None:
            return []
        asset_id, market = found
        params = [("condition_id", market.condition_id), ("start", _seconds(request.start, "1"))]
        if request.end is not None:
            params.append(("end", _seconds(request.end, "")))
        rows = [r for r in await self._hub.data_api.trades(params) if r.token_id == asset_id]
        ticks = (parsing.rest_trade_tick(row, self._ts()) for row in rows)
        in_order = sorted((t for t in ticks if t is not None), key=lambda t: t.ts_event)
        return in_order[-request.limit :] if request.limit else in_order

    async def _request_bars(self, request: RequestBars) -> None:
        self._log.error(
            f"Cannot request {request.bar_type}: the venue has price points, not bars; "
            "aggregate trades instead"
        )
        self._handle_bars(
            request.bar_type, [], request.id, request.start, request.end, request.params
        )


def _status(market: Market, resolved: bool) -> MarketStatusAction:
    if resolved:
        return MarketStatusAction.NOT_AVAILABLE_FOR_TRADING
    if market.closed:
        return MarketStatusAction.CLOSE
    if market.active and market.accepting_orders:
        return MarketStatusAction.TRADING
    return MarketStatusAction.HALT


def _seconds(moment: datetime | None, default: str) -> str:
    return default if moment is None else str(int(moment.timestamp()))
