"""Frames of the market and user channels.

One struct holds every field of every event type: the venue leaves `event_type` out of some frames,
sends object and array, and varies key order. What a frame means is decided in `protocol`.
Sources: docs.polymarket.com "WebSocket channels" (October 2026), production captures of 2026.
"""

from __future__ import annotations

import msgspec

from adapters.polymarket.schemas.wire import Number


class WireLevel(msgspec.Struct, frozen=True):
    """Price level as printed; `size` "0" removes."""

    price: str
    size: str


class PriceChange(msgspec.Struct, frozen=True):
    """One entry of `price_changes`; `size` is the new total of the level."""

    price: str
    size: str
    side: str
    asset_id: str = ""
    hash: str = ""
    best_bid: str | None = None
    best_ask: str | None = None


class MarketFrame(msgspec.Struct, frozen=True):
    """Any event of the market channel."""

    event_type: str = ""
    market: str = ""
    asset_id: str = ""
    timestamp: str | int = ""
    hash: str = ""
    bids: list[WireLevel] | None = None
    asks: list[WireLevel] | None = None
    tick_size: str | None = None
    last_trade_price: str | None = None
    version: str = ""
    price_changes: list[PriceChange] | None = None
    changes: list[PriceChange] | None = None
    """Shape before September 2025: `asset_id` and `hash` of the frame hold for every entry."""
    price: str | None = None
    size: str | None = None
    side: str | None = None
    transaction_hash: str | None = None
    old_tick_size: str | None = None
    new_tick_size: str | None = None
    best_bid: str | None = None
    best_ask: str | None = None
    assets_ids: list[str] | None = None
    winning_asset_id: str | None = None
    winning_outcome: str | None = None
    slug: str | None = None
    question: str | None = None


class UserMakerOrder(msgspec.Struct, frozen=True):
    """One entry of a trade's `maker_orders`."""

    order_id: str = ""
    owner: str = ""
    maker_address: str = ""
    matched_amount: Number = None
    price: Number = None
    asset_id: str = ""
    outcome: str | None = None
    side: str = ""


class UserFrame(msgspec.Struct, frozen=True):
    """Any event of the user channel; also a row of `GET /data/orders` and `GET /data/trades`."""

    event_type: str = ""
    type: str = ""
    id: str = ""
    owner: str | None = None
    market: str = ""
    asset_id: str = ""
    side: str = ""
    price: Number = None
    status: str | None = None
    timestamp: Number = None
    maker_address: str | None = None
    # order
    original_size: Number = None
    size_matched: Number = None
    order_type: str | None = None
    expiration: Number = None
    created_at: Number = None
    outcome: str | None = None
    associate_trades: list[str] | None = None
    # trade
    size: Number = None
    taker_order_id: str | None = None
    trader_side: str | None = None
    match_time: Number = None
    matchtime: Number = None
    last_update: Number = None
    transaction_hash: str | None = None
    bucket_index: int | None = None
    maker_orders: list[UserMakerOrder] | None = None
