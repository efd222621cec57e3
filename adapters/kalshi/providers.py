"""Load markets and keep them: series → event → market, two instruments each.

The work is cut into slices between which the loop runs, so ten thousand markets load without a
pause that a stream would feel.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence

from nautilus_trader.common.providers import InstrumentProvider
from nautilus_trader.config import InstrumentProviderConfig
from nautilus_trader.model.identifiers import InstrumentId

from adapters.common.errors import ConfigError, ProtocolError, UsageError, VenueRefusal
from adapters.kalshi import parsing
from adapters.kalshi.http import KalshiHttp
from adapters.kalshi.markets import KalshiMarket, join
from adapters.kalshi.schemas import rest

#: Markets joined and built before the loop gets its turn (about 2 ms).
_SLICE = 20
#: Events or series fetched one by one; above it the whole list is cheaper.
_SINGLES_MAX = 20
_STATUSES = ("unopened", "open", "paused", "closed", "settled")
_FILTERS = (
    "series_ticker",
    "event_ticker",
    "tickers",
    "category",
    "status",
    "min_close_ts",
    "max_close_ts",
)


class KalshiInstrumentProvider(InstrumentProvider):
    """Markets of Kalshi.

    Filters of ``InstrumentProviderConfig.filters``: ``series_ticker``, ``event_ticker`` (one),
    ``tickers`` (comma-separated), ``category``, ``status`` (default ``open``), ``min_close_ts``
    and ``max_close_ts`` (Unix seconds). Combos are left out.

    Attributes
    ----------
    markets : dict of str to KalshiMarket
        What is loaded, by ticker.
    """

    def __init__(
        self,
        http: KalshiHttp,
        clock_ns: Callable[[], int],
        config: InstrumentProviderConfig | None = None,
    ) -> None:
        super().__init__(config)
        self._http = http
        self._clock_ns = clock_ns
        self.markets: dict[str, KalshiMarket] = {}
        self._events: dict[str, rest.Event] = {}
        self._series: dict[str, rest.Series] = {}
        self._series_changes: dict[str, list[rest.SeriesFeeChange]] = {}
        self._event_changes: dict[str, list[rest.EventFeeChange]] = {}
        self._updated_ts = 0

    async def load_all_async(self, filters: dict | None = None) -> None:
        """Load every market that matches ``filters``.

        Raises
        ------
        ConfigError
            An unknown filter, or a value that is not allowed.
        """
        wanted = check_filters(filters or {})
        started_s = self._clock_ns() // 1_000_000_000
        await self._load_fee_changes()
        query = _query(wanted)
        async for page in self._http.market_pages(**query):
            await self._take([m for m in page if _matches(m, wanted)], wanted.get("category"))
        self._updated_ts = started_s

    async def load_ids_async(
        self, instrument_ids: Sequence[InstrumentId], filters: dict | None = None
    ) -> None:
        """Load these instruments.

        Raises
        ------
        UsageError
            A symbol is not of this venue, or a ticker is unknown to it; nothing is half loaded.
        """
        check_filters(filters or {})
        tickers = dict.fromkeys(parsing.market_leg(i)[0] for i in instrument_ids)
        if tickers:
            await self.load_tickers(tickers)

    async def load_async(self, instrument_id: InstrumentId, filters: dict | None = None) -> None:
        """Load one instrument, and its complement; see :meth:`load_ids_async`."""
        if self.find(instrument_id) is None:
            await self.load_ids_async([instrument_id], filters)

    async def load_tickers(self, tickers: Iterable[str]) -> None:
        """Load markets by ticker, whatever their status.

        Raises
        ------
        UsageError
            The venue does not know one of them.
        """
        wanted = list(dict.fromkeys(tickers))
        if not self._series_changes and not self._event_changes:
            await self._load_fee_changes()
        found = await self._http.markets_by_ticker(wanted)
        missing = sorted(set(wanted) - {market.ticker for market in found})
        for ticker in missing:
            # The list leaves out what has just been created, and what is historical.
            try:
                found.append(await self._http.market(ticker))
            except VenueRefusal as exc:
                if exc.status != 404:
                    raise
                raise UsageError(f"ticker: found {ticker!r}, unknown to the venue") from exc
        await self._take(found, None)

    async def ensure(self, tickers: Iterable[str]) -> None:
        """Load those of ``tickers`` that are not loaded yet."""
        missing = [ticker for ticker in dict.fromkeys(tickers) if ticker not in self.markets]
        if missing:
            await self.load_tickers(missing)

    async def refresh(self) -> list[KalshiMarket]:
        """Read again what changed since the last load; return the markets that differ."""
        before = dict(self.markets)
        started_s = self._clock_ns() // 1_000_000_000
        changed: list[rest.Market] = []
        query = {"min_updated_ts": max(0, self._updated_ts - 60), "mve_filter": "exclude"}
        async for page in self._http.market_pages(**query):
            changed.extend(market for market in page if market.ticker in before)
        await self._load_fee_changes()
        await self._take(changed, None)
        self._updated_ts = started_s
        return [m for t, m in self.markets.items() if before.get(t) != m]

    async def reload(self, ticker: str) -> KalshiMarket:
        """Read one market again, together with its event."""
        market = await self._http.market(ticker)
        self._events.pop(market.event_ticker, None)
        await self._take([market], None)
        return self.markets[ticker]

    def replace(self, market: KalshiMarket) -> None:
        """Adopt a changed market and rebuild its instruments."""
        self.markets[market.ticker] = market
        for instrument in parsing.instruments(market, self._clock_ns()):
            self.add(instrument)

    def market_of(self, instrument_id: InstrumentId) -> KalshiMarket:
        """Return the market behind an instrument; ``UsageError`` if it is not loaded."""
        ticker, _ = parsing.market_leg(instrument_id)
        market = self.markets.get(ticker)
        if market is None:
            raise UsageError(f"ticker: found {ticker!r}, which is not loaded")
        return market

    async def _load_fee_changes(self) -> None:
        series: dict[str, list[rest.SeriesFeeChange]] = {}
        for change in await self._http.series_fee_changes():
            series.setdefault(change.series_ticker, []).append(change)
        events: dict[str, list[rest.EventFeeChange]] = {}
        for override in await self._http.event_fee_changes():
            events.setdefault(override.event_ticker, []).append(override)
        self._series_changes, self._event_changes = series, events

    async def _take(self, records: Sequence[rest.Market], category: str | None) -> None:
        """Join records with their events and series, slice by slice."""
        if not records:
            return
        await self._load_events({record.event_ticker for record in records})
        for start in range(0, len(records), _SLICE):
            for record in records[start : start + _SLICE]:
                self._take_one(record, category)
            await asyncio.sleep(0)

    def _take_one(self, record: rest.Market, category: str | None) -> None:
        event = self._events.get(record.event_ticker)
        series = self._series.get(event.series_ticker) if event is not None else None
        try:
            market = join(
                record,
                event,
                series,
                series_changes=self._series_changes.get(event.series_ticker, ()) if event else (),
                event_changes=self._event_changes.get(record.event_ticker, ()),
            )
        except ProtocolError as exc:
            if self._log_warnings:
                self._log.warning(f"Left out: {exc}")
            return
        if category is not None and market.category.lower() != category.lower():
            return
        if self.markets.get(market.ticker) != market:
            self.replace(market)

    async def _load_events(self, tickers: set[str]) -> None:
        missing = sorted(tickers - self._events.keys())
        if len(missing) > _SINGLES_MAX:
            for event in await self._http.events():
                self._events.setdefault(event.event_ticker, event)
            missing = sorted(tickers - self._events.keys())
        for ticker in missing:
            try:
                self._events[ticker] = await self._http.event(ticker)
            except VenueRefusal as exc:
                if exc.status != 404:
                    raise
        wanted = {e.series_ticker for t in tickers if (e := self._events.get(t)) is not None}
        await self._load_series(wanted - self._series.keys())

    async def _load_series(self, missing: set[str]) -> None:
        if len(missing) > _SINGLES_MAX:
            for series in await self._http.series_list():
                self._series[series.ticker] = series
            missing = missing - self._series.keys()
        for ticker in sorted(missing):
            try:
                self._series[ticker] = await self._http.series(ticker)
            except VenueRefusal as exc:
                if exc.status != 404:
                    raise


def check_filters(filters: dict) -> dict:
    """Return the filters after checking names and values.

    Raises
    ------
    ConfigError
        Names the filter, what was found and what is allowed.
    """
    for name in filters:
        if name not in _FILTERS:
            raise ConfigError("instrument_provider.filters", name, ", ".join(_FILTERS))
    status = filters.get("status", "open")
    if status is not None and status not in _STATUSES:
        raise ConfigError("filters.status", status, ", ".join(_STATUSES))
    for name in ("min_close_ts", "max_close_ts"):
        value = filters.get(name)
        if value is not None and (not isinstance(value, int) or value < 0):
            raise ConfigError(f"filters.{name}", value, "Unix seconds")
    return {"status": "open", **filters}


def _query(wanted: dict) -> dict[str, str | int | None]:
    """Return what the venue filters itself: it takes close times only without a status."""
    return {
        "series_ticker": wanted.get("series_ticker"),
        "event_ticker": wanted.get("event_ticker"),
        "tickers": wanted.get("tickers"),
        "status": wanted.get("status"),
        "mve_filter": "exclude",
    }


def _matches(market: rest.Market, wanted: dict) -> bool:
    low, high = wanted.get("min_close_ts"), wanted.get("max_close_ts")
    if low is None and high is None:
        return True
    close_s = parsing.time_ns(market.close_time) // 1_000_000_000 if market.close_time else 0
    return (low is None or close_s >= low) and (high is None or close_s <= high)
