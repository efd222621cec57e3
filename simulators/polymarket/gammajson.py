"""Markets, events, series and teams as Gamma prints them, with its type traps."""

from __future__ import annotations

import json
from typing import Any

from simulators.polymarket.model import Market
from simulators.polymarket.stamps import date, iso, spaced
from simulators.polymarket.units import ONE, number, text
from simulators.polymarket.world import Event, World


def gamma_condition(market: Market) -> str:
    """Gamma shows the 31 bytes of a Protocol-V2 condition, the order book pads them to 32."""
    return market.condition_id[:-2] if market.version == "v2" else market.condition_id


def _prices(market: Market) -> list[str]:
    if market.payouts is not None:
        return [text(payout) for payout in market.payouts]
    bid, ask = market.book.best(0)
    if bid is not None and ask is not None:
        middle = (bid + ask) // 2
    else:
        middle = market.last_price.get(0, ONE // 2)
    return [text(middle), text(ONE - middle)]


def market_json(world: World, market: Market, *, nested: bool = False) -> dict[str, Any]:
    """Return a market as Gamma prints it: lists inside strings, money as text and as float."""
    event = world.events[market.event_id]
    bid, ask = market.book.best(0)
    tokens = json.dumps(list(market.tokens))
    fees = market.fees
    body: dict[str, Any] = {
        "id": market.gamma_id,
        "version": market.version,
        "question": market.question,
        "conditionId": gamma_condition(market),
        "slug": market.slug,
        "resolutionSource": market.rules_source,
        "endDate": iso(market.end_ns),
        "endDateIso": date(market.end_ns),
        "startDate": iso(market.start_ns),
        "description": market.description,
        "outcomes": json.dumps(list(market.outcomes)),
        "outcomePrices": json.dumps(_prices(market)),
        "clobTokenIds": tokens,
        "volume": text(market.volume),
        "volumeNum": number(market.volume),
        "liquidity": "0",
        "liquidityNum": 0,
        "active": True,
        "closed": market.closed,
        "archived": False,
        "acceptingOrders": market.accepting and not market.closed,
        "acceptingOrdersTimestamp": iso(market.start_ns),
        "enableOrderBook": True,
        "questionID": market.question_id,
        "negRisk": market.neg_risk,
        "groupItemTitle": market.group_title,
        "orderPriceMinTickSize": number(market.tick),
        "orderMinSize": number(market.min_size),
        "umaResolutionStatuses": json.dumps([market.uma_status] if market.uma_status else []),
        "umaBond": "750",
        "makerBaseFee": 1000 if fees else 0,
        "takerBaseFee": 1000 if fees else 0,
        "feesEnabled": fees is not None,
        "clearBookOnStart": market.clear_book_on_start,
        "rewardsMinSize": 50,
        "rewardsMaxSpread": 4.5,
        "clobRewards": [],
        "bestBid": number(bid or 0),
        "bestAsk": number(ask if ask is not None else ONE),
        "lastTradePrice": number(market.last_price.get(0, 0)),
        "image": "",
        "icon": "",
        "marketMakerAddress": "",
    }
    _optional(world, market, event, body)
    if not nested:
        body["events"] = [event_json(world, event, markets=False)]
        body["tags"] = tags_json(event)
    return body


def _optional(world: World, market: Market, event: Event, body: dict[str, Any]) -> None:
    fees = market.fees
    if fees is not None:
        body["feeType"] = fees.kind
        body["feeSchedule"] = {
            "rate": number(fees.rate_ppm),
            "exponent": fees.exponent,
            "takerOnly": True,
            "rebateRate": number(fees.rebate_ppm),
        }
    if market.version == "v2":
        as_null = world.switches["gamma_v2_tokens"] == "null"
        body["clobTokenIds"] = None if as_null else body["clobTokenIds"]
        body["positionIds"] = list(market.tokens)
        body["resolutionStatus"] = "resolved" if market.payouts else "inactive"
        del body["umaResolutionStatuses"]
    else:
        # v1 markets list the position ids of their combo legs too: `version` decides, not this.
        body["positionIds"] = [str(int(token) >> 40 << 104) for token in market.tokens]
        if market.uma_status:
            body["umaResolutionStatus"] = market.uma_status
    body["negRiskMarketID"] = event.neg_risk_id if market.neg_risk else ""
    body["negRiskRequestID"] = market.question_id if market.neg_risk else ""
    body["negRiskOther"] = False
    if market.seconds_delay is not None:
        body["secondsDelay"] = market.seconds_delay
    if market.sports_type:
        body["sportsMarketType"] = market.sports_type
        body["gameId"] = market.game_id
        body["gameStartTime"] = spaced(market.game_start_ns)
        body["eventStartTime"] = iso(market.game_start_ns)
    if market.closed_ns:
        body["closedTime"] = spaced(market.closed_ns)
        body["umaEndDate"] = iso(market.closed_ns)
        body["automaticallyResolved"] = True


def tags_json(event: Event) -> list[dict[str, Any]]:
    """Return an event's tags."""
    return [{"id": tag, "label": label, "slug": slug} for tag, label, slug in event.tags]


def event_json(world: World, event: Event, *, markets: bool = True) -> dict[str, Any]:
    """Return an event as Gamma prints it."""
    closed = all(market.closed for market in event.markets)
    body: dict[str, Any] = {
        "id": event.id,
        "ticker": event.slug,
        "slug": event.slug,
        "title": event.title,
        "description": event.description,
        "startDate": iso(event.start_ns),
        "creationDate": iso(event.start_ns),
        "endDate": iso(event.end_ns),
        "active": True,
        "closed": closed,
        "archived": False,
        "liquidity": 0,
        "volume": number(sum(market.volume for market in event.markets)),
        "enableOrderBook": True,
        "negRisk": bool(event.neg_risk_id),
        "enableNegRisk": bool(event.neg_risk_id),
        "negRiskAugmented": False,
        "tags": tags_json(event),
        "live": event.live,
        "ended": event.ended,
        "score": event.score,
        "period": event.period,
        "elapsed": "",
    }
    if event.neg_risk_id:
        body["negRiskMarketID"] = event.neg_risk_id
    if event.series is not None:
        body["seriesSlug"] = event.series[1]
        body["series"] = [series_json(event.series)]
    if event.game_id:
        body.update(
            gameId=int(event.game_id),
            startTime=iso(event.game_start_ns),
            eventDate=date(event.game_start_ns),
            homeTeamName=event.home,
            awayTeamName=event.away,
            teams=[
                team_json(event.league, event.away, "away"),
                team_json(event.league, event.home, "home"),
            ],
        )
    if markets:
        body["markets"] = [
            market_json(world, market, nested=True)
            for market in event.markets
            if visible(world, market)
        ]
    return body


def series_json(series: tuple[str, str, str]) -> dict[str, Any]:
    """Return a series."""
    return {
        "id": series[0],
        "ticker": series[1],
        "slug": series[1],
        "title": series[2],
        "seriesType": "single",
        "recurrence": "daily",
        "active": True,
        "closed": False,
        "archived": False,
    }


def team_json(league: str, name: str, ordering: str) -> dict[str, Any]:
    """Return a team; `ordering` is home or away."""
    short = "".join(word[0] for word in name.split()).lower()
    return {
        "id": sum(name.encode()),
        "name": name,
        "league": league,
        "abbreviation": short,
        "ordering": ordering,
        "record": "0-0",
        "providerId": sum(name.encode()) + 1000,
    }


def visible(world: World, market: Market) -> bool:
    """Return whether the catalogue lists a market: Protocol-V2 ones may be hidden."""
    return market.version != "v2" or world.switches["protocol_v2"] == "listed"


def oddities(world: World) -> list[dict[str, Any]]:
    """Return markets that no client can trade and every client must survive.

    They are the rows of real markets with the fields that make them odd.
    """
    plain = next((m for m in world.markets.values() if m.version == "v1"), None)
    if plain is None:
        return []
    changes: tuple[dict[str, Any], ...] = (
        {"clobTokenIds": "", "enableOrderBook": False, "acceptingOrders": False},
        {"endDate": "2020-11-04T00:00:00Z", "acceptingOrders": False, "negRisk": None},
        {
            "outcomes": json.dumps(["A", "B", "C"]),
            "outcomePrices": json.dumps(["0", "0", "0"]),
            "clobTokenIds": json.dumps(["1", "2", "3"]),
            "conditionId": "",
            "acceptingOrders": False,
        },
        {"version": "v9", "clobTokenIds": None, "positionIds": []},
    )
    base = market_json(world, plain)
    return [
        {**base, "id": str(900_000 + n), "slug": f"odd-{n}", "questionID": "", **change}
        for n, change in enumerate(changes)
    ]
