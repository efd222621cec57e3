"""Hand-made markets and books, written as a catalog that a replay node can run."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

from nautilus_trader.config import ImportableStrategyConfig
from nautilus_trader.model.data import BookOrder, OrderBookDelta
from nautilus_trader.model.enums import AssetClass, BookAction, OrderSide, RecordFlag
from nautilus_trader.model.identifiers import InstrumentId, Symbol
from nautilus_trader.model.instruments import BinaryOption
from nautilus_trader.model.objects import Currency, Price, Quantity
from nautilus_trader.persistence.catalog import ParquetDataCatalog

from adapters.common.currencies import register_currencies
from backtests.models.hazard import HazardTable
from backtests.node import MarketPlan, Replay, ReplayNode, ReplayPlan, VenuePlan
from core.fees import FeeTerms, KalshiFees, PolymarketFees

T0 = 1_767_225_600_000_000_000  # 2026-01-01T00:00:00Z: Kalshi's legacy fees
SECOND = 1_000_000_000
DAY = 86_400 * SECOND
K_YES, K_NO = "KX-YES.KALSHI", "KX-NO.KALSHI"
P_YES, P_NO = "TOK.POLYMARKET", "TOK-NO.POLYMARKET"
KALSHI_Q3 = KalshiFees("quadratic", Decimal(1), Decimal("0.0001"), "2026q3")
POLY_SPORTS = PolymarketFees(Decimal("0.05"), Decimal(1))

Levels = list[tuple[str, str]]


@dataclass
class World:
    """Markets, books and orders of one test."""

    root: Path
    markets: list[MarketPlan] = field(default_factory=list)
    rows: list[OrderBookDelta] = field(default_factory=list)
    orders: list[dict] = field(default_factory=list)
    tick: str = "0.0100"

    def __post_init__(self) -> None:
        register_currencies()

    def market(
        self,
        yes: str = K_YES,
        no: str = K_NO,
        *,
        fees: FeeTerms = KALSHI_Q3,
        pool: str = "",
        is_flipped: bool = False,
        settlement: str | None = None,
        settled_ns: int | None = T0 + DAY,
    ) -> None:
        self.markets.append(
            MarketPlan(
                yes=yes,
                no=no,
                pool=pool or yes,
                fees=fees,
                is_flipped=is_flipped,
                settlement=None if settlement is None else Decimal(settlement),
                settled_ns=settled_ns if settlement is not None else None,
            )
        )

    def pair(self, *, k: str | None = "1", p: str | None = "1") -> None:
        """One Kalshi and one Polymarket market with settlements of their YES."""
        self.market(settlement=k)
        self.market(P_YES, P_NO, fees=POLY_SPORTS, settlement=p)

    def book(self, at_s: float, yes: str, bids: Levels, asks: Levels) -> None:
        """A snapshot: CLEAR and ADDs, sentinels where a side is empty, F_LAST on the last row."""
        ts, iid = self._ts(at_s), InstrumentId.from_str(yes)
        sides = [(OrderSide.BUY, bids or [("0", "1")]), (OrderSide.SELL, asks or [("1", "1")])]
        self.rows.append(OrderBookDelta.clear(iid, 0, ts, ts))
        adds = [(side, p, q) for side, levels in sides for p, q in levels]
        for number, (side, price, size) in enumerate(adds):
            flags = RecordFlag.F_SNAPSHOT | (RecordFlag.F_LAST if number == len(adds) - 1 else 0)
            self._row(iid, BookAction.ADD, side, price, size, flags, ts)

    def level(self, at_s: float, yes: str, side: str, price: str, size: str) -> None:
        """One level update; size 0 deletes it."""
        action = BookAction.DELETE if Decimal(size) == 0 else BookAction.UPDATE
        self._row(
            InstrumentId.from_str(yes),
            action,
            OrderSide.BUY if side == "bid" else OrderSide.SELL,
            price,
            size,
            RecordFlag.F_LAST,
            self._ts(at_s),
        )

    def _row(self, iid, action, side, price, size, flags, ts) -> None:
        order = BookOrder(side, Price(Decimal(price), 4), Quantity(Decimal(size), 2), 0)
        self.rows.append(OrderBookDelta(iid, action, order, int(flags), 0, ts, ts))

    @staticmethod
    def _ts(at_s: float) -> int:
        return T0 + round(at_s * SECOND)

    def buy(self, at_s: float, instrument: str, size: str, price: str, **more) -> None:
        self.order(at_s, instrument, "BUY", size, price, **more)

    def sell(self, at_s: float, instrument: str, size: str, price: str, **more) -> None:
        self.order(at_s, instrument, "SELL", size, price, reduce_only=True, **more)

    def order(self, at_s, instrument, side, size, price, **more) -> None:
        row = {"at_ns": self._ts(at_s), "instrument": instrument, "side": side}
        row |= {"size": f"{Decimal(size):.2f}", **more}
        if price is not None:
            row["price"] = f"{Decimal(price):.4f}"
        self.orders.append(row)

    def instruments(self) -> list[BinaryOption]:
        currency = {"KALSHI": "USD", "POLYMARKET": "pUSD", "POLYMARKET_US": "USD"}
        out = []
        for market in self.markets:
            for name, outcome in ((market.yes, "YES"), (market.no, "NO")):
                iid = InstrumentId.from_str(name)
                out.append(
                    BinaryOption(
                        instrument_id=iid,
                        raw_symbol=Symbol(iid.symbol.value),
                        asset_class=AssetClass.ALTERNATIVE,
                        currency=Currency.from_str(currency[iid.venue.value]),
                        price_precision=4,
                        size_precision=2,
                        price_increment=Price.from_str(self.tick),
                        size_increment=Quantity.from_str("0.01"),
                        activation_ns=0,
                        expiration_ns=T0 + 400 * DAY,
                        ts_event=T0,
                        ts_init=T0,
                        outcome=outcome,
                        description=name,
                    )
                )
        return out

    def write(self) -> str:
        path = self.root / "catalog"
        if not path.exists():
            catalog = ParquetDataCatalog(str(path))
            catalog.write_data(self.instruments())
            by_book: dict[str, list[OrderBookDelta]] = {}
            for row in self.rows:
                by_book.setdefault(str(row.instrument_id), []).append(row)
            for rows in by_book.values():
                catalog.write_data(rows)
        return str(path)

    def plan(self, *, cash: str = "10000", strategy=None, **more) -> ReplayPlan:
        latency, delay = more.pop("latency_ms", 0), more.pop("delay_ms", 0)
        names = sorted({m.yes.rsplit(".", 1)[1] for m in self.markets})
        currency = {"POLYMARKET": "pUSD"}
        config = {
            "orders": self.orders,
            "books": [m.yes for m in self.markets],
            "order_id_tag": "001",
            "cancel_ns": more.pop("cancel_ns", 0),
        }
        scripted = ImportableStrategyConfig(
            strategy_path="tests.backtest.scripted:Scripted",
            config_path="tests.backtest.scripted:ScriptedConfig",
            config=config,
        )
        return ReplayPlan(
            catalog_path=self.write(),
            venues=tuple(
                VenuePlan(
                    name=name,
                    currency=currency.get(name, "USD"),
                    capital=Decimal(cash),
                    latency_ms=latency,
                    delay_ms=delay,
                )
                for name in names
            ),
            markets=tuple(self.markets),
            strategies=(strategy or scripted,),
            **more,
        )

    def run(self, **more) -> Outcome:
        node = ReplayNode(self.plan(**more))
        replay = node.replay()
        outcome = Outcome(replay)
        node.dispose()
        return outcome


class Outcome:
    """What tests look at: fills as text, cash per venue, order states."""

    def __init__(self, replay: Replay) -> None:
        self.replay = replay
        cache = replay.engine.cache
        self.fills = [
            (
                f"{fill.instrument_id}",
                fill.order_side.name,
                str(fill.last_qty.as_decimal()),
                str(fill.last_px.as_decimal()),
                str(fill.commission.as_decimal()),
            )
            for fill in replay.collector.fills
        ]
        self.trades = [
            f
            for f, e in zip(self.fills, replay.collector.fills, strict=True)
            if not e.client_order_id.value.startswith("EXPIRATION")
        ]
        self.times_s = [(fill.ts_event - T0) / SECOND for fill in replay.collector.fills]
        self.cash = {}
        for account in cache.accounts():
            for balance in account.balances().values():
                self.cash[account.id.get_issuer()] = balance.total.as_decimal()
        self.open = sorted(str(p.instrument_id) for p in cache.positions_open())
        self.orders = {o.client_order_id.value: o.status_string() for o in cache.orders()}
        self.hazard = replay.hazard
        self.seen = getattr(replay.engine.trader.strategies()[0], "seen", {})


def hazard_table(**more) -> HazardTable:
    return HazardTable(**more)
