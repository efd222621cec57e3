"""Orders for Nautilus: commands in, events out; the decisions are in the pure modules.

An order's id is known before it is sent, and written down. Its outcome is Accepted, Rejected on
positive evidence, or Unknown; an Unknown is asked about until the venue has answered, never waited
into one of the other two. Fills are booked at MATCHED and may be taken back.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from nautilus_trader.execution.messages import (
    BatchCancelOrders,
    CancelAllOrders,
    CancelOrder,
    GenerateFillReports,
    GenerateOrderStatusReport,
    GenerateOrderStatusReports,
    GeneratePositionStatusReports,
    ModifyOrder,
    QueryAccount,
    SubmitOrder,
    SubmitOrderList,
)
from nautilus_trader.execution.reports import FillReport, OrderStatusReport, PositionStatusReport
from nautilus_trader.model.enums import OrderSide
from nautilus_trader.model.identifiers import ClientOrderId
from nautilus_trader.model.orders import Order

from adapters.common.errors import AdapterError
from adapters.common.outcome import Accepted, Outcome, Rejected, Unknown
from adapters.polymarket.account_client import PolymarketAccountClient
from adapters.polymarket.constants import (
    POST_ORDERS_MAX,
)
from adapters.polymarket.orders import Denied
from adapters.polymarket.refusals import STOPS_TRADING, Code
from adapters.polymarket.reports import order_id_of
from adapters.polymarket.schemas.clob import OrderReply
from adapters.polymarket.submission import Prepared

_NS = 1_000_000_000
_ZERO = Decimal(0)
_TICK_S = 0.25
_FOREIGN_WAIT_NS = 3 * _NS
_ELIGIBILITY_EVERY_NS = 300 * _NS


class PolymarketExecutionClient(PolymarketAccountClient):
    """Trades one wallet with one API key."""

    # -- commands: submit -------------------------------------------------------------------------

    async def _submit_order(self, command: SubmitOrder) -> None:
        await self._submit([command.order])

    async def _submit_order_list(self, command: SubmitOrderList) -> None:
        await self._submit(command.order_list.orders)

    async def _submit(self, orders: Sequence[Order]) -> None:
        """Send 1 to n orders: the one path for single orders and lists."""
        prepared: list[Prepared] = []
        for order in orders:
            if order.is_closed:
                continue
            try:
                if not self._ready:
                    raise Denied("the account has not been read yet")
                prepared.append(await self._desk.prepare(order))
            except AdapterError as exc:
                self.events.denied(order, str(exc))
        for start in range(0, len(prepared), POST_ORDERS_MAX):
            await self._send(prepared[start : start + POST_ORDERS_MAX])

    async def _send(self, batch: list[Prepared]) -> None:
        try:
            self._desk.write_down(batch)
        except OSError as exc:
            for item in batch:
                self.tracker.forget_unsent(item.order.client_order_id.value)
                self.events.denied(item.order, f"the order log cannot be written: {exc}")
            return
        for item in batch:
            self.events.submitted(item.order)
        order_ids = [item.signed.order_hash for item in batch]
        outcomes = await self._clob.post_orders([item.body for item in batch], order_ids)
        for item, outcome in zip(batch, outcomes, strict=True):
            self._on_outcome(item, outcome)

    def _on_outcome(self, item: Prepared, outcome: Outcome[OrderReply]) -> None:
        client_id = item.order.client_order_id.value
        order_id = item.signed.order_hash
        if isinstance(outcome, Accepted):
            self._apply(self.tracker.reply(client_id, outcome.value, self._clock.timestamp_ns()))
            self._follow_up(item, (outcome.value.status or "").lower())
        elif isinstance(outcome, Unknown):
            self._log.warning(f"Outcome of {client_id} unknown, asking: {outcome.reason}")
            self.tracker.ledger.doubted(client_id)
            self._check_later(order_id, self._config.resolve_interval_s)
        elif outcome.code == Code.KILLED:
            self._apply(self.tracker.killed(client_id, self._clock.timestamp_ns()))
        else:
            self._on_refused(item, outcome)

    def _follow_up(self, item: Prepared, status: str) -> None:
        """See to what an answer leaves open: trades to come, a rest to cancel, a delay to end."""
        order_id = item.signed.order_hash
        if item.plan.cancel_rest:
            self._check_later(order_id, 0.0)
        elif status == "delayed" or (item.plan.order_type in ("FAK", "FOK") and status == "live"):
            market = self._provider.market(item.plan.fields.token_id)
            delay = market.seconds_delay if market and market.seconds_delay else Decimal(1)
            self._check_later(order_id, float(delay) + 1.0)
        elif status == "matched":
            self._check_later(order_id, self._config.fill_wait_s)

    def _on_refused(self, item: Prepared, refused: Rejected) -> None:
        client_id = item.order.client_order_id.value
        asset_id = item.plan.fields.token_id
        if refused.code == Code.TICK:
            self._hub.ticks.doubt(asset_id)
        elif refused.code == Code.BALANCE:
            self._round_due.set()
        if refused.code in STOPS_TRADING:
            self._asked_eligibility_ns = 0
        self._apply(self.tracker.ledger_refused(client_id, refused.code, refused.reason))

    # -- commands: cancel and query ---------------------------------------------------------------

    async def _modify_order(self, command: ModifyOrder) -> None:
        order = self._cache.order(command.client_order_id)
        self.generate_order_modify_rejected(
            command.strategy_id,
            command.instrument_id,
            command.client_order_id,
            order.venue_order_id if order else command.venue_order_id,
            "the venue cannot change an order: cancel it and send a new one",
            self._clock.timestamp_ns(),
        )

    async def _cancel_order(self, command: CancelOrder) -> None:
        await self._cancel_commanded([command.client_order_id])

    async def _batch_cancel_orders(self, command: BatchCancelOrders) -> None:
        await self._cancel_commanded([cancel.client_order_id for cancel in command.cancels])

    async def _cancel_all_orders(self, command: CancelAllOrders) -> None:
        orders = self._cache.orders_open(
            instrument_id=command.instrument_id, strategy_id=command.strategy_id
        ) + self._cache.orders_inflight(
            instrument_id=command.instrument_id, strategy_id=command.strategy_id
        )
        wanted = {
            order.client_order_id: None
            for order in orders
            if command.order_side in (OrderSide.NO_ORDER_SIDE, order.side)
        }
        await self._cancel_commanded(list(wanted))

    async def _cancel_commanded(self, client_order_ids: list[ClientOrderId]) -> None:
        ids: list[str] = []
        for client_order_id in client_order_ids:
            found = order_id_of(self.tracker, self._cache, client_order_id)
            order = self._cache.order(client_order_id)
            if found is not None:
                ids.append(found)
            elif order is not None:
                self.events.cancel_rejected(order, "the order's id at the venue is not known")
        if ids:
            await self._cancel(ids)

    async def _query_account(self, command: QueryAccount) -> None:
        del command
        await self._publish_account()

    # -- reports ----------------------------------------------------------------------------------

    async def generate_order_status_report(
        self, command: GenerateOrderStatusReport
    ) -> OrderStatusReport | None:
        """Ask about one order; None when the venue does not know it."""
        return await self.reports.order(command)

    async def generate_order_status_reports(
        self, command: GenerateOrderStatusReports
    ) -> list[OrderStatusReport]:
        """Report the venue's open orders; raises when they cannot all be read."""
        return await self.reports.orders(command)

    async def generate_fill_reports(self, command: GenerateFillReports) -> list[FillReport]:
        """Report our fills that stand, provisional ones included; raises on any failure."""
        return await self.reports.fills(command)

    async def generate_position_status_reports(
        self, command: GeneratePositionStatusReports
    ) -> list[PositionStatusReport]:
        """Report shares held, provisional ones included; raises when a balance cannot be read."""
        return await self.reports.positions(command)
