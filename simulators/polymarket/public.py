"""The order book's public REST: books, prices, market parameters, history."""

from __future__ import annotations

from typing import Any

from simulators.polymarket.frames import rest_book
from simulators.polymarket.model import BUY, SELL, Market, Refusal
from simulators.polymarket.routes import Answer, Call, Route, page
from simulators.polymarket.stamps import iso
from simulators.polymarket.units import ONE, number, text
from simulators.polymarket.world import NS_PER_S
from simulators.wire import Json

_BATCH = 500
_PAGE = 500
_INTERVALS_S = {"1h": 3600, "6h": 21_600, "1d": 86_400, "1w": 604_800, "max": 1 << 40}


def _outcome(call: Call, token: str) -> tuple[Market, int]:
    market = call.market(token)
    return market, market.index(token)


def _asked(call: Call) -> list[dict[str, Any]]:
    """Return the objects of a batch request."""
    body = call.body
    if not isinstance(body, list) or not all(isinstance(item, dict) for item in body):
        raise Refusal(400, "Invalid payload")
    if len(body) > _BATCH:
        raise Refusal(400, "Payload exceeds the limit")
    return body


def _known(call: Call) -> list[tuple[str, Market, int, dict[str, Any]]]:
    """Return the batch's known tokens; unknown ones are left out, as at the venue."""
    found = []
    for item in _asked(call):
        token = str(item.get("token_id", ""))
        market = call.world.market_of(token)
        if market is not None:
            found.append((token, market, market.index(token), item))
    return found


def _book(call: Call) -> Json:
    market, outcome = _outcome(call, call.one("token_id"))
    if market.closed:
        raise Refusal(404, "No orderbook exists for the requested token id")
    return rest_book(market, outcome)


def _books(call: Call) -> Json:
    """Return the known books, by token and not as asked: nobody promises an order."""
    known = sorted(_known(call), key=lambda item: item[0])
    return [rest_book(market, outcome) for _, market, outcome, _ in known]


def _side_price(market: Market, outcome: int, side: str) -> int:
    """BUY is the best bid, SELL the best ask; an empty side prints 0."""
    bid, ask = market.book.best(outcome)
    if side not in (BUY, SELL):
        raise Refusal(400, "Invalid side")
    return (bid if side == BUY else ask) or 0


def _price(call: Call) -> Json:
    market, outcome = _outcome(call, call.one("token_id"))
    return {"price": text(_side_price(market, outcome, call.one("side").upper()))}


def _prices(call: Call) -> Json:
    found: dict[str, dict[str, str]] = {}
    for token, market, outcome, item in _known(call):
        side = str(item.get("side", "")).upper()
        found.setdefault(token, {})[side] = text(_side_price(market, outcome, side))
    return found


def _mid(market: Market, outcome: int) -> str:
    bid, ask = market.book.best(outcome)
    if bid is None or ask is None:
        raise Refusal(404, "No orderbook exists for the requested token id")
    return text((bid + ask) // 2)


def _midpoint(call: Call) -> Json:
    return {"mid": _mid(*_outcome(call, call.one("token_id")))}


def _spread_of(market: Market, outcome: int) -> str:
    bid, ask = market.book.best(outcome)
    if bid is None or ask is None:
        raise Refusal(404, "No orderbook exists for the requested token id")
    return text(ask - bid)


def _spread(call: Call) -> Json:
    return {"spread": _spread_of(*_outcome(call, call.one("token_id")))}


def _both_sided(call: Call) -> list[tuple[str, Market, int]]:
    return [
        (token, market, outcome)
        for token, market, outcome, _ in _known(call)
        if None not in market.book.best(outcome)
    ]


def _midpoints(call: Call) -> Json:
    return {token: _mid(market, outcome) for token, market, outcome in _both_sided(call)}


def _spreads(call: Call) -> Json:
    return {token: _spread_of(market, outcome) for token, market, outcome in _both_sided(call)}


def _last(market: Market, outcome: int) -> dict[str, str]:
    price = market.last_price.get(outcome)
    if price is None:
        return {"price": "0.5", "side": ""}
    return {"price": text(price), "side": market.last_side[outcome]}


def _last_trade(call: Call) -> Json:
    return _last(*_outcome(call, call.one("token_id")))


def _last_trades(call: Call) -> Json:
    """Return the last trades of the tokens that ever traded."""
    return [
        {"token_id": token, **_last(market, outcome)}
        for token, market, outcome, _ in _known(call)
        if outcome in market.last_price
    ]


def _tick_size(call: Call) -> Json:
    token = call.one("token_id") or call.path.get("token", "")
    return {"minimum_tick_size": number(call.market(token).tick)}


def _neg_risk(call: Call) -> Json:
    token = call.one("token_id") or call.path.get("token", "")
    return {"neg_risk": call.market(token).neg_risk}


def _fee_rate(call: Call) -> Json:
    token = call.one("token_id") or call.path.get("token", "")
    return {"base_fee": 1000 if call.market(token).fees else 0}


def _condition(call: Call) -> Market:
    condition = call.path["condition"].lower()
    if not condition.startswith("0x"):
        raise Refusal(400, "Invalid market")
    market = call.world.markets.get(condition)
    if market is None or not call.world.on_clob(market):
        raise Refusal(404, "market not found")
    return market


def _clob_market(call: Call) -> Json:
    market = _condition(call)
    body: dict[str, Any] = {
        "r": {"mi": 50, "ma": 4.5, "moas": 30},
        "t": [{"t": t, "o": o} for t, o in zip(market.tokens, market.outcomes, strict=True)],
        "c": market.condition_id,
        "mos": number(market.min_size),
        "mts": number(market.tick),
        "ao": market.accepting and not market.closed,
        "aot": iso(market.start_ns),
    }
    if market.fees is not None:
        body.update(mbf=1000, tbf=1000)
        body["fd"] = {"r": number(market.fees.rate_ppm), "e": market.fees.exponent, "to": True}
    if market.game_start_ns:
        body["gst"] = iso(market.game_start_ns + call.world.game_shift_ns())
    if market.seconds_delay:
        body["sd"] = market.seconds_delay
    flags = {"itode": market.itode, "cbos": market.clear_book_on_start, "nr": market.neg_risk}
    body.update({name: True for name, value in flags.items() if value})
    if market.version == "v2":
        body["v"] = "v2"
    return body


def _by_token(call: Call) -> Json:
    token = call.path["token"]
    market = call.market(token)
    ordered = sorted(market.tokens, key=int)
    return {
        "condition_id": market.condition_id,
        "primary_token_id": ordered[0],
        "secondary_token_id": ordered[1],
    }


def _winner(market: Market, outcome: int) -> bool:
    return market.payouts is not None and market.payouts[outcome] == ONE


def full_market(call: Call, market: Market) -> dict[str, Any]:
    """Return the big record of ``/markets/{condition}``; its tick may be stale."""
    tokens = [
        {
            "token_id": market.tokens[outcome],
            "outcome": market.outcomes[outcome],
            "price": number(_shown_price(market, outcome)),
            "winner": _winner(market, outcome),
        }
        for outcome in (0, 1)
    ]
    neg = call.world.events[market.event_id].neg_risk_id
    return {
        "enable_order_book": not market.closed,
        "active": True,
        "closed": market.closed,
        "archived": False,
        "accepting_orders": market.accepting and not market.closed,
        "accepting_order_timestamp": iso(market.start_ns),
        "minimum_order_size": number(market.min_size),
        "minimum_tick_size": number(market.initial_tick),
        "condition_id": market.condition_id,
        "question_id": market.question_id,
        "question": market.question,
        "description": market.description,
        "market_slug": market.slug,
        "end_date_iso": iso(market.end_ns)[:10] + "T00:00:00Z",
        "game_start_time": iso(market.game_start_ns) if market.game_start_ns else None,
        "seconds_delay": market.seconds_delay or 0,
        "fpmm": "",
        "maker_base_fee": 1000 if market.fees else 0,
        "taker_base_fee": 1000 if market.fees else 0,
        "notifications_enabled": True,
        "neg_risk": market.neg_risk,
        "neg_risk_market_id": neg if market.neg_risk else "",
        "neg_risk_request_id": market.question_id if market.neg_risk else "",
        "icon": "",
        "image": "",
        "rewards": {"rates": None, "min_size": 50, "max_spread": 4.5},
        "is_50_50_outcome": market.payouts == (ONE // 2, ONE // 2),
        "tokens": tokens,
        "tags": [tag[1] for tag in call.world.events[market.event_id].tags],
    }


def _shown_price(market: Market, outcome: int) -> int:
    if market.payouts is not None:
        return market.payouts[outcome]
    bid, ask = market.book.best(outcome)
    if bid is not None and ask is not None:
        return (bid + ask) // 2
    return market.last_price.get(outcome, ONE // 2)


def _market(call: Call) -> Json:
    return full_market(call, _condition(call))


def _listed(call: Call) -> list[Market]:
    return [m for m in call.world.markets.values() if call.world.on_clob(m)]


def _markets(call: Call) -> Json:
    rows = [full_market(call, market) for market in _listed(call)]
    return page(rows, call.one("next_cursor"), _PAGE)


def _simplified(call: Call) -> Json:
    names = ("condition_id", "rewards", "tokens", "active", "closed", "archived")
    rows = []
    for market in _listed(call):
        full = full_market(call, market)
        rows.append({**{n: full[n] for n in names}, "accepting_orders": full["accepting_orders"]})
    return page(rows, call.one("next_cursor"), _PAGE)


def _history(call: Call) -> Json:
    token = call.one("market")
    market, outcome = _outcome(call, token)
    start, end = call.integer("startTs", 0), call.integer("endTs", 1 << 40)
    interval = call.one("interval")
    if interval:
        if interval not in _INTERVALS_S:
            raise Refusal(400, "invalid interval")
        start = call.world.now_ns // NS_PER_S - _INTERVALS_S[interval]
    step = max(1, call.integer("fidelity", 1)) * 60
    buckets: dict[int, int] = {}
    for second, price in market.history:
        if start <= second <= end:
            buckets[second // step] = price if outcome == 0 else ONE - price
    return {"history": [{"t": slot * step, "p": number(p)} for slot, p in buckets.items()]}


def _candles(call: Call) -> Json:
    """An endpoint that only an error-code page mentions: absent unless the switch says so."""
    if call.world.switches["history_endpoints"] == "absent":
        raise Refusal(404, "404 page not found")
    call.market(call.one("asset_id") or call.one("market"))
    return {"data": [], "count": 0}


def _live_activity(call: Call) -> Json:
    _condition(call)
    return []


ROUTES = (
    Route("GET", "/", lambda _: "OK"),
    Route("GET", "/ok", lambda _: "OK"),
    Route("GET", "/time", lambda call: Answer(str(call.wall_ns // NS_PER_S), kind="text/plain")),
    Route("GET", "/version", lambda _: {"version": 2}),
    Route("GET", "/book", _book),
    Route("POST", "/books", _books),
    Route("GET", "/price", _price),
    Route("POST", "/prices", _prices),
    Route("GET", "/midpoint", _midpoint),
    Route("POST", "/midpoints", _midpoints),
    Route("GET", "/spread", _spread),
    Route("POST", "/spreads", _spreads),
    Route("GET", "/last-trade-price", _last_trade),
    Route("POST", "/last-trades-prices", _last_trades),
    Route("GET", "/tick-size", _tick_size),
    Route("GET", "/tick-size/{token}", _tick_size),
    Route("GET", "/neg-risk", _neg_risk),
    Route("GET", "/fee-rate", _fee_rate),
    Route("GET", "/fee-rate/{token}", _fee_rate),
    Route("GET", "/clob-markets/{condition}", _clob_market),
    Route("GET", "/markets-by-token/{token}", _by_token),
    Route("GET", "/markets/live-activity/{condition}", _live_activity),
    Route("GET", "/markets/{condition}", _market),
    Route("GET", "/markets", _markets),
    Route("GET", "/simplified-markets", _simplified),
    Route("GET", "/sampling-markets", _markets),
    Route("GET", "/sampling-simplified-markets", _simplified),
    Route("GET", "/prices-history", _history),
    Route("GET", "/ohlc", _candles),
    Route("GET", "/orderbook-history", _candles),
)
