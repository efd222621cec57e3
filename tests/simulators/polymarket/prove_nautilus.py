"""Run the Polymarket adapter that Nautilus bundles: connect, load, book, submit, fill, cancel.

Arguments: ready file, condition id, token id. The catalogue's address is read at import, so the
environment is set first.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path

READY = json.loads(Path(sys.argv[1]).read_text())["polymarket"]
os.environ["GAMMA_API_URL"] = READY["gamma"]

from nautilus_trader.adapters.polymarket.common.constants import POLYMARKET  # noqa: E402 - see above
from nautilus_trader.adapters.polymarket.common.symbol import (  # noqa: E402 - see above
    get_polymarket_instrument_id,
)
from nautilus_trader.adapters.polymarket.config import (  # noqa: E402 - see above
    PolymarketDataClientConfig,
    PolymarketExecClientConfig,
)
from nautilus_trader.adapters.polymarket.factories import (  # noqa: E402 - see above
    PolymarketLiveDataClientFactory,
    PolymarketLiveExecClientFactory,
)
from nautilus_trader.adapters.polymarket.providers import (  # noqa: E402 - see above
    PolymarketInstrumentProviderConfig,
)
from nautilus_trader.config import (  # noqa: E402 - see above
    LiveExecEngineConfig,
    LoggingConfig,
    TradingNodeConfig,
)
from nautilus_trader.live.node import TradingNode  # noqa: E402 - see above
from nautilus_trader.model.enums import OrderSide, TimeInForce  # noqa: E402 - see above
from nautilus_trader.model.identifiers import InstrumentId  # noqa: E402 - see above
from nautilus_trader.model.objects import Price, Quantity  # noqa: E402 - see above
from nautilus_trader.trading.strategy import Strategy  # noqa: E402 - see above


class Prover(Strategy):
    """Rests an order, cancels it, then buys; notes what the adapter reports."""

    def __init__(self, instrument_id: InstrumentId) -> None:
        super().__init__()
        self.instrument_id = instrument_id
        self.seen: list[str] = []
        self.done = asyncio.Event()
        self.resting = None

    def on_start(self) -> None:
        self.instrument = self.cache.instrument(self.instrument_id)
        self.seen.append("instrument")
        self.subscribe_order_book_deltas(self.instrument_id)

    def on_order_book_deltas(self, deltas) -> None:
        del deltas
        if "book" in self.seen:
            return
        book = self.cache.order_book(self.instrument_id)
        if book.best_bid_price() is None or book.best_ask_price() is None:
            return
        self.seen.append("book")
        assert (str(book.best_bid_price()), str(book.best_ask_price())) == ("0.48", "0.52")
        self.resting = self.limit("0.40")
        self.submit_order(self.resting)

    def limit(self, price: str):
        return self.order_factory.limit(
            instrument_id=self.instrument_id,
            order_side=OrderSide.BUY,
            quantity=Quantity.from_str("10.000000"),
            price=Price.from_str(price),
            time_in_force=TimeInForce.GTC,
        )

    def on_order_accepted(self, event) -> None:
        if event.client_order_id == self.resting.client_order_id:
            self.seen.append("accepted")
            self.cancel_order(self.resting)

    def on_order_canceled(self, event) -> None:
        del event
        self.seen.append("canceled")
        self.submit_order(self.limit("0.52"))

    def on_order_filled(self, event) -> None:
        self.seen.append(f"filled {event.last_qty.as_decimal().normalize():f} at {event.last_px}")
        self.done.set()

    def on_order_rejected(self, event) -> None:
        self.seen.append(f"rejected: {event.reason}")
        self.done.set()


async def main() -> int:
    account = next(a for a in READY["accounts"] if a["signature_type"] == 0)
    instrument_id = get_polymarket_instrument_id(sys.argv[2], sys.argv[3])
    loading = PolymarketInstrumentProviderConfig(load_ids=frozenset([str(instrument_id)]))
    common = {
        "private_key": account["private_key"],
        "signature_type": 0,
        "funder": account["funder"],
        "api_key": account["api_key"],
        "api_secret": account["api_secret"],
        "passphrase": account["api_passphrase"],
        "base_url_http": READY["clob"],
        "base_url_ws": READY["ws_market"].removesuffix("market"),
        "instrument_config": loading,
    }
    config = TradingNodeConfig(
        trader_id="PROOF-001",
        logging=LoggingConfig(log_level="WARNING"),
        exec_engine=LiveExecEngineConfig(reconciliation=False),
        data_clients={
            POLYMARKET: PolymarketDataClientConfig(
                **common,
                ws_connection_initial_delay_secs=0.1,
                update_instruments_interval_mins=None,
            )
        },
        exec_clients={
            POLYMARKET: PolymarketExecClientConfig(**common, base_url_data_api=READY["data"])
        },
        timeout_connection=15.0,
        timeout_disconnection=2.0,
        timeout_post_stop=0.1,
    )
    node = TradingNode(config=config, loop=asyncio.get_running_loop())
    prover = Prover(instrument_id)
    node.trader.add_strategy(prover)
    node.add_data_client_factory(POLYMARKET, PolymarketLiveDataClientFactory)
    node.add_exec_client_factory(POLYMARKET, PolymarketLiveExecClientFactory)
    node.build()
    running = asyncio.create_task(node.run_async())
    try:
        async with asyncio.timeout(40):
            await prover.done.wait()
    except TimeoutError:
        prover.seen.append("timeout")
    await node.stop_async()
    running.cancel()
    print(json.dumps(prover.seen))
    return 0 if prover.seen[-1].startswith("filled 10 at 0.52") else 1


if __name__ == "__main__":
    code = asyncio.run(main())
    sys.stdout.flush()
    os._exit(code)
