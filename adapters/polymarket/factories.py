"""Factories of the live node: one hub per account and place, shared by data and execution."""

from __future__ import annotations

import asyncio
from pathlib import Path

from nautilus_trader.cache.cache import Cache
from nautilus_trader.common.component import LiveClock, MessageBus
from nautilus_trader.live.factories import LiveDataClientFactory, LiveExecClientFactory
from nautilus_trader.model.identifiers import ClientId

from adapters.polymarket.config import (
    Hosts,
    PolymarketDataClientConfig,
    PolymarketExecClientConfig,
    hosts,
    trading_hosts,
)
from adapters.polymarket.credentials import load_api_key, load_signer
from adapters.polymarket.data import PolymarketDataClient
from adapters.polymarket.execution import PolymarketExecutionClient
from adapters.polymarket.hub import PolymarketHub
from adapters.polymarket.order_log import FileOrderLog, MemoryOrderLog, OrderLog

_hubs: dict[tuple[int, Hosts, str | None], PolymarketHub] = {}


def shared_hub(
    loop: asyncio.AbstractEventLoop,
    found: Hosts,
    config: PolymarketDataClientConfig | PolymarketExecClientConfig,
    clock: LiveClock,
) -> PolymarketHub:
    """Return the hub of these addresses and this egress in this loop, made on first use.

    The first client's instrument-provider settings count; give both clients the same.
    """
    key = (id(loop), found, config.proxy_url)
    if key not in _hubs:
        hub = PolymarketHub(
            found,
            clock_ns=clock.timestamp_ns,
            proxy_url=config.proxy_url,
            timeout_s=config.timeout_s,
            provider_config=config.instrument_provider,
        )
        hub.on_idle = lambda: _hubs.pop(key, None)
        _hubs[key] = hub
    return _hubs[key]


class PolymarketLiveDataClientFactory(LiveDataClientFactory):
    """Makes data clients."""

    @staticmethod
    def create(
        loop: asyncio.AbstractEventLoop,
        name: str,
        config: PolymarketDataClientConfig,
        msgbus: MessageBus,
        cache: Cache,
        clock: LiveClock,
    ) -> PolymarketDataClient:
        """Return a data client.

        Raises
        ------
        ConfigError
            A setting is wrong.
        """
        hub = shared_hub(loop, hosts(config), config, clock)
        return PolymarketDataClient(
            loop=loop,
            client_id=ClientId(name),
            hub=hub,
            msgbus=msgbus,
            cache=cache,
            clock=clock,
            config=config,
        )


class PolymarketLiveExecClientFactory(LiveExecClientFactory):
    """Makes execution clients."""

    @staticmethod
    def create(
        loop: asyncio.AbstractEventLoop,
        name: str,
        config: PolymarketExecClientConfig,
        msgbus: MessageBus,
        cache: Cache,
        clock: LiveClock,
    ) -> PolymarketExecutionClient:
        """Return an execution client.

        Raises
        ------
        ConfigError, CredentialError
            A setting is wrong, a credential missing; before anything is opened.
        """
        found = trading_hosts(config)
        signer = load_signer(config.signature_type, config.funder)
        stored_key = load_api_key()
        log: OrderLog = (
            FileOrderLog(Path(config.order_log_path)) if config.order_log_path else MemoryOrderLog()
        )
        return PolymarketExecutionClient(
            loop=loop,
            client_id=ClientId(name),
            hub=shared_hub(loop, found, config, clock),
            signer=signer,
            stored_key=stored_key,
            order_log=log,
            msgbus=msgbus,
            cache=cache,
            clock=clock,
            config=config,
        )
