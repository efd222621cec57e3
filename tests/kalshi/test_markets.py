"""Markets: joined, hashed, followed through their life, loaded by the ten thousand."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from decimal import Decimal
from urllib.parse import parse_qs, urlsplit

import msgspec
import pytest
from nautilus_trader.config import InstrumentProviderConfig
from nautilus_trader.model.identifiers import InstrumentId

from adapters.common.errors import ConfigError, ProtocolError, UsageError
from adapters.common.transport import HttpRequest, HttpResponse
from adapters.kalshi import lifecycle, parsing
from adapters.kalshi.http import KalshiHttp
from adapters.kalshi.lifecycle import Session
from adapters.kalshi.markets import join
from adapters.kalshi.providers import KalshiInstrumentProvider
from adapters.kalshi.schemas import rest, ws
from adapters.kalshi.symbols import Leg, split_symbol, symbol
from adapters.kalshi.times import time_ns
from core.contracts import Liquidity, Side
from core.fees.base import NEW_ORDER, UnknownFeesError
from tests.kalshi.support.scripted import EVENT, MARKET, SERIES

S = 1_000_000_000


def made(market: dict | None = None, event: dict | None = None, series: dict | None = None, **kw):
    def convert(value: dict, kind: type):
        return msgspec.json.decode(json.dumps(value).encode(), type=kind)

    return join(
        convert(MARKET | (market or {}), rest.Market),
        convert(EVENT | (event or {}), rest.Event) if event is not False else None,
        convert(SERIES | (series or {}), rest.Series) if series is not False else None,
        **kw,
    )


def test_two_instruments_with_what_the_venue_said() -> None:
    yes, no = parsing.instruments(made(), 5)
    assert (yes.id.value, no.id.value) == ("KXA-26NOV21-B-YES.KALSHI", "KXA-26NOV21-B-NO.KALSHI")
    assert (yes.price_precision, yes.size_precision, yes.quote_currency.precision) == (4, 2, 6)
    assert str(yes.price_increment) == "0.0100"
    assert yes.expiration_ns == time_ns("2027-06-25T16:00:00Z")
    info = yes.info
    assert info["complement"] == no.id.value
    assert info["shard"] == 2
    assert info["rules_sha256"] == made().rules_sha256
    assert info["terms"]["ticks"][0]["step"] == "0.0100"
    assert info["fees"]["type"] == "quadratic"
    assert type(yes).from_dict(type(yes).to_dict(yes)).info["series"] == "KXA"


def test_the_close_is_close_time_and_never_expiration_time() -> None:
    market = made({"expiration_time": "2030-01-01T00:00:00Z"})
    assert market.close_ns == time_ns("2027-06-25T16:00:00Z")


def test_the_rules_hash_follows_words_and_not_layout() -> None:
    base = made({"rules_primary": "If it does,  Yes.", "early_close_condition": "c"})
    same = made({"rules_primary": " If it\ndoes, Yes. ", "early_close_condition": "c"})
    assert base.rules_sha256 == same.rules_sha256
    for change in (
        {"rules_primary": "If it does not, Yes."},
        {"rules_secondary": "x"},
        {"early_close_condition": "d"},
    ):
        assert (
            made(
                {"rules_primary": "If it does, Yes.", "early_close_condition": "c"} | change
            ).rules_sha256
            != base.rules_sha256
        )
    other = made(
        {"rules_primary": "If it does, Yes.", "early_close_condition": "c"},
        series={"settlement_sources": [{"name": "other", "url": "u"}]},
    )
    assert other.rules_sha256 != base.rules_sha256


def test_fees_are_joined_with_overrides_changes_and_waivers() -> None:
    price, size = Decimal("0.52"), Decimal(1)

    def fee(market, ts_ns: int) -> Decimal:
        charge, _ = market.fees.at(ts_ns).charge(
            NEW_ORDER, price=price, size=size, side=Side.BUY, liquidity=Liquidity.TAKER
        )
        return charge.trade

    june = time_ns("2026-06-11T06:29:30Z")
    assert fee(made(), june) == Decimal("0.0175"), "as captured"
    assert fee(made(series={"fee_multiplier": "0.5"}), june) == Decimal("0.0088")
    half = {"fee_type_override": "quadratic", "fee_multiplier_override": 0.5}
    assert fee(made(event=half), june) == Decimal("0.0088")
    waived = made({"fee_waiver_expiration_time": "2026-06-12T00:00:00Z"})
    assert fee(waived, june) == 0
    assert fee(waived, june + 86_400 * S) > 0
    change = rest.SeriesFeeChange(
        series_ticker="KXA",
        fee_type="quadratic",
        fee_multiplier=Decimal(2),
        scheduled_ts="2026-06-11T06:29:31Z",
    )
    scheduled = made(series_changes=[change])
    assert fee(scheduled, june) == Decimal("0.0175")
    assert fee(scheduled, june + 2 * S) == Decimal("0.0350")


@pytest.mark.parametrize(
    "series", [False, {"fee_type": None}, {"fee_type": "flat"}, {"fee_type": "brand_new"}]
)
def test_unknown_fees_leave_terms_nobody_may_trade_under(series) -> None:
    with pytest.raises(UnknownFeesError):
        made(series=series).fees.at(1)


@pytest.mark.parametrize(
    "ranges",
    [
        None,
        [],
        [{"start": "0", "end": "0.5", "step": "0.01"}],
        [{"start": "0", "end": "1", "step": "0.03"}],
        [{"start": "x", "end": "1", "step": "0.01"}],
    ],
)
def test_a_market_without_a_grid_is_named(ranges) -> None:
    with pytest.raises(ProtocolError, match=r"market KXA-26NOV21-B: price_ranges"):
        made({"price_ranges": ranges})


def msg(kind: str, **fields: object) -> ws.LifecycleMsg:
    return msgspec.convert({"event_type": kind, "market_ticker": "A"} | fields, ws.LifecycleMsg)


def test_a_market_lives_by_messages_and_by_the_clock() -> None:
    market = replace(made(), open_ns=10 * S, close_ns=20 * S)
    assert [lifecycle.session(market, t * S) for t in (9, 10, 19, 20)] == [
        Session.BEFORE,
        Session.TRADING,
        Session.TRADING,
        Session.CLOSED,
    ]
    halted = lifecycle.apply(market, msg("deactivated"))
    assert lifecycle.session(halted, 15 * S) is Session.HALTED
    assert lifecycle.session(lifecycle.apply(halted, msg("activated")), 15 * S) is Session.TRADING
    moved = lifecycle.apply(market, msg("close_date_updated", close_ts=30))
    assert lifecycle.session(moved, 25 * S) is Session.TRADING, "reopened"
    told = lifecycle.apply(market, msg("determined", result="no", settlement_value="0.0000"))
    assert lifecycle.session(told, 15 * S) is Session.CLOSED, "not money yet"
    assert told.settlement_value == 0
    paid = lifecycle.apply(told, msg("settled", settled_ts=1))
    assert lifecycle.session(paid, 15 * S) is Session.SETTLED
    scalar = lifecycle.apply(market, msg("determined", result="scalar", settlement_value="0.3350"))
    assert scalar.settlement_value == Decimal("0.335")
    fine = lifecycle.apply(
        market,
        msg(
            "price_level_structure_updated",
            price_level_structure="deci_cent",
            price_ranges=[{"start": "0.0000", "end": "1.0000", "step": "0.0010"}],
        ),
    )
    assert fine.grid.contains_u(475_000)
    assert lifecycle.apply(market, msg("brand_new")) == market
    with pytest.raises(ProtocolError):
        lifecycle.apply(market, msg("close_date_updated"))


def test_symbols_lead_back_and_tickers_stay_opaque() -> None:
    for ticker in ("KXA-26NOV21-B", "X", "A-YES", "KX.B/C d#e", "A-NO-YES"):
        for leg in Leg:
            assert split_symbol(symbol(ticker, leg)) == (ticker, leg)
    for bad in ("KXA", "-YES", "KXA-yes", "KXA-MAYBE", ""):
        with pytest.raises(UsageError, match="allowed: TICKER-YES or TICKER-NO"):
            split_symbol(bad)


@pytest.mark.parametrize(
    "text",
    [
        "2026-06-11T06:29:47.42784Z",
        "2026-06-11T06:29:47.427840Z",
        "2026-06-11T08:29:47.42784+02:00",
    ],
)
def test_times_have_any_fraction(text: str) -> None:
    assert time_ns(text) == 1_781_159_387_427_840_000


class Catalogue:
    """A venue with many markets; counts the turns the loop got meanwhile."""

    def __init__(self, count: int, events: int) -> None:
        self.markets = [
            MARKET
            | {
                "ticker": f"KXA-{i}",
                "event_ticker": f"E{i % events}",
                "close_time": f"2027-01-{1 + i % 28:02d}T00:00:00Z",
            }
            for i in range(count)
        ]
        self.events = [
            EVENT | {"event_ticker": f"E{i}", "series_ticker": f"S{i % 30}"} for i in range(events)
        ]
        self.series = [
            SERIES | {"ticker": f"S{i}", "category": "Sports" if i % 2 else "Crypto"}
            for i in range(30)
        ]
        self.requests: list[str] = []
        self.loop_cursor = False

    async def send(self, request: HttpRequest) -> HttpResponse:
        await asyncio.sleep(0)
        parts = urlsplit(request.url)
        path = parts.path.removeprefix("/trade-api/v2")
        query = {k: v[0] for k, v in parse_qs(parts.query).items()}
        self.requests.append(path)
        rows = {"/markets": self.markets, "/events": self.events}.get(path)
        if path in ("/series/fee_changes", "/events/fee_changes"):
            return HttpResponse(
                200, b'{"series_fee_change_arr":[],"event_fee_changes":[],"cursor":""}'
            )
        if path == "/series":
            return HttpResponse(200, json.dumps({"series": self.series}).encode())
        if rows is None:
            return HttpResponse(404, b'{"error":{"code":"not_found","message":"not found"}}')
        if "tickers" in query:
            wanted = set(query["tickers"].split(","))
            rows = [m for m in rows if m["ticker"] in wanted]
        start, limit = int(query.get("cursor", 0)), int(query["limit"])
        page = rows[start : start + limit]
        more = str(start + limit) if start + limit < len(rows) else ""
        if self.loop_cursor:
            more = "0"
        body = {path[1:]: page, "cursor": more}
        return HttpResponse(200, json.dumps(body).encode())

    async def close(self) -> None:
        return


def provider_of(catalogue: Catalogue, **config: object) -> KalshiInstrumentProvider:
    http = KalshiHttp(
        rest_url="http://127.0.0.1/trade-api/v2",
        transport=catalogue,
        clock_ns=lambda: 1_795_000_000 * S,
    )
    http.limiter.ensure("read", 1e9, 1e9)
    return KalshiInstrumentProvider(http, lambda: 5, InstrumentProviderConfig(**config))


@pytest.mark.asyncio
async def test_ten_thousand_markets_load_while_the_loop_turns() -> None:
    provider = provider_of(Catalogue(10_000, 2_000))
    turns, done = 0, False

    async def heartbeat() -> None:
        nonlocal turns
        while not done:
            turns += 1
            await asyncio.sleep(0)

    beating = asyncio.create_task(heartbeat())
    await provider.load_all_async({})
    done = True
    await beating
    assert len(provider.markets) == 10_000
    assert provider.count == 20_000
    assert turns >= 500, "another task ran between every slice"


@pytest.mark.asyncio
async def test_filters_by_category_and_close_time() -> None:
    provider = provider_of(Catalogue(400, 60))
    low, high = (time_ns(f"2027-01-{d:02d}T00:00:00Z") // S for d in (5, 7))
    await provider.load_all_async({"category": "sports", "min_close_ts": low, "max_close_ts": high})
    assert provider.markets
    assert {m.category for m in provider.markets.values()} == {"Sports"}
    assert {m.close_ns // S for m in provider.markets.values()} <= set(range(low, high + 1))


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("filters", "says"),
    [
        ({"statu": "open"}, "statu"),
        ({"status": "active"}, "filters.status"),
        ({"min_close_ts": "x"}, "filters.min_close_ts"),
    ],
)
async def test_a_wrong_filter_names_itself_before_anything_is_asked(filters, says) -> None:
    catalogue = Catalogue(5, 5)
    with pytest.raises(ConfigError, match=says):
        await provider_of(catalogue).load_all_async(filters)
    assert catalogue.requests == []


@pytest.mark.asyncio
async def test_an_unknown_ticker_is_one_clear_error() -> None:
    provider = provider_of(Catalogue(5, 5))
    wanted = [InstrumentId.from_str("KXA-1-YES.KALSHI"), InstrumentId.from_str("NOPE-YES.KALSHI")]
    with pytest.raises(UsageError, match="ticker: found 'NOPE', unknown to the venue"):
        await provider.load_ids_async(wanted)
    assert provider.markets == {}, "nothing half loaded"


@pytest.mark.asyncio
async def test_a_cursor_that_never_ends_is_an_error() -> None:
    catalogue = Catalogue(3_000, 5)
    catalogue.loop_cursor = True
    with pytest.raises(ProtocolError, match="the pages never end"):
        await provider_of(catalogue).load_all_async({})
