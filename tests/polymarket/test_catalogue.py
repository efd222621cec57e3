"""Markets, instruments and the provider: real rows, every trap, ten thousand markets."""

from __future__ import annotations

import asyncio
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from nautilus_trader.config import InstrumentProviderConfig

from adapters.common.errors import ConfigError, ProtocolError, UsageError
from adapters.common.transport import HttpRequest, HttpResponse
from adapters.polymarket.constants import ProtocolVersion
from adapters.polymarket.gamma import GammaClient
from adapters.polymarket.markets import NotTradable, parse_market, parse_time_ns, payouts
from adapters.polymarket.parsing import instrument_id, parse_instrument
from adapters.polymarket.providers import PolymarketInstrumentProvider
from adapters.polymarket.rest import RestClient, make_limiter
from adapters.polymarket.schemas.gamma import GammaMarket
from adapters.polymarket.signing import NEG_RISK, PROTOCOL_V2, STANDARD
from adapters.polymarket.symbols import asset_id_of, is_position_id, padded_condition_id
from tests.polymarket.support.scripted import MARKET, YES

D = Decimal
V2_IDS = [
    "585958667323043989422309455455331697092458095070253547232886793323568693504",
    "585958667323043989422309455455331697092458095070253547232886793323568693505",
]


def market(**changes: Any):  # type: ignore[no-untyped-def]
    row = MARKET | changes
    return parse_market(msgspec.convert(row, GammaMarket, strict=False))


@pytest.mark.data
def test_real_rows(recordings: Path) -> None:
    folder = recordings / "public" / "nautechsystems+nautilus_trader"
    found, refused = [], {}
    for path in folder.glob("*gamma_market*.json"):
        row = msgspec.json.decode(path.read_bytes(), type=GammaMarket)
        try:
            found.append(parse_market(row))
        except (NotTradable, ProtocolError) as exc:
            refused[path.name] = str(exc)
    assert len(found) >= 4
    assert any("nonbinary" in name for name in refused)
    sports = next(m for m in found if m.sports_market_type == "moneyline")
    assert sports.game_start_ns > 0
    updown = next(m for m in found if m.slug.startswith("btc-updown"))
    assert updown.outcomes == ("Up", "Down")


@pytest.mark.parametrize(
    ("changes", "exchange"),
    [
        ({}, STANDARD),
        ({"negRisk": True}, NEG_RISK),
        ({"positionIds": V2_IDS}, STANDARD),  # v1 markets list positions too
        ({"version": "v2", "positionIds": V2_IDS, "clobTokenIds": None}, PROTOCOL_V2),
        ({"version": "v2", "positionIds": V2_IDS, "negRisk": True}, PROTOCOL_V2),
    ],
)
def test_the_version_alone_decides_where_a_market_trades(changes, exchange) -> None:  # type: ignore[no-untyped-def]
    found = market(**changes)
    assert found.exchange is exchange
    v2 = exchange is PROTOCOL_V2
    assert (found.version is ProtocolVersion.V2) is v2
    assert found.asset_ids[0] == (V2_IDS[0] if v2 else YES)
    assert found.book_terms.version == ("v2" if v2 else "")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"version": "v3"}, "protocol version 'v3'"),
        ({"outcomes": '["A","B","C"]'}, "3 outcomes"),
        ({"clobTokenIds": None}, "0 token ids"),
        ({"clobTokenIds": "[]"}, "0 token ids"),
        ({"conditionId": ""}, "no condition id"),
        ({"enableOrderBook": False}, "no order book"),
    ],
)
def test_rows_that_are_no_instrument(changes, reason) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(NotTradable, match=reason):
        market(**changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"outcomes": "not json"},
        {"clobTokenIds": '["a", "b"]'},
        {"conditionId": "0x12"},
        {"orderPriceMinTickSize": None},
        {"orderPriceMinTickSize": 0.03},
    ],
)
def test_rows_that_contradict_the_documents(changes) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ProtocolError):
        market(**changes)


@pytest.mark.parametrize(
    ("changes", "rate", "problem"),
    [
        ({}, "0.05", ""),
        ({"feesEnabled": False}, "0", ""),
        ({"feesEnabled": None, "feeSchedule": None}, "0", ""),
        ({"feeSchedule": None}, None, "schedule is missing"),
        ({"feeSchedule": {"rate": None}}, None, "rate"),
        ({"feeSchedule": {"rate": 0.05, "exponent": 1.5}}, None, "exponent"),
        ({"feeSchedule": {"rate": 0.05, "exponent": 1, "takerOnly": False}}, None, "takerOnly"),
        ({"takerBaseFee": 1000}, "0.05", ""),
    ],
)
def test_fee_terms_are_the_markets_own(changes, rate, problem) -> None:  # type: ignore[no-untyped-def]
    found = market(**changes)
    assert (found.fees.rate if found.fees else None) == (None if rate is None else D(rate))
    assert problem in found.fee_problem


def test_an_absent_delay_is_unknown() -> None:
    assert market().seconds_delay is None
    assert market(secondsDelay=0).seconds_delay == 0


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"closed": True, "outcomePrices": '["1", "0"]'}, None),
        ({"closed": True, "umaResolutionStatus": "proposed", "outcomePrices": '["1","0"]'}, None),
        (
            {"closed": True, "umaResolutionStatus": "resolved", "outcomePrices": '["0","1"]'},
            (D(0), D(1)),
        ),
        (
            {"closed": True, "umaResolutionStatus": "resolved", "outcomePrices": '["0.5","0.5"]'},
            (D("0.5"), D("0.5")),
        ),
        ({"closed": True, "umaResolutionStatus": "resolved", "outcomePrices": '["0","0"]'}, None),
        ({"umaResolutionStatus": "resolved", "outcomePrices": '["1","0"]'}, None),
    ],
)
def test_last_prices_are_no_payouts(changes, expected) -> None:  # type: ignore[no-untyped-def]
    assert payouts(market(**changes)) == expected


def test_the_instrument() -> None:
    found = parse_instrument(market(), 0, 5)
    assert found.id.value == f"{YES}.POLYMARKET"
    assert (found.price_precision, found.size_precision) == (4, 6)
    assert str(found.price_increment) == "0.0100"
    assert found.quote_currency.code == "pUSD"
    assert found.min_quantity is None
    assert found.info["fees"] == {"rate": "0.05", "exponent": "1", "taker_only": True}
    assert found.info["rules_sha256"] == market().rules_sha256
    assert json.loads(json.dumps(found.info)) == found.info


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("2026-07-24T00:00:00Z", 1784851200 * 10**9),
        ("2026-07-24 00:00:16+00", 1784851216 * 10**9),
        ("2026-07-23T02:48:35.302901Z", 1784774915302901000),
        ("2026-07-24", 1784851200 * 10**9),
        ("", 0),
        (None, 0),
        ("soon", 0),
    ],
)
def test_time_formats(text, ns) -> None:  # type: ignore[no-untyped-def]
    assert parse_time_ns(text) == ns


def test_ids() -> None:
    assert is_position_id(V2_IDS[0])
    assert padded_condition_id("0x" + "AB" * 31) == "0x" + "ab" * 31 + "00"
    for wrong in ("KXA-YES.KALSHI", "abc.POLYMARKET", "1²3.POLYMARKET", "", f"{2**256}.POLYMARKET"):
        with pytest.raises(UsageError):
            asset_id_of(wrong)
    with pytest.raises(UsageError, match="condition id"):
        padded_condition_id("0x12")


# -- the provider ---------------------------------------------------------------------------------


class Catalogue:
    """Serves keyset pages of synthetic markets."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.queries: list[str] = []

    async def send(self, request: HttpRequest) -> HttpResponse:
        self.queries.append(request.url)
        start = int(request.url.partition("after_cursor=c")[2] or 0)
        rows = [self.row(n) for n in range(start, min(start + 100, self.count))]
        if start == 0:
            rows[1:1] = [{"slug": "bad"}, {"id": {"not": "an id"}}]
        more = start + 100 < self.count
        page = {"markets": rows, "next_cursor": f"c{start + 100}" if more else None}
        return HttpResponse(200, json.dumps(page).encode())

    def row(self, n: int) -> dict[str, Any]:
        return MARKET | {
            "id": str(n),
            "slug": f"m{n}",
            "conditionId": "0x" + f"{n + 1:064x}",
            "clobTokenIds": json.dumps([str(10**70 + 2 * n), str(10**70 + 2 * n + 1)]),
        }

    async def close(self) -> None:
        return


def provider(catalogue: Catalogue, **config: Any) -> PolymarketInstrumentProvider:
    limiter = make_limiter(lambda: 0, sleep=lambda _: asyncio.sleep(0))
    rest = RestClient(base_url="http://gamma", transport=catalogue, limiter=limiter)
    return PolymarketInstrumentProvider(
        GammaClient(rest), clock_ns=lambda: 1, config=InstrumentProviderConfig(**config)
    )


@pytest.mark.asyncio
async def test_ten_thousand_markets_without_blocking_the_loop() -> None:
    catalogue = Catalogue(10_000)
    found = provider(catalogue)
    turns = 0

    async def heart() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    beating = asyncio.get_running_loop().create_task(heart())
    await found.load_all_async()
    beating.cancel()
    assert found.count == 20_000
    assert turns >= 100, "the loop turns at least once per page"
    assert len(catalogue.queries) == 100
    assert set(found.refused) == {"bad"}
    assert len(found._gamma.skipped) == 1


@pytest.mark.asyncio
async def test_filters_reach_the_venue() -> None:
    catalogue = Catalogue(10)
    found = provider(catalogue)
    await found.load_all_async({"tag_id": [1, 2], "closed": False, "max_markets": 5})
    assert "tag_id=1&tag_id=2" in catalogue.queries[0]
    assert "closed=false" in catalogue.queries[0]
    with pytest.raises(ConfigError, match="instrument filters: found"):
        await found.load_all_async({"tga_id": 1})


@pytest.mark.asyncio
async def test_an_unknown_token_is_one_clear_error() -> None:
    with pytest.raises(UsageError, match="is not in the catalogue"):
        await provider(Catalogue(3)).load_ids_async([instrument_id("123")])


@pytest.mark.asyncio
async def test_a_tick_change_renews_both_instruments_and_tells() -> None:
    found = provider(Catalogue(1))
    await found.load_all_async()
    token = str(10**70)
    told: list[str] = []
    found.watch(lambda instrument: told.append(str(instrument.price_increment)))
    found.set_tick_size(token, D("0.001"))
    assert told == ["0.0010", "0.0010"]
    assert found.market(token).tick_size == D("0.001")
    found.set_tick_size(token, D("0.001"))
    assert len(told) == 2
