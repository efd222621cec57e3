"""Bodies of the Data API, version 2 (version 1 was retired on 2026-10-24)."""

from __future__ import annotations

import msgspec

from adapters.polymarket.schemas.wire import Number


class Pagination(msgspec.Struct, frozen=True):
    """Cursor of a list."""

    has_more: bool = False
    next_cursor: str | None = None


class PositionRow(msgspec.Struct, frozen=True):
    """One row of `/v2/positions`; numbers are JSON doubles."""

    token_id: str = ""
    condition_id: str = ""
    current_size: Number = None
    avg_price: Number = None
    status: str = ""
    redeemable: bool = False
    negative_risk: bool = False
    outcome_index: int = 999
    realized_pnl: Number = None


class PositionPage(msgspec.Struct, frozen=True):
    """`GET /v2/positions`."""

    data: list[PositionRow]
    pagination: Pagination = Pagination()


class TradeRow(msgspec.Struct, frozen=True):
    """One row of `/v2/trades`: a public on-chain fill, without order or trade id."""

    token_id: str = ""
    condition_id: str = ""
    side: str = ""
    size: Number = None
    price: Number = None
    timestamp: Number = None
    timestamps: Number = None
    transaction_hash: str | None = None


class TradePage(msgspec.Struct, frozen=True):
    """`GET /v2/trades`."""

    data: list[TradeRow]
    pagination: Pagination = Pagination()


class ResolutionRow(msgspec.Struct, frozen=True):
    """One row of `/v2/resolutions`; `payouts` in micro-dollars per outcome."""

    condition_id: str = ""
    status: str = ""
    payouts: list[Number] | None = None


class ResolutionPage(msgspec.Struct, frozen=True):
    """`GET /v2/resolutions`."""

    data: list[ResolutionRow]
    pagination: Pagination = Pagination()
