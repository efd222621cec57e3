"""What we took at a price stays taken until the venue shows otherwise.

A poll that repeats a level after we bought from it has not seen our order (recordings never do),
so the size we took is not there a second time. One ledger per venue market, in the YES frame: the
bid a NO buy took is gone for a YES seller too.
"""

from __future__ import annotations

from typing import NamedTuple

from core.ladder import Ladder


class Taken(NamedTuple):
    """What was taken at a level (units), and the size displayed when it was."""

    taken_u: int
    shown_u: int


class Consumption:
    """Overlay over one side of one market's book.

    Parameters
    ----------
    asks
        True for asks (best is lowest), False for bids.
    """

    __slots__ = ("_asks", "_levels")

    def __init__(self, *, asks: bool) -> None:
        self._asks = asks
        self._levels: dict[int, Taken] = {}

    def __bool__(self) -> bool:
        return bool(self._levels)

    def take(self, price_u: int, size_u: int, shown_u: int) -> None:
        """Remember a fill of ours at a price when the book displayed ``shown_u`` there."""
        before = self._levels.get(price_u)
        taken = size_u + (before.taken_u if before else 0)
        self._levels[price_u] = Taken(taken, max(shown_u, before.shown_u if before else 0))

    def apply(self, ladder: Ladder) -> Ladder:
        """Return the ladder without what we took, and forget what the venue has shown to be over.

        A memory ends when its level is gone (within the visible ladder), when the level grew by
        more than we took, or when it shrank by at least that much: then the venue shows our fill.
        """
        if not self._levels or not ladder:
            return ladder
        shown = dict(ladder)
        last = ladder[-1][0]
        for price, memory in list(self._levels.items()):
            size = shown.get(price)
            if size is None:
                visible = price <= last if self._asks else price >= last
                if visible:  # within the ladder, or better than its best: the level is gone
                    del self._levels[price]
            elif self._over(size, memory):
                del self._levels[price]
        left = (
            (price, size - (self._levels[price].taken_u if price in self._levels else 0))
            for price, size in ladder
        )
        return tuple((price, size) for price, size in left if size > 0)

    @staticmethod
    def _over(size_u: int, memory: Taken) -> bool:
        return size_u > memory.shown_u + memory.taken_u or (
            size_u <= memory.shown_u - memory.taken_u
        )
