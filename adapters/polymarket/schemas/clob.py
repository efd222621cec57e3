"""Bodies of the CLOB REST API. Sources: docs.polymarket.com API reference, October 2026."""

from __future__ import annotations

import msgspec

from adapters.polymarket.schemas.wire import Number
from adapters.polymarket.schemas.ws import UserFrame, WireLevel


class Book(msgspec.Struct, frozen=True):
    """`GET /book`, one entry of `POST /books`."""

    market: str
    asset_id: str
    timestamp: str
    bids: list[WireLevel]
    asks: list[WireLevel]
    hash: str = ""
    min_order_size: str = ""
    tick_size: str = ""
    neg_risk: bool = False
    last_trade_price: str = ""
    version: str = ""


class FeeTerms(msgspec.Struct, frozen=True):
    """`fd` of `/clob-markets`: r rate, e exponent, to taker only."""

    r: Number = None
    e: Number = None
    to: bool = True


class ClobToken(msgspec.Struct, frozen=True):
    """One outcome in `/clob-markets`."""

    t: str
    o: str = ""


class ClobMarket(msgspec.Struct, frozen=True):
    """`GET /clob-markets/{condition}`: live parameters; false and zero keys are left out."""

    c: str = ""
    t: list[ClobToken] = []
    mos: Number = None
    mts: Number = None
    ao: bool = False
    cbos: bool = False
    nr: bool = False
    sd: Number = None
    itode: bool = False
    gst: str | None = None
    fd: FeeTerms | None = None
    v: str = "v1"


class TickSize(msgspec.Struct, frozen=True):
    """`GET /tick-size`."""

    minimum_tick_size: Number


class ClobMarketToken(msgspec.Struct, frozen=True):
    """One outcome in `/markets/{condition}`."""

    token_id: str
    outcome: str = ""
    price: Number = None
    winner: bool = False


class MarketRecord(msgspec.Struct, frozen=True):
    """`GET /markets/{condition}`: its tick size can be stale and is not read."""

    condition_id: str
    tokens: list[ClobMarketToken] = []
    active: bool = False
    closed: bool = False
    accepting_orders: bool = False
    is_50_50_outcome: bool = False


class BalanceAllowance(msgspec.Struct, frozen=True):
    """`GET /balance-allowance`, in millionths."""

    balance: Number
    allowances: dict[str, Number] = {}


class OrderReply(msgspec.Struct, frozen=True):
    """Answer to `POST /order`, one entry of `POST /orders`.

    `success` is not acceptance: a batch entry may carry `success:true` with an `errorMsg` and no
    id. Amounts are decimal shares and dollars.
    """

    success: bool = False
    errorMsg: str | None = None
    orderID: str | None = None
    status: str | None = None
    makingAmount: Number = None
    takingAmount: Number = None
    tradeIDs: list[str] | None = None


class CancelReply(msgspec.Struct, frozen=True):
    """Answer to every cancel; HTTP 200 even when nothing was cancelled."""

    canceled: list[str] | None = None
    not_canceled: dict[str, str] | None = None


class ErrorReply(msgspec.Struct, frozen=True):
    """Body of an HTTP error."""

    error: str | None = None
    error_msg: str | None = None
    errorMsg: str | None = None
    code: str | None = None
    retry_after_seconds: Number = None
    heartbeat_id: str | None = None


class Page(msgspec.Struct, frozen=True):
    """`GET /data/orders` and `GET /data/trades`."""

    data: list[UserFrame]
    next_cursor: str | None = None


class ApiKeyReply(msgspec.Struct, frozen=True):
    """`POST /auth/api-key`, `GET /auth/derive-api-key`; never logged."""

    apiKey: str
    secret: str
    passphrase: str


class VersionReply(msgspec.Struct, frozen=True):
    """`GET /version`."""

    version: int = 0


class ClosedOnlyReply(msgspec.Struct, frozen=True):
    """`GET /auth/ban-status/closed-only`."""

    closed_only: bool = False


class GeoblockReply(msgspec.Struct, frozen=True):
    """`GET https://polymarket.com/api/geoblock`."""

    blocked: bool
    ip: str = ""
    country: str = ""
    region: str = ""


class HeartbeatReply(msgspec.Struct, frozen=True):
    """`POST /v1/heartbeats`."""

    heartbeat_id: str = ""


class Notification(msgspec.Struct, frozen=True):
    """One row of `GET /notifications`; type 8 is a fill that failed."""

    id: Number = None
    type: Number = None
    payload: msgspec.Raw = msgspec.Raw(b"null")


class PricePoint(msgspec.Struct, frozen=True):
    """One point of `GET /prices-history`."""

    t: int
    p: float


class PriceHistory(msgspec.Struct, frozen=True):
    """`GET /prices-history`."""

    history: list[PricePoint]
