"""Hand-made books with hand-computed cash: fees, settlement at any value, nothing left over."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from backtests.errors import ReplayError, RunFailedError
from core.fees import KalshiFees, PolymarketFees, PolymarketUSFees
from tests.backtest.world import K_NO, K_YES, P_NO, P_YES, T0, World

D = Decimal
US_YES, US_NO = "slug-YES.POLYMARKET_US", "slug-NO.POLYMARKET_US"


def box(world: World, size: str = "100") -> World:
    """K asks .46, P bids .48: YES on Kalshi at .46 and NO on Polymarket at .52."""
    for at_s in range(4):
        world.book(at_s, K_YES, [("0.44", "100")], [("0.46", "100")])
        world.book(at_s + 0.1, P_YES, [("0.48", "100")], [("0.50", "100")])
    world.buy(1.5, K_YES, size, "0.46")
    world.buy(1.6, P_NO, size, "0.52")
    return world


#: 100 at .46: model .07·100·.46·.54 = 1.738800, to the cent of a balance of .0001: 1.7388.
#: 100 at .52: .05·100·.52·.48 = 1.248, five decimals.
PAID_K, PAID_P = D("47.7388"), D("53.248")


@pytest.mark.parametrize(
    ("k", "p", "pays_k", "pays_p"),
    [
        ("1", "1", "100", "0"),
        ("0", "0", "0", "100"),
        ("0.63", "0.5", "63", "50"),  # void: Kalshi at its fair value, Polymarket half
        ("0.3725", "0.3725", "37.25", "62.75"),  # scalar
        ("0", "1", "0", "0"),  # the venues disagree and both legs lose
        ("1", "0", "100", "100"),  # the venues disagree and both legs win
    ],
)
def test_each_venue_pays_its_own_value_to_the_last_digit(
    tmp_path: Path, k: str, p: str, pays_k: str, pays_p: str
) -> None:
    world = World(tmp_path)
    world.pair(k=k, p=p)
    outcome = box(world).run(cash="1000")
    assert outcome.cash == {
        "KALSHI": 1000 - PAID_K + D(pays_k),
        "POLYMARKET": 1000 - PAID_P + D(pays_p),
    }
    assert outcome.open == []
    assert [fee for *_, fee in outcome.fills] == ["1.7388", "1.248", "0", "0"]


@pytest.mark.parametrize(
    ("k", "p", "still_open", "cash_k", "cash_p"),
    [
        (None, None, [K_YES, P_NO], 1000 - PAID_K, 1000 - PAID_P),
        ("1", None, [P_NO], 1100 - PAID_K, 1000 - PAID_P),
        (None, "0", [K_YES], 1000 - PAID_K, 1100 - PAID_P),
    ],
)
def test_what_is_not_settled_stays_open(
    tmp_path: Path, k: str | None, p: str | None, still_open: list[str], cash_k: D, cash_p: D
) -> None:
    world = World(tmp_path)
    world.pair(k=k, p=p)
    outcome = box(world).run(cash="1000")
    assert outcome.open == sorted(still_open)
    assert outcome.cash == {"KALSHI": cash_k, "POLYMARKET": cash_p}


def test_a_missed_second_leg_is_sold_back_at_the_bid(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.pair()
    for at_s in range(5):
        world.book(at_s, K_YES, [("0.44", "100")], [("0.46", "100")])
        world.book(at_s + 0.1, P_YES, [("0.47" if at_s > 1 else "0.48", "100")], [("0.50", "9")])
    world.buy(1.5, K_YES, "100", "0.46")
    world.buy(2.5, P_NO, "100", "0.52")
    world.sell(3.5, K_YES, "100", "0.44")
    outcome = world.run(cash="1000")
    # .07·100·.44·.56 = 1.7248
    assert outcome.cash == {"KALSHI": 1000 - PAID_K + 44 - D("1.7248"), "POLYMARKET": D(1000)}
    assert outcome.open == []


@pytest.mark.parametrize(
    ("regime", "precision", "fees"),
    [
        ("2026q3", "0.0001", ["0.0037", "0.0036", "0.0037"]),  # the second gets 0.0001 back
        ("2026q3", "0.01", ["0.005", "0.0049", "0.0048"]),
        ("legacy", "0.0001", ["0.01", "0", "0.01"]),  # the order's total, to whole cents
    ],
)
def test_kalshi_accumulates_rounding_by_order(
    tmp_path: Path, regime: str, precision: str, fees: list[str]
) -> None:
    """Three fills of one contract in one order; model fees .003638, .003644 and .003651."""
    world = World(tmp_path, tick="0.0001")
    world.market(fees=KalshiFees("quadratic", D(1), D(precision), regime), settlement="0")
    asks = [("0.0550", "1"), ("0.0551", "1"), ("0.0552", "1")]
    for at_s in range(3):
        world.book(at_s, K_YES, [("0.04", "9")], asks)
    world.buy(1.5, K_YES, "3", "0.06")
    assert [fee for *_, fee in world.run().trades] == fees


def test_two_orders_do_not_share_an_accumulator(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.market(fees=KalshiFees("quadratic", D(1), D("0.01"), "legacy"), settlement="0")
    for at_s in range(4):
        world.book(at_s, K_YES, [("0.40", "9")], [("0.50", "9")])
    world.buy(1.5, K_YES, "1", "0.50")
    world.buy(2.5, K_YES, "1", "0.50")
    assert [fee for *_, fee in world.run().trades] == ["0.02", "0.02"]


def test_polymarket_us_pays_in_cents_and_dollars(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.market(US_YES, US_NO, fees=PolymarketUSFees(D("0.0695")), settlement="1")
    for at_s in range(4):
        world.book(at_s, US_YES, [("0.48", "90")], [("0.50", "90")])
    world.buy(1.5, US_YES, "10", "0.50")
    outcome = world.run(cash="100")
    assert outcome.trades[0][4] == "0.17"
    assert outcome.cash == {"POLYMARKET_US": D("100") - 5 - D("0.17") + 10}


def test_sub_cent_prices_lose_nothing_in_three_hundred_small_fills(tmp_path: Path) -> None:
    world = World(tmp_path, tick="0.0001")
    world.market(fees=KalshiFees("quadratic", D(0), D("0.0001"), "2026q3"), settlement="0")
    for at_s in range(302):
        ask = "0.553" if at_s % 2 else "0.5531"
        world.book(at_s, K_YES, [("0.40", "9")], [(ask, "1")])
        world.buy(at_s + 0.5, K_YES, "1", "0.5531")
    outcome = world.run(cash="1000")
    spent = sum(D(price) * D(size) for _, _, size, price, _ in outcome.trades)
    assert outcome.cash["KALSHI"] == 1000 - spent
    assert len(outcome.trades) == 302


def test_settlement_comes_when_it_is_due_even_between_updates(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.market(settlement="1", settled_ns=T0 + 2_500_000_000)
    for at_s in range(6):
        world.book(at_s, K_YES, [("0.44", "100")], [("0.46", "100")])
    world.buy(1.5, K_YES, "10", "0.46")
    world.buy(4.5, K_NO, "1", "0.56")
    world.buy(2.4, K_NO, "1", "0.56")
    outcome = world.run()
    assert outcome.times_s == [1.5, 2.4, 2.5, 2.500000001]  # nothing trades after it
    assert outcome.open == []


def test_a_settlement_finer_than_the_instrument_is_refused(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.pair(k="0.33333", p="0.5")
    with pytest.raises(ReplayError, match=r"0\.33333.*at most 4 decimals"):
        box(world).run()


def test_an_account_that_would_go_below_zero_fails_the_run_aloud(tmp_path: Path) -> None:
    """The fee is what Nautilus's own check forgets: 100 at .46 needs 47.7388."""
    world = World(tmp_path)
    world.pair()
    with pytest.raises(RunFailedError, match="below zero"):
        box(world).run(cash="47")


def test_zero_fee_markets_charge_nothing(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.market(P_YES, P_NO, fees=PolymarketFees(D(0)), settlement="1")
    world.book(0, P_YES, [("0.48", "90")], [("0.50", "90")])
    world.book(9, P_YES, [("0.48", "90")], [("0.50", "90")])
    world.buy(1.5, P_YES, "10", "0.50")
    assert world.run(cash="100").cash == {"POLYMARKET": D(105)}
