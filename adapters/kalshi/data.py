"""Market data for Nautilus: thin hooks over provider, stream and parsing.

A market's two instruments share one venue book. What is published is believed by the protocol at
that moment; the instant it is not, a lone CLEAR goes out for each subscribed leg, and
``FeedHealth`` says why.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
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

from adapters.common.errors import AdapterError
from adapters.common.frames import FrameTap
from adapters.common.transport import WsTransport
from adapters.kalshi import lifecycle, parsing
from adapters.kalshi.books import YesBook
from adapters.kalshi.config import KalshiDataClientConfig
from adapters.kalshi.credentials import Credential
from adapters.kalshi.history import History, whole
from adapters.kalshi.http import KalshiHttp
from adapters.kalshi.lifecycle import Session
from adapters.kalshi.markets import KalshiMarket
from adapters.kalshi.protocol import (
    BookBad,
    BookChange,
    BookReset,
    Channel,
    CommandFailed,
    Event,
)
from adapters.kalshi.providers import KalshiInstrumentProvider
from adapters.kalshi.schemas import ws
from adapters.kalshi.symbols import Leg
from adapters.kalshi.websocket import KalshiStream
from messages.health import FEED_HEALTH, FeedHealth

_STATUS = {
    Session.BEFORE: MarketStatusAction.PRE_OPEN,
    Session.TRADING: MarketStatusAction.TRADING,
    Session.HALTED: MarketStatusAction.HALT,
    Session.CLOSED: MarketStatusAction.CLOSE,
    Session.SETTLED: MarketStatusAction.NOT_AVAILABLE_FOR_TRADING,
}
_NS = 1_000_000_000


class KalshiDataClient(LiveMarketDataClient):
    """Kalshi's market data.

    Parameters
    ----------
    http : KalshiHttp
        Shared with the execution client of the same key, so that both obey one budget.
    credential : Credential, optional
        Without one only requests work: the venue's stream wants a key.
    """

    def __init__(
        self,
        *,
        loop: asyncio.AbstractEventLoop,
        client_id: ClientId,
        http: KalshiHttp,
        transport: WsTransport,
        ws_url: str,
        credential: Credential | None,
        msgbus: MessageBus,
        cache: Cache,
        clock: LiveClock,
        provider: KalshiInstrumentProvider,
        config: KalshiDataClientConfig,
    ) -> None:
        super().__init__(
            loop=loop,
            client_id=client_id,
            venue=parsing.VENUE,
            msgbus=msgbus,
            cache=cache,
            clock=clock,
            instrument_provider=provider,
            config=config,
        )
        self._http = http
        self._config = config
        self._provider = provider
        self._ts_last = 0
        self._history = History(http, provider, self._ts)
        self._books: dict[str, dict[Leg, None]] = {}
        self._quotes: dict[str, dict[Leg, None]] = {}
        self._trades: dict[str, dict[Leg, None]] = {}
        self._tops: dict[str, tuple[int, int, int, int]] = {}
        self._statuses: dict[str, dict[Leg, None]] = {}
        self._sessions: dict[str, Session] = {}
        self._closes: dict[str, dict[Leg, None]] = {}
        self._closed: set[str] = set()
        self._wants: dict[Channel, dict[str, None]] = {}
        self._health_sent: tuple[object, ...] = ()
        self._opened = asyncio.Event()
        self._tap = FrameTap(Path(config.tap_path)) if config.tap_path else None
        self.stream: KalshiStream | None = None
        if credential is not None:
            self.stream = KalshiStream(
                name="market-data",
                url=ws_url,
                credential=credential,
                transport=transport,
                clock_ns=clock.timestamp_ns,
                on_event=self._on_event,
                on_state=self._on_state,
                idle_timeout_s=config.idle_timeout_s,
                resync_timeout_s=config.resync_timeout_s,
                tap=self._tap,
            )

    # -- connection

    async def _connect(self) -> None:
        if self._http.has_credential:
            await self._http.load_limits()
        await self._provider.initialize()
        for instrument in self._provider.list_all():
            self._handle_data(instrument)
        self.create_task(self._maintain(), log_msg="maintain")
        if self.stream is None:
            self._log.warning("No API key: requests only, the stream needs a key")
            return
        self.stream.protocol.want(Channel.LIFECYCLE)
        self.create_task(self.stream.run(), log_msg="stream")
        await self.stream.wait_open(self._opened)

    async def _disconnect(self) -> None:
        if self.stream is not None:
            await self.stream.close()
        await self._http.close()
        if self._tap is not None:
            self._tap.close()

    def _ts(self, now_ns: int | None = None) -> int:
        """Return a strictly increasing receive time: catalogs and replays depend on it."""
        self._ts_last = max(self._ts_last + 1, now_ns or self._clock.timestamp_ns())
        return self._ts_last

    def _on_state(self, connected: bool) -> None:
        if connected:
            self._opened.set()
            self._spawn(self._catch_up(), "catch-up")
        else:
            self._log.warning(f"Stream lost: {self.stream.health.reason}")
        self._publish_health()

    def _spawn(self, work: Coroutine[object, object, None], name: str) -> None:
        self.create_task(self._guarded(work, name), log_msg=name)

    async def _guarded(self, work: Coroutine[object, object, None], name: str) -> None:
        try:
            await work
        except AdapterError as exc:
            self._log.error(f"{name}: {exc}")

    async def _catch_up(self) -> None:
        """Read what the lifecycle stream may have told while nobody listened."""
        for market in await self._provider.refresh():
            self._publish_market(market)

    async def _maintain(self) -> None:
        """Announce silent openings and closings; refresh metadata now and then."""
        refreshed_ns = self._clock.timestamp_ns()
        every_ns = int(self._config.refresh_interval_s * _NS)
        while True:
            await asyncio.sleep(1.0)
            now_ns = self._clock.timestamp_ns()
            for ticker in self._statuses:
                market = self._provider.markets.get(ticker)
                if market is not None:
                    self._announce(market, now_ns)
            if every_ns and now_ns - refreshed_ns >= every_ns:
                refreshed_ns = now_ns
                await self._guarded(self._catch_up(), "refresh")

    # -- events of the stream

    def _on_event(self, event: Event, now_ns: int) -> None:
        if isinstance(event, BookChange):
            self._on_change(event, now_ns)
        elif isinstance(event, (BookReset, BookBad)):
            self._on_book(event, now_ns)
        elif isinstance(event, ws.TradeMsg):
            for leg in self._trades.get(event.market_ticker, ()):
                tick = parsing.trade_tick(event, leg, self._ts(now_ns))
                if tick is not None:
                    self._handle_data(tick)
        elif isinstance(event, ws.LifecycleMsg):
            self._on_lifecycle(event)
        elif isinstance(event, ws.EventFeeMsg):
            self._spawn(self._reload_event(event.event_ticker), "fee update")
        elif isinstance(event, CommandFailed):
            self._log.error(f"{event.command} refused: {event.code} {event.text}")

    def _on_change(self, event: BookChange, now_ns: int) -> None:
        ts_event = now_ns if event.ts_ms is None else event.ts_ms * 1_000_000
        for leg in self._books.get(event.ticker, ()):
            self._handle_data(parsing.change_deltas(event, leg, ts_event, self._ts(now_ns)))
        if event.ticker in self._quotes:
            self._on_top(event.ticker, ts_event, now_ns)

    def _on_book(self, event: BookReset | BookBad, now_ns: int) -> None:
        good = isinstance(event, BookReset)
        for leg in self._books.get(event.ticker, ()):
            ts_init = self._ts(now_ns)
            deltas = (
                parsing.book_deltas(event, leg, now_ns, ts_init)
                if good
                else parsing.clear_deltas(event.ticker, leg, now_ns, ts_init)
            )
            self._handle_data(deltas)
        self._tops.pop(event.ticker, None)
        if good and event.ticker in self._quotes:
            self._on_top(event.ticker, now_ns, now_ns)
        self._publish_health()

    def _on_top(self, ticker: str, ts_event: int, now_ns: int) -> None:
        book = self.stream.protocol.book(ticker) if self.stream is not None else None
        if book is None:
            return
        top = _top(book)
        if self._tops.get(ticker) == top:
            return
        self._tops[ticker] = top
        for leg in self._quotes.get(ticker, ()):
            quote = parsing.quote_tick(ticker, leg, top, ts_event, self._ts(now_ns))
            if quote is not None:
                self._handle_data(quote)

    def _on_lifecycle(self, msg: ws.LifecycleMsg) -> None:
        market = self._provider.markets.get(msg.market_ticker)
        if market is None:
            return
        changed = lifecycle.apply(market, msg)
        if changed != market:
            self._provider.replace(changed)
            self._publish_market(changed)
        incomplete = msg.event_type == "settled" and changed.settlement_value is None
        if msg.event_type == "metadata_updated" or incomplete:
            self._spawn(self._reload(msg.market_ticker), "reload")

    async def _reload(self, ticker: str) -> None:
        self._publish_market(await self._provider.reload(ticker))

    async def _reload_event(self, event_ticker: str) -> None:
        tickers = [t for t, m in self._provider.markets.items() if m.event_ticker == event_ticker]
        for ticker in tickers:
            await self._reload(ticker)

    def _publish_market(self, market: KalshiMarket) -> None:
        """Publish a changed market: instruments, status and, once settled, its close."""
        for leg in Leg:
            instrument = self._provider.find(parsing.instrument_id(market.ticker, leg))
            if instrument is not None:
                self._handle_data(instrument)
        self._announce(market, self._clock.timestamp_ns())
        if lifecycle.session(market, self._clock.timestamp_ns()) is Session.SETTLED:
            self._publish_close(market)

    def _publish_close(self, market: KalshiMarket) -> None:
        value = market.settlement_value
        if value is None or market.ticker in self._closed or market.ticker not in self._closes:
            return
        self._closed.add(market.ticker)
        for leg in self._closes[market.ticker]:
            ts_init = self._ts()
            self._handle_data(parsing.instrument_close(market.ticker, leg, value, ts_init, ts_init))

    def _announce(self, market: KalshiMarket, now_ns: int) -> None:
        legs = self._statuses.get(market.ticker)
        session = lifecycle.session(market, now_ns)
        if legs is None or self._sessions.get(market.ticker) is session:
            return
        self._sessions[market.ticker] = session
        for leg in legs:
            self._handle_data(
                parsing.instrument_status(
                    market.ticker, leg, _STATUS[session], session.value, now_ns, self._ts(now_ns)
                )
            )

    def _publish_health(self) -> None:
        """Publish the feed's state if it differs from what was published last."""
        health = self._health_message()
        told = (health.state, health.bad, health.reason)
        if told != self._health_sent:
            self._health_sent = told
            self._handle_data(CustomData(FEED_HEALTH, health))

    def _health_message(self) -> FeedHealth:
        ts_ns = self._ts()
        if self.stream is None:
            return FeedHealth(
                venue=self.venue.value,
                feed="market-data",
                state="down",
                reason="no API key",
                ts_event=ts_ns,
                ts_init=ts_ns,
            )
        monitor = self.stream.health
        return FeedHealth(
            venue=self.venue.value,
            feed=monitor.feed,
            state=monitor.state.value,
            bad=tuple(sorted(monitor.bad)),
            reason=monitor.reason,
            gaps=monitor.gaps,
            reconnects=monitor.reconnects,
            ts_last_frame_ns=monitor.ts_last_frame_ns,
            ts_event=ts_ns,
            ts_init=ts_ns,
        )

    # -- subscriptions

    async def _subscribe(self, command: SubscribeData) -> None:
        if command.data_type.type is not FeedHealth:
            self._log.error(f"Cannot subscribe to {command.data_type}: only FeedHealth is offered")
            return
        self._handle_data(CustomData(FEED_HEALTH, self._health_message()))

    async def _unsubscribe(self, command: UnsubscribeData) -> None:
        """FeedHealth needs no unsubscription: the bus stops delivering it."""

    async def _subscribe_instruments(self, command: SubscribeInstruments) -> None:
        """Changed instruments are always published."""

    async def _subscribe_instrument(self, command: SubscribeInstrument) -> None:
        await self._known(command.instrument_id)

    async def _unsubscribe_instruments(self, command: UnsubscribeInstruments) -> None:
        """Changed instruments are always published."""

    async def _unsubscribe_instrument(self, command: UnsubscribeInstrument) -> None:
        """Changed instruments are always published."""

    async def _subscribe_order_book_deltas(self, command: SubscribeOrderBook) -> None:
        leg = await self._join(self._books, command.instrument_id, Channel.BOOK)
        if leg is None:
            return
        ticker, _ = parsing.market_leg(command.instrument_id)
        book = self.stream.protocol.book(ticker) if self.stream is not None else None
        if book is not None:
            # The other leg streams already: this one starts from the book as it stands.
            now_ns = self._clock.timestamp_ns()
            self._handle_data(parsing.book_deltas(whole(ticker, book), leg, now_ns, self._ts()))

    async def _unsubscribe_order_book_deltas(self, command: UnsubscribeOrderBook) -> None:
        self._leave(self._books, command.instrument_id)
        self._drop_book(command.instrument_id)

    async def _subscribe_quote_ticks(self, command: SubscribeQuoteTicks) -> None:
        leg = await self._join(self._quotes, command.instrument_id, Channel.BOOK)
        if leg is not None:
            ticker, _ = parsing.market_leg(command.instrument_id)
            self._tops.pop(ticker, None)
            now_ns = self._clock.timestamp_ns()
            self._on_top(ticker, now_ns, now_ns)

    async def _unsubscribe_quote_ticks(self, command: UnsubscribeQuoteTicks) -> None:
        self._leave(self._quotes, command.instrument_id)
        self._drop_book(command.instrument_id)

    async def _subscribe_trade_ticks(self, command: SubscribeTradeTicks) -> None:
        await self._join(self._trades, command.instrument_id, Channel.TRADE)

    async def _unsubscribe_trade_ticks(self, command: UnsubscribeTradeTicks) -> None:
        self._leave(self._trades, command.instrument_id)
        ticker, _ = parsing.market_leg(command.instrument_id)
        if ticker not in self._trades and self.stream is not None:
            self.stream.protocol.unwant(Channel.TRADE, [ticker])
            await self.stream.flush()

    async def _subscribe_instrument_status(self, command: SubscribeInstrumentStatus) -> None:
        if await self._join(self._statuses, command.instrument_id, None) is not None:
            ticker, _ = parsing.market_leg(command.instrument_id)
            self._sessions.pop(ticker, None)
            self._announce(self._provider.markets[ticker], self._clock.timestamp_ns())

    async def _unsubscribe_instrument_status(self, command: UnsubscribeInstrumentStatus) -> None:
        self._leave(self._statuses, command.instrument_id)

    async def _subscribe_instrument_close(self, command: SubscribeInstrumentClose) -> None:
        if await self._join(self._closes, command.instrument_id, None) is not None:
            ticker, _ = parsing.market_leg(command.instrument_id)
            market = self._provider.markets[ticker]
            if lifecycle.session(market, self._clock.timestamp_ns()) is Session.SETTLED:
                self._closed.discard(ticker)
                self._publish_close(market)

    async def _unsubscribe_instrument_close(self, command: UnsubscribeInstrumentClose) -> None:
        self._leave(self._closes, command.instrument_id)

    async def _known(self, instrument_id: InstrumentId) -> Leg | None:
        """Return the leg after making sure that its market is loaded; log why if it is not."""
        try:
            ticker, leg = parsing.market_leg(instrument_id)
            if ticker not in self._provider.markets:
                await self._provider.load_tickers([ticker])
                self._publish_market(self._provider.market_of(instrument_id))
        except AdapterError as exc:
            self._log.error(f"Cannot subscribe to {instrument_id}: {exc}")
            return None
        return leg

    async def _join(
        self,
        table: dict[str, dict[Leg, None]],
        instrument_id: InstrumentId,
        channel: Channel | None,
    ) -> Leg | None:
        leg = await self._known(instrument_id)
        if leg is None:
            return None
        ticker, _ = parsing.market_leg(instrument_id)
        table.setdefault(ticker, {})[leg] = None
        if channel is not None:
            self._want(channel, ticker)
        return leg

    def _leave(self, table: dict[str, dict[Leg, None]], instrument_id: InstrumentId) -> None:
        ticker, leg = parsing.market_leg(instrument_id)
        legs = table.get(ticker, {})
        legs.pop(leg, None)
        if not legs:
            table.pop(ticker, None)

    def _drop_book(self, instrument_id: InstrumentId) -> None:
        ticker, _ = parsing.market_leg(instrument_id)
        if self.stream is None or ticker in self._books or ticker in self._quotes:
            return
        self.stream.protocol.unwant(Channel.BOOK, [ticker])
        self.stream.health.repaired(ticker)
        self._spawn(self.stream.flush(), "flush")

    def _want(self, channel: Channel, ticker: str) -> None:
        """Collect wishes of one turn of the loop, so that a thousand make a few commands."""
        if self.stream is None:
            self._log.error(f"Cannot stream {ticker}: the stream needs an API key")
            return
        if not self._wants:
            self._loop.call_soon(self._send_wants)
        self._wants.setdefault(channel, {})[ticker] = None

    def _send_wants(self) -> None:
        wants, self._wants = self._wants, {}
        if self.stream is None:
            return
        for channel, tickers in wants.items():
            self.stream.protocol.want(channel, tickers)
        self._spawn(self.stream.flush(), "flush")

    # -- requests

    async def _request_instrument(self, request: RequestInstrument) -> None:
        await self._known(request.instrument_id)
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
            found.append(await self._history.book(request.instrument_id))
        except AdapterError as exc:
            self._log.error(f"Cannot read the book of {request.instrument_id}: {exc}")
        data_type = DataType(OrderBookDeltas, metadata={"instrument_id": request.instrument_id})
        self._handle_data_response(
            data_type, found, request.id, request.start, request.end, request.params
        )

    async def _request_trade_ticks(self, request: RequestTradeTicks) -> None:
        ticks: list[Data] = []
        try:
            ticks = await self._history.trades(request)
        except AdapterError as exc:
            self._log.error(f"Cannot read the trades of {request.instrument_id}: {exc}")
        self._handle_trade_ticks(
            request.instrument_id, ticks, request.id, request.start, request.end, request.params
        )

    async def _request_bars(self, request: RequestBars) -> None:
        bars: list[Data] = []
        try:
            bars = await self._history.bars(request)
        except AdapterError as exc:
            self._log.error(f"Cannot read bars of {request.bar_type}: {exc}")
        self._handle_bars(
            request.bar_type, bars, request.id, request.start, request.end, request.params
        )


def _top(book: YesBook) -> tuple[int, int, int, int]:
    bid_u, ask_u = book.best_bid, book.best_ask
    return bid_u, book.bids.get(bid_u, 0), ask_u, book.asks.get(ask_u, 0)
