"""The generator's numbers beside the recordings': each within the band that docs/data.md states."""

from __future__ import annotations

import pytest

from backtests.data import GeneratorSettings, build_dataset, generate_dataset
from backtests.data.statistics import EdgeStatistics, Statistics, VenueStatistics, describe

#: statistic -> largest factor between generated and recorded (docs/data.md, "Calibration").
VENUE_BANDS = {
    "spread_median": 2.0,
    "spread_p90": 3.0,
    "size_median": 4.0,
    "messages_per_minute_median": 1.5,
    "price_changes_per_minute": 2.5,
}
EDGE_BANDS = {"edge_median": 2.5, "edge_p95": 2.5, "life_median_s": 2.0, "size_median": 2.5}

OUTRIGHT = GeneratorSettings(seed=7, pairs=8, minutes=180, style="outright")
GAME = GeneratorSettings(seed=7, pairs=8, minutes=180, style="game")


@pytest.fixture(scope="module")
def outright(tmp_path_factory) -> Statistics:
    return describe(generate_dataset(tmp_path_factory.mktemp("out") / "d", OUTRIGHT))


@pytest.fixture(scope="module")
def game(tmp_path_factory) -> Statistics:
    return describe(generate_dataset(tmp_path_factory.mktemp("game") / "d", GAME))


def _ratio(a: float, b: float) -> float:
    return max(a, b) / max(1e-9, min(a, b))


def _hold(made: object, real: object, bands: dict[str, float]) -> None:
    wrong = {
        name: (getattr(made, name), getattr(real, name))
        for name, band in bands.items()
        if _ratio(getattr(made, name), getattr(real, name)) > band
    }
    assert not wrong, f"generated, recorded: {wrong}"


@pytest.mark.data
def test_outrights_look_like_the_world_cup(recordings, tmp_path, outright):
    dataset = build_dataset(recordings / "benchmark/quotes", tmp_path / "d", accept_recorded=True)
    real = describe(dataset, ("WC26-R16-MX-GB-20260705",))
    for venue in ("KALSHI", "POLYMARKET"):
        _hold(outright.venues[venue], real.venues[venue], VENUE_BANDS)
    _hold(outright.edges, real.edges, EDGE_BANDS)
    other = describe(
        build_dataset(recordings / "public/quotes", tmp_path / "e", accept_recorded=True),
        ("WC26-R16-PY-FR-20260704",),
    )
    shares = sorted((real.edges.time_share, other.edges.time_share))
    assert shares[0] <= outright.edges.time_share <= shares[1]


@pytest.mark.data
def test_games_look_like_basketball_in_play(recordings, tmp_path, game):
    dataset = build_dataset(recordings / "benchmark/quotes", tmp_path / "d", accept_recorded=True)
    real = describe(dataset, ("NBA-20260222-inplay",))
    bands = {"spread_median": 3.0, "spread_p90": 2.0, "price_changes_per_minute": 2.5}
    _hold(game.venues["KALSHI"], real.venues["KALSHI"], bands | {"size_median": 2.0})
    # Polymarket US was recorded, Polymarket is generated: its depth is not compared
    _hold(game.venues["POLYMARKET"], real.venues["POLYMARKET_US"], bands)
    _hold(game.edges, real.edges, {"edge_median": 2.0, "edge_p95": 2.0})
    assert game.edges.time_share < 0.05


def test_without_recordings_the_generator_still_keeps_its_own_numbers(outright, game):
    """Pinned loosely: a change of the generator that leaves the calibration shows here."""
    assert 0.001 <= outright.venues["POLYMARKET"].spread_median <= 0.002
    assert 0.001 <= outright.venues["KALSHI"].spread_median <= 0.004
    assert 0.2 <= outright.edges.time_share <= 0.65
    assert 8 <= outright.edges.life_median_s <= 30
    assert 0.01 <= game.venues["KALSHI"].spread_median <= 0.02
    assert game.edges.life_median_s < outright.edges.life_median_s
    assert game.edges.edge_median > outright.edges.edge_median


def test_statistics_of_hand_made_books(tmp_path):
    from tests.data import support

    rows = support.polled(20)
    for i in (4, 5, 6):  # three polls with Polymarket's bid a cent above Kalshi's ask
        rows[2 * i + 1] |= {"bid_px": "0.374", "ask_px": "0.375", "bid_sz": "40"}
    src = support.write(tmp_path / "src", {"S1": rows}, [support.pair_entry()])
    found = describe(build_dataset(src, tmp_path / "d", accept_recorded=True))
    edges = found.edges
    assert isinstance(edges, EdgeStatistics)
    assert (edges.pairs, edges.edge_median, edges.size_median) == (1, 0.01, 40.0)
    assert edges.life_median_s == pytest.approx(3 * 3.7, abs=0.001)
    kalshi = found.venues["KALSHI"]
    assert isinstance(kalshi, VenueStatistics)
    assert kalshi.spread_median == 0.001
    assert kalshi.one_sided_share == 0.2
    assert kalshi.books == 1
