"""Whatever bytes come in: events, or the one protocol error, and never a crossed book."""

from __future__ import annotations

import json
import random
from pathlib import Path

import msgspec
import pytest

from adapters.common.errors import ProtocolError
from adapters.common.transport import HttpResponse
from adapters.kalshi import fills, parsing, replies
from adapters.kalshi.protocol import BookChange, BookReset, Channel, StreamProtocol
from adapters.kalshi.schemas import rest, ws
from adapters.kalshi.symbols import Leg
from tests.kalshi.test_protocol import delta, raw, snapshot

SEEDS = [int(line) for line in (Path(__file__).parent / "fuzz_seeds.txt").read_text().split()]
CASES = 20_000
CASES_FULL = 1_100_000

FRAMES = [
    snapshot("A", 1),
    snapshot("A", 2, yes=()),
    delta("A", 2, "0.4600", "1.00", "yes"),
    delta("A", 3, "0.5300", "-1.00", "no"),
    raw({"type": "subscribed", "id": 1, "msg": {"channel": "orderbook_delta", "sid": 1}}),
    raw({"id": 2, "sid": 1, "seq": 9, "type": "ok", "msg": {"market_tickers": ["A"]}}),
    raw({"id": 5, "sid": 2, "seq": 7, "type": "unsubscribed"}),
    raw({"id": 7, "type": "error", "msg": {"code": 7, "msg": "Unknown subscription ID"}}),
    raw({"type": "error", "sid": 1, "seq": 4, "msg": {"code": 25, "msg": "overflow"}}),
    raw(
        {
            "type": "ticker",
            "sid": 3,
            "msg": {
                "market_ticker": "A",
                "price_dollars": "0.4800",
                "yes_bid_dollars": "0.4700",
                "ts": 1781159387,
                "ts_ms": 1781159387354,
            },
        }
    ),
    raw(
        {
            "type": "trade",
            "sid": 2,
            "seq": 4,
            "msg": {
                "trade_id": "e1",
                "market_ticker": "A",
                "yes_price_dollars": "0.5200",
                "no_price_dollars": "0.4800",
                "count_fp": "1.00",
                "taker_side": "yes",
                "taker_book_side": "bid",
                "is_block_trade": False,
                "ts": 1781159387,
                "ts_ms": 1781159387354,
            },
        }
    ),
    raw(
        {
            "type": "market_lifecycle_v2",
            "sid": 5,
            "seq": 4,
            "msg": {
                "event_type": "determined",
                "market_ticker": "A",
                "result": "yes",
                "settlement_value": "1.0000",
                "determination_ts": 1781160000,
            },
        }
    ),
    raw(
        {
            "type": "fill",
            "sid": 7,
            "msg": {
                "trade_id": "e1",
                "order_id": "b1",
                "client_order_id": "c-1",
                "market_ticker": "A",
                "is_taker": True,
                "outcome_side": "yes",
                "book_side": "bid",
                "yes_price_dollars": "0.5200",
                "count_fp": "1.00",
                "fee_cost": "0.017500",
                "ts": 1781159370,
                "ts_ms": 1781159370164,
                "subaccount": 0,
            },
        }
    ),
    raw(
        {
            "type": "user_order",
            "sid": 8,
            "msg": {
                "order_id": "b1",
                "ticker": "A",
                "status": "resting",
                "book_side": "bid",
                "yes_price_dollars": "0.3500",
                "initial_count_fp": "10.00",
                "fill_count_fp": "0.00",
                "remaining_count_fp": "10.00",
                "client_order_id": "c-1",
                "last_updated_ts_ms": 1781159360866,
            },
        }
    ),
]
TOKENS = [
    b'"',
    b"{",
    b"}",
    b"[",
    b"]",
    b"null",
    b"-",
    b"0",
    b"1e999",
    b"\\u0000",
    b"\xff",
    b"seq",
    b"-1.00",
    b"99999999999999999999999",
    b"0.0000001",
    b"1.0000",
    b"true",
    b"msg",
    b"sid",
    b"\\ud800",
    b"NaN",
    b"0x1",
    "٣".encode(),
]


def mutate(draw: random.Random, frame: bytes) -> bytes:
    data = bytearray(frame)
    for _ in range(draw.randint(1, 4)):
        at = draw.randrange(len(data) + 1)
        kind = draw.random()
        if kind < 0.3 and data:
            data[at % len(data)] = draw.randrange(256)
        elif kind < 0.5:
            data[at:at] = draw.choice(TOKENS)
        elif kind < 0.7:
            del data[at : at + draw.randint(1, 12)]
        elif kind < 0.85:
            digits = [i for i, b in enumerate(data) if 48 <= b <= 57]
            if digits:
                data[draw.choice(digits)] = draw.randrange(48, 58)
        else:
            data = data[:at]
    return bytes(data)


def structured(draw: random.Random, frame: bytes) -> bytes:
    """Change a value of a well-formed frame: what a decoder lets through."""
    message = json.loads(frame)
    target = message.get("msg") if draw.random() < 0.7 else message
    if isinstance(target, dict) and target:
        key = draw.choice(list(target))
        target[key] = draw.choice(
            [
                None,
                0,
                -1,
                1.5,
                "",
                "0.5",
                "-0.01",
                "1e5",
                [],
                {},
                [["0.5", "1"]],
                [["0.5"]],
                True,
                "9" * 30,
                2**70,
                "yes",
                "no",
                "A",
                "B",
                draw.randrange(20),
                [["0.4", "-1"], ["0.4", "1"]],
            ]
        )
    return json.dumps(message).encode()


def feed(protocol: StreamProtocol, frame: bytes) -> None:
    try:
        events = protocol.receive(frame)
    except ProtocolError:
        return
    for event in events:
        try:
            publish(event)
        except ProtocolError:
            continue
    book = protocol.book("A")
    assert book is None or book.best_bid < book.best_ask


def publish(event: object) -> None:
    """What the shells make of an event must not fail in another way either."""
    if isinstance(event, BookReset):
        parsing.book_deltas(event, Leg.NO, 1, 1)
    elif isinstance(event, BookChange):
        parsing.change_deltas(event, Leg.NO, 1, 1)
    elif isinstance(event, ws.TradeMsg):
        parsing.trade_tick(event, Leg.NO, 1)
    elif isinstance(event, ws.FillMsg):
        fills.from_stream(event, 1)


def fuzz(seed: int, cases: int) -> None:
    draw = random.Random(seed)
    protocol = StreamProtocol(use_yes_price=bool(seed % 2))
    for channel in Channel:
        protocol.want(channel, ["A"] if channel in ("orderbook_delta", "trade", "ticker") else ())
    protocol.opened()
    for case in range(cases):
        kind = draw.random()
        frame = draw.choice(FRAMES)
        if kind < 0.45:
            frame = mutate(draw, frame)
        elif kind < 0.85:
            frame = structured(draw, frame)
        elif kind < 0.9:
            frame = draw.randbytes(draw.randint(0, 60))
        feed(protocol, frame)
        if case % 50 == 0:
            protocol.tick(case * 1_000_000_000)
            list(protocol.frames_to_send())
        if case % 997 == 0:
            protocol.lost("fuzz")
            protocol.opened()


@pytest.mark.parametrize("seed", SEEDS)
def test_arbitrary_and_mutated_frames(seed: int) -> None:
    fuzz(seed, CASES // len(SEEDS))


@pytest.mark.full
@pytest.mark.parametrize("part", range(4))
def test_a_million_frames(part: int) -> None:
    fuzz(10_000 + part, CASES_FULL // 4)


def test_arbitrary_rest_answers_are_records_or_the_protocol_error() -> None:
    draw = random.Random(3)
    order = {
        "order_id": "b1",
        "ticker": "A",
        "book_side": "bid",
        "status": "resting",
        "yes_price_dollars": "0.3500",
        "initial_count_fp": "10.00",
        "fill_count_fp": "0.00",
        "remaining_count_fp": "10.00",
    }
    bodies = [
        (rest.OrderReply, {"order": order}),
        (rest.OrderPage, {"orders": [order], "cursor": ""}),
        (rest.OrderAck, {"order_id": "b1", "fill_count": "1.00"}),
        (rest.Balance, {"balance": 1, "balance_dollars": "0.01"}),
        (rest.ExchangeStatus, {"exchange_active": True, "trading_active": True}),
    ]
    for _ in range(5_000):
        kind, body = draw.choice(bodies)
        response = HttpResponse(200, mutate(draw, msgspec.json.encode(body)))
        try:
            assert isinstance(replies.decode(kind, response), kind)
        except ProtocolError:
            continue
        finally:
            replies.error_body(response)
