"""Orders and trades as the account endpoints and the user channel print them, in every variant."""

from __future__ import annotations

from typing import Any

from simulators.polymarket.model import BUY, OPEN, Fill, Order, OrderStatus, Trade, TradeStatus
from simulators.polymarket.units import ONE, text
from simulators.switches import Switches

NS_PER_S = 1_000_000_000
NS_PER_MS = 1_000_000


def open_order(order: Order) -> dict[str, Any]:
    """Return an order as ``/data/orders`` prints it; sizes are decimal shares."""
    return {
        "id": order.id,
        "status": str(order.status),
        "owner": order.owner_key,
        "maker_address": order.wallet.address,
        "market": order.market.condition_id,
        "asset_id": order.token,
        "side": order.side,
        "original_size": text(order.size),
        "size_matched": text(order.matched),
        "price": text(order.price),
        "outcome": order.market.outcomes[order.outcome],
        "expiration": str(order.expiration_s),
        "order_type": order.order_type,
        "created_at": order.created_ns // NS_PER_S,
        "associate_trades": list(order.trades),
    }


def order_event(order: Order, kind: str, now_ns: int, switches: Switches) -> dict[str, Any]:
    """Return an order event; `kind` is PLACEMENT, UPDATE or CANCELLATION."""
    created = order.created_ns // (NS_PER_S if switches["created_at"] == "s" else NS_PER_MS)
    event: dict[str, Any] = {
        "event_type": "order",
        "type": kind,
        "id": order.id,
        "owner": order.owner_key,
        "order_owner": order.owner_key,
        "market": order.market.condition_id,
        "asset_id": order.token,
        "side": order.side,
        "original_size": text(order.size),
        "size_matched": text(order.matched),
        "price": text(order.price),
        "outcome": order.market.outcomes[order.outcome],
        "order_type": order.order_type,
        "status": order.reason or str(order.status),
        "maker_address": order.wallet.address,
        "associate_trades": list(order.trades) or None,
        "created_at": str(created),
        "expiration": str(order.expiration_s),
        "timestamp": _stamp(now_ns, switches),
    }
    if kind == "CANCELLATION":
        _cancel_variant(event, order, switches)
    if switches["empty_strings"]:
        event["outcome"] = ""
        event["created_at"] = ""
        event["size_matched"] = "" if order.matched == 0 else event["size_matched"]
        event["associate_trades"] = list(order.trades)
    return event


def _cancel_variant(event: dict[str, Any], order: Order, switches: Switches) -> None:
    if order.status != OrderStatus.CANCELED or order.reason:
        return
    choice = switches["cancel_event"]
    if choice == "update" and order.matched:
        event["type"] = "UPDATE"
    elif choice == "invalid":
        event["status"] = "INVALID"
    elif choice == "free_text":
        event["status"] = "CANCELED_by the owner"


def taker_fill_price(taker: Order, fill: Fill) -> int:
    """Return the price of a fill in the taker's token."""
    maker = fill.maker
    return maker.price if maker.outcome == taker.outcome else ONE - maker.price


def trade_price(trade: Trade, choice: str) -> int:
    """Return what the trade prints as its price: average, the taker's limit, or the last level."""
    if choice == "limit":
        return trade.taker.price
    if choice == "last":
        return taker_fill_price(trade.taker, trade.fills[-1])
    return trade.price


def maker_order(fill: Fill) -> dict[str, Any]:
    """Return one entry of ``maker_orders``: the maker's own asset, side and price."""
    maker = fill.maker
    return {
        "order_id": maker.id,
        "owner": maker.owner_key,
        "maker_address": maker.wallet.address,
        "matched_amount": text(fill.shares),
        "price": text(maker.price),
        "fee_rate_bps": "0",
        "asset_id": maker.token,
        "outcome": maker.market.outcomes[maker.outcome],
        "side": maker.side,
    }


def is_party(trade: Trade, owner: str) -> str:
    """Return TAKER, MAKER or "" for an API key's signer address."""
    if trade.taker.by == owner:
        return "TAKER"
    return "MAKER" if any(fill.maker.by == owner for fill in trade.fills) else ""


def rest_trade(trade: Trade, owner: str, now_ns: int, switches: Switches) -> dict[str, Any]:
    """Return a trade as ``/data/trades`` prints it to one of its parties."""
    status = str(trade.status)
    quiet_ns = switches.number("not_broadcasted_ms") * NS_PER_MS
    if trade.status == TradeStatus.MATCHED and now_ns < trade.match_ns + quiet_ns:
        status = "MATCHED_NOT_BROADCASTED"
    if switches["trade_status_prefix"] == "prefixed":
        status = "TRADE_STATUS_" + status
    return {
        **_trade_fields(trade, switches),
        "status": status,
        "bucket_index": trade.bucket,
        "transaction_hash": trade.tx_hash or None,
        "trader_side": is_party(trade, owner) or "TAKER",
        "maker_orders": [maker_order(fill) for fill in trade.fills],
    }


def trade_event(trade: Trade, owner: str, now_ns: int, switches: Switches) -> dict[str, Any]:
    """Return a trade event of the user channel, full or in its sparse variant."""
    event = {
        "event_type": "trade",
        "type": "TRADE",
        **_trade_fields(trade, switches),
        "status": str(trade.status),
        "trade_owner": trade.taker.owner_key,
        "transaction_hash": trade.tx_hash,
        "bucket_index": trade.bucket,
        "trader_side": is_party(trade, owner) or "TAKER",
        "maker_orders": [maker_order(fill) for fill in trade.fills],
        "timestamp": _stamp(now_ns, switches),
    }
    if switches["trade_fields"] == "sparse":
        event["matchtime"] = event.pop("match_time")
        event["transaction_hash"] = event["transaction_hash"] or None
        for key in ("bucket_index", "trade_owner", "fee_rate_bps", "last_update"):
            del event[key]
        if event["trader_side"] == "TAKER":
            del event["maker_orders"]
    return event


def _trade_fields(trade: Trade, switches: Switches) -> dict[str, Any]:
    taker = trade.taker
    return {
        "id": trade.id,
        "taker_order_id": taker.id,
        "market": taker.market.condition_id,
        "asset_id": taker.token,
        "side": taker.side,
        "size": text(trade.shares),
        "price": text(trade_price(trade, str(switches["taker_price"]))),
        "fee_rate_bps": "0",
        "match_time": str(trade.match_ns // NS_PER_S),
        "last_update": str(trade.update_ns // NS_PER_S),
        "outcome": taker.market.outcomes[taker.outcome],
        "owner": taker.owner_key,
        "maker_address": taker.wallet.address,
    }


def placed(order: Order, trades: list[Trade], delayed: str = "delayed") -> dict[str, Any]:
    """Return the 200 answer of an accepted order; amounts are human decimals, "" when resting.

    `delayed` is the word for an order inside its delay window.
    """
    making = taking = ""
    status = "live"
    if order.status == OrderStatus.DELAYED:
        status, making, taking = delayed, "0", "0"
    elif trades:
        shares, cash = sum(t.shares for t in trades), sum(t.cash for t in trades)
        give, get = (cash, shares) if order.side == BUY else (shares, cash)
        status, making, taking = "matched", text(give), text(get)
    return {
        "success": True,
        "errorMsg": "",
        "orderID": order.id,
        "status": status,
        "makingAmount": making,
        "takingAmount": taking,
        "transactionsHashes": [],
        "tradeIDs": [trade.id for trade in trades],
    }


def order_notice(order: Order, trade: Trade | None = None) -> dict[str, Any]:
    """Return the payload of a notification about an order: cancelled, filled or fill failed."""
    return {
        "asset_id": order.token,
        "market": order.market.condition_id,
        "order_id": order.id,
        "side": order.side,
        "type": order.order_type,
        "price": text(order.price),
        "original_size": text(order.size),
        "matched_size": text(order.matched),
        "remaining_size": text(max(0, order.left)),
        "outcome": order.market.outcomes[order.outcome],
        "outcome_index": order.outcome,
        "transaction_hash": trade.tx_hash if trade is not None else "",
        "trade_id": trade.id if trade is not None else "",
        "question": order.market.question,
        "market_slug": order.market.slug,
    }


def truth_order(order: Order) -> dict[str, Any]:
    """Return everything the venue knows about an order, for the admin interface."""
    return {
        **open_order(order),
        "open": order.status in OPEN,
        "reason": order.reason,
        "post_only": order.post_only,
        "given": text(order.given),
        "fees": text(order.fees),
        "signer": order.by,
        "created_ns": order.created_ns,
    }


def truth_trade(trade: Trade) -> dict[str, Any]:
    """Return everything the venue knows about a trade, for the admin interface."""
    return {
        "id": trade.id,
        "status": str(trade.status),
        "market": trade.taker.market.condition_id,
        "taker_order_id": trade.taker.id,
        "taker": trade.taker.wallet.address,
        "asset_id": trade.taker.token,
        "side": trade.taker.side,
        "size": text(trade.shares),
        "cash": text(trade.cash),
        "fee": text(trade.fee),
        "price": text(trade.price),
        "bucket_index": trade.bucket,
        "match_ns": trade.match_ns,
        "update_ns": trade.update_ns,
        "transaction_hash": trade.tx_hash,
        "held": trade.held,
        "fills": [
            {
                **maker_order(fill),
                "kind": fill.kind,
                "maker_cash": text(fill.maker_cash),
                "taker_cash": text(fill.taker_cash),
                "taker_price": text(taker_fill_price(trade.taker, fill)),
            }
            for fill in trade.fills
        ],
    }


def _stamp(now_ns: int, switches: Switches) -> str:
    return str(now_ns // (NS_PER_MS if switches["user_timestamp"] == "ms" else NS_PER_S))
