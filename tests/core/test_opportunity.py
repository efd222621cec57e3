"""The exact path: every refusal has its reason, and what is taken is arithmetic to the unit."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.contracts import Direction, Outcome, Venue
from core.early_close import best_close
from core.fees import KalshiFees, PolymarketFees
from core.gate import GateTable, edge_possible
from core.hedge import HedgeChoice
from core.ladder import Book, CostCurve, clean
from core.limits import Exposure, Limits
from core.money import PriceGrid, from_units
from core.opportunity import LegView, PairSetup, Status, assess
from core.pairs import Clause
from core.policy import Policy
from core.reasons import Reason
from core.record import ExposedLeg, Stamp, closing, hedge_order, opening
from tests.core.strategies import UNIT, ladders
from tests.strategies.support import make_pair

D = Decimal
NOW = 1_780_000_000_000_000_000
K = KalshiFees("quadratic", regime="2026q3").at(0)
P = PolymarketFees(D("0.05")).at(0)
RICH = 10**12


def at(ts_ns):
    return datetime.fromtimestamp(ts_ns // 10**9, tz=UTC)


def levels(*rows):
    return clean((int(D(p) * UNIT), int(D(s) * UNIT)) for p, s in rows)


def book(bids=(("0.44", 100),), asks=(("0.45", 100),)):
    return Book(levels(*bids), levels(*asks))


A = book()
B = book((("0.50", 200),), (("0.51", 50),))


def view(shown, schedule, left=None, age_ms=10, cash_u=RICH, yes=0, no=0):
    return LegView(
        shown, shown if left is None else left, age_ms * 10**6, schedule, cash_u, yes, no
    )


def look(
    a=A, b=B, /, *, pair=None, policy=None, exposure=None, status=None, direction=None, **legs
):
    policy = policy or Policy(net_edge_min=D(0))
    setup = PairSetup(pair or make_pair(), policy)
    views = (view(a, K, **legs.get("a", {})), view(b, P, **legs.get("b", {})))
    return assess(
        setup,
        direction or Direction.YES_NO,
        views,
        NOW,
        policy,
        exposure or Exposure(),
        status or Status(),
    )


def test_a_box_is_taken_with_its_numbers():
    """100 boxes: 45.00 + 1.7325 on Kalshi, 50.00 + 1.25 on Polymarket, 2.0175 locked."""
    found = look()
    assert found.reason is Reason.TAKEN
    assert found.size.size_u == 100 * UNIT
    assert [w.cost_u for w in found.size.walks] == [46_732_500, 51_250_000]
    assert from_units(found.size.locked_u) == D("2.0175")
    assert (found.gross_edge, found.fees, found.net_edge) == (
        D("0.05"), D("0.029825"), D("0.020175"),
    )  # fmt: skip


def test_the_slower_venue_goes_first_and_the_second_limit_has_slack():
    """METHODS 3.6: Polymarket first; Kalshi's limit may go a cent beyond the level planned."""
    found = look()
    assert found.plan.first == 1
    assert found.limits_u == (460_000, 500_000)
    tight = look(policy=Policy(slippage_max=D(0)))
    assert tight.limits_u == (450_000, 500_000)


def test_the_mirrored_box_uses_the_other_sides():
    found = look(B, A, direction=Direction.NO_YES)
    assert found.reason is Reason.TAKEN
    assert from_units(found.size.walks[0].worst_u) == D("0.50")
    assert from_units(found.size.walks[1].worst_u) == D("0.45")


CROSSED = book((("0.47", 10),), (("0.45", 100),))
LOCKED = book((("0.45", 10),), (("0.45", 100),))
WIDE = book((("0.20", 10),), (("0.45", 100),))
NO_BID = book((), (("0.45", 100),))


@pytest.mark.parametrize(
    ("case", "reason", "detail"),
    [
        ({"status": Status(halted=True)}, Reason.HALTED, "halted"),
        ({"pair": make_pair(grade="C")}, Reason.GRADE, "grade is C"),
        ({"pair": make_pair(approval=None)}, Reason.NOT_APPROVED, "no approval"),
        ({"status": Status(observe_ns_min=1)}, Reason.NOT_OBSERVED_LONG_ENOUGH, "observed"),
        ({"status": Status(rules_today={})}, Reason.RULE_CHANGED, "KALSHI: rules differ"),
        ({"a": {"age_ms": 30_001}}, Reason.STALE_LEG, "KALSHI: 30001 ms old, allowed 30000"),
        (
            {"policy": Policy(age_ms_by_venue={Venue.POLYMARKET: 5})},
            Reason.STALE_LEG,
            "POLYMARKET: 10 ms old, allowed 5",
        ),
        ({"b": {"age_ms": 1_100}}, Reason.LEG_SKEW, "POLYMARKET: 1090 ms behind"),
        ({"book_a": NO_BID}, Reason.ONE_SIDED, "KALSHI: no bid"),
        ({"book_a": CROSSED}, Reason.CROSSED, "KALSHI: bid 0.470000, ask 0.450000"),
        ({"book_a": LOCKED}, Reason.LOCKED, "KALSHI: bid 0.450000, ask 0.450000"),
        ({"book_a": WIDE}, Reason.WIDE_SPREAD, "allowed 0.200000 apart"),
        ({"policy": Policy(edge_max=D("0.02"))}, Reason.TOO_GOOD, "net edge 0.020175"),
        ({"policy": Policy(locked_max=D(2))}, Reason.TOO_GOOD, "locked 2.017500"),
        ({"a": {"left": Book(A.bids, ())}}, Reason.CONSUMED, "we took"),
        ({"book_b": book((("0.47", 9),), (("0.51", 9),))}, Reason.NO_EDGE, ""),
        ({"status": Status(busy=True)}, Reason.PAIR_BUSY, "in progress"),
        ({"a": {"no": 5}}, Reason.HOLDS_OTHER_SIDE, "sell it instead"),
        ({"policy": Policy(net_edge_min=D("0.03"))}, Reason.BELOW_HURDLE, ""),
        ({"policy": Policy(size_min=D(101))}, Reason.BELOW_MIN_SIZE, ""),
        ({"a": {"cash_u": UNIT}}, Reason.NO_CASH, ""),
        ({"policy": Policy(limits=Limits(box_cost_max=D(1)))}, Reason.LIMIT_BOX, ""),
        ({"exposure": Exposure(pair_cost=D(4999))}, Reason.LIMIT_PAIR, ""),
        ({"policy": Policy(limits=Limits(venue_cost_max=D(50)))}, Reason.LIMIT_VENUE, "venue"),
        ({"policy": Policy(limits=Limits(day_loss_max=D(50)))}, Reason.LIMIT_LOSS, "worst-state"),
        ({"exposure": Exposure(orders_last_minute=599)}, Reason.LIMIT_RATE, "orders"),
    ],
)
def test_each_refusal_has_its_reason(case, reason, detail):
    case = dict(case)
    found = look(case.pop("book_a", A), case.pop("book_b", B), **case)
    assert found.reason is reason
    assert found.size is None
    assert detail in found.detail


def test_unknown_fees_refuse():
    setup = PairSetup(make_pair(), Policy())
    views = (view(A, None), view(B, P))
    found = assess(setup, Direction.YES_NO, views, NOW, Policy(), Exposure())
    assert found.reason is Reason.UNKNOWN_FEES


@pytest.mark.parametrize(
    ("shape", "check"),
    [(CROSSED, Reason.CROSSED), (LOCKED, Reason.LOCKED), (WIDE, Reason.WIDE_SPREAD)],
)
def test_a_check_that_is_off_lets_the_book_through(shape, check):
    assert look(shape).reason is check
    assert look(shape, policy=Policy(checks_off=(check,))).reason is Reason.TAKEN


def test_divergence_is_charged_to_the_direction_it_hurts():
    void = Clause(name="void", q=D("0.02"), yes_no=D("1.3"), no_yes=D("0.7"))
    pair = make_pair(divergence=(void,))
    assert look(pair=pair).reason is Reason.TAKEN
    mirrored = look(B, A, pair=pair, direction=Direction.NO_YES)
    # 2 * 0.02 * 0.3 = 1.2 c and 0.24 c of legging leave nothing of 2.0 c for the second hundred
    assert mirrored.required > look(pair=pair).required + D("0.0119")


def test_carry_grows_with_the_lock_up():
    slow = look(pair=make_pair(lockup_days=D(90)))
    assert slow.reason is Reason.BELOW_HURDLE
    assert slow.required > D("0.024")


@pytest.mark.parametrize(
    ("pair", "days"),
    [
        ({"lockup_days": D("2.5")}, D("2.5")),
        ({"lockup_days": None}, D(14)),
        ({"lockup_days": None, "expected_settlement": at(NOW + 10 * 86_400 * 10**9)}, D(11)),
        ({"lockup_days": None, "expected_settlement": at(NOW - 10 * 86_400 * 10**9)}, D(1)),
    ],
)
def test_the_lock_up_comes_from_the_pair_its_date_or_the_default(pair, days):
    assert PairSetup(make_pair(**pair), Policy()).lockup_days(NOW, Policy()) == days


def test_grade_b_gets_half_the_size():
    found = look(pair=make_pair(grade="B"), policy=Policy(size_max=D(100)))
    assert found.size.size_u == 50 * UNIT


def test_kelly_bounds_a_box_by_what_can_be_lost():
    clause = Clause(name="both lose", q=D("0.005"), yes_no=D(0), no_yes=D(0))
    pair = make_pair(divergence=(clause,))
    policy = Policy(kelly_share=D("0.25"))
    free = look(pair=pair, policy=policy)
    bound = look(pair=pair, policy=policy, exposure=Exposure(equity=D(200)))
    assert free.size.size_u == 100 * UNIT
    cost = sum(w.cost_u for w in bound.size.walks)
    # f = 1 - q - q·c/(1-c) = 0.7522, a quarter of it of $200
    assert from_units(cost) <= D("0.7522") * 50 < from_units(cost) + 1


def test_cash_keeps_a_reserve_for_second_legs():
    found = look(a={"cash_u": 50 * UNIT})
    assert found.size.walks[0].cost_u <= 40 * UNIT
    assert found.size.walks[0].cost_u > 39 * UNIT


grid = st.integers(2, 98).map(lambda n: n * 10_000)


@settings(max_examples=300, deadline=None)
@given(grid, grid, st.integers(1, 3), st.integers(1, 3), st.integers(1, 500), st.booleans())
def test_what_is_taken_passed_the_gate_and_pays(ask_a, bid_b, gap_a, gap_b, size, mirrored):
    a = Book(clean([(ask_a - gap_a * 10_000, size * UNIT)]), clean([(ask_a, size * UNIT)]))
    b = Book(clean([(bid_b, size * UNIT)]), clean([(bid_b + gap_b * 10_000, size * UNIT)]))
    if mirrored:
        a, b = a.mirrored(), b.mirrored()
    direction = Direction.NO_YES if mirrored else Direction.YES_NO
    policy = Policy(size_min=D(1), edge_max=D(1), locked_max=D(10**9))
    found = look(a, b, policy=policy, direction=direction)
    if found.reason is not Reason.TAKEN:
        return
    cost = found.size.walks[0].cost_u + found.size.walks[1].cost_u
    assert found.size.size_u > cost
    assert found.size.locked_u == found.size.size_u - cost
    assert found.net_edge >= found.required - D("0.02")
    table_a, table_b = GateTable(K, UNIT, UNIT), GateTable(P, UNIT, UNIT)
    assert edge_possible(table_a[ask_a], UNIT, UNIT, table_b[UNIT - bid_b])


def test_the_record_holds_inputs_and_arithmetic():
    setup = PairSetup(make_pair(), Policy())
    views = (view(A, K), view(B, P))
    found = assess(setup, Direction.YES_NO, views, NOW, Policy(), Exposure())
    record = opening(setup, views, found, Stamp(7, NOW, "S-1", "GAME.7"))
    assert (record.decision_id, record.box_id, record.first_leg) == ("GAME#7", "GAME.7", 1)
    assert [leg.instrument for leg in record.legs] == ["KGAME-YES.KALSHI", "PGAME-NO.POLYMARKET"]
    assert [leg.cost for leg in record.legs] == [D(45), D(50)]
    assert [leg.fee for leg in record.legs] == [D("1.7325"), D("1.25")]
    assert record.legs[0].ladder[0].price == D("0.45")
    assert record.legs[1].best_bid == D("0.49")
    refused = opening(setup, views, look(status=Status(busy=True)), Stamp(8, NOW, "S-1", "GAME.8"))
    assert (refused.outcome, refused.box_id, refused.size) == ("refused", None, 0)


@settings(max_examples=150, deadline=None)
@given(ladders(levels=8, size_max=60), ladders(levels=8, size_max=60), st.integers(1, 12))
def test_a_record_is_enough_to_decide_again(first, second, edge):
    """Feed the ladders of a taken record back in: the same size, limits and objective."""
    best = first[0][0]
    shift = (100 - edge) * 10_000 - best - second[0][0]
    second = tuple((p + shift, s) for p, s in second if 0 < p + shift < UNIT)
    if not second:
        return
    bid_a, bid_b = max(10_000, best - 10_000), max(10_000, second[0][0] - 10_000)
    a, b = Book(((bid_a, UNIT),), first), Book(((bid_b, UNIT),), second).mirrored()
    policy = Policy(size_min=D(1), edge_max=D(1))
    setup = PairSetup(make_pair(), policy)

    def decide(views):
        found = assess(setup, Direction.YES_NO, views, NOW, policy, Exposure())
        return found, opening(setup, views, found, Stamp(1, NOW, "S", "B"))

    found, record = decide((view(a, K), view(b, P)))
    if found.reason is not Reason.TAKEN:
        return
    again = []
    for leg in record.legs:
        asks = levels(*((level.price, level.size) for level in leg.ladder))
        book_again = Book(levels((leg.best_bid, 1)), asks)
        again.append(book_again if leg.outcome is Outcome.YES else book_again.mirrored())
    repeated, record_again = decide((view(again[0], K), view(again[1], P)))
    assert (repeated.size, repeated.limits_u) == (found.size, found.limits_u)
    assert record_again == record


def test_a_close_is_recorded_against_holding():
    setup = PairSetup(make_pair(), Policy())
    views = (
        view(book((("0.55", 80),), (("0.56", 9),)), K),
        view(book((("0.50", 9),), (("0.51", 90),)), P),
    )
    curves = (
        CostCurve(views[0].left.bids, K, UNIT, buy=False),
        CostCurve(views[1].left.mirrored().bids, P, UNIT, buy=False),
    )
    close = best_close(*curves, held_u=50 * UNIT, lot_u=UNIT, hold_n=10**9)
    record = closing(
        setup, Direction.YES_NO, views, close, (550_000, 490_000), 10**9, Stamp(9, NOW, "S", "B.1")
    )
    assert (record.kind, record.size, record.box_id) == ("close", 50, "B.1")
    assert record.gross_edge == D("0.04")
    assert record.locked == from_units(close.proceeds_u - 50 * UNIT)


def exposed(**changes):
    base = ExposedLeg(
        leg=0,
        size_u=10 * UNIT,
        held_book=book((("0.44", 4),), (("0.45", 9),)),
        missing_book=book((("0.50", 9),), (("0.51", 6), ("0.53", 9))),
        schedules=(K, P),
        grids=(PriceGrid(make_pair().a.terms.ticks), PriceGrid(make_pair().b.terms.ticks)),
        lots_u=(10_000, 10_000),
        notional_min_u=UNIT,
        required=D(0),
        fill=D("0.9"),
        hold_risk=D("0.10"),
        attempts=0,
        attempts_max=1,
    )
    return base._replace(**changes)


def test_hedges_are_priced_on_the_book_as_it_is():
    complete = hedge_order(exposed())
    assert complete.hedge.choice is HedgeChoice.COMPLETE
    assert (complete.size_u, complete.limits_u) == (10 * UNIT, (0, 530_000))
    unwind = hedge_order(exposed(attempts=1))
    assert unwind.hedge.choice is HedgeChoice.UNWIND
    assert (unwind.size_u, unwind.limits_u) == (4 * UNIT, (440_000, 0))


def test_a_hedge_waits_while_nothing_can_be_believed_or_traded():
    assert hedge_order(exposed(fresh=False)).hedge.choice is HedgeChoice.WAIT
    empty = exposed(held_book=book((), ()), missing_book=book((), ()))
    assert hedge_order(empty).hedge.choice is HedgeChoice.WAIT


def test_a_completion_below_the_venues_minimum_is_not_tried():
    small = exposed(size_u=UNIT, missing_book=book((("0.50", 9),), (("0.51", 6),)))
    assert hedge_order(small).hedge.choice is HedgeChoice.UNWIND


def test_a_single_leg_is_held_rather_than_given_away():
    thin = exposed(attempts=1, held_book=book((("0.05", 4),), (("0.85", 9),)))
    assert hedge_order(thin).hedge.choice is HedgeChoice.HOLD


def test_amount_rules_reach_the_sizing():
    pair = make_pair()
    terms = msgspec.structs.replace(pair.b.terms, buy_amount_step=D("0.01"))
    markets = (pair.a, msgspec.structs.replace(pair.b, terms=terms))
    setup = PairSetup(make_pair(markets=markets), Policy())
    assert setup.amount_steps == (0, 10_000)
