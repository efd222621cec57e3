"""Venue records → Nautilus instruments, deltas, trades and reports. No I/O, no clock."""

from __future__ import annotations

import hashlib
from decimal import ROUND_FLOOR, Decimal
from functools import lru_cache
from typing import Any, Final

from nautilus_trader.core.uuid import UUID4
from nautilus_trader.execution.reports import FillReport, OrderStatusReport, PositionStatusReport
from nautilus_trader.model.data import (
    BookOrder,
    InstrumentClose,
    InstrumentStatus,
    OrderBookDelta,
    OrderBookDeltas,
    QuoteTick,
    TradeTick,
)
from nautilus_trader.model.enums import (
    AggressorSide,
    AssetClass,
    BookAction,
    InstrumentCloseType,
    LiquiditySide,
    MarketStatusAction,
    OrderSide,
    OrderStatus,
    OrderType,
    PositionSide,
    RecordFlag,
    TimeInForce,
)
from nautilus_trader.model.identifiers import (
    AccountId,
    ClientOrderId,
    InstrumentId,
    Symbol,
    TradeId,
    Venue,
    VenueOrderId,
)
from nautilus_trader.model.instruments import BinaryOption
from nautilus_trader.model.objects import FIXED_PRECISION, Money, Price, Quantity

from adapters.common.currencies import pusd
from adapters.common.errors import ProtocolError
from adapters.polymarket.book_hash import Level
from adapters.polymarket.constants import (
    ORDER_SIZE_STEP,
    PRICE_PRECISION,
    SIZE_PRECISION,
    VENUE_NAME,
)
from adapters.polymarket.fills import Fill
from adapters.polymarket.markets import Market, plain
from adapters.polymarket.protocol import BookChange, BookSnapshot, PublicTrade
from adapters.polymarket.schemas.clob import Book
from adapters.polymarket.schemas.data_api import TradeRow
from adapters.polymarket.schemas.wire import price as wire_price
from adapters.polymarket.schemas.wire import size as wire_size
from adapters.polymarket.schemas.wire import time_ns
from adapters.polymarket.user import OrderRecord, OrderState

VENUE: Final = Venue(VENUE_NAME)

_PRICE_RAW: Final = 10 ** (FIXED_PRECISION - PRICE_PRECISION)
_SIZE_RAW: Final = 10 ** (FIXED_PRECISION - SIZE_PRECISION)
_SIZE_STEP: Final = Decimal("0.000001")
_SNAPSHOT: Final = int(RecordFlag.F_SNAPSHOT)
_LAST: Final = int(RecordFlag.F_LAST)

TIF_TO_VENUE: Final = {
    TimeInForce.GTC: "GTC",
    TimeInForce.GTD: "GTD",
    TimeInForce.IOC: "FAK",
    TimeInForce.FOK: "FOK",
}
VENUE_TO_TIF: Final = {text: tif for tif, text in TIF_TO_VENUE.items()}


def instrument_id(asset_id: str) -> InstrumentId:
    """Return the instrument of a token."""
    return InstrumentId(Symbol(asset_id), VENUE)


@lru_cache(maxsize=20_000)
def price_of(text: str) -> Price:
    """Return a price of at most four decimals exactly.

    Raises
    ------
    ProtocolError
        When the venue printed more decimals than its finest tick has.
    """
    scaled = Decimal(text).scaleb(PRICE_PRECISION)
    units = int(scaled)
    if units != scaled:
        raise ProtocolError(f"price: found {text!r}, more than {PRICE_PRECISION} decimals")
    return Price.from_raw(units * _PRICE_RAW, PRICE_PRECISION)


@lru_cache(maxsize=50_000)
def quantity_of(text: str) -> Quantity:
    """Return a size in millionths of a share; finer digits are dropped, never rounded up."""
    units = int(Decimal(text).scaleb(SIZE_PRECISION))
    return Quantity.from_raw(units * _SIZE_RAW, SIZE_PRECISION)


def quantity(shares: Decimal) -> Quantity:
    """Return shares as a quantity.

    Raises
    ------
    ProtocolError
        When there are more than six decimals.
    """
    scaled = shares.scaleb(SIZE_PRECISION)
    units = int(scaled)
    if units != scaled:
        raise ProtocolError(f"size: found {shares}, more than {SIZE_PRECISION} decimals")
    return Quantity.from_raw(units * _SIZE_RAW, SIZE_PRECISION)


def fill_price(price: Decimal) -> Price:
    """Return a fill's price; the venue's levels are on the finest tick.

    A price between ticks (an average) is floored, so that no profit is invented on a SELL; the
    exact cash is in the balances.
    """
    floored = price.quantize(Decimal("0.0001"), rounding=ROUND_FLOOR)
    return Price.from_raw(int(floored.scaleb(PRICE_PRECISION)) * _PRICE_RAW, PRICE_PRECISION)


def money(amount: Decimal) -> Money:
    """Return pUSD; at most six decimals."""
    return Money.from_str(f"{amount.quantize(_SIZE_STEP, rounding=ROUND_FLOOR):f} {pusd().code}")


def parse_instrument(market: Market, index: int, ts_ns: int) -> BinaryOption:
    """Return the instrument of one outcome.

    Price precision is the venue's finest, so a tick that gets finer needs no new precision; the
    current tick is the increment. There is no `min_quantity`: the minimum holds for resting orders
    only, and the remainder of an unwind must not be stopped by the risk engine.
    `expiration_ns` is 0: games run past `endDate`; a market ends by its resolution.
    """
    asset_id = market.asset_ids[index]
    return BinaryOption(
        instrument_id=instrument_id(asset_id),
        raw_symbol=Symbol(asset_id),
        asset_class=AssetClass.ALTERNATIVE,
        currency=pusd(),
        price_precision=PRICE_PRECISION,
        size_precision=SIZE_PRECISION,
        price_increment=Price.from_str(f"{market.tick_size:.{PRICE_PRECISION}f}"),
        size_increment=Quantity.from_str(f"{_SIZE_STEP:f}"),
        activation_ns=market.start_ns,
        expiration_ns=0,
        ts_event=ts_ns,
        ts_init=ts_ns,
        maker_fee=Decimal(0),
        taker_fee=Decimal(0),  # depends on the price: see info["fees"] and core.fees
        outcome=market.outcomes[index],
        description=market.question or asset_id,
        info=instrument_info(market, index),
    )


def instrument_info(market: Market, index: int) -> dict[str, Any]:
    """Return what the venue said of a market, as plain data."""
    fees = market.fees
    return {
        "version": market.version.value,
        "gamma_id": market.gamma_id,
        "slug": market.slug,
        "condition_id": market.condition_id,
        "gamma_condition_id": market.gamma_condition_id,
        "complement": market.asset_ids[1 - index],
        "complement_instrument_id": f"{market.asset_ids[1 - index]}.{VENUE_NAME}",
        "outcome": market.outcomes[index],
        "outcome_index": index,
        "outcomes": list(market.outcomes),
        "neg_risk": market.neg_risk,
        "neg_risk_market_id": market.neg_risk_market_id,
        "placeholder": market.placeholder,
        "event_id": market.event_id,
        "event_slug": market.event_slug,
        "event_title": market.event_title,
        "group_item_title": market.group_item_title,
        "game_id": market.game_id,
        "series_slug": market.series_slug,
        "sports_market_type": market.sports_market_type,
        "line": None if market.line is None else str(market.line),
        "teams": [
            {"name": t.name, "abbreviation": t.abbreviation, "home_away": t.home_away}
            for t in market.teams
        ],
        "tags": list(market.tags),
        "tick_size": plain(market.tick_size),
        "order_size_step": plain(ORDER_SIZE_STEP),
        "min_size": plain(market.min_size),
        "fees": None
        if fees is None
        else {"rate": str(fees.rate), "exponent": str(fees.exponent), "taker_only": True},
        "fee_problem": market.fee_problem,
        "seconds_delay": None if market.seconds_delay is None else str(market.seconds_delay),
        "clear_book_on_start": market.clear_book_on_start,
        "game_start_ns": market.game_start_ns,
        "end_ns": market.end_ns,
        "rules": market.rules,
        "rules_sha256": market.rules_sha256,
        "resolution_source": market.resolution_source,
    }


# -- market data ----------------------------------------------------------------------------------


def snapshot_deltas(snapshot: BookSnapshot, ts_init_ns: int) -> OrderBookDeltas:
    """Return CLEAR and ADDs; an empty snapshot is a CLEAR, so no stale book survives."""
    venue_id = instrument_id(snapshot.asset_id)
    rows = [
        (side, level)
        for side, levels in ((OrderSide.BUY, snapshot.bids), (OrderSide.SELL, snapshot.asks))
        for level in levels
    ]
    ts_event_ns = snapshot.ts_event_ns
    clear = OrderBookDelta(
        venue_id,
        BookAction.CLEAR,
        None,
        _SNAPSHOT if rows else _SNAPSHOT | _LAST,
        0,
        ts_event_ns,
        ts_init_ns,
    )
    deltas = [clear]
    for n, (side, level) in enumerate(rows, start=1):
        deltas.append(
            OrderBookDelta(
                venue_id,
                BookAction.ADD,
                BookOrder(side, price_of(level.price), quantity_of(level.size), 0),
                _SNAPSHOT | _LAST if n == len(rows) else _SNAPSHOT,
                0,
                ts_event_ns,
                ts_init_ns,
            )
        )
    return OrderBookDeltas(venue_id, deltas)


def rest_book_deltas(book: Book, ts_init_ns: int) -> OrderBookDeltas:
    """Return the snapshot of a book read by REST."""
    snapshot = BookSnapshot(
        book.asset_id,
        tuple(Level(level.price, level.size) for level in book.bids),
        tuple(Level(level.price, level.size) for level in book.asks),
        time_ns("book.timestamp", book.timestamp, ts_init_ns),
    )
    return snapshot_deltas(snapshot, ts_init_ns)


def clear_deltas(asset_id: str, ts_event_ns: int, ts_init_ns: int) -> OrderBookDeltas:
    """Return the deltas that empty a book nobody may trade on."""
    return snapshot_deltas(BookSnapshot(asset_id, (), (), ts_event_ns), ts_init_ns)


def change_deltas(change: BookChange, ts_init_ns: int) -> OrderBookDeltas:
    """Return one batch for one frame, the last row flagged."""
    venue_id = instrument_id(change.asset_id)
    last = len(change.changes) - 1
    deltas = [
        OrderBookDelta(
            venue_id,
            BookAction.DELETE if level.removes else BookAction.UPDATE,
            BookOrder(
                OrderSide.BUY if level.is_bid else OrderSide.SELL,
                price_of(level.price),
                quantity_of(level.size),
                0,
            ),
            _LAST if n == last else 0,
            0,
            change.ts_event_ns,
            ts_init_ns,
        )
        for n, level in enumerate(change.changes)
    ]
    return OrderBookDeltas(venue_id, deltas)


def quote_tick(
    asset_id: str, top: tuple[Level, Level], ts_event_ns: int, ts_init_ns: int
) -> QuoteTick:
    """Return the best bid and ask."""
    bid, ask = top
    return QuoteTick(
        instrument_id(asset_id),
        price_of(bid.price),
        price_of(ask.price),
        quantity_of(bid.size),
        quantity_of(ask.size),
        ts_event_ns,
        ts_init_ns,
    )


def instrument_close(asset_id: str, value: Decimal, ts_ns: int) -> InstrumentClose:
    """Return the close of an outcome at what a share pays."""
    return InstrumentClose(
        instrument_id(asset_id),
        fill_price(value),
        InstrumentCloseType.CONTRACT_EXPIRED,
        ts_ns,
        ts_ns,
    )


def instrument_status(
    asset_id: str, action: MarketStatusAction, reason: str, ts_ns: int
) -> InstrumentStatus:
    """Return the trading status of an outcome."""
    trading = action == MarketStatusAction.TRADING
    return InstrumentStatus(
        instrument_id(asset_id),
        action,
        ts_ns,
        ts_ns,
        reason=reason,
        is_trading=trading,
        is_quoting=trading,
    )


def rest_trade_tick(row: TradeRow, ts_init_ns: int) -> TradeTick | None:
    """Return a historical print of the Data API."""
    when = time_ns("timestamp", row.timestamp or row.timestamps, ts_init_ns)
    if row.side not in ("BUY", "SELL"):
        raise ProtocolError(f"trade.side: found {row.side!r}, expected BUY or SELL")
    return trade_tick(
        PublicTrade(
            row.token_id,
            wire_price("trade.price", row.price),
            wire_size("trade.size", row.size),
            row.side,
            row.transaction_hash or "",
            when,
        ),
        ts_init_ns,
    )


def trade_tick(trade: PublicTrade, ts_init_ns: int) -> TradeTick | None:
    """Return a print, or None when its size is below a millionth of a share."""
    size = trade.size.quantize(_SIZE_STEP, rounding=ROUND_FLOOR)
    if size <= 0:
        return None
    key = (
        f"{trade.trade_id}|{trade.asset_id}|{trade.side}|{trade.price}|{trade.size}|"
        f"{trade.ts_event_ns}"
    )
    return TradeTick(
        instrument_id(trade.asset_id),
        fill_price(trade.price),
        quantity(size),
        AggressorSide.BUYER if trade.side == "BUY" else AggressorSide.SELLER,
        TradeId(hashlib.sha256(key.encode()).hexdigest()[:36]),
        trade.ts_event_ns,
        ts_init_ns,
    )


# -- reports --------------------------------------------------------------------------------------

_STATUS: Final = {
    OrderState.LIVE: OrderStatus.ACCEPTED,
    OrderState.DELAYED: OrderStatus.ACCEPTED,
    OrderState.MATCHED: OrderStatus.FILLED,
    OrderState.CANCELED: OrderStatus.CANCELED,
    OrderState.EXPIRED: OrderStatus.EXPIRED,
}


def order_side(side: str) -> OrderSide:
    """Return the Nautilus side of BUY or SELL."""
    return OrderSide.BUY if side == "BUY" else OrderSide.SELL


def order_report(
    record: OrderRecord,
    *,
    account_id: AccountId,
    client_order_id: ClientOrderId | None,
    filled: Decimal,
    ordered: Decimal | None,
    avg_px: Decimal | None,
    ts_ns: int,
) -> OrderStatusReport:
    """Return an order report whose filled quantity is what we booked, never more.

    `ordered` is the quantity of our own order where it differs from what was signed (a FAK sized in
    dollars, a marketable order rounded to the caps).
    """
    total = max(ordered if ordered is not None else record.original_size, filled)
    status = _STATUS.get(record.state, OrderStatus.ACCEPTED)
    if status is OrderStatus.FILLED and filled < total:
        # Matched to the last share of what was signed, but fewer than our order asked for, or the
        # trades are still to come: never claim fills that were not booked.
        status = OrderStatus.PARTIALLY_FILLED if filled else OrderStatus.ACCEPTED
    elif status is OrderStatus.ACCEPTED and filled:
        status = OrderStatus.PARTIALLY_FILLED if filled < total else OrderStatus.FILLED
    return OrderStatusReport(
        account_id=account_id,
        instrument_id=instrument_id(record.asset_id),
        venue_order_id=VenueOrderId(record.order_id),
        order_side=order_side(record.side),
        order_type=OrderType.LIMIT,
        time_in_force=VENUE_TO_TIF.get(record.order_type, TimeInForce.GTC),
        order_status=status,
        quantity=quantity(total),
        filled_qty=quantity(filled),
        report_id=UUID4(),
        ts_accepted=record.ts_event_ns,
        ts_last=record.ts_event_ns,
        ts_init=ts_ns,
        client_order_id=client_order_id,
        price=fill_price(record.price),
        avg_px=avg_px,
        cancel_reason=record.reason if record.state is OrderState.CANCELED else None,
    )


def fill_report(
    fill: Fill,
    *,
    account_id: AccountId,
    client_order_id: ClientOrderId | None,
    commission: Decimal,
    ts_ns: int,
) -> FillReport:
    """Return a fill report."""
    return FillReport(
        account_id=account_id,
        instrument_id=instrument_id(fill.asset_id),
        venue_order_id=VenueOrderId(fill.order_id),
        trade_id=TradeId(fill.fill_id),
        order_side=order_side(fill.side),
        last_qty=quantity(fill.size),
        last_px=fill_price(fill.price),
        commission=money(commission),
        liquidity_side=LiquiditySide.TAKER if fill.is_taker else LiquiditySide.MAKER,
        report_id=UUID4(),
        ts_event=fill.matched_ns,
        ts_init=ts_ns,
        client_order_id=client_order_id,
    )


def position_report(
    asset_id: str,
    shares: Decimal,
    *,
    account_id: AccountId,
    ts_ns: int,
    avg_px: Decimal | None = None,
) -> PositionStatusReport:
    """Return a position report, flat ones included."""
    return PositionStatusReport(
        account_id=account_id,
        instrument_id=instrument_id(asset_id),
        position_side=PositionSide.LONG if shares > 0 else PositionSide.FLAT,
        quantity=quantity(max(shares, Decimal(0))),
        report_id=UUID4(),
        ts_last=ts_ns,
        ts_init=ts_ns,
        avg_px_open=avg_px,
    )
