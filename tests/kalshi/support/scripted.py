"""Kalshi's wire under a test's command, and a real execution client on it."""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from urllib.parse import parse_qs, urlsplit

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
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
from adapters.kalshi.config import KalshiExecClientConfig
from adapters.kalshi.credentials import Credential
from adapters.kalshi.execution import KalshiExecutionClient
from adapters.kalshi.http import KalshiHttp
from adapters.kalshi.providers import KalshiInstrumentProvider
from tests.conformance.script import Answer, VenueScript

TICKER = "KXA-26NOV21-B"
MARKET = {
    "ticker": TICKER,
    "event_ticker": "KXA-26NOV21",
    "market_type": "binary",
    "status": "active",
    "title": "Will it?",
    "yes_sub_title": "It will",
    "no_sub_title": "It will",
    "open_time": "2026-06-11T05:39:29Z",
    "close_time": "2027-06-25T16:00:00Z",
    "expected_expiration_time": "2027-06-25T16:00:00Z",
    "settlement_timer_seconds": 60,
    "can_close_early": True,
    "result": "",
    "price_level_structure": "linear_cent",
    "price_ranges": [{"start": "0.0000", "end": "1.0000", "step": "0.0100"}],
    "rules_primary": "If it does, Yes.",
    "rules_secondary": "",
    "exchange_index": 2,
    "yes_bid_dollars": "0.4700",
    "yes_ask_dollars": "0.5200",
    "fractional_trading_enabled": True,
}
EVENT = {
    "event_ticker": "KXA-26NOV21",
    "series_ticker": "KXA",
    "title": "t",
    "mutually_exclusive": True,
    "collateral_return_type": "MECNET",
}
SERIES = {
    "ticker": "KXA",
    "category": "Sports",
    "fee_type": "quadratic",
    "fee_multiplier": 1,
    "settlement_sources": [{"name": "s", "url": "https://example.invalid"}],
}


def rfc(ns: int) -> str:
    return datetime.fromtimestamp(ns // 1_000 / 1e6, tz=UTC).isoformat().replace("+00:00", "Z")


@dataclass
class VenueOrder:
    order_id: str
    client_id: str
    ticker: str
    side: str
    price: str
    total: Decimal
    filled: Decimal = Decimal(0)
    status: str = "resting"
    created_ns: int = field(default_factory=time.time_ns)
    updated_ns: int = field(default_factory=time.time_ns)
    initial: Decimal = Decimal(0)
    reason: str = ""

    @property
    def remaining(self) -> Decimal:
        return self.total - self.filled if self.status == "resting" else Decimal(0)

    def record(self) -> dict:
        return {
            "order_id": self.order_id,
            "client_order_id": self.client_id,
            "ticker": self.ticker,
            "book_side": self.side,
            "outcome_side": "yes" if self.side == "bid" else "no",
            "status": self.status,
            "type": "limit",
            "yes_price_dollars": self.price,
            "initial_count_fp": f"{self.initial:.2f}",
            "fill_count_fp": f"{self.filled:.2f}",
            "remaining_count_fp": f"{self.remaining:.2f}",
            "created_time": rfc(self.created_ns),
            "last_update_time": rfc(self.updated_ns),
            "exchange_index": 2,
            "subaccount_number": 0,
            "taker_fees_dollars": "0.000000",
            "maker_fees_dollars": "0.000000",
        }


class ScriptedSocket:
    def __init__(self) -> None:
        self.inbox: asyncio.Queue[bytes | None] = asyncio.Queue()
        self.sent: list[dict] = []
        self.closed = False

    async def send(self, frame: str) -> None:
        if self.closed:
            raise ConnectionLost("closed")
        message = json.loads(frame)
        self.sent.append(message)
        if message["cmd"] == "subscribe":
            for number, channel in enumerate(message["params"]["channels"]):
                sid = message["id"] * 10 + number
                self.say(
                    {
                        "type": "subscribed",
                        "id": message["id"],
                        "msg": {"channel": channel, "sid": sid},
                    }
                )

    def say(self, message: dict) -> None:
        self.inbox.put_nowait(json.dumps(message).encode())

    async def receive(self) -> bytes:
        frame = await self.inbox.get()
        if frame is None:
            raise ConnectionLost("broken by the script")
        return frame

    async def close(self) -> None:
        if not self.closed:
            self.closed = True
            self.inbox.put_nowait(None)


class ScriptedKalshi:
    """Both transports, answering from a tiny model of one account."""

    def __init__(self) -> None:
        self.orders: dict[str, VenueOrder] = {}
        self.trades: dict[str, dict] = {}
        self.net = Decimal(0)
        self.cash = Decimal("1000.0000")
        self.settlements: list[dict] = []
        self.market = dict(MARKET)
        self.answers: dict[str, deque[Answer]] = {
            k: deque() for k in ("create", "cancel", "modify")
        }
        self.held = asyncio.Event()
        self.socket: ScriptedSocket | None = None
        self.dials = 0
        self.requests: list[HttpRequest] = []
        self.down = False
        self.read_lag_ns = 0

    # -- WebSocket

    async def connect(
        self, url: str, headers: Mapping[str, str], *, idle_timeout_s: float
    ) -> ScriptedSocket:
        self.dials += 1
        self.socket = ScriptedSocket()
        return self.socket

    async def close(self) -> None:
        return

    # -- REST

    async def send(self, request: HttpRequest) -> HttpResponse:
        self.requests.append(request)
        if self.down:
            raise RequestTimeout("the venue is down")
        parts = urlsplit(request.url)
        path = parts.path.removeprefix("/trade-api/v2")
        query = {k: v[0] for k, v in parse_qs(parts.query).items()}
        body = json.loads(request.body) if request.body else {}
        if request.method == "GET":
            return self._get(path, query)
        return await self._command(request.method, path, body)

    def _reply(self, status: int, body: object) -> HttpResponse:
        return HttpResponse(status, json.dumps(body).encode())

    def _get(self, path: str, query: dict[str, str]) -> HttpResponse:
        fixed = {
            "/account/endpoint_costs": {"default_cost": 10, "endpoint_costs": []},
            "/account/limits": {
                "usage_tier": "prime",
                "read": {"refill_rate": 1e6, "bucket_capacity": 1e6},
                "write": {"refill_rate": 1e6, "bucket_capacity": 1e6},
                "grants": [],
            },
            "/series/fee_changes": {"series_fee_change_arr": []},
            "/events/fee_changes": {"event_fee_changes": [], "cursor": ""},
            "/markets": {"markets": [self.market], "cursor": ""},
            f"/markets/{TICKER}": {"market": self.market},
            "/events/KXA-26NOV21": {"event": EVENT},
            "/series/KXA": {"series": SERIES},
            "/portfolio/balance": {
                "balance": int(self.cash * 100),
                "balance_dollars": f"{self.cash:.4f}",
                "portfolio_value": 0,
                "updated_ts": 1,
                "balance_breakdown": [{"exchange_index": 2, "balance": f"{self.cash:.4f}"}],
            },
            "/portfolio/positions": {
                "market_positions": [{"ticker": TICKER, "position_fp": f"{self.net:.2f}"}],
                "event_positions": [],
                "cursor": "",
            },
            "/portfolio/settlements": {"settlements": self.settlements, "cursor": ""},
            "/exchange/user_data_timestamp": {"as_of_time": rfc(time.time_ns() - self.read_lag_ns)},
        }
        if path in fixed:
            return self._reply(200, fixed[path])
        if path == "/portfolio/orders":
            wanted = query.get("status")
            rows = [o.record() for o in self.orders.values() if wanted in (None, o.status)]
            return self._reply(200, {"orders": rows, "cursor": ""})
        if path == "/portfolio/fills":
            rows = [
                t for t in self.trades.values() if query.get("order_id") in (None, t["order_id"])
            ]
            return self._reply(200, {"fills": rows[::-1], "cursor": ""})
        order = self.orders.get(path.rpartition("/")[2])
        if order is None:
            return self._reply(404, {"error": {"code": "not_found", "message": "not found"}})
        return self._reply(200, {"order": order.record()})

    async def _command(self, method: str, path: str, body: dict) -> HttpResponse:
        if path.endswith("/batched") and method == "POST":
            return await self._batch(body["orders"])
        if method == "POST" and path == "/portfolio/events/orders":
            return await self._perform("create", lambda: self._create(body))
        order_id = path.split("/")[4] if path.count("/") >= 4 else ""
        if method == "DELETE":
            return await self._perform("cancel", lambda: self._cancel(order_id))
        return await self._perform("modify", lambda: self._modify(order_id, path, body))

    async def _perform(self, kind: str, apply) -> HttpResponse:
        answers = self.answers[kind]
        answer = answers.popleft() if answers else Answer.OK
        if answer is Answer.REFUSED:
            return self._reply(
                400, {"error": {"code": "insufficient_balance", "message": "insufficient balance"}}
            )
        if answer is Answer.UNAPPLIED_LOST:
            return self._reply(503, {"error": {"code": "service_unavailable"}})
        status, reply = apply()
        if answer is Answer.HELD:
            await self.held.wait()
        elif answer is Answer.APPLIED_LOST:
            return self._reply(503, {"error": {"code": "service_unavailable"}})
        elif answer is Answer.APPLIED_SILENT:
            raise RequestTimeout("no answer")
        return self._reply(status, reply)

    async def _batch(self, rows: list[dict]) -> HttpResponse:
        results, lost = [], False
        for row in rows:
            answer = self.answers["create"].popleft() if self.answers["create"] else Answer.OK
            if answer is Answer.REFUSED:
                results.append(
                    {
                        "client_order_id": row["client_order_id"],
                        "error": {
                            "code": "insufficient_balance",
                            "message": "insufficient balance",
                        },
                    }
                )
                continue
            lost |= answer is Answer.APPLIED_LOST
            results.append(self._create(row)[1])
        if lost:
            return self._reply(503, {"error": {"code": "service_unavailable"}})
        return self._reply(201, {"orders": results})

    def _create(self, body: dict) -> tuple[int, dict]:
        if any(o.client_id == body["client_order_id"] for o in self.orders.values()):
            return 409, {"error": {"code": "order_already_exists", "message": "exists"}}
        assert isinstance(body["price"], str)
        assert isinstance(body["count"], str)
        order = VenueOrder(
            order_id=str(UUID4()),
            client_id=body["client_order_id"],
            ticker=body["ticker"],
            side=body["side"],
            price=body["price"],
            total=Decimal(body["count"]),
            initial=Decimal(body["count"]),
        )
        self.orders[order.order_id] = order
        return 201, {
            "order_id": order.order_id,
            "client_order_id": order.client_id,
            "fill_count": "0.00",
            "remaining_count": f"{order.remaining:.2f}",
            "ts_ms": order.created_ns // 1_000_000,
        }

    def _cancel(self, order_id: str) -> tuple[int, dict]:
        order = self.orders.get(order_id)
        if order is None or order.status != "resting":
            return 404, {"error": {"code": "not_found", "message": "not found"}}
        reduced = order.remaining
        order.status = "canceled"
        return 200, {
            "order_id": order_id,
            "reduced_by": f"{reduced:.2f}",
            "ts_ms": time.time_ns() // 1_000_000,
        }

    def _modify(self, order_id: str, path: str, body: dict) -> tuple[int, dict]:
        order = self.orders.get(order_id)
        if order is None or order.status != "resting":
            return 404, {"error": {"code": "not_found", "message": "not found"}}
        if path.endswith("/decrease"):
            order.total -= Decimal(body["reduce_by"])
        else:
            order.price, order.total = body["price"], Decimal(body["count"])
        if order.remaining <= 0:
            order.status = "executed"
        return 200, {
            "order_id": order_id,
            "client_order_id": order.client_id,
            "remaining_count": f"{order.remaining:.2f}",
            "ts_ms": time.time_ns() // 1_000_000,
        }

    # -- the market's hand

    def fill(self, order: VenueOrder, size: Decimal) -> str:
        trade_id = str(UUID4())
        now_ns = time.time_ns()
        order.filled += size
        if order.filled == order.total:
            order.status = "executed"
        self.net += size if order.side == "bid" else -size
        self.trades[trade_id] = {
            "trade_id": trade_id,
            "fill_id": trade_id,
            "order_id": order.order_id,
            "ticker": order.ticker,
            "market_ticker": order.ticker,
            "count_fp": f"{size:.2f}",
            "yes_price_dollars": order.price,
            "no_price_dollars": "0.0000",
            "is_taker": False,
            "fee_cost": "0.017500",
            "book_side": order.side,
            "outcome_side": "yes" if order.side == "bid" else "no",
            "created_time": rfc(now_ns),
            "ts": now_ns // 10**9,
            "subaccount_number": 0,
            "_ms": now_ns // 10**6,
        }
        return trade_id

    def say_fill(self, trade_id: str) -> None:
        trade = self.trades[trade_id]
        order = self.orders[trade["order_id"]]
        message = {
            k: trade[k]
            for k in (
                "trade_id",
                "order_id",
                "market_ticker",
                "is_taker",
                "outcome_side",
                "book_side",
                "yes_price_dollars",
                "count_fp",
                "fee_cost",
                "ts",
            )
        }
        message |= {
            "client_order_id": order.client_id,
            "ts_ms": trade["_ms"],
            "subaccount": 0,
            "side": trade["outcome_side"],
            "action": "buy",
        }
        self._say({"type": "fill", "sid": 10, "msg": message})

    def say_order(self, order: VenueOrder) -> None:
        record = order.record()
        message = {
            k: record[k]
            for k in (
                "order_id",
                "client_order_id",
                "ticker",
                "status",
                "book_side",
                "outcome_side",
                "yes_price_dollars",
                "initial_count_fp",
                "fill_count_fp",
                "remaining_count_fp",
                "subaccount_number",
            )
        }
        message |= {
            "created_ts_ms": order.created_ns // 10**6,
            "last_updated_ts_ms": time.time_ns() // 10**6,
            "last_update_reason": order.reason,
        }
        self._say({"type": "user_order", "sid": 20, "msg": message})

    def _say(self, message: dict) -> None:
        if self.socket is not None and not self.socket.closed:
            self.socket.say(message)


class KalshiScript(VenueScript):
    """The binding of the conformance suite."""

    def __init__(self, **settings: object) -> None:
        self.venue = ScriptedKalshi()
        self._settings = {
            "reconcile_interval_s": 60.0,
            "resolve_interval_s": 0.05,
            "absence_grace_s": 0.3,
        } | settings

    async def open(self) -> None:
        loop = asyncio.get_running_loop()
        self.clock = LiveClock()
        trader_id = TraderId("T-001")
        self.msgbus = MessageBus(trader_id=trader_id, clock=self.clock)
        self.cache = Cache(database=None)
        self.engine = LiveExecutionEngine(
            loop=loop,
            msgbus=self.msgbus,
            cache=self.cache,
            clock=self.clock,
            config=LiveExecEngineConfig(reconciliation=True, inflight_check_interval_ms=0),
        )
        credential = Credential("key", Ed25519PrivateKey.generate())
        self.http = KalshiHttp(
            rest_url="http://127.0.0.1/trade-api/v2",
            transport=self.venue,
            clock_ns=self.clock.timestamp_ns,
            credential=credential,
            retry=ReadRetry(backoff=Backoff(first_s=0.001, most_s=0.01)),
        )
        provider = KalshiInstrumentProvider(
            self.http,
            self.clock.timestamp_ns,
            InstrumentProviderConfig(load_ids=frozenset({self.instrument_id()})),
        )
        self.client = KalshiExecutionClient(
            loop=loop,
            client_id=ClientId("KALSHI"),
            http=self.http,
            transport=self.venue,
            ws_url="ws://127.0.0.1/trade-api/ws/v2",
            credential=credential,
            msgbus=self.msgbus,
            cache=self.cache,
            clock=self.clock,
            provider=provider,
            config=KalshiExecClientConfig(**self._settings),
        )
        self.engine.register_client(self.client)
        self.engine.start()
        self.factory = OrderFactory(trader_id, self.strategy_id, self.clock)
        # No portfolio runs here: the account is all that connecting waits for.
        self.msgbus.register(endpoint="Portfolio.update_account", handler=self._on_account)
        await self.client._connect()
        await self.client.generate_mass_status()
        # The comparison that follows start-up must not do the work a test is about.
        await self.until(lambda: self.client.resolver.reconciliations >= 1)

    def _on_account(self, event: object) -> None:
        from nautilus_trader.accounting.factory import AccountFactory

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
    def instrument_id(leg: str = "YES") -> InstrumentId:
        return InstrumentId.from_str(f"{TICKER}-{leg}.KALSHI")

    def new_order(
        self,
        *,
        size: str = "10",
        price: str = "0.40",
        tif: str = "GTC",
        leg: str = "YES",
        side: OrderSide = OrderSide.BUY,
        reduce_only: bool = False,
    ) -> Order:
        order = self.factory.limit(
            self.instrument_id(leg),
            side,
            Quantity.from_str(f"{Decimal(size):.2f}"),
            Price.from_str(f"{Decimal(price):.4f}"),
            time_in_force=TimeInForce[tif],
            reduce_only=reduce_only,
        )
        self.cache.add_order(order, None)
        return order

    def _at_venue(self, order: Order) -> VenueOrder | None:
        client_id = self.client.desk.events.origin(order.client_order_id)
        return next((o for o in self.venue.orders.values() if o.client_id == client_id), None)

    def answer_create(self, *answers: Answer) -> None:
        self.venue.answers["create"].extend(answers)

    def answer_cancel(self, *answers: Answer) -> None:
        self.venue.answers["cancel"].extend(answers)

    def answer_modify(self, *answers: Answer) -> None:
        self.venue.answers["modify"].extend(answers)

    def release(self) -> None:
        self.venue.held.set()

    def fill(self, order: Order, size: str) -> str:
        return self.venue.fill(self._at_venue(order), Decimal(size))

    def cancel_at_venue(self, order: Order) -> None:
        self._at_venue(order).status = "canceled"

    def is_known(self, order: Order) -> bool:
        return self._at_venue(order) is not None

    def is_resting(self, order: Order) -> bool:
        found = self._at_venue(order)
        return found is not None and found.status == "resting"

    def announce_fill(self, order: Order, trade_id: str) -> None:
        self.venue.say_fill(trade_id)

    def announce_order(self, order: Order) -> None:
        self.venue.say_order(self._at_venue(order))

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
            quantity=None if size is None else Quantity.from_str(f"{Decimal(size):.2f}"),
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

    def position(self) -> Decimal:
        return sum(
            (
                p.quantity.as_decimal()
                for p in self.cache.positions_open(None, self.instrument_id())
            ),
            Decimal(0),
        )
