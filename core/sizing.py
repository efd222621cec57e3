"""How many boxes to buy: the exact maximum of the objective of METHODS 3.3.

``J(n) = n·(1 - L) - (C_A(n) + C_B(n))·(1 + h)`` with L the expected shortfall per contract
(divergence and legging), h the carry of the lock-up and C the cost with rounded fees.

Without rounding J is concave, because a worse level never costs less. So the ladders are merged
greedily while the marginal contract gains; then every size whose unrounded J could still beat the
best exact J found is tried, outward from that optimum. Rounding only ever costs (or favours us
by a bound the schedule states), so nothing outside that neighbourhood can win: the result equals
brute force over all lots.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import gcd
from typing import NamedTuple

from core.ladder import WIDE, CostCurve, Walk
from core.money import SCALE, ceil_div, from_units, to_text
from core.reasons import Reason

RATIO = 1_000_000_000
"""Shortfall and carry are integers of 1e-9."""


class SizeRules(NamedTuple):
    """What a size must respect; money and sizes in units of 0.000001.

    Attributes
    ----------
    lot_u
        Common size step of both markets.
    size_min_u
        Smallest box that is worth the trouble and allowed by both markets.
    size_max_u
        Our own bound on the box.
    cash_u
        Free cash per leg, fees included.
    budget_u
        Bound on the cost of both legs together.
    notional_min_u
        Smallest order value per leg.
    amount_step_u
        Per leg: limit price times size must be a multiple, or 0 for no such rule.
    """

    lot_u: int
    size_min_u: int
    size_max_u: int
    cash_u: tuple[int, int]
    budget_u: int
    notional_min_u: tuple[int, int] = (0, 0)
    amount_step_u: tuple[int, int] = (0, 0)


class Hurdle(NamedTuple):
    """Shortfall per contract and carry per dollar, both in 1e-9."""

    shortfall_n: int = 0
    carry_n: int = 0


NO_HURDLE = Hurdle()


class BoxSize(NamedTuple):
    """The chosen size, both walks, and what they are worth."""

    size_u: int
    walks: tuple[Walk, Walk]
    objective_n: int
    """J in 1e-15 dollars."""

    @property
    def locked_u(self) -> int:
        """Dollars (units) paid above cost when the venues agree."""
        return self.size_u - self.walks[0].cost_u - self.walks[1].cost_u


class NoSize(NamedTuple):
    """Why no size is worth taking."""

    reason: Reason
    detail: str


class _Segment(NamedTuple):
    """Sizes above ``low`` up to ``high`` share both worst levels; ``gain`` is J per contract."""

    low: int
    high: int
    levels: tuple[int, int]
    gain: int


def _segments(a: CostCurve, b: CostCurve, hurdle: Hurdle, cap_u: int) -> Iterator[_Segment]:
    """Merge both ladders into segments of constant marginal gain, best first."""
    ends_a, ends_b = a.ends(), b.ends()
    i = j = low = 0
    keep = (RATIO - hurdle.shortfall_n) * WIDE * SCALE
    while low < cap_u and i < len(ends_a) and j < len(ends_b):
        high = min(ends_a[i], ends_b[j], cap_u)
        if high > low:
            price = a.unit_wide(i) + b.unit_wide(j)
            yield _Segment(low, high, (i, j), keep - price * (RATIO + hurdle.carry_n))
        low = max(low, high)
        i += ends_a[i] <= high
        j += ends_b[j] <= high


class _Search:
    """One search for the best size; holds what every trial needs."""

    def __init__(self, a: CostCurve, b: CostCurve, rules: SizeRules, hurdle: Hurdle) -> None:
        self.a, self.b, self.rules, self.hurdle = a, b, rules, hurdle
        self.best: BoxSize | None = None
        slack = a.schedule.slack_u() + b.schedule.slack_u()
        self.slack = slack * WIDE * (RATIO + hurdle.carry_n)

    def bound(self, size_u: int) -> int:
        """Return the most J could be at a size, in 1e-36 dollars."""
        cost = self.a.wide(size_u) + self.b.wide(size_u)
        keep = size_u * (RATIO - self.hurdle.shortfall_n) * WIDE
        return keep - cost * (RATIO + self.hurdle.carry_n) + self.slack

    def hopeless(self, size_u: int, *, smaller: bool) -> bool:
        """Say whether no size from here on can win; ties go to the smaller size."""
        best = self.best.objective_n * WIDE if self.best is not None else 0
        bound = self.bound(size_u)
        if self.best is None:
            return bound <= 0
        return bound < best if smaller else bound <= best

    def try_size(self, size_u: int) -> None:
        """Take a size as the best one when it is allowed and better."""
        walk_a, walk_b = self.a.walk(size_u), self.b.walk(size_u)
        cost = walk_a.cost_u + walk_b.cost_u
        keep = size_u * (RATIO - self.hurdle.shortfall_n)
        objective = keep - cost * (RATIO + self.hurdle.carry_n)
        if objective <= 0 or not self._allowed(walk_a, walk_b, cost):
            return
        best = self.best
        if (
            best is None
            or objective > best.objective_n
            or (objective == best.objective_n and size_u < best.size_u)
        ):
            self.best = BoxSize(size_u, (walk_a, walk_b), objective)

    def _allowed(self, walk_a: Walk, walk_b: Walk, cost_u: int) -> bool:
        rules = self.rules
        if cost_u > rules.budget_u:
            return False
        for walk, cash, notional, step in zip(
            (walk_a, walk_b), rules.cash_u, rules.notional_min_u, rules.amount_step_u, strict=True
        ):
            if walk.cost_u > cash or walk.value_u < notional:
                return False
            if step and walk.worst_u * walk.gross_u % (step * SCALE):
                return False
        return True

    def stride(self, segment: _Segment) -> int:
        """Return the size step in a segment: the lot, widened by amount rules."""
        stride = self.rules.lot_u
        for curve, level, step in zip(
            (self.a, self.b), segment.levels, self.rules.amount_step_u, strict=True
        ):
            if step and curve.schedule.withheld_u(500_000, SCALE, buy=True, taker=True) == 0:
                # size·price must be a multiple of step: size a multiple of step/gcd(step, price)
                target = step * SCALE
                need = target // gcd(target, curve.ladder[level][0])
                stride = stride * need // gcd(stride, need)
        return stride


def _within_budget(a: CostCurve, b: CostCurve, budget_u: int, cap_u: int) -> int:
    """Return a size above which both legs together certainly cost more than the budget."""
    left = (budget_u + a.schedule.slack_u() + b.schedule.slack_u()) * WIDE
    for segment in _segments(a, b, NO_HURDLE, cap_u):
        unit = a.unit_wide(segment.levels[0]) + b.unit_wide(segment.levels[1])
        cost = unit * (segment.high - segment.low) // SCALE
        if cost > left:
            return min(cap_u, segment.low + max(0, left) * SCALE // unit + 1)
        left -= cost
    return cap_u


def best_box(
    a: CostCurve, b: CostCurve, rules: SizeRules, hurdle: Hurdle = NO_HURDLE
) -> BoxSize | NoSize:
    """Return the size with the largest objective, or why there is none.

    Parameters
    ----------
    a, b
        Ask ladders of the two outcomes that make the box, with their fees.
    rules
        Lots, minimums, cash and bounds.
    hurdle
        Shortfall and carry.

    Notes
    -----
    Exact: equals trying every multiple of the lot (ties to the smaller size).
    """
    lot = rules.lot_u
    depth = min(a.size_u, b.size_u) // lot * lot
    smallest = max(lot, ceil_div(rules.size_min_u, lot) * lot)
    gaining = next(_segments(a, b, hurdle, max(depth, 1)), None)
    if gaining is None or gaining.gain + (rules_slack(a, b, smallest)) <= 0:
        return NoSize(Reason.BELOW_HURDLE, "the best level does not clear the required edge")
    if depth < smallest:
        return NoSize(Reason.BELOW_MIN_SIZE, _too_few("depth", depth, smallest))
    cash_cap = min(
        curve.affordable((cash + curve.schedule.slack_u()) * WIDE)
        for curve, cash in zip((a, b), rules.cash_u, strict=True)
    )
    if cash_cap < smallest:
        return NoSize(Reason.NO_CASH, _too_few("cash buys", cash_cap, smallest))
    budget_cap = _within_budget(a, b, rules.budget_u, depth) if rules.budget_u > 0 else 0
    cap = min(depth, cash_cap, budget_cap, rules.size_max_u) // lot * lot
    if cap < smallest:
        return NoSize(Reason.LIMIT_BOX, _too_few("limits leave", cap, smallest))
    search = _Search(a, b, rules, hurdle)
    segments = list(_segments(a, b, hurdle, cap))
    peak = sum(1 for s in segments if s.gain > 0)
    _scan_down(search, segments[:peak], smallest)
    _scan_up(search, segments[peak:], smallest)
    if search.best is None:
        return NoSize(Reason.BELOW_HURDLE, "no allowed size gains after rounding and minimums")
    return search.best


def _too_few(what: str, found_u: int, smallest_u: int) -> str:
    found, smallest = to_text(from_units(found_u)), to_text(from_units(smallest_u))
    return f"{what} {found} contracts, allowed from {smallest}"


def rules_slack(a: CostCurve, b: CostCurve, smallest_u: int) -> int:
    """Return the rounding in our favour per contract at the smallest size, on the gain's scale."""
    slack = a.schedule.slack_u() + b.schedule.slack_u()
    return 2 * slack * WIDE * SCALE * RATIO // max(smallest_u, 1)


def _scan_down(search: _Search, segments: list[_Segment], smallest: int) -> None:
    """Try sizes from the unrounded optimum downward until none can win."""
    for segment in reversed(segments):
        stride = search.stride(segment)
        size = segment.high // stride * stride
        while size > segment.low and size >= smallest:
            if search.hopeless(size, smaller=True):
                return
            search.try_size(size)
            size -= stride


def _scan_up(search: _Search, segments: list[_Segment], smallest: int) -> None:
    """Try sizes above the unrounded optimum: rounding can favour a slightly larger one."""
    for segment in segments:
        stride = search.stride(segment)
        size = max(ceil_div(segment.low + 1, stride), ceil_div(smallest, stride)) * stride
        while size <= segment.high:
            if search.hopeless(size, smaller=False):
                return
            search.try_size(size)
            size += stride
