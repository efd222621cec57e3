"""What the books offered: edges, how long they lived, and why looks were refused."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from backtests.report.blocks import Column, chart, para, section, table
from backtests.report.charts import figure, histogram, legend, share_bar, survival
from backtests.report.facts import Facts
from backtests.report.folder import Decisions
from backtests.report.refusals import NearMiss, Refusals, plain
from backtests.report.stats import Episode, believable, nice_step, wilson
from backtests.report.text import (
    NBSP,
    Markup,
    cents,
    clock,
    count,
    join,
    percent,
    some,
    span,
    tag,
)

#: Below this many opportunities a curve would draw noise.
CURVE_MIN = 5


def opportunities(facts: Facts) -> Markup:
    """Return the distributions of edges and lifetimes."""
    decisions = facts.folder.decisions
    if not len(decisions):
        return section(
            "edges",
            "What the books offered",
            para(
                "No look passed the fast gate: at no time did the two books together come close"
                " enough to $1 for an exact calculation. There is no edge to draw."
            ),
        )
    return section("edges", "What the books offered", _edges(decisions), _lives(facts))


def _edges(decisions: Decisions) -> Markup:
    present = decisions.net.present & (decisions.kind == "open")
    net = decisions.net.values[present] / 10_000  # cents
    if not len(net):
        return para("No decision got as far as calculating an edge.")
    taken = decisions.outcome[present] == "taken"
    believed = believable(decisions)[present]
    edges, clipped = _bins(net)
    inside = np.clip(net, edges[0], np.nextafter(edges[-1], edges[0]))
    groups = [
        ("books not believed", ~believed),
        ("refused", believed & ~taken),
        ("taken", taken),
    ]
    shown = [(name, which) for name, which in groups if which.any()]
    palette = [f"q{[n for n, _ in groups].index(name)}" for name, _ in shown]
    stacks = [(name, np.histogram(inside[which], edges)[0].tolist()) for name, which in shown]
    required = decisions.required.values[present & decisions.required.present]
    marks = [(0.0, "break-even")]
    if len(required):
        hurdle = float(np.median(required)) / 10_000
        marks.append((hurdle, f"required, median {_c(hurdle)}"))
    words = _edge_words(net[believed], int((~believed).sum()))
    tails = f" {some(clipped, 'look')} outside are counted in the outer bars." if clipped else ""
    drawn = histogram(
        "Net edge per contract at every look", words, list(edges), stacks,
        "net edge after fees, cents per contract", marks, palette,
    )  # fmt: skip
    return join(
        [
            tag("h3", "Edge at every look that passed the gate"),
            legend([name for name, _ in shown], palette),
            figure(
                chart(drawn),
                f"Net edge is $1 less both asks less both fees. {words} A lasting edge is counted"
                f" at every look, so this is about time, not about chances.{tails}",
            ),
        ]
    )


def _edge_words(net: npt.NDArray[np.float64], set_aside: int) -> str:
    aside = (
        f" {some(set_aside, 'look')} at books that cannot be believed (crossed, too old, one-sided"
        " and the like) were never on offer and count in no figure of this section."
        if set_aside
        else ""
    )
    if not len(net):
        return f"No look at books that can be believed.{aside}"
    low, mid, high = np.percentile(net, [5, 50, 95])
    above = int((net > 0).sum())
    return (
        f"n{NBSP}={NBSP}{count(len(net))}: 90{NBSP}% lie between {_c(low)} and {_c(high)}, median"
        f" {_c(mid)}; positive {count(above)} times ({percent(above / len(net))}).{aside}"
    )


def _c(value: float) -> str:
    return cents(value / 100)


def _bins(values: npt.NDArray[np.float64]) -> tuple[list[float], int]:
    low, high = np.percentile(values, [0.5, 99.5])
    low, high = min(float(low), 0.0), max(float(high), 0.0)
    step = nice_step((high - low) or 1.0, 36)
    first = np.floor(low / step)
    last = max(np.ceil(high / step), first + 6)
    edges = [float(k * step) for k in range(int(first), int(last) + 1)]
    return edges, int(((values < edges[0]) | (values > edges[-1])).sum())


def _lives(facts: Facts) -> Markup:
    found = facts.opportunities
    head = tag("h3", "How long opportunities lived")
    if not found:
        none = "No look at books that can be believed had an edge after fees, so nothing lived."
        return join([head, para(none)])
    curve = facts.lives
    summary = _opportunity_table(found, facts)
    if curve.n == curve.censored:
        few = para(
            f"{some(len(found), 'opportunity', 'opportunities')} with an edge after fees, each of"
            " which we took or the recording cut off: no natural end was seen, so there is no"
            " lifetime to estimate."
        )
        return join([head, few, summary])
    if len(found) < CURVE_MIN:
        few = para(
            f"{some(len(found), 'opportunity', 'opportunities')} with an edge after fees: too few"
            " for a curve."
        )
        return join([head, few, summary])
    longest = max(e.life_ns for e in found) / 1e9
    horizon = _horizon([e.life_ns / 1e9 for e in found]) or max(longest, 1.0)
    once = sum(e.looks == 1 for e in found)
    note = (
        f" {count(once)} were seen at a single look and enter with a life of zero; between polls"
        f" they may have lived up to {span(2 * facts.poll_ns)}."
        if once and facts.polled
        else f" {count(once)} were seen at a single look and enter with a life of zero."
        if once
        else ""
    )
    median = curve.median
    words = "not reached" if median is None else span(median * 1e9)
    shown = survival(
        "Share of opportunities still alive",
        f"Kaplan-Meier estimate, median {words}",
        curve,
        horizon,
    )
    return join(
        [
            head,
            figure(
                chart(shown),
                f"Kaplan–Meier estimate, n{NBSP}={NBSP}{count(curve.n)}; {count(curve.censored)}"
                " are right-censored (we took them, or the recording ended, so their natural"
                " end was not seen)."
                f" Median life {words}. An opportunity is a run of looks at one direction of one"
                " pair with an edge after fees; its life is the time from first to last such"
                f" look.{note}",
            ),
            summary,
        ]
    )


def _horizon(lives: list[float]) -> float:
    top = float(np.percentile(lives, 95))
    step = nice_step(top, 8) if top > 0 else 0.0
    return float(np.ceil(top / step) * step) if step else 0.0


def _opportunity_table(found: list[Episode], facts: Facts) -> Markup:
    columns = [
        Column("Pair", id=True),
        Column("Opportunities", True),
        Column("Taken", True),
        Column("Best edge, median", True),
        Column("Best edge, largest", True),
        Column("Longest life", True),
    ]
    body = []
    for pair_id in sorted({e.pair_id for e in found}):
        mine = [e for e in found if e.pair_id == pair_id]
        body.append([pair_id, *_opportunity_row(mine)])
    caption = f"Opportunities with an edge after fees; alive after {_alive(facts)}"
    return table(caption, columns, body, ["All", *_opportunity_row(found)])


def _alive(facts: Facts) -> str:
    curve = facts.lives
    return ", ".join(f"{s} s: {curve.share_after(s) * 100:.0f} %" for s in (1, 5, 10, 30, 60))


def _opportunity_row(mine: list[Episode]) -> list[str]:
    best = sorted(e.best_u for e in mine)
    return [
        count(len(mine)),
        count(sum(e.taken for e in mine)),
        cents(best[(len(best) - 1) // 2] / 1e6),
        cents(best[-1] / 1e6),
        span(max(e.life_ns for e in mine)),
    ]


# -- refusals -----------------------------------------------------------------------------------


def refusals(facts: Facts) -> Markup:
    """Return refusals by reason with the nearest miss of each."""
    found = facts.refusals
    intro = _gate_line(facts)
    if not found:
        return section("refusals", "Why looks were refused", intro, para("No look was refused."))
    columns = [
        Column("Reason"),
        Column("Looks", True),
        Column("Share", True),
        Column("Nearest miss"),
        Column("What had to be different"),
    ]
    body = [
        [
            plain(r.reason),
            count(r.count),
            join([percent(r.share), share_bar(float(r.share))]),
            _miss(r.nearest),
            _change(r),
        ]
        for r in found
    ]
    total = sum(r.count for r in found)
    return section(
        "refusals",
        "Why looks were refused",
        intro,
        table(
            "Refusals by reason, most frequent first",
            columns,
            body,
            ["All", count(total), "100 %", "", ""],
        ),
        para(
            "The nearest miss is the refused look with the largest net edge less required edge."
            " The required edge pays for divergence between the venues, tied-up capital and"
            " second legs that miss. The same list per pair: ",
            tag("code", "twinbook why RUN_DIR"),
            ".",
            cls="small soft",
        ),
    )


def _gate_line(facts: Facts) -> Markup:
    decisions = facts.summary["decisions"]
    updates, misses = int(decisions.get("gate_updates", 0)), int(decisions.get("gate_misses", 0))
    low, high = wilson(facts.taken, facts.evaluated)
    made = facts.folder.decisions
    opening = int(((made.outcome == "taken") & (made.kind == "open")).sum())
    rate = (
        f" ({percent(facts.taken / facts.evaluated, 2)}; 95 % interval {percent(low, 2)} to"
        f" {percent(high, 2)}, n{NBSP}={NBSP}{count(facts.evaluated)})"
        if facts.evaluated
        else ""
    )
    return para(
        f"Of {some(updates, 'look')} at a pair, the fast gate dismissed {count(misses)} at once:"
        " their best prices could not have paid after fees. The exact calculation decided"
        f" {count(facts.evaluated)}, and {count(facts.taken)} led to orders{rate}: {count(opening)}"
        f" to open a box, {count(facts.taken - opening)} to sell one back early."
    )


def _miss(miss: NearMiss | None) -> Markup:
    if miss is None:
        return Markup("no edge was calculated")
    net = "" if miss.net_edge is None else f"net edge {cents(miss.net_edge)}"
    need = "" if miss.required_edge is None else f", required {cents(miss.required_edge)}"
    return join(
        [tag("span", miss.pair_id, cls="id"), tag("br"), f"{clock(miss.ts_ns)}: {net}{need}"]
    )


def _change(refusal: Refusals) -> Markup:
    detail = refusal.nearest.detail if refusal.nearest else ""
    return join([refusal.change, *([tag("br"), tag("span", detail, cls="soft")] if detail else [])])
