"""Runs the hazard through the engine and counts what comes out.

Sends two-leg attempts through a replay: first leg on Polymarket, on a fill the second leg on
Kalshi, on a miss of that an unwind. Sizes and edges are mixed so that the overall chances of the
public ledger (``backtests.models.hazard``) are met; the table shows what came out beside it.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from nautilus_trader.config import ImportableStrategyConfig, StrategyConfig
from nautilus_trader.model.data import BookOrder, OrderBookDelta
from nautilus_trader.model.enums import (
    AssetClass,
    BookAction,
    BookType,
    OrderSide,
    RecordFlag,
    TimeInForce,
)
from nautilus_trader.model.identifiers import InstrumentId
from nautilus_trader.model.instruments import BinaryOption
from nautilus_trader.model.objects import Currency, Price, Quantity
from nautilus_trader.persistence.catalog import ParquetDataCatalog
from nautilus_trader.trading.strategy import Strategy

from adapters.common.currencies import register_currencies
from backtests.models.hazard import HazardTable, draw
from backtests.node import MarketPlan, ReplayNode, ReplayPlan, VenuePlan
from core.contracts import Direction, Outcome, Side, Venue
from core.decisions import Decision, DecisionLeg
from core.fees import PolymarketFees
from core.reasons import Reason
from messages.decisions import DecisionMessage

if TYPE_CHECKING:
    from nautilus_trader.model.data import OrderBookDeltas
    from nautilus_trader.model.events import OrderCanceled, OrderFilled

_T0_NS = 1_770_508_800_000_000_000  # 2026-02-08, the ledger's first day
_STEP_NS = 1_000_000_000
_FIRST, _FIRST_NO = "CAL.POLYMARKET", "CAL-NO.POLYMARKET"
_SECOND, _SECOND_NO = "CAL-YES.KALSHI", "CAL-NO.KALSHI"
_SIZE = 10

#: (displayed size over ours, share of attempts): chosen to meet the overall chances.
_FIRST_RATIOS = ((2, "0.20"), (10, "0.50"), (40, "0.30"))
_SECOND_RATIOS = ((2, "0.35"), (10, "0.50"), (40, "0.15"))
#: (net edge in dollars, share of attempts)
_EDGES = (("0.04", "0.30"), ("0.07", "0.30"), ("0.12", "0.25"), ("0.20", "0.15"))


class Attempt(msgspec.Struct, frozen=True):
    """One attempt: what is displayed for each leg, and the edge the decision saw."""

    number: int
    first_ratio: int
    second_ratio: int
    edge: str

    @property
    def price(self) -> str:
        """Ask of the first leg; it alternates, so that every attempt meets a new level."""
        return "0.50" if self.number % 2 else "0.60"

    @property
    def decision_id(self) -> str:
        """Identity of the decision."""
        return f"CAL#{self.number}"


class Marginals(msgspec.Struct):
    """What came out: attempts and fills by class, unwinds and what they cost."""

    attempts: int = 0
    first: Counter[str] = msgspec.field(default_factory=Counter)
    first_filled: Counter[str] = msgspec.field(default_factory=Counter)
    second: Counter[str] = msgspec.field(default_factory=Counter)
    second_filled: Counter[str] = msgspec.field(default_factory=Counter)
    unwound: int = 0
    unwind_cost: Decimal = Decimal(0)

    def rows(self) -> list[tuple[str, Decimal, Decimal]]:
        """Return (name, measured, ledger) of every marginal, in percent or cents."""
        table = [
            ("first leg filled", _share(self.first_filled, self.first, "all"), "39.9"),
            ("  displayed 1.5-4x", _share(self.first_filled, self.first, "2x"), "29"),
            ("  displayed 4-20x", _share(self.first_filled, self.first, "10x"), "40"),
            ("  displayed above 20x", _share(self.first_filled, self.first, "40x"), "48"),
            ("  edge 3-5 cents", _share(self.first_filled, self.first, "0.04"), "48"),
            ("  edge above 15 cents", _share(self.first_filled, self.first, "0.20"), "27"),
            ("second leg, given first", _share(self.second_filled, self.second, "all"), "63.3"),
            ("  displayed 1.5-4x", _share(self.second_filled, self.second, "2x"), "54"),
            ("  displayed 4-20x", _share(self.second_filled, self.second, "10x"), "65"),
            ("  displayed above 20x", _share(self.second_filled, self.second, "40x"), "80"),
            ("both legs", _percent(self.second_filled["all"], self.attempts), "25.3"),
            ("unwound", _percent(self.unwound, self.attempts), "14.6"),
            (
                "no trade",
                _percent(self.attempts - self.first_filled["all"], self.attempts),
                "60.1",
            ),
            ("unwind, cents a contract", self._cents(), "2.53"),
        ]
        return [(name, measured, Decimal(ledger)) for name, measured, ledger in table]

    def _cents(self) -> Decimal:
        contracts = self.unwound * _SIZE
        return 100 * self.unwind_cost / contracts if contracts else Decimal(0)


def _percent(part: int, whole: int) -> Decimal:
    return Decimal(100 * part) / whole if whole else Decimal(0)


def _share(part: Counter[str], whole: Counter[str], key: str) -> Decimal:
    return _percent(part[key], whole[key])


def plan_attempts(count: int, seed: int) -> Iterator[Attempt]:
    """Yield attempts with the mix of sizes and edges above."""
    for number in range(count):
        yield Attempt(
            number,
            int(_pick(_FIRST_RATIOS, draw(seed, "first", number))),
            int(_pick(_SECOND_RATIOS, draw(seed, "second", number))),
            str(_pick(_EDGES, draw(seed, "edge", number))),
        )


def _pick(shares: Sequence[tuple[object, str]], uniform: Decimal) -> object:
    left = uniform
    for value, share in shares:
        left -= Decimal(share)
        if left < 0:
            return value
    return shares[-1][0]


class AttemptsConfig(StrategyConfig, frozen=True, kw_only=True):
    """``attempts`` and ``seed`` of :func:`plan_attempts`."""

    attempts: int
    seed: int


class Attempts(Strategy):
    """Makes one attempt per update of the first leg's book."""

    def __init__(self, config: AttemptsConfig) -> None:
        super().__init__(config)
        self._plan = plan_attempts(config.attempts, config.seed)
        self._attempt: Attempt | None = None
        self._entry = Decimal(0)
        self.marginals = Marginals()

    def on_start(self) -> None:
        """Subscribe to both books."""
        for book in (_SECOND, _FIRST):
            self.subscribe_order_book_deltas(InstrumentId.from_str(book), BookType.L2_MBP)

    def on_order_book_deltas(self, deltas: OrderBookDeltas) -> None:
        """Start the next attempt: the second leg's book of its step is already there."""
        if deltas.instrument_id.value != _FIRST:
            return
        attempt = self._attempt = next(self._plan)
        self.marginals.attempts += 1
        _count(self.marginals.first, attempt.first_ratio, attempt.edge)
        self.publish_data(DecisionMessage.data_type(), DecisionMessage(_decision(attempt, self)))
        self._send(_FIRST, OrderSide.BUY, attempt.price, "open", 1)

    def on_order_filled(self, event: OrderFilled) -> None:
        """Go on to the next leg."""
        attempt, role = self._attempt, self._role(event.client_order_id)
        assert attempt is not None
        if role == "open":
            self._entry = event.last_px.as_decimal()
            _count(self.marginals.first_filled, attempt.first_ratio, attempt.edge)
            _count(self.marginals.second, attempt.second_ratio)
            self._send(_SECOND_NO, OrderSide.BUY, "0.41", "complete", 2)
        elif role == "complete":
            _count(self.marginals.second_filled, attempt.second_ratio)
        else:
            self.marginals.unwound += 1
            lost = self._entry - event.last_px.as_decimal()
            self.marginals.unwind_cost += lost * event.last_qty.as_decimal()

    def on_order_canceled(self, event: OrderCanceled) -> None:
        """Unwind the first leg if the second one missed."""
        if self._role(event.client_order_id) == "complete":
            limit = str(self._entry - Decimal("0.05"))
            self._send(_FIRST, OrderSide.SELL, limit, "unwind", 1)

    def _role(self, order_id: object) -> str:
        return str(self.cache.order(order_id).tags[0].partition(":")[2])

    def _send(self, name: str, side: OrderSide, price: str, role: str, leg: int) -> None:
        attempt = self._attempt
        assert attempt is not None
        tags = [f"role:{role}", f"leg:{leg}", f"decision:{attempt.decision_id}", "pair:CAL"]
        self.submit_order(
            self.order_factory.limit(
                InstrumentId.from_str(name),
                side,
                Quantity(_SIZE, 2),
                Price(Decimal(price), 4),
                time_in_force=TimeInForce.IOC,
                reduce_only=side == OrderSide.SELL,
                tags=[*tags, f"box:{attempt.decision_id}"],
            )
        )


def _count(counter: Counter[str], ratio: int, edge: str | None = None) -> None:
    counter.update(["all", f"{ratio}x", *([edge] if edge else [])])


def _decision(attempt: Attempt, strategy: Strategy) -> Decision:
    def leg(venue: Venue, instrument: str, outcome: Outcome) -> DecisionLeg:
        return DecisionLeg(
            venue=venue,
            instrument=instrument,
            outcome=outcome,
            side=Side.BUY,
            ladder=(),
            age_ns=0,
            cash=Decimal(0),
        )

    return Decision(
        decision_id=attempt.decision_id,
        seq=attempt.number,
        ts_ns=strategy.clock.timestamp_ns(),
        strategy=strategy.id.value,
        pair_id="CAL",
        kind="open",
        direction=Direction.NO_YES,
        outcome="taken",
        reason=Reason.TAKEN,
        legs=(
            leg(Venue.KALSHI, _SECOND_NO, Outcome.NO),
            leg(Venue.POLYMARKET, _FIRST, Outcome.YES),
        ),
        gross_edge=Decimal(attempt.edge),
        fees=Decimal(0),
        net_edge=Decimal(attempt.edge),
        required_edge=Decimal(0),
        box_id=attempt.decision_id,
    )


def measure(attempts: int, seed: int, table: HazardTable | None = None) -> Marginals:
    """Run attempts through the engine and return what came out."""
    register_currencies()
    with tempfile.TemporaryDirectory() as folder:
        _write_books(Path(folder), attempts, seed)
        node = ReplayNode(_plan(folder, attempts, seed, table or HazardTable()))
        replay = node.replay()
        strategy = replay.engine.trader.strategies()[0]
        assert isinstance(strategy, Attempts)
        marginals = strategy.marginals
        node.dispose()
    return marginals


def _plan(folder: str, attempts: int, seed: int, table: HazardTable) -> ReplayPlan:
    free = PolymarketFees(Decimal(0))
    strategy = ImportableStrategyConfig(
        strategy_path="backtests.calibration.measure:Attempts",
        config_path="backtests.calibration.measure:AttemptsConfig",
        config={"attempts": attempts, "seed": seed, "order_id_tag": "001"},
    )
    cash = Decimal(100_000_000)
    return ReplayPlan(
        catalog_path=folder,
        venues=(
            VenuePlan(name="KALSHI", currency="USD", capital=cash),
            VenuePlan(name="POLYMARKET", currency="pUSD", capital=cash),
        ),
        markets=(
            MarketPlan(yes=_FIRST, no=_FIRST_NO, pool=_FIRST, fees=free),
            MarketPlan(yes=_SECOND, no=_SECOND_NO, pool=_SECOND, fees=free),
        ),
        strategies=(strategy,),
        hazard=table,
        hazard_seed=seed,
    )


def _write_books(folder: Path, attempts: int, seed: int) -> None:
    catalog = ParquetDataCatalog(str(folder))
    catalog.write_data([_option(name) for name in (_FIRST, _FIRST_NO, _SECOND, _SECOND_NO)])
    first: list[OrderBookDelta] = []
    second: list[OrderBookDelta] = []
    for attempt in plan_attempts(attempts, seed):
        ts_ns = _T0_NS + attempt.number * _STEP_NS
        ask = Decimal(attempt.price)
        offered = attempt.first_ratio * _SIZE
        first += _snapshot(_FIRST, ts_ns + 1, ask - Decimal("0.01"), 10_000, ask, offered)
        # the NO ask is one minus the YES bid: .40 or .41, a new level at every attempt
        bid = Decimal("0.60") if attempt.number % 2 else Decimal("0.59")
        second += _snapshot(_SECOND, ts_ns, bid, attempt.second_ratio * _SIZE, Decimal("0.70"), 10)
    catalog.write_data(first)
    catalog.write_data(second)


def _option(name: str) -> BinaryOption:
    instrument_id = InstrumentId.from_str(name)
    currency = "USD" if instrument_id.venue.value == "KALSHI" else "pUSD"
    return BinaryOption(
        instrument_id=instrument_id,
        raw_symbol=instrument_id.symbol,
        asset_class=AssetClass.ALTERNATIVE,
        currency=Currency.from_str(currency),
        price_precision=4,
        size_precision=2,
        price_increment=Price.from_str("0.0100"),
        size_increment=Quantity.from_str("0.01"),
        activation_ns=0,
        expiration_ns=0,
        ts_event=_T0_NS,
        ts_init=_T0_NS,
        description=name,
    )


def _snapshot(
    name: str, ts_ns: int, bid: Decimal, bid_size: int, ask: Decimal, ask_size: int
) -> list[OrderBookDelta]:
    instrument_id = InstrumentId.from_str(name)
    snapshot = int(RecordFlag.F_SNAPSHOT)
    rows = [OrderBookDelta.clear(instrument_id, 0, ts_ns, ts_ns)]
    sides = ((OrderSide.BUY, bid, bid_size, 0), (OrderSide.SELL, ask, ask_size, RecordFlag.F_LAST))
    for side, price, size, last in sides:
        order = BookOrder(side, Price(price, 4), Quantity(size, 2), 0)
        flags = snapshot | int(last)
        rows.append(OrderBookDelta(instrument_id, BookAction.ADD, order, flags, 0, ts_ns, ts_ns))
    return rows
