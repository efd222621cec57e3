"""A trading node with a seeded random strategy, run as a process of its own by the flow test.

Usage: ``python -m tests.polymarket.flow_node SETTINGS.json``. It trades for a while, stops, waits
until nothing is open or unconfirmed, compares its books, and writes down what it believes. Whoever
started it reads the venue's truth only afterwards.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import sys
import time
import urllib.request
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
from nautilus_trader.config import (
    InstrumentProviderConfig,
    LiveExecEngineConfig,
    LoggingConfig,
    StrategyConfig,
    TradingNodeConfig,
)
from nautilus_trader.live.node import TradingNode
from nautilus_trader.model.enums import BookType, OrderSide, TimeInForce
from nautilus_trader.model.identifiers import ClientId
from nautilus_trader.model.objects import Price, Quantity
from nautilus_trader.trading.strategy import Strategy

from adapters.polymarket import credentials
from adapters.polymarket.config import PolymarketDataClientConfig, PolymarketExecClientConfig
from adapters.polymarket.factories import (
    PolymarketLiveDataClientFactory,
    PolymarketLiveExecClientFactory,
)
from adapters.polymarket.parsing import instrument_id
from messages.fills import FILL_REVERTED, FillReverted

NAME = "POLYMARKET"


class FlowStrategy(Strategy):
    """Trades at random, but the same way for the same seed and the same books."""

    def __init__(self, settings: dict[str, Any]) -> None:
        super().__init__(StrategyConfig(strategy_id="FLOW", order_id_tag=settings["tag"]))
        self.rng = random.Random(settings["seed"])
        self.ids = [instrument_id(token) for token in settings["tokens"]]
        self.path = Path(settings["journal"])
        self.trading = True
        self.events: dict[str, int] = {}
        self.reverted: list[str] = []

    def on_start(self) -> None:
        self.subscribe_data(FILL_REVERTED, client_id=ClientId(NAME))
        for found in self.ids:
            self.subscribe_order_book_deltas(found, book_type=BookType.L2_MBP)
            self.subscribe_trade_ticks(found)
            self.subscribe_quote_ticks(found)
        self.clock.set_timer("act", pd.Timedelta(milliseconds=150), callback=self.act)

    def on_data(self, data: object) -> None:
        assert isinstance(data, FillReverted)
        self.reverted.append(data.trade_id)
        self.write("reverted", trade_id=data.trade_id, order=data.client_order_id)

    def on_order_event(self, event: Any) -> None:
        kind = type(event).__name__
        self.events[kind] = self.events.get(kind, 0) + 1
        self.write(
            kind,
            order=event.client_order_id.value,
            reason=str(getattr(event, "reason", "")),
            qty=str(getattr(event, "last_qty", "")),
            px=str(getattr(event, "last_px", "")),
            trade_id=str(getattr(event, "trade_id", "")),
        )

    def write(self, kind: str, **fields: str) -> None:
        with self.path.open("a") as journal:
            journal.write(json.dumps({"t": time.time_ns(), "kind": kind, **fields}) + "\n")

    def act(self, _event: object) -> None:
        if not self.trading:
            return
        found = self.rng.choice(self.ids)
        action = self.rng.choices(
            [self.take, self.rest, self.sell, self.cancel_one, self.cancel_many, self.batch,
             self.spend, self.kill_or_fill],
            weights=[30, 22, 20, 10, 4, 5, 5, 4],
        )[0]  # fmt: skip
        book = self.cache.order_book(found)
        if book is None or book.best_bid_price() is None or book.best_ask_price() is None:
            return
        action(found, book.best_bid_price(), book.best_ask_price())

    def limit(self, found: Any, side: OrderSide, qty: Decimal, px: Any, **more: Any) -> Any:
        return self.order_factory.limit(
            found, side, Quantity(qty, 6), Price(px.as_decimal(), 4), **more
        )

    def size(self) -> Decimal:
        return Decimal(self.rng.randint(500, 2500)) / 100

    def take(self, found: Any, _bid: Any, ask: Any) -> None:
        tags = ["size:exact"] if self.rng.random() < 0.3 else None
        self.submit_order(
            self.limit(
                found, OrderSide.BUY, self.size(), ask, time_in_force=TimeInForce.IOC, tags=tags
            )
        )

    def kill_or_fill(self, found: Any, _bid: Any, ask: Any) -> None:
        self.submit_order(
            self.limit(found, OrderSide.BUY, self.size(), ask, time_in_force=TimeInForce.FOK)
        )

    def rest(self, found: Any, bid: Any, _ask: Any) -> None:
        post_only = self.rng.random() < 0.5
        self.submit_order(self.limit(found, OrderSide.BUY, self.size(), bid, post_only=post_only))

    def sell(self, found: Any, bid: Any, ask: Any) -> None:
        held = sum(
            p.quantity.as_decimal()
            for p in self.cache.positions_open(instrument_id=found, strategy_id=self.id)
        )
        qty = (held * Decimal(self.rng.randint(20, 100)) / 100).quantize(Decimal("0.01"))
        if qty < 5:
            return
        resting = self.rng.random() < 0.4
        self.submit_order(
            self.limit(
                found,
                OrderSide.SELL,
                qty,
                ask if resting else bid,
                time_in_force=TimeInForce.GTC if resting else TimeInForce.IOC,
                reduce_only=not resting,
            )
        )

    def cancel_one(self, found: Any, _bid: Any, _ask: Any) -> None:
        orders = self.cache.orders_open(instrument_id=found, strategy_id=self.id)
        if orders:
            self.cancel_order(self.rng.choice(orders))

    def cancel_many(self, found: Any, _bid: Any, _ask: Any) -> None:
        self.cancel_all_orders(found)

    def batch(self, found: Any, bid: Any, _ask: Any) -> None:
        orders = [
            self.limit(found, OrderSide.BUY, self.size(), bid)
            for _ in range(self.rng.randint(2, 4))
        ]
        self.submit_order_list(self.order_factory.create_list(orders))

    def spend(self, found: Any, _bid: Any, _ask: Any) -> None:
        self.submit_order(
            self.order_factory.market(
                found,
                OrderSide.BUY,
                Quantity(self.rng.randint(2, 9), 6),
                quote_quantity=True,
                time_in_force=TimeInForce.IOC,
            )
        )

    def on_stop(self) -> None:
        for found in self.ids:
            self.cancel_all_orders(found)


def node_config(settings: dict[str, Any]) -> TradingNodeConfig:
    venue = settings["venue"]
    provider = InstrumentProviderConfig(load_all=True)
    common = {
        "environment": "local",
        "clob_url": venue["clob"],
        "gamma_url": venue["gamma"],
        "data_api_url": venue["data"],
        "ws_url": venue["ws_market"].rsplit("/", 1)[0],
        "geoblock_url": venue["geoblock"],
        "instrument_provider": provider,
        "timeout_s": 2.0,
    }
    return TradingNodeConfig(
        trader_id="FLOW-001",
        logging=LoggingConfig(log_level=settings.get("log_level", "OFF"), log_colors=False),
        exec_engine=LiveExecEngineConfig(
            reconciliation_startup_delay_secs=0.5,
            inflight_check_retries=30,
            open_check_interval_secs=7.0,
            position_check_interval_secs=9.0,
            allow_overfills=settings.get("allow_overfills", True),
        ),
        data_clients={NAME: PolymarketDataClientConfig(quiet_check_s=4.0, **common)},
        exec_clients={
            NAME: PolymarketExecClientConfig(
                signature_type=settings["account"]["signature_type"],
                order_log_path=settings["order_log"],
                reconcile_interval_s=5.0,
                absence_grace_s=3.0,
                lookback_hours=1.0,
                **common,
            )
        },
        timeout_connection=40.0,
        timeout_reconciliation=20.0,
        timeout_portfolio=10.0,
        timeout_disconnection=3.0,
        timeout_post_stop=1.0,
    )


async def drive(node: TradingNode, strategy: FlowStrategy, settings: dict[str, Any]) -> None:
    """Let it trade, then stop it, wait for quiet, and write the belief down."""
    while not node.trader.is_running:  # noqa: ASYNC110 - Nautilus offers no event to wait for
        await asyncio.sleep(0.05)
    await asyncio.sleep(settings["seconds"])
    strategy.trading = False
    engine = node.kernel.exec_engine
    execution = next(iter(engine._clients.values()))
    data = next(iter(node.kernel.data_engine._clients.values()))
    deadline = time.monotonic() + settings["quiet_s"]
    while time.monotonic() < deadline:
        for order in node.cache.orders_open():
            if not order.is_pending_cancel:
                strategy.cancel_order(order)
        await asyncio.sleep(0.5)
        tracker = execution.tracker
        if not (node.cache.orders_open() or node.cache.orders_inflight() or tracker.open()
                or tracker.in_doubt() or tracker.fills.unconfirmed()):  # fmt: skip
            break
    await heal(settings)
    books = await compare_books(execution, data)
    await execution._round()
    await asyncio.sleep(1.0)
    write_belief(settings["belief"], belief(node, strategy, books))
    os.kill(os.getpid(), signal.SIGTERM)


async def heal(settings: dict[str, Any]) -> None:
    """Take the faults away and give every book the time its checks need: liveness after safety."""
    request = urllib.request.Request(settings["admin"] + "/faults", method="DELETE")
    await asyncio.to_thread(urllib.request.urlopen, request)
    await asyncio.sleep(7.0)


async def compare_books(execution: Any, data: Any) -> dict[str, int]:
    """Compare books with REST at the same venue time; one that moved meanwhile is not counted."""
    equal = different = 0
    for _ in range(4):
        for asset_id in data.feed.assets():
            try:
                rest = await execution._hub.clob.book(asset_id)
            except Exception:
                continue
            ours = data.feed.book(asset_id)
            if not ours.is_live or ours.ts_event_ns // 1_000_000 != int(rest.timestamp):
                continue
            same = ours.same_levels(rest)
            equal += same
            different += not same
        await asyncio.sleep(0.3)
    return {"equal": equal, "different": different}


def belief(node: TradingNode, strategy: FlowStrategy, books: dict[str, int]) -> dict[str, Any]:
    execution = next(iter(node.kernel.exec_engine._clients.values()))
    data = next(iter(node.kernel.data_engine._clients.values()))
    tracker = execution.tracker
    positions: dict[str, Decimal] = {}
    for position in node.cache.positions_open():
        token = position.instrument_id.symbol.value
        positions[token] = positions.get(token, Decimal(0)) + position.signed_decimal_qty()
    account = node.cache.account_for_venue(execution.venue)
    return {
        "positions": {token: str(shares) for token, shares in positions.items()},
        "holdings": {a: str(tracker.holdings.shares(a)) for a in tracker.holdings.assets()},
        "balance": [str(b.total.as_decimal()) for b in account.balances().values()],
        "locked": [str(b.locked.as_decimal()) for b in account.balances().values()],
        "open": [o.client_order_id.value for o in node.cache.orders_open()],
        "inflight": [o.client_order_id.value for o in node.cache.orders_inflight()],
        "tracked_open": [t.client_id for t in tracker.open()],
        "stuck": [
            {
                "order": t.client_id,
                "id": t.order_id,
                "phase": str(tracker.phase(t.client_id)),
                "ending": str(t.ending),
                "expected": str(t.expected),
                "filled": str(tracker.filled(t.client_id)),
                "failed": str(tracker.fills.void_size(t.order_id)),
                "absences": t.absences,
                "trade_ids": t.trade_ids,
                "checking": t.order_id in execution._checking,
                "due": execution._checks.get(t.order_id, 0) - time.time_ns(),
            }
            for t in tracker.open_or_doubted()
        ],
        "unconfirmed": [f.fill_id for f in tracker.fills.unconfirmed()],
        "orders": {
            o.venue_order_id.value if o.venue_order_id else o.client_order_id.value: {
                "client": o.client_order_id.value,
                "status": o.status_string(),
                "filled": str(o.filled_qty),
                "tags": o.tags,
            }
            for o in node.cache.orders()
        },
        "events": strategy.events,
        "reverted": strategy.reverted,
        "feed": dict(data.feed.counts()),
        "rounds": execution._reconciler.rounds,
        "user_reconnects": execution._user.monitor.reconnects,
        "user_garbled": execution._user.monitor.protocol_errors,
        "books": books,
    }


def write_belief(path: str, found: dict[str, Any]) -> None:
    Path(path).write_text(json.dumps(found, indent=1))


def main() -> None:
    settings = json.loads(Path(sys.argv[1]).read_text())
    account = settings["account"]
    os.environ[credentials.PRIVATE_KEY] = account["private_key"]
    if account["signature_type"]:
        os.environ[credentials.FUNDER] = account["funder"]
    node = TradingNode(config=node_config(settings))
    strategy = FlowStrategy(settings)
    node.trader.add_strategy(strategy)
    node.add_data_client_factory(NAME, PolymarketLiveDataClientFactory)
    node.add_exec_client_factory(NAME, PolymarketLiveExecClientFactory)
    node.build()
    task = node.get_event_loop().create_task(drive(node, strategy, settings))
    try:
        node.run()
    finally:
        task.cancel()
        node.dispose()


if __name__ == "__main__":
    main()
