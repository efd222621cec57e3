"""Reports for the engine's reconciliation.

Each raises when it cannot be complete: a list with something missing makes the engine invent
positions or give live orders up.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from decimal import Decimal

from nautilus_trader.cache.cache import Cache
from nautilus_trader.execution.messages import (
    GenerateFillReports,
    GenerateOrderStatusReport,
    GenerateOrderStatusReports,
    GeneratePositionStatusReports,
)
from nautilus_trader.execution.reports import FillReport, OrderStatusReport, PositionStatusReport
from nautilus_trader.model.identifiers import AccountId, ClientOrderId, VenueOrderId
from nautilus_trader.model.orders import Order

from adapters.polymarket import parsing
from adapters.polymarket.fills import Fill
from adapters.polymarket.http import ClobClient
from adapters.polymarket.hub import PolymarketHub
from adapters.polymarket.order_log import LoggedOrder
from adapters.polymarket.reconcile import Reconciler
from adapters.polymarket.tracker import OrderTracker
from adapters.polymarket.user import OrderRecord

_ZERO = Decimal(0)


class Reports:
    """Makes order, fill and position reports.

    Attributes
    ----------
    logged : dict
        Orders of the write-ahead log by hash: whose order an id belongs to after a restart.
    settled : set
        Outcomes whose positions were closed at resolution; their shares wait to be redeemed.
    average_prices : dict
        What was paid per share before this process, as the Data API says; prices what the engine
        takes over at the start.
    """

    def __init__(
        self,
        *,
        hub: PolymarketHub,
        clob: ClobClient,
        tracker: OrderTracker,
        reconciler: Reconciler,
        cache: Cache,
        account_id: AccountId,
        clock_ns: Callable[[], int],
        fee: Callable[[Fill], Decimal],
        order_of: Callable[[str], Order | None],
        load_markets: Callable[[set[str]], Awaitable[None]],
    ) -> None:
        self._hub = hub
        self._clob = clob
        self._tracker = tracker
        self._reconciler = reconciler
        self._cache = cache
        self._account_id = account_id
        self._clock_ns = clock_ns
        self._fee = fee
        self._order_of = order_of
        self._load_markets = load_markets
        self._lookback_s = reconciler.lookback_s
        self.logged: dict[str, LoggedOrder] = {}
        self.settled: set[str] = set()
        self.average_prices: dict[str, Decimal] = {}

    def _order_id_of(self, client_order_id: ClientOrderId) -> str | None:
        return order_id_of(self._tracker, self._cache, client_order_id)

    async def order(self, command: GenerateOrderStatusReport) -> OrderStatusReport | None:
        """Ask about one order; None when the venue does not know it."""
        order_id = command.venue_order_id.value if command.venue_order_id else None
        if order_id is None and command.client_order_id is not None:
            order_id = self._order_id_of(command.client_order_id)
        if order_id is None:
            return None
        tracked = self._tracker.by_id(order_id)
        if tracked is not None:
            await self._reconciler.check(tracked)
        row = await self._clob.order(order_id)
        if row is None:
            return None
        record = self._reconciler.order_records([row])[0]
        return self.order_report(record)

    async def orders(self, command: GenerateOrderStatusReports) -> list[OrderStatusReport]:
        """Report the venue's open orders; raises when they cannot all be read."""
        listed = await self._reconciler.everything()
        await self._load_markets({record.asset_id for record in listed.values()})
        wanted = command.instrument_id
        return [
            self.order_report(record)
            for record in listed.values()
            if wanted is None or wanted.symbol.value == record.asset_id
        ]

    async def fills(self, command: GenerateFillReports) -> list[FillReport]:
        """Report our fills that stand, provisional ones included; raises on any failure."""
        start_s = int(command.start.timestamp()) if command.start is not None else None
        after_s = start_s or self._hub.now_s() - self._lookback_s
        fills = await self._reconciler.standing_fills(after_s)
        wanted = command.instrument_id
        await self._load_markets({fill.asset_id for fill in fills})
        return [
            self.fill_report(fill)
            for fill in fills
            if (wanted is None or wanted.symbol.value == fill.asset_id)
            and (command.venue_order_id is None or command.venue_order_id.value == fill.order_id)
        ]

    async def positions(self, command: GeneratePositionStatusReports) -> list[PositionStatusReport]:
        """Report shares held, provisional ones included; raises when a balance cannot be read."""
        if command.instrument_id is not None:
            assets = {command.instrument_id.symbol.value}
        else:
            assets = self._tracker.holdings.assets()
            assets |= {
                p.instrument_id.symbol.value
                for p in self._cache.positions_open(venue=parsing.VENUE)
            }
        await self._load_markets(assets)
        reports = []
        for asset_id in sorted(assets):
            if asset_id not in self.settled:
                await self._reconciler.check_holding(asset_id)
            shares = _ZERO if asset_id in self.settled else self._tracker.holdings.shares(asset_id)
            if self._hub.provider.market(asset_id) is not None:
                reports.append(
                    parsing.position_report(
                        asset_id,
                        shares,
                        account_id=self._account_id,
                        ts_ns=self._clock_ns(),
                        avg_px=self.average_prices.get(asset_id),
                    )
                )
        return reports

    def client_order_id(self, order_id: str) -> ClientOrderId | None:
        """Return our id of an order, from this process, the cache or the order log."""
        tracked = self._tracker.by_id(order_id)
        if tracked is not None:
            return ClientOrderId(tracked.client_id)
        known = self._cache.client_order_id(VenueOrderId(order_id))
        if known is not None:
            return known
        logged = self.logged.get(order_id)
        return ClientOrderId(logged.client_order_id) if logged else None

    def order_report(self, record: OrderRecord, filled: Decimal | None = None) -> OrderStatusReport:
        """Return the report of an order record; filled is what we booked, never a hint."""
        tracked = self._tracker.by_id(record.order_id)
        order = self._order_of(tracked.client_id) if tracked else None
        booked = self._tracker.fills.booked_size(record.order_id) if filled is None else filled
        if tracked is not None and filled is None:
            booked = self._tracker.filled(tracked.client_id)
        return parsing.order_report(
            record,
            account_id=self._account_id,
            client_order_id=self.client_order_id(record.order_id),
            filled=booked,
            ordered=order.quantity.as_decimal() if order is not None else None,
            avg_px=self._tracker.fills.average_price(record.order_id) if booked else None,
            ts_ns=self._clock_ns(),
        )

    def fill_report(self, fill: Fill) -> FillReport:
        """Return the report of a fill."""
        return parsing.fill_report(
            fill,
            account_id=self._account_id,
            client_order_id=self.client_order_id(fill.order_id),
            commission=self._fee(fill),
            ts_ns=self._clock_ns(),
        )


def order_id_of(tracker: OrderTracker, cache: Cache, client_order_id: ClientOrderId) -> str | None:
    """Return the venue's id of an order, or None when it was never signed."""
    tracked = tracker.by_client(client_order_id.value)
    if tracked is not None:
        return tracked.order_id
    venue_order_id = cache.venue_order_id(client_order_id)
    return venue_order_id.value if venue_order_id else None
