"""One token's book as the venue prints it, and the checks that say whether to believe it. Pure."""

from __future__ import annotations

from bisect import bisect_left, insort
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

from adapters.polymarket.book_hash import BookTerms, Level, last_price_text, matching_last_price
from adapters.polymarket.schemas.clob import Book
from adapters.polymarket.schemas.wire import price_text, size_text

_ONE = Decimal(1)
_REPLAY_MAX = 400
"""Changes kept to lay over a REST book; a slower REST answer than that is asked again."""
_UNVERIFIABLE_AFTER = 3


class LevelChange(NamedTuple):
    """A level set to a new total."""

    is_bid: bool
    price: str
    size: str
    removes: bool


class Mismatch(StrEnum):
    """How a book failed its check."""

    BEST_BID_ASK = "best_bid_ask_mismatch"
    CROSSED = "crossed"
    HASH = "hash_mismatch"
    UNVERIFIABLE = "hash_unverifiable"


class _Side:
    """Levels of one side: sorted prices and the text as printed."""

    __slots__ = ("levels", "prices")

    def __init__(self) -> None:
        self.prices: list[Decimal] = []
        self.levels: dict[Decimal, Level] = {}

    def set(self, level: Level, *, removes: bool) -> None:
        key = price_text(level.price)
        if removes:
            if self.levels.pop(key, None) is not None:
                del self.prices[bisect_left(self.prices, key)]
            return
        if key not in self.levels:
            insort(self.prices, key)
        self.levels[key] = level

    def clear(self) -> None:
        self.prices.clear()
        self.levels.clear()

    def ascending(self) -> list[Level]:
        return [self.levels[p] for p in self.prices]

    def descending(self) -> list[Level]:
        return [self.levels[p] for p in reversed(self.prices)]


class AssetBook:
    """Book of one asset.

    Attributes
    ----------
    group : tuple or None
        Hash, timestamp, best bid and best ask of the batch being applied, not yet checked.
    last_unknown_since_ns : int
        Receive time of a book printed without its last price; 0 when the last price is known.
    """

    def __init__(self, asset_id: str, terms: BookTerms) -> None:
        self.asset_id = asset_id
        self.terms = terms
        self.is_live = False
        self.ts_event_ns = 0
        self.ts_init_ns = 0
        self.compared_ns = 0
        self.snapshot_ts_ns = 0
        self.group: tuple[str, str, str | None, str | None] | None = None
        self.last_unknown_since_ns = 0
        self._last_prices: tuple[str, ...] = ("",)
        self._bids = _Side()
        self._asks = _Side()
        self._since: list[tuple[int, tuple[LevelChange, ...]]] = []
        self._false_alarms = 0

    # -- changes ----------------------------------------------------------------------------------

    def reset(self, *, disconnected: bool = False) -> None:
        """Forget the levels; changes wait for a snapshot (those of a lost socket never count)."""
        self.is_live = False
        self.group = None
        self.last_unknown_since_ns = 0
        self._bids.clear()
        self._asks.clear()
        if disconnected:
            self._since.clear()
            self.snapshot_ts_ns = 0

    def replace(self, book: Book, ts_event_ns: int, ts_init_ns: int, *, printed: bool) -> None:
        """Take a whole book from the stream; `printed` when it carried its last trade price."""
        self._fill(book)
        self.ts_event_ns = self.snapshot_ts_ns = ts_event_ns
        self.ts_init_ns = ts_init_ns
        self.group = None
        self._since.clear()
        self.is_live = True
        if printed:
            self._adopt_last_price(book.last_trade_price)
        else:
            self.last_unknown_since_ns = ts_init_ns  # a trade caused it: the price follows

    def is_older(self, ts_event_ns: int) -> bool:
        """Tell whether a REST book was made before the snapshot we already hold."""
        return self.is_live and ts_event_ns < self.snapshot_ts_ns

    def load(self, book: Book, ts_event_ns: int) -> tuple[LevelChange, ...]:
        """Take a whole book read by REST; return the changes heard since it was made."""
        unchanged = self.is_live and self.same_levels(book)
        later = tuple(c for ts, changes in self._since if ts > ts_event_ns for c in changes)
        newest = max((ts for ts, _ in self._since), default=0)
        self._fill(book)
        for change in later:
            self._set(change)
        self.ts_event_ns = max(ts_event_ns, newest)
        self.is_live = True
        self.group = None
        self._since = [item for item in self._since if item[0] > ts_event_ns]
        if book.tick_size:
            self.terms = BookTerms(
                market=self.terms.market,
                min_order_size=book.min_order_size or self.terms.min_order_size,
                tick_size=book.tick_size,
                neg_risk=book.neg_risk,
                version=book.version,
            )
        self._adopt_last_price(book.last_trade_price)
        self._false_alarms = self._false_alarms + 1 if unchanged else 0
        return later

    def apply(self, changes: tuple[LevelChange, ...], ts_event_ns: int, ts_init_ns: int) -> bool:
        """Apply level changes; False while there is no book to apply them to."""
        self.ts_init_ns = ts_init_ns
        self._since.append((ts_event_ns, changes))
        if len(self._since) > _REPLAY_MAX:
            del self._since[: _REPLAY_MAX // 2]
        if not self.is_live:
            return False
        self.ts_event_ns = ts_event_ns
        for change in changes:
            self._set(change)
        return True

    def set_last_price(self, traded: Decimal) -> None:
        """Learn the last trade: the hash holds it or its complement."""
        self._last_prices = (last_price_text(traded), last_price_text(_ONE - traded))
        self.last_unknown_since_ns = 0

    def _adopt_last_price(self, text: str) -> None:
        self._last_prices = (text,)
        self.last_unknown_since_ns = 0

    def _fill(self, book: Book) -> None:
        self._bids.clear()
        self._asks.clear()
        for side, levels in ((self._bids, book.bids), (self._asks, book.asks)):
            for level in levels:
                side.set(Level(level.price, level.size), removes=not size_text(level.size))

    def _set(self, change: LevelChange) -> None:
        side = self._bids if change.is_bid else self._asks
        side.set(Level(change.price, change.size), removes=change.removes)

    # -- questions --------------------------------------------------------------------------------

    def best_bid(self) -> Decimal | None:
        """Return the best bid."""
        return self._bids.prices[-1] if self._bids.prices else None

    def best_ask(self) -> Decimal | None:
        """Return the best ask."""
        return self._asks.prices[0] if self._asks.prices else None

    def bids(self) -> list[Level]:
        """Return bid levels, best last."""
        return self._bids.ascending()

    def asks(self) -> list[Level]:
        """Return ask levels, best last."""
        return self._asks.descending()

    def top(self) -> tuple[Level, Level] | None:
        """Return the best bid and ask as printed, or None while a side is empty."""
        bid, ask = self.best_bid(), self.best_ask()
        if bid is None or ask is None:
            return None
        return self._bids.levels[bid], self._asks.levels[ask]

    def is_crossed(self) -> bool:
        """Tell whether the best bid is at or above the best ask."""
        bid, ask = self.best_bid(), self.best_ask()
        return bid is not None and ask is not None and bid >= ask

    def same_levels(self, book: Book) -> bool:
        """Tell whether a REST book holds exactly our levels."""
        for side, levels in ((self._bids, book.bids), (self._asks, book.asks)):
            theirs = {Decimal(x.price): Decimal(x.size) for x in levels}
            if theirs != {p: Decimal(x.size) for p, x in side.levels.items()}:
                return False
        return True

    def best_mismatch(self, best_bid: str | None, best_ask: str | None) -> Mismatch | None:
        """Compare with the best prices the venue states; "", "0" and an ask of "1" mean none."""
        if best_bid is not None and _best(best_bid, empty="0") != self.best_bid():
            return Mismatch.BEST_BID_ASK
        if best_ask is not None and _best(best_ask, empty="1") != self.best_ask():
            return Mismatch.BEST_BID_ASK
        return None

    def check_group(self) -> Mismatch | None:
        """Check the book at the end of a batch, and close the batch."""
        group, self.group = self.group, None
        if group is None or not self.is_live:
            return None
        expected, timestamp, best_bid, best_ask = group
        if self.is_crossed():
            return Mismatch.CROSSED
        problem = self.best_mismatch(best_bid, best_ask)
        if problem is not None:
            return problem
        if self.last_unknown_since_ns or not expected:
            return Mismatch.UNVERIFIABLE
        if self._false_alarms >= _UNVERIFIABLE_AFTER:
            return Mismatch.UNVERIFIABLE
        found = matching_last_price(
            self.terms,
            asset_id=self.asset_id,
            timestamp=timestamp,
            bids=self.bids(),
            asks=self.asks(),
            candidates=self._last_prices,
            expected=expected,
        )
        if found is None:
            return Mismatch.HASH
        self._last_prices = (found,)
        self._false_alarms = 0
        return None


def _best(text: str, empty: str) -> Decimal | None:
    if text == "":
        return None
    value = price_text(text)
    if value == price_text(empty) or value == 0:
        return None
    return value
