"""Venue records to Nautilus objects: instruments, books, trades, bars, status and close.

Deltas of one venue message travel together, the last with ``F_LAST``; a whole book is CLEAR plus
ADDs with ``F_SNAPSHOT``; a book that must not be believed is a lone CLEAR. The NO book mirrors the
YES stream: NO ask = 1 − YES bid with the same size.
"""

from __future__ import annotations

from decimal import Decimal
from functools import lru_cache

import msgspec
from nautilus_trader.model.data import (
    Bar,
    BarType,
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
    MarketStatusAction,
    OrderSide,
    RecordFlag,
)
from nautilus_trader.model.identifiers import InstrumentId, Symbol, TradeId, Venue
from nautilus_trader.model.instruments import BinaryOption
from nautilus_trader.model.objects import Price, Quantity

from adapters.common.currencies import usd
from adapters.common.errors import ProtocolError
from adapters.kalshi.constants import PRICE_PRECISION, SIZE_PRECISION, VENUE_NAME
from adapters.kalshi.markets import KalshiMarket
from adapters.kalshi.netting import leg_price
from adapters.kalshi.numbers import ONE, price_units, units
from adapters.kalshi.protocol import BookChange, BookReset
from adapters.kalshi.schemas import rest, ws
from adapters.kalshi.symbols import Leg, split_symbol, symbol
from adapters.kalshi.times import stamp_ns, time_ns
from core.money import from_units
from core.pairs import MarketTerms

VENUE = Venue(VENUE_NAME)
INFO_SCHEMA = 1
_LOT = Decimal("0.01")
_SNAPSHOT = RecordFlag.F_SNAPSHOT
_LAST = RecordFlag.F_LAST


@lru_cache(maxsize=65_536)
def instrument_id(ticker: str, leg: Leg) -> InstrumentId:
    """Return the id of one leg of a market."""
    return InstrumentId(Symbol(symbol(ticker, leg)), VENUE)


def market_leg(instrument: InstrumentId) -> tuple[str, Leg]:
    """Return ticker and leg of an instrument id; raises ``UsageError`` for a foreign symbol."""
    return split_symbol(instrument.symbol.value)


@lru_cache(maxsize=16_384)
def price(price_u: int) -> Price:
    """Return a price in units as a Nautilus price of four decimals, exactly.

    Raises
    ------
    ProtocolError
        The price is finer than four decimals.
    """
    if price_u % 100:
        raise ProtocolError(f"price: found {from_units(price_u)}, expected at most four decimals")
    return Price.from_str(f"{from_units(price_u):.{PRICE_PRECISION}f}")


@lru_cache(maxsize=65_536)
def quantity(size_u: int) -> Quantity:
    """Return a size in units as a Nautilus quantity of two decimals, exactly.

    Raises
    ------
    ProtocolError
        The size is finer than two decimals, or negative.
    """
    if size_u % 10_000 or size_u < 0:
        raise ProtocolError(f"size: found {from_units(size_u)}, expected at most two decimals")
    return Quantity.from_str(f"{from_units(size_u):.{SIZE_PRECISION}f}")


def float_decimal(value: float) -> Decimal:
    """Return a statistic that Nautilus keeps as a float, in its shortest decimal writing."""
    return Decimal(repr(value))


def price_u(value: Price) -> int:
    """Return a Nautilus price in units."""
    return int(value.as_decimal().scaleb(6))


def quantity_u(value: Quantity) -> int:
    """Return a Nautilus quantity in units; finer than a unit raises ``ProtocolError``."""
    scaled = value.as_decimal().scaleb(6)
    if scaled != int(scaled):
        raise ProtocolError(f"size: found {value}, expected at most six decimals")
    return int(scaled)


def instruments(market: KalshiMarket, ts_ns: int) -> tuple[BinaryOption, BinaryOption]:
    """Build the YES and the NO instrument of a market.

    Price precision is the finest any market can have, so a change of the tick structure needs no
    new precision; the structure itself is in ``info["terms"]["ticks"]``.
    """
    return _option(market, Leg.YES, ts_ns), _option(market, Leg.NO, ts_ns)


def _option(market: KalshiMarket, leg: Leg, ts_ns: int) -> BinaryOption:
    tick = min(band.step for band in market.ticks)
    label = market.yes_title if leg is Leg.YES else market.no_title
    return BinaryOption(
        instrument_id=instrument_id(market.ticker, leg),
        raw_symbol=Symbol(market.ticker),
        asset_class=AssetClass.ALTERNATIVE,
        currency=usd(),
        price_precision=PRICE_PRECISION,
        size_precision=SIZE_PRECISION,
        price_increment=Price.from_str(f"{tick:.{PRICE_PRECISION}f}"),
        size_increment=Quantity.from_str(f"{_LOT:.{SIZE_PRECISION}f}"),
        activation_ns=market.open_ns,
        expiration_ns=market.close_ns,
        ts_event=ts_ns,
        ts_init=ts_ns,
        min_quantity=Quantity.from_str(f"{_LOT:.{SIZE_PRECISION}f}"),
        outcome=leg.value.title(),
        description=f"{market.title} [{leg.upper()}: {label}]" if label else market.title,
        info=_info(market, leg),
    )


def _info(market: KalshiMarket, leg: Leg) -> dict[str, object]:
    terms = MarketTerms(ticks=market.ticks, lot=_LOT, size_min=_LOT, currency="USD")
    return {
        "schema": INFO_SCHEMA,
        "market": market.ticker,
        "outcome": leg.upper(),
        "complement": f"{symbol(market.ticker, leg.other)}.{VENUE_NAME}",
        "terms": msgspec.to_builtins(terms),
        "fees": msgspec.to_builtins(market.fees),
        "rules_sha256": market.rules_sha256,
        "rules": market.rules,
        "close_time_ns": market.close_ns,
        "expected_settlement_ns": market.expected_settlement_ns,
        "settlement_timer_s": market.settlement_timer_s,
        "shard": market.shard,
        "status": market.status,
        "event": market.event_ticker,
        "series": market.series_ticker,
        "category": market.category,
        "tick_structure": market.structure,
        "mutually_exclusive": market.mutually_exclusive,
        "collateral_return": market.collateral_return,
        "can_close_early": market.can_close_early,
    }


def book_deltas(event: BookReset, leg: Leg, ts_event: int, ts_init: int) -> OrderBookDeltas:
    """Return a whole book for one leg: CLEAR and ADDs, atomic."""
    target = instrument_id(event.ticker, leg)
    rows = [
        *((OrderSide.BUY if leg is Leg.YES else OrderSide.SELL, p, s) for p, s in event.bids),
        *((OrderSide.SELL if leg is Leg.YES else OrderSide.BUY, p, s) for p, s in event.asks),
    ]
    deltas = [OrderBookDelta.clear(target, 0, ts_event, ts_init)]
    last = len(rows) - 1
    if not rows:
        return clear_deltas(event.ticker, leg, ts_event, ts_init)
    for index, (side, level_u, size_u) in enumerate(rows):
        flags = _SNAPSHOT | _LAST if index == last else _SNAPSHOT
        order = BookOrder(side, price(leg_price(leg, level_u)), quantity(size_u), 0)
        deltas.append(OrderBookDelta(target, BookAction.ADD, order, flags, 0, ts_event, ts_init))
    return OrderBookDeltas(target, deltas)


def clear_deltas(ticker: str, leg: Leg, ts_event: int, ts_init: int) -> OrderBookDeltas:
    """Return a lone CLEAR: an empty book, or one that must not be believed."""
    target = instrument_id(ticker, leg)
    clear = OrderBookDelta(target, BookAction.CLEAR, None, _SNAPSHOT | _LAST, 0, ts_event, ts_init)
    return OrderBookDeltas(target, [clear])


def change_deltas(event: BookChange, leg: Leg, ts_event: int, ts_init: int) -> OrderBookDeltas:
    """Return one level's change for one leg."""
    target = instrument_id(event.ticker, leg)
    buy = event.bid == (leg is Leg.YES)
    order = BookOrder(
        OrderSide.BUY if buy else OrderSide.SELL,
        price(leg_price(leg, event.price_u)),
        quantity(event.size_u),
        0,
    )
    action = BookAction.UPDATE if event.size_u else BookAction.DELETE
    return OrderBookDeltas(
        target, [OrderBookDelta(target, action, order, _LAST, 0, ts_event, ts_init)]
    )


def trade_tick(msg: ws.TradeMsg, leg: Leg, ts_init: int) -> TradeTick | None:
    """Return a streamed trade for one leg; None for a block trade, which no book saw."""
    if msg.is_block_trade:
        return None
    bid = _taker_bid(msg.taker_book_side, msg.taker_outcome_side or msg.taker_side)
    return TradeTick(
        instrument_id(msg.market_ticker, leg),
        price(leg_price(leg, price_units(msg.yes_price_dollars))),
        _traded(msg.count_fp),
        _aggressor(bid, leg),
        TradeId(msg.trade_id),
        stamp_ns(msg.ts_ms, msg.ts, ts_init),
        ts_init,
    )


def rest_trade_tick(record: rest.Trade, leg: Leg, ts_init: int) -> TradeTick:
    """Return a trade read over REST for one leg."""
    bid = _taker_bid(record.taker_book_side, record.taker_outcome_side or record.taker_side)
    return TradeTick(
        instrument_id(record.ticker, leg),
        price(leg_price(leg, price_units(record.yes_price_dollars))),
        _traded(record.count_fp),
        _aggressor(bid, leg),
        TradeId(record.trade_id),
        time_ns(record.created_time),
        ts_init,
    )


def _traded(text: str) -> Quantity:
    size_u = units(text)
    if size_u <= 0:
        raise ProtocolError(f"a traded size above 0 expected, found {text!r}")
    return quantity(size_u)


def _taker_bid(book_side: str | None, outcome: str | None) -> bool | None:
    if book_side is not None:
        return book_side == "bid"
    return None if outcome is None else outcome == "yes"


def _aggressor(bid: bool | None, leg: Leg) -> AggressorSide:
    if bid is None:
        return AggressorSide.NO_AGGRESSOR
    return AggressorSide.BUYER if bid == (leg is Leg.YES) else AggressorSide.SELLER


def quote_tick(
    ticker: str,
    leg: Leg,
    best: tuple[int, int, int, int],
    ts_event: int,
    ts_init: int,
) -> QuoteTick | None:
    """Return top of book for one leg; None unless both sides are quoted.

    Parameters
    ----------
    best : tuple
        YES bid price and size, YES ask price and size, in units.
    """
    bid_u, bid_size_u, ask_u, ask_size_u = best
    if not (0 < bid_u < ask_u < ONE):
        return None
    if leg is Leg.NO:
        bid_u, bid_size_u, ask_u, ask_size_u = ONE - ask_u, ask_size_u, ONE - bid_u, bid_size_u
    return QuoteTick(
        instrument_id(ticker, leg),
        price(bid_u),
        price(ask_u),
        quantity(bid_size_u),
        quantity(ask_size_u),
        ts_event,
        ts_init,
    )


def bar(record: rest.Candle, bar_type: BarType, leg: Leg, ts_init: int) -> Bar | None:
    """Return one candle of trade prices for one leg; None where nothing traded."""
    ohlc = record.price
    texts = (ohlc.open_dollars, ohlc.high_dollars, ohlc.low_dollars, ohlc.close_dollars)
    if any(text is None for text in texts):
        return None
    opened, high, low, closed = (leg_price(leg, units(text)) for text in texts if text is not None)
    if leg is Leg.NO:
        high, low = low, high
    ts_event = record.end_period_ts * 1_000_000_000
    return Bar(
        bar_type,
        price(opened),
        price(high),
        price(low),
        price(closed),
        quantity(units(record.volume_fp)),
        ts_event,
        max(ts_init, ts_event),
    )


def instrument_status(
    ticker: str, leg: Leg, action: MarketStatusAction, reason: str, ts_event: int, ts_init: int
) -> InstrumentStatus:
    """Return a change of a market's trading state for one leg."""
    trading = action is MarketStatusAction.TRADING
    return InstrumentStatus(
        instrument_id(ticker, leg), action, ts_event, ts_init, reason, "", trading, trading, None
    )


def instrument_close(
    ticker: str, leg: Leg, yes_value: Decimal, ts_event: int, ts_init: int
) -> InstrumentClose:
    """Return the end of one leg at its settled value."""
    value = yes_value if leg is Leg.YES else 1 - yes_value
    return InstrumentClose(
        instrument_id(ticker, leg),
        Price.from_str(f"{value:.{PRICE_PRECISION}f}"),
        InstrumentCloseType.CONTRACT_EXPIRED,
        ts_event,
        ts_init,
    )
