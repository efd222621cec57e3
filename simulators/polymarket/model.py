"""What the venue keeps: markets, wallets, orders and trades. Plain data, no behaviour."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from simulators.polymarket.book import Book
from simulators.polymarket.eip712 import SignedOrder
from simulators.wire import Json

BUY, SELL = "BUY", "SELL"
RESTING_TYPES = ("GTC", "GTD")
TAKING_TYPES = ("FOK", "FAK")


class Refusal(Exception):
    """The venue says no: HTTP status, text and further fields of the body."""

    def __init__(self, status: int, message: str, **extra: Json) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.extra = extra


class OrderStatus(StrEnum):
    """States of an order at the venue."""

    LIVE = "LIVE"
    DELAYED = "DELAYED"
    MATCHED = "MATCHED"
    CANCELED = "CANCELED"
    CANCELED_MARKET_RESOLVED = "CANCELED_MARKET_RESOLVED"
    CANCELED_NOT_ENOUGH_BALANCE = "CANCELED_NOT_ENOUGH_BALANCE"
    CANCELED_EXPIRED_ORDER = "CANCELED_EXPIRED_ORDER"
    INVALID = "INVALID"


OPEN = (OrderStatus.LIVE, OrderStatus.DELAYED)


class TradeStatus(StrEnum):
    """States of a trade; CONFIRMED and FAILED are final."""

    MATCHED = "MATCHED"
    MINED = "MINED"
    RETRYING = "RETRYING"
    CONFIRMED = "CONFIRMED"
    FAILED = "FAILED"


@dataclass(frozen=True, slots=True)
class FeeTerms:
    """A market's fee schedule; rates in millionths (70000 = 0.07)."""

    kind: str
    rate_ppm: int
    exponent: int = 1
    rebate_ppm: int = 250_000


@dataclass(slots=True)
class Market:
    """One market with its two tokens (index 0 is the first outcome) and its single book.

    Prices, sizes and amounts are base units (0.000001); times are int ns UTC.
    """

    gamma_id: str
    condition_id: str
    question_id: str
    tokens: tuple[str, str]
    outcomes: tuple[str, str]
    question: str
    slug: str
    description: str
    event_id: str
    start_ns: int
    end_ns: int
    version: str = "v1"
    neg_risk: bool = False
    tick: int = 10_000
    min_size: int = 5_000_000
    fees: FeeTerms | None = None
    group_title: str = ""
    sports_type: str = ""
    line: str = ""
    game_id: str = ""
    game_start_ns: int = 0
    seconds_delay: int | None = None
    itode: bool = False
    clear_book_on_start: bool = False
    rules_source: str = ""
    listed_ns: int = 0
    accepting: bool = True
    closed: bool = False
    started: bool = False
    closed_ns: int = 0
    payouts: tuple[int, int] | None = None
    uma_status: str = ""
    book: Book = field(default_factory=Book)
    last_hash_price: int | None = None
    last_price: dict[int, int] = field(default_factory=dict)
    last_side: dict[int, str] = field(default_factory=dict)
    changed_ns: int = 0
    initial_tick: int = 0
    volume: int = 0
    history: deque[tuple[int, int]] = field(default_factory=lambda: deque(maxlen=20_000))

    def index(self, token: str) -> int:
        """Return 0 for the first outcome's token, 1 for the second's."""
        return self.tokens.index(token)


@dataclass(slots=True)
class Wallet:
    """An address that holds funds, and what its open orders and unmined trades commit."""

    address: str
    owner: str
    signature_type: int = 0
    cash: int = 0
    tokens: dict[str, int] = field(default_factory=dict)
    open_cash: int = 0
    open_tokens: dict[str, int] = field(default_factory=dict)
    flight_cash: int = 0
    flight_tokens: dict[str, int] = field(default_factory=dict)
    allowances: dict[str, int] = field(default_factory=dict)
    operators: set[str] = field(default_factory=set)
    seen_cash: int = 0
    seen_tokens: dict[str, int] = field(default_factory=dict)
    session_keys: set[str] = field(default_factory=set)
    usdce: int = 0
    banned: bool = False
    closed_only: bool = False
    house: bool = False


@dataclass(slots=True)
class Order:
    """One order. `size` is in shares; `budget` is the signed makerAmount (what it may give)."""

    id: str
    wallet: Wallet
    owner_key: str
    market: Market
    outcome: int
    side: str
    price: int
    size: int
    budget: int
    order_type: str
    created_ns: int
    post_only: bool = False
    expiration_s: int = 0
    signed: SignedOrder | None = None
    matched: int = 0
    given: int = 0
    fees: int = 0
    status: OrderStatus = OrderStatus.LIVE
    reason: str = ""
    trades: list[str] = field(default_factory=list)
    seq: int = 0
    by: str = ""

    @property
    def token(self) -> str:
        """The asset id."""
        return self.market.tokens[self.outcome]

    @property
    def left(self) -> int:
        """Shares not yet matched."""
        return self.size - self.matched

    @property
    def yes_buy(self) -> bool:
        """Whether the order stands on the bid side of the first outcome's book."""
        return (self.side == BUY) == (self.outcome == 0)

    @property
    def yes_price(self) -> int:
        """Its price in the first outcome's book."""
        return self.price if self.outcome == 0 else 1_000_000 - self.price


@dataclass(frozen=True, slots=True)
class Fill:
    """One resting order's part of a match.

    `maker_cash` is what the maker pays (BUY) or receives (SELL), `taker_cash` the same of the
    taker, both before fees; `kind` is complementary, mint or merge.
    """

    maker: Order
    shares: int
    maker_cash: int
    taker_cash: int
    kind: str


@dataclass(slots=True)
class Trade:
    """One on-chain match: a taker and the resting orders of one bucket."""

    id: str
    ordinal: int
    taker: Order
    fills: tuple[Fill, ...]
    shares: int
    cash: int
    fee: int
    price: int
    bucket: int
    match_ns: int
    update_ns: int
    status: TradeStatus = TradeStatus.MATCHED
    tx_hash: str = ""
    held: bool = False
    plan: tuple[str, ...] = ()
    step: int = 0


@dataclass(frozen=True, slots=True)
class Emission:
    """Something for a stream.

    `topic` is market, user or sports; `keys` are the tokens or the signer it is for (empty: for
    everybody); a socket that matches several keys gets it once.
    """

    topic: str
    keys: tuple[str, ...]
    market: str
    payload: dict[str, Any]
    custom: bool = False
