"""The one book of a market, kept in prices of the first outcome; the other side is its mirror.

A bid on the first outcome at p *is* an ask on the second at 1 − p. Orders stand in price-time
order; the book knows only ids, sizes and prices, so it stays free of accounts and money.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from simulators.polymarket.units import ONE

if TYPE_CHECKING:
    from simulators.polymarket.model import Order


@dataclass(slots=True)
class Side:
    """One side: prices ascending, and a queue of orders (oldest first) at each."""

    prices: list[int] = field(default_factory=list)
    queues: dict[int, dict[str, Order]] = field(default_factory=dict)

    def add(self, price: int, order: Order) -> None:
        """Put an order at the end of its price's queue."""
        queue = self.queues.get(price)
        if queue is None:
            queue = self.queues[price] = {}
            insort(self.prices, price)
        queue[order.id] = order

    def remove(self, price: int, order_id: str) -> None:
        """Take an order out; the price disappears with its last order."""
        queue = self.queues[price]
        del queue[order_id]
        if not queue:
            del self.queues[price]
            del self.prices[bisect_left(self.prices, price)]

    def total(self, price: int) -> int:
        """Return the shares at a price, 0 when it is empty."""
        return sum(order.left for order in self.queues.get(price, {}).values())

    def levels(self) -> list[tuple[int, int]]:
        """Return (price, shares), ascending by price."""
        return [(price, self.total(price)) for price in self.prices]


@dataclass(slots=True)
class Book:
    """Bids and asks of the first outcome."""

    bids: Side = field(default_factory=Side)
    asks: Side = field(default_factory=Side)

    def side_of(self, order: Order) -> Side:
        """Return the side an order rests on."""
        return self.bids if order.yes_buy else self.asks

    def add(self, order: Order) -> None:
        """Rest an order."""
        self.side_of(order).add(order.yes_price, order)

    def remove(self, order: Order) -> None:
        """Take a resting order out."""
        self.side_of(order).remove(order.yes_price, order.id)

    def has(self, order: Order) -> bool:
        """Return whether the order rests here."""
        return order.id in self.side_of(order).queues.get(order.yes_price, {})

    def orders(self) -> list[Order]:
        """Return every resting order, oldest first within each price."""
        return [
            order
            for side in (self.bids, self.asks)
            for price in side.prices
            for order in side.queues[price].values()
        ]

    def best(self, outcome: int) -> tuple[int | None, int | None]:
        """Return best bid and ask of an outcome's token, None where a side is empty."""
        bid = self.bids.prices[-1] if self.bids.prices else None
        ask = self.asks.prices[0] if self.asks.prices else None
        if outcome == 0:
            return bid, ask
        return (None if ask is None else ONE - ask), (None if bid is None else ONE - bid)

    def levels(self, outcome: int) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
        """Return bids ascending and asks descending: best is the last of each, as on the wire."""
        bids, asks = self.bids.levels(), self.asks.levels()
        if outcome == 0:
            return bids, asks[::-1]
        return (
            [(ONE - price, size) for price, size in reversed(asks)],
            [(ONE - price, size) for price, size in bids],
        )

    def against(self, yes_buy: bool) -> list[Order]:
        """Return the orders an incoming order would meet, best price and oldest first."""
        side = self.asks if yes_buy else self.bids
        prices = side.prices if yes_buy else side.prices[::-1]
        return [order for price in prices for order in side.queues[price].values()]
