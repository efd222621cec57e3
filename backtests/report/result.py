"""The result in words and figures: headline, limits, cash, waterfall, worst case."""

from __future__ import annotations

from decimal import Decimal

from backtests.report.blocks import Column, chart, details, figures, notes, para, section, table
from backtests.report.charts import Bar, TimeAxis, figure, steps, waterfall
from backtests.report.facts import ZERO, Check, Facts, venue
from backtests.report.folder import decimal
from backtests.report.refusals import plain
from backtests.report.text import (
    Markup,
    count,
    join,
    listed,
    percent,
    plain_number,
    some,
    span,
    tag,
    usd,
    when,
)

#: Fewer boxes than this say little about the next ones.
BOXES_FEW = 30


def headline(facts: Facts, checks: list[Check]) -> Markup:
    """Return the top of the page: what was run and what came out."""
    data = facts.summary["data"]
    name = "Generated data" if facts.synthetic else str(data["name"])
    badge = tag("span", "SYNTHETIC DATA", cls="badge") if facts.synthetic else Markup()
    failed = [c for c in checks if not c.holds]
    return join(
        [
            tag("p", "twinbook · backtest report", cls="kicker"),
            tag("h1", f"{name}: one event, two books", badge),
            para(_setting(facts), cls="soft"),
            _alarm(failed) if failed else Markup(),
            para(_story(facts), cls="lead"),
            figures(_key_figures(facts)),
            _reconciliation(facts, failed),
            details("What a box is, in four sentences", _primer()),
        ]
    )


def _setting(facts: Facts) -> str:
    data = facts.summary["data"]
    first, last = (int(t) for t in data["span_ns"])
    sessions, books = len(data["sessions"]), int(data.get("instruments", 0))
    return (
        f"{some(sessions, 'recorded session')}, {when(first, seconds=False)} to"
        f" {when(last, seconds=False)}; {count(int(data['messages']))} book updates of"
        f" {some(books, 'book')} on {listed(venue(v) for v in facts.venues)}."
    ).replace("recorded session", "generated session" if facts.synthetic else "recorded session")


def _story(facts: Facts) -> Markup:
    boxes = facts.summary["boxes"]
    if facts.opened == 0:
        return join([_nothing(facts), _attempts(facts)], " ")
    word = (
        "gained" if facts.total > 0 else "lost" if facts.total < 0 else "neither gained nor lost:"
    )
    open_boxes = int(boxes.get("open", 0))
    tail = (
        f" {some(open_boxes, 'box', 'boxes')} had no known settlement and"
        f" {'is' if open_boxes == 1 else 'are'} counted at the worst that can happen."
        if open_boxes
        else ""
    )
    contracts = Decimal(str(boxes["contracts"]))
    return join(
        [
            f"The strategy opened {some(facts.opened, 'box', 'boxes')} of together"
            f" {some(contracts, 'contract')} and {word} ",
            tag("strong", usd(abs(facts.total))),
            f" on {usd(facts.start)} of capital, after {usd(facts.fees)} of fees.{tail}",
        ]
    )


def _nothing(facts: Facts) -> str:
    if facts.evaluated == 0:
        misses = int(facts.summary["decisions"].get("gate_misses", 0))
        return (
            f"Nothing was traded, and nothing came near: at none of {count(misses)} looks did the"
            " two books together offer anything that could pay after fees."
        )
    top = facts.refusals[0] if facts.refusals else None
    why = ""
    if top is not None:
        share = f"{some(top.count, 'look')}, {percent(top.share)}"
        why = f" Most often: {plain(top.reason).lower()} ({share})."
    return (
        f"Nothing was traded. The fast gate let {some(facts.evaluated, 'look')} through to the"
        f" exact calculation, and {'it was' if facts.evaluated == 1 else 'all were'} refused.{why}"
        if facts.taken == 0
        else f"No box was completed, though {some(facts.taken, 'decision')} to trade"
        f" {'was' if facts.taken == 1 else 'were'} made."
    )


def _attempts(facts: Facts) -> str:
    return f"The result is {usd(facts.total, sign=True)}." if facts.taken else ""


def _tone(amount: Decimal) -> str:
    return "good" if amount > 0 else "bad" if amount < 0 else ""


def _key_figures(facts: Facts) -> list[tuple[str, str, str, str]]:
    back = facts.folder.optional("boxes", "return_on_capital")
    yearly = facts.folder.optional("boxes", "annualised")
    worst = facts.folder.optional("boxes", "worst_state_loss") or ZERO
    peak = facts.folder.optional("capital", "peak_used") or ZERO
    yearly_words = (
        f"{percent(yearly)} a year if it went on without pause"
        if yearly is not None
        else "not annualised: nothing was bought"
        if back is None
        else "not annualised: a box is still open"
    )
    return [
        ("Result", usd(facts.total, sign=True), "open boxes at their worst", _tone(facts.total)),
        (
            "Return on what was bought",
            "none" if back is None else percent(back, 2),
            yearly_words,
            "" if back is None else _tone(back),
        ),
        (
            "Boxes opened",
            count(facts.opened),
            f"of {some(facts.attempts, 'attempt')} in {some(facts.evaluated, 'look')}",
            "",
        ),
        ("Fees", usd(facts.fees), "contained in the result", ""),
        ("Most capital tied up", usd(peak), f"of {usd(facts.start)}", ""),
        ("Can still be lost", usd(worst), "by open boxes, in the worst state", ""),
    ]


def _reconciliation(facts: Facts, failed: list[Check]) -> Markup:
    rows = facts.summary["reconciliation"].get("by_venue", {})
    parts = [
        f"{venue(v)} {usd(Decimal(r['account']))} = {usd(Decimal(r['recomputed']))}"
        for v, r in rows.items()
    ]
    difference = facts.money("reconciliation", "cash_difference")
    word = "Reconciled to the last digit" if not failed and difference == 0 else "Not reconciled"
    return para(
        tag("strong", f"{word}."),
        f" Accounts against cash recomputed from fills and settlements: {'; '.join(parts)};"
        f" difference {usd(difference)}.",
        cls="small",
    )


def _alarm(failed: list[Check]) -> Markup:
    return tag(
        "div",
        tag("strong", "Do not rely on this run: it does not add up."),
        notes(f"{c.claim}: {c.numbers}" for c in failed),
        cls="alarm",
        role="alert",
    )


def _primer() -> Markup:
    return join(
        [
            para(
                "A prediction market's contract pays $1 if the event happens (YES) or if it does"
                " not (NO). A box buys YES on one venue and NO on the other, in equal numbers:"
                " whatever happens, one of the two pays $1. If both together cost less than $1"
                " after fees, the difference is fixed on the day of purchase and paid at"
                " settlement. What can go wrong: the second leg is gone when the first is filled"
                " (it is then sold back at a loss), or the venues settle the same event"
                " differently."
            )
        ]
    )


def limits(facts: Facts) -> Markup:
    """Return what this run can and cannot show, as found in it."""
    items = [
        *_data_limits(facts),
        *_model_limits(facts),
        *_sample_limits(facts),
    ]
    return section("limits", "How far to trust it", notes(items))


def _data_limits(facts: Facts) -> list[Markup]:
    found = []
    if facts.synthetic:
        found.append(
            _note(
                "The data are synthetic.",
                "A seeded generator made these books. They show that the machinery works; they say"
                " nothing about what a real market would have paid.",
            )
        )
    if facts.polled:
        sessions = len(facts.summary["data"]["sessions"])
        which = (
            "The books were polled"
            if len(facts.polled) == sessions
            else f"The books of {len(facts.polled)} of {sessions} sessions were polled"
        )
        found.append(
            _note(
                f"{which}, about every {span(facts.poll_ns)}.",
                "Nothing is known of what happened between two looks. Latencies below that"
                " interval prove nothing here, edges that came and went inside it are invisible,"
                " and an edge seen once may have lived for any part of it. Only the best prices"
                " that a poll showed were offered to the strategy.",
            )
        )
    if facts.summary["data"].get("windows_only"):
        found.append(
            _note(
                "Only windows were replayed.",
                "A scan chose the stretches in which an edge after fees was possible. Decisions"
                " there are the same as in a full replay; counts of looks are not.",
            )
        )
    return found


def _model_limits(facts: Facts) -> list[Markup]:
    models = facts.summary.get("models", {})
    found = []
    if facts.hazard:
        found.append(
            _note(
                "Fills run through a hazard model.",
                "Each leg may miss as often as in the one public ledger of real two-leg trading"
                " (1,939 attempts, Bitcoin 15-minute markets, February 2026): 39.9 % of first legs"
                " filled, 63.3 % of second legs after that. Other markets may treat you better or"
                f" worse. It already contains latency.{_other_model(facts)}",
            )
        )
    else:
        found.append(
            _note(
                "Fills are pure.",
                "Every quote that was shown could be taken in full. Real quotes are often gone:"
                " compare with a run with the hazard model before believing this result.",
            )
        )
    off = models.get("checks_off") or []
    if off:
        found.append(
            _note(
                f"Checks were switched off: {listed(str(c) for c in off)}.",
                "This run trades on books that the strategy would refuse. It is a demonstration,"
                " not a result.",
            )
        )
    fees = models.get("fees") or {}
    if fees:
        settings = listed(f"{k.replace('_', ' ')} {v}" for k, v in fees.items())
        found.append(
            _note(
                f"Fees were overridden: {settings}.",
                "The markets' own schedules of the time were not used.",
            )
        )
    return found


def _other_model(facts: Facts) -> str:
    other = facts.without_hazard
    if other is None:
        return ""
    total = decimal(other["pnl"]["total"], "without_hazard.pnl.total")
    return (
        f" Without it, every shown quote being there: {usd(total, sign=True)} from"
        f" {some(int(other['boxes']['opened']), 'box', 'boxes')}."
    )


def _sample_limits(facts: Facts) -> list[Markup]:
    boxes = facts.summary["boxes"]
    found = []
    if int(boxes.get("open", 0)):
        found.append(
            _note(
                f"{some(int(boxes['open']), 'box', 'boxes')} still open.",
                "How the event was settled is not in the data. Until it is, such a box counts at"
                " its worst state and no annualised return is given.",
            )
        )
    recorded = [
        p for p in facts.folder.pairs if (p.get("approval") or {}).get("kind") == "recorded"
    ]
    if recorded:
        found.append(
            _note(
                f"{some(len(recorded), 'pair was', 'pairs were')} accepted as recorded.",
                "Nobody compared the rules of both venues clause by clause. A backtest may do"
                " this; live trading refuses it.",
            )
        )
    if 0 < facts.opened < BOXES_FEW:
        found.append(
            _note(
                f"{some(facts.opened, 'box is', 'boxes are')} a small sample.",
                f"With fewer than {BOXES_FEW}, rates in this report have wide intervals, and the"
                " result is an account of what happened, not a forecast.",
            )
        )
    return found


def _note(bold: str, rest: str) -> Markup:
    return join([tag("strong", bold), " ", rest])


# -- cash ---------------------------------------------------------------------------------------


def cash(facts: Facts) -> Markup:
    """Return equity per venue, as charts and as a table."""
    rows = (
        facts.folder.table("equity").select(["ts_ns", "venue", "cash", "worst_total"]).to_pylist()
    )
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
        _equity_charts(facts, rows),
        table("Cash per venue, dollars", columns, body, ["All", *_money_row(sums)]),
        after,
    )


def _money_row(values: list[Decimal]) -> list[str]:
    return [usd(v, sign=(i == 1)) for i, v in enumerate(values)]


def _equity_charts(facts: Facts, rows: list[dict[str, object]]) -> Markup:
    moved = [r for r in rows if int(str(r["ts_ns"])) > 0]
    if facts.taken == 0 or len({r["ts_ns"] for r in moved}) < 2:
        return para("No cash moved: nothing was bought or sold.")
    axis = TimeAxis([int(str(r["ts_ns"])) for r in moved], 74, 744)
    found: list[object] = []
    still: list[str] = []
    for name in facts.venues:
        points = [
            (int(str(r["ts_ns"])), float(str(r["cash"]))) for r in moved if r["venue"] == name
        ]
        if len({value for _, value in points}) < 2:
            still.append(venue(name))
            continue
        found.append(tag("h3", f"{venue(name)}, cash"))
        words = f"Cash on {venue(name)} over time, from {points[0][1]:,.2f} to {points[-1][1]:,.2f}"
        found.append(
            chart(
                steps(
                    f"Cash on {venue(name)}",
                    words,
                    [(venue(name), points)],
                    axis,
                    lambda t: when(t, seconds=False).removesuffix(" UTC"),
                    "dollars",
                    170,
                )
            )
        )
    total = [
        (int(str(r["ts_ns"])), float(str(r["worst_total"])) - float(facts.start)) for r in moved
    ]
    found.append(tag("h3", "All venues: result so far if everything held ended in its worst state"))
    found.append(
        figure(
            chart(
                steps(
                    "Result so far, worst state",
                    "Cash of all venues plus the worst-state value of all holdings, less the start",
                    [("all venues", total)],
                    axis,
                    lambda t: when(t, seconds=False).removesuffix(" UTC"),
                    "dollars",
                    190,
                )
            ),
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
    rows = facts.folder.rows("boxes")
    odd = [r for r in rows if r["status"] == "settled" and r["settlement_pnl"] != 0]
    worst = facts.folder.optional("boxes", "worst_state_loss") or ZERO
    apart = facts.folder.optional("boxes", "divergence_loss")
    open_boxes = [r for r in rows if r["status"] == "open"]
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
    elif any(r["status"] == "settled" for r in rows):
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
