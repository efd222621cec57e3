"""Bodies of WebSocket messages by channel (KALSHI, WebSocket)."""

from __future__ import annotations

from typing import Any

from simulators.kalshi.events import (
    BookDelta,
    EventFeesChanged,
    GroupChanged,
    MarketEvent,
    OrderChanged,
    PositionChanged,
)
from simulators.kalshi.model import Fill, Market, Trade
from simulators.kalshi.render import outcome_of
from simulators.kalshi.state import State
from simulators.kalshi.units import (
    CONTRACT,
    DOLLAR_PX,
    count,
    millis,
    money,
    money4,
    price,
    rfc3339,
    seconds,
)

type Body = dict[str, Any]


def snapshot(state: State, ticker: str, *, use_yes_price: bool) -> Body:
    """Return a whole book; a side without levels is left out."""
    book = state.books[ticker]
    body: Body = {"market_ticker": ticker, "market_id": state.markets[ticker].market_id}
    yes = [[price(px), count(qty)] for px, qty in book.bids.levels()]
    no = [[_no_price(px, use_yes_price), count(qty)] for px, qty in book.asks.levels()]
    if yes:
        body["yes_dollars_fp"] = yes
    if no:
        body["no_dollars_fp"] = no if use_yes_price else no[::-1]
    return body


def delta(state: State, event: BookDelta, *, use_yes_price: bool, own: bool) -> Body:
    """Return one change of a level; own changes carry the order's client id."""
    is_bid = event.side == "bid"
    body: Body = {
        "market_ticker": event.ticker,
        "market_id": state.markets[event.ticker].market_id,
        "price_dollars": price(event.px) if is_bid else _no_price(event.px, use_yes_price),
        "delta_fp": count(event.delta),
        "side": outcome_of(event.side),
        "ts": rfc3339(event.ts_ns),
        "ts_ms": millis(event.ts_ns),
    }
    if own:
        body["client_order_id"] = event.client_order_id
        if event.subaccount:
            body["subaccount"] = event.subaccount
    return body


def ticker(state: State, market: Market, now_ns: int) -> Body:
    """Return the top of a book, the last trade and the day's figures."""
    book = state.books[market.ticker]
    bid, ask = book.bids.best(), book.asks.best()
    return {
        "market_ticker": market.ticker,
        "market_id": market.market_id,
        "price_dollars": price(market.last_px),
        "yes_bid_dollars": price(0 if bid is None else bid),
        "yes_ask_dollars": price(DOLLAR_PX if ask is None else ask),
        "yes_bid_size_fp": count(0 if bid is None else book.bids.size(bid)),
        "yes_ask_size_fp": count(0 if ask is None else book.asks.size(ask)),
        "last_trade_size_fp": count(market.last_qty),
        "volume_fp": count(market.volume),
        "open_interest_fp": count(market.open_interest),
        "dollar_volume": market.volume // CONTRACT,
        "dollar_open_interest": market.open_interest // CONTRACT,
        "ts": seconds(now_ns),
        "ts_ms": millis(now_ns),
        "time": rfc3339(now_ns),
    }


def trade(state: State, row: Trade) -> Body:
    """Return a public trade."""
    body: Body = {
        "trade_id": row.trade_id,
        "market_ticker": row.ticker,
        "yes_price_dollars": price(row.px),
        "no_price_dollars": price(DOLLAR_PX - row.px),
        "count_fp": count(row.qty),
        "taker_outcome_side": outcome_of(row.taker_side),
        "taker_book_side": row.taker_side,
        "is_block_trade": row.is_block,
        "ts": seconds(row.ts_ns),
        "ts_ms": millis(row.ts_ns),
    }
    if state.switches["legacy_direction"] == "present":
        body["taker_side"] = outcome_of(row.taker_side)
    return body


def fill(state: State, row: Fill) -> Body:
    """Return a private fill; ``post_position_fp`` is signed."""
    body: Body = {
        "trade_id": row.trade_id,
        "order_id": row.order_id,
        "client_order_id": row.client_order_id,
        "market_ticker": row.ticker,
        "exchange_index": row.exchange_index,
        "is_taker": row.is_taker,
        "outcome_side": outcome_of(row.side),
        "book_side": row.side,
        "purchased_side": outcome_of(row.side),
        "yes_price_dollars": price(row.px),
        "count_fp": count(row.qty),
        "fee_cost": money(row.fee),
        "post_position_fp": count(row.position),
        "ts": seconds(row.ts_ns),
        "ts_ms": millis(row.ts_ns),
        "subaccount": row.subaccount,
    }
    if state.switches["legacy_direction"] == "present":
        body |= {"side": "yes", "action": "buy" if row.side == "bid" else "sell"}
    return body


def user_order(state: State, event: OrderChanged) -> Body:
    """Return an order's state; counts are cumulative."""
    order = event.order
    body: Body = {
        "order_id": order.order_id,
        "user_id": order.user_id,
        "ticker": order.ticker,
        "exchange_index": order.exchange_index,
        "status": order.status,
        "outcome_side": outcome_of(order.side),
        "book_side": order.side,
        "yes_price_dollars": price(order.px),
        "initial_count_fp": count(order.initial),
        "fill_count_fp": count(order.filled),
        "remaining_count_fp": count(order.remaining),
        "taker_fill_cost_dollars": money4(order.taker_cost),
        "maker_fill_cost_dollars": money4(order.maker_cost),
        "taker_fees_dollars": money4(order.taker_fees),
        "maker_fees_dollars": money4(order.maker_fees),
        "client_order_id": order.client_order_id,
        "self_trade_prevention_type": order.stp,
        "created_time": rfc3339(order.created_ns),
        "created_ts_ms": millis(order.created_ns),
        "last_updated_ts_ms": millis(order.updated_ns),
        "subaccount_number": order.subaccount,
        "last_update_reason": event.reason,
    }
    if state.switches["legacy_direction"] == "present":
        body |= {"side": "yes", "is_yes": order.is_bid}
    if order.expiry_ns:
        body["expiration_ts_ms"] = millis(order.expiry_ns)
    if order.group_id:
        body["order_group_id"] = order.group_id
    return body


def market_position(event: PositionChanged) -> Body:
    """Return a position. There is no timestamp: do not order it against fills."""
    position = event.position
    return {
        "user_id": event.user_id,
        "market_ticker": position.ticker,
        "position_fp": count(position.qty),
        "position_cost_dollars": money4(position.cost),
        "realized_pnl_dollars": money4(position.realized),
        "fees_paid_dollars": money4(position.fees),
        "position_fee_cost_dollars": money4(position.position_fees),
        "volume_fp": count(position.volume),
        "subaccount": event.subaccount,
    }


def market_lifecycle(state: State, event: MarketEvent) -> Body:
    """Return a life-cycle message; only the fields of its kind appear."""
    body: Body = {"event_type": event.event_type, "market_ticker": event.ticker} | event.fields
    if event.event_type != "created":
        return body
    market = state.markets[event.ticker]
    metadata: Body = {
        "name": market.yes_sub_title,
        "title": market.title,
        "yes_sub_title": market.yes_sub_title,
        "no_sub_title": market.no_sub_title,
        "rules_primary": market.rules_primary,
        "rules_secondary": market.rules_secondary,
        "can_close_early": True,
        "event_ticker": market.event_ticker,
        "expected_expiration_ts": seconds(market.expected_ns),
    }
    for name in ("strike_type", "floor_strike", "cap_strike"):
        if getattr(market, name) is not None:
            metadata[name] = getattr(market, name)
    return body | {
        "exchange_index": market.exchange_index,
        "open_ts": seconds(market.open_ns),
        "close_ts": seconds(market.close_ns),
        "price_level_structure": market.structure,
        "price_ranges": [band.to_json() for band in market.bands],
        "additional_metadata": metadata,
    }


def event_lifecycle(state: State, event_ticker: str) -> Body:
    """Return the message of a new event."""
    event = state.events[event_ticker]
    return {
        "event_ticker": event.ticker,
        "exchange_index": event.exchange_index,
        "title": event.title,
        "subtitle": event.sub_title,
        "collateral_return_type": event.collateral_return_type,
        "series_ticker": event.series_ticker,
    }


def event_fees(event: EventFeesChanged) -> Body:
    """Return a changed fee override; nulls clear it."""
    return {
        "event_ticker": event.event_ticker,
        "fee_type_override": event.fee_type,
        "fee_multiplier_override": event.multiplier,
    }


def order_group(event: GroupChanged) -> Body:
    """Return a change of an order group."""
    body: Body = {
        "event_type": event.event_type,
        "order_group_id": event.group.group_id,
        "ts_ms": millis(event.ts_ns),
    }
    if event.event_type in ("created", "limit_updated"):
        body["contracts_limit_fp"] = count(event.group.limit)
    return body


def _no_price(px: int, use_yes_price: bool) -> str:
    return price(px if use_yes_price else DOLLAR_PX - px)
