"""The replay node: a thin ``BacktestNode`` whose books, fills, fees and settlements are exact.

What it does differently from Nautilus's own node, and why, is in ``docs/backtest.md``: one stream
of atomic updates for any chunk size, settlements in the stream, NO books on demand, exact due
times, one consumption ledger, and no quiet abort.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

import msgspec
from nautilus_trader.backtest.config import (
    BacktestDataConfig,
    BacktestEngineConfig,
    BacktestRunConfig,
    BacktestVenueConfig,
)
from nautilus_trader.backtest.engine import BacktestEngine
from nautilus_trader.backtest.models import LatencyModel
from nautilus_trader.backtest.node import BacktestNode
from nautilus_trader.common.component import is_backtest_force_stop
from nautilus_trader.config import (
    CacheConfig,
    DataEngineConfig,
    ExecEngineConfig,
    ImportableStrategyConfig,
    LoggingConfig,
    RiskEngineConfig,
)
from nautilus_trader.model.data import OrderBookDelta
from nautilus_trader.model.enums import AccountType, BookType, OmsType
from nautilus_trader.model.identifiers import InstrumentId, Venue
from nautilus_trader.model.objects import Currency, Money
from nautilus_trader.persistence.catalog import ParquetDataCatalog

from adapters.common.currencies import register_currencies
from backtests.collect import Collector
from backtests.errors import ReplayError, RunFailedError
from backtests.models.fees import ScheduleFeeModel
from backtests.models.fills import Hazard, ReplayFillModel
from backtests.models.hazard import HazardTable
from backtests.models.ledger import ConsumptionLedger
from backtests.models.markets import Market, Markets
from backtests.models.venue import VenueModule
from backtests.replay import Event, ReplayCounts, Settle, stream
from core.fees import FeeTerms

if TYPE_CHECKING:
    from nautilus_trader.model.instruments import Instrument

    from core.decisions import Decision

_NS_PER_MS = 1_000_000
_NEVER_NS = 1 << 63


class VenuePlan(msgspec.Struct, frozen=True, kw_only=True):
    """One simulated venue: ``latency_ms`` one way, ``delay_ms`` the venue's own matching delay."""

    name: str
    currency: str
    capital: Decimal
    latency_ms: int = 0
    delay_ms: int = 0

    @property
    def insert_ns(self) -> int:
        """From sending an order to its match."""
        return (self.latency_ms + self.delay_ms) * _NS_PER_MS

    @property
    def cancel_ns(self) -> int:
        """From sending a cancel to its effect; the venue delays orders, not cancels."""
        return self.latency_ms * _NS_PER_MS


class MarketPlan(msgspec.Struct, frozen=True, kw_only=True):
    """One market: its instruments, the liquidity pool it belongs to, its fee terms.

    ``is_flipped``: the pool's YES is this market's NO (a second route through the opposite
    contract). ``settlement`` is the value of YES per contract, None while unknown.
    """

    yes: str
    no: str
    pool: str
    fees: FeeTerms
    is_flipped: bool = False
    settlement: Decimal | None = None
    settled_ns: int | None = None


class ReplayPlan(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a run needs, as plain data."""

    catalog_path: str
    venues: tuple[VenuePlan, ...]
    markets: tuple[MarketPlan, ...]
    strategies: tuple[ImportableStrategyConfig, ...]
    hazard: HazardTable | None = None
    hazard_seed: int = 1
    chunk_rows: int = 50_000
    log_level: str = "OFF"


class Replay(msgspec.Struct):
    """What a finished run leaves for the results writer."""

    engine: BacktestEngine
    collector: Collector
    counts: ReplayCounts
    hazard: Hazard | None


class ReplayNode(BacktestNode):
    """Runs one :class:`ReplayPlan`.

    Parameters
    ----------
    plan : ReplayPlan
        What to run.
    on_chunk : Callable, optional
        Called with the counts after each chunk of data (progress).
    on_decision : Callable, optional
        Takes every decision as it is made.
    """

    def __init__(
        self,
        plan: ReplayPlan,
        on_chunk: Callable[[ReplayCounts], None] | None = None,
        on_decision: Callable[[Decision], None] | None = None,
    ) -> None:
        register_currencies()
        self._plan = plan
        self._on_chunk = on_chunk
        self._counts = ReplayCounts()
        self._hazard = Hazard(plan.hazard, plan.hazard_seed) if plan.hazard else None
        edges = self._hazard.edges if self._hazard else None
        self._collector = Collector(edges, on_decision)
        self._closes = [settle.event() for settle in _settlements(plan.markets)]
        super().__init__([_run_config(plan)])

    def replay(self) -> Replay:
        """Run to the end of the data.

        Raises
        ------
        ReplayError
            If the data cannot be replayed.
        RunFailedError
            If the simulation stopped early, for example because an account went below zero.
        """
        self.run()
        if is_backtest_force_stop() or not self._counts.is_done:
            at_ns = self._counts.last_ns
            raise RunFailedError(
                f"the simulation stopped before its end, by {at_ns} ns: an account would have gone "
                f"below zero ({self._collector.describe_last()}); lower the strategy's limits or "
                "raise [capital]"
            )
        engine = self.get_engines()[0]
        return Replay(engine, self._collector, self._counts, self._hazard)

    def _create_engine(self, run_config_id: str) -> BacktestEngine:
        config = next(c for c in self.configs if c.id == run_config_id)
        engine = BacktestEngine(config=config.engine)
        self._engines[run_config_id] = engine
        self._log_guard = engine.kernel.get_log_guard() or self._log_guard
        modules = self._add_venues(engine)
        for instrument in self._instruments():
            engine.add_instrument(instrument)
        for module in modules:
            module.arm()
        self._collector.attach(engine.kernel.msgbus)
        engine.set_default_market_data_client()
        return engine

    def _add_venues(self, engine: BacktestEngine) -> list[VenueModule]:
        plan = self._plan
        markets = Markets(
            Market(InstrumentId.from_str(m.yes), InstrumentId.from_str(m.no), m.pool, m.is_flipped)
            for m in plan.markets
        )
        terms = {InstrumentId.from_str(i): m.fees for m in plan.markets for i in (m.yes, m.no)}
        values = _settlement_values(plan.markets)
        ledger = ConsumptionLedger()
        settled_ns = {close.instrument_id: close.ts_init for close in self._closes}
        now_ns = engine.kernel.clock.timestamp_ns

        def is_settled(instrument: InstrumentId) -> bool:
            return bool(settled_ns.get(instrument, _NEVER_NS) <= now_ns())

        modules = []
        for venue in plan.venues:
            fills = ReplayFillModel(markets, ledger, self._hazard, is_settled)
            fees = ScheduleFeeModel(terms, now_ns)
            module = VenueModule(
                markets=markets,
                ledger=ledger,
                fills=fills,
                fees=fees,
                insert_ns=venue.insert_ns,
                cancel_ns=venue.cancel_ns,
            )
            engine.add_venue(
                venue=Venue(venue.name),
                oms_type=OmsType.NETTING,
                account_type=AccountType.CASH,
                base_currency=None,
                starting_balances=[Money(venue.capital, Currency.from_str(venue.currency))],
                book_type=BookType.L2_MBP,
                modules=[module],
                fill_model=fills,
                fee_model=fees,
                latency_model=_latency(venue),
                bar_execution=False,
                trade_execution=False,
                liquidity_consumption=True,
                settlement_prices=_of_venue(values, venue.name),
            )
            modules.append(module)
        return modules

    def _instruments(self) -> list[Instrument]:
        wanted = [i for m in self._plan.markets for i in (m.yes, m.no)]
        catalog = ParquetDataCatalog(self._plan.catalog_path)
        found = {str(i.id): i for i in catalog.instruments(instrument_ids=wanted)}
        missing = [name for name in wanted if name not in found]
        if missing:
            raise ReplayError(
                "pairs.json", f"instrument {missing[0]}", "instruments that are in the catalog"
            )
        return [found[name] for name in wanted]

    def _run(
        self,
        run_config_id: str,
        data_configs: list[BacktestDataConfig],
        chunk_size: int | None,
        dispose_on_completion: bool,
        start: str | int | None = None,
        end: str | int | None = None,
    ) -> None:
        """Replace Nautilus's two ways of running by one stream (no result object is built)."""
        del data_configs, dispose_on_completion, start, end
        engine = self._engines[run_config_id]
        plan = self._plan
        events = stream(
            ParquetDataCatalog(plan.catalog_path),
            [m.yes for m in plan.markets],
            self._closes,
            chunk_rows=chunk_size or 0,
            on_chunk=self._on_chunk,
            counts=self._counts,
        )
        head = next(events, None)
        if head is None:
            raise ReplayError("catalog", "no order-book rows", "at least one")
        engine.add_data_iterator("replay", _chain(head, events))
        gc.collect()
        gc.freeze()  # instruments and books live to the end: never traverse them again
        try:
            engine.run(start=head[0].ts_init, run_config_id=run_config_id)
        finally:
            gc.unfreeze()


def _chain(head: list[Event], rest: Iterator[list[Event]]) -> Iterator[list[Event]]:
    yield head
    yield from rest


def _run_config(plan: ReplayPlan) -> BacktestRunConfig:
    data = [
        BacktestDataConfig(
            catalog_path=plan.catalog_path,
            data_cls=OrderBookDelta,
            instrument_id=InstrumentId.from_str(market.yes),
        )
        for market in plan.markets
    ]
    venues = [
        BacktestVenueConfig(
            name=venue.name,
            oms_type="NETTING",
            account_type="CASH",
            starting_balances=[f"{venue.capital} {venue.currency}"],
            book_type="L2_MBP",
        )
        for venue in plan.venues
    ]
    engine = BacktestEngineConfig(
        trader_id="BACKTEST-001",
        logging=LoggingConfig(
            log_level=plan.log_level, bypass_logging=plan.log_level == "OFF", log_colors=False
        ),
        cache=CacheConfig(drop_instruments_on_reset=False),
        data_engine=DataEngineConfig(buffer_deltas=False),
        exec_engine=ExecEngineConfig(),
        risk_engine=RiskEngineConfig(
            bypass=False, max_order_submit_rate="100000/00:00:01"
        ),  # the strategy has the limits; this one must not deny silently in simulated bursts
        strategies=list(plan.strategies),
        run_analysis=False,
    )
    return BacktestRunConfig(
        engine=engine,
        venues=venues,
        data=data,
        chunk_size=plan.chunk_rows or None,
        raise_exception=True,
        dispose_on_completion=False,
    )


def _latency(venue: VenuePlan) -> LatencyModel | None:
    if not venue.insert_ns:
        return None
    return LatencyModel(
        base_latency_nanos=venue.cancel_ns, insert_latency_nanos=venue.delay_ms * _NS_PER_MS
    )


def _settlement_values(markets: Sequence[MarketPlan]) -> dict[InstrumentId, Decimal]:
    values: dict[InstrumentId, Decimal] = {}
    for market in markets:
        if market.settlement is not None:
            values[InstrumentId.from_str(market.yes)] = market.settlement
            values[InstrumentId.from_str(market.no)] = 1 - market.settlement
    return values


def _of_venue(values: Mapping[InstrumentId, Decimal], venue: str) -> dict[InstrumentId, float]:
    """Give the venue its values as the floats Nautilus wants; it rounds them to 4 decimals."""
    return {i: float(value) for i, value in values.items() if i.venue.value == venue}


def _settlements(markets: Sequence[MarketPlan]) -> list[Settle]:
    settles = []
    for market in markets:
        if market.settlement is None or market.settled_ns is None:
            continue
        for name, value in ((market.yes, market.settlement), (market.no, 1 - market.settlement)):
            settles.append(
                Settle(market.settled_ns + len(settles), name, format(value, "f"), precision=4)
            )
    return settles
