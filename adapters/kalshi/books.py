"""One market's book on the YES leg, in units (pure).

1. A bid for YES is a bid; a bid for NO at q is an offer of YES at 1 − q.
2. With ``use_yes_price`` the venue states NO levels in YES prices; without it in NO prices.
3. A delta is a signed change of resting quantity; a level at zero is gone, below zero means that
   a message was lost.
4. Bid and offer that meet would have traded: such a book is wrong, whoever is to blame.
"""

from __future__ import annotations

from collections.abc import Iterable

from adapters.kalshi.numbers import ONE, units


class BookFault(Exception):
    """The book cannot be right; the message says why."""


class YesBook:
    """Price levels of one market: price in units → size in units."""

    __slots__ = ("_best_ask", "_best_bid", "asks", "bids")

    def __init__(self) -> None:
        self.bids: dict[int, int] = {}
        self.asks: dict[int, int] = {}
        self._best_bid = 0
        self._best_ask = ONE

    @property
    def best_bid(self) -> int:
        """Best bid in units, 0 without one."""
        return self._best_bid

    @property
    def best_ask(self) -> int:
        """Best offer in units, 1,000,000 without one."""
        return self._best_ask

    def load(
        self,
        yes_levels: Iterable[tuple[str, str]],
        no_levels: Iterable[tuple[str, str]],
        *,
        yes_price: bool,
    ) -> None:
        """Replace everything by a snapshot (rules 1, 2, 4).

        Raises
        ------
        BookFault
            A level is negative or given twice, or the book is crossed.
        ProtocolError
            A number cannot be read.
        """
        self.bids = _levels(yes_levels, mirrored=False)
        self.asks = _levels(no_levels, mirrored=not yes_price)
        self._best_bid = max(self.bids, default=0)
        self._best_ask = min(self.asks, default=ONE)
        self._check()

    def change(self, *, bid: bool, price_u: int, delta_u: int) -> int:
        """Apply a delta and return the level's new size in units (rules 3, 4).

        Raises
        ------
        BookFault
            The level would be negative, or the book is crossed.
        """
        side = self.bids if bid else self.asks
        size_u = side.get(price_u, 0) + delta_u
        if size_u < 0:
            raise BookFault(f"level {price_u} would hold {size_u}")
        if size_u:
            side[price_u] = size_u
            if bid:
                self._best_bid = max(self._best_bid, price_u)
            else:
                self._best_ask = min(self._best_ask, price_u)
            self._check()
        elif side.pop(price_u, None) is not None:
            if bid and price_u == self._best_bid:
                self._best_bid = max(side, default=0)
            elif not bid and price_u == self._best_ask:
                self._best_ask = min(side, default=ONE)
        return size_u

    def _check(self) -> None:
        if self._best_bid >= self._best_ask:
            raise BookFault(f"crossed: bid {self._best_bid}, offer {self._best_ask}")


def _levels(levels: Iterable[tuple[str, str]], *, mirrored: bool) -> dict[int, int]:
    side: dict[int, int] = {}
    for price, size in levels:
        price_u = ONE - units(price) if mirrored else units(price)
        size_u = units(size)
        if size_u == 0 or price_u in (0, ONE):
            continue  # 0 and 1 mean "no quote"
        if not 0 < price_u < ONE or size_u < 0 or price_u in side:
            raise BookFault(f"level {price!r} with {size!r}")
        side[price_u] = size_u
    return side
