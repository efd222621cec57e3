"""The long tables: pairs, sessions, boxes, fills, execution, data quality."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from backtests.report.blocks import Column, breakable, details, para, section, table
from backtests.report.facts import ZERO, Facts, short, venue
from backtests.report.folder import decimal
from backtests.report.stats import wilson
from backtests.report.text import (
    Markup,
    clock,
    count,
    join,
    percent,
    plain_number,
    some,
    span,
    tag,
    usd,
    when,
)

ROWS_MAX = 100
#: More books than this are listed only on demand.
BOOKS_OPEN = 12
_HAZARD = (
    ("first", "First leg"),
    ("second", "Second leg, first one filled"),
    ("close", "Early close"),
)
_FATE = {
    "settled": "settled",
    "closed": "closed early",
    "open": "open",
    "unwound": "unwound",
    "missed": "missed",
    "none": "not traded",
}


def pairs(facts: Facts) -> Markup:
    """Return the result per pair and per session."""
    columns = [
        Column("Pair", id=True),
        Column("Looks", True),
        Column("Taken", True),
        Column("Boxes", True),
        Column("Contracts", True),
        Column("Cost", True),
        Column("Fees", True),
        Column("Result", True),
        Column("Status"),
    ]
    found: list[dict[str, Any]] = facts.summary.get("pairs", [])
    several = len(facts.summary["data"]["sessions"]) > 1
    body = [_pair_row(r, several=several) for r in found]
    children: list[object] = [
        table("Result per pair, dollars", columns, body, _pair_total(found, facts))
    ]
    if several:
        children.append(_sessions(facts))
    return section("pairs", "Pair by pair", *children)


def _pair_row(r: Mapping[str, Any], *, several: bool) -> list[object]:
    name: object = r["pair_id"]
    if several and r.get("session"):
        name = join([breakable(name), tag("br"), tag("span", str(r["session"]), cls="soft")])
    return [
        name,
        count(int(r["evaluated"])),
        count(int(r["taken"])),
        count(int(r["boxes"])),
        plain_number(decimal(r["contracts"], "pairs.contracts")),
        usd(decimal(r["cost"], "pairs.cost")),
        usd(decimal(r["fees"], "pairs.fees")),
        usd(decimal(r["pnl"], "pairs.pnl"), sign=True),
        _status(r),
    ]


def _status(r: Mapping[str, Any]) -> str:
    status = str(r["status"])
    if status == "none" and int(r["boxes"]):
        return "closed early"
    return "no box" if status == "none" and int(r["taken"]) else _FATE.get(status, status)


def _pair_total(found: list[dict[str, Any]], facts: Facts) -> list[object]:
    def add(key: str) -> Decimal:
        return sum((decimal(r[key], key) for r in found), ZERO)

    return [
        "All",
        count(sum(int(r["evaluated"]) for r in found)),
        count(sum(int(r["taken"]) for r in found)),
        count(sum(int(r["boxes"]) for r in found)),
        plain_number(add("contracts")),
        usd(add("cost")),
        usd(add("fees")),
        usd(facts.total, sign=True),
        "",
    ]


def _sessions(facts: Facts) -> Markup:
    columns = [
        Column("Session", id=True),
        Column("From"),
        Column("Length", True),
        Column("Updates", True),
        Column("Looks", True),
        Column("Taken", True),
        Column("Boxes", True),
        Column("Fees", True),
        Column("Result", True),
    ]
    body = []
    for r in facts.summary.get("sessions", []):
        times = facts.session_of(r["session"]) or {"start_ns": 0, "end_ns": 0}
        body.append(
            [
                r["session"],
                when(int(times["start_ns"]), seconds=False),
                span(int(times["end_ns"]) - int(times["start_ns"])),
                count(int(r["messages"])),
                count(int(r["evaluated"])),
                count(int(r["taken"])),
                count(int(r["boxes"])),
                usd(decimal(r["fees"], "sessions.fees")),
                usd(decimal(r["pnl"], "sessions.pnl"), sign=True),
            ]
        )
    return table(
        "Result per session; a box belongs to the session in which it was opened", columns, body
    )


# -- boxes and fills ----------------------------------------------------------------------------


def trades(facts: Facts) -> Markup:
    """Return boxes and fills, the first ``ROWS_MAX`` of each, and how orders fared."""
    fills = facts.folder.table("fills")
    if fills.num_rows == 0:
        return section("trades", "Every trade", para("No order was filled."))
    return section(
        "trades",
        "Every trade",
        _boxes(facts),
        _fills(fills.slice(0, ROWS_MAX).to_pylist(), fills.num_rows),
        _execution(facts),
    )


def _first(shown: int, total: int, what: str) -> str:
    if total <= shown:
        return f"All {some(total, *what.split('/'))}"
    many = what.split("/")[1]
    return f"The first {shown} of {count(total)} {many}; the rest are in the parquet file"


def _boxes(facts: Facts) -> Markup:
    everything = facts.folder.table("boxes")
    rows = everything.slice(0, ROWS_MAX).to_pylist()
    columns = [
        Column("Opened, UTC"),
        Column("Pair", id=True),
        Column("Contracts", True),
        Column("Cost", True),
        Column("Locked", True),
        Column("Unwound", True),
        Column("Settled against $1", True),
        Column("Result", True),
        Column("Fate"),
    ]
    body = [
        [
            clock(r["ts_ns"]),
            r["pair_id"],
            plain_number(r["contracts"]),
            usd(r["cost"] + r["fees"]),
            usd(r["locked"], sign=True),
            plain_number(r["unwound"]),
            usd(r["settlement_pnl"], sign=True),
            usd(r["pnl"], sign=True),
            _FATE.get(r["status"], r["status"]),
        ]
        for r in rows
    ]
    caption = _first(ROWS_MAX, everything.num_rows, "attempted box/attempted boxes")
    return table(f"{caption}. Cost includes entry fees", columns, body, dense=True)


def _fills(rows: list[dict[str, Any]], total: int) -> Markup:
    columns = [
        Column("Time, UTC"),
        Column("Venue"),
        Column("Contract", id=True),
        Column("Side"),
        Column("Contracts", True),
        Column("Price", True),
        Column("Fee", True),
        Column("Cash", True),
        Column("Role"),
        Column("Box", id=True),
    ]
    body = [
        [
            clock(r["ts_ns"]),
            venue(r["venue"]),
            tag("span", breakable(short(r["instrument"])), title=r["instrument"]),
            f"{r['side'].lower()} {r['outcome']}",
            plain_number(r["quantity"]),
            f"${plain_number(r['price'], 2)}",
            usd(r["fee"]),
            usd(r["cash"], sign=True),
            r["role"],
            r["box_id"],
        ]
        for r in rows
    ]
    return table(_first(ROWS_MAX, total, "fill/fills"), columns, body, dense=True)


def _execution(facts: Facts) -> Markup:
    orders = facts.summary.get("orders", {})
    names = {
        "sent": "Orders sent",
        "filled": "filled in full",
        "partly_filled": "filled in part",
        "missed": "not filled",
        "denied": "denied by our own risk checks",
        "rejected": "rejected by the venue",
    }
    sentence = "; ".join(f"{names.get(k, k)} {count(int(v))}" for k, v in orders.items())
    found: list[object] = [tag("h3", "How orders fared"), para(f"{sentence}.")]
    hazard = facts.summary.get("hazard") or {}
    rows = []
    for leg, name in _HAZARD:
        entry = hazard.get(leg) or {}
        tried, filled = int(entry.get("attempts", 0)), int(entry.get("filled", 0))
        if tried:
            low, high = wilson(filled, tried)
            interval = f"{percent(low)} to {percent(high)}"
            rows.append([name, count(tried), count(filled), percent(filled / tried), interval])
    if rows:
        columns = [
            Column("Leg"),
            Column("Attempts", True),
            Column("Filled", True),
            Column("Rate", True),
            Column("95 % interval", True),
        ]
        found.append(table("Fills under the hazard model", columns, rows))
    return join([*found, _without_hazard(facts)])


def _without_hazard(facts: Facts) -> Markup:
    """Set the result beside that of the same run in which every shown quote was there."""
    other = facts.without_hazard
    if other is None:
        return Markup()
    columns = [
        Column("Fills"),
        Column("Decisions with orders", True),
        Column("Boxes", True),
        Column("Contracts", True),
        Column("Cost", True),
        Column("Fees", True),
        Column("Result", True),
    ]
    rows = []
    for name, source in (("with the hazard model", facts.summary), ("every quote there", other)):
        boxes, pnl = source["boxes"], source["pnl"]
        fees = sum((decimal(v, "pnl.fees") for v in pnl["fees"].values()), ZERO)
        rows.append(
            [
                name,
                count(int(source["decisions"]["taken"])),
                count(int(boxes["opened"])),
                plain_number(decimal(boxes["contracts"], "boxes.contracts")),
                usd(decimal(boxes["cost"], "boxes.cost")),
                usd(fees),
                usd(decimal(pnl["total"], "pnl.total"), sign=True),
            ]
        )
    return table("The same data and settings with and without the hazard model", columns, rows)


# -- data quality -------------------------------------------------------------------------------

_ISSUES = {
    "feed_gap": "feed silent",
    "stale_leg": "leg often old",
    "one_sided": "one side missing",
    "crossed": "crossed",
    "locked": "locked",
    "wide_spread": "wide spread",
    "clock_order": "times out of order",
    "venue_clock": "venue clock ahead of receipt",
}


def quality(facts: Facts) -> Markup:
    """Return what the check of the data found."""
    found = facts.folder.quality
    books = found.get("instruments")
    if not isinstance(books, dict) or not books:
        return section(
            "quality", "Quality of the data", para("The run's folder holds no check of the data.")
        )
    columns = [
        Column("Book", id=True),
        Column("Venue"),
        Column("Looks", True),
        Column("Usual interval", True),
        Column("Longest gap", True),
        Column("Spread, median", True),
        Column("One-sided", True),
        Column("Crossed", True),
        Column("Locked", True),
    ]
    body = [_book_row(name, book) for name, book in sorted(books.items())[:ROWS_MAX]]
    caption = "Each recorded YES book"
    if len(books) > ROWS_MAX:
        caption += f"; {ROWS_MAX} of {count(len(books))}"
    listing = table(caption, columns, body)
    if len(books) > BOOKS_OPEN:
        listing = details(f"Each of the {len(books)} books", listing)
    return section(
        "quality",
        "Quality of the data",
        para(_quality_line(books, found.get("issues") or [])),
        listing,
        _issues(found.get("issues") or []),
    )


def _book_row(name: str, book: Mapping[str, Any]) -> list[object]:
    label: object = tag("span", breakable(short(name)), title=name)
    if book.get("role") == "route":
        label = join([label, tag("span", " second route", cls="soft")])
    spread = book.get("spread_median")
    return [
        label,
        venue(str(book.get("venue", ""))),
        count(int(book.get("observations", 0))),
        span(int(book.get("gap_median_ns") or 0)),
        span(int(book.get("gap_max_ns") or 0)),
        "none" if spread is None else f"{Decimal(str(spread)) * 100:.2f} c",
        percent(float(book.get("one_sided_share") or 0)),
        count(int(book.get("crossed", 0))),
        count(int(book.get("locked", 0))),
    ]


def _quality_line(books: Mapping[str, Mapping[str, Any]], issues: list[dict[str, Any]]) -> str:
    looks = sum(int(b.get("observations", 0)) for b in books.values())
    crossed = sum(int(b.get("crossed", 0)) for b in books.values())
    locked = sum(int(b.get("locked", 0)) for b in books.values())
    finding = (
        f"{some(len(issues), 'finding')} below" if issues else "nothing beyond the check's limits"
    )
    return (
        f"{some(len(books), 'book')}, {some(looks, 'look')}: {count(crossed)} crossed (bid above"
        f" ask), {count(locked)} locked (bid equal to ask); {finding}. The strategy refuses what"
        " it cannot believe: those looks appear among the refusals."
    )


def _issues(issues: list[dict[str, Any]]) -> Markup:
    if not issues:
        return Markup()
    columns = [
        Column("Finding"),
        Column("Where", id=True),
        Column("Found", True),
        Column("Limit", True),
    ]
    body = []
    for issue in issues[:ROWS_MAX]:
        kind = str(issue.get("kind", ""))
        write = _issue_number(kind)
        where = " ".join(short(w) for w in str(issue.get("where", "")).split(" "))
        body.append(
            [
                _ISSUES.get(kind, kind.replace("_", " ")),
                where,
                write(issue.get("found")),
                write(issue.get("limit")),
            ]
        )
    rest = f"; the first {ROWS_MAX}" if len(issues) > ROWS_MAX else ""
    return table(f"{some(len(issues), 'finding')} beyond the check's limits{rest}", columns, body)


def _issue_number(kind: str) -> Any:  # noqa: ANN401 - a function of one value of any JSON type
    if kind in {"feed_gap", "venue_clock"}:
        return lambda v: span(int(v or 0))
    if kind == "clock_order":
        return lambda v: count(int(v or 0))
    return lambda v: percent(float(v or 0), 2)
