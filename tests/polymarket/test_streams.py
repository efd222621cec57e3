"""The stream protocols: real frames, every venue rule, and garbage."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.common.errors import ProtocolError
from adapters.polymarket.book_hash import BookTerms, Level, book_hash
from adapters.polymarket.fills import TradeRecord, TradeStatus
from adapters.polymarket.protocol import (
    BookChange,
    BookLost,
    BookSnapshot,
    MarketProtocol,
    NewMarket,
    PublicTrade,
    Refetch,
    Resolved,
    Text,
    TickChange,
)
from adapters.polymarket.schemas.clob import Book
from adapters.polymarket.schemas.ws import WireLevel
from adapters.polymarket.user import OrderRecord, OrderState, order_state, receive_user

D = Decimal
MARKET = "0x2aae" + "0" * 60
YES, NO = "4011", "5872"
TERMS = BookTerms(MARKET, "5", "0.01", False)
QUIET = 10**9


class Venue:
    """Prints true frames of one token's book: hashes, batches, best prices."""

    def __init__(self, last: str = "") -> None:
        self.bids: dict[Decimal, str] = {D("0.49"): "375", D("0.50"): "135.2"}
        self.asks: dict[Decimal, str] = {D("0.52"): "627.09", D("0.51"): "326.43"}
        self.last = last
        self.ts = 1790767298635

    def levels(self) -> tuple[list[dict[str, str]], list[dict[str, str]]]:
        def text(price: Decimal) -> str:
            return f"{price.normalize():f}"

        bids = [{"price": text(p), "size": self.bids[p]} for p in sorted(self.bids)]
        asks = [{"price": text(p), "size": self.asks[p]} for p in sorted(self.asks, reverse=True)]
        return bids, asks

    def digest(self) -> str:
        bids, asks = self.levels()
        return book_hash(
            TERMS,
            asset_id=YES,
            timestamp=str(self.ts),
            bids=[Level(**x) for x in bids],
            asks=[Level(**x) for x in asks],
            last_trade_price=self.last,
        )

    def book(self, *, first: bool = True) -> bytes:
        bids, asks = self.levels()
        frame: dict[str, Any] = {
            "market": MARKET, "asset_id": YES, "timestamp": str(self.ts), "hash": self.digest(),
            "bids": bids, "asks": asks, "event_type": "book",
        }  # fmt: skip
        if first:
            frame |= {"tick_size": "0.01", "last_trade_price": self.last}
        return json.dumps([frame] if first else frame).encode() + b"\n"

    def rest(self) -> Book:
        bids, asks = self.levels()
        return Book(
            market=MARKET, asset_id=YES, timestamp=str(self.ts),
            bids=[WireLevel(**x) for x in bids], asks=[WireLevel(**x) for x in asks],
            hash=self.digest(), min_order_size="5", tick_size="0.01", neg_risk=False,
            last_trade_price=self.last,
        )  # fmt: skip

    def change(self, *changes: tuple[str, str, str], **edits: Any) -> list[bytes]:
        """Apply a client batch and print it: several frames, one timestamp, one hash."""
        self.ts += 7
        for side, price, size in changes:
            levels = self.bids if side == "BUY" else self.asks
            if D(size) == 0:
                levels.pop(D(price), None)
            else:
                levels[D(price)] = size
        best_bid = f"{max(self.bids).normalize():f}" if self.bids else "0"
        best_ask = f"{min(self.asks).normalize():f}" if self.asks else "1"
        common = {"hash": self.digest(), "best_bid": best_bid, "best_ask": best_ask} | edits
        return [
            json.dumps(
                {
                    "market": MARKET,
                    "price_changes": [
                        {"asset_id": YES, "price": price, "size": size, "side": side, **common},
                        {
                            "asset_id": NO, "price": f"{1 - D(price):f}", "size": size,
                            "side": "SELL" if side == "BUY" else "BUY", **common,
                        },
                    ],
                    "timestamp": str(self.ts),
                    "event_type": "price_change",
                }
            ).encode()
            for side, price, size in changes
        ]  # fmt: skip


def opened(last: str = "") -> tuple[MarketProtocol, Venue]:
    protocol, venue = MarketProtocol(), Venue(last)
    protocol.subscribe(YES, TERMS)
    protocol.receive(venue.book(), 1)
    return protocol, venue


def feed(protocol: MarketProtocol, frames: list[bytes], ts_ns: int = 2) -> list[Any]:
    return [event for frame in frames for event in protocol.receive(frame, ts_ns)]


# -- real frames ----------------------------------------------------------------------------------


@pytest.mark.data
def test_real_book_and_change_verify_by_hash(recordings: Path) -> None:
    folder = recordings / "public" / "read_only_text_samples" / "polymarket_ws_real"
    path = folder / "book_then_price_change_2026-08-30.jsonl"
    first, second = path.read_bytes().splitlines()[:2]
    book = json.loads(first)
    terms = BookTerms(book["market"], "5", book["tick_size"], False)
    assert book["hash"] == book_hash(
        terms,
        asset_id=book["asset_id"],
        timestamp=book["timestamp"],
        bids=[Level(**x) for x in book["bids"]],
        asks=[Level(**x) for x in book["asks"]],
        last_trade_price=book["last_trade_price"],
    )
    protocol = MarketProtocol()
    protocol.subscribe(book["asset_id"], terms)
    feed(protocol, [first, second], 1)
    assert protocol.check_quiet(QUIET) == []
    assert protocol.counts["verified"] == 1


@pytest.mark.data
def test_every_recorded_payload_is_read(recordings: Path) -> None:
    folder = recordings / "public" / "nautechsystems+nautilus_trader"
    seen = 0
    for path in sorted(folder.glob("*ws_*")):
        name = path.name
        if "rtds" in name or "fok_killed" in name:
            continue
        user = "user" in name or "order_" in name
        raw = path.read_bytes()
        frames = [json.dumps(x).encode() for x in json.loads(raw)] if raw[:1] == b"[" else [raw]
        for frame in frames:
            if user:
                assert receive_user(frame, 1)
            else:
                protocol = MarketProtocol()
                for asset in set(_assets(json.loads(frame))):
                    protocol.subscribe(asset, TERMS)
                protocol.receive(frame, 1)
            seen += 1
    assert seen >= 15


def _assets(frame: dict[str, Any]) -> list[str]:
    found = [frame.get("asset_id", "")]
    found += [c.get("asset_id", "") for c in frame.get("price_changes", [])]
    return [asset for asset in found if asset]


# -- the book -------------------------------------------------------------------------------------


def test_a_batch_is_checked_only_at_its_end() -> None:
    protocol, venue = opened()
    frames = venue.change(("BUY", "0.48", "10"), ("BUY", "0.47", "20"), ("SELL", "0.53", "0.5"))
    events = feed(protocol, frames)
    assert [type(e) for e in events] == [BookChange] * 3
    assert protocol.counts["verified"] == 0
    assert protocol.check_quiet(QUIET) == []
    assert (protocol.counts["verified"], protocol.counts["hash_mismatch"]) == (1, 0)


def test_a_lost_frame_shows_in_the_hash_and_is_asked_for() -> None:
    protocol, venue = opened()
    venue.change(("BUY", "0.45", "999"))  # never delivered
    feed(protocol, venue.change(("BUY", "0.44", "1")))
    assert protocol.check_quiet(QUIET) == [Refetch(YES, "hash mismatch")]
    events = protocol.load(venue.rest(), 3)
    assert isinstance(events[0], BookSnapshot)
    feed(protocol, venue.change(("BUY", "0.43", "1")))
    assert protocol.check_quiet(10 * QUIET) == []


def test_a_wrong_best_price_withdraws_the_book_at_once() -> None:
    protocol, venue = opened()
    venue.change(("SELL", "0.51", "0"))  # never delivered: our best ask is gone at the venue
    feed(protocol, venue.change(("BUY", "0.44", "1")))
    events = protocol.check_quiet(QUIET)
    assert [type(e) for e in events] == [BookLost, Refetch]
    assert not protocol.book(YES).is_live
    later = feed(protocol, venue.change(("BUY", "0.43", "7")), 5)
    assert later == [], "changes wait for the snapshot"


def test_changes_heard_while_rest_answers_are_applied_on_top() -> None:
    protocol, venue = opened()
    protocol.on_disconnect()
    rest = venue.rest()
    feed(protocol, venue.change(("BUY", "0.505", "7")), 5)
    events = protocol.load(rest, 6)
    assert [type(e) for e in events] == [BookSnapshot, BookChange]
    assert protocol.book(YES).best_bid() == D("0.505")


def test_a_rest_book_older_than_the_snapshot_is_ignored() -> None:
    protocol, venue = opened()
    old = venue.rest()
    venue.change(("BUY", "0.505", "7"))
    protocol.receive(venue.book(first=False), 3)
    assert protocol.load(old, 4) == []
    assert protocol.book(YES).best_bid() == D("0.505")


def test_a_crossed_book_is_never_published_as_good() -> None:
    protocol, venue = opened()
    venue.bids[D("0.6")] = "5"
    events = protocol.receive(venue.book(), 2)
    assert [type(e) for e in events] == [BookSnapshot, BookLost, Refetch]
    assert not protocol.book(YES).is_live


@pytest.mark.parametrize("last_first", [False, True])
def test_after_a_trade_the_hash_waits_for_the_last_price(last_first: bool) -> None:
    protocol, venue = opened()
    venue.ts += 5
    venue.asks[D("0.51")] = "300"
    venue.last = "0.490"  # of the other token: the hash holds the market-level price
    trade = {
        "market": MARKET, "asset_id": YES, "price": "0.51", "size": "26.43", "side": "BUY",
        "fee_rate_bps": "", "timestamp": str(venue.ts), "event_type": "last_trade_price",
        "transaction_hash": "0xe3",
    }  # fmt: skip
    frames = [venue.book(first=False), json.dumps(trade).encode()]
    events = feed(protocol, frames[::-1] if last_first else frames)
    assert {type(e) for e in events} == {BookSnapshot, PublicTrade}
    if last_first:
        protocol.receive(json.dumps(trade).encode(), 3)
    feed(protocol, venue.change(("BUY", "0.48", "1")))
    assert protocol.check_quiet(QUIET) == []
    assert protocol.counts["verified"] == 1


def test_a_last_price_that_never_comes_is_asked_for() -> None:
    protocol, venue = opened()
    venue.ts += 5
    protocol.receive(venue.book(first=False), 2)
    assert protocol.check_quiet(4 * QUIET) == [Refetch(YES, "last price missing")]


def test_empty_sides_are_books() -> None:
    protocol, venue = opened()
    venue.bids.clear()
    venue.asks.clear()
    (snapshot,) = protocol.receive(venue.book(), 2)
    assert (snapshot.bids, snapshot.asks) == ((), ())
    assert protocol.book(YES).is_live
    assert protocol.book(YES).top() is None
    feed(protocol, venue.change(("BUY", "0.2", "5")))
    assert protocol.check_quiet(QUIET) == []


def test_a_tick_change_is_told_and_the_book_asked_for() -> None:
    protocol, _ = opened()
    frame = {
        "event_type": "tick_size_change", "market": MARKET, "asset_id": YES,
        "old_tick_size": "0.01", "new_tick_size": "0.001", "timestamp": "1790767298700",
    }  # fmt: skip
    events = protocol.receive(json.dumps(frame).encode(), 2)
    assert isinstance(events[0], TickChange)
    assert events[0].new == D("0.001")
    assert events[1] == Refetch(YES, "tick size changed")


def test_a_frozen_stream_is_found_by_comparing() -> None:
    protocol, venue = opened()
    assert protocol.quiet_assets(100 * QUIET, 30 * QUIET) == [YES]
    assert protocol.compare(venue.rest(), 100 * QUIET) == []
    assert protocol.quiet_assets(100 * QUIET, 30 * QUIET) == [], "compared just now"
    venue.change(("BUY", "0.45", "999"))
    events = protocol.compare(venue.rest(), 200 * QUIET)
    assert [type(e) for e in events][:2] == [BookLost, BookSnapshot]
    assert protocol.counts["frozen"] == 1


def test_a_disconnect_withdraws_every_book() -> None:
    protocol, _ = opened()
    assert protocol.on_disconnect() == [BookLost(YES, "disconnected", 1790767298635 * 10**6)]
    assert protocol.on_disconnect() == []


def test_frames_for_the_socket() -> None:
    protocol = MarketProtocol()
    assert json.loads(protocol.subscribe(YES, TERMS)) == {
        "operation": "subscribe", "assets_ids": [YES], "custom_feature_enabled": True,
    }  # fmt: skip
    protocol.subscribe(NO, TERMS)
    assert json.loads(protocol.opening_frame()) == {
        "type": "market", "assets_ids": [YES, NO], "custom_feature_enabled": True,
    }  # fmt: skip
    protocol.unsubscribe(NO)
    assert protocol.assets == (YES,)


@pytest.mark.parametrize("text", ["PONG", "INVALID OPERATION", "NO NEW ASSETS", "", "<html>"])
def test_text_is_no_error(text: str) -> None:
    (event,) = MarketProtocol().receive(text.encode(), 1)
    assert isinstance(event, Text)


def test_unknown_events_are_counted_not_raised() -> None:
    protocol, _ = opened()
    for frame in ({"event_type": "moon_phase"}, {"event_type": "auction", "price": {"x": 1}}, {}):
        assert protocol.receive(json.dumps(frame).encode(), 2) == []
    assert protocol.counts["unknown_event"] == 3


def test_resolution_and_new_markets() -> None:
    protocol, _ = opened()
    resolved = {
        "event_type": "market_resolved", "id": "1", "market": MARKET, "assets_ids": [YES, NO],
        "winning_asset_id": YES, "winning_outcome": "Yes", "timestamp": "1790767298700",
    }  # fmt: skip
    (event,) = protocol.receive(json.dumps(resolved).encode(), 2)
    assert isinstance(event, Resolved)
    assert event.winning_asset_id == YES
    del resolved["winning_asset_id"]
    assert protocol.receive(json.dumps(resolved).encode(), 2)[0].winning_asset_id == ""
    fresh = {"event_type": "new_market", "market": "0x9", "assets_ids": ["1", "2"], "slug": "s"}
    assert isinstance(protocol.receive(json.dumps(fresh).encode(), 2)[0], NewMarket)


# -- the user channel -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "status", "state"),
    [
        ("PLACEMENT", "LIVE", OrderState.LIVE),
        ("PLACEMENT", None, OrderState.LIVE),
        ("UPDATE", "CANCELED", OrderState.CANCELED),
        ("UPDATE", "MATCHED", OrderState.MATCHED),
        ("CANCELLATION", "INVALID", OrderState.CANCELED),
        ("CANCELLATION", "CANCELED_EXPIRED_ORDER", OrderState.EXPIRED),
        ("CANCELLATION", "CANCELED_order couldn't be fully filled.", OrderState.CANCELED),
        ("CANCELLATION", "who knows", OrderState.CANCELED),
        ("", "ORDER_STATUS_CANCELED_MARKET_RESOLVED", OrderState.CANCELED),
        ("PLACEMENT", "DELAYED", OrderState.DELAYED),
        ("", "UNMATCHED", OrderState.LIVE),
        ("UPDATE", "SOMETHING_NEW", OrderState.UNKNOWN),
    ],
)
def test_order_states(kind: str, status: str | None, state: OrderState) -> None:
    assert order_state(kind, status) is state


ORDER = {
    "event_type": "order", "type": "CANCELLATION", "id": "0xff35", "owner": "k", "market": MARKET,
    "asset_id": YES, "side": "BUY", "original_size": "12", "size_matched": "", "price": "0.6",
    "associate_trades": [], "outcome": "", "created_at": "", "expiration": "0",
    "order_type": "FOK", "status": "CANCELED_order couldn't be fully filled.",
    "timestamp": "1777824065000",
}  # fmt: skip
TRADE = {
    "event_type": "trade", "type": "TRADE", "id": "28c4", "taker_order_id": "0x06bc",
    "market": MARKET, "asset_id": YES, "side": "BUY", "size": "10", "price": "0.57",
    "status": "MATCHED", "trader_side": "TAKER", "match_time": "1780449126",
    "maker_orders": [
        {"order_id": "0xa", "owner": "o", "maker_address": "0x1", "matched_amount": "10",
         "price": "0.57", "asset_id": YES, "side": "SELL"}
    ],
}  # fmt: skip


def test_a_killed_order_with_empty_strings() -> None:
    (record,) = receive_user(json.dumps(ORDER).encode(), 1)
    assert isinstance(record, OrderRecord)
    assert (record.state, record.size_matched) == (OrderState.CANCELED, None)
    assert record.ts_event_ns == 1777824065 * 10**9


@pytest.mark.parametrize(
    "change",
    [
        {"maker_orders": None},
        {"match_time": None, "matchtime": "1780449126"},
        {"status": "TRADE_STATUS_MATCHED"},
        {"status": "MATCHED_NOT_BROADCASTED"},
        {"transaction_hash": None, "bucket_index": None},
        {"fee_rate_bps": None, "something_new": {"a": [1]}},
    ],
)
def test_sparse_trades(change: dict[str, Any]) -> None:
    (record,) = receive_user(json.dumps(TRADE | change).encode(), 1)
    assert isinstance(record, TradeRecord)
    assert record.status is TradeStatus.MATCHED
    assert record.matched_ns == 1780449126 * 10**9


# -- garbage --------------------------------------------------------------------------------------

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)


def frames_to_break() -> list[tuple[Callable[[bytes], object], dict[str, Any]]]:
    _, venue = opened()
    book = json.loads(venue.book(first=False))
    change = json.loads(venue.change(("BUY", "0.48", "3"))[0])

    def market(frame: bytes) -> object:
        return opened()[0].receive(frame, 2)

    def user(frame: bytes) -> object:
        return receive_user(frame, 2)

    return [(market, book), (market, change), (user, ORDER), (user, TRADE)]


@st.composite
def broken(draw: st.DrawFn) -> tuple[Callable[[bytes], object], bytes]:
    """A real frame with some of its fields replaced, removed or cut."""
    reader, frame = draw(st.sampled_from(frames_to_break()))
    found = json.loads(json.dumps(frame))
    for name in draw(st.lists(st.sampled_from(sorted(found)), max_size=3)):
        if draw(st.booleans()):
            found.pop(name, None)
        else:
            found[name] = draw(json_values)
    raw = json.dumps(found).encode()
    cut = draw(st.integers(0, len(raw)))
    return reader, raw[:cut] if draw(st.integers(0, 4)) == 0 else raw


def accepts_or_raises_protocol_error(reader: Callable[[bytes], object], raw: bytes) -> None:
    try:
        reader(raw)
    except ProtocolError:
        return


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(broken())
def test_broken_frames_raise_the_one_error(case) -> None:  # type: ignore[no-untyped-def]
    accepts_or_raises_protocol_error(*case)


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=200), st.booleans())
def test_any_bytes(raw: bytes, user: bool) -> None:
    reader = (lambda b: receive_user(b, 1)) if user else (lambda b: opened()[0].receive(b, 1))
    accepts_or_raises_protocol_error(reader, raw)


@pytest.mark.full
@settings(max_examples=250_000, deadline=None, suppress_health_check=list(HealthCheck))
@given(broken())
def test_broken_frames_at_length(case) -> None:  # type: ignore[no-untyped-def]
    accepts_or_raises_protocol_error(*case)
