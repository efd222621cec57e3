"""The data client: what strategies see, for both legs, through gaps and a market's life."""

from __future__ import annotations

import asyncio
import json
import time

import pandas as pd
import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from nautilus_trader.cache.cache import Cache
from nautilus_trader.common.component import LiveClock, MessageBus
from nautilus_trader.config import InstrumentProviderConfig
from nautilus_trader.core.uuid import UUID4
from nautilus_trader.data.messages import (
    RequestBars,
    RequestOrderBookSnapshot,
    RequestTradeTicks,
    SubscribeInstrumentClose,
    SubscribeInstrumentStatus,
    SubscribeOrderBook,
    SubscribeQuoteTicks,
    SubscribeTradeTicks,
    UnsubscribeOrderBook,
)
from nautilus_trader.model.book import OrderBook
from nautilus_trader.model.data import (
    BarType,
    CustomData,
    InstrumentClose,
    InstrumentStatus,
    OrderBookDelta,
    OrderBookDeltas,
    QuoteTick,
    TradeTick,
)
from nautilus_trader.model.enums import BookType, MarketStatusAction
from nautilus_trader.model.identifiers import ClientId, InstrumentId, TraderId

from adapters.common.transport import HttpRequest, HttpResponse
from adapters.kalshi.config import KalshiDataClientConfig
from adapters.kalshi.credentials import Credential
from adapters.kalshi.data import KalshiDataClient
from adapters.kalshi.http import KalshiHttp
from adapters.kalshi.parsing import VENUE
from adapters.kalshi.providers import KalshiInstrumentProvider
from messages.health import FeedHealth
from tests.kalshi.support.scripted import TICKER, ScriptedKalshi

YES, NO = (InstrumentId.from_str(f"{TICKER}-{leg}.KALSHI") for leg in ("YES", "NO"))
TRADE = {
    "trade_id": "e1",
    "ticker": TICKER,
    "count_fp": "2.00",
    "yes_price_dollars": "0.5200",
    "no_price_dollars": "0.4800",
    "created_time": "2026-06-11T06:29:47Z",
    "taker_book_side": "ask",
    "is_block_trade": False,
}
CANDLE = {
    "end_period_ts": 1781159400,
    "volume_fp": "7.00",
    "open_interest_fp": "1.00",
    "yes_bid": {},
    "yes_ask": {},
    "price": {
        "open_dollars": "0.4000",
        "high_dollars": "0.6000",
        "low_dollars": "0.3000",
        "close_dollars": "0.5000",
    },
}


class Venue(ScriptedKalshi):
    """The scripted venue with books, trades and candles."""

    def _get(self, path: str, query: dict[str, str]) -> HttpResponse:
        if path.endswith("/orderbook"):
            return self._reply(
                200,
                {
                    "orderbook_fp": {
                        "yes_dollars": [["0.4600", "12.00"]],
                        "no_dollars": [["0.4800", "3.00"]],
                    }
                },
            )
        if path == "/markets/trades":
            block = TRADE | {"trade_id": "e2", "is_block_trade": True}
            return self._reply(200, {"trades": [TRADE, block], "cursor": ""})
        if path.endswith("/candlesticks"):
            empty = CANDLE | {"price": {}, "end_period_ts": 1781159340}
            return self._reply(200, {"candlesticks": [empty, CANDLE]})
        return super()._get(path, query)


class Desk:
    """A data client with its bus ends caught."""

    def __init__(self) -> None:
        self.venue, self.data, self.responses = Venue(), [], []

    async def open(self) -> None:
        loop, clock = asyncio.get_running_loop(), LiveClock()
        self.clock = clock
        msgbus = MessageBus(trader_id=TraderId("T-001"), clock=clock)
        msgbus.register(endpoint="DataEngine.process", handler=self.data.append)
        msgbus.register(endpoint="DataEngine.response", handler=self.responses.append)
        credential = Credential("key", Ed25519PrivateKey.generate())
        http = KalshiHttp(
            rest_url="http://127.0.0.1/trade-api/v2",
            transport=self.venue,
            clock_ns=clock.timestamp_ns,
            credential=credential,
        )
        provider = KalshiInstrumentProvider(
            http, clock.timestamp_ns, InstrumentProviderConfig(load_ids=frozenset({YES}))
        )
        self.client = KalshiDataClient(
            loop=loop,
            client_id=ClientId("KALSHI"),
            http=http,
            transport=self.venue,
            ws_url="ws://127.0.0.1/trade-api/ws/v2",
            credential=credential,
            msgbus=msgbus,
            cache=Cache(database=None),
            clock=clock,
            provider=provider,
            config=KalshiDataClientConfig(refresh_interval_s=0.0),
        )
        await self.client._connect()

    async def close(self) -> None:
        await self.client._disconnect()
        await self.client.cancel_pending_tasks()

    def of(self, kind: type, instrument_id: InstrumentId | None = None) -> list:
        return [
            d
            for d in self.data
            if isinstance(d, kind) and instrument_id in (None, getattr(d, "instrument_id", None))
        ]

    def health(self) -> list[FeedHealth]:
        return [d.data for d in self.of(CustomData)]

    def book(self, instrument_id: InstrumentId) -> OrderBook:
        book = OrderBook(instrument_id, BookType.L2_MBP)
        for deltas in self.of(OrderBookDeltas, instrument_id):
            book.apply_deltas(deltas)
        return book

    async def until(self, condition) -> None:
        for _ in range(1500):
            if condition():
                return
            await asyncio.sleep(0.002)
        raise AssertionError("it never became so")

    def sid(self, channel: str) -> int:
        (number,) = [
            m["id"] * 10
            for m in self.venue.socket.sent
            if m["cmd"] == "subscribe" and channel in m["params"]["channels"]
        ]
        return number

    def say(self, kind: str, channel: str, seq: int | None, **msg: object) -> None:
        frame = {"type": kind, "sid": self.sid(channel), "msg": {"market_ticker": TICKER} | msg}
        self.venue.socket.say(frame | ({} if seq is None else {"seq": seq}))

    def snapshot(self, seq: int) -> None:
        self.say(
            "orderbook_snapshot",
            "orderbook_delta",
            seq,
            yes_dollars_fp=[["0.4700", "3.00"]],
            no_dollars_fp=[["0.5200", "2.00"]],
        )

    def delta(self, seq: int, price: str = "0.4600", change: str = "1.00") -> None:
        self.say(
            "orderbook_delta",
            "orderbook_delta",
            seq,
            price_dollars=price,
            delta_fp=change,
            side="yes",
            ts_ms=1781159387354,
        )

    async def books(self, *ids: InstrumentId) -> None:
        for instrument_id in ids:
            await self.client._subscribe_order_book_deltas(
                SubscribeOrderBook(
                    instrument_id=instrument_id,
                    book_data_type=OrderBookDelta,
                    book_type=BookType.L2_MBP,
                    client_id=None,
                    venue=VENUE,
                    command_id=UUID4(),
                    ts_init=0,
                )
            )
        await self.until(
            lambda: any(
                m["cmd"] == "subscribe" and "orderbook_delta" in m["params"]["channels"]
                for m in self.venue.socket.sent
            )
        )
        await asyncio.sleep(0.01)


def plain(kind: type, instrument_id: InstrumentId):
    return kind(
        instrument_id=instrument_id, client_id=None, venue=VENUE, command_id=UUID4(), ts_init=0
    )


@pytest_asyncio.fixture
async def desk():
    made = Desk()
    await made.open()
    yield made
    await made.close()


@pytest.mark.asyncio
async def test_one_subscription_feeds_both_legs_as_mirrors(desk: Desk) -> None:
    await desk.books(YES, NO)
    commands = [m for m in desk.venue.socket.sent if "orderbook_delta" in str(m)]
    assert len(commands) == 1, "wishes of one turn are one command"
    desk.snapshot(1)
    desk.delta(2)
    await desk.until(lambda: len(desk.of(OrderBookDeltas, NO)) == 2)
    yes, no = desk.book(YES), desk.book(NO)
    assert (str(yes.best_bid_price()), str(yes.best_ask_price())) == ("0.4700", "0.5200")
    assert (str(no.best_bid_price()), str(no.best_ask_price())) == ("0.4800", "0.5300")
    assert no.best_bid_size() == yes.best_ask_size()
    assert len(no.asks()) == 2
    stamps = [d.ts_init for d in desk.of(OrderBookDeltas)]
    assert stamps == sorted(set(stamps)), "strictly increasing"


@pytest.mark.asyncio
async def test_a_leg_that_joins_later_starts_from_the_book_as_it_stands(desk: Desk) -> None:
    await desk.books(YES)
    desk.snapshot(1)
    await desk.until(lambda: desk.of(OrderBookDeltas, YES))
    await desk.books(NO)
    assert str(desk.book(NO).best_bid_price()) == "0.4800"


@pytest.mark.asyncio
async def test_a_gap_clears_both_legs_at_once_and_a_snapshot_restores_them(desk: Desk) -> None:
    await desk.books(YES, NO)
    desk.snapshot(1)
    desk.delta(3)
    await desk.until(lambda: desk.health() and desk.health()[-1].state == "recovering")
    for leg in (YES, NO):
        assert desk.book(leg).best_bid_price() is None
        assert len(desk.of(OrderBookDeltas, leg)[-1].deltas) == 1
    assert desk.health()[-1].bad == (TICKER,)
    await desk.until(
        lambda: any(m["params"].get("action") == "get_snapshot" for m in desk.venue.socket.sent)
    )
    desk.snapshot(4)
    await desk.until(lambda: desk.health()[-1].is_good)
    assert str(desk.book(NO).best_bid_price()) == "0.4800"
    assert desk.health()[-1].gaps == 1


@pytest.mark.asyncio
async def test_a_lost_socket_clears_and_comes_back(desk: Desk) -> None:
    await desk.books(YES)
    desk.snapshot(1)
    await desk.until(lambda: desk.of(OrderBookDeltas, YES))
    desk.venue.socket.inbox.put_nowait(None)
    await desk.until(lambda: desk.health()[-1].state == "down")
    assert desk.book(YES).best_bid_price() is None
    await desk.until(
        lambda: (
            desk.venue.dials == 2
            and any("orderbook_delta" in str(m) for m in desk.venue.socket.sent)
        )
    )
    await asyncio.sleep(0.01)
    desk.snapshot(1)
    await desk.until(lambda: desk.book(YES).best_bid_price() is not None)
    assert desk.health()[-1].reconnects == 1


@pytest.mark.asyncio
async def test_quotes_change_only_with_the_top(desk: Desk) -> None:
    for leg in (YES, NO):
        await desk.client._subscribe_quote_ticks(plain(SubscribeQuoteTicks, leg))
    await asyncio.sleep(0.02)
    desk.snapshot(1)
    desk.delta(2, "0.4500")
    desk.delta(3, "0.4800", "5.00")
    await desk.until(lambda: len(desk.of(QuoteTick, NO)) == 2)
    quotes = desk.of(QuoteTick, NO)
    assert [str(q.ask_price) for q in quotes] == ["0.5300", "0.5200"]
    assert [str(q.ask_size) for q in quotes] == ["3.00", "5.00"]


@pytest.mark.asyncio
async def test_trades_for_both_legs_and_no_block_trades(desk: Desk) -> None:
    for leg in (YES, NO):
        await desk.client._subscribe_trade_ticks(plain(SubscribeTradeTicks, leg))
    await asyncio.sleep(0.02)
    common = {
        "yes_price_dollars": "0.5200",
        "count_fp": "1.00",
        "taker_book_side": "bid",
        "ts": 1781159387,
        "ts_ms": 1781159387354,
    }
    desk.say("trade", "trade", 1, trade_id="b", is_block_trade=True, **common)
    desk.say("trade", "trade", 2, trade_id="e1", **common)
    await desk.until(lambda: len(desk.of(TradeTick)) == 2)
    yes, no = desk.of(TradeTick)
    assert (str(yes.price), yes.aggressor_side.name) == ("0.5200", "BUYER")
    assert (str(no.price), no.aggressor_side.name) == ("0.4800", "SELLER")
    assert yes.ts_event == 1781159387354 * 10**6


@pytest.mark.asyncio
async def test_silent_closing_and_settlement_are_told(desk: Desk) -> None:
    for leg in (YES, NO):
        await desk.client._subscribe_instrument_status(plain(SubscribeInstrumentStatus, leg))
        await desk.client._subscribe_instrument_close(plain(SubscribeInstrumentClose, leg))
    assert desk.of(InstrumentStatus, YES)[-1].action == MarketStatusAction.TRADING
    now_s = int(time.time())
    life = "market_lifecycle_v2"
    desk.say(life, life, 1, event_type="close_date_updated", close_ts=now_s - 1)
    await desk.until(lambda: desk.of(InstrumentStatus, YES)[-1].action == MarketStatusAction.CLOSE)
    desk.say(
        life,
        life,
        2,
        event_type="determined",
        result="scalar",
        settlement_value="0.3350",
        determination_ts=now_s,
    )
    await asyncio.sleep(0.02)
    assert desk.of(InstrumentClose) == [], "determined is not money"
    for seq in (3, 4):
        desk.say(life, life, seq, event_type="settled", settled_ts=now_s)
    await desk.until(lambda: len(desk.of(InstrumentClose)) == 2)
    await asyncio.sleep(0.02)
    prices = {c.instrument_id: str(c.close_price) for c in desk.of(InstrumentClose)}
    assert prices == {YES: "0.3350", NO: "0.6650"}


@pytest.mark.asyncio
async def test_a_changed_tick_structure_republishes_the_instrument(desk: Desk) -> None:
    life = "market_lifecycle_v2"
    desk.say(
        life,
        life,
        1,
        event_type="price_level_structure_updated",
        price_level_structure="deci_cent",
        price_ranges=[{"start": "0.0000", "end": "1.0000", "step": "0.0010"}],
    )

    def ticks() -> list[str]:
        found = [d for d in desk.data if getattr(d, "id", None) == YES]
        return [d.info["terms"]["ticks"][0]["step"] for d in found]

    await desk.until(lambda: ticks()[-1] == "0.0010")
    assert ticks()[0] == "0.0100"


@pytest.mark.asyncio
async def test_unsubscribing_one_leg_keeps_the_other(desk: Desk) -> None:
    await desk.books(YES, NO)
    desk.snapshot(1)
    await desk.until(lambda: desk.of(OrderBookDeltas, NO))

    async def leave(leg: InstrumentId) -> None:
        await desk.client._unsubscribe_order_book_deltas(
            UnsubscribeOrderBook(
                instrument_id=leg,
                book_data_type=OrderBookDelta,
                client_id=None,
                venue=VENUE,
                command_id=UUID4(),
                ts_init=0,
            )
        )

    await leave(YES)
    desk.delta(2)
    await desk.until(lambda: len(desk.of(OrderBookDeltas, NO)) == 2)
    assert len(desk.of(OrderBookDeltas, YES)) == 1
    await leave(NO)
    await desk.until(lambda: desk.venue.socket.sent[-1]["cmd"] == "unsubscribe")


@pytest.mark.asyncio
async def test_an_unknown_instrument_is_an_error_and_no_subscription(desk: Desk) -> None:
    before = len(desk.venue.socket.sent)
    wrong = InstrumentId.from_str("KXA-26NOV21-B-MAYBE.KALSHI")
    await desk.client._subscribe_quote_ticks(plain(SubscribeQuoteTicks, wrong))
    await asyncio.sleep(0.02)
    assert len(desk.venue.socket.sent) == before


def request(kind: type, desk: Desk, **extra: object):
    common = {
        "start": None,
        "end": None,
        "limit": 0,
        "client_id": None,
        "venue": VENUE,
        "callback": lambda _: None,
        "request_id": UUID4(),
        "ts_init": 0,
        "params": None,
    }
    return kind(**(common | extra))


@pytest.mark.asyncio
async def test_requests_end_in_answers_for_the_leg_asked(desk: Desk) -> None:
    await desk.client._request_trade_ticks(request(RequestTradeTicks, desk, instrument_id=NO))
    (tick,) = desk.responses[-1].data
    assert (str(tick.price), tick.aggressor_side.name) == ("0.4800", "BUYER")
    bar_type = BarType.from_str(f"{NO}-1-HOUR-LAST-EXTERNAL")
    end = pd.Timestamp(1781159400, unit="s", tz="UTC")
    await desk.client._request_bars(
        request(RequestBars, desk, bar_type=bar_type, start=end - pd.Timedelta(hours=3), end=end)
    )
    bars = desk.responses[-1].data
    assert [str(getattr(bars[0], n)) for n in ("open", "high", "low", "close")] == [
        "0.6000",
        "0.7000",
        "0.4000",
        "0.5000",
    ]
    assert len(bars) == 1, "an hour without a trade has no bar"
    common = {
        "client_id": None,
        "venue": VENUE,
        "callback": lambda _: None,
        "request_id": UUID4(),
        "ts_init": 0,
        "params": None,
    }
    await desk.client._request_order_book_snapshot(
        RequestOrderBookSnapshot(instrument_id=NO, limit=10, **common)
    )
    (deltas,) = desk.responses[-1].data
    book = OrderBook(NO, BookType.L2_MBP)
    book.apply_deltas(deltas)
    assert (str(book.best_bid_price()), str(book.best_ask_price())) == ("0.4800", "0.5400")


@pytest.mark.asyncio
async def test_a_request_that_fails_ends_empty(desk: Desk) -> None:
    async def fail(_: HttpRequest) -> HttpResponse:
        return HttpResponse(400, json.dumps({"error": {"code": "x", "message": "m"}}).encode())

    desk.venue.send = fail
    await desk.client._request_trade_ticks(request(RequestTradeTicks, desk, instrument_id=YES))
    assert desk.responses[-1].data == []
