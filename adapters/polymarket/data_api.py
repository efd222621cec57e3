"""The public Data API, version 2: positions, on-chain trades, resolutions."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

import msgspec

from adapters.common.errors import ProtocolError
from adapters.polymarket.constants import DATA_API_CONDITIONS_MAX
from adapters.polymarket.rest import Params, RestClient
from adapters.polymarket.schemas.data_api import (
    PositionPage,
    PositionRow,
    ResolutionPage,
    TradePage,
    TradeRow,
)
from adapters.polymarket.schemas.wire import decimal

_POSITIONS: Final = msgspec.json.Decoder(PositionPage)
_TRADES: Final = msgspec.json.Decoder(TradePage)
_RESOLUTIONS: Final = msgspec.json.Decoder(ResolutionPage)
_LIMIT: Final = "500"
_PAGES_MAX: Final = 1_000
_MICRO: Final = Decimal(1_000_000)


class DataApiClient:
    """Reads per-wallet data; it lags the CLOB by the chain and an indexer."""

    def __init__(self, rest: RestClient) -> None:
        self._rest = rest

    async def positions(self, wallet: str) -> list[PositionRow]:
        """Return every position of a wallet, dust included."""
        rows: list[PositionRow] = []
        cursor = ""
        for _ in range(_PAGES_MAX):
            params = [("user", wallet), ("filter_amount", "0"), ("limit", _LIMIT)]
            if cursor:
                params.append(("cursor", cursor))
            page = await self._rest.read(_POSITIONS, "/v2/positions", params, scope="data")
            rows.extend(page.data)
            cursor = page.pagination.next_cursor or ""
            if not cursor or not page.pagination.has_more:
                return rows
        raise ProtocolError(f"/v2/positions: more than {_PAGES_MAX} pages")

    async def trades(self, params: Params) -> list[TradeRow]:
        """Return one page of public trades, newest first, at most 500."""
        query = [*params, ("taker_only", "true"), ("limit", _LIMIT)]
        return (await self._rest.read(_TRADES, "/v2/trades", query, scope="data")).data

    async def payouts(self, condition_ids: list[str]) -> dict[str, tuple[Decimal, ...]]:
        """Return the payout per outcome, in dollars per share, of the resolved among the markets.

        An outcome's price 69 means unset and counts as unresolved.
        """
        found: dict[str, tuple[Decimal, ...]] = {}
        for start in range(0, len(condition_ids), DATA_API_CONDITIONS_MAX):
            chunk = condition_ids[start : start + DATA_API_CONDITIONS_MAX]
            params = [("condition_id", condition_id) for condition_id in chunk]
            page = await self._rest.read(_RESOLUTIONS, "/v2/resolutions", params, scope="data")
            for row in page.data:
                payouts = tuple(decimal("payouts", p) / _MICRO for p in row.payouts or ())
                complete = len(payouts) == 2 and sum(payouts) == 1
                if row.status == "resolved" and complete and min(payouts) >= 0:
                    found[row.condition_id] = payouts
        return found
