"""Instruments from the catalogue: all trade-ready markets, or the ones named by filters or ids."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final

import msgspec
from nautilus_trader.common.providers import InstrumentProvider
from nautilus_trader.config import InstrumentProviderConfig
from nautilus_trader.model.identifiers import InstrumentId
from nautilus_trader.model.instruments import BinaryOption

from adapters.common.errors import ConfigError, ProtocolError, UsageError
from adapters.polymarket.gamma import GammaClient, event_markets
from adapters.polymarket.markets import Market, NotTradable, parse_market
from adapters.polymarket.parsing import parse_instrument
from adapters.polymarket.rest import Params
from adapters.polymarket.schemas.gamma import GammaMarket
from adapters.polymarket.symbols import asset_id_of, padded_condition_id

_EVENT_FILTERS: Final = {
    "event_slug": "slug",
    "event_id": "id",
    "game_id": "game_id",
    "series_id": "series_id",
    "tag_slug": "tag_slug",
}
_MARKET_FILTERS: Final = {
    "slug": "slug",
    "market_slug": "slug",
    "condition_id": "condition_ids",
    "token_id": "clob_token_ids",
    "position_id": "position_ids",
    "tag_id": "tag_id",
    "sports_market_type": "sports_market_types",
    "version": "version",
    "closed": "closed",
    "end_date_min": "end_date_min",
    "end_date_max": "end_date_max",
    "liquidity_min": "liquidity_num_min",
    "volume_min": "volume_num_min",
}
FILTERS: Final = frozenset(_EVENT_FILTERS) | frozenset(_MARKET_FILTERS) | {"max_markets"}
_IDS_PER_CALL: Final = 50


class PolymarketInstrumentProvider(InstrumentProvider):
    """Loads and keeps markets; data and execution clients share one.

    Filters: `slug`, `condition_id`, `token_id`, `position_id`, `tag_id`, `sports_market_type`,
    `version`, `closed`, `end_date_min`, `end_date_max`, `liquidity_min`, `volume_min` on markets;
    `event_slug`, `event_id`, `game_id`, `series_id`, `tag_slug` on events; `max_markets` as a
    bound. A value may be a list. Without filters every open market of the venue is loaded.

    Attributes
    ----------
    refused : dict of str to str
        Catalogue rows that are no instrument, by slug, with the reason.
    """

    def __init__(
        self,
        gamma: GammaClient,
        *,
        clock_ns: Callable[[], int],
        config: InstrumentProviderConfig | None = None,
        confirmed_tick: Callable[[str], Decimal | None] = lambda _: None,
    ) -> None:
        super().__init__(config=config)
        self._confirmed_tick = confirmed_tick
        self._gamma = gamma
        self._clock_ns = clock_ns
        self._by_asset: dict[str, Market] = {}
        self._by_condition: dict[str, Market] = {}
        self._watchers: list[Callable[[BinaryOption], None]] = []
        self._load_lock = asyncio.Lock()
        self.refused: dict[str, str] = {}

    # -- questions --------------------------------------------------------------------------------

    def market(self, asset_id: str) -> Market | None:
        """Return the market of a token."""
        return self._by_asset.get(asset_id)

    def market_of_condition(self, condition_id: str) -> Market | None:
        """Return a market by condition id, either form."""
        try:
            return self._by_condition.get(padded_condition_id(condition_id))
        except UsageError:
            return None

    def markets(self) -> list[Market]:
        """Return every market loaded."""
        return list(self._by_condition.values())

    def watch(self, callback: Callable[[BinaryOption], None]) -> None:
        """Call back for every instrument added or changed from now on."""
        self._watchers.append(callback)

    def unwatch(self, callback: Callable[[BinaryOption], None]) -> None:
        """Stop calling back."""
        if callback in self._watchers:
            self._watchers.remove(callback)

    # -- loading ----------------------------------------------------------------------------------

    async def load_all_async(self, filters: dict[str, Any] | None = None) -> None:
        """Load every market that matches the filters.

        Raises
        ------
        ConfigError
            For a filter the venue does not have.
        TransportError, VenueRefusal, ProtocolError
            When a page cannot be read: a list is complete or it is an error.
        """
        wanted = dict(filters if filters is not None else self._filters or {})
        unknown = sorted(set(wanted) - FILTERS)
        if unknown:
            raise ConfigError("instrument filters", unknown, ", ".join(sorted(FILTERS)))
        limit = int(wanted.pop("max_markets", 0)) or None
        async with self._load_lock:
            if any(name in _EVENT_FILTERS for name in wanted):
                await self._load_events(wanted, limit)
            else:
                await self._load_markets(_params(wanted, _MARKET_FILTERS), limit)

    async def load_ids_async(
        self, instrument_ids: list[InstrumentId], filters: dict[str, Any] | None = None
    ) -> None:
        """Load the markets of these tokens, whatever their state.

        Raises
        ------
        UsageError
            When an id is not of the form TOKEN.POLYMARKET, or the venue does not know it.
        """
        del filters
        asset_ids = [asset_id_of(found.value) for found in instrument_ids]
        await self.load_assets(asset_ids)
        missing = [asset_id for asset_id in asset_ids if asset_id not in self._by_asset]
        if missing:
            why = "; ".join(list(self.refused.values())[-3:])
            raise UsageError(f"token id: {missing[0]} is not in the catalogue. {why}".strip())

    async def load_async(
        self, instrument_id: InstrumentId, filters: dict[str, Any] | None = None
    ) -> None:
        """Load one token's market."""
        await self.load_ids_async([instrument_id], filters)

    async def load_assets(self, asset_ids: list[str]) -> None:
        """Load the markets of tokens, as v1 tokens and as Protocol V2 positions, open or closed."""
        async with self._load_lock:
            for param in ("clob_token_ids", "position_ids"):
                for closed in ("false", "true"):
                    missing = [a for a in asset_ids if a not in self._by_asset]
                    for start in range(0, len(missing), _IDS_PER_CALL):
                        chunk = missing[start : start + _IDS_PER_CALL]
                        params = [(param, asset_id) for asset_id in chunk]
                        await self._load_markets([*params, ("closed", closed)], None)

    async def load_conditions(self, condition_ids: list[str]) -> None:
        """Read markets again by condition id, open or closed; tick, fees and state are renewed."""
        async with self._load_lock:
            known = [self.market_of_condition(c) for c in condition_ids]
            ids = [m.gamma_condition_id if m else c for m, c in zip(known, condition_ids)]  # noqa: B905
            for start in range(0, len(ids), _IDS_PER_CALL):
                chunk = [("condition_ids", c) for c in ids[start : start + _IDS_PER_CALL]]
                for closed in ("false", "true"):
                    await self._load_markets([*chunk, ("closed", closed)], None)

    async def _load_markets(self, params: Params, limit: int | None) -> None:
        count = 0
        async for page in self._gamma.markets(params):
            for row in page:
                count += self._take(row)
            if limit is not None and count >= limit:
                return
            await asyncio.sleep(0)  # a page of a hundred at a time: the loop stays responsive

    async def _load_events(self, wanted: Mapping[str, Any], limit: int | None) -> None:
        events = {k: v for k, v in wanted.items() if k in _EVENT_FILTERS or k == "closed"}
        rest = {k: v for k, v in wanted.items() if k not in events}
        names = {**_EVENT_FILTERS, "closed": "closed"}
        count = 0
        async for page in self._gamma.events(_params(events, names)):
            for event in page:
                for row in event_markets(event):
                    if _row_matches(row, rest):
                        count += self._take(row)
            if limit is not None and count >= limit:
                return
            await asyncio.sleep(0)

    def _take(self, row: GammaMarket) -> int:
        try:
            self.add_market(parse_market(row))
        except (NotTradable, ProtocolError) as exc:
            if len(self.refused) < 10_000:
                self.refused[row.slug or str(row.id)] = str(exc)
            return 0
        return 1

    def add_market(self, market: Market) -> None:
        """Add or renew a market and its two instruments; tell the watchers what changed.

        A tick size the venue confirmed since wins over the catalogue's, which can be stale.
        """
        confirmed = self._confirmed_tick(market.asset_ids[0])
        if confirmed is not None and confirmed != market.tick_size:
            market = msgspec.structs.replace(market, tick_size=confirmed)
        known = self._by_condition.get(market.condition_id)
        if known == market:
            return
        self._by_condition[market.condition_id] = market
        for index, asset_id in enumerate(market.asset_ids):
            self._by_asset[asset_id] = market
            instrument = parse_instrument(market, index, self._clock_ns())
            self.add(instrument)
            for callback in self._watchers:
                callback(instrument)

    def set_tick_size(self, asset_id: str, tick_size: Decimal) -> None:
        """Adopt a tick size the stream or REST stated; it holds for the whole market."""
        market = self._by_asset.get(asset_id)
        if market is not None and market.tick_size != tick_size:
            self.add_market(msgspec.structs.replace(market, tick_size=tick_size))


def _params(wanted: Mapping[str, Any], names: Mapping[str, str]) -> list[tuple[str, str]]:
    params: list[tuple[str, str]] = []
    for name, value in wanted.items():
        if name not in names:
            continue
        for item in value if isinstance(value, list | tuple | set | frozenset) else (value,):
            text = str(item).lower() if isinstance(item, bool) else str(item)
            params.append((names[name], text))
    return params


def _row_matches(row: GammaMarket, rest: Mapping[str, Any]) -> bool:
    """Apply market filters to the markets of an event, which the venue cannot do for us."""
    fields = {
        "slug": row.slug,
        "market_slug": row.slug,
        "condition_id": row.conditionId,
        "sports_market_type": row.sportsMarketType,
        "version": row.version or "v1",
    }
    for name, value in rest.items():
        if name not in fields:
            raise ConfigError(f"filter {name}", value, "not together with an event filter")
        allowed = value if isinstance(value, list | tuple | set | frozenset) else (value,)
        if fields[name] not in allowed:
            return False
    return True
