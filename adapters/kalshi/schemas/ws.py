"""WebSocket frames as one tagged union on ``type``; decoded in a single pass.

Source: AsyncAPI 2.0.0 (October 2026); docs /websockets/*, read 2026-08-22; captured frames of
2026-06-11 and 2026-08/09. ``seq`` is absent on ticker, fill, user_order and market_position.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

import msgspec

from adapters.kalshi.schemas.rest import (
    BookSide,
    Millis,
    OrderId,
    OutcomeSide,
    PriceRange,
    Seconds,
    TradeId,
)

Level = tuple[str, str]  # price in dollars, contracts


class Body(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Base of what is inside ``msg``; unknown fields are ignored."""


class SnapshotMsg(Body):
    """A whole book; a side without levels is left out."""

    market_ticker: str
    yes_dollars_fp: list[Level] = []
    no_dollars_fp: list[Level] = []


class DeltaMsg(Body):
    """A signed change of one level; ``side`` is the leg whose bid changed."""

    market_ticker: str
    price_dollars: str
    delta_fp: str
    side: OutcomeSide
    ts_ms: Millis | None = None
    client_order_id: str | None = None


class TradeMsg(Body):
    """One public trade."""

    trade_id: TradeId
    market_ticker: str
    yes_price_dollars: str
    count_fp: str
    taker_book_side: BookSide | None = None
    taker_outcome_side: OutcomeSide | None = None
    taker_side: OutcomeSide | None = None
    is_block_trade: bool = False
    ts: Seconds | None = None  # seconds
    ts_ms: Millis | None = None


class TickerMsg(Body):
    """Top of book and last trade, coalesced."""

    market_ticker: str
    yes_bid_dollars: str | None = None
    yes_ask_dollars: str | None = None
    yes_bid_size_fp: str | None = None
    yes_ask_size_fp: str | None = None
    price_dollars: str | None = None
    ts: Seconds | None = None  # seconds
    ts_ms: Millis | None = None


class LifecycleMsg(Body):
    """A change in a market's life; only the fields of its event are present."""

    event_type: str
    market_ticker: str
    open_ts: Seconds | None = None  # seconds, as every *_ts here
    close_ts: Seconds | None = None
    result: str | None = None
    settlement_value: str | None = None
    determination_ts: Seconds | None = None
    settled_ts: Seconds | None = None
    is_deactivated: bool | None = None
    price_level_structure: str | None = None
    price_ranges: list[PriceRange] | None = None


class EventLifecycleMsg(Body):
    """A new event."""

    event_ticker: str
    series_ticker: str | None = None


class EventFeeMsg(Body):
    """A fee override set or, with nulls, cleared."""

    event_ticker: str
    fee_type_override: str | None = None
    fee_multiplier_override: Decimal | None = None


class FillMsg(Body):
    """One execution of ours."""

    trade_id: TradeId
    order_id: OrderId
    market_ticker: str
    is_taker: bool
    outcome_side: OutcomeSide
    book_side: BookSide
    yes_price_dollars: str
    count_fp: str
    fee_cost: str
    client_order_id: str | None = None
    post_position_fp: str | None = None
    ts: Seconds | None = None  # seconds
    ts_ms: Millis | None = None
    subaccount: int | None = None


class UserOrderMsg(Body):
    """State of one of our orders: cumulative, not an event."""

    order_id: OrderId
    ticker: str
    status: Literal["resting", "canceled", "executed", "unknown"]
    book_side: BookSide
    yes_price_dollars: str
    initial_count_fp: str
    fill_count_fp: str
    remaining_count_fp: str
    client_order_id: str | None = None
    last_updated_ts_ms: Millis | None = None
    created_ts_ms: Millis | None = None
    last_update_reason: str | None = None
    subaccount_number: int | None = None


class PositionMsg(Body):
    """Our position in one market; carries no time, so never ordered against fills."""

    market_ticker: str
    position_fp: str
    subaccount: int | None = None


class SubscribedMsg(Body):
    """One acknowledged channel."""

    channel: str
    sid: int


class OkMsg(Body):
    """The resulting markets of a subscription."""

    market_tickers: list[str] | None = None


class ErrorMsg(Body):
    """A refused command, or the end of a subscription (codes 10 and 25)."""

    code: int
    msg: str = ""
    market_tickers: list[str] | None = None


class Envelope(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", gc=False):
    """What every frame has around ``msg``."""

    sid: int | None = None
    seq: int | None = None
    id: int | None = None


class Snapshot(Envelope, tag="orderbook_snapshot"):
    """A whole book."""

    msg: SnapshotMsg


class Delta(Envelope, tag="orderbook_delta"):
    """A change of a book."""

    msg: DeltaMsg


class TradeFrame(Envelope, tag="trade"):
    """A public trade."""

    msg: TradeMsg


class TickerFrame(Envelope, tag="ticker"):
    """Top of book."""

    msg: TickerMsg


class LifecycleFrame(Envelope, tag="market_lifecycle_v2"):
    """A change in a market's life."""

    msg: LifecycleMsg


class EventLifecycleFrame(Envelope, tag="event_lifecycle"):
    """A new event."""

    msg: EventLifecycleMsg


class EventFeeFrame(Envelope, tag="event_fee_update"):
    """A changed fee override."""

    msg: EventFeeMsg


class FillFrame(Envelope, tag="fill"):
    """An execution of ours."""

    msg: FillMsg


class UserOrderFrame(Envelope, tag="user_order"):
    """State of one of our orders."""

    msg: UserOrderMsg


class PositionFrame(Envelope, tag="market_position"):
    """Our position in one market."""

    msg: PositionMsg


class Subscribed(Envelope, tag="subscribed"):
    """An acknowledged channel."""

    msg: SubscribedMsg


class Unsubscribed(Envelope, tag="unsubscribed"):
    """The end of a subscription that we asked for."""


class Ok(Envelope, tag="ok"):
    """A command done; ``msg`` depends on the command."""

    msg: msgspec.Raw = msgspec.Raw(b"null")


class Error(Envelope, tag="error"):
    """A command refused, or a subscription ended."""

    msg: ErrorMsg


Frame = (
    Snapshot
    | Delta
    | TradeFrame
    | TickerFrame
    | LifecycleFrame
    | EventLifecycleFrame
    | EventFeeFrame
    | FillFrame
    | UserOrderFrame
    | PositionFrame
    | Subscribed
    | Unsubscribed
    | Ok
    | Error
)


class Unlisted(msgspec.Struct, frozen=True, kw_only=True):
    """A frame of a type this version does not read; only its place in the stream counts."""

    type: str
    sid: int | None = None
    seq: int | None = None
