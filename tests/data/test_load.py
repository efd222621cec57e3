"""Recordings become datasets: every observation, the right view, nothing half-written."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from nautilus_trader.model.data import OrderBookDelta, OrderBookDeltas
from nautilus_trader.model.enums import RecordFlag

from backtests.data import build_dataset, check_dataset, open_dataset
from backtests.data.load import strictly_increasing
from backtests.data.top import read_top
from tests.data import support
from tests.data.support import NBA, NBA_OPPOSITE, SLUG, T0, TICKER, TOKEN

KALSHI = f"{TICKER}-YES.KALSHI"
POLY = f"{TOKEN}.POLYMARKET"
US = f"{SLUG}-YES.POLYMARKET_US"


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    root = tmp_path_factory.mktemp("load")
    return build_dataset(support.both(root / "src"), root / "d", accept_recorded=True)


def test_every_observation_is_written_as_one_snapshot(dataset):
    deltas = dataset.catalog().query(OrderBookDelta, identifiers=[KALSHI])
    groups = OrderBookDeltas.batch(deltas)
    assert len(groups) == 12
    for group in groups:
        clear, bid, ask = group.deltas
        assert clear.is_clear
        assert {d.flags & RecordFlag.F_SNAPSHOT for d in group.deltas} == {RecordFlag.F_SNAPSHOT}
        assert [bool(d.flags & RecordFlag.F_LAST) for d in group.deltas] == [False, False, True]
        assert len({d.ts_init for d in group.deltas}) == 1
        assert str(ask.order.price) == "0.3640"
        one_sided = (clear.sequence % 5) == 4
        expected = ("0.0000", "1.00") if one_sided else ("0.3630", "3274.27")
        assert (str(bid.order.price), str(bid.order.size)) == expected


def test_times_of_receipt_and_of_the_venue_are_kept_apart(dataset):
    first = dataset.catalog().query(OrderBookDelta, identifiers=[POLY])[0]
    assert first.ts_init == T0 + 148_000_000
    assert first.ts_event == T0 - 9_000_000_000
    kalshi = dataset.catalog().query(OrderBookDelta, identifiers=[KALSHI])[0]
    assert kalshi.ts_init == kalshi.ts_event == T0


def test_receive_times_are_strictly_increasing_over_all_instruments(dataset):
    tops = [read_top(dataset.top_path(i.instrument_id)).ts_ns for i in dataset.instruments]
    ts = np.sort(np.concatenate(tops))
    assert (np.diff(ts) > 0).all()
    assert strictly_increasing(np.array([5, 5, 6, 9]), 5).tolist() == [6, 7, 8, 9]


def test_inverse_rows_are_the_same_book_seen_again(dataset):
    top = read_top(dataset.top_path(US))
    counts = dataset.manifest.counts
    assert counts["inverse_rows"] == 7
    assert counts["inverse_repeats"] == 6
    assert len(top) == 7, "six messages and the inverse row that came alone"
    assert (top.bid[0], top.ask[0]) == (4290, 4330)
    # NO bid 0.560 x 12 and NO ask 0.571 x 796 are YES ask 0.440 x 12 and YES bid 0.429 x 796
    assert (top.bid[-1], top.ask[-1]) == (4290, 4400)
    assert (top.bid_size[-1], top.ask_size[-1]) == (79_600, 1_200)


def test_the_opposite_ticker_is_a_route_not_a_pair(dataset):
    roles = {i.instrument_id: i.role for i in dataset.instruments}
    assert roles[f"{NBA_OPPOSITE}-YES.KALSHI"] == "route"
    assert Counter(roles.values()) == {"leg": 4, "route": 1}
    assert len(dataset.pairs()) == 2
    assert dataset.instrument(f"{NBA}-NO.KALSHI").instrument_id == f"{NBA}-YES.KALSHI"


def test_sessions_and_kinds(dataset):
    polled, message = dataset.sessions
    assert (polled.name, polled.kind, polled.poll_ns) == ("S1", "polled", 3_713_454_545)
    assert (message.name, message.kind, message.poll_ns) == ("S2", "message", None)
    assert dataset.span_ns == (polled.start_ns, message.end_ns)
    assert [s.name for s in dataset.manifest.sources] == ["S1.parquet", "S2.parquet"]


def test_instruments_are_binary_options_with_six_decimal_cash(dataset):
    instruments = {i.id.value: i for i in dataset.catalog().instruments()}
    assert len(instruments) == 10
    assert instruments[KALSHI].quote_currency.precision == 6
    assert instruments[POLY].quote_currency.code == "pUSD"
    yes = instruments[KALSHI]
    assert (yes.price_precision, yes.size_precision, yes.outcome) == (4, 2, "Yes")
    assert yes.info["complement"] == f"{TICKER}-NO.KALSHI"
    assert yes.info["fees"]["kind"] == "kalshi"
    assert yes.info["synthetic"] is False
    assert instruments[f"{TOKEN}-NO.POLYMARKET"].outcome == "No"


def test_one_session_alone_and_the_same_bytes_twice(dataset, tmp_path):
    src = support.both(tmp_path / "src")
    one = build_dataset(src, tmp_path / "one", accept_recorded=True, sessions=["S2"])
    assert [s.name for s in one.sessions] == ["S2"]
    assert [p.pair_id for p in one.pairs()] == [SLUG]
    again = build_dataset(src, tmp_path / "again", accept_recorded=True)
    assert _digest(again.path) == _digest(dataset.path)


def test_approval_is_given_only_when_asked_for(dataset, tmp_path):
    assert all(p.approval is not None and p.approval.kind == "recorded" for p in dataset.pairs())
    src = support.both(tmp_path / "src")
    watched = build_dataset(src, tmp_path / "d", accept_recorded=False)
    assert all(p.approval is None for p in watched.pairs())


def test_pairs_of_schema_one_are_read_too(dataset, tmp_path):
    src = support.both(tmp_path / "src")
    (src / "pairs.json").write_bytes(dataset.pairs_path.read_bytes())
    again = build_dataset(src, tmp_path / "d", accept_recorded=False)
    assert again.pairs() == dataset.pairs()


def test_sizes_finer_than_the_catalog_are_floored_and_counted(tmp_path):
    rows = support.polled()
    rows[0]["ask_sz"] = "10.009"
    src = support.write(tmp_path / "src", {"S1": rows}, [support.pair_entry()])
    made = build_dataset(src, tmp_path / "d", accept_recorded=True)
    assert made.manifest.counts["floored_sizes"] == 1
    assert read_top(made.top_path(KALSHI)).ask_size[0] == 1_000


def test_a_quote_below_the_catalogs_smallest_size_is_no_quote(tmp_path):
    rows = support.polled()
    rows[0]["ask_sz"] = "0.009"
    src = support.write(tmp_path / "src", {"S1": rows}, [support.pair_entry()])
    made = build_dataset(src, tmp_path / "d", accept_recorded=True)
    top = read_top(made.top_path(KALSHI))
    assert (top.ask[0], top.ask_size[0]) == (10_000, 0)
    first = made.catalog().query(OrderBookDelta, identifiers=[KALSHI])[2]
    assert (str(first.order.price), str(first.order.size)) == ("1.0000", "1.00")
    assert made.quality()["instruments"][KALSHI]["no_ask"] == 1


def test_many_small_batches_say_the_same_as_one(dataset, tmp_path, monkeypatch):
    monkeypatch.setattr("backtests.data.recording._BATCH_ROWS", 3)
    src = support.both(tmp_path / "src")
    small = build_dataset(src, tmp_path / "d", accept_recorded=True)
    assert _digest(small.path) == _digest(dataset.path)


def test_progress_reaches_the_end(tmp_path):
    seen = []
    build_dataset(
        support.both(tmp_path / "src"),
        tmp_path / "d",
        accept_recorded=True,
        progress=lambda done, total, name: seen.append((done, total, name)),
    )
    assert seen[-1][0] == seen[-1][1] == 49
    assert {name for _, _, name in seen} == {"S1", "S2"}


def test_check_is_written_with_the_dataset(dataset):
    quality = open_dataset(dataset.path).quality()
    assert quality["instruments"][KALSHI]["no_bid"] == 2
    assert quality["instruments"][KALSHI]["crossed"] == 0
    assert check_dataset(dataset)["issues"] == list(quality["issues"])


def _digest(root: Path) -> dict[str, str]:
    return {
        str(p.relative_to(root)): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in sorted(root.rglob("*"))
        if p.is_file() and p.name != "dataset.json"
    }


def test_the_example_of_the_guide_makes_a_recording_that_loads(tmp_path, monkeypatch):
    guide = (Path(__file__).parents[2] / "docs" / "data.md").read_text()
    blocks = [b for b in re.findall(r"```python\n(.*?)```", guide, re.S) if "write_recording" in b]
    assert len(blocks) == 1
    monkeypatch.chdir(tmp_path)
    exec(blocks[0], {})
    names = {"pair_id": "cup-france", "kalshi_ticker": "KXMENWORLDCUP-26-FR"}
    pair = support.pair_entry(**names, polymarket_token_yes="1082336038194677064763")
    Path("my-recordings/pairs.json").write_text(json.dumps([pair]))
    made = build_dataset(tmp_path / "my-recordings", tmp_path / "d", accept_recorded=True)
    assert [i.observations for i in made.instruments] == [1, 1]


@pytest.mark.data
@pytest.mark.parametrize(
    ("folder", "observations", "repeats", "sessions"),
    [
        ("public/quotes", 15_182, 806, 2),
        ("benchmark/quotes", 37_764, 3_731, 3),
        ("benchmark/quotes_bad", 22_018, 6_182, 1),
    ],
)
def test_the_recordings_load_completely(
    recordings, tmp_path, folder, observations, repeats, sessions
):
    made = build_dataset(recordings / folder, tmp_path / "d", accept_recorded=True)
    counts = made.manifest.counts
    assert counts["observations"] == observations
    assert counts["inverse_repeats"] == repeats
    assert counts["rows"] == observations + repeats
    assert counts["floored_sizes"] == 0
    assert len(made.sessions) == sessions
    assert {s.kind for s in made.sessions if s.name.startswith("WC")} <= {"polled"}


@pytest.mark.data
def test_the_crossed_day_is_reported(recordings, tmp_path):
    made = build_dataset(recordings / "benchmark/quotes_bad", tmp_path / "d", accept_recorded=True)
    quality = made.quality()
    books = [b for b in quality["instruments"].values() if b["venue"] == "KALSHI"]
    seen = sum(b["observations"] for b in books)
    assert sum(b["crossed"] + b["locked"] for b in books) / seen > 0.97
    us = [b for b in quality["instruments"].values() if b["venue"] == "POLYMARKET_US"]
    assert sum(b["crossed"] for b in us) == 0
    assert {"crossed", "feed_gap", "stale_leg"} <= {i["kind"] for i in quality["issues"]}
