"""The user channel without any I/O: bytes in, order and trade records out. Pure.

Rules, numbered; the code cites them:

1. `type` is PLACEMENT, UPDATE or CANCELLATION, but an UPDATE may carry status CANCELED and a
   CANCELLATION status INVALID, CANCELED_* or free text: type and status are both read.
2. `size_matched` "" means not said. It is a hint of trades to come; the trade record is the fill.
3. `timestamp` may be seconds or milliseconds.
4. Fields may be absent or null; an order without an id, or a trade without an id, is an error.

References
----------
docs.polymarket.com "User channel"; captures in nautilus_trader's test data; nautilus_trader issue
3797. Read 2026-11-21.
"""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from typing import Final, NamedTuple

import msgspec

from adapters.common.errors import ProtocolError
from adapters.polymarket.fills import MakerLeg, TradeRecord, parse_status
from adapters.polymarket.protocol import Text, is_text
from adapters.polymarket.schemas.wire import decimal_or_none, decode, price, size, time_ns
from adapters.polymarket.schemas.ws import UserFrame, UserMakerOrder
from adapters.polymarket.signing import ApiKey

_frames: Final = msgspec.json.Decoder(UserFrame | list[UserFrame])
_encode: Final = msgspec.json.Encoder().encode
_SIDES: Final = frozenset({"BUY", "SELL"})
_STATUS_PREFIX: Final = "ORDER_STATUS_"


class OrderState(StrEnum):
    """What an order record says about the order."""

    LIVE = "LIVE"
    DELAYED = "DELAYED"
    """Inside the taker delay: neither filled nor cancellable yet."""
    MATCHED = "MATCHED"
    """Completely matched; the trades may still fail."""
    CANCELED = "CANCELED"
    """Off the book by us or by the venue; what matched stays matched."""
    EXPIRED = "EXPIRED"
    UNKNOWN = "UNKNOWN"
    """A word nobody documented: ask REST."""


class OrderRecord(NamedTuple):
    """An order of the user channel or of `GET /data/orders`."""

    order_id: str
    state: OrderState
    reason: str
    """The venue's own words when the order ended."""
    is_placement: bool
    market: str
    asset_id: str
    side: str
    price: Decimal
    original_size: Decimal
    size_matched: Decimal | None
    order_type: str
    expiration_s: int
    ts_event_ns: int


def user_opening_frame(api_key: ApiKey, secret: str) -> str:
    """Return the first frame of a user socket: all markets. Contains secrets, never log it."""
    auth = {"apiKey": api_key.key, "secret": secret, "passphrase": api_key.passphrase}
    return _encode({"type": "user", "auth": auth}).decode()


def receive_user(frame: bytes, ts_ns: int) -> list[OrderRecord | TradeRecord | Text]:
    """Take one frame of the user channel.

    Raises
    ------
    ProtocolError
        When the bytes contradict the venue's documents. Ask REST what happened.
    """
    if is_text(frame):
        return [Text(frame.strip()[:200].decode("utf-8", "replace"))]
    found = decode(_frames, frame, "user channel")
    records: list[OrderRecord | TradeRecord | Text] = []
    for item in found if isinstance(found, list) else (found,):
        kind = item.event_type or ("trade" if item.type == "TRADE" else "order")
        if kind == "trade":
            records.append(trade_record(item, ts_ns))
        elif kind == "order":
            records.append(order_record(item, ts_ns))
        else:
            records.append(Text(f"event {kind[:40]}"))
    return records


def order_state(event_type: str, status: str | None) -> OrderState:
    """Return what type and status say together (rule 1).

    >>> order_state("UPDATE", "CANCELED")
    <OrderState.CANCELED: 'CANCELED'>
    """
    word = (status or "").removeprefix(_STATUS_PREFIX)
    upper = word.upper()
    if upper == "CANCELED_EXPIRED_ORDER":
        return OrderState.EXPIRED
    if event_type == "CANCELLATION" or upper.startswith("CANCEL") or upper == "INVALID":
        return OrderState.CANCELED
    if upper in ("LIVE", "UNMATCHED"):  # unmatched: booked after its delay
        return OrderState.LIVE
    if upper in (OrderState.MATCHED, OrderState.DELAYED):
        return OrderState(upper)
    if not upper and event_type in ("PLACEMENT", "UPDATE"):
        return OrderState.LIVE
    return OrderState.UNKNOWN


def order_record(frame: UserFrame, ts_ns: int) -> OrderRecord:
    """Return an order record.

    Raises
    ------
    ProtocolError
        When identity or numbers are missing.
    """
    _need("order", frame)
    expiration = decimal_or_none("order.expiration", frame.expiration)
    state = order_state(frame.type, frame.status)
    original = size("order.original_size", frame.original_size)
    matched = decimal_or_none("order.size_matched", frame.size_matched)
    if matched is not None and matched < 0:
        raise ProtocolError(f"order.size_matched: found {matched}, expected at least 0")
    return OrderRecord(
        order_id=frame.id,
        state=state,
        reason=(frame.status or frame.type)[:200],
        is_placement=frame.type == "PLACEMENT",
        market=frame.market,
        asset_id=frame.asset_id,
        side=frame.side,
        price=price("order.price", frame.price),
        original_size=original,
        size_matched=matched,
        order_type=frame.order_type or "GTC",
        expiration_s=int(expiration or 0),
        ts_event_ns=time_ns("order.timestamp", frame.timestamp or frame.created_at, ts_ns),
    )


def trade_record(frame: UserFrame, ts_ns: int) -> TradeRecord:
    """Return a trade record.

    Raises
    ------
    ProtocolError
        When identity, numbers or a known status are missing.
    """
    _need("trade", frame)
    trader_side = frame.trader_side or "TAKER"
    if trader_side not in ("TAKER", "MAKER"):
        raise ProtocolError(f"trade.trader_side: found {trader_side!r}, expected TAKER or MAKER")
    if trader_side == "TAKER" and not frame.taker_order_id:
        raise ProtocolError(f"trade {frame.id}: taker_order_id is missing")
    when = frame.match_time or frame.matchtime or frame.timestamp
    return TradeRecord(
        trade_id=frame.id,
        status=parse_status(frame.status or "MATCHED"),
        trader_side=trader_side,
        taker_order_id=frame.taker_order_id or "",
        market=frame.market,
        asset_id=frame.asset_id,
        side=frame.side,
        price=price("trade.price", frame.price),
        size=size("trade.size", frame.size),
        owner=frame.owner or "",
        maker_address=frame.maker_address or "",
        matched_ns=time_ns("trade.match_time", when, ts_ns),
        maker_legs=tuple(_maker_leg(m, frame) for m in frame.maker_orders or ()),
    )


def _need(what: str, frame: UserFrame) -> None:
    if not frame.id:
        raise ProtocolError(f"{what}: id is missing")
    if frame.side not in _SIDES:
        raise ProtocolError(f"{what} {frame.id}: side {frame.side!r}, expected BUY or SELL")
    if not frame.asset_id:
        raise ProtocolError(f"{what} {frame.id}: asset_id is missing")


def _maker_leg(entry: UserMakerOrder, frame: UserFrame) -> MakerLeg:
    asset_id = entry.asset_id or frame.asset_id
    side = entry.side
    if side not in _SIDES:
        # Older captures leave the side out. Same outcome: the other side of the taker's; the
        # other outcome: the same side (mint or merge).
        same = asset_id == frame.asset_id
        side = frame.side if not same else ("SELL" if frame.side == "BUY" else "BUY")
    return MakerLeg(
        order_id=entry.order_id,
        owner=entry.owner,
        maker_address=entry.maker_address,
        asset_id=asset_id,
        side=side,
        price=price("maker_orders.price", entry.price),
        size=size("maker_orders.matched_amount", entry.matched_amount),
    )
