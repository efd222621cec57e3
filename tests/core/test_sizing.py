"""Size: worked examples of METHODS 3.3, and equality with brute force."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from core.fees import KalshiFees, PolymarketFees, PolymarketUSFees
from core.ladder import CostCurve, clean, mirror
from core.reasons import Reason
from core.sizing import NO_HURDLE, RATIO, BoxSize, Hurdle, NoSize, SizeRules, best_box
from tests.core.strategies import UNIT, ladders, schedules

D = Decimal


def ladder(*levels):
    return tuple((int(D(p) * UNIT), s * UNIT) for p, s in levels)


KALSHI = ladder((".46", 120), (".47", 200), (".48", 500))
POLY = ladder((".49", 150), (".50", 300), (".51", 400))
PLENTY = 10**13


def rules(lot=UNIT, size_min=UNIT, size_max=PLENTY, cash=(PLENTY, PLENTY), budget=PLENTY, **more):
    return SizeRules(lot, size_min, size_max, cash, budget, **more)


def worked(*, regime="2026q3", member="0.0001", asset="collateral", hurdle=NO_HURDLE, **bounds):
    a = CostCurve(KALSHI, KalshiFees("quadratic", D(1), D(member), regime).at(0), UNIT)
    b = CostCurve(POLY, PolymarketFees(D("0.05"), asset=asset).at(0), UNIT)
    return best_box(a, b, rules(**bounds), hurdle)


@pytest.mark.parametrize(
    ("settings_", "size", "profit"),
    [
        ({}, 320, "2.72675"),
        ({"member": "0.01"}, 306, "2.72575"),
        ({"regime": "legacy"}, 306, "2.72575"),
        ({"hurdle": Hurdle(4_000_000, RATIO * 3 // 3650)}, 150, "2.71605"),
        ({"hurdle": Hurdle(11_000_000)}, 120, "2.414"),
        ({"asset": "shares"}, 153, "2.628"),
        ({"cash": (50 * UNIT, PLENTY)}, 104, "2.09212"),
    ],
)
def test_worked_sizes(settings_, size, profit):
    """METHODS 3.3: exact q3 direct, broker, legacy, hurdles, shares mode, a $50 budget."""
    chosen = worked(**settings_)
    assert isinstance(chosen, BoxSize)
    assert chosen.size_u == size * UNIT
    assert D(chosen.locked_u) / UNIT == D(profit)


def test_shares_mode_orders_more_than_it_keeps():
    chosen = worked(asset="shares")
    assert [walk.gross_u // UNIT for walk in chosen.walks] == [153, 157]


def test_limits_to_send_are_the_worst_levels_touched():
    """METHODS 3.3: .47 and .49 at 150 boxes."""
    chosen = worked(hurdle=Hurdle(4_000_000, RATIO * 3 // 3650))
    assert [walk.worst_u for walk in chosen.walks] == [470_000, 490_000]


@pytest.mark.parametrize(
    ("slice_", "a", "b"),
    [(0, ".477388", ".502495"), (1, ".487437", ".502495"), (2, ".487437", ".5125")],
)
def test_marginal_costs_of_the_worked_example(slice_, a, b):
    curve_a = CostCurve(KALSHI, KalshiFees("quadratic", regime="2026q3").at(0), UNIT)
    curve_b = CostCurve(POLY, PolymarketFees(D("0.05")).at(0), UNIT)
    level_a, level_b = [(0, 0), (1, 0), (1, 1)][slice_]
    assert D(curve_a.unit_wide(level_a)).scaleb(-27) == D(a)
    assert D(curve_b.unit_wide(level_b)).scaleb(-27) == D(b)


def brute(a, b, rule, hurdle):
    """Try every lot; ties to the smaller size."""
    best = None
    size = -(-max(rule.size_min_u, rule.lot_u) // rule.lot_u) * rule.lot_u
    while size <= min(a.size_u, b.size_u, rule.size_max_u):
        walks = (a.walk(size), b.walk(size))
        cost = sum(w.cost_u for w in walks)
        objective = size * (RATIO - hurdle.shortfall_n) - cost * (RATIO + hurdle.carry_n)
        fine = cost <= rule.budget_u and all(
            w.cost_u <= c and w.value_u >= n and (not s or w.worst_u * w.gross_u % (s * UNIT) == 0)
            for w, c, n, s in zip(
                walks, rule.cash_u, rule.notional_min_u, rule.amount_step_u, strict=True
            )
        )
        if fine and objective > 0 and (best is None or objective > best[1]):
            best = (size, objective)
        size += rule.lot_u
    return best


lots = st.sampled_from([UNIT, UNIT // 4, UNIT // 100])


@st.composite
def problems(draw):
    lot = draw(lots)
    a = CostCurve(draw(ladders(lot=lot)), draw(schedules), lot)
    # a second ladder that leaves an edge more often than chance would
    second = draw(ladders(lot=lot))
    best = a.ladder[0][0]
    second = tuple((max(10_000, min(990_000, p - best)), s) for p, s in second if p > best)
    second = tuple(sorted({p: (p, s) for p, s in second}.values())) or ladder((".03", 3))
    b = CostCurve(second, draw(schedules), lot)
    money = st.one_of(st.just(PLENTY), st.integers(0, 20 * UNIT))
    rule = rules(
        lot=lot,
        size_min=draw(st.integers(1, 5)) * lot,
        size_max=draw(st.one_of(st.just(PLENTY), st.integers(1, 60).map(lambda n: n * lot))),
        cash=(draw(money), draw(money)),
        budget=draw(money),
        notional_min_u=(0, draw(st.sampled_from([0, UNIT]))),
        amount_step_u=(0, draw(st.sampled_from([0, 10_000]))),
    )
    hurdle = Hurdle(
        draw(st.sampled_from([0, 1_000_000, 40_000_000])), draw(st.sampled_from([0, 700_000]))
    )
    return a, b, rule, hurdle


@settings(max_examples=400, deadline=None)
@given(problems())
def test_size_equals_brute_force(problem):
    a, b, rule, hurdle = problem
    expected = brute(a, b, rule, hurdle)
    found = best_box(a, b, rule, hurdle)
    if expected is None:
        assert isinstance(found, NoSize)
    else:
        assert isinstance(found, BoxSize)
        assert (found.size_u, found.objective_n) == expected


@pytest.mark.parametrize(
    ("first", "second", "lot", "size"),
    [
        (((150_000, 5_500_000), (160_000, 38_750_000)),
         ((780_000, 4_000_000), (790_000, 34_500_000)), UNIT // 4, 38_250_000),
        (((600_000, 2_670_000), (610_000, 1_980_000)),
         ((360_000, 2_870_000), (370_000, 530_000)), UNIT // 100, 2_690_000),
        (((130_000, 190_000), (140_000, 700_000)),
         ((860_000, 2_540_000), (870_000, 1_120_000)), UNIT // 100, 130_000),
    ],
)  # fmt: skip
def test_rounding_in_our_favour_is_found(first, second, lot, size):
    """Banker's rounding can make a size pay that the unrounded formula passes over."""
    a = CostCurve(first, PolymarketUSFees().at(0), lot)
    b = CostCurve(second, KalshiFees("quadratic", regime="2026q3").at(0), lot)
    rule = rules(lot=lot, size_min=lot)
    found = best_box(a, b, rule)
    assert isinstance(found, BoxSize)
    assert (found.size_u, found.objective_n) == brute(a, b, rule, NO_HURDLE)
    assert found.size_u == size


@settings(max_examples=200, deadline=None)
@given(ladders(size_max=400), schedules, st.data())
def test_cost_is_never_below_the_exact_bound(levels, schedule, data):
    curve = CostCurve(levels, schedule, UNIT)
    size = data.draw(st.integers(1, curve.size_u))
    walk = curve.walk(size)
    assert walk.cost_u * 10**21 >= curve.wide(size) - schedule.slack_u() * 10**21
    assert walk.gross_u >= size


@settings(max_examples=200, deadline=None)
@given(ladders(size_max=400), schedules, st.data())
def test_proceeds_are_never_above_the_exact_bound(levels, schedule, data):
    curve = CostCurve(tuple(reversed(levels)), schedule, UNIT, buy=False)
    size = data.draw(st.integers(1, curve.size_u))
    assert curve.walk(size).proceeds_u * 10**21 <= curve.wide(size) + schedule.slack_u() * 10**21


@given(ladders(size_max=50), st.data())
@example(ladder((".46", 120)), None)
def test_a_walk_costs_what_its_fills_cost(levels, data):
    """The curve's shortcut equals charging fill by fill."""
    schedule = KalshiFees("quadratic", D(1), D("0.01"), "2026q2").at(0)
    curve = CostCurve(levels, schedule, UNIT)
    size = curve.size_u if data is None else data.draw(st.integers(1, curve.size_u))
    state, rest, value, fee = (0, 0), size, 0, 0
    for price, available in levels:
        take = min(rest, available)
        if take:
            t, r, back, state = schedule.charge_u(state, price, take, buy=True, taker=True)
            value, fee, rest = value - (-price * take // UNIT), fee + t + r - back, rest - take
    walk = curve.walk(size)
    assert (walk.value_u, walk.fee_u) == (value, fee)


def test_sizes_outside_the_ladder_are_refused():
    curve = CostCurve(KALSHI, KalshiFees("quadratic", regime="legacy").at(0), UNIT)
    for size in (0, curve.size_u + 1):
        with pytest.raises(ValueError, match="size_u: found"):
            curve.walk(size)


@pytest.mark.parametrize(
    ("bounds", "reason", "detail"),
    [
        ({"hurdle": Hurdle(30_000_000)}, Reason.BELOW_HURDLE, "the best level does not clear"),
        (
            {"size_min": 1000 * UNIT},
            Reason.BELOW_MIN_SIZE,
            "depth 820 contracts, allowed from 1000",
        ),
        (
            {"cash": (UNIT // 4, PLENTY)},
            Reason.NO_CASH,
            "cash buys 0.523684 contracts, allowed from 1",
        ),
        ({"budget": UNIT // 4}, Reason.LIMIT_BOX, "limits leave 0 contracts, allowed from 1"),
        ({"size_max": UNIT // 4}, Reason.LIMIT_BOX, "limits leave 0 contracts, allowed from 1"),
    ],
)
def test_why_there_is_no_size(bounds, reason, detail):
    """The words are for people: contracts, never the units of a millionth."""
    found = worked(**bounds)
    assert isinstance(found, NoSize)
    assert found.reason is reason
    assert found.detail.startswith(detail)


def test_a_marketable_buy_needs_a_dollar():
    """METHODS 3.2: marketable BUY >= $1 on Polymarket."""
    a = CostCurve(ladder((".05", 10)), KalshiFees("quadratic", regime="2026q3").at(0), UNIT)
    b = CostCurve(ladder((".30", 3)), PolymarketFees(D("0.05")).at(0), UNIT)
    assert isinstance(best_box(a, b, rules(notional_min_u=(0, UNIT))), NoSize)
    assert isinstance(best_box(a, b, rules()), BoxSize)


def test_amount_orders_take_only_sizes_of_whole_cents():
    """METHODS 3.2: 1 at .962 is refused, 5 at .962 is fine."""
    lot = UNIT
    a = CostCurve(ladder((".01", 9)), PolymarketUSFees().at(0), lot)
    b = CostCurve(((962_000, 9 * UNIT),), PolymarketFees(D(0)).at(0), lot)
    chosen = best_box(a, b, rules(amount_step_u=(0, 10_000)))
    assert isinstance(chosen, BoxSize)
    assert chosen.size_u == 5 * UNIT


def test_sentinels_and_empty_levels_are_dropped():
    assert clean([(0, 1), (1_000_000, 5), (470_000, 0), (480_000, 7)]) == ((480_000, 7),)
    assert mirror(((470_000, 7), (460_000, 9))) == ((530_000, 7), (540_000, 9))
