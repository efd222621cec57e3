"""The scan asks the strategy's own first question, and the cut keeps what a replay needs."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import msgspec
import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nautilus_trader.model.book import OrderBook
from nautilus_trader.model.data import OrderBookDelta, OrderBookDeltas
from nautilus_trader.model.enums import BookType, RecordFlag
from nautilus_trader.model.identifiers import InstrumentId

from backtests.data import (
    GeneratorSettings,
    build_dataset,
    check_dataset,
    cut_windows,
    generate_dataset,
    open_dataset,
    scan_dataset,
)
from backtests.data.deltas import read_deltas
from backtests.data.quality import catalog_files, pair_view
from backtests.data.scan import _edges, _TableCache
from backtests.data.top import Top, TopFile, merge, read_top, slices
from backtests.data.windows import book_at
from core.contracts import Direction
from core.early_close import hold_value_n, worth_looking
from core.fees import KalshiFees, PolymarketFees, PolymarketUSFees
from core.fees.kalshi import KalshiFeeChange
from core.gate import GateTable, edge_possible
from core.money import SCALE
from core.opportunity import PairSetup
from core.policy import Policy
from tests.data import support
from tests.data.support import TICKER, TOKEN

SYN = GeneratorSettings(seed=11, pairs=4, minutes=40, rate=3.0)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return generate_dataset(tmp_path_factory.mktemp("scan") / "d", SYN)


def _gate_hits(dataset, pair, session, policy) -> list[int]:
    """Walk both books observation by observation through the gate of core."""
    setup = PairSetup(pair, policy)
    tops = [pair_view(dataset, m, session) for m in pair.markets]
    tables = [GateTable(m.fees.at(session.start_ns), setup.size_min_u, SCALE) for m in pair.markets]
    steps = sorted(
        (int(t), leg, i) for leg, top in enumerate(tops) for i, t in enumerate(top.ts_ns)
    )
    seen: list[tuple[int, int] | None] = [None, None]
    hits = []
    for ts, leg, i in steps:
        seen[leg] = (int(tops[leg].bid[i]) * 100, int(tops[leg].ask[i]) * 100)
        if seen[0] is None or seen[1] is None:
            continue
        (a_bid, a_ask), (b_bid, b_ask) = seen
        bounds = (
            tables[0][a_ask],
            tables[0][SCALE - a_bid],
            tables[1][b_ask],
            tables[1][SCALE - b_bid],
        )
        if edge_possible(*bounds):
            hits.append(ts)
    return hits


def test_windows_hold_exactly_the_observations_the_gate_lets_through(dataset):
    policy = Policy(close_early=False)
    scan = scan_dataset(dataset, policy=policy, write=False)
    (session,) = dataset.sessions
    total = seen = 0
    for pair in dataset.pairs():
        hits = _gate_hits(dataset, pair, session, policy)
        windows = [w for w in scan.windows if w.pair_id == pair.pair_id]
        assert sum(w.rows for w in windows) == len(hits)
        for ts in hits:
            assert any(w.start_ns <= ts <= w.end_ns for w in windows)
        total += len(hits)
        seen += len(merge(*(pair_view(dataset, m, session) for m in pair.markets)).ts_ns)
    assert scan.hits == total > 0
    assert scan.rows == seen
    assert {w.kind for w in scan.windows} == {"open"}
    assert all(w.edge_u > 0 for w in scan.windows)


prices = st.integers(0, 10_000)
books = st.lists(st.tuples(prices, prices), min_size=1, max_size=30)
fees = st.sampled_from(
    [
        KalshiFees("quadratic"),
        KalshiFees("quadratic", multiplier=Decimal("0.5"), regime="legacy"),
        KalshiFees("flat"),  # unknown: counted as none
        PolymarketFees(Decimal("0.05")),
        PolymarketFees(Decimal("0.072"), Decimal(2), rounding="nearest"),
        PolymarketUSFees(Decimal("0.0695")),
    ]
)


@given(books, books, fees, fees, st.decimals(min_value=1, max_value=500, places=0))
@settings(max_examples=60, deadline=None)
def test_table_gate_equals_core_gate_on_any_books(dataset, a, b, fees_a, fees_b, size_min):
    policy = Policy(size_min=size_min)
    (session,) = dataset.sessions
    template = dataset.pairs()[0]
    markets = tuple(
        msgspec.structs.replace(m, fees=f)
        for m, f in zip(template.markets, (fees_a, fees_b), strict=True)
    )
    pair = msgspec.structs.replace(template, markets=markets)
    tops = []
    for leg, book in enumerate((a, b)):
        bid, ask = (np.array(x, dtype=np.int32) for x in zip(*book, strict=True))
        ts = np.arange(len(book), dtype=np.int64) * 2 + leg
        tops.append(Top(ts, bid, ask, ts, ts))
    cache = _TableCache()
    bounds = [cache.get(m, session, pair, policy) for m in pair.markets]
    merged = merge(*tops)
    edge = _edges(merged, *bounds)
    setup = PairSetup(pair, policy)
    tables = []
    for f in (fees_a, fees_b):
        known = not (isinstance(f, KalshiFees) and f.type == "flat")
        schedule = f.at(session.start_ns) if known else None
        tables.append(GateTable(schedule, setup.size_min_u, SCALE))
    for i in range(len(merged.ts_ns)):
        expected = edge_possible(
            tables[0][int(merged.a_ask[i]) * 100],
            tables[0][SCALE - int(merged.a_bid[i]) * 100],
            tables[1][int(merged.b_ask[i]) * 100],
            tables[1][SCALE - int(merged.b_bid[i]) * 100],
        )
        assert bool(edge[i] > 0) == expected


@given(books, books)
@settings(max_examples=100, deadline=None)
def test_merging_two_books_is_an_as_of_join(a, b):
    rng = np.random.default_rng(len(a) * 31 + len(b))
    times = np.sort(rng.choice(10_000, len(a) + len(b), replace=False)).astype(np.int64)
    mine = np.zeros(len(times), dtype=bool)
    mine[rng.permutation(len(times))[: len(a)]] = True
    tops = []
    for book, ts in ((a, times[mine]), (b, times[~mine])):
        bid, ask = (np.array(x, dtype=np.int32) for x in zip(*book, strict=True))
        tops.append(Top(ts, bid, ask, ts, ts))
    merged = merge(*tops)
    start = max(tops[0].ts_ns[0], tops[1].ts_ns[0])
    assert merged.ts_ns.tolist() == [t for t in times if t >= start]
    for i, t in enumerate(merged.ts_ns):
        for top, bid, ask in (
            (tops[0], merged.a_bid, merged.a_ask),
            (tops[1], merged.b_bid, merged.b_ask),
        ):
            last = int(np.flatnonzero(top.ts_ns <= t)[-1])
            assert (bid[i], ask[i]) == (top.bid[last], top.ask[last])


def test_early_close_windows_hold_every_book_worth_looking_at(dataset):
    policy = Policy()
    scan = scan_dataset(dataset, policy=policy, write=False)
    (session,) = dataset.sessions
    checked = 0
    for pair in dataset.pairs():
        opened = [w for w in scan.windows if w.pair_id == pair.pair_id and w.kind == "open"]
        closing = [w for w in scan.windows if w.pair_id == pair.pair_id and w.kind == "close"]
        if not opened:
            continue
        setup = PairSetup(pair, policy)
        merged = merge(*(pair_view(dataset, m, session) for m in pair.markets))
        schedules = [m.fees.at(session.start_ns) for m in pair.markets]
        for i in range(0, len(merged.ts_ns), 7):
            ts = int(merged.ts_ns[i])
            if ts < opened[0].start_ns:
                continue
            days = setup.lockup_days(ts, policy)
            pairs_of_bids = {
                Direction.YES_NO: (merged.a_bid[i], 10_000 - merged.b_ask[i]),
                Direction.NO_YES: (10_000 - merged.a_ask[i], merged.b_bid[i]),
            }
            for direction, bids in pairs_of_bids.items():
                hold = hold_value_n(setup.divergence[direction], policy.rate_year, days)
                units = [int(b) * 100 for b in bids]
                if 0 in units or SCALE in units:
                    continue
                after_fees = [
                    u - s.floor_per_contract_u(u, 1) for u, s in zip(units, schedules, strict=True)
                ]
                if worth_looking(*units, hold) and sum(after_fees) * 1_000 > hold:
                    assert any(w.start_ns <= ts <= w.end_ns for w in closing)
                    checked += 1
    assert checked > 0


def test_fees_that_change_inside_the_session_take_the_lower_bound(dataset):
    (session,) = dataset.sessions
    pair = dataset.pairs()[0]
    middle = datetime.fromtimestamp(SYN.start_ns // 10**9, UTC) + timedelta(minutes=20)
    change = KalshiFeeChange(middle, "quadratic", Decimal("0.1"))
    later = msgspec.structs.replace(
        pair.markets[0], fees=KalshiFees("quadratic", changes=(change,))
    )
    bounds = _TableCache().get(later, session, pair, Policy())
    cheap = later.fees.at(session.end_ns).floor_per_contract_u(500_000, 5_000_000)
    assert bounds.buy[5_000] == 500_000 + cheap
    dear = later.fees.at(session.start_ns).floor_per_contract_u(500_000, 5_000_000)
    assert dear > cheap


def test_a_pair_given_by_the_caller_is_scanned_with_its_own_fees(dataset):
    free = [
        msgspec.structs.replace(
            p,
            markets=(p.a, msgspec.structs.replace(p.b, fees=PolymarketFees(Decimal(0)))),
        )
        for p in dataset.pairs()
    ]
    charged = scan_dataset(dataset, write=False)
    assert scan_dataset(dataset, pairs=free, write=False).hits > charged.hits
    assert scan_dataset(dataset, pairs=[], write=False).windows == ()
    assert dataset.windows() is None
    scan_dataset(dataset)
    assert dataset.windows()["hits"] == charged.hits


def test_small_slices_say_the_same_as_one(tmp_path, monkeypatch):
    whole = generate_dataset(tmp_path / "whole", SYN)
    expected, quality = scan_dataset(whole, write=False), whole.quality()
    assert any(w.rows > 3 for w in expected.windows)
    monkeypatch.setattr("backtests.data.top._SLICE_GROUPS", 3)
    for info in whole.instruments:  # the same observations in row groups of sixteen
        path = whole.top_path(info.instrument_id)
        pq.write_table(pq.read_table(path), path, row_group_size=16)
    path = whole.top_path(whole.instruments[0].instrument_id)
    assert len(list(slices([TopFile(path)], *whole.span_ns))) > 20
    assert scan_dataset(whole, write=False) == expected
    assert check_dataset(whole) == quality


# -- cutting ----------------------------------------------------------------------------------


def _states(dataset, info) -> dict[int, tuple]:
    """Rebuild the whole book after every message: ts_init -> (ts_event, bids, asks)."""
    book = OrderBook(InstrumentId.from_str(info.instrument_id), BookType.L2_MBP)
    out, group = {}, []
    for delta in dataset.catalog().query(OrderBookDelta, identifiers=[info.instrument_id]):
        group.append(delta)
        if delta.flags & RecordFlag.F_LAST:
            book.apply_deltas(OrderBookDeltas(book.instrument_id, group))
            group = []
            sides = (
                tuple((str(x.price), x.size()) for x in levels)
                for levels in (book.bids(), book.asks())
            )
            out[delta.ts_init] = (delta.ts_event, *sides)
    assert not group
    return out


@pytest.mark.parametrize("gap_ns", [None, 60 * 10**9])
def test_a_cut_dataset_shows_the_same_books_at_the_same_times(dataset, tmp_path, gap_ns):
    scan = scan_dataset(dataset, write=False)
    small = cut_windows(dataset, scan, tmp_path / "w", gap_ns=gap_ns, tail_ns=10**9)
    assert {i.instrument_id for i in small.instruments} == {
        i.instrument_id for i in dataset.instruments
    }
    for full, cut in zip(dataset.instruments, small.instruments, strict=True):
        whole, part = _states(dataset, full), _states(small, cut)
        assert part.items() <= whole.items()
        assert len(part) == cut.observations
        top = read_top(small.top_path(cut.instrument_id))
        assert top.ts_ns.tolist() == sorted(part)
    for window in scan.windows:
        pair = next(p for p in dataset.pairs() if p.pair_id == window.pair_id)
        for market in pair.markets:
            full = read_top(dataset.top_path(market.yes_id)).ts_ns
            kept = read_top(small.top_path(market.yes_id)).ts_ns
            inside = full[(full >= window.start_ns) & (full <= window.end_ns + 10**9)]
            assert np.isin(inside, kept).all()
            before = full[full < window.start_ns]
            assert len(before) == 0 or before[-1] in kept, "the book as it stood at the start"
    assert small.manifest.counts["observations"] < small.manifest.counts["observations_full"]
    assert check_dataset(small)["synthetic"] is True


def test_a_cut_dataset_has_the_same_gate_hits(dataset, tmp_path):
    policy = Policy(close_early=False)
    scan = scan_dataset(dataset, policy=policy, write=False)
    small = cut_windows(dataset, scan, tmp_path / "w")
    (session,) = dataset.sessions
    for pair in dataset.pairs():
        assert _gate_hits(small, pair, session, policy) == _gate_hits(
            dataset, pair, session, policy
        )


def test_a_cut_without_windows_keeps_one_sight_of_each_book(tmp_path):
    src = support.both(tmp_path / "src")
    made = build_dataset(src, tmp_path / "d", accept_recorded=True)
    scan = scan_dataset(made, write=False)
    nothing = msgspec.structs.replace(scan, windows=())
    small = cut_windows(made, nothing, tmp_path / "w")
    assert [i.observations for i in small.instruments] == [1] * 5
    assert [s.observations for s in small.sessions] == [2, 3]
    assert open_dataset(tmp_path / "w").pairs() == made.pairs()


def test_snapshots_rebuild_in_the_middle_of_a_file(dataset):
    info = dataset.instruments[0]
    columns = read_deltas(pq.read_table(catalog_files(dataset, info.instrument_id)[0]))
    ends = np.flatnonzero(columns.flags & 128)
    states = _states(dataset, info)
    for end in ends[:: len(ends) // 20]:
        rebuilt = book_at(columns, int(end) + 1)
        ts = int(columns.ts_init[end])
        bids = rebuilt.price[(rebuilt.side == 1) & (rebuilt.action == 1)]
        assert [f"{p / 10_000:.4f}" for p in bids] == [p for p, _ in states[ts][1]]
        assert set(rebuilt.ts_init.tolist()) == {ts}


@pytest.mark.data
def test_the_recordings_hold_windows_where_they_should(recordings, tmp_path):
    made = build_dataset(recordings / "public/quotes", tmp_path / "d", accept_recorded=True)
    policy = Policy(close_early=False)
    scan = scan_dataset(made, policy=policy)
    sessions = {w.session for w in scan.windows}
    assert sessions == {"WC26-R16-PY-FR-20260704"}, "after fees the NBA sample holds no box"
    for session in made.sessions:
        for pair in made.pairs():
            if pair.session == session.name:
                hits = _gate_hits(made, pair, session, policy)
                mine = [w for w in scan.windows if w.pair_id == pair.pair_id]
                assert sum(w.rows for w in mine) == len(hits)


def test_a_pair_whose_yes_is_the_markets_no_is_scanned_in_its_own_frame(tmp_path):
    src = support.both(tmp_path / "src")
    made = build_dataset(src, tmp_path / "d", accept_recorded=True)
    pair = next(p for p in made.pairs() if p.pair_id == TICKER)
    turned = msgspec.structs.replace(
        pair, markets=(pair.a, msgspec.structs.replace(pair.b, inverse=True))
    )
    view = pair_view(made, turned.b, made.sessions[0])
    straight = read_top(made.top_path(f"{TOKEN}.POLYMARKET"))
    assert view.bid.tolist() == (10_000 - straight.ask).tolist()
    assert view.ask_size.tolist() == straight.bid_size.tolist()
    assert replace(view).ts_ns.tolist() == straight.ts_ns.tolist()
    # YES at 0.364 and the other venue's NO-frame bid at 0.635: a box far below a dollar
    assert scan_dataset(made, pairs=[turned], write=False).hits > 0
