"""Compare a node's belief with the venue's ground truth, exactly."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

_FINAL = {"canceled": {"CANCELED", "EXPIRED"}, "executed": {"FILLED"}}
_OPEN = {"ACCEPTED", "PARTIALLY_FILLED"}


def differences(belief: dict[str, Any], truth: dict[str, Any]) -> list[str]:
    """Return every difference in fills, orders, positions and cash; empty when all agree."""
    return [
        *_fills(belief, truth),
        *_orders(belief, truth),
        *_positions(belief, truth),
        *_cash(belief, truth),
    ]


def _fills(belief: dict[str, Any], truth: dict[str, Any]) -> list[str]:
    found = []
    ours, theirs = belief["fills"], {f["trade_id"]: f for f in truth["fills"]}
    for trade_id in ours.keys() - theirs.keys():
        found.append(f"fill {trade_id}: believed, did not happen")
    for trade_id in theirs.keys() - ours.keys():
        found.append(f"fill {trade_id}: happened, not believed: {theirs[trade_id]}")
    for trade_id in ours.keys() & theirs.keys():
        mine, true = ours[trade_id], theirs[trade_id]
        yes = Decimal(true["yes_price_dollars"])
        if Decimal(mine["qty"]) != Decimal(true["count_fp"]):
            found.append(f"fill {trade_id}: qty {mine['qty']}, true {true['count_fp']}")
        if Decimal(mine["px"]) not in (yes, 1 - yes):
            found.append(f"fill {trade_id}: px {mine['px']}, true YES {yes}")
        if Decimal(mine["fee"]) != Decimal(true["fee_cost"]):
            found.append(f"fill {trade_id}: fee {mine['fee']}, true {true['fee_cost']}")
        if mine["taker"] != true["is_taker"] or mine["order"] != true["order_id"]:
            found.append(f"fill {trade_id}: {mine}, true {true}")
    return found


def _orders(belief: dict[str, Any], truth: dict[str, Any]) -> list[str]:
    found = []
    ours = {o["venue_id"]: (c, o) for c, o in belief["orders"].items() if o["venue_id"]}
    unsent = {c: o for c, o in belief["orders"].items() if not o["venue_id"]}
    for client_id, order in unsent.items():
        # A fill-or-kill that the venue refused for want of volume ends without having been there.
        if order["status"] not in {"DENIED", "REJECTED", "CANCELED"} or Decimal(order["filled"]):
            found.append(f"order {client_id}: {order['status']} without a venue id")
        if any(t["client_order_id"] == client_id for t in truth["orders"]) and not any(
            o["venue_id"] and c.startswith(client_id) for c, o in belief["orders"].items()
        ):
            found.append(f"order {client_id}: {order['status']} here, lives at the venue")
    for true in truth["orders"]:
        client_id, order = ours.pop(true["order_id"], (None, None))
        if order is None:
            if Decimal(true["fill_count_fp"]) or true["status"] == "resting":
                found.append(f"order {true['order_id']}: at the venue, not believed: {true}")
            continue
        if Decimal(order["filled"]) != Decimal(true["fill_count_fp"]):
            found.append(f"order {client_id}: filled {order['filled']}, true {true}")
        allowed = _OPEN if true["status"] == "resting" else _FINAL[true["status"]]
        # A decrease that meets the last fill ends an order that holds no more than it filled.
        shrunk = true["status"] == "executed" and order["status"] == "CANCELED"
        if shrunk and Decimal(order["filled"]) == Decimal(true["fill_count_fp"]):
            continue
        if order["status"] not in allowed:
            found.append(f"order {client_id}: {order['status']}, true {true['status']}")
    found.extend(f"order {c}: believed at the venue, is not" for c, _ in ours.values())
    return found


def _positions(belief: dict[str, Any], truth: dict[str, Any]) -> list[str]:
    nets: dict[str, Decimal] = {}
    found = []
    for symbol, size in belief["positions"].items():
        ticker, _, leg = symbol.rpartition("-")
        if Decimal(size) < 0:
            found.append(f"position {symbol}: short {size}")
        nets[ticker] = nets.get(ticker, Decimal(0)) + (1 if leg == "YES" else -1) * Decimal(size)
    true = {
        p["ticker"]: Decimal(p["position_fp"])
        for p in truth["positions"].values()
        if not p["settled"]
    }
    for ticker in nets.keys() | true.keys():
        mine, real = nets.get(ticker, Decimal(0)), true.get(ticker, Decimal(0))
        if mine != real:
            found.append(f"position {ticker}: believed {mine}, true {real}")
    return found


def _cash(belief: dict[str, Any], truth: dict[str, Any]) -> list[str]:
    true = sum((Decimal(v) for v in truth["cash"].values()), Decimal(0))
    mine = Decimal(belief["cash"] or "NaN")
    return [] if mine == true else [f"cash: believed {mine}, true {true}"]
