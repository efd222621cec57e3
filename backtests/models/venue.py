"""What a simulated venue needs beside Nautilus's exchange: NO books, due times, the ledger's eyes.

Nautilus 1.231 leaves three holes for binary markets, closed here per venue:

1. **NO books.** Only YES books are stored. A NO book is its mirror and is made just in time: when
   an order for the NO instrument is on its way or rests, the mirror follows the YES book; at all
   other times it costs nothing.
2. **Due times.** An order in flight is looked at only when some event occurs, after that event
   has changed the book. A timer at the due time makes the venue look then.
3. **The ledger's eyes.** While something is taken from a book, every update of that book is shown
   to the consumption ledger; untouched books are not watched.
4. **What is shown.** A venue's next update would lack what we took; a recording does not know.
   From the next update on, the book that strategies read shows a level less what is taken.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nautilus_trader.backtest.config import SimulationModuleConfig
from nautilus_trader.backtest.modules import SimulationModule
from nautilus_trader.model.data import BookOrder, OrderBookDelta, OrderBookDeltas
from nautilus_trader.model.enums import BookAction, OrderSide, RecordFlag
from nautilus_trader.model.events import (
    OrderCanceled,
    OrderDenied,
    OrderEvent,
    OrderExpired,
    OrderFilled,
    OrderPendingCancel,
    OrderPendingUpdate,
    OrderRejected,
    OrderSubmitted,
)
from nautilus_trader.model.objects import Price, Quantity

from backtests.models.fees import ScheduleFeeModel
from backtests.models.fills import ReplayFillModel
from backtests.models.ledger import BookSide, ConsumptionLedger
from backtests.models.markets import ONE_RAW, Markets, View

if TYPE_CHECKING:
    from nautilus_trader.backtest.engine import SimulatedExchange
    from nautilus_trader.common.component import Logger, TimeEvent
    from nautilus_trader.model.book import OrderBook
    from nautilus_trader.model.data import Data
    from nautilus_trader.model.identifiers import ClientOrderId, InstrumentId

_DONE = (OrderCanceled, OrderDenied, OrderExpired, OrderRejected)
_SNAPSHOT = int(RecordFlag.F_SNAPSHOT)
_LAST = int(RecordFlag.F_LAST)

#: After Nautilus's own update of the cached book (10), before strategies (0).
_BEFORE_STRATEGIES = 5


def deltas_topic(instrument_id: InstrumentId) -> str:
    """Return the bus topic on which an instrument's book updates appear."""
    return f"data.book.deltas.{instrument_id.venue}.{instrument_id.symbol.topic()}"


class VenueModule(SimulationModule):
    """The companion of one simulated venue; everything it does is driven by order events."""

    def __init__(
        self,
        *,
        markets: Markets,
        ledger: ConsumptionLedger,
        fills: ReplayFillModel,
        fees: ScheduleFeeModel,
        insert_ns: int = 0,
        cancel_ns: int = 0,
    ) -> None:
        super().__init__(SimulationModuleConfig())
        self._markets = markets
        self._ledger = ledger
        self._fills = fills
        self._fees = fees
        self._insert_ns = insert_ns
        self._cancel_ns = cancel_ns
        self._timers = 0
        self._live_no: dict[InstrumentId, set[ClientOrderId]] = {}
        self._watched: set[InstrumentId] = set()

    def arm(self) -> None:
        """Connect to the venue and the bus, and step out of the engine's per-event loop.

        Nautilus calls every module at every event of every venue; this one works from order
        events alone, so it leaves the list once it holds the venue.
        """
        exchange: SimulatedExchange = self.exchange
        self._fills.attach(exchange)
        self.msgbus.subscribe(topic="events.order.*", handler=self._on_order_event)
        exchange.modules.remove(self)

    def process(self, ts_now: int) -> None:
        """Do nothing: see :meth:`arm`."""

    def pre_process(self, data: Data) -> None:
        """Do nothing: see :meth:`arm`."""

    def log_diagnostics(self, logger: Logger) -> None:
        """Log nothing."""

    def reset(self) -> None:
        """Refuse: a run has its own ledger, a second run builds a new engine."""
        raise RuntimeError("a replay engine runs once")

    def _on_order_event(self, event: OrderEvent) -> None:
        if event.instrument_id.venue != self.exchange.id:
            return
        if isinstance(event, OrderFilled):
            self._on_filled(event)
        elif isinstance(event, OrderSubmitted):
            self._wake_at(event.ts_init + self._insert_ns, self._insert_ns)
            self._follow(event.instrument_id, event.client_order_id)
        elif isinstance(event, (OrderPendingCancel, OrderPendingUpdate)):
            self._wake_at(event.ts_init + self._cancel_ns, self._cancel_ns)
        elif isinstance(event, _DONE):
            self._on_done(event.instrument_id, event.client_order_id)

    def _on_filled(self, event: OrderFilled) -> None:
        self._fills.on_filled(event)
        self._watch(self._markets[event.instrument_id].book)
        order = self.cache.order(event.client_order_id)
        if order is not None and order.is_closed:
            self._on_done(event.instrument_id, event.client_order_id)

    def _on_done(self, instrument_id: InstrumentId, order_id: ClientOrderId) -> None:
        self._fills.on_closed(order_id)
        self._fees.on_closed(order_id)
        live = self._live_no.get(instrument_id)
        if live:
            live.discard(order_id)

    def _wake_at(self, due_ns: int, delay_ns: int) -> None:
        if delay_ns:
            self._timers += 1
            name = f"due-{self.exchange.id}-{self._timers}"
            self.clock.set_time_alert_ns(name, due_ns, self._on_due)

    @staticmethod
    def _on_due(event: TimeEvent) -> None:
        """Being an event is all it is for: the engine now settles what is due (rule 2)."""

    def _follow(self, instrument_id: InstrumentId, order_id: ClientOrderId) -> None:
        view = self._markets[instrument_id]
        if view.is_no:
            self._live_no.setdefault(instrument_id, set()).add(order_id)
            self._mirror(view, instrument_id)
            self._watch(view.book)

    def _watch(self, book: InstrumentId) -> None:
        if book not in self._watched:
            self._watched.add(book)
            self.msgbus.subscribe(
                topic=deltas_topic(book), handler=self._on_deltas, priority=_BEFORE_STRATEGIES
            )

    def _on_deltas(self, deltas: OrderBookDeltas) -> None:
        book = deltas.instrument_id
        is_touched = self._show_ledger(self._markets[book])
        no_id = self._markets.no_of(book)
        if self._live_no.get(no_id):
            self._mirror(self._markets[no_id], no_id)
        elif not is_touched:
            self._watched.discard(book)
            self.msgbus.unsubscribe(topic=deltas_topic(book), handler=self._on_deltas)

    def _show_ledger(self, view: View) -> bool:
        """Show the ledger the levels taken from a book; say whether any is left taken."""
        touched = self._ledger.levels(view.pool, view.book.value)
        if not touched:
            return False
        book = self.exchange.get_book(view.book)
        seen = self.cache.order_book(view.book)
        for pool_side, pool_price in touched:
            side, price_raw = view.pool_level(pool_side, pool_price)
            displayed = _displayed(book, side, price_raw)
            self._ledger.observe(view.pool, pool_side, pool_price, displayed)
            left = self._ledger.available(view.pool, pool_side, pool_price, displayed)
            if seen is not None and left < displayed:
                self._show_less(seen, side, price_raw, left)
        return bool(self._ledger.levels(view.pool, view.book.value))

    def _show_less(self, seen: OrderBook, side: BookSide, price_raw: int, left: int) -> None:
        """Show strategies what is left of a level (rule 4)."""
        instrument = self.exchange.instruments[seen.instrument_id]
        order = BookOrder(
            OrderSide.SELL if side is BookSide.ASK else OrderSide.BUY,
            Price.from_raw(price_raw, instrument.price_precision),
            Quantity.from_raw(left, instrument.size_precision),
            0,
        )
        if left:
            seen.update(order, seen.ts_last)
        else:
            seen.delete(order, seen.ts_last)

    def _mirror(self, view: View, instrument_id: InstrumentId) -> None:
        """Make the NO book of this moment from the YES book (rule 1)."""
        exchange: SimulatedExchange = self.exchange
        instrument = exchange.instruments[instrument_id]
        book = exchange.get_book(view.book)
        now_ns = self.clock.timestamp_ns()
        rows = [OrderBookDelta.clear(instrument_id, 0, now_ns, now_ns)]
        for side, levels in ((OrderSide.SELL, book.bids()), (OrderSide.BUY, book.asks())):
            for level in levels:
                size = sum(order.size.raw for order in level.orders())
                order = BookOrder(
                    side,
                    Price.from_raw(ONE_RAW - level.price.raw, instrument.price_precision),
                    Quantity.from_raw(size, instrument.size_precision),
                    0,
                )
                rows.append(_add(instrument_id, order, now_ns))
        last = rows[-1]
        flags = last.flags | _LAST
        rows[-1] = OrderBookDelta(instrument_id, last.action, last.order, flags, 0, now_ns, now_ns)
        exchange.process_order_book_deltas(OrderBookDeltas(instrument_id, rows))


def _add(instrument_id: InstrumentId, order: BookOrder, now_ns: int) -> OrderBookDelta:
    return OrderBookDelta(instrument_id, BookAction.ADD, order, _SNAPSHOT, 0, now_ns, now_ns)


def _displayed(book: OrderBook, side: BookSide, price_raw: int) -> int:
    levels = book.asks() if side is BookSide.ASK else book.bids()
    for level in levels:
        if level.price.raw == price_raw:
            return sum(order.size.raw for order in level.orders())
    return 0
