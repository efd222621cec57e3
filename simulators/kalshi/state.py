"""The venue's whole state and the few things every part of it does to it."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import copy
from fractions import Fraction
from heapq import heappush

from simulators.kalshi.book import Book
from simulators.kalshi.events import MarketEvent, OrderChanged, PositionChanged, VenueEvent
from simulators.kalshi.fees import FeeTerms, regime_at
from simulators.kalshi.ledger import Ledger
from simulators.kalshi.model import (
    Account,
    Event,
    FeeChange,
    Fill,
    Market,
    Order,
    OrderGroup,
    Series,
    Settlement,
    Trade,
    Transfer,
)
from simulators.kalshi.readmodel import ReadModel
from simulators.kalshi.switchboard import TABLE
from simulators.kalshi.units import CENT, CENTICENT, NS_PER_MS
from simulators.scenario import Hazards
from simulators.seeds import between, uuid_of
from simulators.switches import Switches

_DAY_NS = 86_400_000_000_000

SHARDS: dict[int, str] = {
    0: "Default",
    1: "Exotics",
    2: "Crypto and commodities",
    3: "Tennis, baseball and basketball",
}


class State:
    """Everything the venue knows. Time is whatever the caller last said it is."""

    def __init__(self, seed: int, now_ns: int, switches: Switches | None = None) -> None:
        self.seed = seed
        self.now_ns = now_ns
        self.switches = switches or Switches(TABLE)
        self.series: dict[str, Series] = {}
        self.events: dict[str, Event] = {}
        self.markets: dict[str, Market] = {}
        self.markets_of: dict[str, list[str]] = defaultdict(list)
        self.books: dict[str, Book] = {}
        self.accounts: dict[str, Account] = {}
        self.ledger = Ledger()
        self.read = ReadModel()
        self.orders: dict[str, Order] = {}
        self.resting_of: dict[str, dict[str, Order]] = defaultdict(dict)
        self.client_ids: dict[tuple[str, str], str] = {}
        self.fills: list[Fill] = []
        self.trades: deque[Trade] = deque(maxlen=200_000)
        self.settlements: list[Settlement] = []
        self.groups: dict[str, OrderGroup] = {}
        self.transfers: dict[str, Transfer] = {}
        self.transfer_ids: dict[tuple[str, str], str] = {}
        self.subaccount_transfers: list[dict[str, object]] = []
        self.fee_changes: list[FeeChange] = []
        self.event_fee_changes: list[FeeChange] = []
        self.milestones: list[dict[str, object]] = []
        self.trading_paused: dict[int, int] = {}
        self.exchange_paused: dict[int, int] = {}
        self.cancel_all_until: dict[str, int] = {}
        self.orders_cutoff = 0
        self.hazards = Hazards()
        self.markets_cutoff = 0
        self.listeners: list[Callable[[VenueEvent], None]] = []
        self.timers: list[tuple[int, int, str, str]] = []
        self._counters: dict[str, int] = defaultdict(int)

    def ordinal(self, kind: str) -> int:
        """Return 1, 2, 3 … for each kind of thing."""
        self._counters[kind] += 1
        return self._counters[kind]

    def new_id(self, kind: str) -> str:
        """Return the next UUID of a kind, the same in every run of a seed."""
        return uuid_of(self.seed, kind, self.ordinal(kind))

    def emit(self, event: VenueEvent) -> None:
        """Tell every listener, in the order in which they came."""
        for listener in self.listeners:
            listener(event)

    @contextmanager
    def held_back(self) -> Iterator[list[VenueEvent]]:
        """Collect what would be told to listeners; the caller emits it later."""
        held: list[VenueEvent] = []
        listeners = self.listeners
        self.listeners = [held.append]
        try:
            yield held
        finally:
            self.listeners = listeners

    def at(self, due_ns: int, kind: str, key: str) -> None:
        """Set a timer; `simulators.kalshi.exchange` runs it."""
        heappush(self.timers, (due_ns, self.ordinal("timer"), kind, key))

    def lag_ns(self) -> int:
        """Return how late the next change shows in reads."""
        longest = self.switches.number("read_lag_ms_max")
        if not longest:
            return 0
        drawn = between(0, longest, self.seed, "lag", self.ordinal("lag"))
        return drawn * NS_PER_MS

    def precision(self, account: Account) -> int:
        """Return the step of an account's balance in $0.000001."""
        if self.switches["balance_precision"] == "cent":
            return CENT
        return max(account.precision, CENTICENT)

    def fee_regime(self) -> str:
        """Return the rounding of fees in force."""
        chosen = str(self.switches["fee_regime"])
        return regime_at(self.now_ns) if chosen == "by_date" else chosen

    def fee_terms(self, market: Market) -> FeeTerms:
        """Return the fees in force: event override, else series; nothing during a waiver."""
        if self.now_ns < market.fee_waiver_ns:
            return FeeTerms("quadratic", Fraction(0))
        event = self.events[market.event_ticker]
        if event.fee_type_override is not None and event.fee_multiplier_override is not None:
            return FeeTerms(event.fee_type_override, event.fee_multiplier_override)
        series = self.series[event.series_ticker]
        return FeeTerms(series.fee_type, series.fee_multiplier)

    def orders_cutoff_ns(self) -> int:
        """Return the time before which finished orders and fills are historical."""
        return self.orders_cutoff or self.now_ns - 14 * _DAY_NS

    def markets_cutoff_ns(self) -> int:
        """Return the time before which settled markets and trades are historical."""
        return self.markets_cutoff or self.now_ns - 90 * _DAY_NS

    def add_series(self, series: Series) -> None:
        """List a series."""
        self.series[series.ticker] = series

    def add_event(self, event: Event) -> None:
        """List an event."""
        self.events[event.ticker] = event

    def add_market(self, market: Market) -> None:
        """List a market with an empty book."""
        self.markets[market.ticker] = market
        self.markets_of[market.event_ticker].append(market.ticker)
        self.books[market.ticker] = Book()

    def add_account(self, account: Account) -> None:
        """Admit a member."""
        self.accounts[account.user_id] = account

    def deposit(self, user_id: str, shard: int, micro: int, subaccount: int = 0) -> None:
        """Fund one shard of an account from outside."""
        self.ledger.deposit((user_id, subaccount, shard), micro)
        self.show_cash(user_id, subaccount, shard)

    def show_cash(self, user_id: str, subaccount: int, shard: int) -> None:
        """Let reads see a balance."""
        key = (user_id, subaccount, shard)
        if not self.accounts[user_id].house:
            self.read.balance(key, self.ledger.balance(key), self.now_ns, self.lag_ns())

    def show_order(self, order: Order, reason: str, announce: bool = True) -> None:
        """Let reads see an order, and tell the private channel."""
        if self.accounts[order.user_id].house:
            if order.status != "resting":
                self.orders.pop(order.order_id, None)
            return
        self.read.order(order, self.now_ns, self.lag_ns())
        if announce:
            self.emit(OrderChanged(copy(order), reason))

    def show_position(self, user_id: str, subaccount: int, ticker: str) -> None:
        """Let reads see a position, and tell the private channel."""
        if self.accounts[user_id].house:
            return
        key = (user_id, subaccount, ticker)
        position = self.ledger.positions[key]
        self.read.position(key, position, self.now_ns, self.lag_ns())
        self.emit(PositionChanged(user_id, subaccount, copy(position)))

    def market_event(self, market: Market, event_type: str, **fields: object) -> None:
        """Tell the life-cycle channel."""
        market.updated_ns = self.now_ns
        self.emit(MarketEvent(market.ticker, event_type, dict(fields)))

    def resting(self, user_id: str, shard: int | None = None) -> list[Order]:
        """Return the orders of an account that rest in books, oldest in the book first."""
        return [
            order
            for order in self.resting_of[user_id].values()
            if shard is None or order.exchange_index == shard
        ]

    def put_in(self, order: Order) -> None:
        """Put an order into its book."""
        self.books[order.ticker].side(order.side).add(order)
        self.resting_of[order.user_id][order.order_id] = order

    def take_out(self, order: Order) -> None:
        """Take an order out of its book."""
        self.books[order.ticker].side(order.side).remove(order)
        del self.resting_of[order.user_id][order.order_id]
