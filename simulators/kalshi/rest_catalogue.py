"""Series, events, fee changes, milestones, search; and the combo endpoints, always empty."""

from __future__ import annotations

from datetime import datetime

from simulators.kalshi.errors import bad_parameter, nested
from simulators.kalshi.model import Event
from simulators.kalshi.render import (
    event_fee_row,
    event_row,
    market_row,
    series_fee_row,
    series_row,
)
from simulators.kalshi.rest import Core, Reply, Request, Route, ok, page
from simulators.kalshi.units import NS_PER_S, seconds

_EVENT_STATUS: dict[str, tuple[str, ...]] = {
    "unopened": ("initialized",),
    "open": ("active",),
    "closed": ("closed", "determined", "disputed", "amended", "inactive"),
    "settled": ("finalized",),
}


def get_series(core: Core, request: Request) -> Reply:
    """Return one series."""
    series = core.state.series.get(request.path["series_ticker"])
    if series is None:
        raise nested(404, "not_found")
    volume = _volume(core, series.ticker) if request.flag("include_volume") else None
    return ok({"series": series_row(series, volume)})


def get_series_list(core: Core, request: Request) -> Reply:
    """Return series by category and tags."""
    category, tags = request.text("category"), request.listed("tags")
    since = request.integer("min_updated_ts")
    with_volume = request.flag("include_volume")
    rows = [
        series_row(series, _volume(core, series.ticker) if with_volume else None)
        for series in core.state.series.values()
        if (not category or series.category == category)
        and (not tags or set(tags) & set(series.tags))
        and (since is None or seconds(series.updated_ns) >= since)
    ]
    return ok({"series": rows})


def get_event(core: Core, request: Request) -> Reply:
    """Return one event with its markets."""
    event = _event(core, request.path["event_ticker"])
    markets = [
        market_row(core.state, core.state.markets[t]) for t in core.state.markets_of[event.ticker]
    ]
    inside = bool(request.flag("with_nested_markets"))
    body = {"event": event_row(core.state, event, nested=inside)}
    return ok(body | {"markets": [] if inside else markets})


def get_event_metadata(core: Core, request: Request) -> Reply:
    """Return pictures and sources of an event."""
    event = _event(core, request.path["event_ticker"])
    details = [
        {"market_ticker": t, "image_url": "", "color_code": ""}
        for t in core.state.markets_of[event.ticker]
    ]
    sources = [dict(s) for s in core.state.series[event.series_ticker].sources]
    return ok({"image_url": "", "market_details": details, "settlement_sources": sources})


def get_events(core: Core, request: Request) -> Reply:
    """Return events by filter; ``status`` matches if any market of the event does."""
    limit = request.limit(200, 200)
    status = request.one_of("status", sorted(_EVENT_STATUS))
    chosen = [
        (-number, event)
        for number, event in enumerate(core.state.events.values(), start=1)
        if _wanted(core, request, event, status)
    ]
    chosen.reverse()
    rows, cursor = page(chosen, limit, request.text("cursor"), request.operation)
    inside = bool(request.flag("with_nested_markets"))
    body = {"events": [event_row(core.state, e, nested=inside) for e in rows], "cursor": cursor}
    if request.flag("with_milestones"):
        body["milestones"] = list(core.state.milestones)
    return ok(body)


def get_multivariate_events(_: Core, request: Request) -> Reply:
    """Return no combos: this venue lists none."""
    request.limit(100, 200)
    return ok({"events": [], "cursor": ""})


def get_collections(_: Core, request: Request) -> Reply:
    """Return no combo collections: this venue lists none."""
    request.limit(100, 200)
    return ok({"multivariate_contracts": [], "cursor": ""})


def get_series_fee_changes(core: Core, request: Request) -> Reply:
    """Return scheduled fee changes of series, past ones if asked."""
    ticker, history = request.text("series_ticker"), request.flag("show_historical")
    rows = [
        series_fee_row(change)
        for change in core.state.fee_changes
        if (not ticker or change.ticker == ticker) and (history or change.at_ns > core.state.now_ns)
    ]
    return ok({"series_fee_change_arr": rows})


def get_event_fee_changes(core: Core, request: Request) -> Reply:
    """Return fee changes of events, newest first."""
    limit, ticker = request.limit(100, 1000), request.text("event_ticker")
    changes = [
        (-number, change)
        for number, change in enumerate(core.state.event_fee_changes, start=1)
        if not ticker or change.ticker == ticker
    ]
    changes.reverse()
    rows, cursor = page(changes, limit, request.text("cursor"), request.operation)
    return ok({"event_fee_changes": [event_fee_row(row) for row in rows], "cursor": cursor})


def get_milestones(core: Core, request: Request) -> Reply:
    """Return milestones: the beginnings of events in the real world."""
    limit = request.integer("limit")
    if limit is None:
        raise bad_parameter(request.operation, "Limit", "required")
    limit = request.limit(100, 500)
    related, kind = request.text("related_event_ticker"), request.text("type")
    category, since = request.text("category"), _instant(request, "minimum_start_date")
    chosen = [
        (number, row)
        for number, row in enumerate(core.state.milestones, start=1)
        if (not related or related in _tickers(row))
        and (not kind or row["type"] == kind)
        and (not category or row["category"] == category)
        and (since is None or _seconds_of(str(row["start_date"])) >= since)
    ]
    rows, cursor = page(chosen, limit, request.text("cursor"), request.operation)
    return ok({"milestones": rows, "cursor": cursor})


def get_milestone(core: Core, request: Request) -> Reply:
    """Return one milestone."""
    for row in core.state.milestones:
        if row["id"] == request.path["milestone_id"]:
            return ok({"milestone": row})
    raise nested(404, "not_found")


def get_tags(core: Core, _: Request) -> Reply:
    """Return the tags of each category."""
    tags: dict[str, list[str]] = {}
    for series in core.state.series.values():
        known = tags.setdefault(series.category, [])
        known.extend(tag for tag in series.tags if tag not in known)
    return ok({"tags_by_categories": tags})


def get_sports_filters(core: Core, _: Request) -> Reply:
    """Return the sports with their competitions."""
    sports: dict[str, dict[str, object]] = {}
    for series in core.state.series.values():
        if series.category == "Sports" and series.tags:
            scopes = {"scopes": ["Games"]}
            sports[series.tags[0]] = {"scopes": ["Games"], "competitions": {series.title: scopes}}
    return ok({"filters_by_sports": sports, "sport_ordering": sorted(sports)})


def _event(core: Core, ticker: str) -> Event:
    event = core.state.events.get(ticker)
    if event is None:
        raise nested(404, "not_found")
    return event


def _wanted(core: Core, request: Request, event: Event, status: str) -> bool:
    markets = [core.state.markets[t] for t in core.state.markets_of[event.ticker]]
    series, tickers = request.text("series_ticker"), request.listed("tickers")
    closing, updated = request.integer("min_close_ts"), request.integer("min_updated_ts")
    if status and not any(m.status in _EVENT_STATUS[status] for m in markets):
        return False
    if series and event.series_ticker != series:
        return False
    if tickers and event.ticker not in tickers:
        return False
    if closing is not None and not any(seconds(m.close_ns) >= closing for m in markets):
        return False
    return updated is None or seconds(event.updated_ns) >= updated


def _volume(core: Core, series_ticker: str) -> int:
    return sum(
        market.volume
        for market in core.state.markets.values()
        if core.state.events[market.event_ticker].series_ticker == series_ticker
    )


def _tickers(row: dict[str, object]) -> list[str]:
    found = row["related_event_tickers"]
    assert isinstance(found, list)
    return found


def _instant(request: Request, name: str) -> int | None:
    text = request.text(name)
    if not text:
        return None
    try:
        return _seconds_of(text)
    except ValueError as error:
        raise bad_parameter(request.operation, "MinimumStartDate", "datetime") from error


def _seconds_of(text: str) -> int:
    moment = datetime.fromisoformat(text.replace(" ", "+"))
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} has no time zone")
    return int(moment.timestamp() * NS_PER_S) // NS_PER_S


_COMBOS = "/multivariate_event_collections"
ROUTES = (
    Route("GET", "/series", "GetSeriesList", get_series_list),
    Route("GET", "/series/fee_changes", "GetSeriesFeeChanges", get_series_fee_changes),
    Route("GET", "/series/{series_ticker}", "GetSeries", get_series),
    Route("GET", "/events", "GetEvents", get_events),
    Route("GET", "/events/fee_changes", "GetEventFeeChanges", get_event_fee_changes),
    Route("GET", "/events/multivariate", "GetMultivariateEvents", get_multivariate_events),
    Route("GET", "/events/{event_ticker}", "GetEvent", get_event),
    Route("GET", "/events/{event_ticker}/metadata", "GetEventMetadata", get_event_metadata),
    Route("GET", "/milestones", "GetMilestones", get_milestones),
    Route("GET", "/milestones/{milestone_id}", "GetMilestone", get_milestone),
    Route("GET", "/search/tags_by_categories", "GetTagsForSeriesCategories", get_tags),
    Route("GET", "/search/filters_by_sport", "GetFiltersForSports", get_sports_filters),
    Route("GET", _COMBOS, "GetMultivariateEventCollections", get_collections),
)
