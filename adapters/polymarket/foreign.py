"""Orders of this wallet that this process did not place: by hand, by another process, before."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any, Final

from nautilus_trader.execution.reports import OrderStatusReport

from adapters.polymarket.fills import Fill
from adapters.polymarket.http import ClobClient
from adapters.polymarket.reconcile import Reconciler
from adapters.polymarket.tracker import OrderTracker
from adapters.polymarket.user import OrderRecord, OrderState

_WAIT_NS: Final = 3_000_000_000
_ZERO: Final = Decimal(0)


class ForeignOrders:
    """Reports orders nobody here knows, a few seconds after the first news of them.

    Parameters
    ----------
    adopt : callable
        Tracks an order the engine has made meanwhile; returns None when it has none.
    order_report : callable
        Makes a report of a record with a filled quantity.
    send : callable
        Hands a report to the engine.
    """

    def __init__(
        self,
        *,
        clob: ClobClient,
        tracker: OrderTracker,
        reconciler: Reconciler,
        adopt: Callable[[str], object | None],
        order_report: Callable[[OrderRecord, Decimal], OrderStatusReport],
        load_markets: Callable[[set[str]], Awaitable[None]],
        send: Callable[[Any], None],
        clock_ns: Callable[[], int],
    ) -> None:
        self._clob = clob
        self._tracker = tracker
        self._reconciler = reconciler
        self._adopt = adopt
        self._order_report = order_report
        self._load_markets = load_markets
        self._send = send
        self._clock_ns = clock_ns
        self._waiting: dict[str, tuple[OrderRecord | None, int]] = {}

    def saw_order(self, record: OrderRecord) -> None:
        """Note an order record of an unknown order."""
        known = self._waiting.get(record.order_id, (None, self._clock_ns()))
        self._waiting[record.order_id] = (record, known[1])

    def saw_fill(self, fill: Fill) -> None:
        """Note a fill of an unknown order; the ledger holds it."""
        self._waiting.setdefault(fill.order_id, (None, self._clock_ns()))

    async def report_due(self, now_ns: int) -> None:
        """Report orders placed by somebody else with this wallet, a few seconds after the news.

        Our own orders are registered before they are sent, so what is unknown after the wait is
        not ours. The engine makes an external order of the report; fills follow when it exists.
        """
        due = [i for i, (_, at) in self._waiting.items() if now_ns - at >= _WAIT_NS]
        for order_id in due:
            record, _ = self._waiting.pop(order_id)
            if self._adopt(order_id):
                continue
            if record is None:
                row = await self._clob.order(order_id)
                record = self._reconciler.order_records([row])[0] if row else None
            parked = [f for f in self._tracker.parked() if f.order_id == order_id]
            if record is None and not parked:
                continue
            if record is not None and record.state is not OrderState.LIVE and not parked:
                continue  # ended without a fill of ours
            await self._load_markets({record.asset_id if record else parked[0].asset_id})
            self._send(self._external_report(record, parked, order_id))
            self._waiting[order_id] = (record, now_ns)

    def _external_report(
        self, record: OrderRecord | None, parked: list[Fill], order_id: str
    ) -> OrderStatusReport:
        if record is None:
            fill = parked[0]
            record = OrderRecord(
                order_id=order_id,
                state=OrderState.LIVE,
                reason="",
                is_placement=False,
                market=fill.market,
                asset_id=fill.asset_id,
                side=fill.side,
                price=fill.price,
                original_size=sum((f.size for f in parked), _ZERO),
                size_matched=None,
                order_type="GTC",
                expiration_s=0,
                ts_event_ns=fill.matched_ns,
            )
        return self._order_report(record._replace(state=OrderState.LIVE), _ZERO)
