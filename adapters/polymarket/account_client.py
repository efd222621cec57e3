"""One account: connection, evidence, reconciliation; the commands are in `execution`.

Everything the venue says, on the stream or over REST, goes through one tracker and comes out as
order events; what is missing or doubtful is asked for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from decimal import Decimal
from pathlib import Path
from typing import Any

from nautilus_trader.cache.cache import Cache
from nautilus_trader.common.component import LiveClock, MessageBus
from nautilus_trader.live.execution_client import LiveExecutionClient
from nautilus_trader.model.enums import AccountType, OmsType
from nautilus_trader.model.events import OrderRejected
from nautilus_trader.model.identifiers import AccountId, ClientId, ClientOrderId, VenueOrderId
from nautilus_trader.model.orders import Order

from adapters.common.errors import AdapterError, VenueRefusal
from adapters.common.frames import FrameTap
from adapters.common.ledger import Accept, Close, Phase, Reject, Revived
from adapters.common.outcome import Accepted, Rejected
from adapters.polymarket import parsing
from adapters.polymarket.account import AccountView
from adapters.polymarket.config import PolymarketExecClientConfig
from adapters.polymarket.constants import (
    HEARTBEAT_INTERVAL_SECS,
)
from adapters.polymarket.credentials import StoredKey
from adapters.polymarket.eligibility import Eligibility, Permission, check_eligibility
from adapters.polymarket.events import OrderEvents
from adapters.polymarket.fills import Fill, TradeRecord
from adapters.polymarket.foreign import ForeignOrders
from adapters.polymarket.http import ClobClient
from adapters.polymarket.hub import PolymarketHub
from adapters.polymarket.order_log import OrderLog
from adapters.polymarket.reconcile import Reconciler
from adapters.polymarket.refusals import Code
from adapters.polymarket.reports import Reports
from adapters.polymarket.schemas.wire import decimal_or_none
from adapters.polymarket.signing import OrderSigner
from adapters.polymarket.submission import OrderDesk, tracked_order
from adapters.polymarket.tracker import (
    Booked,
    Contradicted,
    Effect,
    Finalised,
    Foreign,
    NeedTrades,
    OrderTracker,
    Parked,
    Reverted,
    Tracked,
)
from adapters.polymarket.user import OrderRecord, user_opening_frame
from adapters.polymarket.websocket import UserSocket

_NS = 1_000_000_000
_ZERO = Decimal(0)
_TICK_S = 0.25
_FOREIGN_WAIT_NS = 3 * _NS
_ELIGIBILITY_EVERY_NS = 300 * _NS


class PolymarketAccountClient(LiveExecutionClient):
    """Knows one wallet: its orders, fills, shares and cash, kept in step with the venue.

    Parameters
    ----------
    hub : PolymarketHub
        Shared with the data client.
    stored_key : StoredKey, optional
        The API key; derived at connect when absent.
    order_log : OrderLog
        Where signed orders are written down before they are sent.
    """

    def __init__(
        self,
        *,
        loop: asyncio.AbstractEventLoop,
        client_id: ClientId,
        hub: PolymarketHub,
        signer: OrderSigner,
        stored_key: StoredKey | None,
        order_log: OrderLog,
        msgbus: MessageBus,
        cache: Cache,
        clock: LiveClock,
        config: PolymarketExecClientConfig,
    ) -> None:
        super().__init__(
            loop=loop,
            client_id=client_id,
            venue=parsing.VENUE,
            oms_type=OmsType.NETTING,
            account_type=AccountType.CASH,
            base_currency=None,
            instrument_provider=hub.provider,
            msgbus=msgbus,
            cache=cache,
            clock=clock,
            config=config,
        )
        self._set_account_id(AccountId(f"{client_id.value}-001"))
        self._hub = hub
        self._config = config
        self._signer = signer
        self._stored_key = stored_key
        self.order_log = order_log
        self._provider = hub.provider
        self._clob: ClobClient = hub.account(
            signer, stored_key.key if stored_key else None, self._on_403
        )
        self.tracker = OrderTracker(api_key="", funder=signer.maker)
        self.eligibility = Eligibility(Permission.NOTHING, "not connected yet")
        self._asked_eligibility_ns = 0
        self._checks: dict[str, int] = {}
        self._checking: set[str] = set()
        self._differing: set[tuple[str, Decimal, Decimal]] = set()
        self._account_dirty = False
        self._round_due = asyncio.Event()
        self._ready = False
        self._tap = FrameTap(Path(config.tap_path)) if config.tap_path else None
        self._user: UserSocket | None = None
        self._user_open = asyncio.Event()
        self.events = OrderEvents(
            self,
            market_of=self._provider.market,
            now_ns=clock.timestamp_ns,
            cache=cache,
            msgbus=msgbus,
            log=self._log,
            trader_id=self.trader_id,
        )
        self._reconciler = self._new_reconciler()
        self._account = AccountView(
            tracker=self.tracker, market_of=self._provider.market, fee=self.events.fee
        )
        self.reports = self._new_reports()
        self._foreign = self._new_foreign()
        self._desk = OrderDesk(
            hub=hub,
            signer=signer,
            tracker=self.tracker,
            order_log=order_log,
            cache=cache,
            clock_ns=clock.timestamp_ns,
            config=config,
            eligibility=lambda: self.eligibility,
        )

    def _new_reports(self) -> Reports:
        return Reports(
            hub=self._hub,
            clob=self._clob,
            tracker=self.tracker,
            reconciler=self._reconciler,
            cache=self._cache,
            account_id=self.account_id,
            clock_ns=self._clock.timestamp_ns,
            fee=self.events.fee,
            order_of=self.events.order,
            load_markets=self._load_markets,
        )

    def _new_foreign(self) -> ForeignOrders:
        return ForeignOrders(
            clob=self._clob,
            tracker=self.tracker,
            reconciler=self._reconciler,
            adopt=self._adopt_from_cache,
            order_report=self.reports.order_report,
            load_markets=self._load_markets,
            send=self._send_order_status_report,
            clock_ns=self._clock.timestamp_ns,
        )

    def _new_reconciler(self) -> Reconciler:
        return Reconciler(
            clob=self._clob,
            tracker=self.tracker,
            market_of=self._provider.market,
            clock_ns=self._clock.timestamp_ns,
            lookback_s=int(self._config.lookback_hours * 3600),
            absence_grace_ns=int(self._config.absence_grace_s * _NS),
            emit=self._apply,
            on_garbled=self._on_garbled,
        )

    # -- connection -------------------------------------------------------------------------------

    async def _connect(self) -> None:
        self._hub.join()
        offset_s = await self._hub.measure_clock()
        if offset_s:
            self._log.warning(f"The venue's clock is {offset_s} s ahead; signatures follow it")
        await self._provider.initialize()
        await self._authenticate()
        await self._ask_eligibility()
        self._adopt_cached()
        self._msgbus.subscribe("events.order.*", self._on_engine_event)
        self._start_user_stream()
        async with asyncio.timeout(15.0):
            await self._user_open.wait()
        await self._load_account()
        self._ready = True
        await self._publish_account()
        await self._await_account_registered()
        self._spawn(self._maintain(), "maintain")
        self._spawn(self._rounds(), "reconcile")
        if self._config.heartbeat:
            self._spawn(self._beat(), "heartbeat")

    async def _disconnect(self) -> None:
        self._ready = False
        self._msgbus.unsubscribe("events.order.*", self._on_engine_event)
        if self._user is not None:
            await self._user.stream.close()
        if self._tap is not None:
            self._tap.close()
        self.order_log.close()
        await self._hub.leave()

    async def _authenticate(self) -> None:
        if self._stored_key is None:
            key, secret = await self._clob.create_or_derive_key()
            self._stored_key = StoredKey(key, secret)
            self._clob.api_key = key
        self.tracker.api_key = self._stored_key.key.key

    def _start_user_stream(self) -> None:
        stored = self._stored_key
        assert stored is not None, "authenticated before"
        self._user = UserSocket(
            transport=self._hub.transport,
            url=f"{self._hub.hosts.ws}/user",
            opening_frame=lambda: user_opening_frame(stored.key, stored.secret_text),
            clock_ns=self._clock.timestamp_ns,
            on_records=self._on_records,
            on_open=self._on_user_open,
            on_lost=lambda reason: self._log.warning(f"User stream lost: {reason}"),
            on_garbled=self._on_garbled,
            tap=self._tap,
        )
        self._spawn(self._user.stream.run(), "user stream")

    async def _load_account(self) -> None:
        """Read orders, trades and balances, so that the engine's first questions find answers."""
        assets = {order.asset_id for order in self.tracker.open()}
        listed = await self._reconciler.everything()
        assets |= {record.asset_id for record in listed.values()}
        assets |= self.tracker.fills.unconfirmed_assets()
        assets |= {
            position.instrument_id.symbol.value
            for position in self._cache.positions_open(venue=self.venue)
        }
        assets |= await self._held_assets()
        assets |= {fill.asset_id for fill in self.tracker.parked()}
        await self._load_markets(assets)
        await self._reconciler.open_holdings(sorted(assets))
        for fill in self.tracker.parked():
            if fill.order_id.lower() not in listed:
                self.tracker.disown(fill.order_id)  # history: the engine asks for it itself

    async def _held_assets(self) -> set[str]:
        rows = await self._hub.data_api.positions(self._signer.maker)
        for row in rows:
            price = decimal_or_none("avg_price", row.avg_price)
            if price is not None and 0 < price <= 1:
                self.reports.average_prices[row.token_id] = price
        return {row.token_id for row in rows if row.token_id}

    async def _load_markets(self, assets: set[str]) -> None:
        missing = [a for a in sorted(assets) if self._provider.market(a) is None]
        if missing:
            await self._provider.load_assets(missing)
        for asset_id in missing:
            instrument = self._provider.find(parsing.instrument_id(asset_id))
            if instrument is not None:
                self._cache.add_instrument(instrument)
            else:
                self._log.error(f"Token {asset_id} is held or ordered but not in the catalogue")

    def _adopt_cached(self) -> None:
        """Track the open orders Nautilus remembers, and index those of the order log."""
        logged = {entry.order_id: entry for entry in self.order_log.read()}
        for order_id, entry in logged.items():
            client_order_id = ClientOrderId(entry.client_order_id)
            order = self._cache.order(client_order_id)
            if order is not None and not order.is_closed:
                self._adopt(order, order_id)
        self._adopt_open()
        self.reports.logged = logged

    def _adopt_open(self) -> None:
        """Track every order the engine holds open, those it made of our reports too."""
        for order in self._cache.orders_open(venue=self.venue):
            if order.venue_order_id is not None:
                self._adopt(order, order.venue_order_id.value)

    def _adopt(self, order: Order, order_id: str) -> None:
        if self.tracker.by_id(order_id) is None:
            market = self._provider.market(order.instrument_id.symbol.value)
            found = tracked_order(order, order_id, market.condition_id if market else "")
            self._apply(self.tracker.adopt(*found))

    def _spawn(self, work: Coroutine[object, object, None], name: str) -> None:
        self.create_task(self._guarded(work, name), log_msg=name)

    async def _guarded(self, work: Coroutine[object, object, None], name: str) -> None:
        try:
            await work
        except AdapterError as exc:
            self._log.error(f"{name}: {exc}")

    # -- timers -----------------------------------------------------------------------------------

    async def _maintain(self) -> None:
        """Run what is due: checks of single orders, unknown outcomes, foreign orders, account."""
        resolve_ns = int(self._config.resolve_interval_s * _NS)
        resolved_ns = 0
        while True:
            await asyncio.sleep(_TICK_S)
            now_ns = self._clock.timestamp_ns()
            if now_ns - resolved_ns >= resolve_ns:
                resolved_ns = now_ns
                for order in (*self.tracker.in_doubt(), *self.tracker.ending()):
                    self._checks.setdefault(order.order_id, now_ns)
            self._run_due_checks(now_ns)
            await self._guarded(self._foreign.report_due(now_ns), "foreign orders")
            if now_ns - self._asked_eligibility_ns >= _ELIGIBILITY_EVERY_NS:
                await self._ask_eligibility()
            if self._account_dirty:
                await self._guarded(self._publish_account(), "account")

    def _run_due_checks(self, now_ns: int) -> None:
        due = [order_id for order_id, at_ns in self._checks.items() if at_ns <= now_ns]
        for order_id in due:
            if order_id in self._checking:
                continue
            del self._checks[order_id]
            order = self.tracker.by_id(order_id)
            if order is not None:
                self._checking.add(order_id)
                self._spawn(self._check(order), "order check")

    async def _check(self, order: Tracked) -> None:
        try:
            if order.cancel_rest and order.ending is None and not self._is_doubted(order):
                await self._cancel([order.order_id], commanded=False)
            await self._reconciler.check(order)
            self._answer_unknown_cancel(order)
        except AdapterError as exc:
            self._log.warning(f"Could not ask about {order.client_id}: {exc}")
            self._check_later(order.order_id, self._config.resolve_interval_s)
        finally:
            self._checking.discard(order.order_id)
        if order.cancel_rest and self.tracker.phase(order.client_id) is Phase.WORKING:
            self._check_later(order.order_id, 1.0)

    def _answer_unknown_cancel(self, tracked: Tracked) -> None:
        """Tell the strategy that a cancel without an answer did nothing, once the venue says so."""
        order = self.events.order(tracked.client_id)
        if tracked.cancel_unknown and tracked.ending is None and order and not order.is_closed:
            self.events.cancel_rejected(order, "no answer came, and the venue still has the order")
        tracked.cancel_unknown = False

    def _is_doubted(self, order: Tracked) -> bool:
        return self.tracker.phase(order.client_id) in (Phase.SENT, Phase.REJECTED)

    def _check_later(self, order_id: str, delay_s: float) -> None:
        at_ns = self._clock.timestamp_ns() + int(delay_s * _NS)
        self._checks[order_id] = min(at_ns, self._checks.get(order_id, at_ns))

    async def _rounds(self) -> None:
        """Compare everything with the venue at every reconnect and every minute."""
        while True:
            try:
                async with asyncio.timeout(self._config.reconcile_interval_s):
                    await self._round_due.wait()
            except TimeoutError:
                pass
            self._round_due.clear()
            try:
                await self._round()
            except AdapterError as exc:
                self._log.error(f"Comparison with the venue failed: {exc}")
                await asyncio.sleep(1.0)
                self._round_due.set()

    async def _round(self) -> None:
        self._adopt_open()
        await self._reconciler.everything()
        await self._settle_resolved()
        for asset_id in sorted(self.tracker.holdings.assets() - self.reports.settled):
            rebased = await self._reconciler.check_holding(asset_id)
            if rebased is not None:
                self._log.error(
                    f"Shares of {asset_id} changed outside of trading: "
                    f"{rebased.was} -> {rebased.now} (the venue's balance counts)"
                )
        await self._cross_check()
        await self._publish_account()

    async def _cross_check(self) -> None:
        """Compare with the indexer: it lags, so only a difference seen twice is worth a line.

        Shares it knows and we do not (a transfer, another process) are taken up from their balance.
        """
        try:
            rows = await self._hub.data_api.positions(self._signer.maker)
        except AdapterError as exc:
            self._log.warning(f"The Data API cannot be asked for positions: {exc}")
            return
        holdings, differing = self.tracker.holdings, set()
        for row in rows:
            size = decimal_or_none("current_size", row.current_size) or _ZERO
            token = row.token_id
            if size <= 0 or token in self.reports.settled:
                continue
            if not holdings.known(token):
                await self._load_markets({token})
                await self._reconciler.open_holdings([token])
            if holdings.shares(token) != size and not self.tracker.fills.unconfirmed():
                differing.add((token, holdings.shares(token), size))
        for token, ours, theirs in differing & self._differing:
            self._log.warning(f"{token}: we hold {ours}, the Data API says {theirs}")
        self._differing = differing

    async def _settle_resolved(self) -> None:
        held = {
            position.instrument_id.symbol.value
            for position in self._cache.positions_open(venue=self.venue)
        } - self.reports.settled
        markets = {m.condition_id: m for a in held if (m := self._provider.market(a)) is not None}
        if not markets:
            return
        for condition_id, values in (await self._hub.resolutions(sorted(markets))).items():
            for asset_id, value in zip(markets[condition_id].asset_ids, values, strict=True):
                if asset_id in held and not self.tracker.fills.unconfirmed_bought(asset_id):
                    self.reports.settled.add(asset_id)
                    self.events.settle(asset_id, value)

    async def _beat(self) -> None:
        """Keep the dead-man switch from firing; a missed beat cancels every order of the key."""
        heartbeat_id = ""
        while True:
            try:
                heartbeat_id = await self._clob.heartbeat(heartbeat_id)
            except AdapterError as exc:
                self._log.error(f"Heartbeat failed, orders may be cancelled by the venue: {exc}")
            await asyncio.sleep(HEARTBEAT_INTERVAL_SECS)

    # -- eligibility ------------------------------------------------------------------------------

    def _on_403(self, refusal: VenueRefusal) -> None:
        self.eligibility = Eligibility(Permission.NOTHING, f"the venue refused: {refusal}")
        self._log.error(f"Trading is off: {self.eligibility.reason}")
        self._asked_eligibility_ns = 0

    async def _ask_eligibility(self) -> None:
        self._asked_eligibility_ns = self._clock.timestamp_ns()
        found = await check_eligibility(self._clob, self._hub.rest(self._hub.hosts.geoblock))
        if found != self.eligibility:
            if found.permission is Permission.TRADE:
                self._log.info("Trading is allowed for this account from here")
            else:
                self._log.error(f"Trading is restricted: {found.reason}")
        self.eligibility = found

    async def _cancel(self, order_ids: list[str], *, commanded: bool = True) -> None:
        """Cancel by id; each id has its own outcome, and a strategy hears of its own cancels."""
        for order_id, outcome in (await self._clob.cancel_orders(order_ids)).items():
            tracked = self.tracker.by_id(order_id) or self._adopt_from_cache(order_id)
            if isinstance(outcome, Accepted):
                self._apply(self.tracker.canceled(order_id, self._clock.timestamp_ns()))
                continue
            # Refused or unknown: the order may have matched, ended, or be inside its delay.
            order = self.events.order(tracked.client_id) if tracked and commanded else None
            refused = isinstance(outcome, Rejected)
            if refused and order is not None and not order.is_closed:
                self.events.cancel_rejected(order, outcome.reason)
            elif tracked is not None and commanded:
                tracked.cancel_unknown = not refused
            self._check_later(order_id, 0.0 if refused else self._config.resolve_interval_s)

    # -- evidence ---------------------------------------------------------------------------------

    def _on_user_open(self) -> None:
        self._user_open.set()
        if self._ready:
            self._round_due.set()  # the channel replays nothing of what we missed

    def _on_garbled(self, reason: str) -> None:
        self._log.error(f"Unreadable record, asking REST instead: {reason}")
        if self._ready:
            self._round_due.set()

    def _on_records(self, records: list[OrderRecord | TradeRecord]) -> None:
        for record in records:
            if isinstance(record, TradeRecord):
                self._apply(self.tracker.trade(record))
            else:
                self._apply(self.tracker.order(record))

    def _on_engine_event(self, event: Any) -> None:  # noqa: ANN401 - any order event of the bus
        """Notice when the engine gives an order up by itself: impatience is no evidence."""
        if isinstance(event, OrderRejected) and event.instrument_id.venue == self.venue:
            client_id = event.client_order_id.value
            if self.tracker.phase(client_id) is Phase.SENT:
                self._log.error(f"{client_id} was given up by the engine, not by the venue: asking")
                self.tracker.ledger.given_up(client_id)

    def _apply(self, effects: list[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, NeedTrades):
                self._on_need_trades(effect.order_id)
            elif isinstance(effect, Foreign):
                self._on_foreign(effect.record)
            elif isinstance(effect, Parked):
                self._on_parked(effect.fill)
            elif isinstance(effect, Finalised):
                self._account_dirty = True
            elif isinstance(effect, Contradicted):
                self._log.error(f"The venue contradicts itself, balances decide: {effect.what}")
                self._round_due.set()
            else:
                self._apply_to_order(effect)

    def _on_revived(self, order: Order, order_id: str) -> None:
        """Cancel an order that was given up as rejected and lives: nobody manages it any more."""
        self._log.error(f"{order.client_order_id} was given up but lives: cancelling what rests")
        tracked = self.tracker.by_id(order_id)
        if tracked is not None:
            tracked.cancel_rest = True
            self._check_later(order_id, 0.0)

    def _on_need_trades(self, order_id: str) -> None:
        """Ask at once about an order that ended without a word; else the stream may go first."""
        order = self.tracker.by_id(order_id)
        silent = order is not None and order.ending is not None and order.expected is None
        self._check_later(order_id, _TICK_S if silent else self._config.fill_wait_s)

    def _apply_to_order(
        self, effect: Accept | Booked | Reverted | Close | Reject | Revived
    ) -> None:
        order = self.events.order(effect.client_id)
        if order is None:
            self._without_order(effect)
            return
        self._account_dirty = True
        tracked = self.tracker.by_client(effect.client_id)
        if isinstance(effect, Accept):
            self.events.accepted(order, effect.venue_id)
        elif isinstance(effect, Revived):
            self._on_revived(order, effect.venue_id)
        elif isinstance(effect, Booked):
            self.events.filled(order, effect.fill)
        elif isinstance(effect, Reverted):
            self.events.reverted(order, effect.fill, "settlement failed on chain")
        elif isinstance(effect, Close):
            assert tracked is not None, "only tracked orders close"
            self.events.closed(order, tracked.order_id, expired=effect.phase is Phase.EXPIRED)
        else:
            crossed = effect.code == Code.POST_ONLY_CROSS
            self.events.rejected(order, f"{effect.code}: {effect.reason}", post_only=crossed)

    def _without_order(self, effect: Any) -> None:  # noqa: ANN401 - an effect with a fill or not
        """Report a fill of an order Nautilus does not hold."""
        if isinstance(effect, Booked):
            self._send_fill_report(self.reports.fill_report(effect.fill))
        elif isinstance(effect, Reverted):
            order_id = VenueOrderId(effect.fill.order_id)
            known = self._cache.client_order_id(order_id)
            order = self._cache.order(known) if known else None
            if order is not None:
                self.events.reverted(order, effect.fill, "settlement failed on chain")
            else:
                self._log.error(f"Fill taken back by the venue, order unknown: {effect.fill}")

    # -- orders of others -------------------------------------------------------------------------

    def _on_foreign(self, record: OrderRecord) -> None:
        if not self._adopt_from_cache(record.order_id):
            self._foreign.saw_order(record)
        else:
            self._apply(self.tracker.order(record))

    def _on_parked(self, fill: Fill) -> None:
        if not self._adopt_from_cache(fill.order_id):
            self._foreign.saw_fill(fill)

    def _adopt_from_cache(self, order_id: str) -> Tracked | None:
        """Track an order the engine made from our report."""
        client_order_id = self._cache.client_order_id(VenueOrderId(order_id))
        order = self._cache.order(client_order_id) if client_order_id else None
        if order is None:
            return None
        self._adopt(order, order_id)
        return self.tracker.by_id(order_id)

    # -- account ----------------------------------------------------------------------------------

    async def _publish_account(self) -> None:
        """Publish the collateral."""
        self._account_dirty = False
        balance = self._account.balance(await self._reconciler.collateral())
        self.generate_account_state([balance], [], True, self._clock.timestamp_ns())
