"""The exact path behind the gate: look at one box of one pair and decide, with all numbers.

Checks run in a fixed order and the first that refuses names the reason: the pair may not trade,
the books cannot be believed, the arithmetic says no, our own bounds say no. What remains is sized
by :mod:`core.sizing` and taken.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from math import lcm
from typing import NamedTuple

from core.contracts import Direction, Outcome, Venue
from core.edge import carry, divergence, kelly_two
from core.fees.base import MODEL_DEN, FeeSchedule
from core.fees.kalshi import datetime_ns
from core.hedge import slippage_allowance
from core.ladder import Book, CostCurve, Ladder
from core.limits import Approved, BoxOrder, Exposure, budget, check
from core.money import SCALE, PriceGrid, ceil_div, ceil_units, floor_units, from_units, to_units
from core.pairs import Pair, tradeable
from core.plan import LegOdds, Plan, choose_plan
from core.policy import Policy
from core.reasons import Reason
from core.sizing import RATIO, BoxSize, Hurdle, NoSize, SizeRules, best_box

_DAY_NS = Decimal(86_400_000_000_000)


class LegView(NamedTuple):
    """What is known about one market at the moment of the decision.

    ``seen`` and ``left`` are books in the pair's YES frame: as displayed, and without what we
    took already. Times in ns, money in units of 0.000001.
    """

    seen: Book
    left: Book
    age_ns: int
    schedule: FeeSchedule | None
    cash_u: int
    held_yes_u: int = 0
    held_no_u: int = 0


class PairSetup:
    """What never changes while a pair is loaded: grids, lots, minimums, divergence."""

    __slots__ = (
        "amount_steps",
        "divergence",
        "grids",
        "lot_u",
        "lots_u",
        "notional_min",
        "pair",
        "size_min_u",
        "worst_payoff",
    )

    def __init__(self, pair: Pair, policy: Policy) -> None:
        a, b = pair.markets
        self.pair = pair
        self.grids = (PriceGrid(a.terms.ticks), PriceGrid(b.terms.ticks))
        self.lots_u = (to_units(a.terms.lot, "lot"), to_units(b.terms.lot, "lot"))
        self.lot_u = lcm(*self.lots_u)
        smallest = max(a.terms.size_min, b.terms.size_min, policy.size_min)
        self.size_min_u = ceil_div(ceil_units(smallest), self.lot_u) * self.lot_u
        self.notional_min = (ceil_units(a.terms.notional_min), ceil_units(b.terms.notional_min))
        self.amount_steps = (
            to_units(a.terms.buy_amount_step or 0, "buy_amount_step"),
            to_units(b.terms.buy_amount_step or 0, "buy_amount_step"),
        )
        self.worst_payoff = {
            direction: min((c.payoff(direction) for c in pair.divergence), default=Decimal(1))
            for direction in Direction
        }
        self.divergence = {
            direction: divergence(
                pair.divergence, direction, tail=policy.tail, credit=policy.credit
            )
            for direction in Direction
        }

    def lockup_days(self, now_ns: int, policy: Policy) -> Decimal:
        """Return the days until both venues have paid, for the carry."""
        pair = self.pair
        if pair.lockup_days is not None:
            return pair.lockup_days
        if pair.expected_settlement is None:
            return policy.lockup_days_default
        wait_ns = max(0, datetime_ns(pair.expected_settlement) - now_ns)
        return Decimal(wait_ns) / _DAY_NS + policy.lockup_days_extra


class Status(NamedTuple):
    """What the strategy knows beyond the books."""

    busy: bool = False
    halted: bool = False
    allow_recorded: bool = False
    rules_today: Mapping[str, str] | None = None
    observe_ns_min: int = 0


class Assessment(NamedTuple):
    """The answer: reason, the arithmetic behind it, and the size with limits when taken.

    Money per contract in dollars; ``limits_u`` are the prices to send, A first.
    """

    direction: Direction
    reason: Reason
    detail: str
    gross_edge: Decimal
    fees: Decimal
    required: Decimal
    size: BoxSize | None = None
    limits_u: tuple[int, int] = (0, 0)
    plan: Plan | None = None
    unwind: tuple[Decimal, Decimal] = (Decimal(0), Decimal(0))
    room: Decimal = Decimal("0.000000")

    @property
    def net_edge(self) -> Decimal:
        """Gross edge less fees."""
        return self.gross_edge - self.fees


_ZERO = from_units(0)


def _asks(view: Book, outcome: Outcome) -> Ladder:
    return view.asks if outcome is Outcome.YES else view.mirrored().asks


def _fee_each_u(schedule: FeeSchedule, price_u: int) -> int:
    """Return the fee of one contract at a price, unrounded formula rounded up to a unit."""
    return ceil_div(schedule.model_num(price_u, SCALE), MODEL_DEN)


def assess(
    setup: PairSetup,
    direction: Direction,
    legs: tuple[LegView, LegView],
    now_ns: int,
    policy: Policy,
    exposure: Exposure,
    status: Status = Status(),  # noqa: B008 - an immutable tuple
) -> Assessment:
    """Decide about one box.

    Parameters
    ----------
    setup
        The pair, prepared.
    direction
        Which of the two boxes.
    legs
        Both markets as seen, A first.
    now_ns
        Time of the decision.
    policy, exposure, status
        Settings, what is open, and what else is known.

    Returns
    -------
    Assessment
        ``reason`` is ``TAKEN`` exactly when ``size`` is set.
    """
    return _Assessor(setup, direction, legs, now_ns, policy, exposure, status).run()


class _Assessor:
    """One assessment; each step returns a refusal or None."""

    def __init__(
        self,
        setup: PairSetup,
        direction: Direction,
        legs: tuple[LegView, LegView],
        now_ns: int,
        policy: Policy,
        exposure: Exposure,
        status: Status,
    ) -> None:
        self.setup, self.direction, self.legs = setup, direction, legs
        self.now_ns, self.policy, self.exposure, self.status = now_ns, policy, exposure, status
        self.outcomes = (direction.outcome(0), direction.outcome(1))
        seen = [_asks(leg.seen, o) for leg, o in zip(legs, self.outcomes, strict=True)]
        left = [_asks(leg.left, o) for leg, o in zip(legs, self.outcomes, strict=True)]
        self.seen_asks: tuple[Ladder, Ladder] = (seen[0], seen[1])
        self.asks: tuple[Ladder, Ladder] = (left[0], left[1])
        self.gross = self.fees = self.required = self.room = _ZERO
        self.plan: Plan | None = None
        self.unwind = (_ZERO, _ZERO)

    def run(self) -> Assessment:
        if all(self.seen_asks):
            self._edge_at_best()
        for step in (self._pair, self._books, self._levels, self._own_state):
            refusal = step()
            if refusal is not None:
                return self._refuse(*refusal)
        return self._size()

    def _refuse(self, reason: Reason, detail: str) -> Assessment:
        return Assessment(
            self.direction, reason, detail, self.gross, self.fees, self.required,
            plan=self.plan, unwind=self.unwind, room=self.room,
        )  # fmt: skip

    # -- arithmetic at the best level -------------------------------------------------------

    def _edge_at_best(self) -> None:
        prices = [ladder[0][0] for ladder in (self.asks if all(self.asks) else self.seen_asks)]
        fees = [
            _fee_each_u(leg.schedule, price) if leg.schedule is not None else 0
            for leg, price in zip(self.legs, prices, strict=True)
        ]
        self.gross = from_units(SCALE - sum(prices))
        self.fees = from_units(sum(fees))
        self.unwind = self._unwinds(prices, fees)
        self.plan = self._plan()
        days = self.setup.lockup_days(self.now_ns, self.policy)
        cost = from_units(sum(prices) + sum(fees))
        self.required = from_units(
            ceil_units(self._shortfall() + carry(cost, self.policy.rate_year, days))
        )

    def _unwinds(self, prices: list[int], fees: list[int]) -> tuple[Decimal, Decimal]:
        """Return what selling each leg back would lose per contract (METHODS 3.6)."""
        move_u = ceil_units(self.policy.unwind_move)
        costs = []
        for leg, outcome, price, fee in zip(self.legs, self.outcomes, prices, fees, strict=True):
            book = leg.seen if outcome is Outcome.YES else leg.seen.mirrored()
            bid = max(0, (book.bids[0][0] if book.bids else 0) - move_u)
            fee_out = _fee_each_u(leg.schedule, bid) if leg.schedule is not None else 0
            costs.append(from_units(price + fee - bid + fee_out))
        return costs[0], costs[1]

    def sequential(self) -> Plan:
        """Return the cheapest order of two legs sent one after the other, on these books."""
        prices = [ladder[0][0] for ladder in self.seen_asks]
        fees = [
            _fee_each_u(leg.schedule, price) if leg.schedule is not None else 0
            for leg, price in zip(self.legs, prices, strict=True)
        ]
        self.unwind = self._unwinds(prices, fees)
        return choose_plan(self._odds(0), self._odds(1), "sequential")

    def _odds(self, leg: int) -> LegOdds:
        odds = self.policy.odds[Venue(self.setup.pair.markets[leg].venue)]
        return LegOdds(odds.first, odds.second, max(_ZERO, self.unwind[leg]))

    def _plan(self) -> Plan:
        return choose_plan(self._odds(0), self._odds(1), self.policy.plan)

    def _shortfall(self) -> Decimal:
        assert self.plan is not None
        hurdle = self.setup.divergence[self.direction] + self.policy.net_edge_min
        return hurdle + self.plan.cost

    # -- refusals -----------------------------------------------------------------------------

    def _pair(self) -> tuple[Reason, str] | None:
        if self.status.halted:
            return Reason.HALTED, "new boxes are halted"
        for leg, market in zip(self.legs, self.setup.pair.markets, strict=True):
            if leg.schedule is None:
                return Reason.UNKNOWN_FEES, f"{market.venue}: the fee rule is not known"
        return tradeable(
            self.setup.pair,
            self.now_ns,
            rules_today=self.status.rules_today,
            observe_ns_min=self.status.observe_ns_min,
            allow_recorded=self.status.allow_recorded,
        )

    def _books(self) -> tuple[Reason, str] | None:
        found = book_problem(self.setup, self.legs, self.policy, self.policy.checks_off)
        if found is None:
            return None
        reason, leg, detail = found
        return reason, f"{self.setup.pair.markets[leg].venue.value}: {detail}"

    def _levels(self) -> tuple[Reason, str] | None:
        if not all(self.seen_asks):
            return Reason.ONE_SIDED, "no ask to buy from"
        if not all(self.asks):
            return Reason.CONSUMED, "we took what is displayed"
        shown = sum(ladder[0][0] for ladder in self.seen_asks)
        left = sum(ladder[0][0] for ladder in self.asks)
        net = self.gross - self.fees
        if shown < left and net <= 0:
            return Reason.CONSUMED, "we took the levels that held the edge"
        if self._floor_cost() >= SCALE:
            return Reason.NO_EDGE, f"net edge {net} per contract"
        if net > self.policy.edge_max and Reason.TOO_GOOD not in self.policy.checks_off:
            return Reason.TOO_GOOD, f"net edge {net}, allowed up to {self.policy.edge_max}"
        return None

    def _floor_cost(self) -> int:
        total = 0
        for leg, ladder in zip(self.legs, self.asks, strict=True):
            assert leg.schedule is not None
            price = ladder[0][0]
            total += price + leg.schedule.floor_per_contract_u(price, self.setup.size_min_u)
        return total

    def _own_state(self) -> tuple[Reason, str] | None:
        if self.status.busy:
            return Reason.PAIR_BUSY, "a box of this pair is in progress"
        for leg, outcome in zip(self.legs, self.outcomes, strict=True):
            other = leg.held_no_u if outcome is Outcome.YES else leg.held_yes_u
            if other > 0:
                return (
                    Reason.HOLDS_OTHER_SIDE,
                    f"holds {from_units(other)} contracts of the other side: sell it instead",
                )
        return None

    # -- size ---------------------------------------------------------------------------------

    def _size(self) -> Assessment:
        curves = self._curves()
        room, binding = budget(self.exposure, self.policy.limits)
        rules = self._rules(room)
        chosen = best_box(curves[0], curves[1], rules, self._hurdle())
        if isinstance(chosen, NoSize):
            reason = chosen.reason
            if reason is Reason.LIMIT_BOX:
                reason = binding
            elif reason is Reason.BELOW_HURDLE and self.gross <= self.fees:
                reason = Reason.NO_EDGE
            return self._refuse(reason, chosen.detail)
        locked = from_units(chosen.locked_u)
        off = self.policy.checks_off
        if locked > self.policy.locked_max and Reason.TOO_GOOD not in off:
            return self._refuse(
                Reason.TOO_GOOD, f"locked {locked}, allowed {self.policy.locked_max}"
            )
        verdict = check(self._order(chosen), self.exposure, self.policy.limits)
        if not isinstance(verdict, Approved):
            return self._refuse(verdict.reason, verdict.detail)
        return self._take(chosen)

    def _curves(self) -> tuple[CostCurve, CostCurve]:
        curves = []
        for i, leg in enumerate(self.legs):
            assert leg.schedule is not None
            # a level that with the other leg's best price costs a dollar before fees is in no box
            room = SCALE - self.asks[1 - i][0][0]
            ladder = tuple(row for row in self.asks[i] if row[0] < room)
            curves.append(CostCurve(ladder, leg.schedule, self.setup.lots_u[i]))
        return curves[0], curves[1]

    def _hurdle(self) -> Hurdle:
        days = self.setup.lockup_days(self.now_ns, self.policy)
        rate = carry(Decimal(1), self.policy.rate_year, days)
        return Hurdle(
            int((self._shortfall() * RATIO).to_integral_value("ROUND_CEILING")),
            int((rate * RATIO).to_integral_value("ROUND_CEILING")),
        )

    def _rules(self, room: Decimal) -> SizeRules:
        policy, setup = self.policy, self.setup
        share = policy.grade_b_share if setup.pair.grade == "B" else Decimal(1)
        largest = floor_units(policy.size_max * share)
        keep = 1 - policy.limits.cash_reserve
        cash = tuple(floor_units(from_units(leg.cash_u) * keep) for leg in self.legs)
        room_u = floor_units(max(_ZERO, min(room, self._kelly_room())))
        self.room = from_units(room_u)
        return SizeRules(
            setup.lot_u,
            setup.size_min_u,
            largest,
            (cash[0], cash[1]),
            room_u,
            setup.notional_min,
            setup.amount_steps,
        )

    def _kelly_room(self) -> Decimal:
        """Return the dollars a fractional Kelly bet may put into this box."""
        policy, equity = self.policy, self.exposure.equity
        cost = 1 - self.gross + self.fees
        if policy.kelly_share == 0 or equity <= 0 or cost >= 1:
            return policy.limits.box_cost_max
        lose = sum(
            (c.q for c in self.setup.pair.divergence if c.payoff(self.direction) < 1), Decimal(0)
        )
        return kelly_two(cost, min(lose, Decimal(1))) * policy.kelly_share * equity

    def _order(self, chosen: BoxSize) -> BoxOrder:
        costs = (from_units(chosen.walks[0].cost_u), from_units(chosen.walks[1].cost_u))
        worst = min(self.setup.worst_payoff[self.direction], Decimal(1))
        loss = max(_ZERO, costs[0] + costs[1] - from_units(chosen.size_u) * worst)
        return BoxOrder(costs, loss)

    def _take(self, chosen: BoxSize) -> Assessment:
        size, walks = chosen.size_u, chosen.walks
        value = walks[0].value_u + walks[1].value_u
        fee = walks[0].fee_u + walks[1].fee_u
        limits = [
            grid.ceil_u(walk.worst_u) for grid, walk in zip(self.setup.grids, walks, strict=True)
        ]
        taken = Assessment(
            self.direction,
            Reason.TAKEN,
            "",
            from_units((size - value) * SCALE // size),
            from_units(ceil_div(fee * SCALE, size)),
            self.required,
            chosen,
            (limits[0], limits[1]),
            self.plan,
            self.unwind,
            self.room,
        )
        return taken._replace(limits_u=self._with_slippage(taken))

    def _with_slippage(self, taken: Assessment) -> tuple[int, int]:
        """Widen the second leg's limit: completing a little worse beats unwinding."""
        limits = list(taken.limits_u)
        first = taken.plan.first if taken.plan is not None else None
        if first is None:
            return limits[0], limits[1]
        allowance = slippage_allowance(taken.net_edge, self.unwind[first])
        extra = floor_units(min(self.policy.slippage_max, allowance))
        second = 1 - first
        grid = self.setup.grids[second]
        wide = grid.floor_u(min(limits[second] + extra, SCALE - grid.step_u(SCALE - 1)))
        limits[second] = max(limits[second], wide)
        return limits[0], limits[1]


def legging_plan(
    setup: PairSetup, direction: Direction, legs: tuple[LegView, LegView], policy: Policy
) -> Plan:
    """Return which leg to send first and what a missing second leg costs per box on average.

    Both books must have both sides; the same holds for buying a box and for selling it back.
    """
    assessor = _Assessor(setup, direction, legs, 0, policy, Exposure(), Status())
    return assessor.sequential()


def book_problem(
    setup: PairSetup,
    legs: tuple[LegView, LegView],
    policy: Policy,
    skip: tuple[Reason, ...] = (),
) -> tuple[Reason, int, str] | None:
    """Return the first reason not to believe the books: reason, leg, detail; None when fine."""
    for reason, leg, detail in _problems(setup, legs, policy):
        if reason not in skip:
            return reason, leg, detail
    return None


def _problems(
    setup: PairSetup, legs: tuple[LegView, LegView], policy: Policy
) -> list[tuple[Reason, int, str]]:
    found: list[tuple[Reason, int, str]] = []
    spread_max = floor_units(policy.spread_max)
    for i, leg in enumerate(legs):
        found.extend((reason, i, detail) for reason, detail in _shape(leg.seen, spread_max))
    for i, leg in enumerate(legs):
        oldest_ns = policy.age_ns_max(setup.pair.markets[i].venue)
        if leg.age_ns > oldest_ns:
            detail = f"{leg.age_ns // 1_000_000} ms old, allowed {oldest_ns // 1_000_000}"
            found.append((Reason.STALE_LEG, i, detail))
    skew = abs(legs[0].age_ns - legs[1].age_ns) // 1_000_000
    if policy.skew_ms_max and skew > policy.skew_ms_max:
        older = 0 if legs[0].age_ns > legs[1].age_ns else 1
        detail = f"{skew} ms behind the other leg, allowed {policy.skew_ms_max}"
        found.append((Reason.LEG_SKEW, older, detail))
    return found


def _shape(book: Book, spread_max_u: int) -> list[tuple[Reason, str]]:
    if not book.bids or not book.asks:
        return [(Reason.ONE_SIDED, "no bid" if not book.bids else "no ask")]
    bid, ask = book.bids[0][0], book.asks[0][0]
    prices = f"bid {from_units(bid)}, ask {from_units(ask)}"
    if bid > ask:
        return [(Reason.CROSSED, prices)]
    if bid == ask:
        return [(Reason.LOCKED, prices)]
    if ask - bid > spread_max_u:
        return [(Reason.WIDE_SPREAD, f"{prices}, allowed {from_units(spread_max_u)} apart")]
    return []
