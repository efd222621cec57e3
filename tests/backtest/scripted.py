"""A strategy that does what a test tells it, importable by path."""

from __future__ import annotations

from nautilus_trader.config import StrategyConfig
from nautilus_trader.model.enums import BookType, OrderSide, TimeInForce
from nautilus_trader.model.identifiers import InstrumentId
from nautilus_trader.model.objects import Price, Quantity
from nautilus_trader.trading.strategy import Strategy


class ScriptedConfig(StrategyConfig, frozen=True, kw_only=True):
    """``orders``: dicts at_ns, instrument, side, price, size, tif, tags, reduce_only."""

    orders: list[dict]
    books: list[str]
    cancel_ns: int = 0


class Scripted(Strategy):
    def __init__(self, config: ScriptedConfig) -> None:
        super().__init__(config)
        self.seen: dict[str, list] = {}

    def on_start(self) -> None:
        for book in self.config.books:
            self.subscribe_order_book_deltas(InstrumentId.from_str(book), BookType.L2_MBP)
        for number, row in enumerate(self.config.orders):
            self.clock.set_time_alert_ns(f"o{number}", row["at_ns"], lambda _, r=row: self._send(r))

    def on_order_book_deltas(self, deltas) -> None:
        book = self.cache.order_book(deltas.instrument_id)
        self.seen[str(deltas.instrument_id)] = [
            [(str(level.price), level.size()) for level in side]
            for side in (book.bids(), book.asks())
        ]

    def _send(self, row: dict) -> None:
        instrument = InstrumentId.from_str(row["instrument"])
        quantity, side = Quantity.from_str(row["size"]), OrderSide[row["side"]]
        if "price" not in row:
            self.submit_order(self.order_factory.market(instrument, side, quantity))
            return
        order = self.order_factory.limit(
            instrument,
            side,
            quantity,
            Price.from_str(row["price"]),
            time_in_force=TimeInForce[row.get("tif", "IOC")],
            reduce_only=row.get("reduce_only", False),
            tags=row.get("tags"),
        )
        self.submit_order(order)
        if self.config.cancel_ns:
            self.clock.set_time_alert_ns(
                f"c-{order.client_order_id}",
                self.clock.timestamp_ns() + self.config.cancel_ns,
                lambda _: self.cancel_order(order),
            )
