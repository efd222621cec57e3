"""The result: cash per venue, the way from edge to cash, the worst that can happen."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from backtests.report.blocks import Column, chart, para, section, table
from backtests.report.charts import Bar, Series, TimeAxis, figure, steps, waterfall
from backtests.report.facts import ZERO, Facts, venue
from backtests.report.folder import units
from backtests.report.text import (
    Markup,
    join,
    listed,
    percent,
    plain_number,
    some,
    tag,
    usd,
    when,
)


def cash(facts: Facts) -> Markup:
    """Return equity per venue, as charts and as a table."""
    columns = [
        Column("Venue"),
        Column("Cash at start", True),
        Column("Change", True),
        Column("Cash at end", True),
        Column("Still held, at cost", True),
        Column("Fees paid", True),
    ]
    body, sums = [], [ZERO] * 5
    for name in facts.venues:
        start, end = facts.money("capital", "start", name), facts.money("capital", "end", name)
        held = facts.folder.optional("capital", "open_cost", name) or ZERO
        fees = facts.folder.optional("pnl", "fees", name) or ZERO
        values = [start, end - start, end, held, fees]
        sums = [a + b for a, b in zip(sums, values, strict=True)]
        body.append([venue(name), *_money_row(values)])
    worst = facts.folder.optional("capital", "open_worst") or ZERO
    after = (
        para(
            f"What is still held counts for {usd(worst)} in the result: its worth in the worst"
            " state. USD and pUSD are added one to one in totals."
        )
        if any(sums[3:4])
        else para("USD and pUSD are added one to one in totals.", cls="small soft")
    )
    return section(
        "cash",
        "Cash on each venue",
        _equity_charts(facts),
        table("Cash per venue, dollars", columns, body, ["All", *_money_row(sums)]),
        after,
    )


def _money_row(values: list[Decimal]) -> list[str]:
    return [usd(v, sign=(i == 1)) for i, v in enumerate(values)]


def _day(ts_ns: int) -> str:
    return when(ts_ns, seconds=False).removesuffix(" UTC")


def _series(name: str, ts_ns: pa.ChunkedArray, amounts: pa.ChunkedArray) -> Series:
    """Return a money column over time; floats from here on, for drawing alone."""
    return Series(name, np.asarray(ts_ns.to_numpy(), dtype=np.int64), units(amounts).values / 1e6)


def _equity_charts(facts: Facts) -> Markup:
    equity = facts.folder.table("equity", ["ts_ns", "venue", "cash", "worst_total"])
    equity = equity.filter(pc.field("ts_ns") > 0)
    whole = _series("all venues", equity["ts_ns"], equity["worst_total"])
    if facts.taken == 0 or len(np.unique(whole.ts_ns)) < 2:
        return para("No cash moved: nothing was bought or sold.")
    axis = TimeAxis(whole.ts_ns, 74, 744)
    found: list[object] = []
    still: list[str] = []
    for name in facts.venues:
        mine = equity.filter(pc.field("venue") == name)
        line = _series(venue(name), mine["ts_ns"], mine["cash"])
        if len(np.unique(line.values)) < 2:
            still.append(line.name)
            continue
        title = f"Cash on {line.name}"
        words = f"{title} over time, from {line.values[0]:,.2f} to {line.values[-1]:,.2f} dollars"
        found.append(tag("h3", f"{line.name}, cash"))
        found.append(chart(steps(title, words, [line], axis, _day, "dollars", 170)))
    result = Series(whole.name, whole.ts_ns, whole.values - float(facts.start))
    found.append(tag("h3", "All venues: result so far if everything held ended in its worst state"))
    words = "Cash of all venues plus the worst-state value of all holdings, less the start"
    found.append(
        figure(
            chart(steps("Result so far, worst state", words, [result], axis, _day, "dollars", 190)),
            "Cash leaves when a leg is bought and returns at settlement or sale. The last chart"
            " values everything held at the least it can still pay, so a dip is capital at risk,"
            " not a realised loss. Long stretches without an event are cut out and marked with"
            " their length. Times are UTC.",
        )
    )
    if still:
        found.append(para(f"No cash moved on {listed(still)}.", cls="small soft"))
    return join(found)


# -- waterfall ----------------------------------------------------------------------------------


def money_path(facts: Facts) -> Markup:
    """Return the way from detected edge to settled cash, exact."""
    if facts.taken == 0:
        return section(
            "path",
            "From detected edge to settled cash",
            para("No decision to trade was taken, so there is no edge to follow."),
        )
    found = facts.waterfall
    locked = sum((s.amount for s in found[:4]), ZERO)
    bars = [Bar(s.name, float(s.amount), usd(s.amount, sign=True)) for s in found]
    bars.insert(4, Bar("Locked at opening", float(locked), usd(locked, sign=True), total=True))
    bars.append(Bar("Result", float(facts.total), usd(facts.total, sign=True), total=True))
    rows = [[s.name, s.meaning, usd(s.amount, sign=True)] for s in found]
    rows.insert(
        4, ["Locked at opening", "fixed by the purchases, the sum so far", usd(locked, sign=True)]
    )
    columns = [Column("Step"), Column("What it is"), Column("Dollars", True)]
    return section(
        "path",
        "From detected edge to settled cash",
        figure(
            chart(
                waterfall(
                    "Waterfall from detected edge to result",
                    "; ".join(f"{b.name} {b.words}" for b in bars),
                    bars,
                )
            ),
            "Each bar begins where the one before ended. Subtotals stand on zero.",
        ),
        table(
            "The same, exact; the steps add up to the result without rounding",
            columns,
            rows,
            ["Result", "the sum of all steps", usd(facts.total, sign=True)],
        ),
        _captured(facts, found[0].amount if found else ZERO),
    )


def _captured(facts: Facts, detected: Decimal) -> Markup:
    if detected <= 0:
        return Markup()
    return para(
        f"Of {usd(detected)} of edge before fees in the decisions to trade,"
        f" {percent(facts.total / detected)} became cash. Edges that were seen and refused are not"
        " in this figure.",
    )


# -- worst case ---------------------------------------------------------------------------------


def worst_case(facts: Facts) -> Markup:
    """Return what open boxes can still lose, and boxes that did not pay exactly $1."""
    names = ["box_id", "pair_id", "status", "contracts", "closed", "cost", "fees", "settlement_pnl"]
    boxes = facts.folder.table("boxes", names)
    settled = boxes.filter(pc.field("status") == "settled")
    odd = settled.filter(pa.array(units(settled["settlement_pnl"]).values != 0)).to_pylist()
    worst = facts.folder.optional("boxes", "worst_state_loss") or ZERO
    apart = facts.folder.optional("boxes", "divergence_loss")
    open_boxes = boxes.filter(pc.field("status") == "open").to_pylist()
    children: list[object] = []
    if open_boxes:
        cost = sum((r["cost"] + r["fees"] for r in open_boxes), ZERO)
        tail = (
            ""
            if apart is None
            else " Should the venues settle the same event apart, each against the leg held there,"
            f" {usd(apart)} would be gone: rules differ rarely, and then at once."
        )
        children.append(
            para(
                f"{some(len(open_boxes), 'box is', 'boxes are')} open, bought for {usd(cost)} with"
                f" fees. In the worst state in which the event itself can end (YES, NO or a void)"
                f" they lose {usd(worst)} together; the result above already counts them that"
                f" way.{tail}"
            )
        )
    else:
        children.append(para("No box is open: nothing that was bought can still lose money."))
    if odd:
        children.append(_odd_boxes(odd))
    elif settled.num_rows:
        children.append(para("Every settled box paid exactly $1 per contract."))
    children.append(
        para(
            "A box is safe only while both venues settle the same event the same way. A void is"
            " the usual exception: Kalshi pays a fair price, Polymarket 50 cents, so the two legs"
            " together can pay more or less than $1. Small steady gains with a rare large loss is"
            " the shape of this trade; an average hides it.",
            cls="small soft",
        )
    )
    return section("worst", "The worst that can happen", *children)


def _odd_boxes(odd: list[dict[str, Decimal]]) -> Markup:
    columns = [
        Column("Box", id=True),
        Column("Pair", id=True),
        Column("Contracts", True),
        Column("Paid per contract", True),
        Column("Against $1", True),
    ]
    body = []
    for r in odd[:40]:
        held = r["contracts"] - r["closed"]
        per = 1 + r["settlement_pnl"] / held if held else Decimal(1)
        body.append(
            [
                r["box_id"],
                r["pair_id"],
                plain_number(held),
                f"${per:.4f}",
                usd(r["settlement_pnl"], sign=True),
            ]
        )
    total = sum((r["settlement_pnl"] for r in odd), ZERO)
    caption = f"{some(len(odd), 'box', 'boxes')} that did not pay $1"
    if len(odd) > 40:
        caption += "; the first 40"
    return table(caption, columns, body, ["All", "", "", "", usd(total, sign=True)])
