"""The reports that Nautilus reconciles with.

At start-up they are the whole truth, parts that fit together. Afterwards truth reaches the engine
as events, so for an order that is known here a report says only what the engine already believes:
from a difference the engine would invent a fill, with a wrong fee, that the real one then doubles.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from decimal import Decimal

from nautilus_trader.core.uuid import UUID4
from nautilus_trader.execution.messages import (
    GenerateFillReports,
    GenerateOrderStatusReport,
    GenerateOrderStatusReports,
    GeneratePositionStatusReports,
)
from nautilus_trader.execution.reports import (
    ExecutionMassStatus,
    FillReport,
    OrderStatusReport,
    PositionStatusReport,
)
from nautilus_trader.model.identifiers import ClientOrderId, InstrumentId
from nautilus_trader.model.orders import Order

from adapters.common.errors import TransportError
from adapters.common.ledger import Phase
from adapters.kalshi import parsing, reports
from adapters.kalshi.desk import Desk
from adapters.kalshi.doubts import Question
from adapters.kalshi.netting import Attribution, Gross, gross
from adapters.kalshi.reading import AccountSnapshot
from adapters.kalshi.resolver import Resolver
from adapters.kalshi.symbols import Leg
from core.money import from_units

_NS = 1_000_000_000
_PHASES = {
    "resting": Phase.WORKING,
    "canceled": Phase.CANCELED,
    "executed": Phase.FILLED,
}
_NET_ATTEMPTS = 4


class StatusReports:
    """Make reports for one account."""

    def __init__(self, desk: Desk, resolver: Resolver) -> None:
        self._desk = desk
        self._resolver = resolver

    # -- start-up

    def adopt_cached(self) -> None:
        """Take over the open orders of a persisted cache, with what they have booked."""
        desk = self._desk
        cached: Iterable[Order] = [
            *desk.cache.orders_open(parsing.VENUE),
            *desk.cache.orders_inflight(parsing.VENUE),
        ]
        for order in cached:
            trades = {
                event.trade_id.value: event.last_qty.as_decimal()
                for event in order.events
                if hasattr(event, "trade_id")
            }
            venue_id = order.venue_order_id.value if order.venue_order_id is not None else ""
            client_id = order.client_order_id.value
            desk.ledger.adopt(
                client_id,
                order.quantity.as_decimal(),
                venue_id,
                trades=trades,
                phase=Phase.WORKING if venue_id else Phase.SENT,
            )
            if not venue_id:
                desk.doubts.raise_(client_id, Question.SUBMIT, desk.now_ns(), wait_s=1.0)
        for position in desk.cache.positions_open(parsing.VENUE):
            ticker, _ = parsing.market_leg(position.instrument_id)
            desk.holdings.adopt(ticker, desk.cached_holdings(ticker))

    async def mass_status(self, lookback_mins: int | None) -> ExecutionMassStatus:
        """Return the whole account and let the ledger know what it contains.

        Raises
        ------
        AdapterError
            A read failed, or the parts do not fit together.
        """
        desk = self._desk
        minutes = lookback_mins or desk.config.lookback_hours * 60
        since_s = desk.now_ns() // _NS - int(minutes * 60)
        found = await desk.reader.snapshot(since_s=since_s)
        await desk.ensure_instruments(found.tickers() | desk.client.tickers_held())
        told = self._meanings(found)
        mass = ExecutionMassStatus(
            client_id=desk.client.id,
            account_id=desk.client.account_id,
            venue=parsing.VENUE,
            report_id=UUID4(),
            ts_init=desk.now_ns(),
        )
        mass.add_order_reports(self._order_reports(found, told))
        mass.add_fill_reports(self._fill_reports(found, told))
        mass.add_position_reports(self._position_reports(found, told))
        self._adopt(found, told)
        desk.reconciled = True
        self._resolver.want_reconciliation()
        return mass

    def _meanings(self, found: AccountSnapshot) -> dict[str, Attribution]:
        known = {
            order_id: meaning
            for order_id, record in found.orders.items()
            if (meaning := self._desk.known_meaning(record)) is not None
        }
        return found.attributions(known)

    def _order_reports(
        self, found: AccountSnapshot, told: dict[str, Attribution]
    ) -> list[OrderStatusReport]:
        made = []
        for order_id, record in found.orders.items():
            report = reports.order_report(
                record,
                told[order_id],
                found.fills.get(order_id, []),
                account_id=self._desk.client.account_id,
                ts_init=self._desk.now_ns(),
            )
            client_id = self._desk.client_id_of(record)
            report.client_order_id = self._desk.cached_order_id(client_id)
            made.append(report)
        return made

    def _fill_reports(
        self, found: AccountSnapshot, told: dict[str, Attribution]
    ) -> list[FillReport]:
        """Return fills oldest first: the engine drops a fill older than one it has applied."""
        executions = [fill for fills in found.fills.values() for fill in fills]
        executions.sort(key=lambda f: (f.ts_ns, f.trade_id))
        return [
            reports.fill_report(
                execution,
                told[execution.order_id],
                account_id=self._desk.client.account_id,
                ts_init=self._desk.now_ns(),
                client_id=self._desk.cached_order_id(
                    self._desk.client_id_of(found.orders[execution.order_id])
                ).value,
            )
            for execution in executions
        ]

    def _position_reports(
        self, found: AccountSnapshot, told: dict[str, Attribution]
    ) -> list[PositionStatusReport]:
        """Return positions that the fills do not explain, and only those.

        Where a position is reported the engine keeps only the fills since the position was last
        flat, or replaces them by one of its own with a price of zero and no fee. Fills that explain
        the position in full need no report beside them.
        """
        desk = self._desk
        tickers = found.tickers() | desk.client.tickers_held()
        held = {ticker: desk.cached_holdings(ticker) for ticker in tickers}
        for order_id, fills in found.fills.items():
            client_id = desk.client_id_of(found.orders[order_id])
            booked = desk.client.known_trades(client_id)
            for fill in fills:
                if fill.trade_id not in booked:
                    held[fill.ticker] = _after(
                        held.get(fill.ticker, Gross(0, 0)), told[order_id], fill.size_u
                    )
        made: list[PositionStatusReport] = []
        for ticker in sorted(held):
            # A settled position is kept as held: its settlement is booked right after.
            settled = ticker in found.settled
            net_u = held[ticker].net if settled else found.net_u.get(ticker, 0)
            now = gross(net_u, held[ticker])
            desk.holdings.adopt(ticker, now)
            if now != held[ticker]:
                cost = found.cost.get(ticker)
                made.extend(self._legs(ticker, now, None, average=_average(cost, now)))
        return made

    def _adopt(self, found: AccountSnapshot, told: dict[str, Attribution]) -> None:
        desk = self._desk
        for order_id, record in found.orders.items():
            client_id = desk.client_id_of(record)
            desk.events.remember(client_id, told[order_id])
            fills = found.fills.get(order_id, [])
            effects = desk.ledger.adopt(
                client_id,
                from_units(reports.total_units(record)),
                order_id,
                trades={fill.trade_id: from_units(fill.size_u) for fill in fills},
                phase=_PHASES[record.status],
            )
            desk.events.apply(effects, desk.now_ns())
            if record.status != "resting":
                desk.doubts.close(client_id)

    # -- afterwards

    async def order(self, command: GenerateOrderStatusReport) -> OrderStatusReport | None:
        """Return one order's report; None only if the venue certainly has none.

        Raises
        ------
        AdapterError
            It cannot be told now.
        """
        desk = self._desk
        client_id = desk.events.origin(command.client_order_id) if command.client_order_id else ""
        venue_id = command.venue_order_id.value if command.venue_order_id else ""
        tracked = desk.ledger.find(client_id=client_id, venue_id=venue_id)
        if tracked is None:
            return None
        record = await self._resolver.lookup(tracked)
        if record is None:
            if tracked.phase is Phase.REJECTED:
                return None
            raise TransportError(f"{tracked.client_id}: Kalshi does not show the order now")
        order = desk.events.order(tracked.client_id)
        if order is not None:
            desk.doubts.raise_(tracked.client_id, Question.FILLS, desk.now_ns(), wait_s=0.0)
            return self._belief(order)
        fills = await desk.reader.fills_of(record.order_id)
        return reports.order_report(
            record,
            desk.meaning_of(record),
            fills,
            account_id=desk.client.account_id,
            ts_init=desk.now_ns(),
        )

    async def orders(self, command: GenerateOrderStatusReports) -> list[OrderStatusReport]:
        """Return resting orders, or with ``open_only`` off also what changed lately."""
        desk = self._desk
        resting = await desk.reader.resting()
        made: list[OrderStatusReport] = []
        for record in resting.values():
            tracked = desk.ledger.find(
                client_id=record.client_order_id or "", venue_id=record.order_id
            )
            if tracked is None:
                await self._resolver.adopt(record)
                continue
            order = desk.events.order(tracked.client_id)
            if order is not None and _wanted(order.instrument_id, command.instrument_id):
                made.append(self._belief(order))
        return made

    async def fills(self, command: GenerateFillReports) -> list[FillReport]:
        """Return fills since the command's start, of orders that are known here."""
        desk = self._desk
        start = command.start
        since_s = (
            int(start.timestamp())
            if start is not None
            else desk.now_ns() // _NS - int(desk.config.lookback_hours * 3600)
        )
        await self._resolver.collect_fills()
        made: list[FillReport] = []
        for execution in await desk.reader.fills_since(since_s):
            tracked = desk.ledger.find(venue_id=execution.order_id)
            told = desk.events.meaning(tracked.client_id) if tracked is not None else None
            if tracked is None or told is None:
                continue
            instrument_id = parsing.instrument_id(execution.ticker, told.leg)
            if not _wanted(instrument_id, command.instrument_id):
                continue
            made.append(
                reports.fill_report(
                    execution,
                    told,
                    account_id=desk.client.account_id,
                    ts_init=desk.now_ns(),
                    client_id=desk.cached_order_id(tracked.client_id).value,
                )
            )
        return made

    async def positions(self, command: GeneratePositionStatusReports) -> list[PositionStatusReport]:
        """Return both legs of every market held there or here.

        Fills are collected first, and a difference is read again before it is believed: the read
        model lags, and a position report with a fill too many makes the engine invent one.
        """
        desk = self._desk
        net_u: dict[str, int] = {}
        for attempt in range(_NET_ATTEMPTS):
            await self._resolver.collect_fills()
            net_u = await desk.reader.net()
            if not self._differing(net_u):
                break
            await asyncio.sleep(0.5 * attempt)
        await self._resolver.settle()
        await desk.ensure_instruments({ticker for ticker, n in net_u.items() if n})
        made: list[PositionStatusReport] = []
        for ticker in sorted(
            set(net_u) | set(desk.holdings.tickers()) | desk.client.tickers_held()
        ):
            held = desk.holdings.of(ticker)
            now = gross(net_u.get(ticker, 0), held)
            if now != held:
                desk.log.warning(f"{ticker}: held {held} here, Kalshi says {net_u.get(ticker, 0)}")
                desk.holdings.adopt(ticker, now)
            if ticker in desk.provider.markets:
                made.extend(self._legs(ticker, now, command.instrument_id))
        return made

    def _differing(self, net_u: dict[str, int]) -> list[str]:
        holdings = self._desk.holdings
        tickers = set(net_u) | set(holdings.tickers())
        return [t for t in tickers if holdings.of(t).net != net_u.get(t, 0)]

    def _legs(
        self,
        ticker: str,
        held: Gross,
        wanted: InstrumentId | None,
        *,
        average: Decimal | None = None,
    ) -> list[PositionStatusReport]:
        sizes = {Leg.YES: held.yes, Leg.NO: held.no}
        return [
            reports.position_report(
                ticker,
                leg,
                size_u,
                account_id=self._desk.client.account_id,
                ts_ns=self._desk.now_ns(),
                average=average if size_u else None,
            )
            for leg, size_u in sizes.items()
            if _wanted(parsing.instrument_id(ticker, leg), wanted)
        ]

    def _belief(self, order: Order) -> OrderStatusReport:
        """Return a report that tells the engine what it believes already."""
        now_ns = self._desk.now_ns()
        return OrderStatusReport(
            account_id=self._desk.client.account_id,
            instrument_id=order.instrument_id,
            venue_order_id=order.venue_order_id,
            client_order_id=ClientOrderId(order.client_order_id.value),
            order_side=order.side,
            order_type=order.order_type,
            time_in_force=order.time_in_force,
            order_status=order.status,
            price=order.price,
            quantity=order.quantity,
            filled_qty=order.filled_qty,
            avg_px=None if order.avg_px is None else parsing.float_decimal(order.avg_px),
            report_id=UUID4(),
            ts_accepted=order.ts_accepted or now_ns,
            ts_last=order.ts_last,
            ts_init=now_ns,
        )


def _after(held: Gross, told: Attribution, size_u: int) -> Gross:
    signed_u = size_u if told.buy else -size_u
    if told.leg is Leg.YES:
        return Gross(held.yes + signed_u, held.no)
    return Gross(held.yes, held.no + signed_u)


def _average(cost: Decimal | None, held: Gross) -> Decimal | None:
    """Return the venue's cost per contract of a position on one leg, None if it cannot be told."""
    size_u = max(held)
    if cost is None or not size_u or min(held):
        return None
    return (cost / from_units(size_u)).quantize(Decimal("0.0001"))


def _wanted(instrument_id: InstrumentId, wanted: InstrumentId | None) -> bool:
    return wanted is None or instrument_id == wanted
