"""Cross-venue arbitrage: YES on one venue and NO on the other for less than a dollar, after fees.

Thin by design: Nautilus events come in, ``core`` decides, commands go out. Per book update the
handler only looks at both best prices; what cannot hold an edge ends there.
"""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from typing import TYPE_CHECKING

from nautilus_trader.model.book import OrderBook
from nautilus_trader.model.enums import BookType
from nautilus_trader.model.identifiers import InstrumentId, Venue
from nautilus_trader.trading.strategy import Strategy

from core.capital import CapitalLedger
from core.contracts import Direction, Outcome
from core.early_close import CloseSize, best_close, hold_value_n, worth_looking
from core.intents import IntentSink, NullSink
from core.ladder import CostCurve
from core.legs import Phase
from core.money import SCALE, to_units
from core.opportunity import LegView, Status, assess, book_problem, legging_plan
from core.pairs import parse_pairs
from core.record import Stamp, closing, opening
from messages.decisions import Counters, CountersMessage, DecisionMessage
from messages.fills import FILL_REVERTED, FillReverted
from messages.health import FEED_HEALTH, FeedHealth
from strategies.boxes import BoxDesk
from strategies.config import CrossVenueArbConfig
from strategies.exposure import ExposureBook
from strategies.handles import RAW_PER_UNIT, CostBounds, MarketHandle, PairHandle
from strategies.running import RunningBox

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nautilus_trader.common.events import TimeEvent
    from nautilus_trader.core.data import Data
    from nautilus_trader.model.data import InstrumentClose, OrderBookDeltas
    from nautilus_trader.model.events import (
        OrderCanceled,
        OrderDenied,
        OrderExpired,
        OrderFilled,
        OrderRejected,
    )
    from nautilus_trader.model.identifiers import ClientOrderId

    from core.decisions import Decision

__all__ = ["CrossVenueArb", "CrossVenueArbConfig"]

_NEVER_NS = 10**18
_FEES_TIMER = "fees"
_COUNTERS_TIMER = "counters"


class CrossVenueArb(Strategy):  # type: ignore[misc]  # Nautilus's Cython base has no stubs
    """Trades approved pairs of one event on two venues.

    Parameters
    ----------
    config : CrossVenueArbConfig
        Pairs and settings.

    Notes
    -----
    ``intent_sink`` (a :class:`core.intents.IntentSink`), ``rules_today`` (rules hash by market)
    and ``is_halted`` may be set from outside before or while it runs.
    """

    def __init__(self, config: CrossVenueArbConfig) -> None:
        super().__init__(config)
        self.rules_today: Mapping[str, str] | None = None
        self.is_halted = False
        self.pairs: list[PairHandle] = []
        self._handles: dict[InstrumentId, MarketHandle] = {}
        self._bounds: dict[str, CostBounds] = {}
        self.ledger = CapitalLedger()
        self.exposure = ExposureBook()
        self.desk = BoxDesk(self, self.ledger, self.exposure, NullSink())
        self._hits = 0
        self._taken = 0
        self._refused: Counter[str] = Counter()
        self._bad: dict[str, tuple[bool, frozenset[str]]] = {}

    @property
    def intent_sink(self) -> IntentSink:
        """Where intents are saved before anything is sent."""
        return self.desk.sink

    @intent_sink.setter
    def intent_sink(self, sink: IntentSink) -> None:
        self.desk.sink = sink

    # -- life ---------------------------------------------------------------------------------

    def on_start(self) -> None:
        """Load the pairs, check that every instrument is there, subscribe to the YES books."""
        for pair in parse_pairs(self.config.pairs_json, "pairs_json"):
            self.pairs.append(PairHandle(pair, self.config.policy))
        problem = self._problem()
        if problem:
            self.log.error(problem)
            self.stop()
            return
        self._load_fees()
        for pair_handle in self.pairs:
            for market in pair_handle.markets:
                self._watch(market)
            self._adopt(pair_handle)
        for data_type in (FEED_HEALTH, FILL_REVERTED):
            self.msgbus.subscribe(f"data.{data_type.topic}", self.on_data)
        if self.config.counters_every_ms:
            self.clock.set_timer_ns(
                _COUNTERS_TIMER,
                self.config.counters_every_ms * 1_000_000,
                0,
                0,
                lambda _event: self._publish_counters(),
            )

    def _problem(self) -> str:
        """Say why these pairs cannot be traded together, or nothing."""
        owners: dict[str, str] = {}
        for handle in self.pairs:
            for market in handle.markets:
                for name in (market.market.yes_id, market.market.no_id):
                    if self.cache.instrument(InstrumentId.from_str(name)) is None:
                        return f"pair {handle.pair.pair_id}: instrument {name} is not loaded"
                    if name in owners:
                        return (
                            f"instrument {name} is in pair {owners[name]} and in pair "
                            f"{handle.pair.pair_id} (another session?): allowed in one per run"
                        )
                    owners[name] = handle.pair.pair_id
        return ""

    def on_stop(self) -> None:
        """Let go of the books and publish the counters."""
        for data_type in (FEED_HEALTH, FILL_REVERTED):
            self.msgbus.unsubscribe(f"data.{data_type.topic}", self.on_data)
        for market in self._handles.values():
            if not market.instrument_id.symbol.is_composite():
                self.msgbus.unsubscribe(_topic(market.instrument_id), market.on_deltas)
        self._publish_counters()

    def _adopt(self, pair: PairHandle) -> None:
        """Take over contracts of a pair that are held since before this start."""
        held = {
            (leg, outcome): self._position(market.market.instrument(outcome))
            for leg, market in enumerate(pair.markets)
            for outcome in Outcome
        }
        if not any(size for size, _ in held.values()):
            return
        for direction in Direction:
            other = [held[leg, direction.outcome(leg).other][0] for leg in (0, 1)]
            if not any(other):
                legs = [held[leg, direction.outcome(leg)] for leg in (0, 1)]
                sizes, paid = (legs[0][0], legs[1][0]), (legs[0][1], legs[1][1])
                self.log.info(f"{pair.pair.pair_id}: adopting {sizes} units")
                self.desk.adopt(pair, direction, sizes, paid)
                return
        pair.quiet_until_ns = _NEVER_NS * 9
        self.log.error(f"{pair.pair.pair_id}: both boxes are held at once: settle by hand")

    def _position(self, instrument: str) -> tuple[int, int]:
        """Return contracts held of an instrument and what they cost, units."""
        instrument_id = InstrumentId.from_str(instrument)
        size = cost = 0
        for position in self.cache.positions_open(None, instrument_id, self.id):
            quantity = position.quantity.raw // RAW_PER_UNIT
            size += quantity if position.is_long else -quantity
            cost += int(quantity * to_units(round(Decimal(str(position.avg_px_open)), 6)) // SCALE)
        return size, cost

    def _load_fees(self, _event: TimeEvent | None = None) -> None:
        """Resolve every market's fees for now, and come back when one of them changes."""
        now_ns = self.clock.timestamp_ns()
        changes = []
        for pair in self.pairs:
            for problem in pair.load_fees(now_ns, self._bounds):
                self.log.warning(problem)
            for market in pair.markets:
                change_ns = market.market.fees.next_change_ns(now_ns)
                if change_ns is not None:
                    changes.append(change_ns)
        if changes:
            self.clock.set_time_alert_ns(f"{_FEES_TIMER}@{now_ns}", min(changes), self._load_fees)

    # -- market data --------------------------------------------------------------------------

    def on_order_book_deltas(self, deltas: OrderBookDeltas) -> None:
        """Gate one book update (the bus calls the market's own gate directly, see `_watch`)."""
        handle = self._handles.get(deltas.instrument_id)
        if handle is not None:
            handle.on_deltas(deltas)

    def _watch(self, market: MarketHandle) -> None:
        """Subscribe to a market's YES book, and put its gate in place of the general handler."""
        self._handles[market.instrument_id] = market
        market.look = self._look_closer
        self.subscribe_order_book_deltas(market.instrument_id, BookType.L2_MBP)
        self.subscribe_instrument_close(market.instrument_id)
        if market.instrument_id.symbol.is_composite():
            # Nautilus takes a symbol with a dot (KXBTCD-26JAN3117-T84749.99) for the child of an
            # underlying: it shares one topic by its root, where the general handler sorts, and
            # gets no managed book unless one is there already
            if self.cache.order_book(market.instrument_id) is None:
                self.cache.add_order_book(OrderBook(market.instrument_id, BookType.L2_MBP))
            return
        topic = _topic(market.instrument_id)
        self.msgbus.unsubscribe(topic, self.handle_order_book_deltas)
        self.msgbus.subscribe(topic, market.on_deltas)

    def _look_closer(self, handle: MarketHandle) -> None:
        """Do what the gate's short way could not: first prices, empty sides, hits, closes."""
        if handle.book is None:
            book = self.cache.order_book(handle.instrument_id)
            if book is None:
                return
            handle.attach(book)
        handle.reprice()
        pair = handle.pair
        hits = [
            direction
            for direction, cost in (
                (Direction.YES_NO, pair.a.buy_yes + pair.b.buy_no),
                (Direction.NO_YES, pair.a.buy_no + pair.b.buy_yes),
            )
            if cost < SCALE
        ]
        may_close = self.config.policy.close_early and self._may_close(pair)
        pair.a.quiet = pair.b.quiet = not hits and not may_close
        if hits:
            self._hits += 1
            self._look(pair, hits)
        if may_close and pair.hedged:
            self._look_at_close(pair)

    def on_instrument_close(self, update: InstrumentClose) -> None:
        """End the boxes of a pair when both of its markets are settled."""
        handle = self._handles.get(update.instrument_id)
        if handle is None or handle.closed:
            return
        handle.shut()
        pair = handle.pair
        if pair.a.closed and pair.b.closed:
            self.desk.settle(pair)

    def on_data(self, data: Data) -> None:
        """Take the health of feeds (a bad book is not traded on) and fills that were reverted."""
        if isinstance(data, FeedHealth) and data.feed == "market-data":
            self._bad[data.venue] = (not data.is_good, frozenset(data.bad))
        elif isinstance(data, FillReverted):
            size_u, price_u = to_units(data.quantity), to_units(data.price)
            sign = 1 if data.side == "BUY" else -1
            paid_u = sign * (price_u * size_u // SCALE) + to_units(data.commission)
            self.desk.reverted(data.client_order_id, size_u, paid_u)

    def is_fresh(self, handle: MarketHandle) -> bool:
        """Say whether a market's book is young enough to act on."""
        age_ns = self._age_ns(handle, self.clock.timestamp_ns())
        return not handle.closed and age_ns <= self.config.policy.age_ns_max(handle.market.venue)

    def _age_ns(self, handle: MarketHandle, now_ns: int) -> int:
        down, bad = self._bad.get(handle.market.venue.value, (False, frozenset()))
        if not handle.seen_ns or (down and (not bad or handle.market.yes in bad)):
            return _NEVER_NS
        return now_ns - handle.seen_ns

    # -- decisions ----------------------------------------------------------------------------

    def _view(self, handle: MarketHandle, now_ns: int) -> LegView:
        seen, left = handle.read(self.config.depth_levels)
        held = handle.outcomes
        account = (handle.market.venue.value, handle.market.shard)
        self.ledger.set_cash(account, self._cash_u(handle))
        return LegView(
            seen,
            left,
            self._age_ns(handle, now_ns),
            handle.schedule,
            self.ledger.free_u(account),
            held.held_u(Outcome.YES),
            held.held_u(Outcome.NO),
        )

    def _cash_u(self, handle: MarketHandle) -> int:
        """Return the cash of the market's venue, units: balances count fills, not reservations."""
        account = self.cache.account_for_venue(Venue(handle.market.venue.value))
        instrument = self.cache.instrument(handle.instrument_id)
        balance = None if account is None else account.balance_total(instrument.quote_currency)
        return 0 if balance is None else int(balance.raw // RAW_PER_UNIT)

    def _look(self, pair: PairHandle, directions: list[Direction]) -> None:
        """Assess each direction the gate let through, record it, and open a box when taken."""
        if pair.a.closed or pair.b.closed or pair.a.book is None or pair.b.book is None:
            return
        now_ns = self.clock.timestamp_ns()
        views = (self._view(pair.a, now_ns), self._view(pair.b, now_ns))
        venues = (pair.pair.a.venue.value, pair.pair.b.venue.value)
        cash_u = views[0].cash_u + views[1].cash_u
        for direction in directions:
            exposure = self.exposure.now(
                pair.pair.pair_id, venues, pair.pair.family, cash_u, now_ns
            )
            status = Status(
                busy=pair.box_id is not None or now_ns < pair.quiet_until_ns,
                halted=self.is_halted,
                allow_recorded=self.config.accept_recorded_pairs,
                rules_today=self.rules_today,
                observe_ns_min=self.config.observe_ms_min * 1_000_000,
            )
            assessment = assess(
                pair.setup, direction, views, now_ns, self.config.policy, exposure, status
            )
            stamp = self._stamp(pair, now_ns)
            decision = opening(pair.setup, views, assessment, stamp)
            self._publish(decision)
            if assessment.size is not None and stamp.box_id is not None:
                self.desk.open(pair, assessment, stamp.box_id, decision.decision_id)

    def _stamp(self, pair: PairHandle, now_ns: int, box_id: str | None = None) -> Stamp:
        pair.seq += 1
        name = box_id or f"{pair.pair.pair_id}.{pair.seq}"
        return Stamp(pair.seq, now_ns, self.id.value, name)

    def _may_close(self, pair: PairHandle) -> bool:
        """Gate early closes: say whether selling at the best bids could beat holding."""
        if not pair.hedged or pair.a.book is None or pair.b.book is None:
            return False
        direction = self.desk.boxes[pair.hedged[0]].direction
        floor_n = pair.hold_floor_n.get(direction)
        if floor_n is None:
            floor_n = pair.hold_floor_n[direction] = self._hold_n(pair, direction)
        return self._bids_beat(pair, direction, floor_n)

    def _hold_n(self, pair: PairHandle, direction: Direction) -> int:
        """Return what holding a box is worth now, in 1e-9 dollars."""
        setup, policy = pair.setup, self.config.policy
        days = setup.lockup_days(self.clock.timestamp_ns(), policy)
        return hold_value_n(setup.divergence[direction], policy.rate_year, days)

    def _look_at_close(self, pair: PairHandle) -> None:
        """Sell a hedged box back where the bids beat holding it."""
        if pair.box_id is not None or pair.a.closed or pair.b.closed:
            return
        running = self.desk.boxes[pair.hedged[0]]
        if running.box.phase is not Phase.HEDGED:
            return
        policy, setup = self.config.policy, pair.setup
        now_ns = self.clock.timestamp_ns()
        if now_ns < pair.quiet_until_ns:
            return
        hold_n = self._hold_n(pair, running.direction)
        if not self._bids_beat(pair, running.direction, hold_n):
            return
        views = (self._view(pair.a, now_ns), self._view(pair.b, now_ns))
        if book_problem(setup, views, policy, policy.checks_off) is not None:
            return
        # selling has two legs as well: what a missing second one costs is charged to selling
        plan = legging_plan(setup, running.direction, views, policy)
        hold_n += int(plan.cost.scaleb(9)) + 1
        close = self._close_size(running, views, hold_n)
        if close is None:
            return
        limits = (
            setup.grids[0].floor_u(close.walks[0].worst_u),
            setup.grids[1].floor_u(close.walks[1].worst_u),
        )
        stamp = self._stamp(pair, now_ns, running.box_id)
        decision = closing(setup, running.direction, views, close, limits, hold_n, stamp)
        self._publish(decision)
        first = plan.first or 0
        self.desk.close(running, close.size_u, limits, first, decision.decision_id)

    @staticmethod
    def _bids_beat(pair: PairHandle, direction: Direction, hold_n: int) -> bool:
        """Say whether the best bids, less the fees they cost at least, could beat holding."""
        total = 0
        for leg, handle in enumerate(pair.markets):
            sale_u = handle.sale_u(
                own_yes=(direction.outcome(leg) is Outcome.YES) != handle.inverse
            )
            if sale_u is None:
                return False
            total += sale_u
        return worth_looking(total, 0, hold_n)

    def _close_size(
        self, running: RunningBox, views: tuple[LegView, LegView], hold_n: int
    ) -> CloseSize | None:
        curves = []
        for leg, view in enumerate(views):
            if view.schedule is None:
                return None
            yes = running.outcome(leg) is Outcome.YES
            bids = view.left.bids if yes else view.left.mirrored().bids
            curves.append(CostCurve(bids, view.schedule, running.pair.setup.lot_u, buy=False))
        return best_close(
            curves[0],
            curves[1],
            held_u=running.box.boxes_u,
            lot_u=running.pair.setup.lot_u,
            hold_n=hold_n,
            gain_min_u=to_units(self.config.policy.close_gain_min),
        )

    # -- order events -------------------------------------------------------------------------

    def on_order_filled(self, event: OrderFilled) -> None:
        """Book a fill; orders that are not ours (settlement, repairs) are left alone."""
        order = self.cache.order(event.client_order_id)
        self.desk.filled(event, is_closed=order is not None and order.is_closed)

    def on_order_canceled(self, event: OrderCanceled) -> None:
        """The rest of an IOC order can fill no more."""
        self.desk.closed(event.client_order_id)

    def on_order_expired(self, event: OrderExpired) -> None:
        """The order can fill no more."""
        self.desk.closed(event.client_order_id)

    def on_order_denied(self, event: OrderDenied) -> None:
        """The order was never sent."""
        self.desk.closed(event.client_order_id)

    def on_order_rejected(self, event: OrderRejected) -> None:
        """Take a refusal as final, unless it only says that nobody knows."""
        if str(event.reason).upper().startswith("UNKNOWN"):
            self.desk.unknown(event.client_order_id)
        else:
            self.desk.closed(event.client_order_id)

    def on_box_timer(self, event: TimeEvent) -> None:
        """Pass a deadline on to its box."""
        self.desk.deadline(event.name)

    def ask_order(self, client_order_id: ClientOrderId | None) -> None:
        """Ask the venue what became of an order."""
        order = None if client_order_id is None else self.cache.order(client_order_id)
        if order is None:
            return
        try:
            self.query_order(order)
        except NotImplementedError:
            # a simulated venue cannot be asked; its answer comes by itself
            self.log.warning(f"{client_order_id}: the venue cannot be asked")

    def cancel_live(self, client_order_id: ClientOrderId | None) -> None:
        """Cancel an order that outlived its deadline."""
        order = None if client_order_id is None else self.cache.order(client_order_id)
        if order is not None and not order.is_closed:
            self.cancel_order(order)

    # -- publishing ---------------------------------------------------------------------------

    def _publish(self, decision: Decision) -> None:
        if decision.outcome == "taken":
            self._taken += 1
        else:
            self._refused[decision.reason.value] += 1
        self.publish_data(DecisionMessage.data_type(), DecisionMessage(decision))

    def counters(self) -> Counters:
        """Return what was counted so far."""
        updates = sum(handle.updates for handle in self._handles.values())
        return Counters(
            updates=updates,
            gate_misses=updates - self._hits,
            gate_hits=self._hits,
            taken=self._taken,
            refused=dict(sorted(self._refused.items())),
        )

    def _publish_counters(self) -> None:
        message = CountersMessage(self.id.value, self.counters(), self.clock.timestamp_ns())
        self.publish_data(CountersMessage.data_type(), message)


def _topic(instrument_id: InstrumentId) -> str:
    """Return the bus topic of an instrument's book deltas."""
    return f"data.book.deltas.{instrument_id.venue.value}.{instrument_id.symbol.topic()}"
