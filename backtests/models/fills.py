"""Fills of limit orders against recorded books: the ledger and the hazard as a ``FillModel``.

For each look the model hands Nautilus a small book of what this order may take, best first:

1. the side of the YES book it takes from (mirrored for a NO instrument), within its limit,
   without sentinel levels at 0 and 1;
2. less what the consumption ledger says was taken before, through any view;
3. nothing at all if the hazard says that the leg missed.

Nautilus's own ``liquidity_consumption`` must be on (an empty answer then cancels an IOC instead
of hanging it) but never counts: an answer that is a book bypasses it. Market orders are refused:
for them Nautilus ignores an empty answer and would fill from liquidity that is gone.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

from nautilus_trader.backtest.models import FillModel
from nautilus_trader.model.book import OrderBook
from nautilus_trader.model.data import BookOrder
from nautilus_trader.model.enums import BookType, LiquiditySide, OrderSide, OrderType, TimeInForce
from nautilus_trader.model.objects import Price, Quantity

from backtests.models.hazard import HazardTable, draw, round_randomly
from backtests.models.ledger import BookSide, ConsumptionLedger
from backtests.models.markets import ONE_RAW, Markets, View

if TYPE_CHECKING:
    from nautilus_trader.backtest.engine import SimulatedExchange
    from nautilus_trader.model.events import OrderFilled
    from nautilus_trader.model.identifiers import ClientOrderId, InstrumentId
    from nautilus_trader.model.instruments import Instrument
    from nautilus_trader.model.orders import Order

#: What draws are counted by: first leg, second leg, either leg of an early close.
HAZARD_CLASSES = ("first", "second", "close")

_NOW_OR_NEVER = (TimeInForce.IOC, TimeInForce.FOK)


class _Level(NamedTuple):
    """One offered level, raw integers: ``price`` in the order's frame, ``book_price`` in YES."""

    price: int
    size: int
    book_price: int
    displayed: int


class _Offer(NamedTuple):
    """What an order was last offered, best first, less what it has filled since."""

    view: View
    box: str
    levels: deque[_Level]


class UnsupportedOrderError(RuntimeError):
    """An order type that the fill model cannot judge."""


class Hazard:
    """The hazard of a run: table, seed, the edges of decisions, and what was drawn.

    Both legs of an early close are at the same risk as those of an opening: a bid that beats
    holding is as likely to be stale as an ask that leaves an edge. Unwinds always fill; they pay
    for it (:meth:`unwind_cost_raw`).
    """

    def __init__(self, table: HazardTable, seed: int) -> None:
        self.table = table
        self.seed = seed
        self.edges: dict[str, Decimal] = {}
        self.attempts = dict.fromkeys(HAZARD_CLASSES, 0)
        self.filled = dict.fromkeys(HAZARD_CLASSES, 0)

    def fills(self, order: Order, story: dict[str, str], displayed_raw: int) -> bool:
        """Draw whether a leg fills, by what it is for and what is displayed within its limit."""
        role = story.get("role")
        if role not in ("open", "complete", "close"):
            return True
        is_first = role != "complete" and story.get("leg", "1") == "1"
        ratio = Decimal(displayed_raw) / Decimal(order.quantity.raw)
        if is_first:
            chance = self.table.first(ratio, self.edges.get(story.get("decision", "")))
        else:
            chance = self.table.second(ratio)
        is_filled = draw(self.seed, "fill", *_identity(order, story)) < chance
        name = "close" if role == "close" else "first" if is_first else "second"
        self.attempts[name] += 1
        self.filled[name] += is_filled
        return is_filled

    def unwind_cost_raw(self, order: Order, story: dict[str, str], tick_raw: int) -> int:
        """Draw how far below its entry price an unwind sells, in raw price units."""
        tick = Decimal(tick_raw) / ONE_RAW
        uniform = draw(self.seed, "unwind", *_identity(order, story))
        return int(round_randomly(self.table.unwind_cost, tick, uniform) * ONE_RAW)


def _identity(order: Order, story: dict[str, str]) -> tuple[object, ...]:
    """Who an order is: what it is for and when it was sent, never the how-manieth it is.

    Client order ids and decision ids count; a run that replays only some windows counts
    differently and must draw the same.
    """
    return (order.instrument_id, order.side, story.get("role", ""), order.ts_init)


def read_story(order: Order) -> dict[str, str]:
    """Read an order's tags ``key:value`` (``pair, box, leg, role, decision``)."""
    pairs = (tag.partition(":") for tag in order.tags or ())
    return {key: value for key, separator, value in pairs if separator}


class ReplayFillModel(FillModel):
    """The fill model of one simulated venue; the ledger and the hazard are the run's."""

    def __init__(
        self,
        markets: Markets,
        ledger: ConsumptionLedger,
        hazard: Hazard | None = None,
        is_settled: Callable[[InstrumentId], bool] = lambda _: False,
    ) -> None:
        super().__init__(random_seed=0)
        self._is_settled = is_settled
        self._markets = markets
        self._ledger = ledger
        self._hazard = hazard
        self._exchange: SimulatedExchange | None = None
        self._verdicts: dict[ClientOrderId, bool] = {}
        self._offers: dict[ClientOrderId, _Offer] = {}
        self._entry_raw: dict[tuple[InstrumentId, str], int] = {}

    def attach(self, exchange: SimulatedExchange) -> None:
        """Give the model the venue whose books it reads."""
        self._exchange = exchange

    def get_orderbook_for_fill_simulation(
        self, instrument: Instrument, order: Order, best_bid: Price, best_ask: Price
    ) -> OrderBook:
        """Return the book this order may take from; Nautilus calls it for every look."""
        del best_bid, best_ask  # of the engine's own book; the ledger's is judged instead
        if order.order_type != OrderType.LIMIT:
            raise UnsupportedOrderError(
                f"{order.client_order_id} is a {order.type_string()} order: "
                "backtests fill limit orders only"
            )
        view = self._markets[instrument.id]
        story = read_story(order)
        levels = self._takeable(view, order)
        if not self._is_lucky(order, story, levels):
            levels = []
        levels = self._worsen_unwind(instrument, order, story, levels)
        self._offers[order.client_order_id] = _Offer(view, story.get("box", ""), deque(levels))
        return _as_book(instrument, order, levels)

    def on_filled(self, event: OrderFilled) -> None:
        """Book a fill's contracts as taken, level by level in the order they were offered."""
        offer = self._offers.get(event.client_order_id)
        if offer is None:
            return  # a settlement: nothing was offered
        if event.is_buy and self._hazard is not None:
            self._entry_raw[event.instrument_id, offer.box] = event.last_px.raw
        side = offer.view.book_side(buy=event.is_buy)
        left = event.last_qty.raw
        while left:
            level = offer.levels.popleft()
            part = min(left, level.size)
            pool_side, pool_price = offer.view.pool_level(side, level.book_price)
            self._ledger.take(
                offer.view.pool,
                offer.view.book.value,
                pool_side,
                pool_price,
                part,
                level.displayed,
            )
            left -= part
            if part < level.size:
                offer.levels.appendleft(level._replace(size=level.size - part))

    def on_closed(self, order_id: ClientOrderId) -> None:
        """Forget an order that is done."""
        self._offers.pop(order_id, None)
        self._verdicts.pop(order_id, None)

    def _takeable(self, view: View, order: Order) -> list[_Level]:
        assert self._exchange is not None, "attach() comes first"
        if self._is_settled(order.instrument_id):
            return []  # Nautilus would go on trading a settled binary
        book = self._exchange.get_book(view.book)
        buy = order.side == OrderSide.BUY
        side = view.book_side(buy=buy)
        limit = order.price.raw
        found: list[_Level] = []
        for level in book.asks() if side is BookSide.ASK else book.bids():
            book_price = level.price.raw
            price = view.book_price(book_price)
            if (price > limit) if buy else (price < limit):
                break
            if not 0 < book_price < ONE_RAW:
                continue
            displayed = _level_raw(level)
            pool_side, pool_price = view.pool_level(side, book_price)
            size = self._ledger.available(view.pool, pool_side, pool_price, displayed)
            if size:
                found.append(_Level(price, size, book_price, displayed))
        return found

    def _is_lucky(self, order: Order, story: dict[str, str], levels: list[_Level]) -> bool:
        if self._hazard is None or not levels:
            return True
        verdict = self._verdicts.get(order.client_order_id)
        if verdict is None:
            offered = sum(level.size for level in levels)
            verdict = self._hazard.fills(order, story, offered)
            if order.time_in_force not in _NOW_OR_NEVER:
                self._verdicts[order.client_order_id] = verdict  # one draw for its whole life
        return verdict

    def _worsen_unwind(
        self, instrument: Instrument, order: Order, story: dict[str, str], levels: list[_Level]
    ) -> list[_Level]:
        """Sell an unwind below what is displayed: the leg missed because the market had moved."""
        if self._hazard is None or story.get("role") != "unwind" or order.side != OrderSide.SELL:
            return levels
        entry = self._entry_raw.get((instrument.id, story.get("box", "")))
        if entry is None:
            return levels
        tick = instrument.price_increment.raw
        ceiling = entry - self._hazard.unwind_cost_raw(order, story, tick)
        floor = max(order.price.raw, tick)
        return [level._replace(price=max(floor, min(level.price, ceiling))) for level in levels]


def _level_raw(level: object) -> int:
    return sum(order.size.raw for order in level.orders())  # type: ignore[attr-defined]  # Cython class without stubs


def _as_book(instrument: Instrument, order: Order, levels: list[_Level]) -> OrderBook:
    """Make the answer: offered levels on the side the order takes from.

    A resting order is a maker: it fills at its own limit, not at the better price of whoever
    crossed it.
    """
    book = OrderBook(instrument.id, BookType.L2_MBP)
    side = OrderSide.SELL if order.side == OrderSide.BUY else OrderSide.BUY
    is_maker = order.liquidity_side == LiquiditySide.MAKER
    sizes: dict[int, int] = {}
    for level in levels:
        price = order.price.raw if is_maker else level.price
        sizes[price] = sizes.get(price, 0) + level.size
    for number, (price, size) in enumerate(sizes.items(), start=1):
        offer = BookOrder(
            side,
            Price.from_raw(price, instrument.price_precision),
            Quantity.from_raw(size, instrument.size_precision),
            number,
        )
        book.add(offer, 0, 0)
    return book
