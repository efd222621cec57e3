"""Answers to requests: book, trades and candles read over REST, for one leg."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from nautilus_trader.core.data import Data
from nautilus_trader.data.messages import RequestBars, RequestTradeTicks
from nautilus_trader.model.data import OrderBookDeltas, TradeTick
from nautilus_trader.model.enums import BarAggregation, PriceType
from nautilus_trader.model.identifiers import InstrumentId

from adapters.common.errors import ProtocolError, UsageError
from adapters.kalshi import parsing
from adapters.kalshi.books import BookFault, YesBook
from adapters.kalshi.constants import CANDLE_MINUTES, CANDLES_PER_CALL
from adapters.kalshi.http import KalshiHttp
from adapters.kalshi.protocol import BookReset
from adapters.kalshi.providers import KalshiInstrumentProvider

_NS = 1_000_000_000
_TRADES = 1_000


class History:
    """Reads for requests; every failure is raised.

    Parameters
    ----------
    ts : callable
        Strictly increasing receive times.
    """

    def __init__(
        self, http: KalshiHttp, provider: KalshiInstrumentProvider, ts: Callable[[], int]
    ) -> None:
        self._http = http
        self._provider = provider
        self._ts = ts

    async def book(self, instrument_id: InstrumentId) -> OrderBookDeltas:
        """Return the book as it stands; a book that cannot be is a ``ProtocolError``."""
        ticker, leg = parsing.market_leg(instrument_id)
        levels = await self._http.orderbook(ticker)
        book = YesBook()
        try:
            book.load(levels.yes_dollars or (), levels.no_dollars or (), yes_price=False)
        except BookFault as exc:
            raise ProtocolError(f"{ticker}: {exc}") from exc
        now_ns = self._ts()
        return parsing.book_deltas(whole(ticker, book), leg, now_ns, now_ns)

    async def trades(self, request: RequestTradeTicks) -> list[TradeTick]:
        """Return trades, oldest first."""
        ticker, leg = parsing.market_leg(request.instrument_id)
        records = await self._http.trades(
            ticker,
            limit=request.limit or _TRADES,
            min_ts=_seconds(request.start),
            max_ts=_seconds(request.end),
        )
        return [parsing.rest_trade_tick(r, leg, self._ts()) for r in reversed(records)]

    async def bars(self, request: RequestBars) -> list[Data]:
        """Return candles of trade prices, read in calls that stay below the venue's bound."""
        minutes = _minutes(request)
        instrument_id = request.bar_type.instrument_id
        _, leg = parsing.market_leg(instrument_id)
        market = self._provider.market_of(instrument_id)
        end_s = _seconds(request.end) or self._ts() // _NS
        start_s = _seconds(request.start) or end_s - minutes * 60 * 1_000
        bars: list[Data] = []
        step_s = minutes * 60 * CANDLES_PER_CALL
        while start_s < end_s:
            stop_s = min(end_s, start_s + step_s)
            records = await self._http.candles(
                market.series_ticker,
                market.ticker,
                start_ts=start_s,
                end_ts=stop_s,
                minutes=minutes,
            )
            made = (parsing.bar(r, request.bar_type, leg, self._ts()) for r in records)
            bars.extend(b for b in made if b is not None)
            start_s = stop_s + 1
        return bars[-request.limit :] if request.limit else bars


def whole(ticker: str, book: YesBook) -> BookReset:
    """Return a book as the event that tells it whole."""
    bids = tuple(sorted(book.bids.items(), reverse=True))
    return BookReset(ticker, bids, tuple(sorted(book.asks.items())))


def _minutes(request: RequestBars) -> int:
    spec = request.bar_type.spec
    scale = {BarAggregation.MINUTE: 1, BarAggregation.HOUR: 60, BarAggregation.DAY: 1440}
    minutes = spec.step * scale.get(spec.aggregation, 0)
    if minutes not in CANDLE_MINUTES or spec.price_type != PriceType.LAST:
        raise UsageError(
            f"bar type: found {request.bar_type}, allowed: 1-MINUTE-LAST, 1-HOUR-LAST, 1-DAY-LAST"
        )
    return minutes


def _seconds(moment: datetime | None) -> int | None:
    return None if moment is None else int(moment.timestamp())
