"""Build the clients that a node names in its configuration."""

from __future__ import annotations

import asyncio
import weakref

from nautilus_trader.cache.cache import Cache
from nautilus_trader.common.component import LiveClock, MessageBus
from nautilus_trader.config import InstrumentProviderConfig
from nautilus_trader.live.factories import LiveDataClientFactory, LiveExecClientFactory
from nautilus_trader.model.identifiers import ClientId

from adapters.common.transport import AiohttpTransport
from adapters.kalshi.config import (
    KalshiDataClientConfig,
    KalshiExecClientConfig,
    environment,
    trading_environment,
)
from adapters.kalshi.credentials import Credential, has_credential, load_credential
from adapters.kalshi.data import KalshiDataClient
from adapters.kalshi.execution import KalshiExecutionClient
from adapters.kalshi.http import KalshiHttp
from adapters.kalshi.providers import KalshiInstrumentProvider

type _Config = KalshiDataClientConfig | KalshiExecClientConfig
type _Parts = tuple[KalshiHttp, AiohttpTransport, KalshiInstrumentProvider]

#: One REST client, budget and provider per loop, address, key and universe.
_SHARED: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, dict[tuple, _Parts]] = (
    weakref.WeakKeyDictionary()
)


def shared_parts(
    loop: asyncio.AbstractEventLoop,
    config: _Config,
    rest_url: str,
    credential: Credential | None,
    clock: LiveClock,
) -> _Parts:
    """Return REST client, transport and provider, shared by clients of one key and universe."""
    provider_config = config.instrument_provider
    key = (
        rest_url,
        credential.key_id if credential is not None else "",
        config.proxy_url,
        provider_config,
    )
    parts = _SHARED.setdefault(loop, {})
    if key not in parts:
        transport = AiohttpTransport(proxy_url=config.proxy_url)
        http = KalshiHttp(
            rest_url=rest_url,
            transport=transport,
            clock_ns=clock.timestamp_ns,
            credential=credential,
            timeout_s=config.timeout_s,
        )
        provider = KalshiInstrumentProvider(
            http, clock.timestamp_ns, provider_config or InstrumentProviderConfig()
        )
        parts[key] = (http, transport, provider)
    return parts[key]


class KalshiLiveDataClientFactory(LiveDataClientFactory):
    """Factory for ``TradingNode.add_data_client_factory``."""

    @staticmethod
    def create(
        loop: asyncio.AbstractEventLoop,
        name: str,
        config: KalshiDataClientConfig,
        msgbus: MessageBus,
        cache: Cache,
        clock: LiveClock,
    ) -> KalshiDataClient:
        """Return a data client.

        Raises
        ------
        ConfigError, CredentialError
            A setting or the key is wrong; nothing has been opened.
        """
        found = environment(config.environment, rest_url=config.rest_url, ws_url=config.ws_url)
        credential: Credential | None = None
        if config.key_id or config.private_key_path or has_credential(config.environment):
            credential = load_credential(
                config.environment,
                key_id=config.key_id,
                private_key_path=config.private_key_path,
            )
        http, transport, provider = shared_parts(loop, config, found.rest_url, credential, clock)
        return KalshiDataClient(
            loop=loop,
            client_id=ClientId(name),
            http=http,
            transport=transport,
            ws_url=found.ws_url,
            credential=credential,
            msgbus=msgbus,
            cache=cache,
            clock=clock,
            provider=provider,
            config=config,
        )


class KalshiLiveExecClientFactory(LiveExecClientFactory):
    """Factory for ``TradingNode.add_exec_client_factory``."""

    @staticmethod
    def create(
        loop: asyncio.AbstractEventLoop,
        name: str,
        config: KalshiExecClientConfig,
        msgbus: MessageBus,
        cache: Cache,
        clock: LiveClock,
    ) -> KalshiExecutionClient:
        """Return an execution client.

        Raises
        ------
        ConfigError, CredentialError
            A setting or the key is wrong, or the environment trades real money; nothing has been
            opened.
        """
        found = trading_environment(config)
        credential = load_credential(
            config.environment, key_id=config.key_id, private_key_path=config.private_key_path
        )
        http, transport, provider = shared_parts(loop, config, found.rest_url, credential, clock)
        return KalshiExecutionClient(
            loop=loop,
            client_id=ClientId(name),
            http=http,
            transport=transport,
            ws_url=found.ws_url,
            credential=credential,
            msgbus=msgbus,
            cache=cache,
            clock=clock,
            provider=provider,
            config=config,
        )
