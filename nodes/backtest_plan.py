"""From pairs and settings to a plan that a replay node can run."""

from __future__ import annotations

from collections.abc import Container, Sequence
from datetime import datetime

import msgspec
from nautilus_trader.config import ImportableStrategyConfig

from backtests.data import Dataset
from backtests.errors import ReplayError
from backtests.node import MarketPlan, ReplayPlan, VenuePlan
from configs.backtest import BacktestConfig, FeeSettings
from core.fees import FeeTerms, KalshiFees, PolymarketFees
from core.fees.kalshi import datetime_ns
from core.pairs import Pair, PairMarket, blind, encode_pairs

#: A settlement without a time counts as made an hour after the last observation.
_UNDATED_NS = 3_600_000_000_000


def merge_sessions(pairs: Sequence[Pair], source: str) -> tuple[Pair, ...]:
    """Return each pair once; a pair may be recorded in several sessions.

    Raises
    ------
    ReplayError
        If one pair has different terms in two sessions: one run has one set of terms.
    """
    merged: dict[str, Pair] = {}
    for pair in pairs:
        plain = msgspec.structs.replace(pair, session=None)
        known = merged.setdefault(pair.pair_id, plain)
        if known != plain:
            field = next(
                f for f in Pair.__struct_fields__ if getattr(known, f) != getattr(plain, f)
            )
            raise ReplayError(
                f"{source}: pair {pair.pair_id}: {field}",
                f"another value in session {pair.session}",
                "the same in all sessions of a run (choose one with [data] sessions)",
            )
    return tuple(merged.values())


def override_fees(pairs: Sequence[Pair], fees: FeeSettings) -> tuple[Pair, ...]:
    """Return the pairs with the fee terms that the settings replace."""
    return tuple(
        msgspec.structs.replace(
            pair,
            markets=tuple(
                msgspec.structs.replace(market, fees=_override(market.fees, fees))
                for market in pair.markets
            ),
        )
        for pair in pairs
    )


def _override(terms: FeeTerms, fees: FeeSettings) -> FeeTerms:
    changes: dict[str, object] = {}
    if isinstance(terms, KalshiFees):
        changes = {"regime": fees.kalshi_regime, "member_precision": fees.kalshi_member_precision}
    elif isinstance(terms, PolymarketFees):
        changes = {"rate": fees.polymarket_rate}
    return msgspec.structs.replace(terms, **{k: v for k, v in changes.items() if v is not None})


def make_plan(dataset: Dataset, pairs: Sequence[Pair], config: BacktestConfig) -> ReplayPlan:
    """Return the plan of a run.

    Raises
    ------
    ReplayError
        If a pair names an instrument that the dataset does not hold.
    """
    venues = {market.venue.value: market.terms.currency for p in pairs for market in p.markets}
    hazard = config.fills.hazard if config.fills.model == "hazard" else None
    return ReplayPlan(
        catalog_path=str(dataset.catalog_path),
        venues=tuple(
            VenuePlan(
                name=name,
                currency=currency,
                capital=getattr(config.capital, name),
                latency_ms=getattr(config.latency_ms, name),
                delay_ms=getattr(config.delay_ms, name),
            )
            for name, currency in sorted(venues.items())
        ),
        markets=_markets(dataset, pairs),
        strategies=(strategy_config(pairs, config),),
        hazard=hazard,
        hazard_seed=config.fills.seed,
        chunk_rows=config.replay.chunk_rows,
        log_level=config.replay.log_level,
    )


def strategy_config(pairs: Sequence[Pair], config: BacktestConfig) -> ImportableStrategyConfig:
    """Return the strategy with its pairs, blind to how they settled."""
    settings: dict[str, object] = {
        "order_id_tag": "001",
        "pairs_json": encode_pairs(blind(pairs)).decode(),
        "policy": config.strategy,
        "accept_recorded_pairs": config.data.accept_recorded,
    }
    settings |= msgspec.structs.asdict(config.execution)
    return ImportableStrategyConfig(
        strategy_path="strategies.cross_venue_arb:CrossVenueArb",
        config_path="strategies.cross_venue_arb:CrossVenueArbConfig",
        config=msgspec.to_builtins(settings),
    )


def _markets(dataset: Dataset, pairs: Sequence[Pair]) -> tuple[MarketPlan, ...]:
    stored = {info.instrument_id for info in dataset.instruments}
    plans: dict[str, MarketPlan] = {}
    legs = [(pair, market) for pair in pairs for market in pair.markets]
    for pair, market in legs:
        _check(dataset, pair, market, stored, plans)
        plans[market.yes_id] = _leg(pair, market, dataset.span_ns[1])
    for _, market in legs:
        for route in _routes(market, plans[market.yes_id], stored):
            plans.setdefault(route.yes, route)  # a leg of another pair stays a leg
    return tuple(plans.values())


def _check(
    dataset: Dataset,
    pair: Pair,
    market: PairMarket,
    stored: Container[str],
    planned: Container[str],
) -> None:
    where = f"{dataset.pairs_path}: pair {pair.pair_id}"
    if market.yes_id not in stored:
        raise ReplayError(where, f"instrument {market.yes_id}", "instruments that are in the data")
    if market.yes_id in planned:
        allowed = "each market in one pair: its liquidity would count twice"
        raise ReplayError(where, f"market {market.yes_id} of another pair", allowed)
    if isinstance(market.fees, PolymarketFees) and market.fees.asset != "collateral":
        allowed = "collateral (fees taken in shares are not simulated)"
        raise ReplayError(f"{where}: fees.asset", market.fees.asset, allowed)


def _leg(pair: Pair, market: PairMarket, end_ns: int) -> MarketPlan:
    settlement = market.settlement
    settled_at: datetime | None = settlement.settled_at or pair.expected_settlement
    settled_ns = end_ns + _UNDATED_NS if settled_at is None else datetime_ns(settled_at)
    return MarketPlan(
        yes=market.yes_id,
        no=market.no_id,
        pool=market.yes_id,
        fees=market.fees,
        settlement=settlement.value,
        settled_ns=None if settlement.value is None else settled_ns,
    )


def _routes(market: PairMarket, leg: MarketPlan, stored: set[str]) -> list[MarketPlan]:
    """Return the second routes that the data holds: other books, the same pool of liquidity."""
    plans = []
    for route in market.routes:
        yes, no = (f"{symbol}.{market.venue.value}" for symbol in (route.yes, route.no))
        if yes not in stored:
            continue
        is_flipped = route.inverse != market.inverse
        value = leg.settlement
        plans.append(
            MarketPlan(
                yes=yes,
                no=no,
                pool=leg.pool,
                fees=market.fees,
                is_flipped=is_flipped,
                settlement=1 - value if is_flipped and value is not None else value,
                settled_ns=leg.settled_ns,
            )
        )
    return plans
