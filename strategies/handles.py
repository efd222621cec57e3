"""What the strategy keeps per market and per pair: book handles, cost bounds, consumption."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from nautilus_trader.model.identifiers import InstrumentId
from nautilus_trader.model.objects import FIXED_PRECISION

from core.consumption import Consumption
from core.contracts import Outcome
from core.fees.base import FeeSchedule, UnknownFeesError
from core.gate import GateTable
from core.ladder import Book, Ladder, clean
from core.money import SCALE
from core.opportunity import PairSetup
from core.outcome_market import OutcomeMarket
from core.pairs import Pair, PairMarket
from core.policy import Policy

if TYPE_CHECKING:
    from nautilus_trader.model.book import OrderBook

RAW_ONE = 10**FIXED_PRECISION
RAW_PER_UNIT = RAW_ONE // SCALE
NEVER = SCALE
"""Cost bound of something that cannot be bought: a full dollar."""


class CostBounds:
    """Cost bounds by best price, one object per fee schedule and smallest order.

    Keys are the prices as floats, which identify a price and are never calculated with: the
    bound is computed once per price, from the price's exact raw integer.
    """

    __slots__ = ("no", "table", "yes")

    def __init__(self, schedule: FeeSchedule | None, size_min_u: int) -> None:
        self.table = GateTable(schedule, size_min_u, RAW_ONE)
        self.yes: dict[float, int] = {}
        self.no: dict[float, int] = {}


class MarketHandle:
    """One market of a pair: its cached book and everything known about it.

    ``bid``, ``ask`` are the best prices of the market's own YES as last seen, used as identities;
    ``buy_yes``, ``buy_no`` bound the cost of the pair's YES and NO on this venue.
    """

    __slots__ = (
        "ask",
        "asks_taken",
        "best_ask",
        "best_bid",
        "bid",
        "bids_taken",
        "book",
        "bounds",
        "buy_no",
        "buy_yes",
        "closed",
        "instrument_id",
        "inverse",
        "market",
        "outcomes",
        "pair",
        "quiet",
        "schedule",
        "seen_ns",
        "updates",
    )

    def __init__(self, market: PairMarket, pair: PairHandle) -> None:
        self.market = market
        self.pair = pair
        self.instrument_id = InstrumentId.from_str(market.yes_id)
        self.inverse = market.inverse
        self.outcomes = OutcomeMarket(market.instrument(Outcome.YES), market.instrument(Outcome.NO))
        self.schedule: FeeSchedule | None = None
        self.bounds: CostBounds
        self.book: OrderBook | None = None
        self.best_bid: Callable[[], object] = _nothing
        self.best_ask: Callable[[], object] = _nothing
        self.bid = self.ask = -1.0
        self.buy_yes = self.buy_no = NEVER
        self.bids_taken = Consumption(asks=False)
        self.asks_taken = Consumption(asks=True)
        self.seen_ns = 0
        self.updates = 0
        self.quiet = False
        self.closed = False

    def attach(self, book: OrderBook) -> None:
        """Take the cached book; its object stays the same while the instrument is subscribed."""
        self.book = book
        self.best_bid = book.best_bid_price
        self.best_ask = book.best_ask_price

    def reprice(self, bid: object, ask: object) -> None:
        """Set both cost bounds from new best prices (None where a side is empty)."""
        bounds = self.bounds
        ask_cost = NEVER if ask is None else bounds.yes.get(float(ask), -1)  # type: ignore[arg-type]  # Price
        bid_cost = NEVER if bid is None else bounds.no.get(float(bid), -1)  # type: ignore[arg-type]  # Price
        if ask_cost < 0:
            ask_cost = bounds.yes[float(ask)] = bounds.table[ask.raw]  # type: ignore[arg-type, attr-defined, union-attr]  # Price
        if bid_cost < 0:
            bid_cost = bounds.no[float(bid)] = bounds.table[RAW_ONE - bid.raw]  # type: ignore[arg-type, attr-defined, union-attr]  # Price
        if self.inverse:
            self.buy_yes, self.buy_no = bid_cost, ask_cost
        else:
            self.buy_yes, self.buy_no = ask_cost, bid_cost

    def read(self, depth: int) -> tuple[Book, Book]:
        """Return the pair's YES book as displayed and without what we took, to a depth."""
        assert self.book is not None
        bids = _ladder(self.book.bids()[:depth])
        asks = _ladder(self.book.asks()[:depth])
        seen = Book(bids, asks)
        left = Book(self.bids_taken.apply(bids), self.asks_taken.apply(asks))
        if self.inverse:
            return seen.mirrored(), left.mirrored()
        return seen, left

    def remember(self, outcome: Outcome, buy: bool, price_u: int, size_u: int) -> None:
        """Remember a fill of ours as consumption of the market's own YES book.

        Buying the market's YES or selling its NO takes asks; the other two take bids.
        """
        if self.book is None:
            return
        own_yes = (outcome is Outcome.YES) != self.inverse
        price = price_u if own_yes else SCALE - price_u
        asks = own_yes == buy
        levels = _ladder(self.book.asks() if asks else self.book.bids())
        shown = next((size for p, size in levels if p == price), 0)
        if shown:
            (self.asks_taken if asks else self.bids_taken).take(price, size_u, shown)


class PairHandle:
    """One pair: both markets, the prepared setup, and whether it is being traded."""

    __slots__ = ("a", "b", "box_id", "hedged", "pair", "quiet_until_ns", "seq", "setup")

    def __init__(self, pair: Pair, policy: Policy) -> None:
        self.pair = pair
        self.setup = PairSetup(pair, policy)
        self.a = MarketHandle(pair.a, self)
        self.b = MarketHandle(pair.b, self)
        self.box_id: str | None = None
        self.hedged: list[str] = []
        self.quiet_until_ns = 0
        self.seq = 0

    @property
    def markets(self) -> tuple[MarketHandle, MarketHandle]:
        """Both markets, A first."""
        return self.a, self.b

    def load_fees(self, now_ns: int, shared: dict[str, CostBounds]) -> list[str]:
        """Resolve both fee schedules at a time; return what is wrong, for the log.

        A market with unknown fees keeps no schedule: the gate counts its fees as zero, every hit
        is refused with ``unknown_fees`` and so becomes visible.
        """
        problems = []
        for handle in self.markets:
            try:
                handle.schedule = handle.market.fees.at(now_ns)
            except UnknownFeesError as error:
                handle.schedule = None
                problems.append(f"{self.pair.pair_id}: {error}")
            key = f"{handle.market.fees!r}/{self.setup.size_min_u}/{handle.schedule!r}"
            if key not in shared:
                shared[key] = CostBounds(handle.schedule, self.setup.size_min_u)
            handle.bounds = shared[key]
            handle.bid = handle.ask = -1.0
        return problems


def _nothing() -> object:
    return None


def _ladder(levels: list) -> Ladder:  # type: ignore[type-arg]  # Nautilus BookLevel has no stubs
    return clean((level.price.raw // RAW_PER_UNIT, _size_u(level)) for level in levels)


def _size_u(level: object) -> int:
    """Return a level's size in units: the sum of its orders' exact raw sizes."""
    return sum(order.size.raw for order in level.orders()) // RAW_PER_UNIT  # type: ignore[attr-defined]  # BookLevel
