"""The catalogue API: markets, events, series, tags, teams, search; with its type traps."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable
from typing import Any

from simulators.polymarket.catalogue import LEAGUES, TAGS
from simulators.polymarket.model import Market, Refusal
from simulators.polymarket.routes import Call, Route
from simulators.polymarket.stamps import date, iso, parse, spaced
from simulators.polymarket.units import ONE, number, text
from simulators.polymarket.world import Event, World
from simulators.wire import Json

_PAGE = 100


def _gamma_condition(market: Market) -> str:
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
        "conditionId": _gamma_condition(market),
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
        body["tags"] = _tags(event)
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


def _tags(event: Event) -> list[dict[str, Any]]:
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
        "tags": _tags(event),
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
        body["series"] = [_series(event.series)]
    if event.game_id:
        body.update(
            gameId=int(event.game_id),
            startTime=iso(event.game_start_ns),
            eventDate=date(event.game_start_ns),
            homeTeamName=event.home,
            awayTeamName=event.away,
            teams=[
                _team(event.league, event.away, "away"),
                _team(event.league, event.home, "home"),
            ],
        )
    if markets:
        body["markets"] = [
            market_json(world, market, nested=True)
            for market in event.markets
            if _visible(world, market)
        ]
    return body


def _series(series: tuple[str, str, str]) -> dict[str, Any]:
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


def _team(league: str, name: str, ordering: str) -> dict[str, Any]:
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


def _visible(world: World, market: Market) -> bool:
    return market.version != "v2" or world.switches["protocol_v2"] == "listed"


def _flag(call: Call, name: str) -> bool | None:
    value = call.one(name).lower()
    return {"true": True, "1": True, "false": False, "0": False}.get(value)


def _keyset(call: Call, name: str, rows: list[Any], show: Callable[[Any], Json]) -> Json:
    """Return one keyset page; an offset is refused, a larger limit is clamped."""
    if "offset" in call.query:
        raise Refusal(422, "offset is not supported on keyset endpoints")
    limit = max(1, min(_PAGE, call.integer("limit", 20)))
    start = 0
    cursor = call.one("after_cursor")
    if cursor:
        try:
            start = int(base64.urlsafe_b64decode(cursor).decode())
        except (ValueError, binascii.Error) as error:
            raise Refusal(422, "invalid after_cursor") from error
    body: dict[str, Any] = {name: [show(row) for row in rows[start : start + limit]]}
    if start + limit < len(rows):
        body["next_cursor"] = base64.urlsafe_b64encode(str(start + limit).encode()).decode()
    return body


def _offset(call: Call, rows: list[Any], show: Callable[[Any], Json]) -> Json:
    limit = max(0, min(500, call.integer("limit", 20)))
    start = max(0, call.integer("offset", 0))
    return [show(row) for row in rows[start : start + limit]]


def _within(call: Call, name: str, ns: int) -> bool:
    low, high = call.one(f"{name}_min"), call.one(f"{name}_max")
    try:
        return (not low or ns >= parse(low)) and (not high or ns <= parse(high))
    except ValueError as error:
        raise Refusal(422, f"invalid {name}: {error}") from error


def _has_tags(call: Call, event: Event) -> bool:
    wanted, slugs = call.many("tag_id"), call.many("tag_slug")
    mine = {tag for tag, _, _ in event.tags}
    if slugs and not {slug for _, _, slug in event.tags} & set(slugs):
        return False
    if mine & set(call.many("exclude_tag_id")):
        return False
    if call.one("tag_match") == "all":
        return set(wanted) <= mine
    return not wanted or bool(mine & set(wanted))


def _order_rows(call: Call, rows: list[Any], keys: dict[str, Callable[[Any], Any]]) -> list[Any]:
    """Sort by a field; volume and liquidity are text columns and sort as text."""
    chosen = call.one("order").split(",")[0]
    ascending = _flag(call, "ascending")
    if chosen in keys:
        return sorted(rows, key=keys[chosen], reverse=ascending is False)
    return rows[::-1] if chosen and ascending is False else rows


def _find_markets(call: Call) -> list[Market]:
    world = call.world
    closed = _flag(call, "closed")
    asked = any(call.query.get(n) for n in ("id", "slug", "condition_ids", "clob_token_ids"))
    closed = closed if closed is not None or asked else False
    sets = {
        name: {value.lower() for value in call.many(name)}
        for name in ("id", "slug", "condition_ids", "clob_token_ids", "position_ids",
                     "question_ids", "game_id", "sports_market_types", "uma_resolution_status",
                     "version")
    }  # fmt: skip

    def keep(market: Market) -> bool:
        own = {
            "id": {market.gamma_id},
            "slug": {market.slug},
            "condition_ids": {market.condition_id, _gamma_condition(market)},
            "clob_token_ids": set(market.tokens),
            "position_ids": set(market.tokens),
            "question_ids": {market.question_id},
            "game_id": {market.game_id},
            "sports_market_types": {market.sports_type},
            "uma_resolution_status": {market.uma_status},
            "version": {market.version},
        }
        return (
            _visible(world, market)
            and (closed is None or market.closed is closed)
            and all(not wanted or wanted & own[name] for name, wanted in sets.items())
            and _has_tags(call, world.events[market.event_id])
            and _within(call, "end_date", market.end_ns)
            and _within(call, "start_date", market.start_ns)
        )

    if len(sets["condition_ids"]) > _PAGE:
        raise Refusal(422, "too many condition_ids: at most 100")
    rows = [market for market in world.markets.values() if keep(market)]
    keys: dict[str, Callable[[Any], Any]] = {
        "id": lambda m: int(m.gamma_id),
        "volumeNum": lambda m: m.volume,
        "volume": lambda m: text(m.volume),
        "endDate": lambda m: m.end_ns,
        "startDate": lambda m: m.start_ns,
    }
    return _order_rows(call, rows, keys)


def _find_events(call: Call) -> list[Event]:
    world = call.world
    ids, slugs = set(call.many("id")), set(call.many("slug"))
    series, games = set(call.many("series_id")), set(call.many("game_id"))
    closed, live, ended = (_flag(call, name) for name in ("closed", "live", "ended"))
    closed = closed if closed is not None or ids or slugs else False
    title = call.one("title_search").lower()

    def keep(event: Event) -> bool:
        is_closed = all(market.closed for market in event.markets)
        return (
            (closed is None or is_closed is closed)
            and (live is None or event.live is live)
            and (ended is None or event.ended is ended)
            and (not ids or event.id in ids)
            and (not slugs or event.slug in slugs)
            and (not series or (event.series is not None and event.series[0] in series))
            and (not games or event.game_id in games)
            and (not title or title in event.title.lower())
            and any(_visible(world, market) for market in event.markets)
            and _has_tags(call, event)
            and _within(call, "end_date", event.end_ns)
            and _within(call, "start_date", event.start_ns)
            and _within(call, "start_time", event.game_start_ns)
        )

    rows = [event for event in world.events.values() if keep(event)]
    keys: dict[str, Callable[[Any], Any]] = {
        "id": lambda e: int(e.id),
        "endDate": lambda e: e.end_ns,
        "startDate": lambda e: e.start_ns,
        "startTime": lambda e: e.game_start_ns,
        "volume": lambda e: sum(m.volume for m in e.markets),
    }
    return _order_rows(call, rows, keys)


def _show_event(call: Call) -> Callable[[Event], Json]:
    with_markets = _flag(call, "include_markets") is not False
    return lambda event: event_json(call.world, event, markets=with_markets)


def _events_keyset(call: Call) -> Json:
    return _keyset(call, "events", _find_events(call), _show_event(call))


def _markets_keyset(call: Call) -> Json:
    return _keyset(call, "markets", _find_markets(call), lambda m: market_json(call.world, m))


def _events(call: Call) -> Json:
    return _offset(call, _find_events(call), _show_event(call))


def _markets(call: Call) -> Json:
    return _offset(call, _find_markets(call), lambda m: market_json(call.world, m))


def _one_market(call: Call) -> Market:
    key = call.path["key"]
    for market in call.world.markets.values():
        if key in (market.gamma_id, market.slug) and _visible(call.world, market):
            return market
    raise Refusal(404, "market not found", type="not found error")


def _one_event(call: Call) -> Event:
    key = call.path["key"]
    for event in call.world.events.values():
        if key in (event.id, event.slug):
            return event
    raise Refusal(404, "event not found", type="not found error")


def _market(call: Call) -> Json:
    return market_json(call.world, _one_market(call))


def _event(call: Call) -> Json:
    return event_json(call.world, _one_event(call))


def _market_tags(call: Call) -> Json:
    return _tags(call.world.events[_one_market(call).event_id])


def _event_tags(call: Call) -> Json:
    return _tags(_one_event(call))


def _all_tags() -> list[tuple[str, str, str]]:
    leagues = [(tag, label, slug) for tag, label, slug, _ in LEAGUES.values()]
    return [*TAGS.values(), *leagues]


def _tag_json(tag: tuple[str, str, str]) -> dict[str, Any]:
    return {"id": tag[0], "label": tag[1], "slug": tag[2], "requiresTranslation": False}


def _tag_list(call: Call) -> Json:
    return _offset(call, _all_tags(), _tag_json)


def _tag(call: Call) -> Json:
    key = call.path["key"]
    for tag in _all_tags():
        if key in (tag[0], tag[2]):
            return _tag_json(tag)
    raise Refusal(404, "tag not found", type="not found error")


def _series_list(call: Call) -> Json:
    found = {e.series[0]: e.series for e in call.world.events.values() if e.series is not None}
    return _offset(call, list(found.values()), _series)


def _one_series(call: Call) -> Json:
    key = call.path["key"]
    events = [e for e in call.world.events.values() if e.series and e.series[0] == key]
    if not events or events[0].series is None:
        raise Refusal(404, "series not found", type="not found error")
    shown = [event_json(call.world, event, markets=False) for event in events]
    return {**_series(events[0].series), "events": shown}


def _sports(_: Call) -> Json:
    return [
        {
            "id": index,
            "sport": league,
            "name": label,
            "image": "",
            "resolution": "https://example.com",
            "ordering": "away" if league in ("nba", "mlb") else "home",
            "tags": f"1,{tag}",
            "series": series,
        }
        for index, (league, (tag, label, _slug, series)) in enumerate(LEAGUES.items(), start=1)
    ]


def _market_types(_: Call) -> Json:
    return {"marketTypes": ["moneyline", "spreads", "totals"]}


def _teams(call: Call) -> Json:
    wanted = set(call.many("league"))
    rows = {
        (event.league, name): _team(event.league, name, side)
        for event in call.world.events.values()
        if event.game_id and (not wanted or event.league in wanted)
        for name, side in ((event.away, "away"), (event.home, "home"))
    }
    return _offset(call, list(rows.values()), lambda row: row)


def _search(call: Call) -> Json:
    query = call.one("q").lower()
    if not query:
        raise Refusal(422, "q is required")
    words = query.split()
    found = [
        event
        for event in call.world.events.values()
        if all(word in f"{event.title} {event.slug}".lower() for word in words)
    ]
    limit = max(1, call.integer("limit_per_type", 10))
    shown = [event_json(call.world, event) for event in found[:limit]]
    paging = {"hasMore": len(found) > limit, "totalResults": len(found)}
    return {"events": shown, "tags": [], "profiles": None, "pagination": paging}


def _profile(call: Call) -> Json:
    if not call.one("address"):
        raise Refusal(422, "address is required")
    raise Refusal(404, "profile not found", type="not found error")


ROUTES = (
    Route("GET", "/events/keyset", _events_keyset),
    Route("GET", "/markets/keyset", _markets_keyset),
    Route("GET", "/events", _events),
    Route("GET", "/markets", _markets),
    Route("GET", "/events/slug/{key}", _event),
    Route("GET", "/markets/slug/{key}", _market),
    Route("GET", "/events/{key}", _event),
    Route("GET", "/markets/{key}", _market),
    Route("GET", "/events/{key}/tags", _event_tags),
    Route("GET", "/markets/{key}/tags", _market_tags),
    Route("GET", "/series", _series_list),
    Route("GET", "/series/{key}", _one_series),
    Route("GET", "/tags", _tag_list),
    Route("GET", "/tags/slug/{key}", _tag),
    Route("GET", "/tags/{key}", _tag),
    Route("GET", "/tags/{key}/related-tags", lambda _: []),
    Route("GET", "/sports", _sports),
    Route("GET", "/sports/market-types", _market_types),
    Route("GET", "/teams", _teams),
    Route("GET", "/public-search", _search),
    Route("GET", "/public-profile", _profile),
    Route("GET", "/comments", lambda _: []),
)
