"""The end of the page: what the report verified, terms, settings, hashes."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from backtests.report.blocks import Column, details, para, pre, section, table
from backtests.report.facts import Check, Facts, short, venue
from backtests.report.text import (
    Markup,
    plain_number,
    tag,
)

ROWS_MAX = 100


def verified(checks: list[Check]) -> Markup:
    """Return what the report checked for itself."""
    columns = [Column("Claim"), Column("Numbers"), Column("")]
    body = [
        [
            c.claim,
            c.numbers,
            tag("strong", "holds" if c.holds else "FAILS", cls="good" if c.holds else "bad"),
        ]
        for c in checks
    ]
    return section(
        "checks",
        "What this report verified",
        para(
            f"{sum(c.holds for c in checks)} of {len(checks)} checks hold. Each was recomputed from"
            " the files of this run while the page was written. An auditor that shares no code with"
            " the engine recomputes fees and settlement too."
        ),
        table("Checks", columns, body),
    )


def appendix(facts: Facts) -> Markup:
    """Return terms of the pairs, settings and hashes."""
    summary = facts.summary
    data = summary["data"]
    hashes = [
        ("Configuration", summary.get("config_hash")),
        ("All decisions in order", summary.get("decision_digest")),
        ("Data", data.get("sha256")),
        *((f"Data: {s['name']}", s["sha256"]) for s in (data.get("sources") or [])[:ROWS_MAX]),
        ("Seed of the generator", data.get("seed")),
    ]
    rows = [[name, tag("code", str(value))] for name, value in hashes if value is not None]
    models = summary.get("models", {})
    settings = "; ".join(f"{k.replace('_', ' ')}: {_plain(v)}" for k, v in models.items())
    return section(
        "appendix",
        "Appendix",
        tag("h3", "Pairs and how they were settled"),
        _terms(facts),
        tag("h3", "Models"),
        para(f"{settings}."),
        tag("h3", "Settings"),
        details("The effective configuration, every default spelled out", pre(facts.folder.config)),
        tag("h3", "Identity"),
        table(
            "The same data and settings give the same hashes and a summary.json of the same bytes",
            [Column("What"), Column("SHA-256", id=True)],
            rows,
        ),
    )


def _plain(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{venue(str(k))} {v}" for k, v in value.items()) or "none"
    if isinstance(value, list):
        return ", ".join(str(v) for v in value) or "none"
    return str(value)


def _terms(facts: Facts) -> Markup:
    columns = [
        Column("Pair", id=True),
        Column("Venue"),
        Column("Market", id=True),
        Column("Fees"),
        Column("YES settled at", True),
    ]
    body: list[list[object]] = []
    for p in facts.folder.pairs[:ROWS_MAX]:
        for i, m in enumerate(p["markets"]):
            value = (m.get("settlement") or {}).get("value")
            body.append(
                [
                    p["pair_id"] if i == 0 else "",
                    venue(m["venue"]),
                    tag("span", short(f"{m['market']}."), title=m["market"]),
                    _fee_words(m.get("fees") or {}),
                    "unknown" if value is None else f"${plain_number(Decimal(str(value)), 2)}",
                ]
            )
    return table("Terms used in this run", columns, body)


def _fee_words(fees: Mapping[str, Any]) -> str:
    kind = str(fees.get("kind", ""))
    if kind == "kalshi":
        regime = fees.get("regime") or "by trade date"
        times = fees.get("multiplier", "1")
        words = f"{str(fees.get('type', '')).replace('_', ' ')} × {times}, rounding {regime}"
        return words
    if kind == "polymarket":
        rate = Decimal(str(fees.get("rate", "0")))
        return "none" if rate == 0 else f"rate {rate}, exponent {fees.get('exponent', '1')}"
    return f"rate {fees.get('rate', '?')}, cents, per order"
