"""What one account's data and execution clients share: transport, limits, catalogue, ticks."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Protocol

from nautilus_trader.config import InstrumentProviderConfig

from adapters.common.errors import VenueRefusal
from adapters.common.retry import ReadRetry
from adapters.common.transport import AiohttpTransport, HttpTransport, WsTransport
from adapters.polymarket.config import Hosts
from adapters.polymarket.data_api import DataApiClient
from adapters.polymarket.gamma import GammaClient
from adapters.polymarket.http import ClobClient
from adapters.polymarket.markets import payouts
from adapters.polymarket.providers import PolymarketInstrumentProvider
from adapters.polymarket.rest import RestClient, make_limiter
from adapters.polymarket.signing import ApiKey, OrderSigner
from adapters.polymarket.ticks import TickBook

_NS = 1_000_000_000


class Transport(HttpTransport, WsTransport, Protocol):
    """REST and WebSocket in one."""


class PolymarketHub:
    """The venue, as seen from one place with one set of limits.

    Attributes
    ----------
    clock_offset_s : int
        What to add to our clock for the venue's; measured at connect.
    on_idle : callable
        Called when the last client has left.
    """

    def __init__(
        self,
        hosts: Hosts,
        *,
        clock_ns: Callable[[], int],
        proxy_url: str | None = None,
        timeout_s: float = 10.0,
        provider_config: InstrumentProviderConfig | None = None,
        transport: Transport | None = None,
        retry: ReadRetry | None = None,
    ) -> None:
        self.hosts = hosts
        self.clock_ns = clock_ns
        self.clock_offset_s = 0
        self.transport: Transport = transport or AiohttpTransport(proxy_url=proxy_url)
        self._retry = retry
        self.limiter = make_limiter(clock_ns)
        self.ticks = TickBook()
        self._timeout_s = timeout_s
        self.gamma = GammaClient(self.rest(hosts.gamma))
        self.data_api = DataApiClient(self.rest(hosts.data_api))
        self.clob = ClobClient(self.rest(hosts.clob), clock_s=self.now_s)
        self.provider = PolymarketInstrumentProvider(
            self.gamma,
            clock_ns=clock_ns,
            config=provider_config,
            confirmed_tick=self.ticks.last,
        )
        self._users = 0
        self.on_idle: Callable[[], object] = lambda: None
        self.resolved: dict[str, tuple[Decimal, Decimal]] = {}

    def rest(
        self, url: str, on_refusal: Callable[[VenueRefusal], None] | None = None
    ) -> RestClient:
        """Return a client of one host with the shared transport and limits."""
        return RestClient(
            base_url=url,
            transport=self.transport,
            limiter=self.limiter,
            retry=self._retry,
            timeout_s=self._timeout_s,
            on_refusal=on_refusal,
        )

    def now_s(self) -> int:
        """Return unix seconds by the venue's clock."""
        return self.clock_ns() // _NS + self.clock_offset_s

    async def measure_clock(self) -> int:
        """Compare clocks; the venue refuses requests signed at another time."""
        before_ns = self.clock_ns()
        venue_s = await self.clob.time_s()
        middle_s = (before_ns + self.clock_ns()) // 2 // _NS
        offset = venue_s - middle_s
        # One second of difference is rounding, not skew.
        self.clock_offset_s = offset if abs(offset) > 1 else 0
        return self.clock_offset_s

    def account(
        self,
        signer: OrderSigner,
        api_key: ApiKey | None,
        on_refusal: Callable[[VenueRefusal], None] | None = None,
    ) -> ClobClient:
        """Return the CLOB as one account sees it."""
        rest = self.rest(self.hosts.clob, on_refusal)
        return ClobClient(rest, signer=signer, api_key=api_key, clock_s=self.now_s)

    async def confirm_tick(self, asset_id: str) -> Decimal:
        """Return the tick size, asking the venue unless it is known to be current."""
        known = self.ticks.current(asset_id, self.clock_ns())
        if known is not None:
            return known
        tick = await self.clob.tick_size(asset_id)
        self.set_tick(asset_id, tick)
        return tick

    def set_tick(self, asset_id: str, tick: Decimal) -> None:
        """Adopt a tick size; it holds for both outcomes of the market."""
        now_ns = self.clock_ns()
        market = self.provider.market(asset_id)
        for token in market.asset_ids if market else (asset_id,):
            self.ticks.confirm(token, tick, now_ns)
        self.provider.set_tick_size(asset_id, tick)

    async def resolutions(self, condition_ids: list[str]) -> dict[str, tuple[Decimal, Decimal]]:
        """Return the payouts per share of those markets that are resolved.

        The Data API's payouts are the authority; the catalogue tells which to ask for and stands
        in for it when it knows no payout yet.
        """
        wanted = [c for c in condition_ids if c not in self.resolved]
        if wanted:
            await self.provider.load_conditions(wanted)
            closed = [
                m
                for c in wanted
                if (m := self.provider.market_of_condition(c)) is not None and m.closed
            ]
            ids = [m.condition_id for m in closed]
            official = await self.data_api.payouts(ids) if ids else {}
            for market in closed:
                found = official.get(market.condition_id) or payouts(market)
                if found is not None:
                    self.resolved[market.condition_id] = (found[0], found[1])
        return {c: self.resolved[c] for c in condition_ids if c in self.resolved}

    def join(self) -> None:
        """Count one more client that uses the connections."""
        self._users += 1

    async def leave(self) -> None:
        """Release the connections with the last client."""
        self._users = max(0, self._users - 1)
        if self._users == 0:
            self.on_idle()
            await self.transport.close()
