"""Settlement in a live node: positions close at the settled value, cash is booked, no phantoms."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path

import pytest

from adapters.kalshi.schemas.rest import Settlement
from adapters.kalshi.settling import fee, yes_value
from tests.kalshi.support.audit import differences
from tests.kalshi.support.venue import SimVenue, run_node


def settle(venue: SimVenue, ticker: str, result: str, value: str | None = None) -> None:
    extra = {} if value is None else {"value": value}
    venue.do("determine", ticker=ticker, result=result, **extra)
    venue.do("settle", ticker=ticker)


def test_yes_no_and_scalar_settle_while_live_and_while_down(tmp_path: Path) -> None:
    with SimVenue(tmp_path, seed=11) as venue:
        yes, no, scalar = venue.tickers[:3]
        held: list[str] = []

        def settle_two_when_quiet() -> None:
            belief = tmp_path / "live.jsonl"
            deadline = time.monotonic() + 60
            while time.monotonic() < deadline:
                lines = belief.read_text().splitlines() if belief.exists() else []
                # The node trades for the first 7 seconds.
                if len(lines) >= 8:
                    break
                time.sleep(0.1)
            held.extend(json.loads(lines[-1])["positions"])
            settle(venue, yes, "yes")
            settle(venue, scalar, "scalar", "0.3350")

        thread = threading.Thread(target=settle_two_when_quiet)
        thread.start()
        live = run_node(
            venue,
            tmp_path,
            "live",
            "--seconds",
            "16",
            "--seed",
            "3",
            "--quiet",
            "9",
            "--markets",
            "3",
            timeout=80,
        )
        thread.join()
        assert any(symbol.startswith(yes) for symbol in held), "a position was open before"
        assert {s.rpartition("-")[0] for s in live[-1]["positions"]} <= {no}
        assert differences(live[-1], venue.truth()) == []

        settle(venue, no, "no")
        after = run_node(
            venue, tmp_path, "after", "--seconds", "10", "--watch", "--markets", "3", timeout=60
        )
        assert after[-1]["positions"] == {}
        assert differences(after[-1], venue.truth()) == []


@pytest.mark.parametrize(
    ("result", "market", "value"),
    [
        ("yes", None, "1"),
        ("no", "0.5", "0"),
        ("scalar", "0.3350", "0.3350"),
        ("scalar", None, None),
    ],
)
def test_what_one_yes_paid(result: str, market: str | None, value: str | None) -> None:
    from decimal import Decimal

    record = Settlement(ticker="A", market_result=result, settled_time="2026-06-11T06:29:47Z")
    found = yes_value(record, None if market is None else Decimal(market))
    assert found == (None if value is None else Decimal(value))
    assert fee(record) == 0
