"""What the strategy keeps per market and per pair: book handles, cost bounds, consumption."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from nautilus_trader.model.identifiers import InstrumentId
from nautilus_trader.model.objects import FIXED_PRECISION

from core.consumption import Consumption
from core.contracts import Direction, Outcome
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
    from nautilus_trader.model.data import OrderBookDeltas

RAW_ONE = 10**FIXED_PRECISION
RAW_PER_UNIT = RAW_ONE // SCALE
NEVER = SCALE
"""Cost bound of something that cannot be bought: a full dollar."""


class CostBounds:
    """Cost bounds by best price, one object per fee schedule and smallest order.

    Keys are the prices as floats, which identify a price and are never calculated with: the
    bound is computed once per price, from the price's exact raw integer.
    """

    __slots__ = ("no", "sales", "table", "yes")

    def __init__(self, schedule: FeeSchedule | None, size_min_u: int, lot_u: int) -> None:
        self.table = GateTable(schedule, size_min_u, RAW_ONE)
        self.sales = GateTable(schedule, lot_u, RAW_ONE)  # what is sold back may be one lot
        self.yes: dict[float, int] = {}
        self.no: dict[float, int] = {}


class MarketHandle:
    """One market of a pair: its cached book, and the gate that every update of it passes.

    Prices ``bid`` and ``ask`` are the best of the market's own YES as last seen, kept as
    identities. ``ask_cost`` and ``bid_cost`` bound the cost of buying its YES at the ask and its
    NO at the bid; ``vs_ask`` and ``vs_bid`` are the other market's bounds for the outcomes that
    make a box with these two.
    """

    __slots__ = (
        "ask",
        "ask_cost",
        "ask_costs",
        "asks_taken",
        "best_ask",
        "best_bid",
        "bid",
        "bid_cost",
        "bid_costs",
        "bids_taken",
        "book",
        "bounds",
        "closed",
        "instrument_id",
        "inverse",
        "is_same_way",
        "look",
        "market",
        "outcomes",
        "pair",
        "quiet",
        "schedule",
        "seen_ns",
        "twin",
        "updates",
        "vs_ask",
        "vs_bid",
    )

    def __init__(self, market: PairMarket, pair: PairHandle) -> None:
        self.market = market
        self.pair = pair
        self.instrument_id = InstrumentId.from_str(market.yes_id)
        self.inverse = market.inverse
        self.outcomes = OutcomeMarket(market.instrument(Outcome.YES), market.instrument(Outcome.NO))
        self.twin: MarketHandle
        self.is_same_way = True
        self.look: Callable[[MarketHandle], None] = _no_look
        self.schedule: FeeSchedule | None = None
        self.bounds: CostBounds
        self.ask_costs: dict[float, int] = {}
        self.bid_costs: dict[float, int] = {}
        self.book: OrderBook | None = None
        self.best_bid: Callable[[], Any] = _nothing
        self.best_ask: Callable[[], Any] = _nothing
        self.bid = self.ask = -1.0
        self.ask_cost = self.bid_cost = self.vs_ask = self.vs_bid = NEVER
        self.bids_taken = Consumption(asks=False)
        self.asks_taken = Consumption(asks=True)
        self.seen_ns = 0
        self.updates = 0
        self.quiet = False
        self.closed = False

    def on_deltas(self, deltas: OrderBookDeltas) -> None:
        """Gate one book update; only what may hold an edge is looked at.

        Subscribed per market, because finding the market by ``deltas.instrument_id`` would cost
        more than the gate itself.
        """
        self.updates += 1
        self.seen_ns = deltas.ts_init
        try:
            bid = float(self.best_bid())
            ask = float(self.best_ask())
            if bid == self.bid and ask == self.ask:
                if self.quiet:
                    return
            else:
                self.bid = bid
                self.ask = ask
                self.ask_cost = ask_cost = self.ask_costs[ask]
                self.bid_cost = bid_cost = self.bid_costs[bid]
                twin = self.twin
                if self.is_same_way:
                    twin.vs_bid = ask_cost
                    twin.vs_ask = bid_cost
                else:
                    twin.vs_ask = ask_cost
                    twin.vs_bid = bid_cost
                if (
                    ask_cost + self.vs_ask >= SCALE
                    and bid_cost + self.vs_bid >= SCALE
                    and not self.pair.hedged
                ):
                    self.quiet = twin.quiet = True
                    return
        except (TypeError, KeyError):
            pass  # an empty side, or a price seen for the first time: the long way knows
        self.look(self)

    def attach(self, book: OrderBook) -> None:
        """Take the cached book; its object stays the same while the instrument is subscribed."""
        self.book = book
        self.best_bid = book.best_bid_price
        self.best_ask = book.best_ask_price

    def reprice(self) -> None:
        """Bring bounds up to the book's best prices, calculating what was never seen."""
        bid, ask = self.best_bid(), self.best_ask()
        bounds = self.bounds
        self.bid = -1.0 if bid is None else float(bid)
        self.ask = -1.0 if ask is None else float(ask)
        if ask is None:
            self.ask_cost = NEVER
        elif self.ask not in bounds.yes:
            bounds.yes[self.ask] = bounds.table[ask.raw]
        if bid is None:
            self.bid_cost = NEVER
        elif self.bid not in bounds.no:
            bounds.no[self.bid] = bounds.table[RAW_ONE - bid.raw]
        self.ask_cost = NEVER if ask is None else bounds.yes[self.ask]
        self.bid_cost = NEVER if bid is None else bounds.no[self.bid]
        self.share()

    def share(self) -> None:
        """Tell the other market what this one's outcomes cost at least."""
        twin = self.twin
        if self.is_same_way:
            twin.vs_bid, twin.vs_ask = self.ask_cost, self.bid_cost
        else:
            twin.vs_ask, twin.vs_bid = self.ask_cost, self.bid_cost

    def sale_u(self, *, own_yes: bool) -> int | None:
        """Return the most that selling one contract at the best price can bring after fees, units.

        None while nobody bids. A table entry is price plus least fee, so twice the price less the
        entry is price less least fee.
        """
        price = self.best_bid() if own_yes else self.best_ask()
        if price is None:
            return None
        raw = price.raw if own_yes else RAW_ONE - price.raw
        return int(2 * (raw // RAW_PER_UNIT) - self.bounds.sales[raw])

    @property
    def buy_yes(self) -> int:
        """Least cost of the pair's YES on this venue, units."""
        return self.bid_cost if self.inverse else self.ask_cost

    @property
    def buy_no(self) -> int:
        """Least cost of the pair's NO on this venue, units."""
        return self.ask_cost if self.inverse else self.bid_cost

    def shut(self) -> None:
        """The market is settled: nothing can be bought any more."""
        self.closed = True
        self.ask_cost = self.bid_cost = NEVER
        self.share()
        self.outcomes.settle()

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
    """One pair: both markets, the prepared setup, and whether it is being traded.

    ``hold_floor_n`` is what a held box of a direction was worth when it was first asked, in 1e-9
    dollars. Waiting only shortens the lock-up, so it is never worth less later.
    """

    __slots__ = (
        "a",
        "b",
        "box_id",
        "hedged",
        "hold_floor_n",
        "pair",
        "quiet_until_ns",
        "seq",
        "setup",
    )

    def __init__(self, pair: Pair, policy: Policy) -> None:
        self.pair = pair
        self.setup = PairSetup(pair, policy)
        self.a = MarketHandle(pair.a, self)
        self.b = MarketHandle(pair.b, self)
        self.a.twin, self.b.twin = self.b, self.a
        self.a.is_same_way = self.b.is_same_way = self.a.inverse == self.b.inverse
        self.box_id: str | None = None
        self.hedged: list[str] = []
        self.hold_floor_n: dict[Direction, int] = {}
        self.quiet_until_ns = 0
        self.seq = 0

    @property
    def markets(self) -> tuple[MarketHandle, MarketHandle]:
        """Both markets, A first."""
        return self.a, self.b

    def wake(self) -> None:
        """Look at the next update even if no best price moved."""
        self.a.quiet = self.b.quiet = False

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
            sizes = (self.setup.size_min_u, self.setup.lot_u)
            key = f"{handle.market.fees!r}/{sizes}/{handle.schedule!r}"
            if key not in shared:
                shared[key] = CostBounds(handle.schedule, *sizes)
            handle.bounds = bounds = shared[key]
            handle.ask_costs, handle.bid_costs = bounds.yes, bounds.no
            handle.quiet = False
            if handle.book is not None and not handle.closed:
                handle.reprice()  # or the other market's gate would go on with the old fees
        return problems


def _nothing() -> None:
    return None


def _no_look(handle: MarketHandle) -> None:
    """Stand in until the strategy runs."""


def _ladder(levels: list) -> Ladder:  # type: ignore[type-arg]  # Nautilus BookLevel has no stubs
    return clean((level.price.raw // RAW_PER_UNIT, _size_u(level)) for level in levels)


def _size_u(level: Any) -> int:  # noqa: ANN401 - Nautilus BookLevel has no stubs
    """Return a level's size in units: the sum of its orders' exact raw sizes."""
    return int(sum(order.size.raw for order in level.orders()) // RAW_PER_UNIT)
