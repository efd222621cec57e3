"""One book for each market, quoted on the YES leg: price, then time."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator

from simulators.kalshi.model import Order


class BookSide:
    """Resting orders of one side. Prices are kept ascending; ``best`` knows the direction."""

    def __init__(self, is_bid: bool) -> None:
        self._is_bid = is_bid
        self._prices: list[int] = []
        self._queues: dict[int, dict[str, Order]] = {}

    def __bool__(self) -> bool:
        return bool(self._prices)

    def best(self) -> int | None:
        """Return the best price, or None."""
        if not self._prices:
            return None
        return self._prices[-1] if self._is_bid else self._prices[0]

    def add(self, order: Order) -> None:
        """Put an order behind the others of its price."""
        queue = self._queues.get(order.px)
        if queue is None:
            queue = self._queues[order.px] = {}
            insort(self._prices, order.px)
        queue[order.order_id] = order

    def remove(self, order: Order) -> None:
        """Take an order out."""
        queue = self._queues[order.px]
        del queue[order.order_id]
        if not queue:
            del self._queues[order.px]
            del self._prices[bisect_left(self._prices, order.px)]

    def first(self, px: int) -> Order:
        """Return the oldest order of a price that has one."""
        return next(iter(self._queues[px].values()))

    def queue(self, px: int) -> Iterator[Order]:
        """Return the orders of a price in time priority."""
        return iter(self._queues.get(px, {}).values())

    def size(self, px: int) -> int:
        """Return the resting quantity of a price."""
        return sum(order.remaining for order in self.queue(px))

    def levels(self) -> list[tuple[int, int]]:
        """Return (price, quantity), ascending by price."""
        return [(px, self.size(px)) for px in self._prices]

    def from_best(self) -> Iterator[int]:
        """Return the prices from best to worst."""
        return reversed(self._prices) if self._is_bid else iter(self._prices)

    def orders(self) -> list[Order]:
        """Return every order, by price and time."""
        return [order for px in self._prices for order in self._queues[px].values()]


class Book:
    """Both sides of one market."""

    def __init__(self) -> None:
        self.bids = BookSide(is_bid=True)
        self.asks = BookSide(is_bid=False)

    def side(self, name: str) -> BookSide:
        """Return the side ``bid`` or ``ask``."""
        return self.bids if name == "bid" else self.asks

    def opposite(self, name: str) -> BookSide:
        """Return the side that an order of side ``name`` trades against."""
        return self.asks if name == "bid" else self.bids

    def crosses(self, side: str, px: int) -> bool:
        """Return whether an order at ``px`` would trade now."""
        best = self.opposite(side).best()
        if best is None:
            return False
        return px >= best if side == "bid" else px <= best

    def available(self, side: str, px: int) -> int:
        """Return the quantity that an order of ``side`` finds up to ``px``."""
        found = 0
        for level in self.opposite(side).from_best():
            if (level > px) if side == "bid" else (level < px):
                break
            found += self.opposite(side).size(level)
        return found

    def ahead(self, order: Order) -> int:
        """Return the quantity before a resting order at its price."""
        before = 0
        for other in self.side(order.side).queue(order.px):
            if other.order_id == order.order_id:
                break
            before += other.remaining
        return before
