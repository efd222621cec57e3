"""The stream's conversation, rule by rule, on shapes as captured."""

from __future__ import annotations

import json
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.common.errors import ProtocolError
from adapters.kalshi.constants import MARKETS_PER_COMMAND
from adapters.kalshi.protocol import (
    BookBad,
    BookChange,
    BookReset,
    Channel,
    CommandFailed,
    Redial,
    StreamProtocol,
)
from adapters.kalshi.schemas import ws

S = 1_000_000_000


def raw(message: dict) -> bytes:
    return json.dumps(message).encode()


def snapshot(
    ticker: str, seq: int | None, yes=(("0.4700", "3.00"),), no=(("0.5200", "2.00"),), sid: int = 1
) -> bytes:
    msg = {"market_ticker": ticker, "market_id": "00000000-0000-4000-8000-00000000d001"}
    if yes:
        msg["yes_dollars_fp"] = list(yes)
    if no:
        msg["no_dollars_fp"] = list(no)
    frame = {"type": "orderbook_snapshot", "sid": sid, "msg": msg, "sending_ts_ms": 1}
    return raw(frame | ({} if seq is None else {"seq": seq}))


def delta(ticker: str, seq: int, price: str, change: str, side: str, sid: int = 1) -> bytes:
    return raw(
        {
            "type": "orderbook_delta",
            "sid": sid,
            "seq": seq,
            "msg": {
                "market_ticker": ticker,
                "market_id": "00000000-0000-4000-8000-00000000d001",
                "price_dollars": price,
                "delta_fp": change,
                "side": side,
                "ts": "2026-06-11T06:29:47.354803Z",
                "ts_ms": 1781159387354,
            },
        }
    )


def sent(protocol: StreamProtocol) -> list[dict]:
    return [json.loads(frame) for frame in protocol.frames_to_send()]


def opened(*tickers: str, **settings: object) -> StreamProtocol:
    protocol = StreamProtocol(**settings)
    protocol.want(Channel.BOOK, tickers)
    protocol.opened()
    (subscribe,) = sent(protocol)
    assert subscribe["params"]["use_yes_price"] is settings.get("use_yes_price", True)
    protocol.receive(
        raw(
            {
                "type": "subscribed",
                "id": subscribe["id"],
                "msg": {"channel": "orderbook_delta", "sid": 1},
            }
        )
    )
    return protocol


def test_snapshot_then_deltas_in_yes_prices() -> None:
    protocol = opened("A")
    assert protocol.receive(snapshot("A", 1)) == [
        BookReset("A", ((470_000, 3_000_000),), ((520_000, 2_000_000),))
    ]
    assert protocol.good("A")
    assert protocol.receive(delta("A", 2, "0.5200", "-1.50", "no")) == [
        BookChange("A", False, 520_000, 500_000, 1781159387354)
    ]
    assert protocol.receive(delta("A", 3, "0.5200", "-0.50", "no"))[0].size_u == 0
    assert protocol.book("A").best_ask == 1_000_000


def test_the_default_form_states_no_levels_in_no_prices() -> None:
    protocol = opened("A", use_yes_price=False)
    (reset,) = protocol.receive(snapshot("A", 1, no=(("0.4800", "2.00"),)))
    assert reset.asks == ((520_000, 2_000_000),)
    (change,) = protocol.receive(delta("A", 2, "0.4800", "1.00", "no"))
    assert (change.price_u, change.size_u) == (520_000, 3_000_000)


def test_sides_left_out_are_empty_and_levels_come_in_any_order() -> None:
    protocol = opened("A")
    assert protocol.receive(snapshot("A", 1, yes=(), no=())) == [BookReset("A", (), ())]
    (reset,) = protocol.receive(
        snapshot("A", 2, yes=(("0.01", "1"), ("0.30", "2.5"), ("0.2", "1")))
    )
    assert [p for p, _ in reset.bids] == [300_000, 200_000, 10_000]


def test_a_gap_spoils_every_book_of_the_sid_and_snapshots_repair_them() -> None:
    protocol = opened("A", "B")
    protocol.receive(snapshot("A", 1))
    protocol.receive(snapshot("B", 2))
    events = protocol.receive(delta("A", 4, "0.4600", "1.00", "yes"))
    assert {e.ticker for e in events} == {"A", "B"}
    assert all(isinstance(e, BookBad) for e in events)
    (ask,) = sent(protocol)
    assert ask["params"]["action"] == "get_snapshot"
    assert sorted(ask["params"]["market_tickers"]) == ["A", "B"]
    assert protocol.receive(delta("A", 5, "0.4600", "1.00", "yes")) == []
    assert not protocol.good("A")
    assert isinstance(protocol.receive(snapshot("A", 6))[0], BookReset)
    assert protocol.good("A")
    assert not protocol.good("B")


def test_ok_and_unsubscribed_consume_numbers() -> None:
    protocol = opened("A")
    protocol.receive(snapshot("A", 1))
    protocol.receive(
        raw({"id": 2, "sid": 1, "seq": 2, "type": "ok", "msg": {"market_tickers": ["A", "B"]}})
    )
    assert isinstance(protocol.receive(delta("A", 3, "0.4600", "1.00", "yes"))[0], BookChange)


def test_a_frame_of_unknown_type_still_counts() -> None:
    protocol = opened("A")
    protocol.receive(snapshot("A", 1))
    assert protocol.receive(raw({"type": "brand_new", "sid": 1, "seq": 2, "msg": [1]})) == []
    assert isinstance(protocol.receive(delta("A", 3, "0.4600", "1.00", "yes"))[0], BookChange)


def test_a_repetition_is_dropped_without_a_resync() -> None:
    protocol = opened("A")
    protocol.receive(snapshot("A", 1))
    frame = delta("A", 2, "0.4600", "1.00", "yes")
    assert len(protocol.receive(frame)) == 1
    assert protocol.receive(frame) == []
    assert sent(protocol) == []
    assert protocol.book("A").bids[460_000] == 1_000_000


def test_a_counter_that_began_anew_is_noticed() -> None:
    protocol = opened("A")
    protocol.receive(snapshot("A", 100))
    for seq in range(1, 200):
        events = protocol.receive(delta("A", seq, "0.4600", "1.00", "yes"))
        if events:
            break
    assert isinstance(events[0], BookBad)
    assert seq < 50


def test_the_order_of_two_swapped_frames_is_a_gap_not_a_wrong_book() -> None:
    protocol = opened("A")
    protocol.receive(snapshot("A", 1))
    assert isinstance(protocol.receive(delta("A", 3, "0.45", "1.00", "yes"))[0], BookBad)
    assert protocol.receive(delta("A", 2, "0.46", "1.00", "yes")) == []
    assert not protocol.good("A")


@pytest.mark.parametrize(
    "frame",
    [
        delta("A", 2, "0.4700", "-3.01", "yes"),
        delta("A", 2, "0.5200", "1.00", "yes"),
        delta("A", 2, "0.5300", "1.00", "yes"),
        delta("A", 2, "1.0000", "1.00", "no"),
    ],
    ids=["below zero", "locked", "crossed", "price of one"],
)
def test_an_impossible_book_is_bad_at_once_and_asked_for(frame: bytes) -> None:
    protocol = opened("A")
    protocol.receive(snapshot("A", 1))
    assert isinstance(protocol.receive(frame)[0], BookBad)
    assert sent(protocol)[0]["params"]["action"] == "get_snapshot"
    assert protocol.book("A") is None


def test_a_crossed_snapshot_is_never_published() -> None:
    protocol = opened("A")
    events = protocol.receive(snapshot("A", 1, yes=(("0.6", "1"),), no=(("0.5", "1"),)))
    assert not any(isinstance(e, BookReset) for e in events)
    protocol.tick(0)
    protocol.tick(6 * S)
    assert sent(protocol)[0]["params"]["action"] == "get_snapshot"


def test_subscriptions_go_in_batches_and_the_rest_follows_the_answer() -> None:
    tickers = [f"T{i}" for i in range(MARKETS_PER_COMMAND * 2 + 5)]
    protocol = StreamProtocol()
    protocol.want(Channel.BOOK, tickers)
    protocol.opened()
    (first,) = sent(protocol)
    protocol.want(Channel.BOOK, ["LATE"])
    assert sent(protocol) == [], "nothing until the sid is known"
    protocol.receive(
        raw(
            {
                "type": "subscribed",
                "id": first["id"],
                "msg": {"channel": "orderbook_delta", "sid": 7},
            }
        )
    )
    rest = sent(protocol)
    assert [len(c["params"]["market_tickers"]) for c in rest] == [MARKETS_PER_COMMAND, 6]
    assert all(
        c["params"] | {"market_tickers": 0}
        == {"sids": [7], "market_tickers": 0, "action": "add_markets"}
        for c in rest
    )


def test_sids_of_a_former_connection_mean_nothing() -> None:
    protocol = opened("A")
    protocol.receive(snapshot("A", 1))
    assert protocol.lost("reset") == [BookBad("A", "reset")]
    protocol.opened()
    assert protocol.receive(snapshot("A", 2)) == [], "an old sid"
    (subscribe,) = sent(protocol)
    protocol.receive(
        raw(
            {
                "type": "subscribed",
                "id": subscribe["id"],
                "msg": {"channel": "orderbook_delta", "sid": 5},
            }
        )
    )
    assert isinstance(protocol.receive(snapshot("A", 1, sid=5))[0], BookReset)


@pytest.mark.parametrize("code", [10, 25])
def test_a_terminal_error_spoils_and_subscribes_again(code: int) -> None:
    protocol = opened("A")
    protocol.receive(snapshot("A", 1))
    events = protocol.receive(
        raw({"type": "error", "sid": 1, "seq": 2, "msg": {"code": code, "msg": "overflow"}})
    )
    assert isinstance(events[0], CommandFailed)
    assert BookBad("A", f"error {code}: overflow") in events
    assert sent(protocol)[0]["cmd"] == "subscribe"


def test_a_terminal_error_without_a_sid_needs_a_new_connection() -> None:
    protocol = opened("A")
    events = protocol.receive(raw({"type": "error", "msg": {"code": 25, "msg": "overflow"}}))
    assert any(isinstance(e, Redial) for e in events)


def test_silence_after_a_subscription_is_chased() -> None:
    protocol = opened("A", "B")
    protocol.receive(snapshot("A", 1))
    protocol.tick(0)
    assert sent(protocol) == []
    protocol.tick(6 * S)
    assert sent(protocol)[0]["params"] == {
        "sids": [1],
        "market_tickers": ["B"],
        "action": "get_snapshot",
    }


def test_a_ticker_that_does_not_exist_does_not_cost_the_connection() -> None:
    protocol = opened("A", "NOWHERE")
    protocol.receive(snapshot("A", 1))
    events = [e for t in range(0, 300, 3) for e in protocol.tick(t * S)]
    assert not any(isinstance(e, Redial) for e in events)


def test_a_connection_on_which_nothing_comes_is_given_up() -> None:
    protocol = opened("A", "B")
    events = [e for t in range(0, 120, 3) for e in protocol.tick(t * S)]
    assert any(isinstance(e, Redial) for e in events)


def test_unwanted_markets_are_deleted_and_their_frames_ignored() -> None:
    protocol = opened("A", "B")
    protocol.receive(snapshot("A", 1))
    protocol.unwant(Channel.BOOK, ["A"])
    assert sent(protocol)[0]["params"]["action"] == "delete_markets"
    assert protocol.receive(delta("A", 2, "0.4600", "1.00", "yes")) == []
    protocol.unwant(Channel.BOOK, ["B"])
    assert sent(protocol)[0] == {"id": 3, "cmd": "unsubscribe", "params": {"sids": [1]}}


def test_private_messages_pass_without_numbers() -> None:
    protocol = StreamProtocol()
    protocol.want(Channel.FILL)
    protocol.opened()
    sent(protocol)
    protocol.receive(raw({"type": "subscribed", "id": 1, "msg": {"channel": "fill", "sid": 7}}))
    (event,) = protocol.receive(
        raw(
            {
                "type": "fill",
                "sid": 7,
                "msg": {
                    "trade_id": "e001",
                    "order_id": "b001",
                    "client_order_id": "c-1",
                    "market_ticker": "A",
                    "exchange_index": 0,
                    "is_taker": True,
                    "side": "yes",
                    "action": "buy",
                    "outcome_side": "yes",
                    "book_side": "bid",
                    "purchased_side": "yes",
                    "yes_price_dollars": "0.5200",
                    "count_fp": "1.00",
                    "fee_cost": "0.017500",
                    "post_position_fp": "3.00",
                    "ts": 1781159370,
                    "ts_ms": 1781159370164,
                    "subaccount": 0,
                },
            }
        )
    )
    assert isinstance(event, ws.FillMsg)


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"null",
        b"[]",
        b'{"type":1}',
        b'{"type":"fill"}',
        b"\xff\xfe",
        b"[" * 5000,
        b'{"type":"orderbook_delta","sid":1,"seq":"x","msg":{}}',
        snapshot("A", 1).replace(b"0.4700", b"0.47x0"),
    ],
)
def test_what_is_no_frame_is_the_one_protocol_error(frame: bytes) -> None:
    with pytest.raises(ProtocolError):
        opened("A").receive(frame)


class Truth:
    """A venue's book and the frames that tell it."""

    def __init__(self, draw: random.Random) -> None:
        self.draw, self.seq = draw, 0
        self.bids, self.asks = {40: 500}, {60: 500}

    def frame(self) -> bytes:
        self.seq += 1
        side = self.draw.choice(["yes", "no"])
        book = self.bids if side == "yes" else self.asks
        low, high = (
            (1, min(self.asks, default=100))
            if side == "yes"
            else (max(self.bids, default=0) + 1, 100)
        )
        if book and (self.draw.random() < 0.4 or low >= high):
            price = self.draw.choice(list(book))
            change = -self.draw.randint(1, book[price])
        elif low < high:
            price, change = self.draw.randrange(low, high), self.draw.randint(1, 900)
        else:
            return raw({"type": "ok", "sid": 1, "seq": self.seq, "msg": {}})
        book[price] = book.get(price, 0) + change
        if not book[price]:
            del book[price]
        return delta("A", self.seq, f"{price / 100:.4f}", f"{change / 100:.2f}", side)

    def snapshot(self) -> bytes:
        self.seq += 1

        def levels(book: dict[int, int]) -> list[tuple[str, str]]:
            return [(f"{p / 100:.4f}", f"{s / 100:.2f}") for p, s in book.items()]

        return snapshot("A", self.seq, yes=levels(self.bids), no=levels(self.asks))


@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 10**9),
    loss=st.floats(0, 0.2),
    swap=st.floats(0, 0.2),
    twice=st.floats(0, 0.2),
)
def test_the_book_is_right_or_marked_bad_at_every_moment(
    seed: int, loss: float, swap: float, twice: float
) -> None:
    draw = random.Random(seed)
    truth, protocol = Truth(draw), opened("A")
    protocol.receive(truth.snapshot())
    wire: list[tuple[bytes, dict, dict]] = []
    for _ in range(120):
        frame = truth.frame()
        state = (frame, dict(truth.bids), dict(truth.asks))
        if draw.random() < loss:
            continue
        wire.append(state)
        if draw.random() < twice:
            wire.append(state)
        if len(wire) > 1 and draw.random() < swap:
            wire[-1], wire[-2] = wire[-2], wire[-1]
        while len(wire) > 2:
            frame, bids, asks = wire.pop(0)
            protocol.receive(frame)
            book = protocol.book("A")
            if book is not None and protocol.repetitions == 0:
                assert {p // 10_000: s // 10_000 for p, s in book.bids.items()} == bids
                assert {p // 10_000: s // 10_000 for p, s in book.asks.items()} == asks
            if book is not None:
                assert book.best_bid < book.best_ask
        if any(c["params"].get("action") == "get_snapshot" for c in sent(protocol)):
            for frame, _, _ in wire:
                protocol.receive(frame)
            wire.clear()
            protocol.receive(truth.snapshot())
    for frame, _, _ in wire:
        protocol.receive(frame)
    if any(c["params"].get("action") == "get_snapshot" for c in sent(protocol)) or (
        not protocol.good("A")
    ):
        protocol.receive(truth.snapshot())
    book = protocol.book("A")
    if book is not None and protocol.receive(truth.frame()) and protocol.good("A"):
        book = protocol.book("A")
        assert {p // 10_000: s // 10_000 for p, s in book.bids.items()} == truth.bids
        assert {p // 10_000: s // 10_000 for p, s in book.asks.items()} == truth.asks
