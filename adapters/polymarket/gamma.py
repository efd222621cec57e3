"""The catalogue: keyset pages of markets and events.

A row that cannot be read is skipped and counted, never allowed to stop the other ten thousand.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final

import msgspec

from adapters.common.errors import ProtocolError
from adapters.polymarket.constants import GAMMA_PAGE_MAX
from adapters.polymarket.rest import Params, RestClient
from adapters.polymarket.schemas.gamma import (
    EventPage,
    GammaEvent,
    GammaEventRef,
    GammaMarket,
    MarketPage,
)

_MARKETS: Final = msgspec.json.Decoder(MarketPage)
_EVENTS: Final = msgspec.json.Decoder(EventPage)
_MARKET: Final = msgspec.json.Decoder(GammaMarket)
_EVENT: Final = msgspec.json.Decoder(GammaEvent)
_PAGES_MAX: Final = 10_000


class GammaClient:
    """Reads the catalogue.

    Attributes
    ----------
    skipped : dict of str to str
        Rows that could not be read, by the start of the row, with the reason (the last thousand).
    """

    def __init__(self, rest: RestClient) -> None:
        self._rest = rest
        self.skipped: dict[str, str] = {}

    async def markets(self, params: Params) -> AsyncIterator[list[GammaMarket]]:
        """Yield pages of markets."""
        async for page in self._pages("/markets/keyset", params, _MARKETS):
            assert isinstance(page, MarketPage)
            yield [m for row in page.markets if (m := self._row(_MARKET, row)) is not None]

    async def events(self, params: Params) -> AsyncIterator[list[GammaEvent]]:
        """Yield pages of events with their markets."""
        async for page in self._pages("/events/keyset", params, _EVENTS):
            assert isinstance(page, EventPage)
            yield [e for row in page.events if (e := self._row(_EVENT, row)) is not None]

    async def _pages(
        self,
        path: str,
        params: Params,
        decoder: msgspec.json.Decoder[MarketPage] | msgspec.json.Decoder[EventPage],
    ) -> AsyncIterator[MarketPage | EventPage]:
        cursor = ""
        for _ in range(_PAGES_MAX):
            query = [*params, ("limit", str(GAMMA_PAGE_MAX))]
            if cursor:
                query.append(("after_cursor", cursor))
            page = await self._rest.read(decoder, path, query, scope="gamma")
            yield page
            if not page.next_cursor:
                return
            if page.next_cursor == cursor:
                raise ProtocolError(f"{path}: the cursor does not move on")
            cursor = page.next_cursor
        raise ProtocolError(f"{path}: more than {_PAGES_MAX} pages")

    def _row[T](self, decoder: msgspec.json.Decoder[T], row: msgspec.Raw) -> T | None:
        try:
            return decoder.decode(row)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as exc:
            if len(self.skipped) < 1_000:
                self.skipped[bytes(row)[:60].decode("utf-8", "replace")] = str(exc)
            return None


def event_markets(event: GammaEvent) -> list[GammaMarket]:
    """Return an event's markets with the event's head and tags filled in where they are missing."""
    head = GammaEventRef(**{name: getattr(event, name) for name in GammaEventRef.__struct_fields__})
    return [
        msgspec.structs.replace(
            market, events=market.events or [head], tags=market.tags or event.tags
        )
        for market in event.markets or ()
    ]
