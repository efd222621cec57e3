"""Orders through the simulated venues: who gets what, at which price, and what is then gone."""

from __future__ import annotations

from pathlib import Path

import pytest

from backtests.models.fills import UnsupportedOrderError
from tests.backtest.world import K_NO, K_YES, P_NO, P_YES, World

R_YES, R_NO = "KXR-YES.KALSHI", "KXR-NO.KALSHI"


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def flat(world: World, polls: int = 6, bids=(("0.44", "100"),), asks=(("0.46", "100"),)) -> World:
    world.market()
    for at_s in range(polls):
        world.book(at_s, K_YES, list(bids), list(asks))
    return world


def sizes(world: World, **more) -> list[tuple[str, str, str]]:
    return [(name, size, price) for name, _, size, price, _ in world.run(**more).trades]


def test_an_order_walks_the_ladder_at_book_prices(world: World) -> None:
    flat(world, asks=(("0.46", "100"), ("0.47", "50"), ("0.49", "10")))
    world.buy(1.5, K_YES, "120", "0.48")
    assert sizes(world) == [(K_YES, "100", "0.46"), (K_YES, "20", "0.47")]


def test_an_ioc_cancels_its_rest_and_a_fok_fills_all_or_nothing(world: World) -> None:
    flat(world)
    world.buy(1.5, K_YES, "150", "0.46", tif="FOK")
    world.buy(2.5, K_YES, "150", "0.46")
    outcome = world.run()
    assert [fill[2] for fill in outcome.fills] == ["100"]
    assert set(outcome.orders.values()) == {"CANCELED"}


def test_a_no_instrument_is_the_mirror_of_the_yes_book(world: World) -> None:
    flat(world, bids=(("0.44", "100"), ("0.43", "7")))
    world.buy(1.5, K_NO, "103", "0.57")
    world.buy(2.5, K_NO, "1", "0.55")
    assert sizes(world) == [(K_NO, "100", "0.56"), (K_NO, "3", "0.57")]


def test_a_lasting_level_is_loaded_once_not_at_every_poll(world: World) -> None:
    flat(world, polls=10)
    for poll in range(9):
        world.buy(poll + 0.5, K_YES, "60", "0.46")
    assert sizes(world) == [(K_YES, "60", "0.46"), (K_YES, "40", "0.46")]


def test_a_change_by_one_contract_gives_nothing_back(world: World) -> None:
    world.market()
    for poll in range(6):
        world.book(poll, K_YES, [("0.44", "100")], [("0.46", str(100 - poll % 2))])
        world.buy(poll + 0.5, K_YES, "90", "0.46")
    assert sizes(world) == [(K_YES, "90", "0.46"), (K_YES, "9", "0.46"), (K_YES, "1", "0.46")]


def test_a_level_update_of_the_same_size_gives_nothing_back(world: World) -> None:
    flat(world, polls=1)
    world.buy(1, K_YES, "100", "0.46")
    world.level(2, K_YES, "ask", "0.46", "100")
    world.buy(3, K_YES, "100", "0.46")
    world.level(4, K_YES, "bid", "0.43", "1")
    assert sizes(world) == [(K_YES, "100", "0.46")]


def test_a_level_that_vanished_between_two_orders_is_new(world: World) -> None:
    world.market()
    for at_s, ask in ((0, "0.46"), (2, "0.48"), (4, "0.46"), (6, "0.46")):
        world.book(at_s, K_YES, [("0.44", "100")], [(ask, "100")])
    world.buy(1, K_YES, "100", "0.46")
    world.buy(3, K_YES, "100", "0.46")
    world.buy(5, K_YES, "100", "0.46")
    outcome = world.run()
    assert [at for at in outcome.times_s] == [1, 5]


def test_growth_by_more_than_was_taken_is_new_liquidity(world: World) -> None:
    world.market()
    for at_s, size in ((0, "100"), (2, "199"), (4, "300"), (6, "300")):
        world.book(at_s, K_YES, [("0.44", "100")], [("0.46", size)])
    for at_s in (1, 3, 5):
        world.buy(at_s, K_YES, "1000", "0.46")
    assert [size for _, size, _ in sizes(world)] == ["100", "99", "101"]


def test_yes_and_no_share_one_ledger(world: World) -> None:
    """Buying NO takes YES bids: what NO bought is not there for a seller of YES."""
    flat(world)
    world.buy(0.5, K_YES, "30", "0.46")
    world.buy(1.5, K_NO, "80", "0.56")
    world.sell(2.5, K_YES, "30", "0.44")
    assert sizes(world) == [
        (K_YES, "30", "0.46"),
        (K_NO, "80", "0.56"),
        (K_YES, "20", "0.44"),
    ]


@pytest.mark.parametrize("first", ["leg", "route"])
def test_a_second_route_is_no_second_liquidity(world: World, first: str) -> None:
    """The opposite ticker's NO at 0.46 is the same bet as YES at 0.46."""
    world.market(pool="bet")
    world.market(R_YES, R_NO, pool="bet", is_flipped=True)
    for at_s in range(4):
        world.book(at_s, K_YES, [("0.44", "100")], [("0.46", "100")])
        world.book(at_s + 0.1, R_YES, [("0.54", "100")], [("0.56", "100")])
    routes = [K_YES, R_NO] if first == "leg" else [R_NO, K_YES]
    world.buy(1.5, routes[0], "70", "0.46")
    world.buy(2.5, routes[1], "70", "0.46")
    assert sizes(world) == [(routes[0], "70", "0.46"), (routes[1], "30", "0.46")]


def test_sentinels_are_no_liquidity_and_a_one_sided_book_fills_its_real_side(world: World) -> None:
    world.market()
    for at_s in range(4):
        world.book(at_s, K_YES, [], [("0.46", "100")])
    world.buy(1.5, K_YES, "10", "0.46")
    world.sell(2.5, K_YES, "10", "0.01")
    world.buy(2.6, K_NO, "10", "0.99")
    assert sizes(world) == [(K_YES, "10", "0.46")]


def test_an_unwind_sells_what_is_held_and_never_more(world: World) -> None:
    flat(world)
    world.buy(0.5, K_NO, "10", "0.56")
    world.sell(1.5, K_NO, "25", "0.54")
    outcome = world.run()
    assert [(side, size, price) for _, side, size, price, _ in outcome.trades] == [
        ("BUY", "10", "0.56"),
        ("SELL", "10", "0.54"),
    ]
    assert not outcome.open


def test_a_resting_order_fills_as_maker_at_its_own_price(world: World) -> None:
    world.market()
    for at_s, ask in ((0, "0.46"), (2, "0.46"), (4, "0.40"), (6, "0.40")):
        world.book(at_s, K_YES, [("0.38", "100")], [(ask, "30")])
    world.buy(1, K_YES, "50", "0.42", tif="GTC")
    outcome = world.run()
    assert outcome.trades[0][:4] == (K_YES, "BUY", "30", "0.42")
    assert outcome.trades[0][4] == "0"  # quadratic: makers pay nothing
    assert outcome.times_s[0] == 4
    assert len(outcome.trades) == 1


def test_a_resting_no_order_follows_the_yes_book(world: World) -> None:
    world.market()
    for at_s, bid in ((0, "0.44"), (2, "0.44"), (4, "0.60"), (6, "0.60")):
        world.book(at_s, K_YES, [(bid, "30")], [("0.62", "30")])
    world.buy(1, K_NO, "10", "0.45", tif="GTC")
    outcome = world.run()
    assert outcome.trades[0][:4] == (K_NO, "BUY", "10", "0.45")
    assert outcome.times_s[0] == 4


def test_two_orders_of_one_instant_share_the_level(world: World) -> None:
    flat(world)
    world.buy(1.5, K_YES, "100", "0.46", tif="FOK")
    world.buy(1.5, K_YES, "100", "0.46", tif="FOK")
    assert sizes(world) == [(K_YES, "100", "0.46")]


def test_market_orders_are_refused_aloud(world: World) -> None:
    flat(world)
    world.order(1.5, K_YES, "BUY", "10", None)
    with pytest.raises(UnsupportedOrderError, match="limit orders only"):
        world.run()


def test_kalshi_and_polymarket_books_do_not_mix(world: World) -> None:
    world.pair()
    for at_s in range(4):
        world.book(at_s, K_YES, [("0.44", "100")], [("0.46", "100")])
        world.book(at_s + 0.1, P_YES, [("0.47", "80")], [("0.49", "80")])
    world.buy(1.5, K_YES, "100", "0.46")
    world.buy(1.6, P_YES, "100", "0.49")
    world.buy(1.7, P_NO, "100", "0.53")
    assert sizes(world) == [(K_YES, "100", "0.46"), (P_YES, "80", "0.49"), (P_NO, "80", "0.53")]


def test_the_chunk_size_changes_nothing(tmp_path: Path) -> None:
    seen = []
    for chunk in (0, 1, 2, 7, 1000):
        world = flat(World(tmp_path / str(chunk)), polls=8)
        for poll in range(7):
            world.buy(poll + 0.5, K_YES, "30", "0.46")
            world.buy(poll + 0.6, K_NO, "30", "0.56")
        outcome = world.run(chunk_rows=chunk)
        seen.append((outcome.fills, outcome.cash, outcome.replay.counts.messages))
    assert all(run == seen[0] for run in seen)
    assert len(seen[0][0]) == 8


def test_strategies_see_a_book_without_what_was_taken(world: World) -> None:
    """From the next update on, as a venue would show it; a level that is gone is not shown."""
    flat(world, asks=(("0.46", "100"), ("0.47", "50")))
    world.buy(1.5, K_YES, "130", "0.47")
    world.buy(2.5, K_NO, "40", "0.56")
    bids, asks = world.run().seen[K_YES]
    assert bids == [("0.4400", 60.0)]
    assert asks == [("0.4700", 20.0)]


def test_a_refilled_level_is_shown_whole_again(world: World) -> None:
    world.market()
    for at_s, size in ((0, "100"), (2, "100"), (4, "161"), (6, "120")):
        world.book(at_s, K_YES, [("0.44", "100")], [("0.46", size)])
    world.buy(1, K_YES, "60", "0.46")
    assert world.run().seen[K_YES][1] == [("0.4600", 120.0)]
