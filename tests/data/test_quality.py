"""The check finds what is wrong, and only that."""

from __future__ import annotations

import json

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from backtests.data import QualityLimits, build_dataset, check_dataset
from backtests.data.tally import Sample, Tally
from tests.data import support
from tests.data.support import POLL_NS, T0, TICKER, TOKEN, pair_entry, polled, row, write

KALSHI = f"{TICKER}-YES.KALSHI"
POLY = f"{TOKEN}.POLYMARKET"


@given(st.lists(st.integers(-50, 50), max_size=60), st.integers(-51, 52))
def test_tally_is_exact(values, limit):
    tally = Tally(-50, 50)
    for i in range(0, len(values), 7):
        tally.add(np.array(values[i : i + 7]))
    ordered = sorted(values)
    assert tally.count == len(values)
    assert tally.below(limit) == sum(v < limit for v in values)
    assert tally.least == (ordered[0] if ordered else None)
    assert tally.median == (ordered[(len(ordered) - 1) // 2] if ordered else None)
    assert all(tally.at(v) == values.count(v) for v in values)


@given(st.lists(st.integers(0, 10**15), max_size=60), st.integers(1, 20))
def test_sample_is_every_nth_value_however_it_arrives(values, most):
    sample = Sample(len(values))
    sample._stride = stride = max(1, -(-len(values) // most))
    for i in range(0, len(values), 7):
        sample.add(np.array(values[i : i + 7], dtype=np.int64))
    kept = sorted(values[::stride])
    assert sample.median == (kept[(len(kept) - 1) // 2] if kept else None)
    assert Sample(10).median is None
    assert Sample(5_000_000)._stride == 5


def _load(tmp_path, rows, pairs=None):
    src = write(tmp_path / "src", {"S1": rows}, pairs or [pair_entry()])
    return build_dataset(src, tmp_path / "d", accept_recorded=True)


def _issues(result) -> set[tuple[str, str]]:
    return {(i["kind"], i["where"]) for i in result["issues"]}


def test_a_clean_session_has_no_issue(tmp_path):
    rows = [r | {"bid_px": r["bid_px"] or "0.36", "bid_sz": r["bid_sz"] or "1"} for r in polled()]
    result = _load(tmp_path, rows).quality()
    assert result["issues"] == []
    book = result["instruments"][POLY]
    assert book["deltas"] == 36
    assert book["snapshots"] == book["groups"] == 12
    assert book["spread_median"] == "0.0010"
    assert book["yes_ask_plus_no_ask"] == {
        "below_one_share": 0.0,
        "median": "1.0010",
        "min": "1.0010",
        "observations": 12,
    }
    assert book["bid_size_median"] == "5202.05"
    assert book["gap_median_ns"] == POLL_NS


def test_crossed_locked_wide_and_one_sided_are_told_apart(tmp_path):
    rows = polled(20)
    rows[0] |= {"bid_px": "0.5", "bid_sz": "1"}
    rows[2] |= {"bid_px": "0.364", "bid_sz": "1"}
    rows[4] |= {"ask_px": "0.9"}
    rows[6] |= {"ask_px": None, "ask_sz": None}
    book = _load(tmp_path, rows).quality()["instruments"][KALSHI]
    assert (book["crossed"], book["locked"], book["wide"]) == (1, 1, 1)
    assert (book["no_bid"], book["no_ask"]) == (4, 1)
    assert book["one_sided_share"] == 0.25
    assert book["yes_ask_plus_no_ask"]["min"] == "0.8640"
    assert book["yes_ask_plus_no_ask"]["below_one_share"] == round(1 / 15, 6)


def test_limits_decide_what_is_an_issue(tmp_path):
    rows = polled(20)
    rows[0] |= {"bid_px": "0.5", "bid_sz": "1"}
    made = _load(tmp_path, rows)
    strict = _issues(check_dataset(made))
    assert ("crossed", KALSHI) in strict
    assert ("one_sided", KALSHI) in strict
    loose = QualityLimits(crossed_share=0.1, one_sided_share=0.5)
    assert _issues(check_dataset(made, loose)) == set()
    assert json.loads((made.path / "quality.json").read_text())["issues"] == []


def test_a_silent_venue_is_a_gap_a_quiet_market_is_not(tmp_path):
    rows = polled(40)
    silent = [
        r for i, r in enumerate(rows) if r["venue"] != "polymarket" or not 20 <= i < 50
    ]  # fifteen polls of one venue are missing
    result = _load(tmp_path, silent).quality()
    (gap,) = next(f for f in result["feeds"] if f["venue"] == "POLYMARKET")["gaps"]
    assert gap["length_ns"] == 58_000_000_000
    assert next(f for f in result["feeds"] if f["venue"] == "KALSHI")["gaps"] == []
    assert ("feed_gap", "S1 POLYMARKET") in _issues(result)


def test_the_age_of_a_leg_counts_polls_that_saw_no_change(tmp_path):
    rows = [r for r in polled(60) if r["venue"] == "kalshi" or r["ts_recv_ns"] < T0 + 10 * POLL_NS]
    result = _load(tmp_path, rows).quality()
    (pair,) = result["pairs"]
    assert pair["stale_share"]["KALSHI"] == 0.0
    # last seen at poll 9 + 0.148 s, the session ends at poll 59: 184.852 s less the minute allowed
    assert pair["stale_share"]["POLYMARKET"] == round(124.852 / 218.3, 6)


def test_venue_clock_ahead_of_receipt(tmp_path):
    rows = polled()
    rows[1]["ts_venue_ns"] = rows[1]["ts_recv_ns"] + 3_000_000_000
    result = _load(tmp_path, rows).quality()
    book = result["instruments"][POLY]
    assert book["venue_after_receipt"] == 1
    assert book["venue_lead_max_ns"] == 3_000_000_000
    assert book["venue_time_back"] == 1
    assert ("venue_clock", POLY) in _issues(result)
    assert book["out_of_order"] == 0


def test_sums_of_asks_over_a_pair_and_over_its_route(tmp_path):
    src = support.both(tmp_path / "src")
    made = build_dataset(src, tmp_path / "d", accept_recorded=True)
    pairs = {p["pair_id"]: p for p in made.quality()["pairs"]}
    world = pairs[TICKER]["ask_sums"]
    # YES Kalshi 0.364 with NO Polymarket 1 - 0.364; YES Polymarket 0.365 with NO Kalshi 1 - 0.363
    assert world["yes_no"]["min"] == "1.0000"
    assert world["no_yes"]["min"] == "1.0020"
    route = pairs[support.SLUG]["route_sums"][f"{support.NBA_OPPOSITE}-YES.KALSHI"]
    assert route["min"] == "1.0100"


def test_the_same_check_writes_the_same_bytes(tmp_path):
    made = _load(tmp_path, polled())
    first = (made.path / "quality.json").read_bytes()
    check_dataset(made)
    assert (made.path / "quality.json").read_bytes() == first


def test_one_observation_is_a_book_too(tmp_path):
    rows = [
        row(T0, "kalshi", TICKER, ("0.36", "1", "0.37", "1")),
        row(T0, "polymarket", TOKEN, (None, None, None, None)),
    ]
    result = _load(tmp_path, rows).quality()
    assert result["instruments"][POLY]["one_sided_share"] == 1.0
    assert result["instruments"][POLY]["spread_median"] is None
    assert result["pairs"][0]["ask_sums"]["yes_no"]["min"] is None
