"""A tiny two-venue exchange for strategy tests: hand-made books, exact fees, no models."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

from nautilus_trader.backtest.config import BacktestEngineConfig
from nautilus_trader.backtest.engine import BacktestEngine
from nautilus_trader.backtest.models import FeeModel, FillModel
from nautilus_trader.common.config import LoggingConfig
from nautilus_trader.model.currencies import pUSD
from nautilus_trader.model.data import BookOrder, InstrumentClose, OrderBookDelta, OrderBookDeltas
from nautilus_trader.model.enums import (
    AccountType,
    AssetClass,
    BookAction,
    BookType,
    InstrumentCloseType,
    LiquiditySide,
    OmsType,
    OrderSide,
    RecordFlag,
)
from nautilus_trader.model.events import OrderFilled
from nautilus_trader.model.identifiers import InstrumentId, Symbol, TraderId, Venue
from nautilus_trader.model.instruments import BinaryOption
from nautilus_trader.model.objects import Currency, Money, Price, Quantity

from adapters.common.currencies import register_currencies
from core.contracts import Liquidity, Side
from core.contracts import Venue as CoreVenue
from core.decisions import Decision
from core.fees import NEW_ORDER, FeeSchedule, KalshiFees, PolymarketFees
from core.pairs import Approval, MarketTerms, Pair, PairMarket, encode_pairs, uniform_ticks
from core.policy import Policy
from messages.decisions import CountersMessage, DecisionMessage
from strategies.cross_venue_arb import CrossVenueArb, CrossVenueArbConfig

register_currencies()
USD = Currency.from_str("USD")
T0 = 1_780_000_000_000_000_000  # 2026-05-28T20:26:40Z
SECOND = 1_000_000_000

KALSHI_FEES = KalshiFees("quadratic", regime="2026q3")
POLYMARKET_FEES = PolymarketFees(Decimal("0.05"))


def market(venue: CoreVenue, name: str, **changes: object) -> PairMarket:
    kalshi = venue is CoreVenue.KALSHI
    fields: dict[str, object] = {
        "venue": venue,
        "market": name,
        "yes": f"{name}-YES",
        "no": f"{name}-NO",
        "rules_sha256": "a" * 64,
        "terms": MarketTerms(
            ticks=uniform_ticks("0.01"),
            lot=Decimal("0.01"),
            size_min=Decimal("0.01"),
            notional_min=Decimal(0 if kalshi else 1),
            currency="USD" if kalshi else "pUSD",
        ),
        "fees": KALSHI_FEES if kalshi else POLYMARKET_FEES,
    }
    return PairMarket(**{**fields, **changes})  # type: ignore[arg-type]


def make_pair(
    name: str = "GAME",
    a: dict[str, object] | None = None,
    b: dict[str, object] | None = None,
    **changes: object,
) -> Pair:
    fields: dict[str, object] = {
        "pair_id": name,
        "markets": (
            market(CoreVenue.KALSHI, f"K{name}", **(a or {})),
            market(CoreVenue.POLYMARKET, f"P{name}", **(b or {})),
        ),
        "relation": "equivalent",
        "grade": "A",
        "family": "test",
        "approval": Approval(by="tester", at=datetime(2026, 1, 1, tzinfo=UTC)),
        "lockup_days": Decimal(0),
    }
    return Pair(**{**fields, **changes})  # type: ignore[arg-type]


class ScheduleFees(FeeModel):
    """Charges fills by a schedule of core, with the state of each order."""

    def __init__(self, schedule: FeeSchedule) -> None:
        super().__init__()
        self.schedule = schedule
        self.states: dict[str, object] = {}

    def get_commission(self, order, fill_qty, fill_px, instrument) -> Money:
        key = order.client_order_id.value
        if key.startswith("EXPIRATION"):
            return Money(0, instrument.quote_currency)
        charge, self.states[key] = self.schedule.charge(
            self.states.get(key, NEW_ORDER),  # type: ignore[arg-type]
            price=fill_px.as_decimal(),
            size=fill_qty.as_decimal(),
            side=Side.BUY if order.side == OrderSide.BUY else Side.SELL,
            liquidity=(
                Liquidity.MAKER if order.liquidity_side == LiquiditySide.MAKER else Liquidity.TAKER
            ),
        )
        return Money(charge.net, instrument.quote_currency)


class ChosenMisses(FillModel):
    """Lets the n-th order of an instrument and side find an empty book."""

    def __init__(self, misses: set[tuple[str, str, int]]) -> None:
        super().__init__()
        self.misses = misses
        self.seen: dict[str, tuple[str, str, int]] = {}
        self.counts: dict[tuple[str, str], int] = {}

    def get_orderbook_for_fill_simulation(self, instrument, order, best_bid, best_ask):
        key = order.client_order_id.value
        if key not in self.seen:
            side = "BUY" if order.side == OrderSide.BUY else "SELL"
            name = (instrument.id.symbol.value, side)
            self.counts[name] = self.counts.get(name, 0) + 1
            self.seen[key] = (*name, self.counts[name])
        if self.seen[key] not in self.misses:
            return None
        from nautilus_trader.model.book import OrderBook

        return OrderBook(instrument.id, BookType.L2_MBP)


Levels = list[tuple[str, str]]


class World:
    """Two venues, one strategy, a list of book updates.

    ``book(t_s, market, bids, asks)`` adds a snapshot of a market's YES book and its mirror.
    """

    def __init__(
        self,
        *pairs: Pair,
        policy: Policy | None = None,
        cash: tuple[str, str] = ("10000", "10000"),
        misses: set[tuple[str, str, int]] | None = None,
        **config: object,
    ) -> None:
        self.pairs = pairs
        self.decisions: list[Decision] = []
        self.counters = None
        self.engine = BacktestEngine(
            BacktestEngineConfig(
                trader_id=TraderId("TEST-001"), logging=LoggingConfig(bypass_logging=True)
            )
        )
        # not empty, so that the engine keeps this very dict and later values reach it
        self.settle = {InstrumentId.from_str("NONE.NONE"): 0.0}
        for name, currency, amount, schedule in (
            ("KALSHI", USD, cash[0], KALSHI_FEES.at(T0)),
            ("POLYMARKET", pUSD, cash[1], POLYMARKET_FEES.at(T0)),
        ):
            self.engine.add_venue(
                Venue(name),
                OmsType.NETTING,
                AccountType.CASH,
                [Money(Decimal(amount), currency)],
                book_type=BookType.L2_MBP,
                fee_model=ScheduleFees(schedule),
                fill_model=ChosenMisses(misses or set()),
                bar_execution=False,
                trade_execution=False,
                liquidity_consumption=True,
                settlement_prices=self.settle,
            )
        for pair in pairs:
            for m in pair.markets:
                for symbol in (m.yes, m.no):
                    self.engine.add_instrument(_instrument(symbol, m.venue.value))
        settings = {"pairs_json": encode_pairs(pairs).decode(), "retry_ms": 0, **config}
        self.strategy = CrossVenueArb(
            CrossVenueArbConfig(policy=policy or Policy(), **settings)  # type: ignore[arg-type]
        )
        self.engine.add_strategy(self.strategy)
        bus = self.engine.kernel.msgbus
        bus.subscribe(f"data.{DecisionMessage.data_type().topic}", self._on_decision)
        bus.subscribe(f"data.{CountersMessage.data_type().topic}", self._on_counters)
        bus.subscribe("events.order.*", self._on_order_event)
        self.filled: list[OrderFilled] = []
        self.data: list[object] = []
        self.step = 0

    def _on_decision(self, message: DecisionMessage) -> None:
        self.decisions.append(message.decision)

    def _on_counters(self, message: CountersMessage) -> None:
        self.counters = message.counters

    def _on_order_event(self, event: object) -> None:
        if isinstance(event, OrderFilled):
            self.filled.append(event)

    def book(
        self, t_s: float, m: PairMarket, bids: Levels, asks: Levels, *, no_ask_size: str = ""
    ) -> World:
        """Add a snapshot; ``no_ask_size`` is what the venue really has where we see the bids."""
        ts = T0 + int(t_s * SECOND)
        mirror_bids = [(_mirror(p), s) for p, s in asks]
        mirror_asks = [(_mirror(p), no_ask_size or s) for p, s in bids]
        self._snapshot(ts, m.no_id, mirror_bids, mirror_asks)
        self._snapshot(ts, m.yes_id, bids, asks)
        return self

    def _snapshot(self, ts: int, instrument: str, bids: Levels, asks: Levels) -> None:
        iid = InstrumentId.from_str(instrument)
        self.step += 1
        ts += self.step  # strictly increasing
        rows = [OrderBookDelta.clear(iid, self.step, ts, ts)]
        sides = [(OrderSide.BUY, p, s) for p, s in bids or [("0.0000", "1.00")]]
        sides += [(OrderSide.SELL, p, s) for p, s in asks or [("1.0000", "1.00")]]
        for i, (side, price, size) in enumerate(sides):
            flags = RecordFlag.F_SNAPSHOT | (RecordFlag.F_LAST if i == len(sides) - 1 else 0)
            order = BookOrder(
                side, Price.from_str(f"{Decimal(price):.4f}"),
                Quantity.from_str(f"{Decimal(size):.2f}"), i,
            )  # fmt: skip
            rows.append(OrderBookDelta(iid, BookAction.ADD, order, flags, self.step, ts, ts))
        self.data.append(OrderBookDeltas(iid, rows))

    def close(self, t_s: float, m: PairMarket, yes_value: str) -> World:
        ts = T0 + int(t_s * SECOND)
        for name, value in ((m.yes_id, Decimal(yes_value)), (m.no_id, 1 - Decimal(yes_value))):
            iid = InstrumentId.from_str(name)
            self.step += 1
            price = Price.from_str(f"{value:.4f}")
            kind = InstrumentCloseType.CONTRACT_EXPIRED
            self.data.append(InstrumentClose(iid, price, kind, ts + self.step, ts + self.step))
            self.settle[iid] = float(value)
        return self

    @staticmethod
    def text(*pairs: Pair) -> str:
        return encode_pairs(pairs).decode()

    def run(self) -> World:
        self.engine.add_data(self.data, sort=True)
        self.engine.run()
        return self

    # -- what came out ------------------------------------------------------------------------

    @property
    def taken(self) -> list[Decision]:
        return [d for d in self.decisions if d.outcome == "taken"]

    @property
    def reasons(self) -> list[str]:
        return [d.reason.value for d in self.decisions]

    def cash(self, venue: str) -> Decimal:
        account = self.engine.cache.account_for_venue(Venue(venue))
        currency = USD if venue == "KALSHI" else pUSD
        return account.balance_total(currency).as_decimal()

    def fills(self) -> list[tuple[str, str, Decimal, Decimal]]:
        return [
            (
                event.instrument_id.symbol.value,
                "BUY" if event.order_side == OrderSide.BUY else "SELL",
                event.last_px.as_decimal(),
                event.last_qty.as_decimal(),
            )
            for event in self.filled
        ]

    def tags(self) -> list[list[str]]:
        return [o.tags for o in self.engine.cache.orders() if o.tags]

    def phases(self) -> list[str]:
        return [r.box.phase.value for r in self.strategy.desk.boxes.values()]

    def dispose(self) -> None:
        self.engine.dispose()


def _mirror(price: str) -> str:
    return str(1 - Decimal(price))


def _instrument(symbol: str, venue: str) -> BinaryOption:
    return BinaryOption(
        instrument_id=InstrumentId(Symbol(symbol), Venue(venue)),
        raw_symbol=Symbol(symbol),
        asset_class=AssetClass.ALTERNATIVE,
        currency=USD if venue == "KALSHI" else pUSD,
        price_precision=4,
        size_precision=2,
        price_increment=Price.from_str("0.0001"),
        size_increment=Quantity.from_str("0.01"),
        activation_ns=0,
        expiration_ns=T0 + 10**17,
        ts_event=0,
        ts_init=0,
        outcome="YES",
        description=symbol,
    )
