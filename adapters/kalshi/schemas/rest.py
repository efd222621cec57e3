"""REST records. Numbers are decimal strings of dollars or contracts unless a comment says else.

Source: SDK ``kalshi_python_async`` 3.34.0 models; docs.kalshi.com read 2026-08-22; changelog to
2026-10-08. Enums that describe stay open (``str``); enums of orders are closed.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal

import msgspec

OrderStatus = Literal["resting", "canceled", "executed"]
BookSide = Literal["bid", "ask"]
OutcomeSide = Literal["yes", "no"]

#: An identifier as this adapter can carry it on: printable ASCII, trade ids up to 36 characters.
TradeId = Annotated[str, msgspec.Meta(pattern=r"^[\x21-\x7e]{1,36}$")]
OrderId = Annotated[str, msgspec.Meta(pattern=r"^[\x21-\x7e]{1,64}$")]
#: Unix times between 1970 and 2100.
Seconds = Annotated[int, msgspec.Meta(ge=0, le=4_102_444_800)]
Millis = Annotated[int, msgspec.Meta(ge=0, le=4_102_444_800_000)]


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """Base: unknown fields are ignored, because the venue adds some without notice."""


class PriceRange(Record):
    """One band of the price grid."""

    start: str
    end: str
    step: str


class Market(Record):
    """One market."""

    ticker: str
    event_ticker: str
    status: str  # initialized inactive active closed determined disputed amended finalized
    market_type: str = "binary"
    title: str | None = None
    yes_sub_title: str | None = None
    no_sub_title: str | None = None
    open_time: str | None = None  # RFC 3339, as every *_time
    close_time: str | None = None  # end of trading; can move either way
    created_time: str | None = None
    expected_expiration_time: str | None = None  # forecast; may precede close_time
    latest_expiration_time: str | None = None
    settlement_timer_seconds: int | None = None
    can_close_early: bool | None = None
    early_close_condition: str | None = None
    result: str | None = None  # "" yes no scalar
    settlement_value_dollars: str | None = None  # what one YES paid
    settlement_ts: str | None = None  # RFC 3339 despite its name
    price_level_structure: str | None = None
    price_ranges: list[PriceRange] | None = None
    rules_primary: str | None = None
    rules_secondary: str | None = None
    yes_bid_dollars: str | None = None  # "0.0000" is no bid
    yes_ask_dollars: str | None = None  # "1.0000" is no ask
    yes_bid_size_fp: str | None = None
    yes_ask_size_fp: str | None = None
    last_price_dollars: str | None = None
    volume_fp: str | None = None
    volume_24h_fp: str | None = None
    open_interest_fp: str | None = None
    fee_waiver_expiration_time: str | None = None
    mve_collection_ticker: str | None = None
    exchange_index: int | None = None  # shard


class MarketPage(Record):
    """``GET /markets``."""

    markets: list[Market]
    cursor: str = ""


class MarketReply(Record):
    """``GET /markets/{ticker}``."""

    market: Market


class Source(Record):
    """Where a result is taken from."""

    name: str | None = None
    url: str | None = None


class Event(Record):
    """One event."""

    event_ticker: str
    series_ticker: str
    title: str | None = None
    sub_title: str | None = None
    collateral_return_type: str | None = None  # MECNET DIRECNET ""
    mutually_exclusive: bool | None = None
    fee_type_override: str | None = None
    fee_multiplier_override: Decimal | None = None  # sent as a number or as a string
    exchange_index: int | None = None
    category: str | None = None
    settlement_sources: list[Source] | None = None
    markets: list[Market] | None = None


class EventPage(Record):
    """``GET /events``."""

    events: list[Event]
    cursor: str = ""


class EventReply(Record):
    """``GET /events/{event_ticker}``."""

    event: Event


class Series(Record):
    """One series: the template of its events, and their fees."""

    ticker: str
    title: str | None = None
    category: str | None = None
    categories: list[str] | None = None
    fee_type: str | None = None
    fee_multiplier: Decimal | None = None  # sent as a number or as a string
    exchange_index: int | None = None
    settlement_sources: list[Source] | None = None


class SeriesReply(Record):
    """``GET /series/{series_ticker}``."""

    series: Series


class SeriesList(Record):
    """``GET /series``."""

    series: list[Series] | None = None


class SeriesFeeChange(Record):
    """A fee of a series from ``scheduled_ts`` on."""

    series_ticker: str
    fee_type: str | None = None
    fee_multiplier: Decimal | None = None
    scheduled_ts: str | int | None = None


class SeriesFeeChanges(Record):
    """``GET /series/fee_changes``."""

    series_fee_change_arr: list[SeriesFeeChange] | None = None


class EventFeeChange(Record):
    """A fee override of an event; nulls clear it."""

    event_ticker: str
    fee_type_override: str | None = None
    fee_multiplier_override: Decimal | None = None
    scheduled_ts: str | int | None = None


class EventFeeChanges(Record):
    """``GET /events/fee_changes``."""

    event_fee_changes: list[EventFeeChange] | None = None
    event_fee_change_arr: list[EventFeeChange] | None = None
    cursor: str = ""


class OrderbookFp(Record):
    """Bids of both legs, each in its own leg's price."""

    yes_dollars: list[tuple[str, str]] | None = None
    no_dollars: list[tuple[str, str]] | None = None


class OrderbookReply(Record):
    """``GET /markets/{ticker}/orderbook``."""

    orderbook_fp: OrderbookFp


class TickerOrderbook(Record):
    """One book of the plural form."""

    ticker: str
    orderbook_fp: OrderbookFp


class OrderbooksReply(Record):
    """``GET /markets/orderbooks``."""

    orderbooks: list[TickerOrderbook]


class Trade(Record):
    """One public trade."""

    trade_id: TradeId
    ticker: str
    count_fp: str
    yes_price_dollars: str
    created_time: str
    taker_book_side: BookSide | None = None
    taker_outcome_side: OutcomeSide | None = None
    taker_side: OutcomeSide | None = None  # deprecated
    is_block_trade: bool = False


class TradePage(Record):
    """``GET /markets/trades``, newest first."""

    trades: list[Trade]
    cursor: str = ""


class Ohlc(Record):
    """Prices of one candle; nulls where nothing traded."""

    open_dollars: str | None = None
    high_dollars: str | None = None
    low_dollars: str | None = None
    close_dollars: str | None = None


class Candle(Record):
    """One candle."""

    end_period_ts: Seconds  # seconds, inclusive end
    price: Ohlc = msgspec.field(default_factory=Ohlc)
    yes_bid: Ohlc = msgspec.field(default_factory=Ohlc)
    yes_ask: Ohlc = msgspec.field(default_factory=Ohlc)
    volume_fp: str = "0"


class Candles(Record):
    """``GET /series/{series}/markets/{ticker}/candlesticks``."""

    candlesticks: list[Candle]


class ShardBalance(Record):
    """Cash on one shard."""

    exchange_index: int
    balance: str


class Balance(Record):
    """``GET /portfolio/balance``."""

    balance: int  # cents, truncated
    balance_dollars: str | None = None
    portfolio_value: int | None = None  # cents
    updated_ts: int | None = None  # seconds
    balance_breakdown: list[ShardBalance] | None = None  # absent for restricted keys


class Position(Record):
    """One market's signed position."""

    ticker: str
    position_fp: str  # + YES, − NO
    market_exposure_dollars: str | None = None
    realized_pnl_dollars: str | None = None
    fees_paid_dollars: str | None = None
    total_traded_dollars: str | None = None
    exchange_index: int | None = None


class PositionPage(Record):
    """``GET /portfolio/positions``."""

    market_positions: list[Position]
    cursor: str = ""


class Fill(Record):
    """One execution of ours. REST carries no client order id: join on ``order_id``."""

    trade_id: TradeId
    order_id: OrderId
    count_fp: str
    yes_price_dollars: str
    is_taker: bool
    outcome_side: OutcomeSide
    book_side: BookSide
    fee_cost: str  # dollars
    ticker: str | None = None
    market_ticker: str | None = None
    created_time: str | None = None
    ts: Seconds | None = None  # seconds
    subaccount_number: int | None = None


class FillPage(Record):
    """``GET /portfolio/fills``."""

    fills: list[Fill]
    cursor: str = ""


class Order(Record):
    """One order of ours."""

    order_id: OrderId
    ticker: str
    book_side: BookSide
    status: OrderStatus
    yes_price_dollars: str  # the limit
    initial_count_fp: str
    fill_count_fp: str
    remaining_count_fp: str  # 0.00 once canceled
    outcome_side: OutcomeSide | None = None
    client_order_id: str | None = None
    created_time: str | None = None
    last_update_time: str | None = None
    expiration_time: str | None = None
    taker_fees_dollars: str | None = None
    maker_fees_dollars: str | None = None
    exchange_index: int | None = None
    subaccount_number: int | None = None


class OrderPage(Record):
    """``GET /portfolio/orders``."""

    orders: list[Order]
    cursor: str = ""


class OrderReply(Record):
    """``GET /portfolio/orders/{order_id}``."""

    order: Order


class Settlement(Record):
    """One settled market."""

    ticker: str
    market_result: str  # yes no scalar
    settled_time: str
    event_ticker: str | None = None
    yes_count_fp: str | None = None
    no_count_fp: str | None = None
    revenue: int | None = None  # cents
    value: int | None = None  # cents per YES
    fee_cost: str | None = None
    exchange_index: int | None = None


class SettlementPage(Record):
    """``GET /portfolio/settlements``."""

    settlements: list[Settlement]
    cursor: str | None = ""


class OrderAck(Record):
    """Answer to create, amend and decrease; no ``status`` (docs /api-reference/orders)."""

    order_id: str
    client_order_id: str | None = None
    fill_count: str | None = None
    remaining_count: str | None = None
    average_fill_price: str | None = None
    average_fee_paid: str | None = None  # per contract
    ts_ms: Millis | None = None


class CancelAck(Record):
    """Answer to cancel."""

    order_id: str
    reduced_by: str
    client_order_id: str | None = None
    ts_ms: Millis | None = None


class ErrorBody(Record):
    """The nested and the flat error share these."""

    code: str = ""
    message: str = ""
    details: str = ""


class BatchItem(Record):
    """One result of a batch, create or cancel; every field may be missing."""

    order_id: str | None = None
    client_order_id: str | None = None
    fill_count: str | None = None
    remaining_count: str | None = None
    average_fill_price: str | None = None
    average_fee_paid: str | None = None
    reduced_by: str | None = None
    ts_ms: Millis | None = None
    error: ErrorBody | None = None


class BatchReply(Record):
    """Answer to a batch."""

    orders: list[BatchItem]


class Bucket(Record):
    """One token bucket: tokens per second, and how many it holds."""

    refill_rate: float
    bucket_capacity: float


class Limits(Record):
    """``GET /account/limits``."""

    usage_tier: str
    read: Bucket
    write: Bucket


class EndpointCost(Record):
    """One non-default cost."""

    method: str
    path: str
    cost: int


class EndpointCosts(Record):
    """``GET /account/endpoint_costs``."""

    default_cost: int
    endpoint_costs: list[EndpointCost]


class ShardStatus(Record):
    """One shard's state."""

    exchange_index: int
    exchange_active: bool
    trading_active: bool
    description: str | None = None


class ExchangeStatus(Record):
    """``GET /exchange/status``; also the body of a 503."""

    exchange_active: bool
    trading_active: bool
    exchange_estimated_resume_time: str | None = None
    exchange_index_statuses: list[ShardStatus] | None = None


class UserDataTimestamp(Record):
    """``GET /exchange/user_data_timestamp``: how fresh portfolio reads are."""

    as_of_time: str


class TransferAck(Record):
    """``POST /portfolio/intra_exchange_instance_transfer``."""

    transfer_id: str


class Transfer(Record):
    """One transfer between shards."""

    status: str  # pending complete
    transfer_id: str | None = None


class TransferReply(Record):
    """``GET /portfolio/intra_exchange_instance_transfers/{id}``, whichever nesting."""

    transfer: Transfer | None = None
    status: str | None = None


class ShardShare(Record):
    """One shard's share of the target allocation."""

    exchange_index: int
    percent: float | str


class TargetAllocation(Record):
    """``GET /portfolio/target_balance_allocation``."""

    allocations: list[ShardShare] | None = None
    resting_margin_reservation: str | None = None


class ApiKey(Record):
    """One API key."""

    api_key_id: str
    name: str | None = None
    scopes: list[str] | None = None


class ApiKeys(Record):
    """``GET /api_keys``."""

    api_keys: list[ApiKey]
    api_key_region_expiration_ts: int | None = None  # seconds; past it some categories are closed
