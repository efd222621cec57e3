"""The hazard: chances, draws by identity, and its marginals through the engine."""

from __future__ import annotations

from decimal import Decimal
from math import sqrt
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtests.calibration.measure import Marginals, measure
from backtests.models.hazard import HazardTable, draw, round_randomly
from tests.backtest.world import K_NO, K_YES, P_NO, P_YES, World

D = Decimal
NEVER = HazardTable(first_by_ratio=((D(0), D(0)),), second_by_ratio=((D(0), D(0)),))
ALWAYS = HazardTable(
    first_by_ratio=((D(0), D(1)),),
    first_by_edge=((D(0), D(1)),),
    first_overall=D(1),
    second_by_ratio=((D(0), D(1)),),
)


@pytest.mark.parametrize(
    ("ratio", "edge", "chance"),
    [
        ("2", None, "0.29"),
        ("4", None, "0.40"),
        ("19.9", None, "0.40"),
        ("20", None, "0.48"),
        ("2", "0.04", "0.3489"),
        ("10", "0.04", "0.4812"),
        ("10", "0.20", "0.2707"),
        ("100", "0.049", "0.5774"),
    ],
)
def test_first_leg_chances(ratio: str, edge: str | None, chance: str) -> None:
    found = HazardTable().first(D(ratio), None if edge is None else D(edge))
    assert found.quantize(D("0.0001")) == D(chance).quantize(D("0.0001"))


@pytest.mark.parametrize(("ratio", "chance"), [("0.5", "0.54"), ("10", "0.65"), ("30", "0.80")])
def test_second_leg_chances(ratio: str, chance: str) -> None:
    assert HazardTable().second(D(ratio)) == D(chance)


@pytest.mark.parametrize(
    "wrong",
    [
        {"first_by_ratio": ()},
        {"first_by_ratio": ((D(1), D(1)),)},
        {"first_by_edge": ((D(0), D("1.1")),)},
        {"second_by_ratio": ((D(0), D(1)), (D(0), D(1)))},
        {"first_overall": D(0)},
        {"unwind_cost": D(-1)},
    ],
)
def test_tables_that_make_no_sense_are_refused(wrong: dict) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        HazardTable(**wrong)


@given(st.integers(0, 2**40), st.text(max_size=20), st.integers(0, 2**60))
def test_draws_depend_on_seed_and_identity_alone(seed: int, name: str, ts_ns: int) -> None:
    assert draw(seed, name, ts_ns) == draw(seed, name, ts_ns)
    assert 0 <= draw(seed, name, ts_ns) < 1


def test_draws_are_spread_evenly() -> None:
    counts = [0] * 10
    for number in range(20_000):
        counts[int(draw(7, number) * 10)] += 1
    assert all(abs(count - 2000) < 5 * sqrt(2000 * 0.9) for count in counts)


@given(st.decimals("0", "0.9", places=4), st.sampled_from([D("0.01"), D("0.001")]))
def test_random_rounding_keeps_the_mean(value: Decimal, step: Decimal) -> None:
    low = round_randomly(value, step, D("0.999999999"))
    high = round_randomly(value, step, D(0))
    share = (value - low) / step
    assert low <= value <= high
    assert high - low in (0, step)
    assert low + (high - low) * share == value or high == low


def scene(tmp_path: Path, **tags: str) -> World:
    world = World(tmp_path)
    world.pair()
    for at_s in range(4):
        world.book(at_s, K_YES, [("0.44", "100")], [("0.46", "100")])
        world.book(at_s + 0.1, P_YES, [("0.48", "100")], [("0.50", "100")])
    return world


@pytest.mark.parametrize(("table", "fills"), [(NEVER, 0), (ALWAYS, 1), (None, 1)])
@pytest.mark.parametrize("tif", ["IOC", "FOK", "GTC"])
def test_a_missed_leg_fills_nothing_and_is_cancelled(
    tmp_path: Path, table: HazardTable | None, fills: int, tif: str
) -> None:
    world = scene(tmp_path)
    world.buy(1.5, K_YES, "10", "0.46", tags=["role:open", "leg:1"], tif=tif)
    outcome = world.run(hazard=table)
    assert len(outcome.trades) == fills
    if not fills:
        assert list(outcome.orders.values()) == ["CANCELED"]


@pytest.mark.parametrize(("role", "trades"), [("unwind", 2), ("close", 1), ("complete", 1)])
def test_an_unwind_is_never_at_risk_an_early_close_is(
    tmp_path: Path, role: str, trades: int
) -> None:
    world = scene(tmp_path)
    world.buy(0.5, K_YES, "10", "0.46")
    world.sell(1.5, K_YES, "10", "0.40", tags=[f"role:{role}"])
    assert len(world.run(hazard=NEVER).trades) == trades


def test_an_unwind_costs_at_least_what_the_ledger_says(tmp_path: Path) -> None:
    """Bid 2 cents below the ask: the hazard's 2.53 cents come as 2 or 3 cents."""
    prices = set()
    for seed in range(12):
        world = scene(tmp_path / str(seed))
        world.buy(0.5, K_YES, "10", "0.46", tags=["role:open", "leg:1", "box:b"])
        world.sell(1.5, K_YES, "10", "0.40", tags=["role:unwind", "box:b"])
        prices.add(world.run(hazard=ALWAYS, hazard_seed=seed).trades[1][3])
    assert prices == {"0.44", "0.43"}


def test_an_unwind_never_sells_below_its_limit(tmp_path: Path) -> None:
    for seed in range(6):
        world = scene(tmp_path / str(seed))
        world.buy(0.5, K_NO, "10", "0.56", tags=["role:open", "leg:1", "box:b"])
        world.sell(1.5, K_NO, "10", "0.54", tags=["role:unwind", "box:b"])
        assert world.run(hazard=ALWAYS, hazard_seed=seed).trades[1][3] == "0.54"


def test_another_order_elsewhere_changes_no_draw(tmp_path: Path) -> None:
    """Draws are keyed by identity: one more order before shifts nothing."""

    def fills(extra: bool) -> list:
        world = scene(tmp_path / str(extra))
        if extra:
            world.buy(0.2, P_NO, "1", "0.52", tags=["role:open", "leg:1"])
        for tenth in range(20):
            at_s = 0.5 + tenth / 10
            world.buy(at_s, K_YES, "1", "0.46", tags=["role:open", "leg:1"])
        outcome = world.run(hazard=HazardTable())
        return [(at, *fill) for at, fill in zip(outcome.times_s, outcome.trades, strict=False)
                if fill[0] == K_YES]  # fmt: skip

    assert fills(False) == fills(True)
    assert 0 < len(fills(False)) < 20


def check(marginals: Marginals, points: Decimal, cents: Decimal) -> None:
    for name, measured, ledger in marginals.rows():
        allowed = cents if "cents a contract" in name else points
        assert abs(measured - ledger) <= allowed, f"{name}: {measured} against {ledger}"


def test_the_engine_gives_the_ledgers_marginals_back() -> None:
    """2,500 attempts: the smallest class has about 100, four standard errors are 20 points."""
    marginals = measure(2_500, seed=3)
    measured = {name.strip(): value for name, value, _ in marginals.rows()}
    band = 100 * 4 * sqrt(0.25 / 2_500)
    for name, ledger in (("first leg filled", 39.9), ("both legs", 25.3), ("no trade", 60.1)):
        assert abs(float(measured[name]) - ledger) < band
    assert abs(float(measured["second leg, given first"]) - 63.3) < 100 * 4 * sqrt(0.25 / 950)
    check(marginals, points=D(20), cents=D("0.2"))


@pytest.mark.full
def test_twenty_thousand_attempts_are_within_two_points() -> None:
    check(measure(20_000, seed=1), points=D(2), cents=D("0.1"))
