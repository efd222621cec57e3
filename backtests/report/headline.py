"""The top of the page: what was run, what came out, and how far to trust it."""

from __future__ import annotations

from decimal import Decimal

from backtests.report.blocks import details, figures, notes, para, section
from backtests.report.facts import ZERO, Check, Facts, venue
from backtests.report.folder import decimal
from backtests.report.refusals import plain
from backtests.report.text import (
    Markup,
    count,
    join,
    listed,
    percent,
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
