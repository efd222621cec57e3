"""Runs boxes: actions of the two-leg machine become orders, order events become its events."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from nautilus_trader.model.enums import OrderSide, TimeInForce
from nautilus_trader.model.identifiers import ClientOrderId, InstrumentId
from nautilus_trader.model.objects import Price, Quantity

from core.capital import CapitalError, CapitalLedger
from core.contracts import Direction, Outcome, Side, Venue
from core.hedge import HedgeChoice
from core.intents import IntentSink
from core.legs import (
    END,
    Action,
    AskHedge,
    Cancel,
    Event,
    Finished,
    Kind,
    Phase,
    Place,
    Query,
    SaveIntent,
    SetDeadline,
    adopt_box,
    new_box,
    step,
)
from core.money import SCALE, ceil_div, floor_units, from_units
from core.opportunity import Assessment
from core.outcome_market import GuardError
from core.record import ExposedLeg, hedge_order
from strategies.exposure import BoxCost, ExposureBook
from strategies.handles import RAW_PER_UNIT, MarketHandle, PairHandle
from strategies.running import OrderRef, RunningBox, box_intent, exact_text, order_intent

if TYPE_CHECKING:
    from nautilus_trader.model.events import OrderFilled

    from strategies.cross_venue_arb import CrossVenueArb

ENDED_MAX = 10_000
"""Boxes at rest that are remembered for late fills."""


WAITS_MAX = 12
"""Decisions in a row that find no believable book before the pause becomes ``hold_wait_ms``."""


class BoxDesk:
    """Owns all boxes of one strategy.

    Parameters
    ----------
    strategy
        Sends orders, sets timers, reads the cache.
    ledger
        Cash and reservations.
    exposure
        Running sums for limits.
    sink
        Where intents are saved before anything is sent.
    """

    def __init__(
        self,
        strategy: CrossVenueArb,
        ledger: CapitalLedger,
        exposure: ExposureBook,
        sink: IntentSink,
    ) -> None:
        self._strategy = strategy
        self._ledger = ledger
        self._exposure = exposure
        self.sink = sink
        self.boxes: dict[str, RunningBox] = {}
        self._orders: dict[str, OrderRef] = {}
        self._ended: deque[str] = deque()

    # -- from the strategy --------------------------------------------------------------------

    def open(self, pair: PairHandle, assessment: Assessment, box_id: str, decision_id: str) -> None:
        """Start a box from a taken assessment."""
        chosen = assessment.size
        assert chosen is not None
        first = assessment.plan.first if assessment.plan is not None else None
        rules = self._strategy.config.rules(pair.setup.lot_u)
        box, actions = new_box(chosen.size_u, assessment.limits_u, first, rules)
        running = RunningBox(box_id, decision_id, pair, assessment.direction, box)
        # both ids are chosen now: after a crash the venues are asked by the ids in the intent
        generate = self._strategy.order_factory.generate_client_order_id
        running.planned = {0: generate(), 1: generate()}
        self.boxes[box_id] = running
        self._wake(running)
        for leg, walk in enumerate(chosen.walks):
            market = pair.markets[leg]
            need = self._need_u(market, walk.gross_u, assessment.limits_u[leg])
            account = self._account(market)
            held = min(need, self._ledger.free_u(account))
            self._ledger.reserve(f"{box_id}/{leg}", account, held)
        self._run(running, actions)

    def adopt(
        self,
        pair: PairHandle,
        direction: Direction,
        held_u: tuple[int, int],
        paid_u: tuple[int, int],
    ) -> None:
        """Take over what is held of a pair since before a restart."""
        box_id = f"{pair.pair.pair_id}.adopted"
        box, actions = adopt_box(held_u, self._strategy.config.rules(pair.setup.lot_u))
        running = RunningBox(box_id, "adopted", pair, direction, box)
        self.boxes[box_id] = running
        self._wake(running)
        for leg in (0, 1):
            self._exposure.cash(box_id, leg, paid_u[leg])
            if held_u[leg]:
                market = pair.markets[leg]
                market.outcomes.apply(running.outcome(leg), Side.BUY, held_u[leg])
        self._run(running, actions)

    def close(
        self,
        running: RunningBox,
        size_u: int,
        limits_u: tuple[int, int],
        first: int,
        decision_id: str,
    ) -> None:
        """Sell (part of) a hedged box back, the ``first`` leg before the other."""
        running.decision_id = decision_id
        running.pair.box_id = running.box_id
        self._feed(running, Event(Kind.CLOSE, leg=first, size_u=size_u, limits_u=limits_u))

    def settle(self, pair: PairHandle) -> None:
        """End every box of a pair whose venues both settled."""
        for running in [r for r in self.boxes.values() if r.pair is pair]:
            if running.box.phase is not Phase.SETTLED:
                self._feed(running, Event(Kind.SETTLED))

    def filled(self, event: OrderFilled, *, is_closed: bool) -> bool:
        """Book a fill of one of our orders; False when the order is not ours."""
        ref = self._orders.get(event.client_order_id.value)
        if ref is None:
            return False
        running = self.boxes.get(ref.box_id)
        if running is None:
            return False
        size_u = event.last_qty.raw // RAW_PER_UNIT
        price_u = event.last_px.raw // RAW_PER_UNIT
        fee_u = event.commission.raw // RAW_PER_UNIT if event.commission is not None else 0
        buy = ref.side is Side.BUY
        value = price_u * size_u
        paid = ceil_div(value, SCALE) + fee_u if buy else -(value // SCALE) + fee_u
        self._wake(running)
        market, outcome = running.market(ref.leg), running.outcome(ref.leg)
        market.outcomes.apply(outcome, ref.side, size_u)
        if self._strategy.config.policy.own_consumption:
            market.remember(outcome, buy, price_u, size_u)
        self._exposure.cash(ref.box_id, ref.leg, paid)
        if buy:
            self._ledger.spend(event.client_order_id.value, paid)
        self._feed(running, Event(Kind.FILL, leg=ref.leg, side=ref.side, size_u=size_u))
        if is_closed:
            self.closed(event.client_order_id)
        return True

    def closed(self, client_order_id: ClientOrderId) -> None:
        """Tell the machine that an order can fill no more."""
        ref = self._orders.get(client_order_id.value)
        running = self.boxes.get(ref.box_id) if ref is not None else None
        if ref is None or running is None:
            return
        self._ledger.release(client_order_id.value)
        if running.live.get(ref.leg) == client_order_id:
            del running.live[ref.leg]
            self._feed(running, Event(Kind.CLOSED, leg=ref.leg))

    def unknown(self, client_order_id: ClientOrderId) -> None:
        """Tell the machine that an order's outcome is unknown: the box freezes."""
        ref = self._orders.get(client_order_id.value)
        running = self.boxes.get(ref.box_id) if ref is not None else None
        if ref is None or running is None:
            return
        if running.live.get(ref.leg) == client_order_id:
            self._feed(running, Event(Kind.UNKNOWN, leg=ref.leg))

    def reverted(self, client_order_id: str, size_u: int, paid_u: int) -> bool:
        """Take back a fill that the venue reverted; False when the order is not ours."""
        ref = self._orders.get(client_order_id)
        running = self.boxes.get(ref.box_id) if ref is not None else None
        if ref is None or running is None:
            return False
        opposite = Side.SELL if ref.side is Side.BUY else Side.BUY
        running.market(ref.leg).outcomes.apply(running.outcome(ref.leg), opposite, size_u)
        self._wake(running)
        self._exposure.cash(ref.box_id, ref.leg, -paid_u)
        self._feed(running, Event(Kind.REVERTED, leg=ref.leg, side=ref.side, size_u=size_u))
        return True

    def deadline(self, name: str) -> None:
        """Pass a timer on to its box, unless a later one replaced it."""
        running = self.boxes.get(name.rpartition("@")[0])
        if running is not None and running.timer == name:
            running.timer = None
            self._feed(running, Event(Kind.DEADLINE))

    def _wake(self, running: RunningBox) -> None:
        """Count a box, and hold its pair: it is new, or a late or reverted fill reopens it."""
        pair = running.pair
        if pair.box_id is None:
            pair.box_id = running.box_id
        if not self._exposure.knows(running.box_id):
            venues = (pair.pair.a.venue.value, pair.pair.b.venue.value)
            cost = BoxCost(venues, pair.pair.family)
            self._exposure.start(running.box_id, pair.pair.pair_id, cost)

    # -- the machine --------------------------------------------------------------------------

    def _feed(self, running: RunningBox, event: Event) -> None:
        """Apply an event; events that arise meanwhile (a denial inside a submit) wait in line."""
        running.queue.append(event)
        if not running.running:
            self._run(running, [])

    def _run(self, running: RunningBox, actions: list[Action]) -> None:
        """Carry out actions, then every event in line."""
        running.running = True
        try:
            self._act(running, actions)
            while running.queue:
                running.box, actions = step(running.box, running.queue.popleft())
                self._act(running, actions)
        finally:
            running.running = False
        self._clear_timer(running)

    def _act(self, running: RunningBox, actions: list[Action]) -> None:
        for action in actions:
            match action:
                case SaveIntent():
                    saved = self.sink.save(box_intent(running, *self._stamp()))
                    kind = Kind.INTENT_SAVED if saved else Kind.INTENT_FAILED
                    running.queue.append(Event(kind))
                case Place():
                    self._place(running, action)
                case AskHedge():
                    self._hedge(running, action)
                case SetDeadline(delay_ns):
                    self._set_timer(running, delay_ns)
                case Query(leg):
                    self._strategy.ask_order(running.live.get(leg))
                case Cancel(leg):
                    self._strategy.cancel_live(running.live.get(leg))
                case Finished(phase):
                    self._finished(running, phase)

    def _place(self, running: RunningBox, place: Place) -> None:
        strategy, market = self._strategy, running.market(place.leg)
        outcome = running.outcome(place.leg)
        client_id = (
            running.planned.pop(place.leg)
            if place.role == "open"
            else strategy.order_factory.generate_client_order_id()
        )
        running.live[place.leg] = client_id
        running.order_ids.append(client_id.value)
        self._orders[client_id.value] = OrderRef(running.box_id, place.leg, place.side)
        try:
            if place.side is Side.BUY:
                self._check_notional(running, place)
                order = market.outcomes.entry(outcome, place.size_u)
                self._ledger.release(f"{running.box_id}/{place.leg}")
                self._reserve(client_id.value, market, place)
            else:
                order = market.outcomes.exit(outcome, place.size_u)
        except (GuardError, CapitalError) as error:
            # never sent: that is positive evidence, so the leg is closed without a fill
            strategy.log.warning(f"{running.box_id} leg {place.leg}: {error}")
            running.live.pop(place.leg, None)
            running.queue.append(Event(Kind.CLOSED, leg=place.leg))
            return
        intent = order_intent(running, place, client_id, *self._stamp())
        if place.role != "open" and not self.sink.save(intent):
            strategy.log.error(f"{running.box_id}: intent not saved, {place.role} not sent")
            self._ledger.release(client_id.value)
            running.live.pop(place.leg, None)
            running.queue.append(Event(Kind.CLOSED, leg=place.leg))
            return
        self._exposure.order(strategy.clock.timestamp_ns())
        self._submit(running, place, order.instrument, client_id)

    @staticmethod
    def _check_notional(running: RunningBox, place: Place) -> None:
        """Refuse a BUY the venue would refuse (Polymarket: marketable BUYs below a dollar).

        Raises
        ------
        GuardError
            When the limit price times the size is below the venue's minimum.
        """
        least = running.pair.setup.notional_min[place.leg]
        if place.size_u * place.limit_u < least * SCALE:
            raise GuardError(
                f"BUY of {from_units(place.size_u)} at {from_units(place.limit_u)} refused: below "
                f"the venue's minimum of {from_units(least)} dollars"
            )

    def _reserve(self, order_id: str, market: MarketHandle, place: Place) -> None:
        """Hold back what the order may cost; its price alone must be there.

        Raises
        ------
        CapitalError
            When the limit price times the size exceeds the free cash.
        """
        account = self._account(market)
        free = self._ledger.free_u(account)
        least = ceil_div(place.size_u * place.limit_u, SCALE)
        need = self._need_u(market, place.size_u, place.limit_u)
        self._ledger.reserve(order_id, account, max(least, min(need, free)))

    def _submit(
        self, running: RunningBox, place: Place, instrument_id: str, client_id: ClientOrderId
    ) -> None:
        strategy = self._strategy
        instrument = strategy.cache.instrument(InstrumentId.from_str(instrument_id))
        order = strategy.order_factory.limit(
            instrument.id,
            OrderSide.BUY if place.side is Side.BUY else OrderSide.SELL,
            Quantity.from_str(exact_text(place.size_u, instrument.size_precision)),
            Price.from_str(exact_text(place.limit_u, instrument.price_precision)),
            time_in_force=TimeInForce.IOC,
            reduce_only=place.side is Side.SELL,
            tags=[
                f"pair:{running.pair.pair.pair_id}",
                f"box:{running.box_id}",
                f"leg:{self._leg_number(running, place.leg)}",
                f"role:{place.role}",
                f"decision:{running.decision_id}",
            ],
            client_order_id=client_id,
        )
        strategy.submit_order(order)

    @staticmethod
    def _leg_number(running: RunningBox, leg: int) -> int:
        """Return 1 for the leg sent first, 2 for the other."""
        first = running.box.first or 0
        return 1 if leg == first else 2

    def _hedge(self, running: RunningBox, ask: AskHedge) -> None:
        strategy = self._strategy
        policy = strategy.config.policy
        held, missing = running.market(ask.leg), running.market(1 - ask.leg)
        fresh = all(strategy.is_fresh(handle) for handle in (held, missing))
        if held.schedule is None or missing.schedule is None or not fresh:
            # soon again at first; a market that stays silent is asked less often
            running.waits += 1
            choice = HedgeChoice.WAIT if running.waits <= WAITS_MAX else HedgeChoice.HOLD
            running.queue.append(Event(Kind.HEDGE, choice=choice))
            return
        running.waits = 0
        books = [
            book if running.outcome(leg) is Outcome.YES else book.mirrored()
            for leg in (0, 1)
            for book in [running.market(leg).read(strategy.config.depth_levels)[1]]
        ]
        setup = running.pair.setup
        a, b = running.market(0), running.market(1)
        assert a.schedule is not None
        assert b.schedule is not None
        order = hedge_order(
            ExposedLeg(
                leg=ask.leg,
                size_u=ask.size_u,
                held_book=books[ask.leg],
                missing_book=books[1 - ask.leg],
                schedules=(a.schedule, b.schedule),
                grids=setup.grids,
                lots_u=(setup.lot_u, setup.lot_u),
                notional_min_u=setup.notional_min[1 - ask.leg],
                required=setup.divergence[running.direction],
                fill=policy.odds[Venue(missing.market.venue)].second,
                hold_risk=policy.hold_risk,
                attempts=running.box.attempts,
                attempts_max=running.box.rules.attempts_max,
            )
        )
        running.queue.append(
            Event(
                Kind.HEDGE, choice=order.hedge.choice, size_u=order.size_u, limits_u=order.limits_u
            )
        )

    def _finished(self, running: RunningBox, phase: Phase) -> None:
        pair, strategy = running.pair, self._strategy
        now_ns = strategy.clock.timestamp_ns()
        if pair.box_id == running.box_id:
            pair.box_id = None
        for leg in (0, 1):
            self._ledger.release(f"{running.box_id}/{leg}")
        if phase is Phase.HEDGED:
            if running.box_id in pair.hedged:
                pair.quiet_until_ns = now_ns + strategy.config.retry_ms * 1_000_000
            else:
                pair.hedged.append(running.box_id)
                pair.wake()
            worst = pair.setup.worst_payoff[running.direction]
            floor_u = floor_units(worst * from_units(running.box.boxes_u))
            self._exposure.rest(running.box_id, hedged=True, now_ns=now_ns, floor_u=floor_u)
        else:
            if running.box_id in pair.hedged:
                pair.hedged.remove(running.box_id)
                pair.wake()
            if phase is Phase.SETTLED:
                self._exposure.settle(running.box_id)
            else:
                self._exposure.rest(running.box_id, hedged=False, now_ns=now_ns)
                pair.quiet_until_ns = now_ns + strategy.config.retry_ms * 1_000_000
            self._retire(running.box_id)
        self.sink.close(running.box_id, phase.value, now_ns)

    def _retire(self, box_id: str) -> None:
        """Keep ended boxes for late fills, the oldest only until the bound is reached."""
        self._ended.append(box_id)
        if len(self._ended) > ENDED_MAX:
            old = self.boxes.pop(self._ended.popleft(), None)
            for order_id in old.order_ids if old is not None else ():
                self._orders.pop(order_id, None)

    # -- money and timers ---------------------------------------------------------------------

    def _stamp(self) -> tuple[str, int]:
        """Return who writes an intent, and when."""
        return self._strategy.id.value, self._strategy.clock.timestamp_ns()

    @staticmethod
    def _account(market: MarketHandle) -> tuple[str, int]:
        return market.market.venue.value, market.market.shard

    @staticmethod
    def _need_u(market: MarketHandle, size_u: int, limit_u: int) -> int:
        """Return the most a BUY can cost: its limit, and the fee where the formula peaks below."""
        assert market.schedule is not None
        peak = min(limit_u, SCALE // 2)
        fee = market.schedule.upper_u(peak, size_u, matches=20)
        return ceil_div(size_u * limit_u, SCALE) + fee

    def _set_timer(self, running: RunningBox, delay_ns: int) -> None:
        self._cancel_timer(running)
        running.timers += 1
        running.timer = f"{running.box_id}@{running.timers}"
        clock = self._strategy.clock
        clock.set_time_alert_ns(
            running.timer, clock.timestamp_ns() + delay_ns, self._strategy.on_box_timer
        )

    def _cancel_timer(self, running: RunningBox) -> None:
        clock = self._strategy.clock
        if running.timer is not None and running.timer in clock.timer_names:
            clock.cancel_timer(running.timer)
        running.timer = None

    def _clear_timer(self, running: RunningBox) -> None:
        if running.box.phase in END:
            self._cancel_timer(running)
