"""The numbers of ``summary.json``: exact sums, money as text. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

import msgspec

from backtests.results.equity import Equity
from backtests.results.rows import (
    ZERO,
    BoxRow,
    FillRow,
    MarketRef,
    OrderRow,
    PositionRow,
    SettlementRow,
)
from core.money import to_text

SCHEMA_VERSION = 1
_DAY_NS = 86_400_000_000_000
_RATE = Decimal("0.000001")


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that the summary is made of."""

    config_hash: str
    decision_digest: str
    synthetic: bool
    data: dict[str, Any]
    models: dict[str, Any]
    start: dict[str, Decimal]
    accounts: dict[str, Decimal]
    account_positions: dict[str, Decimal]
    equity: Equity
    fills: list[FillRow]
    settlements: list[SettlementRow]
    orders: list[OrderRow]
    boxes: list[BoxRow]
    positions: list[PositionRow]
    refs: dict[str, MarketRef]
    sessions: list[tuple[str, int]]
    pair_ids: list[str]
    decisions: dict[str, Any]
    evaluated: dict[tuple[str, str, str], int]
    hazard: dict[str, Any]


def make_summary(facts: Facts) -> dict[str, Any]:
    """Return the content of ``summary.json``."""
    total = (
        sum(facts.equity.cash.values(), ZERO)
        - sum(facts.start.values(), ZERO)
        + facts.equity.open_worst
    )
    return {
        "schema_version": SCHEMA_VERSION,
        "config_hash": facts.config_hash,
        "decision_digest": facts.decision_digest,
        "synthetic": facts.synthetic,
        "data": facts.data,
        "models": facts.models,
        "capital": {
            "start": _money(facts.start),
            "end": _money(facts.accounts),
            "open_cost": _money(facts.equity.open_cost),
            "open_worst": to_text(facts.equity.open_worst),
            "peak_used": to_text(facts.equity.peak_used),
        },
        "pnl": _pnl(facts, total),
        "waterfall": _waterfall(facts.boxes),
        "boxes": _boxes(facts, total),
        "orders": _orders(facts.orders),
        "hazard": facts.hazard,
        "decisions": facts.decisions,
        "pairs": [_pair(facts, pair_id) for pair_id in facts.pair_ids],
        "sessions": [_session(facts, name) for name, _ in facts.sessions],
        "reconciliation": _reconcile(facts, total),
    }


def _money(amounts: Mapping[str, Decimal]) -> dict[str, str]:
    return {venue: to_text(amount) for venue, amount in sorted(amounts.items())}


def _sum(boxes: Sequence[BoxRow], field: str) -> Decimal:
    return sum((getattr(box, field) for box in boxes), ZERO)


def _fees(fills: Sequence[FillRow], venue: str) -> Decimal:
    return sum((fill.fee for fill in fills if fill.venue == venue), ZERO)


def _pnl(facts: Facts, total: Decimal) -> dict[str, Any]:
    return {
        "total": to_text(total),
        "locked": to_text(_sum(facts.boxes, "locked")),
        "closed": to_text(_sum(facts.boxes, "closed_pnl")),
        "unwind": to_text(_sum(facts.boxes, "unwind_pnl")),
        "unhedged": to_text(_sum(facts.boxes, "unhedged_pnl")),
        "settlement": to_text(_sum(facts.boxes, "settlement_pnl")),
        "fees": _money({venue: _fees(facts.fills, venue) for venue in facts.start}),
        "slippage": to_text(_sum(facts.boxes, "slippage")),
    }


def _waterfall(boxes: Sequence[BoxRow]) -> list[dict[str, str]]:
    steps = {
        "detected_edge": _sum(boxes, "detected"),
        "not_filled": _sum(boxes, "not_filled"),
        "slippage": -_sum(boxes, "slippage"),
        "entry_fees": -_sum(boxes, "fees"),
        "closed": _sum(boxes, "closed_pnl"),
        "unwind": _sum(boxes, "unwind_pnl"),
        "unhedged": _sum(boxes, "unhedged_pnl"),
        "settlement": _sum(boxes, "settlement_pnl"),
    }
    return [{"step": step, "amount": to_text(amount)} for step, amount in steps.items()]


def _boxes(facts: Facts, total: Decimal) -> dict[str, Any]:
    boxes = facts.boxes
    opened = [box for box in boxes if box.contracts]
    still_open = [box for box in boxes if box.status == "open"]
    spent = _sum(boxes, "spent")
    status = Counter(box.status for box in opened)
    open_cost = sum(facts.equity.open_cost.values(), ZERO)
    return {
        "opened": len(opened),
        "contracts": to_text(_sum(opened, "contracts")),
        "settled": status["settled"],
        "closed": status["closed"],
        "open": status["open"],
        "missed": sum(1 for box in boxes if box.status == "missed"),
        "unwound": sum(1 for box in boxes if box.unwound),
        "cost": to_text(_sum(opened, "cost") + _sum(opened, "fees")),
        "return_on_capital": _rate(total, spent) if spent else None,
        "annualised": None if still_open else _annualised(opened, total),
        "worst_state_loss": to_text(max(ZERO, open_cost - facts.equity.open_worst)),
        "divergence_loss": to_text(open_cost),
    }


def _rate(amount: Decimal, base: Decimal) -> str:
    return to_text((amount / base).quantize(_RATE, rounding=ROUND_HALF_EVEN))


def _annualised(opened: Sequence[BoxRow], total: Decimal) -> str | None:
    """Simple: profit over capital-days; a box counts for one day at least."""
    dollar_days = ZERO
    for box in opened:
        held_ns = (box.end_ns or box.ts_ns) - box.ts_ns
        dollar_days += (box.cost + box.fees) * max(Decimal(1), Decimal(held_ns) / _DAY_NS)
    return _rate(total * 365, dollar_days) if dollar_days else None


def _orders(orders: Sequence[OrderRow]) -> dict[str, int]:
    status = Counter(order.status for order in orders)
    filled = [order for order in orders if order.filled_quantity]
    return {
        "sent": len(orders),
        "filled": sum(1 for order in filled if order.filled_quantity == order.quantity),
        "partly_filled": sum(1 for order in filled if order.filled_quantity < order.quantity),
        "missed": sum(
            1 for order in orders if not order.filled_quantity and order.status == "CANCELED"
        ),
        "denied": status["DENIED"],
        "rejected": status["REJECTED"],
    }


def _counted(facts: Facts, place: int, name: str, outcome: str | None = None) -> int:
    return sum(
        count
        for key, count in facts.evaluated.items()
        if key[place] == name and outcome in (None, key[2])
    )


def _pair(facts: Facts, pair_id: str) -> dict[str, Any]:
    boxes = [box for box in facts.boxes if box.pair_id == pair_id]
    fills = [fill for fill in facts.fills if fill.story.pair_id == pair_id]
    opened = [box for box in boxes if box.contracts]
    states = {box.status for box in boxes}
    return {
        "pair_id": pair_id,
        "evaluated": _counted(facts, 0, pair_id),
        "taken": _counted(facts, 0, pair_id, "taken"),
        "boxes": len(opened),
        "contracts": to_text(_sum(opened, "contracts")),
        "cost": to_text(_sum(opened, "cost") + _sum(opened, "fees")),
        "fees": to_text(sum((fill.fee for fill in fills), ZERO)),
        "pnl": to_text(_sum(boxes, "pnl")),
        "status": "open" if "open" in states else "settled" if "settled" in states else "none",
    }


def _session(facts: Facts, name: str) -> dict[str, Any]:
    boxes = [box for box in facts.boxes if box.session == name]
    opened = [box for box in boxes if box.contracts]
    messages = next(s["messages"] for s in facts.data["sessions"] if s["session"] == name)
    fees = sum((fill.fee for fill in facts.fills if fill.session == name), ZERO)
    return {
        "session": name,
        "messages": messages,
        "evaluated": _counted(facts, 1, name),
        "taken": _counted(facts, 1, name, "taken"),
        "boxes": len(opened),
        "contracts": to_text(_sum(opened, "contracts")),
        "fees": to_text(fees),
        "pnl": to_text(_sum(boxes, "pnl")),
    }


def _reconcile(facts: Facts, total: Decimal) -> dict[str, Any]:
    """Compare the venue's account with the sum of the rows that are written.

    ``cash_difference`` adds the venues' differences without sign, so that two errors cannot
    cancel; ``pnl_difference`` is total less the sum of its parts.
    """
    by_venue: dict[str, dict[str, str]] = {}
    cash_difference = ZERO
    for venue, start in sorted(facts.start.items()):
        flows = [row.cash for row in (*facts.fills, *facts.settlements) if row.venue == venue]
        recomputed = start + sum(flows, ZERO)
        difference = facts.accounts[venue] - recomputed
        cash_difference += abs(difference)
        by_venue[venue] = {
            "account": to_text(facts.accounts[venue]),
            "recomputed": to_text(recomputed),
            "difference": to_text(difference),
        }
    written = {row.instrument: row.open for row in facts.positions}
    names = set(written) | set(facts.account_positions)
    apart = (facts.account_positions.get(n, ZERO) - written.get(n, ZERO) for n in sorted(names))
    return {
        "cash_difference": to_text(cash_difference),
        "by_venue": by_venue,
        "positions_difference": to_text(sum((abs(size) for size in apart), ZERO)),
        "pnl_difference": to_text(total - _sum(facts.boxes, "pnl")),
    }
