"""Markets, books, trades, candles."""

from __future__ import annotations

from collections.abc import Callable

from simulators.kalshi.candles import PERIODS
from simulators.kalshi.errors import bad_parameter, bare, nested
from simulators.kalshi.model import Market, Trade
from simulators.kalshi.render import (
    Row,
    book_row,
    candle_row,
    market_row,
    synthetic_candle,
    trade_row,
)
from simulators.kalshi.rest import Core, Reply, Request, Route, camel, ok, page
from simulators.kalshi.units import NS_PER_MS, NS_PER_S, seconds

TICKERS_MAX = 100
CANDLES_MAX = 10_000
_STATUS: dict[str, tuple[str, ...]] = {
    "unopened": ("initialized",),
    "open": ("active",),
    "paused": ("inactive",),
    "closed": ("closed", "determined", "disputed", "amended"),
    "settled": ("finalized",),
}
_FAMILIES = {
    "created": ("", "unopened", "open"),
    "close": ("", "closed"),
    "settled": ("", "settled"),
    "updated": ("",),
}


def visible_market(core: Core, ticker: str) -> Market:
    """Return a market that reads know of: a new one may not show for a while."""
    market = core.state.markets.get(ticker)
    wait_ns = core.state.switches.number("market_404_ms") * NS_PER_MS
    if market is None or market.created_ns + wait_ns > core.state.now_ns:
        raise nested(404, "not_found")
    return market


def market_json(core: Core, market: Market) -> Row:
    """Return a market with the volume of its last 24 hours."""
    now_s = seconds(core.state.now_ns)
    day = core.candles.between(market.ticker, now_s - 86_400, now_s + 60, 1)
    return market_row(core.state, market, sum(candle.volume for candle in day))


def get_market(core: Core, request: Request) -> Reply:
    """Return one market."""
    market = visible_market(core, request.path["ticker"])
    return ok({"market": market_json(core, market)})


def get_markets(core: Core, request: Request) -> Reply:
    """Return markets by filter, newest first."""
    limit = request.limit(100, 1000)
    status = _status(core, request)
    chosen = [
        (-number, market)
        for number, market in enumerate(core.state.markets.values(), start=1)
        if _wanted(core, request, market, status)
    ]
    chosen.reverse()
    rows, cursor = page(chosen, limit, request.text("cursor"), request.operation)
    return ok({"markets": [market_json(core, market) for market in rows], "cursor": cursor})


def get_orderbook(core: Core, request: Request) -> Reply:
    """Return the book of one market."""
    market = visible_market(core, request.path["ticker"])
    depth = request.integer("depth") or 0
    if depth > 100:
        raise bad_parameter(request.operation, "Depth", "lte")
    return ok({"orderbook_fp": book_row(core.state, market.ticker, depth)})


def get_orderbooks(core: Core, request: Request) -> Reply:
    """Return the books of several markets."""
    tickers = request.listed("tickers")
    if not tickers:
        raise bad_parameter(request.operation, "Tickers", "required")
    if len(tickers) > TICKERS_MAX:
        raise bad_parameter(request.operation, "Tickers", "max")
    rows = [
        {"ticker": ticker, "orderbook_fp": book_row(core.state, ticker)}
        for ticker in tickers
        if ticker in core.state.markets
    ]
    return ok({"orderbooks": rows})


def get_trades(core: Core, request: Request) -> Reply:
    """Return public trades of the live window, newest first."""
    since_ns = core.state.markets_cutoff_ns()
    return _trades(core, request, lambda trade: trade.ts_ns >= since_ns)


def get_historical_trades(core: Core, request: Request) -> Reply:
    """Return public trades older than the cutoff."""
    until_ns = core.state.markets_cutoff_ns()
    return _trades(core, request, lambda trade: trade.ts_ns < until_ns)


def get_candles(core: Core, request: Request) -> Reply:
    """Return the candles of one market."""
    market = visible_market(core, request.path["ticker"])
    start_s, end_s, minutes = _period(request)
    rows = _candles(core, request, market.ticker, start_s, end_s, minutes)
    return ok({"ticker": market.ticker, "candlesticks": rows})


def get_candles_batch(core: Core, request: Request) -> Reply:
    """Return the candles of several markets."""
    tickers = request.listed("market_tickers")
    if not tickers:
        raise bad_parameter(request.operation, "MarketTickers", "required")
    if len(tickers) > TICKERS_MAX:
        raise bad_parameter(request.operation, "MarketTickers", "max")
    start_s, end_s, minutes = _period(request)
    markets = [
        {"market_ticker": t, "candlesticks": _candles(core, request, t, start_s, end_s, minutes)}
        for t in tickers
        if t in core.state.markets
    ]
    if sum(len(row["candlesticks"]) for row in markets) > CANDLES_MAX:
        raise bare("too many candlesticks requested")
    return ok({"markets": markets})


def get_event_candles(core: Core, request: Request) -> Reply:
    """Return the candles of every market of an event."""
    event_ticker = request.path["ticker"]
    if event_ticker not in core.state.events:
        raise nested(404, "not_found")
    start_s, end_s, minutes = _period(request)
    tickers = core.state.markets_of[event_ticker]
    rows = [_candles(core, request, t, start_s, end_s, minutes) for t in tickers]
    return ok(
        {"market_tickers": list(tickers), "market_candlesticks": rows, "adjusted_end_ts": end_s}
    )


def get_historical_market(core: Core, request: Request) -> Reply:
    """Return one market that left the live window."""
    market = core.state.markets.get(request.path["ticker"])
    if market is None or not _archived(core, market):
        raise nested(404, "not_found")
    return ok({"market": market_json(core, market)})


def get_historical_markets(core: Core, request: Request) -> Reply:
    """Return the markets that left the live window."""
    limit = request.limit(100, 1000)
    chosen = [
        (-number, market)
        for number, market in enumerate(core.state.markets.values(), start=1)
        if _archived(core, market) and _matches(core, request, market)
    ]
    chosen.reverse()
    rows, cursor = page(chosen, limit, request.text("cursor"), request.operation)
    return ok({"markets": [market_json(core, market) for market in rows], "cursor": cursor})


def get_historical_candles(core: Core, request: Request) -> Reply:
    """Return candles in the form of the historical endpoint: keys without suffixes."""
    ticker = request.path["ticker"]
    market = core.state.markets.get(ticker)
    if market is None or not _archived(core, market):
        raise nested(404, "not_found")
    start_s, end_s, minutes = _period(request)
    rows = core.candles.between(ticker, start_s, end_s, minutes)
    candles = [candle_row(candle, historical=True) for candle in rows]
    return ok({"ticker": ticker, "candlesticks": candles})


def _status(core: Core, request: Request) -> str:
    allowed = set(_STATUS)
    if core.state.switches["status_paused_filter"] == "reject_400":
        allowed.discard("paused")
    return request.one_of("status", sorted(allowed))


def _wanted(core: Core, request: Request, market: Market, status: str) -> bool:
    if _archived(core, market):
        return False
    if status and market.status not in _STATUS[status]:
        return False
    return _matches(core, request, market) and _in_times(request, market, status)


def _matches(core: Core, request: Request, market: Market) -> bool:
    tickers, event_ticker = request.listed("tickers"), request.text("event_ticker")
    series_ticker, combos = request.text("series_ticker"), request.text("mve_filter")
    if tickers and market.ticker not in tickers:
        return False
    if event_ticker and market.event_ticker != event_ticker:
        return False
    if series_ticker and core.state.events[market.event_ticker].series_ticker != series_ticker:
        return False
    is_combo = market.ticker.startswith("KXMVE")
    return not ((combos == "only" and not is_combo) or (combos == "exclude" and is_combo))


def _in_times(request: Request, market: Market, status: str) -> bool:
    """Check the timestamp filters; families of them exclude each other."""
    times = {
        "created": market.created_ns,
        "close": market.close_ns,
        "settled": market.settled_ns,
        "updated": market.updated_ns or market.created_ns,
    }
    asked = [name for name in times if _bounds(request, name) != (None, None)]
    if len(asked) > 1:
        raise bare("timestamp filters of different kinds cannot be combined")
    for name in asked:
        if status not in _FAMILIES[name]:
            raise bare(f"{name} timestamp filters are not compatible with status {status}")
        low, high = _bounds(request, name)
        value = seconds(times[name])
        if (low is not None and value < low) or (high is not None and value > high):
            return False
        if name == "settled" and not market.settled_ns:
            return False
    return True


def _bounds(request: Request, name: str) -> tuple[int | None, int | None]:
    return request.integer(f"min_{name}_ts"), request.integer(f"max_{name}_ts")


def _archived(core: Core, market: Market) -> bool:
    return market.finished and market.settled_ns < core.state.markets_cutoff_ns()


def _trades(core: Core, request: Request, wanted: Callable[[Trade], bool]) -> Reply:
    limit = request.limit(100, 1000)
    ticker, block = request.text("ticker"), request.flag("is_block_trade")
    low, high = request.integer("min_ts"), request.integer("max_ts")
    newest_first: list[tuple[int, Trade]] = []
    for number, trade in enumerate(core.state.trades):
        at_s = trade.ts_ns // NS_PER_S
        if (
            wanted(trade)
            and (not ticker or trade.ticker == ticker)
            and (block is None or trade.is_block == block)
            and (low is None or at_s >= low)
            and (high is None or at_s <= high)
        ):
            newest_first.append((-number, trade))
    newest_first.reverse()
    rows, cursor = page(newest_first, limit, request.text("cursor"), request.operation)
    return ok({"trades": [trade_row(core.state, trade) for trade in rows], "cursor": cursor})


def _period(request: Request) -> tuple[int, int, int]:
    start_s, end_s = request.integer("start_ts"), request.integer("end_ts")
    minutes = request.integer("period_interval")
    for name, value in (("start_ts", start_s), ("end_ts", end_s), ("period_interval", minutes)):
        if value is None:
            raise bad_parameter(request.operation, camel(name), "required")
    assert start_s is not None
    assert end_s is not None
    if minutes not in PERIODS:
        raise bad_parameter(request.operation, "PeriodInterval", "oneof")
    if end_s < start_s:
        raise bad_parameter(request.operation, "EndTs", "gtefield")
    return start_s, end_s, minutes


def _candles(
    core: Core, request: Request, ticker: str, start_s: int, end_s: int, minutes: int
) -> list[Row]:
    rows = [candle_row(c) for c in core.candles.between(ticker, start_s, end_s, minutes)]
    if request.flag("include_latest_before_start"):
        latest = core.candles.latest_before(ticker, start_s)
        if latest is not None:
            rows.insert(0, synthetic_candle(latest, start_s))
    return rows


_SERIES = "/series/{series_ticker}"
ROUTES = (
    Route("GET", "/markets", "GetMarkets", get_markets),
    Route("GET", "/markets/trades", "GetTrades", get_trades),
    Route("GET", "/markets/orderbooks", "GetMarketOrderbooks", get_orderbooks),
    Route("GET", "/markets/candlesticks", "BatchGetMarketCandlesticks", get_candles_batch),
    Route("GET", "/markets/{ticker}", "GetMarket", get_market),
    Route("GET", "/markets/{ticker}/orderbook", "GetMarketOrderbook", get_orderbook),
    Route("GET", _SERIES + "/markets/{ticker}/candlesticks", "GetCandles", get_candles),
    Route("GET", _SERIES + "/events/{ticker}/candlesticks", "GetEventCandles", get_event_candles),
    Route("GET", "/historical/trades", "GetTradesHistorical", get_historical_trades),
    Route("GET", "/historical/markets", "GetHistoricalMarkets", get_historical_markets),
    Route("GET", "/historical/markets/{ticker}", "GetHistoricalMarket", get_historical_market),
    Route(
        "GET",
        "/historical/markets/{ticker}/candlesticks",
        "GetCandlesHistorical",
        get_historical_candles,
    ),
)
