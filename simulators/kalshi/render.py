"""REST objects as the venue writes them. Keys that have no value are left out, not null."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from simulators.kalshi.candles import Candle, Span
from simulators.kalshi.lifecycle import revenue_cents
from simulators.kalshi.model import (
    Event,
    FeeChange,
    Fill,
    Market,
    Order,
    Position,
    Series,
    Settlement,
    Trade,
    Transfer,
)
from simulators.kalshi.state import State
from simulators.kalshi.units import DOLLAR_PX, count, money, price, ratio4, rfc3339, seconds
from simulators.kalshi.wiretypes import number

type Row = dict[str, Any]


def outcome_of(side: str) -> str:
    """Return ``yes`` for a bid and ``no`` for an ask."""
    return "yes" if side == "bid" else "no"


def direction(state: State, side: str) -> Row:
    """Return the direction of an order or fill, with the deprecated pair while it exists."""
    row: Row = {"outcome_side": outcome_of(side), "book_side": side}
    if state.switches["legacy_direction"] == "present":
        # An ask reads back as "sell yes".
        row |= {"action": "buy" if side == "bid" else "sell", "side": "yes"}
    return row


def series_row(series: Series, volume: int | None = None) -> Row:
    """Return a series."""
    row: Row = {
        "ticker": series.ticker,
        "frequency": series.frequency,
        "title": series.title,
        "category": series.category,
        "categories": [series.category],
        "tags": list(series.tags),
        "settlement_sources": [dict(source) for source in series.sources],
        "contract_url": f"https://example.invalid/contracts/{series.ticker}.pdf",
        "contract_terms_url": f"https://example.invalid/terms/{series.ticker}.pdf",
        "fee_type": series.fee_type,
        "fee_multiplier": number(series.fee_multiplier),
        "additional_prohibitions": [],
        "last_updated_ts": rfc3339(series.updated_ns),
        "exchange_index": series.exchange_index,
    }
    if volume is not None:
        row["volume_fp"] = count(volume)
    return row


def event_row(state: State, event: Event, *, nested: bool = False) -> Row:
    """Return an event, with its markets if asked."""
    row: Row = {
        "event_ticker": event.ticker,
        "series_ticker": event.series_ticker,
        "title": event.title,
        "sub_title": event.sub_title,
        "category": event.category,
        "collateral_return_type": event.collateral_return_type,
        "mutually_exclusive": event.mutually_exclusive,
        "strike_date": rfc3339(event.strike_ns),
        "strike_period": "",
        "settlement_sources": [dict(s) for s in state.series[event.series_ticker].sources],
        "product_metadata": dict(event.metadata),
        "last_updated_ts": rfc3339(event.updated_ns),
        "exchange_index": event.exchange_index,
    }
    if event.fee_type_override is not None and event.fee_multiplier_override is not None:
        row["fee_type_override"] = event.fee_type_override
        row["fee_multiplier_override"] = number(event.fee_multiplier_override)
    if nested:
        row["markets"] = [
            market_row(state, state.markets[t]) for t in state.markets_of[event.ticker]
        ]
    return row


def market_row(state: State, market: Market, day_volume: int | None = None) -> Row:
    """Return a market with the top of its book."""
    row: Row = {
        "ticker": market.ticker,
        "event_ticker": market.event_ticker,
        "market_type": market.market_type,
        "title": market.title,
        "subtitle": market.yes_sub_title,
        "yes_sub_title": market.yes_sub_title,
        "no_sub_title": market.no_sub_title,
        "created_time": rfc3339(market.created_ns),
        "updated_time": rfc3339(market.updated_ns or market.created_ns),
        "open_time": rfc3339(market.open_ns),
        "close_time": rfc3339(market.close_ns),
        "expected_expiration_time": rfc3339(market.expected_ns),
        "expiration_time": rfc3339(market.latest_ns),
        "latest_expiration_time": rfc3339(market.latest_ns),
        "settlement_timer_seconds": market.settlement_timer_s,
        "status": market.status,
        "last_price_dollars": price(market.last_px),
        "previous_price_dollars": "0.0000",
        "previous_yes_bid_dollars": "0.0000",
        "previous_yes_ask_dollars": "0.0000",
        "volume_fp": count(market.volume),
        "volume_24h_fp": count(market.volume if day_volume is None else day_volume),
        "open_interest_fp": count(market.open_interest),
        "notional_value_dollars": "1.0000",
        "result": market.result,
        "can_close_early": True,
        "expiration_value": market.expiration_value,
        "rules_primary": market.rules_primary,
        "rules_secondary": market.rules_secondary,
        "price_level_structure": market.structure,
        "price_ranges": [band.to_json() for band in market.bands],
        "settlement_bounds_type": "default",
        "exchange_index": market.exchange_index,
    }
    return row | _top(state, market) | _present(state, market)


def _top(state: State, market: Market) -> Row:
    book = state.books[market.ticker]
    bid, ask = book.bids.best(), book.asks.best()
    # No bid reads 0 and no ask reads 1; before the opening everything reads 0.
    bid_px = 0 if bid is None else bid
    ask_px = ask if ask is not None else (0 if market.status == "initialized" else DOLLAR_PX)
    return {
        "yes_bid_dollars": price(bid_px),
        "yes_bid_size_fp": count(0 if bid is None else book.bids.size(bid)),
        "yes_ask_dollars": price(ask_px),
        "yes_ask_size_fp": count(0 if ask is None else book.asks.size(ask)),
        "no_bid_dollars": price(DOLLAR_PX - ask_px),
        "no_ask_dollars": price(DOLLAR_PX - bid_px),
    }


def _present(state: State, market: Market) -> Row:
    """Return the keys that exist only where they have a value."""
    row: Row = {}
    cleared = market.status == "disputed" and state.switches["dispute_value"] == "cleared"
    if market.value is not None and not cleared:
        row["settlement_value_dollars"] = price(market.value)
    if market.settled_ns:
        row["settlement_ts"] = rfc3339(market.settled_ns)
    if market.occurrence_ns is not None:
        row["occurrence_datetime"] = rfc3339(market.occurrence_ns)
    if market.fee_waiver_ns:
        row["fee_waiver_expiration_time"] = rfc3339(market.fee_waiver_ns)
    for name in ("early_close_condition", "strike_type", "floor_strike", "cap_strike"):
        value = getattr(market, name)
        if value is not None:
            row[name] = value
    if market.custom_strike is not None:
        row["custom_strike"] = dict(market.custom_strike)
    return row


def order_row(state: State, order: Order) -> Row:
    """Return an order; its prices are its limit, even when it filled better."""
    row: Row = {
        "order_id": order.order_id,
        "user_id": order.user_id,
        "client_order_id": order.client_order_id,
        "ticker": order.ticker,
        "type": "limit",
        "status": order.status,
        "yes_price_dollars": price(order.px),
        "no_price_dollars": price(DOLLAR_PX - order.px),
        "initial_count_fp": count(order.initial),
        "fill_count_fp": count(order.filled),
        "remaining_count_fp": count(order.remaining),
        "taker_fill_cost_dollars": money(order.taker_cost),
        "maker_fill_cost_dollars": money(order.maker_cost),
        "taker_fees_dollars": money(order.taker_fees),
        "maker_fees_dollars": money(order.maker_fees),
        "created_time": rfc3339(order.created_ns),
        "last_update_time": rfc3339(order.updated_ns),
        "self_trade_prevention_type": order.stp,
        "subaccount_number": order.subaccount,
        "exchange_index": order.exchange_index,
    } | direction(state, order.side)
    if order.expiry_ns:
        row["expiration_time"] = rfc3339(order.expiry_ns)
    if order.group_id:
        row["order_group_id"] = order.group_id
    if order.cancel_on_pause:
        row["cancel_order_on_pause"] = True
    return row


def fill_row(state: State, fill: Fill) -> Row:
    """Return a fill. There is no client order id in REST fills."""
    return {
        "fill_id": fill.trade_id,
        "trade_id": fill.trade_id,
        "order_id": fill.order_id,
        "ticker": fill.ticker,
        "market_ticker": fill.ticker,
        "exchange_index": fill.exchange_index,
        "count_fp": count(fill.qty),
        "yes_price_dollars": price(fill.px),
        "no_price_dollars": price(DOLLAR_PX - fill.px),
        "is_taker": fill.is_taker,
        "fee_cost": money(fill.fee),
        "created_time": rfc3339(fill.ts_ns),
        "ts": seconds(fill.ts_ns),
        "subaccount_number": fill.subaccount,
    } | direction(state, fill.side)


def trade_row(state: State, trade: Trade) -> Row:
    """Return a public trade."""
    row: Row = {
        "trade_id": trade.trade_id,
        "ticker": trade.ticker,
        "count_fp": count(trade.qty),
        "yes_price_dollars": price(trade.px),
        "no_price_dollars": price(DOLLAR_PX - trade.px),
        "taker_outcome_side": outcome_of(trade.taker_side),
        "taker_book_side": trade.taker_side,
        "created_time": rfc3339(trade.ts_ns),
        "is_block_trade": trade.is_block,
    }
    if state.switches["legacy_direction"] == "present":
        row["taker_side"] = outcome_of(trade.taker_side)
    return row


def position_row(position: Position) -> Row:
    """Return a market position."""
    return {
        "ticker": position.ticker,
        "exchange_index": position.exchange_index,
        "position_fp": count(position.qty),
        "market_exposure_dollars": money(position.cost),
        "total_traded_dollars": money(position.traded),
        "realized_pnl_dollars": money(position.realized),
        "fees_paid_dollars": money(position.fees),
        "last_updated_ts": rfc3339(position.updated_ns),
    }


def event_position_row(event_ticker: str, positions: list[Position]) -> Row:
    """Return the positions of one event, added up."""
    return {
        "event_ticker": event_ticker,
        "total_cost_dollars": money(sum(p.traded for p in positions)),
        "total_cost_shares_fp": count(sum(p.volume for p in positions)),
        "event_exposure_dollars": money(sum(p.cost for p in positions)),
        "realized_pnl_dollars": money(sum(p.realized for p in positions)),
        "fees_paid_dollars": money(sum(p.fees for p in positions)),
    }


def settlement_row(row: Settlement) -> Row:
    """Return a settlement; ``value`` is null where it is no whole number of cents."""
    whole = row.value % 100 == 0
    return {
        "ticker": row.ticker,
        "event_ticker": row.event_ticker,
        "exchange_index": row.exchange_index,
        "market_result": row.result,
        "yes_count_fp": count(row.yes_qty),
        "no_count_fp": count(row.no_qty),
        "yes_total_cost_dollars": money(row.yes_cost),
        "no_total_cost_dollars": money(row.no_cost),
        "revenue": revenue_cents(row),
        "value": row.value // 100 if whole else None,
        "fee_cost": money(row.fee),
        "settled_time": rfc3339(row.ts_ns),
    }


def transfer_row(transfer: Transfer) -> Row:
    """Return a transfer between shards."""
    return {
        "transfer_id": transfer.transfer_id,
        "source": "event_contract",
        "destination": "event_contract",
        "source_exchange_shard": transfer.source_shard,
        "destination_exchange_shard": transfer.destination_shard,
        "amount": price(transfer.amount),
        "status": transfer.status,
        "created_ts": seconds(transfer.created_ns),
    }


def series_fee_row(change: FeeChange) -> Row:
    """Return a fee change of a series."""
    assert change.multiplier is not None
    return {
        "id": change.change_id,
        "series_ticker": change.ticker,
        "fee_type": change.fee_type,
        "fee_multiplier": number(change.multiplier),
        "scheduled_ts": rfc3339(change.at_ns),
    }


def event_fee_row(change: FeeChange) -> Row:
    """Return a fee change of an event; nulls clear the override."""
    return {
        "id": change.change_id,
        "event_ticker": change.ticker,
        "series_ticker": change.series_ticker,
        "fee_type_override": change.fee_type,
        "fee_multiplier_override": None if change.multiplier is None else number(change.multiplier),
        "scheduled_ts": rfc3339(change.at_ns),
    }


def book_row(state: State, ticker: str, depth: int = 0) -> Row:
    """Return a REST book: bids only, the NO bids in NO prices, best last."""
    book = state.books[ticker]
    yes = [[price(px), count(qty)] for px, qty in book.bids.levels()]
    no = [[price(DOLLAR_PX - px), count(qty)] for px, qty in reversed(book.asks.levels())]
    if depth > 0:
        yes, no = yes[-depth:], no[-depth:]
    if state.switches["orderbook_order"] == "descending":
        yes.reverse()
        no.reverse()
    row: Row = {"yes_dollars": yes, "no_dollars": no}
    if state.switches["empty_book_side"] == "missing":
        row = {side: levels for side, levels in row.items() if levels}
    return row


def candle_row(candle: Candle, *, historical: bool = False) -> Row:
    """Return a candle; the historical form has no suffixes on its keys."""
    suffix = "" if historical else "_dollars"
    fp = "" if historical else "_fp"
    return {
        "end_period_ts": candle.end_s,
        "yes_bid": _span(candle.bid, suffix),
        "yes_ask": _span(candle.ask, suffix),
        "price": _prices(candle, suffix, historical=historical),
        f"volume{fp}": count(candle.volume),
        f"open_interest{fp}": count(candle.open_interest),
    }


def synthetic_candle(candle: Candle, end_s: int) -> Row:
    """Return the bar that stands for everything before the start: prices null, previous set."""
    row = candle_row(candle)
    last = candle.trade.close if candle.trade is not None else candle.previous
    prices: Mapping[str, Any] = dict.fromkeys(row["price"])
    row["price"] = dict(prices) | {"previous_dollars": None if last is None else price(last)}
    return row | {"end_period_ts": end_s, "volume_fp": count(0)}


def _span(span: Span, suffix: str) -> Row:
    return {
        f"open{suffix}": price(span.open),
        f"low{suffix}": price(span.low),
        f"high{suffix}": price(span.high),
        f"close{suffix}": price(span.close),
    }


def _prices(candle: Candle, suffix: str, *, historical: bool) -> Row:
    names = ["open", "low", "high", "close", "mean", "previous"]
    if not historical:
        names += ["min", "max"]
    row: Row = {f"{name}{suffix}": None for name in names}
    if candle.previous is not None:
        row[f"previous{suffix}"] = price(candle.previous)
    span = candle.trade
    if span is not None:
        row |= _span(span, suffix)
        if not historical:
            row[f"min{suffix}"], row[f"max{suffix}"] = price(span.low), price(span.high)
        row[f"mean{suffix}"] = ratio4(candle.value, candle.volume, DOLLAR_PX)
    return row
