"""Which instruments are views of the same liquidity.

Every instrument of a run is a *view*: of a YES book, directly or mirrored (the NO side), and of a
*pool*, the bet's liquidity, which second routes share. The pool has its own YES frame: that of the
pair's own leg. A route whose YES is the leg's NO is a mirrored view of the pool.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from nautilus_trader.model.identifiers import InstrumentId
from nautilus_trader.model.objects import Price

from backtests.models.ledger import BookSide

#: One dollar as a raw fixed-point price of this Nautilus build.
ONE_RAW: int = Price(1, 0).raw


class View(msgspec.Struct, frozen=True):
    """How an instrument looks at liquidity.

    ``book`` is the YES instrument whose book is replayed, ``is_no`` says that this instrument is
    the other side of it; ``pool`` names the shared liquidity, ``is_flipped`` says that the book's
    YES is the pool's NO.
    """

    book: InstrumentId
    is_no: bool
    pool: str
    is_flipped: bool = False

    def book_side(self, *, buy: bool) -> BookSide:
        """Return the side of the YES book that an order on this instrument takes from."""
        return BookSide.ASK if buy != self.is_no else BookSide.BID

    def book_price(self, price_raw: int) -> int:
        """Convert a raw price of this instrument to the YES book's, or back."""
        return ONE_RAW - price_raw if self.is_no else price_raw

    def pool_level(self, side: BookSide, book_price_raw: int) -> tuple[BookSide, int]:
        """Convert a level of the YES book to the pool's frame, or back."""
        if not self.is_flipped:
            return side, book_price_raw
        other = BookSide.BID if side is BookSide.ASK else BookSide.ASK
        return other, ONE_RAW - book_price_raw


class Market(msgspec.Struct, frozen=True):
    """One market of one venue: its two instruments and the liquidity it belongs to."""

    yes: InstrumentId
    no: InstrumentId
    pool: str
    is_flipped: bool = False


class Markets:
    """All views of a run, by instrument."""

    def __init__(self, markets: Iterable[Market]) -> None:
        self._views: dict[InstrumentId, View] = {}
        self._no_of: dict[InstrumentId, InstrumentId] = {}
        for market in markets:
            self._no_of[market.yes] = market.no
            for instrument, is_no in ((market.yes, False), (market.no, True)):
                if instrument in self._views:
                    raise ValueError(f"{instrument} belongs to two markets")
                self._views[instrument] = View(market.yes, is_no, market.pool, market.is_flipped)

    def __getitem__(self, instrument: InstrumentId) -> View:
        return self._views[instrument]

    def __contains__(self, instrument: InstrumentId) -> bool:
        return instrument in self._views

    def no_of(self, book: InstrumentId) -> InstrumentId:
        """Return the NO instrument of a YES book."""
        return self._no_of[book]
