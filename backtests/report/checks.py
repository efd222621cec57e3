"""What the report verifies for itself before it shows a number.

A report that does not add up says so at its top; it does not stay silent and does not repair.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow.compute as pc

from backtests.report.facts import ZERO, Check, Facts, venue
from backtests.report.folder import decimal, units
from backtests.report.text import count, percent, usd


def run_checks(facts: Facts) -> list[Check]:
    """Run every check; none raises."""
    return [
        _reconciled(facts),
        *_cash_flows(facts),
        _parts(facts),
        _waterfall(facts),
        _pairs(facts),
        _decisions(facts),
        _prices(facts),
        _believable(facts),
    ]


def _reconciled(facts: Facts) -> Check:
    cash = facts.money("reconciliation", "cash_difference")
    contracts = facts.folder.optional("reconciliation", "positions_difference") or ZERO
    return Check(
        "The engine's accounts equal the cash recomputed from every fill and settlement",
        cash == 0 and contracts == 0,
        f"cash {usd(cash)}, contracts {contracts:f}",
    )


def _sum(facts: Facts, table: str, column: str, venue: str) -> Decimal:
    read = facts.folder.table(table, ["venue", column])
    mine = read.filter(pc.field("venue") == venue)
    return Decimal(int(units(mine[column]).values.sum())).scaleb(-6)


def _cash_flows(facts: Facts) -> list[Check]:
    found = []
    for name in facts.venues:
        flows = _sum(facts, "fills", "cash", name) + _sum(facts, "settlements", "cash", name)
        start, end = facts.money("capital", "start", name), facts.money("capital", "end", name)
        fees = _sum(facts, "fills", "fee", name)
        stated = facts.folder.optional("pnl", "fees", name) or ZERO
        found.append(
            Check(
                f"{venue(name)}: cash at the end = cash at the start + fills + settlements",
                start + flows == end,
                f"{usd(start)}, {usd(flows, sign=True)} = {usd(start + flows)}; stated {usd(end)}",
            )
        )
        found.append(
            Check(
                f"{venue(name)}: fees stated = fees in the fills",
                fees == stated,
                f"{usd(fees)}; stated {usd(stated)}",
            )
        )
    return found


def _parts(facts: Facts) -> Check:
    names = ("locked", "closed", "unwind", "unhedged", "settlement")
    total = sum((facts.money("pnl", n) for n in names), ZERO)
    worst = facts.folder.optional("capital", "open_worst") or ZERO
    cash = facts.end - facts.start + worst
    return Check(
        "The result = its parts = the change of cash + open boxes at their worst",
        total == facts.total == cash,
        f"{usd(facts.total)}; parts {usd(total)}; cash {usd(cash)}",
    )


def _waterfall(facts: Facts) -> Check:
    total = sum((s.amount for s in facts.waterfall), ZERO)
    return Check(
        "The steps from detected edge to settled cash add up",
        total == facts.total,
        f"{usd(total)}; result {usd(facts.total)}",
    )


def _rows(facts: Facts, key: str) -> list[dict[str, Any]]:
    found = facts.summary.get(key)
    return found if isinstance(found, list) else []


def _pairs(facts: Facts) -> Check:
    pairs = sum((decimal(r["pnl"], "pairs.pnl") for r in _rows(facts, "pairs")), ZERO)
    boxes = facts.folder.table("boxes", ["pnl"])
    total = Decimal(int(units(boxes["pnl"]).values.sum())).scaleb(-6)
    return Check(
        "The results of all pairs, and of all boxes, add up to the result",
        pairs == total == facts.total,
        f"pairs {usd(pairs)}, boxes {usd(total)}",
    )


def _decisions(facts: Facts) -> Check:
    refused = sum(int(n) for n in facts.summary["decisions"]["refused"].values())
    rows = len(facts.folder.decisions)
    return Check(
        "Every decision is recorded: taken + refused = evaluated = rows written",
        facts.taken + refused == facts.evaluated == rows,
        f"{count(facts.taken)} + {count(refused)}; {count(rows)} rows",
    )


def _prices(facts: Facts) -> Check:
    values = units(facts.folder.table("fills", ["price"])["price"]).values
    outside = int(np.count_nonzero((values <= 0) | (values >= 1_000_000)))
    return Check("Every fill's price lies between $0 and $1", outside == 0, f"{outside} outside")


def _believable(facts: Facts) -> Check:
    decisions = facts.folder.decisions
    taken = decisions.outcome == "taken"
    high = decisions.net.values[taken & decisions.net.present]
    most = Decimal(int(high.max())).scaleb(-6) if len(high) else ZERO
    return Check(
        "No trade was decided on an edge above 20 % (a wrong pair looks like that)",
        most <= Decimal("0.20"),
        f"largest {percent(most)} of $1",
    )
