"""Small recordings with the shapes of the real ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from backtests.data.recording import COLUMNS, write_recording

T0 = 1_783_196_687_929_000_000
POLL_NS = 3_700_000_000
TICKER = "KXTEST-26-FR"
TOKEN = "108233603819467706476318984012158651931658302669301887462181073562758483842092"
SLUG = "aec-test-orl-pho"
NBA = "KXTESTGAME-26ORLPHX-ORL"
NBA_OPPOSITE = "KXTESTGAME-26ORLPHX-PHX"


def row(ts: int, venue: str, instrument: str, top: tuple[str | None, ...], **more: Any) -> dict:
    """One observation; ``top`` is bid price, bid size, ask price, ask size."""
    names = ("bid_px", "bid_sz", "ask_px", "ask_sz")
    base = {
        "session": "S1",
        "ts_recv_ns": ts,
        "ts_venue_ns": None,
        "venue": venue,
        "pair_id": TICKER,
        "instrument": instrument,
        "inverse": False,
        **dict(zip(names, top, strict=True)),
    }
    return base | more


def polled(polls: int = 12) -> list[dict]:
    """World Cup shape: both venues read 148 ms apart every 3.7 s, Polymarket with its own time."""
    rows = []
    for i in range(polls):
        t = T0 + i * POLL_NS
        bid = (None, None) if i % 5 == 4 else ("0.363", "3274.27")
        rows.append(row(t, "kalshi", TICKER, (*bid, "0.364", f"{222900 - i}.79")))
        top = ("0.364", "5202.05", "0.365", "62367.57")
        rows.append(row(t + 148_000_000, "polymarket", TOKEN, top, ts_venue_ns=t - 9_000_000_000))
    return rows


def messages() -> list[dict]:
    """NBA shape: several rows at one time, an inverse row after each Polymarket US row."""
    us = dict(pair_id=SLUG, session="S2")
    top, mirror = ("0.429", "796", "0.433", "479"), ("0.567", "479", "0.571", "796")
    t = T0 + 86_400_000_000_000
    rows = []
    for _i in range(6):
        t += 400_000_000
        rows.append(row(t, "polymarket_us", SLUG, top, **us))
        rows.append(row(t, "polymarket_us", f"{SLUG}-inverse", mirror, inverse=True, **us))
        rows.append(row(t, "kalshi", NBA, ("0.43", "50", "0.44", "9"), **us))
        rows.append(row(t, "kalshi", NBA_OPPOSITE, ("0.56", "9", "0.57", "50"), **us))
    # the inverse row alone: the only sight of a new book
    alone = ("0.560", "12", "0.571", "796")
    rows.append(row(t + 7, "polymarket_us", f"{SLUG}-inverse", alone, inverse=True, **us))
    return rows


def pair_entry(**change: Any) -> dict:
    """A pair in the recordings' own form."""
    return {
        "pair_id": TICKER,
        "session": "S1",
        "kalshi_ticker": TICKER,
        "polymarket_token_yes": TOKEN,
        "polymarket_venue": "polymarket_international_clob",
        "relation": "YES=YES",
        "fees_note": "assumed",
        "fees_assumed": {
            "kalshi": {
                "type": "quadratic",
                "multiplier": "1",
                "regime": "2026q2",
                "member_precision": "0.0001",
            },
            "polymarket": {"venue": "polymarket", "rate": "0", "exponent": "1"},
        },
        "settlement": {"kalshi": "0", "polymarket": "0"},
        "settled_at": "2026-07-20T00:00:00Z",
        "expected_settlement": "2026-07-20T00:00:00Z",
        "terms": {
            "kalshi": {"tick": "0.001", "lot": "0.01", "min_size": "0.01", "currency": "USD"},
            "polymarket": {"tick": "0.001", "lot": "0.01", "min_size": "5", "currency": "pUSD"},
        },
    } | change


def us_entry() -> dict:
    """A pair of the NBA shape, with the opposite ticker as second route."""
    base = pair_entry(
        pair_id=SLUG,
        session="S2",
        kalshi_ticker=NBA,
        kalshi_ticker_opposite=NBA_OPPOSITE,
        polymarket_slug=SLUG,
        polymarket_venue="polymarket_us",
        settlement={"kalshi": None, "polymarket_us": None},
        settled_at=None,
        expected_settlement=None,
    )
    del base["polymarket_token_yes"]
    base["fees_assumed"]["polymarket"] = {"venue": "polymarket_us", "rate": "0.0695"}
    terms = {"tick": "0.001", "lot": "1", "min_size": "1", "currency": "USD"}
    base["terms"] = {"kalshi": terms | {"tick": "0.01"}, "polymarket_us": terms}
    return base


def write(folder: Path, sessions: dict[str, list[dict]], pairs: list[dict]) -> Path:
    """Write a folder of recordings."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in sessions.items():
        columns = {c: [r[c] for r in rows] for c in COLUMNS}
        write_recording(folder / f"{name}.parquet", columns)
    (folder / "pairs.json").write_text(json.dumps(pairs))
    return folder


def both(folder: Path) -> Path:
    """A folder with one session of each shape."""
    return write(folder, {"S1": polled(), "S2": messages()}, [pair_entry(), us_entry()])
