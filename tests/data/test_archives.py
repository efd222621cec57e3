"""Archive hours: golden traces, the rules of rebuilding, health, coverage, the dataset."""

from __future__ import annotations

import json
import re
from collections import Counter
from datetime import timedelta
from decimal import Decimal

import msgspec
import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nautilus_trader.model.book import OrderBook
from nautilus_trader.model.data import OrderBookDelta, OrderBookDeltas
from nautilus_trader.model.enums import BookType
from nautilus_trader.model.identifiers import InstrumentId

from backtests.data import DataError
from backtests.data.archives.books import ArchiveBook, State, kalshi_asks
from backtests.data.archives.events import Change, Lost, Snapshot
from backtests.data.archives.files import Archive, defect, hour_ns, parse_hour, polymarket_archive
from backtests.data.archives.health import Verdict, examine
from backtests.data.archives.kalshi import read_kalshi
from backtests.data.archives.load import load_archives
from backtests.data.archives.polymarket import read_polymarket
from backtests.data.archives.rebuild import MarketReplay
from backtests.data.archives.settings import ArchiveSettings
from backtests.data.deltas import SIDE_BUY, SIDE_SELL
from backtests.data.top import read_top
from core.contracts import Venue
from core.recorded import parse_recorded
from tests.data import archive_support as a
from tests.data.archive_support import HOUR, SECOND, TICKER, TOKEN, T
from tests.data.support import pair_entry

K_YES = [("0.4600", "1200.000000"), ("0.4700", "35.000000")]
K_NO = [("0.5000", "40.000000"), ("0.5200", "900.000000")]
P_BIDS, P_ASKS = [("0.47", "300"), ("0.48", "11")], [("0.55", "70"), ("0.52", "9")]


def _tops(events) -> list[tuple[str, str, str, str]]:
    """Bid, size, ask, size after each message, in dollars and contracts."""
    out = []
    for message in MarketReplay().feed(events):
        bid, ask, bid_size, ask_size = message.top
        text = (bid / 10_000, bid_size / 100, ask / 10_000, ask_size / 100)
        out.append(tuple(f"{x:g}" for x in text))
    return out


# -- golden traces ----------------------------------------------------------------------------


def test_golden_trace_kalshi(tmp_path):
    received = T + SECOND
    rows = [
        a.k_delta(T, "yes", "0.1000", "1.000000", ticker=a.OTHER_TICKER, received=received),
        a.k_snapshot(received, K_YES, K_NO),
        a.k_delta(T + 2 * SECOND, "yes", "0.4700", "-35.000000"),
        a.k_delta(T + 3 * SECOND, "no", "0.5250", "10.500000"),
        a.k_delta(T + 4 * SECOND, "no", "0.5200", "-900.000000"),
        a.k_delta(T + 5 * SECOND, "no", "0.5200", "25.000000"),
    ]
    path = a.kalshi_hour(tmp_path, HOUR, rows)
    events = read_kalshi(path, [TICKER]).events[TICKER]
    assert _tops(events) == [
        ("0.47", "35", "0.48", "900"),
        ("0.46", "1200", "0.48", "900"),
        ("0.46", "1200", "0.475", "10.5"),
        ("0.46", "1200", "0.475", "10.5"),
        ("0.46", "1200", "0.475", "10.5"),
    ]


@pytest.mark.parametrize("schema", [a.V2, a.V2_OLD], ids=["json text", "typed lists"])
def test_golden_trace_polymarket_v2(tmp_path, schema):
    rows = [
        a.p_book(T, P_BIDS, P_ASKS),
        a.p_change(T + SECOND, "BUY", "0.49", "13.5", ("0.49", "0.52")),
        a.p_change(T + 2 * SECOND, "SELL", "0.52", "0", ("0.49", "0.55")),
        a.p_change(T + 3 * SECOND, "BUY", "0.49", "0", ("0.48", "0.55")),
    ]
    path = a.v2_hour(tmp_path, HOUR, rows, schema)
    events = read_polymarket(path, Archive.POLYMARKET_V2, [TOKEN]).events[TOKEN]
    assert _tops(events) == GOLDEN_POLYMARKET


GOLDEN_POLYMARKET = [
    ("0.48", "11", "0.52", "9"),
    ("0.49", "13.5", "0.52", "9"),
    ("0.49", "13.5", "0.55", "70"),
    ("0.48", "11", "0.55", "70"),
]


def test_golden_trace_polymarket_v1(tmp_path):
    def change(at, side, price, size, bid, ask):
        data = {"change_price": price, "change_size": size, "change_side": side}
        return a.v1_row(at, "price_change", **data, best_bid=bid, best_ask=ask)

    rows = [
        a.v1_row(T, "book_snapshot", best_bid="0.48", best_ask="0.52", bids=P_BIDS, asks=P_ASKS),
        change(T + SECOND, "BUY", "0.49", "13.5", "0.49", "0.52"),
        change(T + 2 * SECOND, "SELL", "0.52", "0", "0.49", "0.55"),
        change(T + 3 * SECOND, "BUY", "0.49", "0", "0.48", "0.55"),
        a.v1_row(T, "book_snapshot", token=a.OTHER_TOKEN, bids=[], asks=[]),
    ]
    path = a.write(tmp_path, Archive.POLYMARKET_V1, HOUR, rows, a.V1)
    read = read_polymarket(path, Archive.POLYMARKET_V1, [TOKEN])
    assert _tops(read.events[TOKEN]) == GOLDEN_POLYMARKET
    assert read.counts[TOKEN] == {"book_snapshot": 1, "price_change": 3}
    assert read.events[TOKEN][0].ts_ns == T


# -- rules ------------------------------------------------------------------------------------


def test_struct_children_named_1_and_2_are_prices_and_sizes(tmp_path):
    received = T + SECOND
    rows = [a.k_delta(T, "yes", "0.1", "1", received=received), a.k_snapshot(received, K_YES, [])]
    path = a.kalshi_hour(tmp_path, HOUR, rows)
    snapshot = read_kalshi(path, [TICKER]).events[TICKER][-1]
    assert snapshot.bids == {4600: 1_200_000_000, 4700: 35_000_000}
    assert snapshot.asks == {}


def test_kalshi_snapshot_is_placed_by_the_deltas_of_its_flush(tmp_path):
    flush = T + 9 * SECOND
    rows = [
        a.k_snapshot(flush, K_YES, K_NO),
        a.k_delta(T + 3 * SECOND, "yes", "0.1", "1", ticker=a.OTHER_TICKER, received=flush),
        a.k_delta(T + 4 * SECOND, "yes", "0.1", "1", ticker=a.OTHER_TICKER, received=flush),
        a.k_snapshot(T + 20 * SECOND, K_YES, K_NO),
    ]
    read = read_kalshi(a.kalshi_hour(tmp_path, HOUR, rows), [TICKER])
    placed = [(e.ts_ns - T, e.probe) for e in read.events[TICKER]]
    assert placed == [(3 * SECOND, True), (4 * SECOND, False)]
    assert read.counts[TICKER]["snapshots_without_clock"] == 1


def test_kalshi_rows_are_ordered_by_exchange_time_not_by_flush(tmp_path):
    rows = [
        a.k_delta(T + 5 * SECOND, "yes", "0.50", "1", received=T + 6 * SECOND),
        a.k_delta(T + 1 * SECOND, "yes", "0.50", "7", received=T + 6 * SECOND),
        a.k_delta(T + 1 * SECOND, "yes", "0.51", "8", received=T + 9 * SECOND),
    ]
    read = read_kalshi(a.kalshi_hour(tmp_path, HOUR, rows), [TICKER])
    assert [(e.ts_ns - T, e.size) for e in read.events[TICKER]] == [
        (SECOND, 7_000_000),
        (SECOND, 8_000_000),
        (5 * SECOND, 1_000_000),
    ]


def _seed(ts=T, bids=None, asks=None, **more):
    return Snapshot(ts, 0, bids or {4000: 5_000_000}, asks or {6000: 5_000_000}, **more)


def _signed(ts, side, price, size, row=1):
    return Change(ts, row, side, price, size, signed=True)


def test_changes_before_a_snapshot_are_ignored():
    replay = MarketReplay()
    assert replay.feed([_signed(T, SIDE_BUY, 4000, 1_000_000)]) == []
    assert replay.counts == {"ignored_unseeded": 1}


def test_a_negative_level_makes_the_book_dirty_until_the_next_snapshot():
    replay = MarketReplay()
    events = [
        _seed(),
        _signed(T + 1, SIDE_BUY, 4000, -6_000_000),
        _signed(T + 2, SIDE_BUY, 4000, 1_000_000),
        _seed(T + 3),
    ]
    messages = replay.feed(events)
    assert [m.top[:2] for m in messages] == [(4000, 6000), (0, 10_000), (4000, 6000)]
    assert [m.whole for m in messages] == [True, True, True]
    assert replay.counts["negative_levels"] == 1
    assert replay.counts["ignored_dirty"] == 1
    assert replay.counts["seeds"] == 2
    assert replay.reproduced_share is None


def test_a_crossed_book_is_refused_not_repaired():
    replay = MarketReplay()
    messages = replay.feed([_seed(), _signed(T + 1, SIDE_BUY, 6000, 1_000_000)])
    assert messages[-1].top == (0, 10_000, 0, 0)
    assert replay.book.state is State.DIRTY
    assert replay.counts["crossed_states"] == 1
    crossed = MarketReplay()
    crossed.feed([_seed(bids={6500: 10_000_000})])
    assert crossed.counts["crossed_snapshots"] == 1
    assert crossed.current(T) is None


def test_a_gap_drops_the_state_and_waits_for_a_snapshot():
    replay = MarketReplay()
    events = [_seed(), Lost(T + 1, -1), _signed(T + 2, SIDE_BUY, 4000, 1_000_000), _seed(T + 3)]
    assert [m.top[:2] for m in replay.feed(events)] == [(4000, 6000), (0, 10_000), (4000, 6000)]
    assert replay.counts["hours_lost"] == 1
    assert replay.feed([Lost(T + 9, -1), Lost(T + 10, -1)])[0].top[:2] == (0, 10_000)
    assert replay.counts["hours_lost"] == 2, "a book that is not live cannot be lost again"


def test_best_prices_are_compared_after_the_last_change_of_one_time():
    def put(ts, side, price, size, bid, ask):
        return Change(ts, 1, side, price, size, False, bid, ask)

    replay = MarketReplay()
    good = [
        _seed(),
        # both rows state the best prices after the second
        put(T + 1, SIDE_BUY, 4000, 0, 3900, 6100),
        put(T + 1, SIDE_BUY, 3900, 2_000_000, 3900, 6100),
        put(T + 1, SIDE_SELL, 6000, 0, 3900, 6100),
        put(T + 1, SIDE_SELL, 6100, 3_000_000, 3900, 6100),
    ]
    messages = replay.feed(good)
    assert len(messages) == 2, "one message for one batch"
    assert messages[1].top == (3900, 6100, 200, 300)
    assert replay.feed([put(T + 2, SIDE_BUY, 3800, 1_000_000, 4500, 6100)])[0].top[:2] == (
        0,
        10_000,
    )
    assert replay.counts["resyncs"] == 1
    empty = MarketReplay()
    empty.feed([_seed(), put(T + 1, SIDE_BUY, 4000, 0, 0, 6000)])
    assert empty.counts["resyncs"] == 0, "a stated best bid of 0 is an empty side"


def test_healthy_files_reseed_degraded_files_only_compare():
    later = _seed(T + 5, bids={4100: 5_000_000})
    healthy, degraded = MarketReplay(), MarketReplay(reseed=False)
    healthy.feed([_seed(), later])
    degraded.feed([_seed(), later])
    assert healthy.book.bids == {4100: 5_000_000}
    assert degraded.book.bids == {4000: 5_000_000}
    for replay in (healthy, degraded):
        assert replay.counts["snapshots_compared"] == 1
        assert replay.reproduced_share == 0.0
    degraded.feed([_seed(T + 6)])
    assert degraded.reproduced_share == 0.5


def test_a_snapshot_counts_as_reproduced_at_either_end_of_its_bracket():
    replay = MarketReplay()
    shown = {"bids": {4000: 5_000_000}, "asks": {6000: 5_000_000}}
    replay.feed(
        [
            _seed(),
            Snapshot(T + 5, 9, shown["bids"], shown["asks"], probe=True),
            _signed(T + 6, SIDE_BUY, 4000, 1_000_000),
            Snapshot(T + 7, 9, shown["bids"], shown["asks"]),
        ]
    )
    assert replay.reproduced_share == 1.0


def test_an_update_below_the_catalogs_precision_still_refreshes_the_book():
    replay = MarketReplay()
    replay.feed([_seed()])
    (message,) = replay.feed([_signed(T + 1, SIDE_BUY, 3000, 9_999)])
    assert len(message.rows) == 1
    assert message.top == (4000, 6000, 500, 500)


levels = st.dictionaries(st.integers(1, 4999), st.integers(1, 5_000_000), max_size=5)


@given(
    levels,
    levels,
    st.lists(
        st.tuples(st.booleans(), st.integers(1, 4999), st.integers(0, 5_000_000)), max_size=25
    ),
)
@settings(max_examples=60, deadline=None)
def test_messages_rebuild_the_same_book_in_nautilus(bids, no_bids, puts):
    replay = MarketReplay()
    iid = InstrumentId.from_str("X-YES.KALSHI")
    book = OrderBook(iid, BookType.L2_MBP)
    events = [Snapshot(T, 0, bids, kalshi_asks(no_bids))]
    for i, (bid, price, size) in enumerate(puts, start=1):
        side, at = (SIDE_BUY, price) if bid else (SIDE_SELL, 10_000 - price)
        events.append(Change(T + i, i, side, at, size, signed=False))
    for message in replay.feed(events):
        book.apply_deltas(OrderBookDeltas(iid, _nautilus(iid, message)))
        best = (book.best_bid_price().as_decimal(), book.best_ask_price().as_decimal())
        assert best == (Decimal(message.top[0]) / 10_000, Decimal(message.top[1]) / 10_000)


def _nautilus(iid, message):
    from nautilus_trader.model.data import BookOrder
    from nautilus_trader.model.enums import BookAction, OrderSide
    from nautilus_trader.model.objects import Price, Quantity

    out = []
    for i, row in enumerate(message.rows):
        order = None
        if row.side:
            price, size = (
                Price(Decimal(row.price) / 10_000, 4),
                Quantity(Decimal(row.size) / 100, 2),
            )
            order = BookOrder(OrderSide(row.side), price, size, 0)
        flags = 128 if i == len(message.rows) - 1 else 0
        out.append(OrderBookDelta(iid, BookAction(row.action), order, flags, 0, 0, 0))
    return out


# -- rows that cannot be used -----------------------------------------------------------------


def test_every_skipped_row_is_counted_by_reason(tmp_path):
    rows = [
        a.p_book(T, [("0.47", "300"), ("0.47555", "1"), ("0.4", "x")], P_ASKS),
        a.p_change(T + SECOND, "BUY", "0.4900", "13.5", ("0.49", "0.52")),
        a.p_change(T + SECOND, "BUY", "0.4900", "-1", ("0.49", "0.52")),
        a.p_row(T + SECOND, "price_change", side="BUY"),
        a.p_row(T + SECOND, "tick_size_change", old_tick_size=Decimal("0.01")),
        a.p_row(T + SECOND, "mystery"),
        *[
            a.p_row(T + SECOND, "last_trade_price", price=Decimal("0.5"), transaction_hash="0xa")
            for _ in range(3)
        ],
        a.p_row(T + SECOND, "book", bids="{broken", asks="[]"),
        a.p_book(T + 2 * SECOND, [], []),
    ]
    del rows[1]["side"]
    rows[1]["side"] = ""
    read = read_polymarket(a.v2_hour(tmp_path, HOUR, rows), Archive.POLYMARKET_V2, [TOKEN])
    counts = read.counts[TOKEN]
    expected = {
        "skipped_price": 1,
        "skipped_size": 1,
        "skipped_null": 2,
        "negative_levels": 1,
        "skipped_type": 1,
        "skipped_book": 1,
        "duplicate_trades": 2,
        "books_empty": 1,
        "tick_size_change": 1,
        "book": 3,
    }
    assert {k: counts[k] for k in expected} == expected
    assert [type(e).__name__ for e in read.events[TOKEN]] == ["Snapshot", "Snapshot"]


def test_files_of_another_schema_are_refused(tmp_path):
    path = a.kalshi_hour(tmp_path, HOUR, a.quiet_kalshi(T))
    with pytest.raises(DataError, match="no such column"):
        read_polymarket(path, Archive.POLYMARKET_V2, [TOKEN])
    v2 = a.v2_hour(tmp_path, HOUR, a.quiet_polymarket(T))
    with pytest.raises(DataError, match="no such column"):
        read_kalshi(v2, [TICKER])
    assert examine(v2, Archive.POLYMARKET_V1).verdict is Verdict.REJECT


def test_prices_that_went_through_a_float_are_refused(tmp_path):
    kalshi = a.kalshi_hour(tmp_path, HOUR, a.quiet_kalshi(T))
    v2 = a.v2_hour(tmp_path, HOUR, a.quiet_polymarket(T))
    for path, column in ((kalshi, "delta"), (v2, "best_bid")):
        table = pq.read_table(path)
        at = table.schema.get_field_index(column)
        floats = table[column].cast("double")
        pq.write_table(table.set_column(at, column, floats), path)
    with pytest.raises(DataError, match=r"delta: found type double; allowed: decimal numbers"):
        read_kalshi(kalshi, [TICKER])
    with pytest.raises(DataError, match="best_bid: found type double"):
        read_polymarket(v2, Archive.POLYMARKET_V2, [TOKEN])


# -- health -----------------------------------------------------------------------------------


def test_health_accepts_a_sound_hour_with_numbers(tmp_path):
    health = examine(a.kalshi_hour(tmp_path, HOUR, a.quiet_kalshi(T)), Archive.KALSHI)
    assert health.verdict is Verdict.ACCEPT
    assert (health.lag_p50_ms, health.lag_p99_ms, health.lag_max_ms) == (400, 400, 400)
    assert health.rows == {"orderbook_delta": 61}
    assert (health.first_ns, health.last_ns) == (T, T + 3600 * SECOND - 1_000_000)


def test_health_of_a_late_and_short_file_is_degraded(tmp_path):
    rows = [
        a.k_delta(T + i * 30 * SECOND, "yes", "0.1", "1", received=T + i * 30 * SECOND + 10**12)
        for i in range(60)
    ]
    health = examine(a.kalshi_hour(tmp_path, HOUR, rows), Archive.KALSHI)
    assert health.verdict is Verdict.DEGRADED
    assert "median lag 1000000 ms" in health.why
    assert "covers 29.5 minutes" in health.why


def test_health_counts_snapshots_and_rejects_a_file_without_a_clock(tmp_path):
    many = a.quiet_kalshi(T) + [a.k_snapshot(T + SECOND, K_YES, K_NO) for _ in range(20)]
    health = examine(a.kalshi_hour(tmp_path, HOUR, many), Archive.KALSHI)
    assert health.verdict is Verdict.DEGRADED
    assert "snapshots 25%" in health.why
    only = [a.k_snapshot(T + SECOND, K_YES, K_NO)]
    health = examine(a.kalshi_hour(tmp_path, HOUR, only), Archive.KALSHI)
    assert (health.verdict, health.rows) == (Verdict.REJECT, {"orderbook_snapshot": 1})


def test_files_that_are_no_hours(tmp_path):
    path = tmp_path / "x.parquet"
    assert defect(path) == "missing"
    path.write_bytes(b"<!doctype html><html>")
    assert "error page" in defect(path)
    good = a.kalshi_hour(tmp_path, HOUR, a.quiet_kalshi(T)).read_bytes()
    path.write_bytes(good[:-100])
    assert defect(path).startswith("truncated at")
    pq.write_table(a.KALSHI.empty_table(), path)
    assert defect(path) == "placeholder with 0 rows"
    assert examine(path, Archive.KALSHI).verdict is Verdict.MISSING


def test_hours_route_to_the_generation_that_holds_them():
    assert polymarket_archive(parse_hour("2026-04-13T18")) is Archive.POLYMARKET_V1
    assert polymarket_archive(parse_hour("2026-04-13T19")) is Archive.POLYMARKET_V2
    with pytest.raises(DataError, match="2026-06-01T12"):
        parse_hour("2026-06-01 12")


# -- the whole way ----------------------------------------------------------------------------

PAIR = parse_recorded(
    json.dumps([pair_entry(pair_id="NYY", kalshi_ticker=TICKER, polymarket_token_yes=TOKEN)]),
    accept=True,
)
NO_SUCH = pair_entry(pair_id="GHOST", kalshi_ticker="KXNONE", polymarket_token_yes="7" * 77)
SETTINGS = ArchiveSettings(first=HOUR, last=HOUR, seed_hours=1, heartbeat_s=0)


def _mirror(root, *, skip=()):
    """Three hours: the books are seeded in the first, move in the second (the window)."""
    for i in range(-1, 2):
        hour = HOUR + timedelta(hours=i)
        t = hour_ns(hour)
        kalshi, poly = a.quiet_kalshi(t), a.quiet_polymarket(t)
        if i == -1:
            kalshi.append(a.k_snapshot(t + 400_000_000, K_YES, K_NO))
            poly.append(a.p_book(t + 5 * SECOND, P_BIDS, P_ASKS))
        if i == 0:
            flush = t + 30 * 60 * SECOND + 400_000_000
            kalshi.append(a.k_delta(t + 60 * SECOND, "no", "0.5250", "10.500000"))
            kalshi.append(a.k_snapshot(flush, K_YES, [*K_NO, ("0.5250", "10.500000")]))
            poly.append(a.p_change(t + 90 * SECOND, "BUY", "0.49", "13.5", ("0.49", "0.52")))
            poly.append(a.p_change(t + 91 * SECOND, "SELL", "0.52", "8.999", ("0.49", "0.52")))
        if i == 1:  # flushed in the next hour, said in this one
            late = a.k_delta(t - 2 * SECOND, "yes", "0.4650", "4", received=t + SECOND)
            kalshi.append(late)
        if (i, "k") not in skip:
            a.kalshi_hour(root, hour, kalshi)
        if (i, "p") not in skip:
            a.v2_hour(root, hour, poly)
    return root


def test_hours_become_a_dataset(tmp_path):
    seen = []
    made = load_archives(
        _mirror(tmp_path / "m"),
        PAIR,
        tmp_path / "d",
        SETTINGS,
        progress=lambda done, total, name: seen.append((done, total)),
    )
    assert seen[-1] == (6, 6)
    kalshi = read_top(made.top_path(f"{TICKER}-YES.KALSHI"))
    poly = read_top(made.top_path(f"{TOKEN}.POLYMARKET"))
    # the seeded book at its own last time, the delta, the re-seed, the late row of the next file
    assert (kalshi.bid.tolist(), kalshi.ask.tolist()) == ([4700] * 4, [4800, 4750, 4750, 4750])
    assert kalshi.ts_ns.tolist()[:2] == [T, T + 60 * SECOND + 50_000_000]
    assert kalshi.ts_ns[3] == T + 3598 * SECOND + 50_000_000
    assert (poly.bid.tolist(), poly.ask_size.tolist()) == ([4800, 4900, 4900], [900, 900, 899])
    deltas = made.catalog().query(OrderBookDelta, identifiers=[f"{TICKER}-YES.KALSHI"])
    # changed an hour before, seen unchanged at the window's start
    assert deltas[0].ts_event == T - 3600 * SECOND
    assert made.span_ns[0] == T
    assert deltas[-1].ts_event == T + 3598 * SECOND
    assert deltas[-1].ts_init == deltas[-1].ts_event + 50_000_000
    session = made.sessions[0]
    assert (session.kind, session.name) == ("archive", "PMXT-2026-06-01T12-2026-06-01T12")
    assert not made.synthetic
    coverage = json.loads((made.path / "coverage.json").read_text())
    assert coverage["files_by_verdict"] == {"accept": 6}
    market = coverage["markets"][f"{TICKER}-YES.KALSHI"]
    assert (market["snapshots_reproduced"], market["snapshots_compared"]) == (1, 1)
    assert market["reproduced_share"] == 1.0
    assert "CC BY 4.0" in coverage["attribution"]
    assert coverage["pairs_dropped"] == {}
    assert (
        next(s.name for s in made.manifest.sources)
        == "kalshi/kalshi_orderbook_2026-06-01T11.parquet"
    )


def test_the_no_token_is_a_check_on_the_yes_book(tmp_path):
    (pair,) = PAIR
    known = msgspec.structs.replace(
        pair, markets=(pair.a, msgspec.structs.replace(pair.b, no="7" * 76))
    )
    mirror = _mirror(tmp_path / "m")
    turned = {"47": "53", "48": "52", "55": "45", "52": "48"}
    for i, wrong in ((-1, False), (0, True)):
        hour = HOUR + timedelta(hours=i)
        t = hour_ns(hour)
        rows = a.quiet_polymarket(t)
        rows.append(a.p_book(t + 5 * SECOND, P_BIDS, P_ASKS))
        bids = [(f"0.{turned[p[2:]]}", s) for p, s in P_ASKS]
        asks = [(f"0.{turned[p[2:]]}", s) for p, s in P_BIDS]
        if wrong:
            bids = bids[:1]
        rows.append(a.p_book(t + 6 * SECOND, bids, asks, token="7" * 76))
        a.v2_hour(mirror, hour, rows)
    made = load_archives(mirror, (known,), tmp_path / "d", SETTINGS)
    market = json.loads((made.path / "coverage.json").read_text())["markets"][f"{TOKEN}.POLYMARKET"]
    assert market["rows"]["mirror_compared"] == 3
    assert market["rows"]["mirror_agreed"] == 1, "the second and third hour differ"
    assert f"{'7' * 76}.POLYMARKET" in {i.id.value for i in made.catalog().instruments()}


def test_a_missing_hour_closes_the_book_it_does_not_freeze_it(tmp_path):
    mirror = _mirror(tmp_path / "m", skip={(0, "p")})
    made = load_archives(mirror, PAIR, tmp_path / "d", SETTINGS)
    poly = read_top(made.top_path(f"{TOKEN}.POLYMARKET"))
    assert (poly.bid.tolist(), poly.ask.tolist()) == ([4800, 0], [5200, 10_000])
    assert poly.ts_ns[1] == T + 50_000_000
    coverage = json.loads((made.path / "coverage.json").read_text())
    assert coverage["files_by_verdict"] == {"accept": 5, "missing": 1}
    assert coverage["markets"][f"{TOKEN}.POLYMARKET"]["rows"]["hours_lost"] == 1


def test_a_degraded_file_is_skipped_unless_asked_for(tmp_path):
    mirror = _mirror(tmp_path / "m")
    short = [r for r in a.quiet_kalshi(T) if r["timestamp"] * 1000 < T + 1200 * SECOND]
    short.append(a.k_delta(T + 60 * SECOND, "no", "0.5250", "10.500000"))
    a.kalshi_hour(mirror, HOUR, short)
    made = load_archives(mirror, PAIR, tmp_path / "skipped", SETTINGS)
    assert read_top(made.top_path(f"{TICKER}-YES.KALSHI")).ask.tolist() == [4800, 10_000]
    used = msgspec.structs.replace(SETTINGS, use_degraded=True)
    made = load_archives(mirror, PAIR, tmp_path / "used", used)
    assert read_top(made.top_path(f"{TICKER}-YES.KALSHI")).ask.tolist() == [4800, 4750, 4750]
    files = json.loads((made.path / "coverage.json").read_text())["files"]
    verdicts = Counter(f["verdict"] for f in files)
    assert verdicts == {"accept": 5, "degraded": 1}


def test_pairs_without_a_book_are_left_out_and_named(tmp_path):
    mirror = _mirror(tmp_path / "m")
    ghost = parse_recorded(
        json.dumps(
            [pair_entry(pair_id="GHOST", kalshi_ticker="KXNONE", polymarket_token_yes="7" * 77)]
        ),
        accept=True,
    )
    made = load_archives(mirror, (*PAIR, *ghost), tmp_path / "d", SETTINGS)
    assert [p.pair_id for p in made.pairs()] == ["NYY"]
    coverage = json.loads((made.path / "coverage.json").read_text())
    assert coverage["pairs_dropped"] == {"GHOST": "KXNONE-YES.KALSHI has no book in the window"}
    with pytest.raises(DataError, match=r"no pair with both books.*GHOST"):
        load_archives(mirror, ghost, tmp_path / "e", SETTINGS)
    with pytest.raises(DataError, match="no such folder"):
        load_archives(tmp_path / "nowhere", PAIR, tmp_path / "f", SETTINGS)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["d", "m"]


def test_a_pair_that_does_not_reproduce_its_snapshots_can_be_left_out(tmp_path):
    mirror = _mirror(tmp_path / "m")
    rows = a.quiet_kalshi(T)
    rows.append(a.k_snapshot(T + 30 * 60 * SECOND + 400_000_000, K_YES, [("0.5100", "1")]))
    a.kalshi_hour(mirror, HOUR, rows)
    strict = ArchiveSettings(first=HOUR, last=HOUR, seed_hours=1, reproduced_min=0.9)
    with pytest.raises(DataError, match="reproduced 0% of its later snapshots"):
        load_archives(mirror, PAIR, tmp_path / "d", strict)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"last": HOUR - timedelta(hours=1)}, "last: found"),
        ({"seed_hours": 99}, "seed_hours: found 99; allowed: 0 to 48"),
        ({"reproduced_min": 1.5}, "reproduced_min: found 1.5; allowed: 0 to 1"),
        ({"delay_ms": {Venue.KALSHI: -1}}, "delay_ms.KALSHI: found -1; allowed: 0 to 60000"),
    ],
)
def test_settings_say_their_bounds(change, text):
    with pytest.raises(ValueError, match=re.escape(text)):
        ArchiveSettings(**({"first": HOUR, "last": HOUR} | change))


def test_a_quiet_book_is_seen_again_while_its_venue_speaks(tmp_path):
    beating = msgspec.structs.replace(SETTINGS, heartbeat_s=10)
    mirror = _mirror(tmp_path / "m")
    made = load_archives(mirror, PAIR, tmp_path / "d", beating)
    plain = load_archives(mirror, PAIR, tmp_path / "e", SETTINGS)
    name = f"{TICKER}-YES.KALSHI"
    seen, said = (read_top(d.top_path(name)) for d in (made, plain))
    assert set(said.ts_ns.tolist()) <= set(seen.ts_ns.tolist())
    extra = np.setdiff1d(seen.ts_ns, said.ts_ns) - 50_000_000
    # the background market says something once a minute: only those seconds prove the feed
    assert len(extra) == 57
    assert set((extra - T) // SECOND % 60) == {0}
    book = {int(t): (b, x) for t, b, x in zip(seen.ts_ns, seen.bid, seen.ask, strict=True)}
    assert {book[int(t) + 50_000_000] for t in extra} == {(4700, 4750)}
    deltas = made.catalog().query(OrderBookDelta, identifiers=[name])
    beat = [d for d in deltas if d.ts_init == int(extra[0]) + 50_000_000]
    assert [(str(d.order.price), d.action.name) for d in beat] == [("0.0000", "UPDATE")]
    assert beat[0].ts_event == T + 60 * SECOND, "the venue's time of the last change"
    states = OrderBook(InstrumentId.from_str(name), BookType.L2_MBP)
    for group in OrderBookDeltas.batch(deltas):
        states.apply_deltas(group)
    assert (str(states.best_bid_price()), str(states.best_ask_price())) == ("0.4700", "0.4750")


def test_a_book_that_is_lost_has_no_heartbeat(tmp_path):
    mirror = _mirror(tmp_path / "m", skip={(0, "p")})
    beating = msgspec.structs.replace(SETTINGS, heartbeat_s=10)
    made = load_archives(mirror, PAIR, tmp_path / "d", beating)
    assert len(read_top(made.top_path(f"{TOKEN}.POLYMARKET"))) == 2


def test_a_delay_shifts_receipt_not_the_venues_time(tmp_path):
    slow = msgspec.structs.replace(SETTINGS, delay_ms={Venue.KALSHI: 200, Venue.POLYMARKET: 0})
    made = load_archives(_mirror(tmp_path / "m"), PAIR, tmp_path / "d", slow)
    for name, delay_ns in ((f"{TICKER}-YES.KALSHI", 200_000_000), (f"{TOKEN}.POLYMARKET", 0)):
        for delta in made.catalog().query(OrderBookDelta, identifiers=[name]):
            if delta.ts_event >= T:
                assert delta.ts_init - delta.ts_event == delay_ns


def test_the_same_hours_twice_are_the_same_book():
    book = ArchiveBook()
    first = book.replace({4000: 5_000_000}, {6000: 1})
    assert first == book.snapshot()
    assert book.top() == (4000, 10_000, 500, 0), "a level below 0.01 contract is no level"
