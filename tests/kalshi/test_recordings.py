"""The schemas read what the venue really sent."""

from __future__ import annotations

import io
import json
from pathlib import Path

import msgspec
import pytest
import zstandard

from adapters.common.transport import HttpResponse
from adapters.kalshi import fills, replies
from adapters.kalshi.markets import join
from adapters.kalshi.protocol import BookChange, BookReset, Channel, StreamProtocol
from adapters.kalshi.schemas import rest, ws

pytestmark = pytest.mark.data

RECORDS = {
    "orders__create_v2_maker": rest.OrderAck,
    "orders__create_v2_taker_ioc": rest.OrderAck,
    "orders__cancel_v2": rest.CancelAck,
    "orders__get_after_create": rest.OrderReply,
    "orders__get_after_cancel": rest.OrderReply,
    "portfolio__orders_list": rest.OrderPage,
    "portfolio__positions": rest.PositionPage,
    "fills__after_taker": rest.FillPage,
    "settlements__page": rest.SettlementPage,
    "auth__balance_ok": rest.Balance,
    "account__limits": rest.Limits,
    "account__endpoint_costs": rest.EndpointCosts,
    "exchange__status": rest.ExchangeStatus,
    "markets__single": rest.MarketReply,
    "markets__page1": rest.MarketPage,
    "markets__status_closed": rest.MarketPage,
    "markets__status_settled": rest.MarketPage,
    "trades__public_recorded": rest.TradePage,
    "series__fee_changes": rest.SeriesFeeChanges,
}
ERRORS = {
    "auth__bad_signature": "authentication_error",
    "auth__missing_signature_header": "signature_is_missing_from_headers",
    "auth__skew_minus30s": "header_timestamp_expired",
    "orders__duplicate_client_order_id": "order_already_exists",
    "orders__insufficient_balance": "insufficient_balance",
    "orders__invalid_price_structure": "invalid_price",
    "orders__post_only_cross": "invalid_order",
    "orders__numeric_field_types": "bad_request",
    "orders__cancel_unknown_id": "not_found",
    "markets__limit_over_max": "parameter_validation_failed",
}


@pytest.fixture
def folder(recordings: Path) -> Path:
    return recordings / "public" / "XavierBriggs+Fortuna" / "kalshi"


@pytest.mark.parametrize("name", RECORDS)
def test_every_recorded_answer_is_read(folder: Path, name: str) -> None:
    body = (folder / f"{name}.json").read_bytes()
    assert isinstance(replies.decode(RECORDS[name], HttpResponse(200, body)), RECORDS[name])


@pytest.mark.parametrize("name", ERRORS)
def test_every_recorded_error_gives_its_code(folder: Path, name: str) -> None:
    body = (folder / f"{name}.json").read_bytes()
    assert replies.error_body(HttpResponse(400, body)).code == ERRORS[name]


def test_a_thousand_recorded_markets_become_markets(folder: Path) -> None:
    packed = (folder / "markets__status_open.json.zst").read_bytes()
    with zstandard.ZstdDecompressor().stream_reader(io.BytesIO(packed)) as reader:
        page = msgspec.json.decode(reader.read(), type=rest.MarketPage)
    made = [join(market, None, None) for market in page.markets]
    assert len(made) == len(page.markets) > 10
    assert all(len(market.rules_sha256) == 64 for market in made)


def test_the_recorded_fill_costs_what_it_cost(folder: Path) -> None:
    page = msgspec.json.decode(
        (folder / "fills__after_taker.json").read_bytes(), type=rest.FillPage
    )
    first = fills.from_rest(page.fills[0], 0)
    assert (str(first.fee), first.yes_price_u, first.size_u) == ("0.017500", 520_000, 1_000_000)
    assert first.bid
    assert first.ts_ns == 1_781_159_370_164_000_000


def test_the_recorded_stream_in_both_forms_is_one_book(folder: Path) -> None:
    ends = []
    for name, yes in (("ws__orderbook_trade_yes", True), ("ws__orderbook_trade_noleg", False)):
        protocol = StreamProtocol(use_yes_price=yes)
        lines = [x for x in (folder / f"{name}.jsonl").read_bytes().splitlines() if x.strip()]
        ticker = next(
            json.loads(x)["msg"]["market_ticker"] for x in lines if b"orderbook_snapshot" in x
        )
        protocol.want(Channel.BOOK, [ticker])
        protocol.want(Channel.TRADE, [ticker])
        protocol.opened()
        events = [e for line in lines for e in protocol.receive(line)]
        assert any(isinstance(e, BookReset) for e in events)
        assert protocol.good(ticker)
        assert protocol.gaps == 0
        ends.append([e for e in events if isinstance(e, BookChange)])
    assert all(0 < e.price_u < 1_000_000 for changes in ends for e in changes)


def test_production_frames_are_read(recordings: Path) -> None:
    path = recordings / "public/read_only_text_samples/kalshi_ws_real/frames_2026-08_09.jsonl"
    decoder = msgspec.json.Decoder(ws.Frame)
    kinds = {type(decoder.decode(line)).__name__ for line in path.read_bytes().splitlines()}
    assert kinds == {"Snapshot", "Delta", "TradeFrame", "Ok"}
