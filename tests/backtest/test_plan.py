"""From pairs to a plan: what a run is told, and what it is refused."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from backtests.data import Dataset, build_dataset
from backtests.errors import ReplayError
from configs.backtest import BacktestConfig, FeeSettings
from core.pairs import Pair
from nodes.backtest_plan import make_plan, merge_sessions, override_fees
from tests.data.support import (
    NBA,
    NBA_OPPOSITE,
    both,
)

CONFIG = BacktestConfig()


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return build_dataset(both(tmp_path / "rec"), tmp_path / "d", accept_recorded=True)


def change(pair: Pair, leg: int, **fields) -> Pair:
    markets = list(pair.markets)
    markets[leg] = msgspec.structs.replace(markets[leg], **fields)
    return msgspec.structs.replace(pair, markets=tuple(markets))


def test_a_route_is_a_flipped_view_of_the_legs_pool(dataset: Dataset) -> None:
    plan = make_plan(dataset, merge_sessions(dataset.pairs(), "p"), CONFIG)
    markets = {market.yes: market for market in plan.markets}
    route, leg = markets[f"{NBA_OPPOSITE}-YES.KALSHI"], markets[f"{NBA}-YES.KALSHI"]
    assert route.pool == leg.pool == leg.yes
    assert route.is_flipped
    assert not leg.is_flipped
    assert [venue.name for venue in plan.venues] == ["KALSHI", "POLYMARKET", "POLYMARKET_US"]


def test_the_strategy_does_not_know_how_it_ends(dataset: Dataset) -> None:
    plan = make_plan(dataset, merge_sessions(dataset.pairs(), "p"), CONFIG)
    text = str(plan.strategies[0].config)
    assert '"settled_at": null' in text
    assert "2026-07-20T00:00:00Z" in text  # the expected settlement it may know
    assert any(market.settlement is not None for market in plan.markets)


def test_a_pair_of_two_sessions_is_one_pair_if_its_terms_agree(dataset: Dataset) -> None:
    pair = next(iter(dataset.pairs()))
    again = msgspec.structs.replace(pair, session="S9")
    assert len(merge_sessions([pair, again], "p")) == 1
    other = change(again, 1, fees=msgspec.structs.replace(pair.b.fees, rate=Decimal("0.05")))
    with pytest.raises(ReplayError, match=r"markets: found another value in session S9"):
        merge_sessions([pair, other], "p")


def test_fee_overrides_touch_only_what_they_name(dataset: Dataset) -> None:
    pairs = merge_sessions(dataset.pairs(), "p")
    settings = FeeSettings(kalshi_regime="2026q3", polymarket_rate=Decimal("0.05"))
    kalshi, polymarket = override_fees(pairs, settings)[0].markets
    assert (kalshi.fees.regime, kalshi.fees.member_precision) == ("2026q3", Decimal("0.0001"))
    assert (polymarket.fees.rate, polymarket.fees.exponent) == (Decimal("0.05"), Decimal(1))
    us = override_fees(pairs, settings)[1].markets[1]
    assert us == pairs[1].markets[1]
    assert override_fees(pairs, FeeSettings()) == pairs


def test_refusals_name_the_pair(dataset: Dataset) -> None:
    pair = merge_sessions(dataset.pairs(), "p")[0]
    shares = change(pair, 1, fees=msgspec.structs.replace(pair.b.fees, asset="shares"))
    with pytest.raises(ReplayError, match=r"fees\.asset: found shares, allowed collateral"):
        make_plan(dataset, [shares], CONFIG)
    elsewhere = change(pair, 0, yes="KXNONE-YES")
    with pytest.raises(ReplayError, match=r"found instrument KXNONE-YES\.KALSHI"):
        make_plan(dataset, [elsewhere], CONFIG)
    twin = msgspec.structs.replace(pair, pair_id="twin")
    with pytest.raises(ReplayError, match="each market in one pair"):
        make_plan(dataset, [pair, twin], CONFIG)


def test_a_route_that_is_a_leg_elsewhere_stays_a_leg(dataset: Dataset) -> None:
    cup, game = merge_sessions(dataset.pairs(), "p")
    name = f"{NBA_OPPOSITE}-YES"
    opposite = change(cup, 0, market=NBA_OPPOSITE, yes=name, no=f"{NBA_OPPOSITE}-NO")
    plan = make_plan(dataset, [game, opposite], CONFIG)
    found = [market for market in plan.markets if market.yes == f"{name}.KALSHI"]
    assert [(market.pool, market.is_flipped) for market in found] == [(f"{name}.KALSHI", False)]
