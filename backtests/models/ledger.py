"""What we took from a recorded book stays taken.

A recording does not know that we traded in it: the contracts we bought are displayed again by
the next poll. Rules:

1. What was taken at a price is gone for every later order, through every view of the market:
   the YES book, its NO mirror and second routes to the same bet.
2. It comes back when the price level disappears from the book,
3. or when the level grows by more than was taken since the last take: somebody came in.
4. Until then a level offers what it displays less what was taken. A smaller display, a
   re-snapshot of the same book or a change by one contract gives nothing back.

What was taken through a book is given back by that book alone (rules 2 and 3): the last one, if
several show the same bet.

Prices and sizes are integers in the caller's unit (the raw fixed-point of Nautilus). Pure.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec


class BookSide(StrEnum):
    """Side of a YES book."""

    BID = "bid"
    ASK = "ask"


class Taken(msgspec.Struct, frozen=True):
    """What was taken at one price in total, and what which book showed at the last take."""

    size: int
    displayed: int
    book: str


class ConsumptionLedger:
    """The ledger of one run: what was taken, per pool of liquidity, side and price.

    A pool is a bet at one venue in one frame; ``book`` names the order book that showed the level.

    Examples
    --------
    >>> ledger = ConsumptionLedger()
    >>> ledger.take("M", "M-YES", BookSide.ASK, price=48, size=100, displayed=100)
    >>> ledger.available("M", BookSide.ASK, price=48, displayed=99)
    0
    >>> ledger.available("M", BookSide.ASK, price=48, displayed=150)
    50
    >>> ledger.observe("M", BookSide.ASK, price=48, displayed=0)     # the level disappeared
    >>> ledger.available("M", BookSide.ASK, price=48, displayed=100)
    100
    """

    def __init__(self) -> None:
        self._pools: dict[str, dict[tuple[BookSide, int], Taken]] = {}

    def take(
        self, pool: str, book: str, side: BookSide, price: int, size: int, displayed: int
    ) -> None:
        """Record that ``size`` was taken at ``price`` while ``book`` showed ``displayed``.

        Raises
        ------
        ValueError
            If more is taken than is available: a bug of the caller.
        """
        available = self.available(pool, side, price, displayed)
        if not 0 < size <= available:
            message = f"took {size} of {available} available at {price} ({side} of {pool})"
            raise ValueError(message)
        levels = self._pools.setdefault(pool, {})
        taken = levels.get((side, price))
        before = 0 if taken is None or _is_refilled(taken, displayed) else taken.size
        levels[side, price] = Taken(before + size, displayed, book)

    def available(self, pool: str, side: BookSide, price: int, displayed: int) -> int:
        """Return how much of a level that displays ``displayed`` can still be taken."""
        taken = self._pools.get(pool, {}).get((side, price))
        if taken is None or _is_refilled(taken, displayed):
            return displayed
        return max(0, displayed - taken.size)

    def observe(self, pool: str, side: BookSide, price: int, displayed: int) -> None:
        """See a level after an update of its book; 0 means it is gone (rules 2 and 3)."""
        levels = self._pools.get(pool, {})
        taken = levels.get((side, price))
        if taken is not None and (displayed == 0 or _is_refilled(taken, displayed)):
            del levels[side, price]
            if not levels:
                del self._pools[pool]

    def levels(self, pool: str, book: str) -> tuple[tuple[BookSide, int], ...]:
        """Return the levels taken through a book, as of now: safe to observe one by one."""
        levels = self._pools.get(pool, {})
        return tuple(level for level, taken in levels.items() if taken.book == book)


def _is_refilled(taken: Taken, displayed: int) -> bool:
    return displayed - taken.displayed > taken.size
