"""Candles of one minute, from book tops and trades; longer periods are made of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from simulators.kalshi.events import BookDelta, Traded, VenueEvent
from simulators.kalshi.state import State
from simulators.kalshi.units import DOLLAR_PX, NS_PER_S

MINUTE_S = 60
PERIODS = (1, 60, 1440)
MINUTES_KEPT = 20_000


@dataclass(slots=True)
class Span:
    """Open, low, high, close of one price, in $0.0001."""

    open: int
    low: int
    high: int
    close: int

    def add(self, px: int) -> None:
        """Take one more price in."""
        self.low, self.high, self.close = min(self.low, px), max(self.high, px), px

    def join(self, later: Span) -> None:
        """Take a later span in."""
        self.low, self.high = min(self.low, later.low), max(self.high, later.high)
        self.close = later.close


@dataclass(slots=True)
class Candle:
    """One period; ``end_s`` is its inclusive end."""

    end_s: int
    bid: Span
    ask: Span
    trade: Span | None = None
    volume: int = 0
    value: int = 0
    previous: int | None = None
    open_interest: int = 0


class CandleStore:
    """Listens to the venue and keeps minute candles by market."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._minutes: dict[str, list[Candle]] = defaultdict(list)
        state.listeners.append(self.on_event)

    def on_event(self, event: VenueEvent) -> None:
        """Take a change of the book's top or a trade in."""
        if isinstance(event, BookDelta):
            self._top(event.ticker, event.ts_ns)
        elif isinstance(event, Traded) and not event.trade.is_block:
            trade = event.trade
            candle = self._current(trade.ticker, trade.ts_ns)
            if candle.trade is None:
                candle.trade = Span(trade.px, trade.px, trade.px, trade.px)
            candle.trade.add(trade.px)
            candle.volume += trade.qty
            candle.value += trade.qty * trade.px
            candle.open_interest = trade.open_interest

    def between(self, ticker: str, start_s: int, end_s: int, minutes: int) -> list[Candle]:
        """Return the candles of a period length that end in [start_s, end_s]."""
        found: list[Candle] = []
        for candle in self._minutes.get(ticker, ()):
            step = minutes * MINUTE_S
            end = -(-candle.end_s // step) * step
            if not start_s <= end <= end_s:
                continue
            if found and found[-1].end_s == end:
                _join(found[-1], candle)
            else:
                found.append(_copy(candle, end))
        return found

    def latest_before(self, ticker: str, start_s: int) -> Candle | None:
        """Return the last minute candle that ended before ``start_s``."""
        earlier = [c for c in self._minutes.get(ticker, ()) if c.end_s < start_s]
        return earlier[-1] if earlier else None

    def tops(self, ticker: str) -> Iterator[tuple[int, int, int]]:
        """Return (end_s, last bid, last ask) by minute."""
        for candle in self._minutes.get(ticker, ()):
            yield candle.end_s, candle.bid.close, candle.ask.close

    def _top(self, ticker: str, ts_ns: int) -> None:
        candle = self._current(ticker, ts_ns)
        bid, ask = self._best(ticker)
        candle.bid.add(bid)
        candle.ask.add(ask)

    def _best(self, ticker: str) -> tuple[int, int]:
        book = self._state.books[ticker]
        bid, ask = book.bids.best(), book.asks.best()
        return (0 if bid is None else bid), (DOLLAR_PX if ask is None else ask)

    def _current(self, ticker: str, ts_ns: int) -> Candle:
        end_s = (ts_ns // NS_PER_S // MINUTE_S + 1) * MINUTE_S
        rows = self._minutes[ticker]
        if rows and rows[-1].end_s == end_s:
            return rows[-1]
        bid, ask = self._best(ticker)
        market = self._state.markets[ticker]
        candle = Candle(
            end_s,
            Span(bid, bid, bid, bid),
            Span(ask, ask, ask, ask),
            previous=_last_trade(rows),
            open_interest=market.open_interest,
        )
        rows.append(candle)
        if len(rows) > MINUTES_KEPT:
            del rows[0]
        return candle


def _copy(candle: Candle, end_s: int) -> Candle:
    def span(s: Span) -> Span:
        return Span(s.open, s.low, s.high, s.close)

    return Candle(
        end_s,
        span(candle.bid),
        span(candle.ask),
        None if candle.trade is None else span(candle.trade),
        candle.volume,
        candle.value,
        candle.previous,
        candle.open_interest,
    )


def _join(candle: Candle, later: Candle) -> None:
    candle.bid.join(later.bid)
    candle.ask.join(later.ask)
    if later.trade is not None:
        if candle.trade is None:
            candle.trade = Span(*_parts(later.trade))
        else:
            candle.trade.join(later.trade)
    candle.volume += later.volume
    candle.value += later.value
    candle.open_interest = later.open_interest


def _last_trade(rows: list[Candle]) -> int | None:
    if not rows:
        return None
    return rows[-1].trade.close if rows[-1].trade is not None else rows[-1].previous


def _parts(span: Span) -> tuple[int, int, int, int]:
    return span.open, span.low, span.high, span.close
