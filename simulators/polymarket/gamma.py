"""The catalogue API: markets, events, series, tags, teams, search."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from typing import Any

from simulators.polymarket.catalogue import LEAGUES, TAGS
from simulators.polymarket.gammajson import (
    event_json,
    gamma_condition,
    market_json,
    oddities,
    series_json,
    tags_json,
    team_json,
    visible,
)
from simulators.polymarket.model import Market, Refusal
from simulators.polymarket.routes import Call, Route
from simulators.polymarket.stamps import parse
from simulators.polymarket.units import text
from simulators.polymarket.world import Event
from simulators.wire import Json

_PAGE = 100


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
            "condition_ids": {market.condition_id, gamma_condition(market)},
            "clob_token_ids": set(market.tokens),
            "position_ids": set(market.tokens),
            "question_ids": {market.question_id},
            "game_id": {market.game_id},
            "sports_market_types": {market.sports_type},
            "uma_resolution_status": {market.uma_status},
            "version": {market.version},
        }
        return (
            visible(world, market)
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
            and any(visible(world, market) for market in event.markets)
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


def _market_rows(call: Call) -> list[Any]:
    """Return the markets asked for, and on unfiltered lists the odd ones if they are on."""
    rows: list[Any] = list(_find_markets(call))
    narrow = set(call.query) - {"limit", "offset", "after_cursor", "closed", "active", "order"}
    if call.world.switches["gamma_oddities"] and not narrow:
        rows += oddities(call.world)
    return rows


def _show_market(call: Call) -> Callable[[Any], Json]:
    world = call.world
    return lambda row: row if isinstance(row, dict) else market_json(world, row)


def _markets_keyset(call: Call) -> Json:
    return _keyset(call, "markets", _market_rows(call), _show_market(call))


def _events(call: Call) -> Json:
    return _offset(call, _find_events(call), _show_event(call))


def _markets(call: Call) -> Json:
    return _offset(call, _market_rows(call), _show_market(call))


def _one_market(call: Call) -> Market:
    key = call.path["key"]
    for market in call.world.markets.values():
        if key in (market.gamma_id, market.slug) and visible(call.world, market):
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
    return tags_json(call.world.events[_one_market(call).event_id])


def _event_tags(call: Call) -> Json:
    return tags_json(_one_event(call))


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
    return _offset(call, list(found.values()), series_json)


def _one_series(call: Call) -> Json:
    key = call.path["key"]
    events = [e for e in call.world.events.values() if e.series and e.series[0] == key]
    if not events or events[0].series is None:
        raise Refusal(404, "series not found", type="not found error")
    shown = [event_json(call.world, event, markets=False) for event in events]
    return {**series_json(events[0].series), "events": shown}


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
        (event.league, name): team_json(event.league, name, side)
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
