"""Public books and trades as rows of a catalog: YES books only, every observation written.

``ts_init`` increases strictly over all markets of a recording. A side without quotes carries the
sentinel level that replays need (bid 0.0000 or ask 1.0000, size 1); a book that must not be
believed is recorded as one without quotes on either side.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from nautilus_trader.core.data import Data
from nautilus_trader.model.data import BookOrder, OrderBookDelta
from nautilus_trader.model.enums import BookAction, OrderSide, RecordFlag
from nautilus_trader.model.objects import Price, Quantity

from adapters.kalshi import parsing
from adapters.kalshi.books import YesBook
from adapters.kalshi.protocol import BookBad, BookChange, BookReset, Event
from adapters.kalshi.schemas import rest, ws
from adapters.kalshi.symbols import Leg

_NO_BID, _NO_ASK = Price.from_str("0.0000"), Price.from_str("1.0000")
_ONE = Quantity.from_str("1.00")
_SNAPSHOT, _LAST = RecordFlag.F_SNAPSHOT, RecordFlag.F_LAST


class Top(NamedTuple):
    """Best prices of one observation: prices in $0.0001 (0 and 10000 for none), sizes in 0.01."""

    ts_ns: int
    bid: int
    ask: int
    bid_size: int
    ask_size: int


class BookRecorder:
    """Turn events, or polled books, into rows.

    Attributes
    ----------
    rows : list of Data
        Collected since the last :meth:`take`.
    tops : dict of str to list of Top
        Best prices after each observation, by ticker.
    observations, deltas, one_sided : dict of str to int
        Counted by ticker.
    """

    def __init__(self, clock_ns: Callable[[], int]) -> None:
        self._clock_ns = clock_ns
        self._ts_last = 0
        self._levels: dict[str, tuple[dict[int, int], dict[int, int]]] = {}
        self._trades: set[str] = set()
        self.rows: list[Data] = []
        self.tops: dict[str, list[Top]] = {}
        self.observations: dict[str, int] = {}
        self.deltas: dict[str, int] = {}
        self.one_sided: dict[str, int] = {}
        self.first_ns: dict[str, int] = {}
        self.last_ns: dict[str, int] = {}

    def take(self) -> list[Data]:
        """Hand over the rows collected so far."""
        rows, self.rows = self.rows, []
        return rows

    def on_event(self, event: Event, now_ns: int) -> None:
        """Record one event of the stream."""
        if isinstance(event, BookReset):
            self._snapshot(event, now_ns)
        elif isinstance(event, BookBad):
            self._snapshot(BookReset(event.ticker, (), ()), now_ns)
        elif isinstance(event, BookChange):
            self._change(event, now_ns)
        elif isinstance(event, ws.TradeMsg):
            tick = parsing.trade_tick(event, Leg.YES, self._ts(now_ns))
            if tick is not None:
                self.rows.append(tick)

    def on_poll(self, ticker: str, book: YesBook, now_ns: int) -> None:
        """Record one polled book, changed or not: an unchanged one refreshes its age."""
        bids = tuple(sorted(book.bids.items(), reverse=True))
        self._snapshot(BookReset(ticker, bids, tuple(sorted(book.asks.items()))), now_ns)

    def on_trades(self, records: list[rest.Trade]) -> None:
        """Record polled trades, oldest first, each once."""
        for record in records:
            if record.trade_id not in self._trades:
                self._trades.add(record.trade_id)
                ts_init = self._ts(self._clock_ns())
                self.rows.append(parsing.rest_trade_tick(record, Leg.YES, ts_init))

    def _ts(self, now_ns: int) -> int:
        self._ts_last = max(self._ts_last + 1, now_ns)
        return self._ts_last

    def _snapshot(self, event: BookReset, now_ns: int) -> None:
        target = parsing.instrument_id(event.ticker, Leg.YES)
        ts_init = self._ts(now_ns)
        levels = [(OrderSide.BUY, parsing.price(p), parsing.quantity(s)) for p, s in event.bids]
        if not event.bids:
            levels.append((OrderSide.BUY, _NO_BID, _ONE))
        levels += [(OrderSide.SELL, parsing.price(p), parsing.quantity(s)) for p, s in event.asks]
        if not event.asks:
            levels.append((OrderSide.SELL, _NO_ASK, _ONE))
        self.rows.append(OrderBookDelta.clear(target, 0, now_ns, ts_init))
        for index, (side, price, size) in enumerate(levels):
            flags = _SNAPSHOT | _LAST if index == len(levels) - 1 else _SNAPSHOT
            self._row(event.ticker, BookAction.ADD, side, price, size, flags, now_ns, ts_init)
        self._levels[event.ticker] = (dict(event.bids), dict(event.asks))
        self._count(event.ticker, ts_init, len(levels) + 1)

    def _change(self, event: BookChange, now_ns: int) -> None:
        known = self._levels.get(event.ticker)
        if known is None:
            return
        ts_event = now_ns if event.ts_ms is None else event.ts_ms * 1_000_000
        ts_init = self._ts(now_ns)
        levels = known[0] if event.bid else known[1]
        was_empty = not levels
        if event.size_u:
            levels[event.price_u] = event.size_u
        else:
            levels.pop(event.price_u, None)
        side = OrderSide.BUY if event.bid else OrderSide.SELL
        sentinel = _NO_BID if event.bid else _NO_ASK
        turned = was_empty == bool(levels)
        action = BookAction.UPDATE if event.size_u else BookAction.DELETE
        price, size = parsing.price(event.price_u), parsing.quantity(event.size_u)
        flags = 0 if turned else _LAST
        self._row(event.ticker, action, side, price, size, flags, ts_event, ts_init)
        if turned:
            what = BookAction.DELETE if was_empty else BookAction.ADD
            self._row(event.ticker, what, side, sentinel, _ONE, _LAST, ts_event, ts_init)
        self._count(event.ticker, ts_init, 2 if turned else 1)

    def _row(
        self,
        ticker: str,
        action: BookAction,
        side: OrderSide,
        price: Price,
        size: Quantity,
        flags: int,
        ts_event: int,
        ts_init: int,
    ) -> None:
        target = parsing.instrument_id(ticker, Leg.YES)
        order = BookOrder(side, price, size, 0)
        self.rows.append(OrderBookDelta(target, action, order, flags, 0, ts_event, ts_init))

    def _count(self, ticker: str, ts_init: int, rows: int) -> None:
        self.observations[ticker] = self.observations.get(ticker, 0) + 1
        self.deltas[ticker] = self.deltas.get(ticker, 0) + rows
        self.first_ns.setdefault(ticker, ts_init)
        self.last_ns[ticker] = ts_init
        bids, asks = self._levels[ticker]
        bid, ask = max(bids, default=0), min(asks, default=1_000_000)
        top = Top(
            ts_init,
            bid // 100,
            ask // 100,
            bids.get(bid, 1_000_000) // 10_000,
            asks.get(ask, 1_000_000) // 10_000,
        )
        self.tops.setdefault(ticker, []).append(top)
        if not bids or not asks:
            self.one_sided[ticker] = self.one_sided.get(ticker, 0) + 1
