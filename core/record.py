"""From an assessment to its decision record, and the hedge question of an exposed leg."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from core.contracts import Direction, Outcome, Side
from core.decisions import Decision, DecisionLeg, Level
from core.early_close import CloseSize
from core.fees.base import FeeSchedule
from core.hedge import Exposed, Hedge, decide
from core.ladder import Book, CostCurve, Ladder, Walk
from core.money import SCALE, PriceGrid, from_units
from core.opportunity import Assessment, LegView, PairSetup
from core.reasons import Reason

DEPTH = 5
"""Levels per leg that a record shows beyond those it used."""


class Stamp(NamedTuple):
    """Who decided, when, and under which number."""

    seq: int
    ts_ns: int
    strategy: str
    box_id: str | None = None


def _levels(ladder: Ladder, worst_u: int | None) -> tuple[Level, ...]:
    used = sum(1 for price, _ in ladder if worst_u is not None and price <= worst_u)
    shown = ladder[: max(used, DEPTH)]
    return tuple(Level(from_units(price), from_units(size)) for price, size in shown)


def _price(ladder: Ladder) -> Decimal | None:
    return from_units(ladder[0][0]) if ladder else None


def _leg(
    setup: PairSetup,
    index: int,
    direction: Direction,
    view: LegView,
    side: Side,
    walk: Walk | None,
    limit_u: int | None,
) -> DecisionLeg:
    market = setup.pair.markets[index]
    outcome = direction.outcome(index)
    seen = view.seen if outcome is Outcome.YES else view.seen.mirrored()
    left = view.left if outcome is Outcome.YES else view.left.mirrored()
    ladder = left.asks if side is Side.BUY else left.bids
    zero = from_units(0)
    worst = walk.worst_u if walk is not None and side is Side.BUY else None
    return DecisionLeg(
        venue=market.venue,
        instrument=market.instrument(outcome),
        outcome=outcome,
        side=side,
        ladder=_levels(ladder, worst),
        age_ns=view.age_ns,
        cash=from_units(view.cash_u),
        best_bid=_price(seen.bids),
        best_ask=_price(seen.asks),
        limit_price=from_units(limit_u) if walk is not None and limit_u is not None else None,
        size=from_units(walk.gross_u) if walk is not None else zero,
        cost=from_units(walk.value_u) if walk is not None else zero,
        fee=from_units(walk.fee_u) if walk is not None else zero,
    )


def opening(
    setup: PairSetup, views: tuple[LegView, LegView], assessment: Assessment, stamp: Stamp
) -> Decision:
    """Record a decision about buying a box, taken or refused."""
    chosen = assessment.size
    walks = chosen.walks if chosen is not None else (None, None)
    legs = [
        _leg(setup, i, assessment.direction, views[i], Side.BUY, walks[i], assessment.limits_u[i])
        for i in (0, 1)
    ]
    pair_id = setup.pair.pair_id
    return Decision(
        decision_id=f"{pair_id}#{stamp.seq}",
        seq=stamp.seq,
        ts_ns=stamp.ts_ns,
        strategy=stamp.strategy,
        pair_id=pair_id,
        kind="open",
        direction=assessment.direction,
        outcome="taken" if assessment.reason is Reason.TAKEN else "refused",
        reason=assessment.reason,
        legs=(legs[0], legs[1]),
        gross_edge=assessment.gross_edge,
        fees=assessment.fees,
        net_edge=assessment.net_edge,
        required_edge=assessment.required,
        size=from_units(chosen.size_u if chosen is not None else 0),
        locked=from_units(chosen.locked_u if chosen is not None else 0),
        objective=from_units(chosen.objective_n // 1_000_000_000 if chosen is not None else 0),
        box_id=stamp.box_id if chosen is not None else None,
        first_leg=assessment.plan.first if chosen is not None and assessment.plan else None,
        room=assessment.room,
        detail=assessment.detail,
    )


def closing(
    setup: PairSetup,
    direction: Direction,
    views: tuple[LegView, LegView],
    close: CloseSize,
    limits_u: tuple[int, int],
    hold_n: int,
    stamp: Stamp,
) -> Decision:
    """Record the decision to sell a box back: edges are gains over holding, per contract."""
    size = close.size_u
    value = close.walks[0].value_u + close.walks[1].value_u
    fee = close.walks[0].fee_u + close.walks[1].fee_u
    hold_u = hold_n // 1000
    legs = [
        _leg(setup, i, direction, views[i], Side.SELL, close.walks[i], limits_u[i]) for i in (0, 1)
    ]
    gross = from_units(value * SCALE // size - hold_u)
    fees = from_units(-(-fee * SCALE // size))
    return Decision(
        decision_id=f"{setup.pair.pair_id}#{stamp.seq}",
        seq=stamp.seq,
        ts_ns=stamp.ts_ns,
        strategy=stamp.strategy,
        pair_id=setup.pair.pair_id,
        kind="close",
        direction=direction,
        outcome="taken",
        reason=Reason.TAKEN,
        legs=(legs[0], legs[1]),
        gross_edge=gross,
        fees=fees,
        net_edge=gross - fees,
        required_edge=from_units(0),
        size=from_units(size),
        locked=from_units(value - fee - size),
        objective=from_units(close.gain_n // 1_000_000_000),
        box_id=stamp.box_id,
        detail=f"holding is worth {from_units(hold_u)} per box",
    )


class HedgeOrder(NamedTuple):
    """The choice for an exposed leg and the order it implies: size and both limits (units)."""

    hedge: Hedge
    size_u: int
    limits_u: tuple[int, int]


class ExposedLeg(NamedTuple):
    """One filled leg without its counterpart, and the books of both outcomes now.

    Attributes
    ----------
    leg, size_u
        Which leg is in excess, and by how much.
    held_book, missing_book
        Books of the outcome held and of the outcome missing.
    schedules, grids, lots_u
        Per market, A first.
    notional_min_u
        Smallest BUY of the missing leg, dollars (units).
    required, fill, hold_risk
        Edge a held box must keep; probability that a completion fills; see ``Policy.hold_risk``.
    attempts, attempts_max
        Completions so far and allowed.
    fresh
        Whether the books may be believed; otherwise only waiting is left.
    """

    leg: int
    size_u: int
    held_book: Book
    missing_book: Book
    schedules: tuple[FeeSchedule, FeeSchedule]
    grids: tuple[PriceGrid, PriceGrid]
    lots_u: tuple[int, int]
    notional_min_u: int
    required: Decimal
    fill: Decimal
    hold_risk: Decimal
    attempts: int
    attempts_max: int
    fresh: bool = True


def hedge_order(exposed: ExposedLeg) -> HedgeOrder:
    """Decide an exposed leg on the books as they are, and price its order.

    Notes
    -----
    An order never asks for more than the book shows: what remains is decided again.
    """
    leg, missing = exposed.leg, 1 - exposed.leg
    buy = _walk(exposed, missing, exposed.missing_book.asks, buy=True)
    sell = _walk(exposed, leg, exposed.held_book.bids, buy=False)
    if buy is not None and buy.value_u < exposed.notional_min_u:
        buy = None
    complete = Decimal(buy.cost_u) / Decimal(buy.gross_u) if buy is not None else None
    unwind = Decimal(sell.proceeds_u) / Decimal(sell.gross_u) if sell is not None else None
    choice = decide(
        Exposed(
            complete_cost=complete,
            complete_fill=exposed.fill,
            unwind_proceeds=unwind,
            required=exposed.required,
            hold_value=_hold_value(exposed),
            may_wait=True,
            attempts=exposed.attempts,
            attempts_max=exposed.attempts_max,
        )
    )
    limits = [0, 0]
    size = exposed.size_u
    if choice.choice.value == "complete" and buy is not None:
        limits[missing], size = exposed.grids[missing].ceil_u(buy.worst_u), buy.gross_u
    elif choice.choice.value == "unwind" and sell is not None:
        limits[leg], size = exposed.grids[leg].floor_u(sell.worst_u), sell.gross_u
    return HedgeOrder(choice, size, (limits[0], limits[1]))


def _walk(exposed: ExposedLeg, index: int, ladder: Ladder, *, buy: bool) -> Walk | None:
    lot = exposed.lots_u[index]
    curve = CostCurve(ladder, exposed.schedules[index], lot, buy=buy)
    size = min(exposed.size_u, curve.size_u) // lot * lot
    return curve.walk(size) if exposed.fresh and size > 0 else None


def _hold_value(exposed: ExposedLeg) -> Decimal | None:
    """Return the middle of the held outcome's book less the risk charge, or None without one."""
    book = exposed.held_book
    if not (exposed.fresh and book.bids and book.asks):
        return None
    middle = from_units((book.bids[0][0] + book.asks[0][0]) // 2)
    return middle - exposed.hold_risk
