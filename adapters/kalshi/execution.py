"""Execution on Kalshi for Nautilus: commands out, events in.

Every command ends in Accepted, Rejected or Unknown, and Unknown is settled by asking
(:mod:`adapters.kalshi.resolver`). What the stream and the reads say meets in one ledger
(:mod:`adapters.common.ledger`), which decides what is emitted and in which order.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from decimal import Decimal
from typing import override

from nautilus_trader.cache.cache import Cache
from nautilus_trader.common.component import LiveClock, MessageBus
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
    QueryOrder,
    SubmitOrder,
    SubmitOrderList,
)
from nautilus_trader.execution.reports import (
    ExecutionMassStatus,
    FillReport,
    OrderStatusReport,
    PositionStatusReport,
)
from nautilus_trader.live.execution_client import LiveExecutionClient
from nautilus_trader.model.enums import (
    AccountType,
    LiquiditySide,
    OmsType,
    OrderSide,
    TimeInForce,
)
from nautilus_trader.model.events import OrderCanceled, OrderEvent, OrderRejected
from nautilus_trader.model.identifiers import (
    AccountId,
    ClientId,
    ClientOrderId,
    InstrumentId,
    VenueOrderId,
)
from nautilus_trader.model.instruments import Instrument
from nautilus_trader.model.objects import AccountBalance, Money, Price, Quantity
from nautilus_trader.model.orders import Order
from nautilus_trader.model.position import Position

from adapters.common.currencies import usd
from adapters.common.errors import AdapterError, UsageError
from adapters.common.ledger import OrderLedger, Phase
from adapters.common.outcome import Accepted, Outcome, Rejected
from adapters.common.transport import WsTransport
from adapters.kalshi import cash, fills, parsing, replies, wishes
from adapters.kalshi.commands import Commands
from adapters.kalshi.config import KalshiExecClientConfig
from adapters.kalshi.credentials import Credential
from adapters.kalshi.desk import Desk
from adapters.kalshi.doubts import Doubts, Question
from adapters.kalshi.http import KalshiHttp
from adapters.kalshi.netting import Holdings
from adapters.kalshi.numbers import units
from adapters.kalshi.order_events import OrderEvents
from adapters.kalshi.orders import Denied
from adapters.kalshi.protocol import Channel, CommandFailed, Event
from adapters.kalshi.providers import KalshiInstrumentProvider
from adapters.kalshi.reading import AccountReader
from adapters.kalshi.resolver import Resolver
from adapters.kalshi.schemas import rest, ws
from adapters.kalshi.status import StatusReports
from adapters.kalshi.websocket import KalshiStream
from core.money import from_units

_NS = 1_000_000_000


class KalshiExecutionClient(LiveExecutionClient):
    """Kalshi's execution client.

    Parameters
    ----------
    http : KalshiHttp
        Shared with the data client of the same key.
    """

    def __init__(
        self,
        *,
        loop: asyncio.AbstractEventLoop,
        client_id: ClientId,
        http: KalshiHttp,
        transport: WsTransport,
        ws_url: str,
        credential: Credential,
        msgbus: MessageBus,
        cache: Cache,
        clock: LiveClock,
        provider: KalshiInstrumentProvider,
        config: KalshiExecClientConfig,
    ) -> None:
        super().__init__(
            loop=loop,
            client_id=client_id,
            venue=parsing.VENUE,
            oms_type=OmsType.NETTING,
            account_type=AccountType.CASH,
            base_currency=None,
            instrument_provider=provider,
            msgbus=msgbus,
            cache=cache,
            clock=clock,
            config=config,
        )
        self._set_account_id(AccountId(f"{client_id.value}-{config.subaccount + 1:03d}"))
        ledger, holdings = OrderLedger(), Holdings()
        events = OrderEvents(
            self,
            ledger,
            holdings,
            on_need=self._on_need,
            on_park=self._on_park,
            on_revived=self._on_revived,
        )
        self.desk = Desk(
            client=self,
            config=config,
            cache=cache,
            log=self._log,
            now_ns=clock.timestamp_ns,
            http=http,
            provider=provider,
            reader=AccountReader(http, subaccount=config.subaccount, clock_ns=clock.timestamp_ns),
            commands=Commands(http, subaccount=config.subaccount),
            ledger=ledger,
            holdings=holdings,
            events=events,
            doubts=Doubts(int(config.resolve_interval_s * _NS)),
        )
        self.resolver = Resolver(self.desk)
        self.status_reports = StatusReports(self.desk, self.resolver)
        self._opened = asyncio.Event()
        self._account_told: cash.Cash | None = None
        self.stream = KalshiStream(
            name="user-data",
            url=ws_url,
            credential=credential,
            transport=transport,
            clock_ns=clock.timestamp_ns,
            on_event=self._on_event,
            on_state=self._on_state,
            idle_timeout_s=config.idle_timeout_s,
        )

    # -- connection

    async def _connect(self) -> None:
        await self.desk.http.load_limits()
        await self._instrument_provider.initialize()
        for ticker in self.desk.provider.markets:
            self.desk.publish_instruments(ticker)
        self.status_reports.adopt_cached()
        await self.refresh_account()
        await self._await_account_registered()
        self._msgbus.subscribe(topic="events.order.*", handler=self._on_order_event)
        for channel in (Channel.FILL, Channel.USER_ORDERS, Channel.LIFECYCLE):
            self.stream.protocol.want(channel)
        self.create_task(self.stream.run(), log_msg="user-stream")
        await self.stream.wait_open(self._opened)
        self.create_task(self.resolver.run(), log_msg="resolver")

    async def _disconnect(self) -> None:
        self._msgbus.unsubscribe(topic="events.order.*", handler=self._on_order_event)
        await self.stream.close()
        await self.desk.http.close()

    # -- what the parts of this client use

    def now_ns(self) -> int:
        """Return the clock's time in nanoseconds UTC."""
        return self._clock.timestamp_ns()

    def cached_order(self, client_order_id: ClientOrderId) -> Order | None:
        """Return an order of the cache."""
        return self._cache.order(client_order_id)

    def open_positions(self, instrument_id: InstrumentId) -> list[Position]:
        """Return the open positions of an instrument, whoever owns them."""
        return self._cache.positions_open(None, instrument_id)

    def tickers_held(self) -> set[str]:
        """Return the markets in which a position is open."""
        positions = self._cache.positions_open(self.venue)
        return {parsing.market_leg(p.instrument_id)[0] for p in positions}

    def add_order(self, order: Order) -> None:
        """Put an order made by the adapter into the cache."""
        self._cache.add_order(order, None, self.id)

    def known_trades(self, client_id: str) -> set[str]:
        """Return the trade ids that the framework has booked on an order."""
        order = self.desk.events.order(client_id)
        return {t.value for t in order.trade_ids} if order is not None else set()

    def send_order_report(self, report: OrderStatusReport) -> None:
        """Hand the engine an order that was placed elsewhere."""
        self._send_order_status_report(report)

    def send_fill_report(self, report: FillReport) -> None:
        """Hand the engine a fill of an order that was placed elsewhere."""
        self._send_fill_report(report)

    def reject_cancel(self, client_id: str, reason: str) -> None:
        """Tell the owner that an order was not cancelled."""
        order = self.desk.events.order(client_id)
        if order is not None and not order.is_closed:
            self.generate_order_cancel_rejected(
                order.strategy_id,
                order.instrument_id,
                order.client_order_id,
                order.venue_order_id,
                reason,
                self.now_ns(),
            )

    def reject_modify(self, client_id: str, reason: str) -> None:
        """Tell the owner that an order was not changed."""
        order = self.desk.events.order(client_id)
        if order is not None and not order.is_closed:
            self.generate_order_modify_rejected(
                order.strategy_id,
                order.instrument_id,
                order.client_order_id,
                order.venue_order_id,
                reason,
                self.now_ns(),
            )

    def confirm_modify(self, client_id: str, price_u: int, total_u: int) -> None:
        """Tell the owner that an order was changed, and adopt its new size."""
        self._updated(client_id, parsing.quantity(total_u), parsing.price(price_u), self.now_ns())
        effects = self.desk.ledger.resized(client_id, from_units(total_u))
        self.desk.events.apply(effects, self.now_ns())

    def resize(self, client_id: str, quantity: Decimal, ts_ns: int) -> None:
        """Tell the owner that an order became smaller than was known."""
        order = self.desk.events.order(client_id)
        if order is not None:
            size = parsing.quantity(int(quantity.scaleb(6)))
            self._updated(client_id, size, order.price, ts_ns)

    def _updated(self, client_id: str, quantity: Quantity, price: Price, ts_ns: int) -> None:
        order = self.desk.events.order(client_id)
        tracked = self.desk.ledger.find(client_id=client_id)
        if order is None or tracked is None:
            return
        self.generate_order_updated(
            order.strategy_id,
            order.instrument_id,
            order.client_order_id,
            VenueOrderId(tracked.venue_id),
            quantity,
            price,
            None,
            ts_ns,
        )

    async def refresh_account(self) -> None:
        """Read cash, in total and by shard, and publish it if it differs from what was told."""
        told = await cash.read(self.desk)
        if told == self._account_told:
            return
        self._account_told = told
        free = told.total - told.locked
        self.generate_account_state(
            [
                AccountBalance(
                    Money(told.total, usd()), Money(told.locked, usd()), Money(free, usd())
                )
            ],
            [],
            True,
            self.now_ns(),
            {"shards": told.shards},
        )

    def calculate_commission(
        self,
        instrument: Instrument,
        last_qty: Quantity,
        last_px: Price,
        liquidity_side: LiquiditySide,
    ) -> Money | None:
        """Return the fee of a fill that the engine had to infer, by the market's own terms."""
        fee = cash.inferred_fee(
            self.desk,
            instrument.id,
            price=last_px.as_decimal(),
            size=last_qty.as_decimal(),
            taker=liquidity_side != LiquiditySide.MAKER,
        )
        return None if fee is None else Money(fee, usd())

    # -- news

    def _on_state(self, connected: bool) -> None:
        if connected:
            self._opened.set()
            # Private channels carry no sequence: only a comparison tells what was missed.
            self.resolver.want_reconciliation()
        else:
            self._log.warning(f"User stream lost: {self.stream.health.reason}")

    def _on_event(self, event: Event, now_ns: int) -> None:
        if isinstance(event, ws.FillMsg):
            if event.subaccount in (None, self.desk.config.subaccount):
                self._on_fill(fills.from_stream(event, now_ns))
        elif isinstance(event, ws.UserOrderMsg):
            if event.subaccount_number in (None, self.desk.config.subaccount):
                self._on_user_order(event, now_ns)
        elif isinstance(event, ws.LifecycleMsg):
            if event.event_type == "settled":
                self.resolver.want_settlement(event.market_ticker)
        elif isinstance(event, CommandFailed):
            self._log.error(f"{event.command} refused: {event.code} {event.text}")

    def _on_fill(self, execution: fills.Execution) -> None:
        self.desk.events.apply(self.desk.ledger.fill(execution.as_fill()), execution.ts_ns)
        self.resolver.want_cash(0.5)

    def _on_user_order(self, msg: ws.UserOrderMsg, now_ns: int) -> None:
        """Take a state of an order: cumulative, so late or repeated states change nothing."""
        ledger = self.desk.ledger
        tracked = ledger.find(client_id=msg.client_order_id or "", venue_id=msg.order_id)
        if tracked is None:
            return
        client_id = tracked.client_id
        if tracked.phase is Phase.REJECTED or msg.status == "unknown":
            self.desk.doubts.raise_(client_id, Question.ABANDONED, now_ns, wait_s=0.0)
            return
        ts_ms = msg.last_updated_ts_ms or msg.created_ts_ms
        ts_ns = now_ns if ts_ms is None else ts_ms * 1_000_000
        filled = from_units(units(msg.fill_count_fp))
        effects = ledger.acknowledged(client_id, msg.order_id)
        if msg.status == "resting":
            effects += ledger.observed(client_id, filled)
        elif msg.status == "executed":
            effects += ledger.closed(client_id, Phase.FILLED, filled)
        else:
            expired = msg.last_update_reason == "ExpiryCancel"
            phase = Phase.EXPIRED if expired else Phase.CANCELED
            effects += ledger.closed(client_id, phase, filled)
        self.desk.events.apply(effects, ts_ns)
        if tracked.is_closed:
            self.desk.doubts.close(client_id)

    def _on_order_event(self, event: OrderEvent) -> None:
        """Notice what the engine decided by itself: our own ends are in the ledger before."""
        if not isinstance(event, (OrderRejected, OrderCanceled)):
            return
        client_id = self.desk.events.origin(event.client_order_id)
        tracked = self.desk.ledger.find(client_id=client_id)
        if event.instrument_id.venue != self.venue or tracked is None or tracked.is_closed:
            return
        self._log.warning(
            f"{event.client_order_id}: the engine gave up ({type(event).__name__}); asking Kalshi"
        )
        if isinstance(event, OrderRejected):
            self.desk.ledger.given_up(client_id)
        self.desk.doubts.raise_(client_id, Question.ABANDONED, self.now_ns(), wait_s=0.0)

    def _on_need(self, client_id: str) -> None:
        # The stream usually brings the fills within milliseconds; ask only if it does not.
        self.desk.doubts.raise_(client_id, Question.FILLS, self.now_ns(), wait_s=0.5)

    def _on_park(self, venue_id: str) -> None:
        self.resolver.want_owner(venue_id)

    def _on_revived(self, client_id: str) -> None:
        tracked = self.desk.ledger.find(client_id=client_id)
        if tracked is not None:
            self.desk.events.succeed(client_id, tracked.venue_id, self.now_ns())
            self.desk.doubts.raise_(client_id, Question.ABANDONED, self.now_ns(), wait_s=0.0)

    # -- commands

    async def _submit_order(self, command: SubmitOrder) -> None:
        await self._submit([command.order])

    async def _submit_order_list(self, command: SubmitOrderList) -> None:
        await self._submit(command.order_list.orders)

    async def _submit(self, orders: Sequence[Order]) -> None:
        """Send n ≥ 1 orders: deny what must not go, announce the rest, then send."""
        requests: list[dict[str, object]] = []
        sent: list[Order] = []
        for order in orders:
            request = wishes.create_request(self.desk, order)
            if isinstance(request, Denied):
                self._deny(order, request.reason)
                continue
            try:
                self.desk.ledger.submit(order.client_order_id.value, order.quantity.as_decimal())
            except UsageError as exc:
                self._deny(order, str(exc))
                continue
            self.generate_order_submitted(
                order.strategy_id, order.instrument_id, order.client_order_id, self.now_ns()
            )
            requests.append(request)
            sent.append(order)
        if not sent:
            return
        ids = {order.client_order_id.value for order in sent}
        self.desk.inflight |= ids
        try:
            outcomes = await self.desk.commands.create(requests)
        except BaseException:
            # Cancelled while waiting: the orders may have landed.
            self._doubt_submits(ids)
            raise
        finally:
            self.desk.inflight -= ids
        for order, outcome in zip(sent, outcomes, strict=True):
            self._on_create(order, outcome)

    def _deny(self, order: Order, reason: str) -> None:
        self.generate_order_denied(
            order.strategy_id, order.instrument_id, order.client_order_id, reason, self.now_ns()
        )

    def _doubt_submits(self, client_ids: set[str]) -> None:
        for client_id in client_ids:
            self.desk.ledger.doubted(client_id)
            self.desk.doubts.raise_(client_id, Question.SUBMIT, self.now_ns(), wait_s=0.0)

    def _on_create(self, order: Order, outcome: Outcome[rest.OrderAck]) -> None:
        client_id = order.client_order_id.value
        ledger, now_ns = self.desk.ledger, self.now_ns()
        if isinstance(outcome, Rejected):
            if order.time_in_force == TimeInForce.FOK and replies.is_fok_kill(outcome.code):
                # The venue words a kill as a refusal; for the owner it is the end of a FOK.
                effects = ledger.closed(client_id, Phase.CANCELED, Decimal(0))
            else:
                effects = ledger.refused(client_id, outcome.code, outcome.reason)
            self.desk.events.apply(effects, now_ns)
            return
        if not isinstance(outcome, Accepted):
            self._log.warning(f"{client_id}: outcome unknown ({outcome.reason}); asking Kalshi")
            self._doubt_submits({client_id})
            return
        ack = outcome.value
        ts_ns = (ack.ts_ms or 0) * 1_000_000 or now_ns
        effects = ledger.acknowledged(client_id, ack.order_id)
        filled = from_units(units(ack.fill_count or "0"))
        ended = ack.remaining_count is not None and units(ack.remaining_count) == 0
        if ended and filled < order.quantity.as_decimal():
            effects += ledger.closed(client_id, Phase.CANCELED, filled)
        else:
            effects += ledger.observed(client_id, filled)
        self.desk.events.apply(effects, ts_ns)

    async def _modify_order(self, command: ModifyOrder) -> None:
        client_id = self.desk.events.origin(command.client_order_id)
        change = wishes.change_request(self.desk, client_id, command)
        if isinstance(change, Denied):
            self.reject_modify(client_id, change.reason)
            return
        self.desk.targets[client_id] = (change.price_u, change.total_u)
        send = self.desk.commands.decrease if change.shrinks else self.desk.commands.amend
        outcome = await send(change.venue_id, change.request, shard=change.shard)
        if isinstance(outcome, Accepted):
            self.desk.targets.pop(client_id, None)
            self.confirm_modify(client_id, change.price_u, change.total_u)
            filled = from_units(units(outcome.value.fill_count or "0"))
            self.desk.events.apply(self.desk.ledger.observed(client_id, filled), self.now_ns())
        elif isinstance(outcome, Rejected):
            self.desk.targets.pop(client_id, None)
            self.reject_modify(client_id, f"{outcome.code}: {outcome.reason}")
        else:
            self.desk.doubts.raise_(client_id, Question.MODIFY, self.now_ns(), wait_s=0.1)

    async def _cancel_order(self, command: CancelOrder) -> None:
        await self._cancel([command.client_order_id])

    async def _batch_cancel_orders(self, command: BatchCancelOrders) -> None:
        await self._cancel([cancel.client_order_id for cancel in command.cancels])

    async def _cancel_all_orders(self, command: CancelAllOrders) -> None:
        """Cancel this strategy's open orders one by one id.

        The venue's own cancel-all would also take other strategies' orders, and any order placed
        within the next minute.
        """
        side = None if command.order_side == OrderSide.NO_ORDER_SIDE else command.order_side
        open_orders = [
            *self._cache.orders_open(None, command.instrument_id, command.strategy_id),
            *self._cache.orders_inflight(None, command.instrument_id, command.strategy_id),
        ]
        found = {o.client_order_id: None for o in open_orders if side is None or o.side == side}
        await self._cancel(list(found))

    async def _cancel(self, client_order_ids: Sequence[ClientOrderId]) -> None:
        """Cancel n ≥ 1 orders; an order whose id the venue has not told yet is asked for first."""
        found: list[str] = []
        for client_order_id in client_order_ids:
            client_id = self.desk.events.origin(client_order_id)
            tracked = self.desk.ledger.find(client_id=client_id)
            if tracked is None:
                self.reject_cancel(client_id, "unknown to the Kalshi client")
            elif tracked.is_closed:
                continue  # its end is already on the way to the engine
            elif not tracked.venue_id:
                self.desk.doubts.raise_(client_id, Question.ABANDONED, self.now_ns(), wait_s=0.2)
            else:
                found.append(client_id)
        if not found:
            return
        asked = [wishes.cancel_wish(self.desk, client_id) for client_id in found]
        outcomes = await self.desk.commands.cancel(asked)
        for client_id, outcome in zip(found, outcomes, strict=True):
            self.resolver.on_cancel(client_id, outcome)

    @override
    async def _query_account(self, command: QueryAccount) -> None:
        await self.refresh_account()

    async def _query_order(self, command: QueryOrder) -> None:
        """Ask the venue and let the ledger tell the engine what is new.

        No report is sent: from a report the engine would invent fills with wrong fees.
        """
        client_id = self.desk.events.origin(command.client_order_id)
        tracked = self.desk.ledger.find(client_id=client_id)
        if tracked is None:
            return
        question = Question.FILLS if tracked.venue_id else Question.SUBMIT
        self.desk.doubts.raise_(client_id, question, self.now_ns(), wait_s=0.0)
        try:
            await self.resolver.resolve(client_id)
        except AdapterError as exc:
            self._log.warning(f"{client_id}: cannot be queried now ({exc})")

    # -- reports

    async def generate_mass_status(
        self, lookback_mins: int | None = None
    ) -> ExecutionMassStatus | None:
        """Return orders, fills and positions that agree with one another, None if unreadable."""
        self.reconciliation_active = True
        try:
            return await self.status_reports.mass_status(lookback_mins)
        except (AdapterError, UsageError) as exc:
            self._log.error(f"Cannot read the account: {exc}")
            return None
        finally:
            self.reconciliation_active = False

    async def generate_order_status_report(
        self, command: GenerateOrderStatusReport
    ) -> OrderStatusReport | None:
        """Return one order's report; None only if the venue certainly has no such order."""
        return await self.status_reports.order(command)

    async def generate_order_status_reports(
        self, command: GenerateOrderStatusReports
    ) -> list[OrderStatusReport]:
        """Return reports of orders; raises rather than return a partial list."""
        return await self.status_reports.orders(command)

    async def generate_fill_reports(self, command: GenerateFillReports) -> list[FillReport]:
        """Return reports of fills; raises rather than return a partial list."""
        return await self.status_reports.fills(command)

    async def generate_position_status_reports(
        self, command: GeneratePositionStatusReports
    ) -> list[PositionStatusReport]:
        """Return reports of both legs of every market; raises rather than return a partial list."""
        return await self.status_reports.positions(command)
