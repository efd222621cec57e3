"""Polymarket's wire under a test's command, and a real execution client on it."""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from urllib.parse import parse_qs, urlsplit

from nautilus_trader.accounting.factory import AccountFactory
from nautilus_trader.cache.cache import Cache
from nautilus_trader.common.component import LiveClock, MessageBus
from nautilus_trader.common.factories import OrderFactory
from nautilus_trader.config import InstrumentProviderConfig, LiveExecEngineConfig
from nautilus_trader.core.uuid import UUID4
from nautilus_trader.execution.messages import (
    CancelOrder,
    ModifyOrder,
    SubmitOrder,
    SubmitOrderList,
)
from nautilus_trader.live.execution_engine import LiveExecutionEngine
from nautilus_trader.model.enums import OrderSide, TimeInForce
from nautilus_trader.model.events import OrderRejected
from nautilus_trader.model.identifiers import ClientId, InstrumentId, TraderId
from nautilus_trader.model.objects import Price, Quantity
from nautilus_trader.model.orders import Order
from nautilus_trader.model.orders.list import OrderList

from adapters.common.errors import ConnectionLost, RequestTimeout
from adapters.common.retry import Backoff, ReadRetry
from adapters.common.transport import HttpRequest, HttpResponse
from adapters.polymarket.config import Hosts, PolymarketExecClientConfig
from adapters.polymarket.credentials import StoredKey
from adapters.polymarket.execution import PolymarketExecutionClient
from adapters.polymarket.fills import fill_id
from adapters.polymarket.hub import PolymarketHub
from adapters.polymarket.order_log import MemoryOrderLog
from adapters.polymarket.parsing import instrument_id
from adapters.polymarket.signing import ApiKey, ApiSecret, OrderSigner
from tests.conformance.script import Answer, VenueScript

KEY = "0x" + "11" * 32
API_KEY = "00000000-0000-0000-0000-000000000001"
SECRET = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
CONDITION = "0xdd22472e552920b8438158ea7238bfadfa4f736aa4cee91a6b86c39ead110917"
YES = "71321045679252212594626385532706912750332728571942532289631379312455583992563"
NO = "52114319501245915516055106046884209969926127482827954674443846427813813222426"
MARKET = {
    "id": "1557558",
    "slug": "will-it",
    "question": "Will it?",
    "conditionId": CONDITION,
    "description": 'This market will resolve to "Yes" if it does.',
    "outcomes": '["Yes", "No"]',
    "outcomePrices": '["0.505", "0.495"]',
    "clobTokenIds": json.dumps([YES, NO]),
    "active": True,
    "closed": False,
    "acceptingOrders": True,
    "enableOrderBook": True,
    "orderPriceMinTickSize": 0.01,
    "orderMinSize": 5,
    "negRisk": False,
    "feesEnabled": True,
    "feeSchedule": {"rate": 0.05, "exponent": 1, "takerOnly": True, "rebateRate": 0.15},
}


@dataclass
class VenueOrder:
    """One order at the scripted venue."""

    body: dict
    matched: Decimal = Decimal(0)
    status: str = "LIVE"
    trades: list[str] = field(default_factory=list)

    @property
    def size(self) -> Decimal:
        order = self.body["order"]
        shares = order["takerAmount"] if order["side"] == "BUY" else order["makerAmount"]
        return Decimal(shares) / 1_000_000

    def record(self, order_id: str) -> dict:
        order = self.body["order"]
        cash, shares = (
            (order["makerAmount"], order["takerAmount"])
            if order["side"] == "BUY"
            else (order["takerAmount"], order["makerAmount"])
        )
        return {
            "id": order_id,
            "status": self.status,
            "owner": API_KEY,
            "maker_address": order["maker"],
            "market": CONDITION,
            "asset_id": order["tokenId"],
            "side": order["side"],
            "original_size": f"{self.size:f}",
            "size_matched": f"{self.matched:f}",
            "price": str((Decimal(cash) / Decimal(shares)).quantize(Decimal("0.0001"))),
            "outcome": "Yes",
            "expiration": order["expiration"],
            "order_type": self.body["orderType"],
            "created_at": int(time.time()),
            "associate_trades": self.trades,
        }


class ScriptedSocket:
    """A user socket the test speaks through."""

    def __init__(self) -> None:
        self.inbox: asyncio.Queue[bytes | None] = asyncio.Queue()
        self.sent: list[str] = []
        self.closed = False

    async def send(self, frame: str) -> None:
        if self.closed:
            raise ConnectionLost("closed")
        self.sent.append(frame)

    def say(self, message: object) -> None:
        text = message if isinstance(message, str) else json.dumps(message)
        self.inbox.put_nowait(text.encode())

    async def receive(self) -> bytes:
        frame = await self.inbox.get()
        if frame is None:
            raise ConnectionLost("broken by the script")
        return frame

    async def close(self) -> None:
        if not self.closed:
            self.closed = True
            self.inbox.put_nowait(None)


class ScriptedVenue:
    """Both transports, answering from a tiny model of one account."""

    def __init__(self) -> None:
        self.orders: dict[str, VenueOrder] = {}
        self.trades: dict[str, dict] = {}
        self.shares: dict[str, Decimal] = {YES: Decimal(0), NO: Decimal(0)}
        self.cash = Decimal(1000)
        self.answers: dict[str, deque[Answer]] = {"create": deque(), "cancel": deque()}
        self.held = asyncio.Event()
        self.socket: ScriptedSocket | None = None
        self.requests: list[HttpRequest] = []
        self.market = dict(MARKET)
        self.override: dict[str, HttpResponse] = {}

    # -- transports

    async def connect(
        self, url: str, headers: Mapping[str, str], *, idle_timeout_s: float
    ) -> ScriptedSocket:
        self.socket = ScriptedSocket()
        return self.socket

    async def close(self) -> None:
        return

    async def send(self, request: HttpRequest) -> HttpResponse:
        self.requests.append(request)
        parts = urlsplit(request.url)
        query = {k: v[0] for k, v in parse_qs(parts.query).items()}
        if parts.path in self.override:
            return self.override[parts.path]
        if request.method == "GET":
            return self._get(parts.path, query)
        body = json.loads(request.body) if request.body else None
        if request.method == "POST" and parts.path == "/order":
            return await self._perform("create", lambda: self._create(body))
        if request.method == "POST" and parts.path == "/orders":
            return await self._batch(body)
        if request.method == "DELETE":
            ids = [body["orderID"]] if isinstance(body, dict) else body
            return await self._perform("cancel", lambda: self._cancel(ids))
        raise AssertionError(f"unexpected {request.method} {parts.path}")

    @staticmethod
    def reply(status: int, body: object) -> HttpResponse:
        return HttpResponse(status, json.dumps(body).encode())

    def _get(self, path: str, query: dict[str, str]) -> HttpResponse:
        fixed = {
            "/time": int(time.time()),
            "/version": {"version": 2},
            "/api/geoblock": {"blocked": False, "ip": "127.0.0.1", "country": "PT", "region": ""},
            "/auth/ban-status/closed-only": {"closed_only": False},
            "/markets/keyset": {"markets": [self.market]},
            "/tick-size": {"minimum_tick_size": self.market["orderPriceMinTickSize"]},
            "/v2/positions": {"data": [], "pagination": {"has_more": False}},
            "/v2/resolutions": {"data": [], "pagination": {"has_more": False}},
        }
        if path in fixed:
            return self.reply(200, fixed[path])
        if path == "/data/orders":
            rows = [o.record(i) for i, o in self.orders.items() if o.status == "LIVE"]
            return self.reply(200, {"data": rows, "next_cursor": "LTE="})
        if path == "/data/trades":
            return self.reply(200, {"data": list(self.trades.values()), "next_cursor": "LTE="})
        if path == "/balance-allowance":
            shares = self.shares.get(query.get("token_id", ""), self.cash)
            return self.reply(200, {"balance": str(int(shares * 1_000_000)), "allowances": {}})
        if path.startswith("/data/order/"):
            order_id = path.rpartition("/")[2]
            order = self.orders.get(order_id)
            if order is None:
                return self.reply(404, {"error": "order not found"})
            return self.reply(200, order.record(order_id))
        raise AssertionError(f"unexpected GET {path}")

    async def _perform(self, kind: str, apply) -> HttpResponse:  # type: ignore[no-untyped-def]
        answer = self.answers[kind].popleft() if self.answers[kind] else Answer.OK
        if answer is Answer.REFUSED:
            return self.reply(400, {"error": "not enough balance / allowance"})
        if answer is Answer.UNAPPLIED_LOST:
            return self.reply(500, {"error": "Internal server error"})
        reply = apply()
        if answer is Answer.HELD:
            await self.held.wait()
        elif answer is Answer.APPLIED_LOST:
            return self.reply(500, {"error": "could not insert order"})
        elif answer is Answer.APPLIED_SILENT:
            raise RequestTimeout("no answer")
        return self.reply(200, reply)

    async def _batch(self, bodies: list[dict]) -> HttpResponse:
        assert 1 <= len(bodies) <= 15
        results, lost = [], False
        for body in bodies:
            answer = self.answers["create"].popleft() if self.answers["create"] else Answer.OK
            if answer is Answer.REFUSED:
                text = "not enough balance / allowance"
                results.append({"success": True, "errorMsg": text, "orderID": "", "status": ""})
                continue
            lost |= answer is Answer.APPLIED_LOST
            results.append(self._create(body))
        if lost:
            return self.reply(500, {"error": "Internal server error"})
        return self.reply(200, results)

    def _create(self, body: dict) -> dict:
        order_id = self.hash_of(body)
        self.orders[order_id] = VenueOrder(body)
        return {
            "success": True,
            "errorMsg": "",
            "orderID": order_id,
            "status": "live",
            "makingAmount": "",
            "takingAmount": "",
            "transactionsHashes": [],
            "tradeIDs": [],
        }

    def hash_of(self, body: dict) -> str:
        """Take the id from the signature's order, as the venue does."""
        raise NotImplementedError

    def _cancel(self, ids: list[str]) -> dict:
        done, failed = [], {}
        for order_id in ids:
            order = self.orders.get(order_id)
            if order is None or order.status != "LIVE":
                failed[order_id] = "Order not found or already canceled"
            else:
                order.status = "CANCELED"
                done.append(order_id)
        return {"canceled": done, "not_canceled": failed}

    # -- the market's hand

    def fill(self, order_id: str, size: Decimal, status: str = "MATCHED") -> str:
        order = self.orders[order_id]
        fields = order.body["order"]
        trade_id = str(UUID4())
        order.matched += size
        order.trades.append(trade_id)
        if order.matched >= order.size:
            order.status = "MATCHED"
        record = order.record(order_id)
        self.trades[trade_id] = {
            "id": trade_id,
            "taker_order_id": "0x" + "ff" * 32,
            "market": CONDITION,
            "asset_id": NO,
            "side": "BUY",
            "size": f"{size:f}",
            "price": str(1 - Decimal(record["price"])),
            "fee_rate_bps": "0",
            "status": status,
            "match_time": str(int(time.time())),
            "last_update": str(int(time.time())),
            "outcome": "No",
            "bucket_index": 0,
            "owner": API_KEY,
            "maker_address": "0x" + "77" * 20,
            "transaction_hash": "",
            "trader_side": "MAKER",
            "maker_orders": [
                {
                    "order_id": order_id,
                    "owner": API_KEY,
                    "maker_address": fields["maker"],
                    "matched_amount": f"{size:f}",
                    "price": record["price"],
                    "fee_rate_bps": "0",
                    "asset_id": fields["tokenId"],
                    "outcome": "Yes",
                    "side": fields["side"],
                }
            ],
        }
        return trade_id

    def say_trade(self, trade_id: str) -> None:
        message = {**self.trades[trade_id], "event_type": "trade", "type": "TRADE"}
        self._say({**message, "timestamp": str(time.time_ns() // 1_000_000)})

    def say_order(self, order_id: str, kind: str = "") -> None:
        order = self.orders[order_id]
        kinds = {"LIVE": "PLACEMENT", "MATCHED": "UPDATE", "CANCELED": "CANCELLATION"}
        message = {**order.record(order_id), "event_type": "order"}
        message["type"] = kind or kinds[order.status]
        self._say({**message, "timestamp": str(time.time_ns() // 1_000_000)})

    def _say(self, message: dict) -> None:
        if self.socket is not None and not self.socket.closed:
            self.socket.say(message)


class PolymarketScript(VenueScript):
    """The binding of the conformance suite."""

    def __init__(self, **settings: object) -> None:
        self.venue = ScriptedVenue()
        self._settings = {
            "environment": "local",
            "reconcile_interval_s": 60.0,
            "resolve_interval_s": 0.05,
            "absence_grace_s": 0.3,
            "fill_wait_s": 0.1,
        } | settings

    async def open(self) -> None:
        loop = asyncio.get_running_loop()
        self.clock = LiveClock()
        trader_id = TraderId("T-001")
        self.msgbus = MessageBus(trader_id=trader_id, clock=self.clock)
        self.cache = Cache(database=None)
        self.data: list[object] = []
        self.msgbus.register(endpoint="DataEngine.process", handler=self.data.append)
        self.engine = LiveExecutionEngine(
            loop=loop,
            msgbus=self.msgbus,
            cache=self.cache,
            clock=self.clock,
            config=LiveExecEngineConfig(reconciliation=True, inflight_check_interval_ms=0),
        )
        base = "http://127.0.0.1"
        hosts = Hosts(base, base, base, "ws://127.0.0.1/ws", f"{base}/api/geoblock", False)
        self.hub = PolymarketHub(
            hosts,
            clock_ns=self.clock.timestamp_ns,
            provider_config=InstrumentProviderConfig(load_all=True),
            transport=self.venue,
            retry=ReadRetry(backoff=Backoff(first_s=0.001, most_s=0.01)),
        )
        signer = OrderSigner(KEY)
        self.log = MemoryOrderLog()
        self.venue.hash_of = lambda body: next(
            e.order_id for e in self.log.read() if json.loads(e.body) == body
        )
        self.client = PolymarketExecutionClient(
            loop=loop,
            client_id=ClientId("POLYMARKET"),
            hub=self.hub,
            signer=signer,
            stored_key=StoredKey(ApiKey(API_KEY, ApiSecret(SECRET), "pass"), SECRET),
            order_log=self.log,
            msgbus=self.msgbus,
            cache=self.cache,
            clock=self.clock,
            config=PolymarketExecClientConfig(**self._settings),
        )
        self.engine.register_client(self.client)
        self.engine.start()
        self.factory = OrderFactory(trader_id, self.strategy_id, self.clock)
        # No portfolio runs here: the account is all that connecting waits for.
        self.msgbus.register(endpoint="Portfolio.update_account", handler=self._on_account)
        await self.hub.provider.load_all_async()
        for instrument in self.hub.provider.list_all():
            self.cache.add_instrument(instrument)
        await self.client._connect()
        await self.client.generate_mass_status()

    def _on_account(self, event: object) -> None:
        account = self.cache.account(event.account_id)
        if account is None:
            self.cache.add_account(AccountFactory.create(event))
        else:
            account.apply(event)

    async def close(self) -> None:
        self.venue.held.set()
        await self.client._disconnect()
        await self.client.cancel_pending_tasks()
        self.engine.stop()
        await asyncio.sleep(0.01)

    @staticmethod
    def instrument_id(token: str = YES) -> InstrumentId:
        return instrument_id(token)

    def new_order(
        self,
        *,
        size: str = "10",
        price: str = "0.40",
        tif: str = "GTC",
        side: OrderSide = OrderSide.BUY,
        token: str = YES,
        **more: object,
    ) -> Order:
        order = self.factory.limit(
            self.instrument_id(token),
            side,
            Quantity.from_str(f"{Decimal(size):.6f}"),
            Price.from_str(f"{Decimal(price):.4f}"),
            time_in_force=TimeInForce[tif],
            **more,
        )
        self.cache.add_order(order, None)
        return order

    def order_id(self, order: Order) -> str | None:
        client_id = order.client_order_id.value
        logged = [e.order_id for e in self.log.read() if e.client_order_id == client_id]
        return logged[0] if logged and logged[0] in self.venue.orders else None

    def answer_create(self, *answers: Answer) -> None:
        self.venue.answers["create"].extend(answers)

    def answer_cancel(self, *answers: Answer) -> None:
        self.venue.answers["cancel"].extend(answers)

    def answer_modify(self, *answers: Answer) -> None:
        raise NotImplementedError("the venue cannot change orders")

    def release(self) -> None:
        self.venue.held.set()

    def fill(self, order: Order, size: str) -> str:
        order_id = self.order_id(order)
        return fill_id(self.venue.fill(order_id, Decimal(size)), order_id, 0)

    def trade_of(self, name: str) -> str:
        return next(
            trade_id
            for trade_id, trade in self.venue.trades.items()
            if fill_id(trade_id, trade["maker_orders"][0]["order_id"], 0) == name
        )

    def cancel_at_venue(self, order: Order) -> None:
        self.venue.orders[self.order_id(order)].status = "CANCELED"

    def is_known(self, order: Order) -> bool:
        return self.order_id(order) is not None

    def is_resting(self, order: Order) -> bool:
        found = self.order_id(order)
        return found is not None and self.venue.orders[found].status == "LIVE"

    def announce_fill(self, order: Order, trade_id: str) -> None:
        self.venue.say_trade(self.trade_of(trade_id))

    def announce_order(self, order: Order) -> None:
        self.venue.say_order(self.order_id(order))

    def drop_stream(self) -> None:
        self.venue.socket.inbox.put_nowait(None)

    def submit_command(self, order: Order) -> SubmitOrder:
        return SubmitOrder(
            trader_id=order.trader_id,
            strategy_id=order.strategy_id,
            order=order,
            command_id=UUID4(),
            ts_init=self.clock.timestamp_ns(),
        )

    def submit_list_command(self, orders: tuple[Order, ...]) -> SubmitOrderList:
        return SubmitOrderList(
            trader_id=orders[0].trader_id,
            strategy_id=self.strategy_id,
            order_list=OrderList(self.factory.generate_order_list_id(), list(orders)),
            command_id=UUID4(),
            ts_init=self.clock.timestamp_ns(),
        )

    def cancel_command(self, order: Order) -> CancelOrder:
        return CancelOrder(
            trader_id=order.trader_id,
            strategy_id=order.strategy_id,
            instrument_id=order.instrument_id,
            client_order_id=order.client_order_id,
            venue_order_id=order.venue_order_id,
            command_id=UUID4(),
            ts_init=self.clock.timestamp_ns(),
        )

    def modify_command(self, order: Order, size: str | None, price: str | None) -> ModifyOrder:
        return ModifyOrder(
            trader_id=order.trader_id,
            strategy_id=order.strategy_id,
            instrument_id=order.instrument_id,
            client_order_id=order.client_order_id,
            venue_order_id=order.venue_order_id,
            quantity=None if size is None else Quantity.from_str(f"{Decimal(size):.6f}"),
            price=None if price is None else Price.from_str(f"{Decimal(price):.4f}"),
            trigger_price=None,
            command_id=UUID4(),
            ts_init=self.clock.timestamp_ns(),
        )

    def engine_gives_up(self, order: Order) -> None:
        now_ns = self.clock.timestamp_ns()
        self.engine.process(
            OrderRejected(
                order.trader_id,
                order.strategy_id,
                order.instrument_id,
                order.client_order_id,
                self.client.account_id,
                "UNKNOWN",
                UUID4(),
                now_ns,
                now_ns,
            )
        )

    def position(self, token: str = YES) -> Decimal:
        found = self.cache.positions_open(None, self.instrument_id(token))
        return sum((p.quantity.as_decimal() for p in found), Decimal(0))
