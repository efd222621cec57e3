"""A trading node against the simulator, run as a process of its own.

The node journals what it believes (orders, fills, positions, cash) to JSON lines once a second and
at the end, before anybody reads the venue's truth.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sys
import threading
import time
import warnings
from decimal import Decimal
from pathlib import Path

warnings.filterwarnings("ignore")

from nautilus_trader.config import (  # noqa: E402
    InstrumentProviderConfig,
    LiveExecEngineConfig,
    LoggingConfig,
    StrategyConfig,
    TradingNodeConfig,
)
from nautilus_trader.live.node import TradingNode  # noqa: E402
from nautilus_trader.model.enums import BookType, OrderSide, TimeInForce  # noqa: E402
from nautilus_trader.model.identifiers import ClientId, InstrumentId, Venue  # noqa: E402
from nautilus_trader.trading.strategy import Strategy  # noqa: E402

from adapters.common.currencies import usd  # noqa: E402
from adapters.kalshi.config import KalshiDataClientConfig, KalshiExecClientConfig  # noqa: E402
from adapters.kalshi.factories import (  # noqa: E402
    KalshiLiveDataClientFactory,
    KalshiLiveExecClientFactory,
)
from messages.health import FEED_HEALTH, FeedHealth  # noqa: E402

KALSHI = Venue("KALSHI")


class ChurnConfig(StrategyConfig, frozen=True):
    tickers: tuple[str, ...] = ()
    seed: int = 0
    interval_ms: int = 150
    trade: bool = True


class Churn(Strategy):
    """Trades at random: rests, crosses, amends, shrinks, cancels, sells what it holds."""

    def __init__(self, config: ChurnConfig) -> None:
        super().__init__(config)
        self.draw = random.Random(config.seed)
        self.health: list[str] = []
        self.events = 0

    def on_start(self) -> None:
        self.subscribe_data(FEED_HEALTH, client_id=ClientId("KALSHI"))
        for ticker in self.config.tickers:
            for leg in ("YES", "NO"):
                iid = InstrumentId.from_str(f"{ticker}-{leg}.KALSHI")
                self.subscribe_order_book_deltas(iid, book_type=BookType.L2_MBP)
                self.subscribe_instrument_close(iid)
                self.subscribe_instrument_status(iid)
                self.subscribe_trade_ticks(iid)
        if self.config.trade:
            self.clock.set_timer_ns(
                "churn", self.config.interval_ms * 1_000_000, 0, 0, callback=self.on_turn
            )

    def on_data(self, data: object) -> None:
        if isinstance(data, FeedHealth):
            self.health.append(data.state)

    def on_event(self, event: object) -> None:
        self.events += 1

    def on_turn(self, _event: object) -> None:
        ticker = self.draw.choice(self.config.tickers)
        leg = self.draw.choice(("YES", "NO"))
        iid = InstrumentId.from_str(f"{ticker}-{leg}.KALSHI")
        instrument, book = self.cache.instrument(iid), self.cache.order_book(iid)
        if instrument is None or book is None:
            return
        action = self.draw.random()
        mine = self.cache.orders_open(instrument_id=iid, strategy_id=self.id)
        if action < 0.35 and mine:
            self._touch(self.draw.choice(mine))
        elif action < 0.65:
            self._take(iid, instrument, book)
        else:
            self._rest(iid, instrument, book)

    def _take(self, iid, instrument, book) -> None:
        held = self.portfolio.net_position(iid)
        qty = Decimal(self.draw.randint(1, 500)) / 100
        tif = self.draw.choice((TimeInForce.IOC, TimeInForce.IOC, TimeInForce.FOK))
        if held > 0 and self.draw.random() < 0.6:
            bid = book.best_bid_price()
            if bid is None:
                return
            self._send(iid, OrderSide.SELL, min(qty, held), bid.as_decimal(), tif, True)
            return
        ask = book.best_ask_price()
        if ask is not None and not self._other_held(iid):
            self._send(iid, OrderSide.BUY, qty, ask.as_decimal(), tif, False)

    def _rest(self, iid, instrument, book) -> None:
        bid = book.best_bid_price()
        if bid is None or self._other_held(iid):
            return
        if len(self.cache.orders_open(strategy_id=self.id)) > 40:
            return
        below = Decimal(self.draw.choice((0, 0, 1, 2))) / 100
        price = max(Decimal("0.01"), bid.as_decimal().quantize(Decimal("0.01")) - below)
        qty = Decimal(self.draw.randint(1, 800)) / 100
        self._send(iid, OrderSide.BUY, qty, price, TimeInForce.GTC, False)

    def _touch(self, order) -> None:
        if order.is_pending_cancel or order.is_pending_update:
            return
        action = self.draw.random()
        instrument = self.cache.instrument(order.instrument_id)
        if action < 0.5:
            self.cancel_order(order)
        elif action < 0.75 and order.leaves_qty.as_decimal() > Decimal("0.5"):
            qty = instrument.make_qty(order.quantity.as_decimal() - Decimal("0.25"))
            self.modify_order(order, quantity=qty)
        else:
            price = order.price.as_decimal() + Decimal("0.01")
            if price < Decimal("0.97"):
                self.modify_order(order, price=instrument.make_price(price))

    def _other_held(self, iid) -> bool:
        text = iid.value
        other = text.replace("-YES.", "-NO.") if "-YES." in text else text.replace("-NO.", "-YES.")
        return self.portfolio.net_position(InstrumentId.from_str(other)) > 0

    def _send(self, iid, side, qty, price, tif, reduce_only) -> None:
        instrument = self.cache.instrument(iid)
        if qty < Decimal("0.01") or not 0 < price < 1:
            return
        self.submit_order(
            self.order_factory.limit(
                iid,
                side,
                instrument.make_qty(qty),
                instrument.make_price(price),
                time_in_force=tif,
                reduce_only=reduce_only,
            )
        )

    def on_stop(self) -> None:
        self.cancel_all_open()

    def cancel_all_open(self) -> None:
        for ticker in self.config.tickers:
            for leg in ("YES", "NO"):
                iid = InstrumentId.from_str(f"{ticker}-{leg}.KALSHI")
                if self.cache.orders_open(instrument_id=iid, strategy_id=self.id):
                    self.cancel_all_orders(iid)


def belief(node: TradingNode) -> dict:
    """What the node believes, from its cache alone."""
    cache = node.cache
    orders, fills = {}, {}
    for order in cache.orders(venue=KALSHI):
        if order.tags and "SETTLEMENT" in order.tags:
            continue
        orders[order.client_order_id.value] = {
            "venue_id": order.venue_order_id.value if order.venue_order_id else None,
            "status": order.status_string(),
            "filled": str(order.filled_qty.as_decimal()),
            "quantity": str(order.quantity.as_decimal()),
            "instrument": order.instrument_id.symbol.value,
            "side": order.side.name,
        }
        for event in order.events:
            if type(event).__name__ == "OrderFilled":
                fills[event.trade_id.value] = {
                    "order": order.venue_order_id.value if order.venue_order_id else None,
                    "qty": str(event.last_qty.as_decimal()),
                    "px": str(event.last_px.as_decimal()),
                    "fee": str(event.commission.as_decimal()),
                    "taker": event.liquidity_side.name == "TAKER",
                }
    positions: dict[str, str] = {}
    for position in cache.positions_open(venue=KALSHI):
        symbol = position.instrument_id.symbol.value
        positions[symbol] = str(
            Decimal(positions.get(symbol, "0")) + Decimal(str(position.signed_decimal_qty()))
        )
    account = cache.account_for_venue(KALSHI)
    cash = str(account.balance_total(usd()).as_decimal()) if account is not None else None
    return {
        "ts": time.time_ns(),
        "orders": orders,
        "fills": fills,
        "positions": positions,
        "cash": cash,
    }


def build(args: argparse.Namespace, ready: dict) -> tuple[TradingNode, Churn]:
    venue = ready["kalshi"]
    account = venue["accounts"][args.account]
    tickers = tuple(venue["tickers"][: args.markets]) if not args.tickers else tuple(args.tickers)
    ids = frozenset(
        InstrumentId.from_str(f"{t}-{leg}.KALSHI") for t in tickers for leg in ("YES", "NO")
    )
    common = {
        "environment": "demo",
        "key_id": account["key_id"],
        "private_key_path": account["private_key_path"],
        "rest_url": venue["rest"],
        "ws_url": venue["ws"],
        "timeout_s": args.timeout,
        "idle_timeout_s": args.idle,
        "instrument_provider": InstrumentProviderConfig(load_ids=ids),
    }
    config = TradingNodeConfig(
        trader_id="T-001",
        logging=LoggingConfig(log_level=args.log, log_colors=False),
        exec_engine=LiveExecEngineConfig(
            reconciliation=True,
            reconciliation_startup_delay_secs=1.0,
            inflight_check_interval_ms=args.inflight_ms,
            inflight_check_threshold_ms=args.inflight_ms,
            inflight_check_retries=args.inflight_retries,
            open_check_interval_secs=5.0,
            open_check_open_only=True,
            position_check_interval_secs=10.0,
        ),
        data_clients={"KALSHI": KalshiDataClientConfig(**common)},
        exec_clients={
            "KALSHI": KalshiExecClientConfig(**common, reconcile_interval_s=args.reconcile)
        },
        timeout_connection=30.0,
        timeout_reconciliation=30.0,
        timeout_portfolio=10.0,
        timeout_disconnection=5.0,
        timeout_post_stop=args.post_stop,
    )
    node = TradingNode(config=config)
    strategy = Churn(
        ChurnConfig(
            strategy_id="CHURN",
            order_id_tag="001",
            tickers=tickers,
            seed=args.seed,
            interval_ms=args.interval,
            trade=not args.watch,
            external_order_claims=[i for i in ids],
        )
    )
    node.trader.add_strategy(strategy)
    node.add_data_client_factory("KALSHI", KalshiLiveDataClientFactory)
    node.add_exec_client_factory("KALSHI", KalshiLiveExecClientFactory)
    node.build()
    return node, strategy


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--ready", required=True)
    parser.add_argument("--belief", required=True)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--quiet", type=float, default=6.0, help="seconds of rest before the end")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--account", type=int, default=1)
    parser.add_argument("--markets", type=int, default=6)
    parser.add_argument("--tickers", nargs="*")
    parser.add_argument("--interval", type=int, default=150)
    parser.add_argument("--timeout", type=float, default=3.0)
    parser.add_argument("--idle", type=float, default=6.0)
    parser.add_argument("--reconcile", type=float, default=5.0)
    parser.add_argument("--inflight-ms", type=int, default=1000)
    parser.add_argument("--inflight-retries", type=int, default=30)
    parser.add_argument("--post-stop", type=float, default=2.0)
    parser.add_argument("--watch", action="store_true", help="subscribe, but do not trade")
    parser.add_argument("--log", default="WARNING")
    args = parser.parse_args()
    ready = json.loads(Path(args.ready).read_text())
    node, strategy = build(args, ready)
    started = time.monotonic()

    def journal() -> None:
        """Runs on the node's loop: a belief is one moment of the cache."""
        with Path(args.belief).open("a") as file:
            file.write(json.dumps(belief(node)) + "\n")

    def conduct() -> None:
        loop = node.get_event_loop()
        quiet_at, stopped = started + args.seconds - args.quiet, False
        while time.monotonic() < started + args.seconds:
            time.sleep(1.0)
            if time.monotonic() >= quiet_at and not stopped:
                stopped = True
                loop.call_soon_threadsafe(lambda: strategy.clock.cancel_timers())
                loop.call_soon_threadsafe(strategy.cancel_all_open)
            elif stopped:
                loop.call_soon_threadsafe(strategy.cancel_all_open)
            loop.call_soon_threadsafe(journal)
        time.sleep(0.3)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=conduct, daemon=True).start()
    try:
        node.run()
    finally:
        running = strategy.events > 0 or args.watch
        print(f"events {strategy.events} health {strategy.health[-10:]}", flush=True)
        node.dispose()
    return 0 if running else 2


if __name__ == "__main__":
    sys.exit(main())
