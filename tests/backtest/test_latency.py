"""Orders meet the book of their due time, exactly; the venue's own delay adds to the way there."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.backtest.world import K_NO, K_YES, World


def moving(tmp_path: Path) -> World:
    """The ask is 0.50 until one second, then 0.60."""
    world = World(tmp_path)
    world.market()
    world.book(0, K_YES, [("0.40", "100")], [("0.50", "100")])
    world.book(1, K_YES, [("0.40", "100")], [("0.60", "100")])
    world.book(9, K_YES, [("0.40", "100")], [("0.60", "100")])
    return world


@pytest.mark.parametrize(
    ("latency_ms", "delay_ms", "price", "at_s"),
    [
        (0, 0, "0.5", 0.5),
        (50, 0, "0.5", 0.55),
        (50, 400, "0.5", 0.95),
        (499, 0, "0.5", 0.999),
        (500, 0, "0.6", 1.0),  # due with an update: the update came first
        (500, 1, "0.6", 1.001),
        (0, 3000, "0.6", 3.5),
    ],
)
def test_an_order_fills_at_its_due_time_from_the_book_of_that_time(
    tmp_path: Path, latency_ms: int, delay_ms: int, price: str, at_s: float
) -> None:
    world = moving(tmp_path)
    world.buy(0.5, K_YES, "10", "0.60")
    outcome = world.run(latency_ms=latency_ms, delay_ms=delay_ms)
    assert [fill[3] for fill in outcome.fills] == [price]
    assert outcome.times_s == [at_s]


@pytest.mark.parametrize(("latency_ms", "fills"), [(499, 1), (500, 0), (700, 0)])
def test_an_order_that_arrives_too_late_misses(tmp_path: Path, latency_ms: int, fills: int) -> None:
    world = moving(tmp_path)
    world.buy(0.5, K_YES, "10", "0.50")
    assert len(world.run(latency_ms=latency_ms).fills) == fills


@pytest.mark.parametrize(("latency_ms", "price"), [(499, "0.6"), (500, "0.6"), (501, "0.6")])
def test_a_no_order_in_flight_sees_the_mirror_of_its_due_time(
    tmp_path: Path, latency_ms: int, price: str
) -> None:
    """The NO ask is 0.60 throughout; its bid falls from 0.50 to 0.40 at one second."""
    world = moving(tmp_path)
    world.buy(0.1, K_NO, "10", "0.60")
    world.sell(0.8, K_NO, "10", "0.50")
    outcome = world.run(latency_ms=latency_ms)
    assert outcome.trades[0][3] == price
    assert len(outcome.trades) == 1  # the sale arrives after the bid fell: it misses


def test_a_cancel_that_overtakes_nothing_arrives_after_its_own_latency(tmp_path: Path) -> None:
    """A resting bid is hit at 1 s; its cancel, sent at 0.96 s, arrives at 1.06 s: too late."""
    world = World(tmp_path)
    world.market()
    world.book(0, K_YES, [("0.40", "100")], [("0.50", "100")])
    world.book(1, K_YES, [("0.30", "100")], [("0.41", "5")])
    world.book(9, K_YES, [("0.30", "100")], [("0.41", "5")])
    world.buy(0.5, K_YES, "10", "0.45", tif="GTC")
    outcome = world.run(latency_ms=100, cancel_ns=460_000_000)
    assert outcome.times_s == [1.0]
    assert outcome.fills[0][2:4] == ("5", "0.45")
    assert list(outcome.orders.values()) == ["CANCELED"]
