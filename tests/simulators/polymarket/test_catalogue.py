"""Gamma and the Data API: paging, filters, type traps, lag, results."""

from __future__ import annotations

import json

import pytest

from simulators.polymarket import operations
from simulators.polymarket.units import ONE
from tests.simulators.polymarket.kit import S, running

pytestmark = pytest.mark.asyncio


def by_slug(venue, part):
    return next(m for m in venue.world.markets.values() if part in m.slug)


async def test_the_scenario_gives_twenty_live_markets_and_eight_shared_events(tmp_path):
    async with running(tmp_path) as venue:
        assert len(venue.ready["tokens"]) >= 2 * 20
        shared = [e for e in venue.venue.listed if e.market.slug]
        assert len({item.outcome for item in shared}) == len(shared)
        kinds = {a["signature_type"] for a in venue.ready["accounts"]}
        assert kinds == {0, 1, 2, 3}


async def test_keyset_pages_cover_everything_once(tmp_path):
    async with running(tmp_path) as venue:
        seen, cursor = [], ""
        while True:
            path = f"/markets/keyset?limit=7&after_cursor={cursor}"
            status, page = await venue.get("gamma", path)
            assert status == 200
            assert len(page["markets"]) <= 7
            seen += [market["id"] for market in page["markets"]]
            cursor = page.get("next_cursor")
            if not cursor:
                break
        assert sorted(seen) == sorted(m.gamma_id for m in venue.world.markets.values())
        assert (await venue.get("gamma", "/markets/keyset?offset=5"))[0] == 422
        assert (await venue.get("gamma", "/markets/keyset?after_cursor=@@"))[0] == 422
        clamped = (await venue.get("gamma", "/markets/keyset?limit=5000"))[1]
        assert len(clamped["markets"]) == len(seen)


async def test_type_traps(tmp_path):
    async with running(tmp_path) as venue:
        market = by_slug(venue, "nba-bos-nyk")
        _, row = await venue.get("gamma", f"/markets/{market.gamma_id}")
        assert json.loads(row["outcomes"]) == list(market.outcomes)
        assert json.loads(row["clobTokenIds"]) == list(market.tokens)
        assert len(json.loads(row["outcomePrices"])) == 2
        assert isinstance(row["positionIds"], list), "v1 markets have them, too"
        assert isinstance(row["volume"], str)
        assert isinstance(row["volumeNum"], int | float)
        assert len(row["endDateIso"]) == 10
        assert row["gameStartTime"].endswith("+00")
        assert " " in row["gameStartTime"]
        assert row["feeSchedule"] == {"rate": 0.05, "exponent": 1, "takerOnly": True,
                                      "rebateRate": 0.15}  # fmt: skip
        assert "secondsDelay" not in row, "absent is unknown, not 0"
        tennis = by_slug(venue, "atp-alc-sin")
        assert (await venue.get("gamma", f"/markets/{tennis.gamma_id}"))[1]["secondsDelay"] == 1
        free = by_slug(venue, "ceasefire")
        row = (await venue.get("gamma", f"/markets/slug/{free.slug}"))[1]
        assert (row["feesEnabled"], "feeSchedule" in row) == (False, False)


@pytest.mark.parametrize(("choice", "tokens"), [("null", True), ("position_ids", False)])
async def test_gamma_v2_tokens_switch(tmp_path, choice, tokens):
    async with running(tmp_path, switches={"gamma_v2_tokens": choice}) as venue:
        market = by_slug(venue, "eth-5k")
        row = (await venue.get("gamma", f"/markets/{market.gamma_id}"))[1]
        assert row["version"] == "v2"
        assert (row["clobTokenIds"] is None) is tokens
        assert row["positionIds"] == list(market.tokens)
        assert (len(row["conditionId"]), len(market.condition_id)) == (64, 66)
        by_short = f"/markets/keyset?condition_ids={row['conditionId']}"
        assert len((await venue.get("gamma", by_short))[1]["markets"]) == 1
        assert (await venue.ask("GET", f"/clob-markets/{row['conditionId']}"))[0] == 404
        full = (await venue.ask("GET", f"/clob-markets/{market.condition_id}"))[1]
        assert full["v"] == "v2"


@pytest.mark.parametrize(("choice", "gamma", "clob"), [
    ("listed", 200, 200), ("hidden", 404, 200), ("absent", 404, 404),
])  # fmt: skip
async def test_protocol_v2_switch(tmp_path, choice, gamma, clob):
    async with running(tmp_path, switches={"protocol_v2": choice}) as venue:
        market = by_slug(venue, "eth-5k")
        assert (await venue.get("gamma", f"/markets/{market.gamma_id}"))[0] == gamma
        assert (await venue.ask("GET", f"/book?token_id={market.tokens[0]}"))[0] == clob


async def test_the_catalogue_is_ahead_of_the_book(tmp_path):
    async with running(tmp_path, virtual=True) as venue:
        market = by_slug(venue, "ipo-q1")
        path = f"/book?token_id={market.tokens[0]}"
        assert (await venue.get("gamma", f"/markets/{market.gamma_id}"))[0] == 200
        assert (await venue.ask("GET", path))[0] == 404
        venue.venue.clock.advance(121 * S)
        assert (await venue.ask("GET", path))[0] == 200


@pytest.mark.parametrize(
    ("query", "slugs"),
    [
        ("tag_id=745", {"nba-bos-nyk", "nba-lal-den", "nba-mil-phi"}),
        ("tag_id=745&tag_id=864", {"nba-bos-nyk", "nba-lal-den", "nba-mil-phi", "atp-alc-sin"}),
        ("tag_id=1&tag_id=745&tag_match=all", {"nba-bos-nyk", "nba-lal-den", "nba-mil-phi"}),
        ("tag_slug=crypto", {"btc-100k", "eth-5k"}),
        ("tag_slug=sports&exclude_tag_id=745", {"mlb-nyy-tor", "mlb-lad-sd", "epl-ars-che",
                                                "atp-alc-sin"}),
        ("series_id=3", {"mlb-nyy-tor", "mlb-lad-sd"}),
        ("slug=shutdown", {"shutdown"}),
        ("title_search=bitcoin", {"btc-100k"}),
        ("live=true", set()),
    ],
)  # fmt: skip
async def test_event_filters(tmp_path, query, slugs):
    async with running(tmp_path) as venue:
        page = (await venue.get("gamma", f"/events/keyset?limit=100&{query}"))[1]
        found = {event["slug"] for event in page["events"]}
        assert {next(s for s in slugs if slug.startswith(s)) for slug in found} == slugs


async def test_market_filters(tmp_path):
    async with running(tmp_path) as venue:
        market = by_slug(venue, "mayor-2026-riv")
        event = venue.world.events[market.event_id]
        for query in (
            f"condition_ids={market.condition_id}",
            f"clob_token_ids={market.tokens[1]}",
            f"id={market.gamma_id}",
            f"slug={market.slug}",
            f"question_ids={market.question_id}",
        ):
            page = (await venue.get("gamma", f"/markets/keyset?{query}"))[1]
            assert [row["id"] for row in page["markets"]] == [market.gamma_id]
        row = page["markets"][0]
        assert row["negRiskMarketID"] == event.neg_risk_id
        assert row["groupItemTitle"] == "Ana Rivera"
        v2 = (await venue.get("gamma", "/markets/keyset?version=v2"))[1]["markets"]
        assert [m["version"] for m in v2] == ["v2"]
        late = (await venue.get("gamma", "/markets/keyset?end_date_max=2000-01-01"))[1]
        assert late["markets"] == []
        assert (await venue.get("gamma", "/markets/keyset?end_date_max=soon"))[0] == 422
        for path in ("/markets/none", "/events/none", "/tags/none", "/series/none"):
            assert (await venue.get("gamma", path))[0] == 404


async def test_events_carry_games_series_and_light_lists(tmp_path):
    async with running(tmp_path) as venue:
        path = "/events/keyset?tag_id=745&include_markets=false"
        light = (await venue.get("gamma", path))[1]["events"][0]
        assert "markets" not in light
        event = (await venue.get("gamma", f"/events/slug/{light['slug']}"))[1]
        assert [team["ordering"] for team in event["teams"]] == ["away", "home"]
        assert event["markets"][0]["sportsMarketType"] == "moneyline"
        assert (await venue.get("gamma", f"/series/{event['series'][0]['id']}"))[0] == 200
        found = (await venue.get("gamma", "/public-search?q=celtics"))[1]
        assert found["pagination"] == {"hasMore": False, "totalResults": 1}
        assert (await venue.get("gamma", "/public-search"))[0] == 422
        sports = (await venue.get("gamma", "/sports"))[1]
        assert sports[0]["tags"].startswith("1,")


async def test_closed_markets_are_left_out_unless_asked_for(tmp_path):
    async with running(tmp_path) as venue:
        market = by_slug(venue, "shutdown")
        operations.resolve(venue.world, market, (0, ONE))
        default = (await venue.get("gamma", "/markets/keyset?limit=100"))[1]["markets"]
        assert market.gamma_id not in {row["id"] for row in default}
        closed = (await venue.get("gamma", "/markets/keyset?closed=true"))[1]["markets"]
        row = closed[0]
        assert (row["closed"], row["umaResolutionStatus"]) == (True, "resolved")
        assert json.loads(row["outcomePrices"]) == ["0", "1"]
        assert row["closedTime"].endswith("+00")
        big = (await venue.ask("GET", f"/markets/{market.condition_id}"))[1]
        assert [token["winner"] for token in big["tokens"]] == [False, True]
        assert (await venue.ask("GET", f"/book?token_id={market.tokens[0]}"))[0] == 404


@pytest.mark.parametrize(("payouts", "flag", "numbers"), [
    ((ONE // 2, ONE // 2), True, [500_000, 500_000]), ((ONE, 0), False, [ONE, 0]),
])  # fmt: skip
async def test_results_in_every_api(tmp_path, payouts, flag, numbers):
    async with running(tmp_path) as venue:
        market = by_slug(venue, "shutdown")
        path = f"/v2/resolutions?condition_id={market.condition_id}"
        before = (await venue.get("data", path))[1]["data"][0]
        assert (before["status"], before["price"], before["payouts"]) == ("initialized", "69", None)
        operations.resolve(venue.world, market, payouts)
        after = (await venue.get("data", path))[1]["data"][0]
        assert (after["status"], after["payouts"]) == ("resolved", numbers)
        big = (await venue.ask("GET", f"/markets/{market.condition_id}"))[1]
        assert big["is_50_50_outcome"] is flag


async def test_positions_lag_follow_trades_and_redeem(tmp_path):
    async with running(tmp_path, virtual=True) as venue:
        world, trader = venue.world, venue.trader()
        market = by_slug(venue, "shutdown")
        operations.quote(world, market, [], [(400_000, 100 * ONE)])
        trader.post(market, "BUY", "0.4", 50)
        user = trader.account.funder
        path = f"/v2/positions?user={user}"

        async def rows(extra=""):
            return (await venue.get("data", path + extra))[1]["data"]

        world.run(world.now_ns + 10 * S)
        trade = next(iter(world.trades.values()))
        assert trade.status == "CONFIRMED"
        venue.venue.clock.advance(60 * S)
        row = (await rows())[0]
        assert (row["current_size"], row["avg_price"], row["status"]) == (50, 0.4, "OPEN")
        assert row["entry_cost_usdc"] == 20
        assert row["entry_fees_usdc"] == 0.48
        operations.resolve(world, market, (ONE, 0))
        row = (await rows("&status=REDEEMABLE"))[0]
        assert (row["redeemable"], row["current_value"]) == (True, 50)
        operations.on_chain(world, trader.wallet, "redeem", market)
        assert len(await rows()) == 1, "the indexer lags"
        venue.venue.clock.advance(3 * S)
        assert await rows() == []
        closed = (await rows("&status=CLOSED"))[0]
        assert closed["realized_pnl"] == 30
        feed = (await venue.get("data", f"/v2/activity?user={user}&start=1"))[1]["data"]
        assert [item["type"] for item in feed] == ["REDEEM", "TRADE"]
        taken = (await venue.get("data", f"/v2/trades?user={user}&start=1"))[1]["data"]
        assert [(t["side"], t["size"], t["price"]) for t in taken] == [("BUY", 50, 0.4)]


@pytest.mark.parametrize(("lag_ms", "count"), [(0, 1), (60_000, 0)])
async def test_indexer_lag_switch(tmp_path, lag_ms, count):
    async with running(tmp_path, switches={"indexer_ms": lag_ms}, virtual=True) as venue:
        trader, market = venue.trader(), by_slug(venue, "shutdown")
        operations.on_chain(venue.world, trader.wallet, "split", market, 5 * ONE)
        path = f"/v2/activity?user={trader.account.funder}&start=1"
        assert len((await venue.get("data", path))[1]["data"]) == count


async def test_dust_makers_and_merge_pairs(tmp_path):
    async with running(tmp_path, switches={"indexer_ms": 0}, virtual=True) as venue:
        world, trader = venue.world, venue.trader()
        market, other = by_slug(venue, "shutdown"), by_slug(venue, "cpi-3")
        operations.on_chain(world, trader.wallet, "split", market, 50_000)
        operations.on_chain(world, trader.wallet, "split", other, 5 * ONE)
        user = trader.account.funder
        shown = (await venue.get("data", f"/v2/positions?user={user}"))[1]["data"]
        assert {row["condition_id"] for row in shown} == {other.condition_id}
        everything = f"/v2/positions?user={user}&filter_amount=0"
        assert len((await venue.get("data", everything))[1]["data"]) == 4
        pairs = f"/v2/positions?user={user}&status=MERGEABLE"
        assert len((await venue.get("data", pairs))[1]["data"]) == 2
        world.ledger.refresh(trader.wallet)
        trader.post(other, "SELL", "0.6", 5)
        operations.take(world, other, yes_buy=True, price=600_000, size=5 * ONE)
        world.run(world.now_ns + 60 * S)
        own = f"/v2/trades?user={user}&start=1"
        assert (await venue.get("data", own))[1]["data"] == []
        maker = (await venue.get("data", own + "&taker_only=false"))[1]["data"]
        assert [row["side"] for row in maker] == ["SELL"]


async def test_data_pages_errors_and_the_retired_version(tmp_path):
    async with running(tmp_path, switches={"indexer_ms": 0}, virtual=True) as venue:
        trader, market = venue.trader(), by_slug(venue, "shutdown")
        for _ in range(5):
            operations.on_chain(venue.world, trader.wallet, "split", market, ONE)
        path = f"/v2/activity?user={trader.account.funder}&start=1&limit=2"
        seen, cursor = [], ""
        for _ in range(3):
            page = (await venue.get("data", f"{path}&cursor={cursor}"))[1]
            seen += page["data"]
            cursor = page["pagination"]["next_cursor"]
        assert len(seen) == 5
        assert page["pagination"]["has_more"] is False
        assert (await venue.get("data", "/v2/positions"))[0] == 400
        short = f"/v2/positions?user={trader.account.funder}&condition_id=0x12"
        status, body = await venue.get("data", short)
        assert (status, body["retryable"]) == (400, False)
        assert (await venue.get("data", "/positions?user=0x0"))[0] == 410


@pytest.mark.parametrize(("choice", "odd"), [(False, 0), (True, 4)])
async def test_gamma_oddities_switch(tmp_path, choice, odd):
    async with running(tmp_path, switches={"gamma_oddities": choice}) as venue:
        rows = (await venue.get("gamma", "/markets/keyset?limit=100&closed=false"))[1]["markets"]
        strange = [row for row in rows if row["slug"].startswith("odd-")]
        assert len(strange) == odd
        assert len(rows) == len(venue.world.markets) + odd
        if choice:
            kinds = [
                len(json.loads(row["outcomes"])) == 2
                and row["version"] in ("v1", "v2")
                and bool(row["clobTokenIds"])
                and row["acceptingOrders"]
                for row in strange
            ]
            assert not any(kinds), "none of them can be traded"
