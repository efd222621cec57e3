"""One market's book, rebuilt from an archive's rows. Pure: integers in, deltas out.

Prices are $0.0001 in the YES frame, sizes 0.000001 contract as the archives hold them; deltas
come out at the catalog's 0.01 contract, rounded down (an archive shows more decimals than the
catalog keeps; a level below 0.01 contract is no level).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import NamedTuple

from backtests.data.deltas import (
    ACTION_ADD,
    ACTION_CLEAR,
    ACTION_DELETE,
    ACTION_UPDATE,
    SENTINEL_SIZE,
    SIDE_BUY,
    SIDE_NONE,
    SIDE_SELL,
)
from backtests.data.recording import NO_ASK, NO_BID, PRICE_UNITS

#: Archive size units in one catalog size unit.
SIZE_STEP = 10_000


class Row(NamedTuple):
    """One delta: Nautilus action and side, price in $0.0001, size in 0.01 contract."""

    action: int
    side: int
    price: int
    size: int


#: An observation that changed nothing we store: the sentinel level is written again.
UNCHANGED = Row(ACTION_UPDATE, SIDE_BUY, NO_BID, SENTINEL_SIZE)
EMPTY_BOOK = (
    Row(ACTION_CLEAR, SIDE_NONE, 0, 0),
    Row(ACTION_ADD, SIDE_BUY, NO_BID, SENTINEL_SIZE),
    Row(ACTION_ADD, SIDE_SELL, NO_ASK, SENTINEL_SIZE),
)

#: Best prices and sizes of a book without quotes.
EMPTY_TOP = (NO_BID, NO_ASK, 0, 0)


class State(StrEnum):
    """Whether the book can be believed."""

    UNSEEDED = "unseeded"
    LIVE = "live"
    DIRTY = "dirty"


class ArchiveBook:
    """A YES book: bids and asks by price.

    Rules (archives, "rebuild"):

    1. A snapshot replaces both sides; an empty side is valid.
    2. Until a snapshot was seen, changes are ignored.
    3. A Kalshi delta is signed: the level grows or shrinks by it. Below zero a message was lost:
       the book is dirty until the next accepted snapshot.
    4. A Polymarket price change is the level's new size; 0 deletes it.
    5. A Kalshi NO bid at p is a YES ask at 1 - p of the same size.
    """

    __slots__ = ("asks", "bids", "state")

    def __init__(self) -> None:
        self.bids: dict[int, int] = {}
        self.asks: dict[int, int] = {}
        self.state = State.UNSEEDED

    @property
    def best_bid(self) -> int:
        """Best bid price; 0 without one."""
        return max((p for p, s in self.bids.items() if s >= SIZE_STEP), default=NO_BID)

    @property
    def best_ask(self) -> int:
        """Best ask price; 10000 without one."""
        return min((p for p, s in self.asks.items() if s >= SIZE_STEP), default=NO_ASK)

    @property
    def crossed(self) -> bool:
        """A bid at or above an ask: never a state of either exchange."""
        return max(self.bids, default=NO_BID) >= min(self.asks, default=NO_ASK)

    def matches(self, bids: Mapping[int, int], asks: Mapping[int, int]) -> bool:
        """Say whether a later snapshot shows exactly this book."""
        return self.bids == bids and self.asks == asks

    def replace(self, bids: Mapping[int, int], asks: Mapping[int, int]) -> list[Row]:
        """Take a snapshot (rule 1) and return it as deltas."""
        self.bids, self.asks = dict(bids), dict(asks)
        self.state = State.LIVE
        return self.snapshot()

    def snapshot(self) -> list[Row]:
        """Return the whole book as CLEAR and ADDs, best first, sentinels last on their side."""
        rows = [EMPTY_BOOK[0]]
        rows += _levels(SIDE_BUY, sorted(self.bids.items(), reverse=True))
        rows.append(EMPTY_BOOK[1])
        rows += _levels(SIDE_SELL, sorted(self.asks.items()))
        rows.append(EMPTY_BOOK[2])
        return rows

    def add(self, side: int, price: int, change: int) -> list[Row] | None:
        """Apply a signed change (rule 3); None when the level would fall below zero."""
        levels = self.bids if side == SIDE_BUY else self.asks
        size = levels.get(price, 0) + change
        if size < 0:
            self.state = State.DIRTY
            return None
        return self.put(side, price, size)

    def put(self, side: int, price: int, size: int) -> list[Row]:
        """Set a level (rule 4)."""
        levels = self.bids if side == SIDE_BUY else self.asks
        before = levels.get(price, 0) // SIZE_STEP
        if size:
            levels[price] = size
        else:
            levels.pop(price, None)
        after = size // SIZE_STEP
        if not before and not after:
            return [UNCHANGED]
        if not after:
            return [Row(ACTION_DELETE, side, price, 0)]
        return [Row(ACTION_UPDATE if before else ACTION_ADD, side, price, after)]

    def lose(self) -> None:
        """Forget everything: an hour is missing or unusable."""
        self.bids, self.asks = {}, {}
        self.state = State.UNSEEDED

    def top(self) -> tuple[int, int, int, int]:
        """Return bid, ask and their sizes in catalog units."""
        bid, ask = self.best_bid, self.best_ask
        return (
            bid,
            ask,
            self.bids.get(bid, 0) // SIZE_STEP,
            self.asks.get(ask, 0) // SIZE_STEP,
        )


def _levels(side: int, levels: Iterable[tuple[int, int]]) -> list[Row]:
    return [Row(ACTION_ADD, side, p, s // SIZE_STEP) for p, s in levels if s >= SIZE_STEP]


def kalshi_asks(no_bids: Mapping[int, int]) -> dict[int, int]:
    """Turn NO bids into YES asks (rule 5)."""
    return {PRICE_UNITS - p: s for p, s in no_bids.items()}
