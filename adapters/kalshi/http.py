"""REST: one method per endpoint, parameters in, records out.

Reads wait for their turn (token buckets with the venue's figures), are repeated with backoff and
jitter, and follow pages to the end or raise: no list is ever handed on incomplete. Commands are
sent once and return the raw answer for :func:`adapters.common.outcome.classify`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from urllib.parse import quote, urlencode, urlsplit

import msgspec

from adapters.common.errors import AdapterError, ProtocolError, UsageError
from adapters.common.limiter import Limiter, TokenBucket
from adapters.common.outcome import Attempt
from adapters.common.retry import ReadRetry
from adapters.common.transport import HttpRequest, HttpResponse, HttpTransport
from adapters.kalshi import replies
from adapters.kalshi.constants import (
    BASIC_READ,
    BASIC_WRITE,
    DEFAULT_COST,
    ENDPOINT_COSTS,
    PAGE_EVENTS,
    PAGE_MARKETS,
    PAGE_PORTFOLIO,
    REST_PREFIX,
    TICKERS_PER_CALL,
)
from adapters.kalshi.credentials import Credential
from adapters.kalshi.schemas import rest
from adapters.kalshi.signing import auth_headers
from adapters.kalshi.times import time_ns

type Params = Mapping[str, str | int | None]

_ORDERS = "/portfolio/events/orders"
#: Pages followed before a cursor that never ends is called an error.
_PAGES_MAX = 1_000


class KalshiHttp:
    """The REST client of one account, shared by everything that talks to it.

    Parameters
    ----------
    rest_url : str
        Base address up to and including ``/trade-api/v2``.
    credential : Credential, optional
        Without one only public reads work.
    clock_ns : callable
        UTC wall clock in nanoseconds; signs requests and paces the buckets.
    timeout_s : float
        Longest wait for one answer.
    """

    def __init__(
        self,
        *,
        rest_url: str,
        transport: HttpTransport,
        clock_ns: Callable[[], int],
        credential: Credential | None = None,
        timeout_s: float = 10.0,
        retry: ReadRetry | None = None,
        limiter: Limiter | None = None,
    ) -> None:
        self._base = rest_url.rstrip("/")
        self._path = urlsplit(self._base).path
        self._transport = transport
        self._clock_ns = clock_ns
        self._credential = credential
        self._timeout_s = timeout_s
        self._retry = retry or ReadRetry()
        buckets = {"read": TokenBucket(*BASIC_READ), "write": TokenBucket(*BASIC_WRITE)}
        self.limiter = limiter or Limiter(buckets, clock_ns=clock_ns)
        self._costs = dict(ENDPOINT_COSTS)
        self._default_cost = DEFAULT_COST
        self._write_figures = BASIC_WRITE

    @property
    def base_url(self) -> str:
        """The REST address, up to and including ``/trade-api/v2``."""
        return self._base

    @property
    def has_credential(self) -> bool:
        """Whether private endpoints can be asked."""
        return self._credential is not None

    async def close(self) -> None:
        """Release the connections."""
        await self._transport.close()

    # -- account and exchange

    async def load_limits(self) -> rest.Limits:
        """Read budgets and costs from the venue and adopt them."""
        costs = await self._get("/account/endpoint_costs", rest.EndpointCosts, signed=False)
        self._default_cost = costs.default_cost
        for item in costs.endpoint_costs:
            self._costs[(item.method, item.path.removeprefix(REST_PREFIX))] = item.cost
        limits = await self._get("/account/limits", rest.Limits)
        self.limiter.ensure("read", limits.read.refill_rate, limits.read.bucket_capacity)
        self._write_figures = (limits.write.refill_rate, limits.write.bucket_capacity)
        self.limiter.ensure("write", *self._write_figures)
        return limits

    async def exchange_status(self) -> rest.ExchangeStatus:
        """Return whether the exchange and its shards trade; a 5xx answer carries it too."""
        response = await self._send("GET", "/exchange/status", None, None, signed=False)
        if response.status >= 400 and response.status < 500:
            raise replies.refusal(response)
        return replies.decode(rest.ExchangeStatus, response)

    async def user_data_ts_ns(self) -> int:
        """Return how fresh portfolio reads are, in nanoseconds UTC."""
        reply = await self._get("/exchange/user_data_timestamp", rest.UserDataTimestamp)
        return time_ns(reply.as_of_time)

    async def api_keys(self) -> rest.ApiKeys:
        """Return the account's keys and its location attestation."""
        return await self._get("/api_keys", rest.ApiKeys)

    # -- market data

    async def markets(self, **filters: str | int | None) -> list[rest.Market]:
        """Return every market that matches."""
        found: list[rest.Market] = []
        async for page in self.market_pages(**filters):
            found.extend(page)
        return found

    async def market_pages(self, **filters: str | int | None) -> AsyncIterator[list[rest.Market]]:
        """Yield pages of markets, so that a large universe never sits in one decode."""
        cursor, seen = "", set[str]()
        while True:
            params = {**filters, "limit": PAGE_MARKETS, "cursor": cursor or None}
            page = await self._get("/markets", rest.MarketPage, params, signed=False)
            yield page.markets
            cursor = _next_cursor(page.cursor, seen)
            if not cursor:
                return

    async def markets_by_ticker(self, tickers: Sequence[str]) -> list[rest.Market]:
        """Return the markets of these tickers; unknown ones are simply not there."""
        found: list[rest.Market] = []
        for start in range(0, len(tickers), TICKERS_PER_CALL):
            chunk = ",".join(tickers[start : start + TICKERS_PER_CALL])
            found.extend(await self.markets(tickers=chunk))
        return found

    async def market(self, ticker: str) -> rest.Market:
        """Return one market; 404 raises ``VenueRefusal``."""
        path = f"/markets/{_segment(ticker)}"
        reply = await self._get(path, rest.MarketReply, template="/markets/:ticker", signed=False)
        return reply.market

    async def event(self, event_ticker: str) -> rest.Event:
        """Return one event."""
        path = f"/events/{_segment(event_ticker)}"
        template = "/events/:event_ticker"
        reply = await self._get(path, rest.EventReply, template=template, signed=False)
        return reply.event

    async def events(self, **filters: str | int | None) -> list[rest.Event]:
        """Return every event that matches, without its markets."""
        return await self._pages(
            "/events", rest.EventPage, "events", PAGE_EVENTS, filters, signed=False
        )

    async def series(self, series_ticker: str) -> rest.Series:
        """Return one series."""
        path = f"/series/{_segment(series_ticker)}"
        template = "/series/:series_ticker"
        reply = await self._get(path, rest.SeriesReply, template=template, signed=False)
        return reply.series

    async def series_list(self, **filters: str | int | None) -> list[rest.Series]:
        """Return every series that matches."""
        reply = await self._get("/series", rest.SeriesList, filters, signed=False)
        return reply.series or []

    async def series_fee_changes(self) -> list[rest.SeriesFeeChange]:
        """Return the scheduled fee changes of all series."""
        reply = await self._get("/series/fee_changes", rest.SeriesFeeChanges, signed=False)
        return reply.series_fee_change_arr or []

    async def event_fee_changes(self) -> list[rest.EventFeeChange]:
        """Return the scheduled fee overrides of all events."""
        found: list[rest.EventFeeChange] = []
        cursor, seen = "", set[str]()
        while True:
            params = {"cursor": cursor or None}
            page = await self._get(
                "/events/fee_changes", rest.EventFeeChanges, params, signed=False
            )
            found.extend(page.event_fee_changes or page.event_fee_change_arr or [])
            cursor = _next_cursor(page.cursor, seen)
            if not cursor:
                return found

    async def orderbook(self, ticker: str) -> rest.OrderbookFp:
        """Return one book: bids of both legs, each in its own leg's price."""
        path = f"/markets/{_segment(ticker)}/orderbook"
        template = "/markets/:ticker/orderbook"
        reply = await self._get(path, rest.OrderbookReply, template=template, signed=False)
        return reply.orderbook_fp

    async def orderbooks(self, tickers: Sequence[str]) -> dict[str, rest.OrderbookFp]:
        """Return several books at once."""
        found: dict[str, rest.OrderbookFp] = {}
        for start in range(0, len(tickers), TICKERS_PER_CALL):
            query = urlencode([("tickers", t) for t in tickers[start : start + TICKERS_PER_CALL]])
            reply = await self._get(
                "/markets/orderbooks", rest.OrderbooksReply, query, signed=False
            )
            found.update({book.ticker: book.orderbook_fp for book in reply.orderbooks})
        return found

    async def trades(
        self, ticker: str, *, limit: int, min_ts: int | None = None, max_ts: int | None = None
    ) -> list[rest.Trade]:
        """Return up to ``limit`` public trades, newest first, block trades left out."""
        found: list[rest.Trade] = []
        cursor, seen = "", set[str]()
        while True:
            params = {
                "ticker": ticker,
                "min_ts": min_ts,
                "max_ts": max_ts,
                "is_block_trade": "false",
                "limit": min(1000, limit),
                "cursor": cursor or None,
            }
            page = await self._get("/markets/trades", rest.TradePage, params, signed=False)
            found.extend(trade for trade in page.trades if not trade.is_block_trade)
            cursor = _next_cursor(page.cursor, seen)
            if not cursor or len(found) >= limit:
                return found[:limit]

    async def candles(
        self, series_ticker: str, ticker: str, *, start_ts: int, end_ts: int, minutes: int
    ) -> list[rest.Candle]:
        """Return candles of 1, 60 or 1440 minutes; times in Unix seconds."""
        path = f"/series/{_segment(series_ticker)}/markets/{_segment(ticker)}/candlesticks"
        params = {"start_ts": start_ts, "end_ts": end_ts, "period_interval": minutes}
        template = "/series/:series_ticker/markets/:ticker/candlesticks"
        reply = await self._get(path, rest.Candles, params, template=template, signed=False)
        return reply.candlesticks

    # -- portfolio reads

    async def balance(self, *, subaccount: int | None = None) -> rest.Balance:
        """Return cash, in total and by shard."""
        return await self._get("/portfolio/balance", rest.Balance, {"subaccount": subaccount})

    async def positions(self, **filters: str | int | None) -> list[rest.Position]:
        """Return every open position."""
        return await self._pages(
            "/portfolio/positions", rest.PositionPage, "market_positions", PAGE_PORTFOLIO, filters
        )

    async def orders(self, **filters: str | int | None) -> list[rest.Order]:
        """Return every order that matches."""
        return await self._pages(
            "/portfolio/orders", rest.OrderPage, "orders", PAGE_PORTFOLIO, filters
        )

    async def order(self, order_id: str) -> rest.Order:
        """Return one order; 404 raises ``VenueRefusal``."""
        path = f"/portfolio/orders/{_segment(order_id)}"
        reply = await self._get(path, rest.OrderReply, template="/portfolio/orders/:order_id")
        return reply.order

    async def fills(self, **filters: str | int | None) -> list[rest.Fill]:
        """Return every fill that matches, newest first."""
        return await self._pages(
            "/portfolio/fills", rest.FillPage, "fills", PAGE_PORTFOLIO, filters
        )

    async def settlements(self, **filters: str | int | None) -> list[rest.Settlement]:
        """Return every settlement that matches."""
        return await self._pages(
            "/portfolio/settlements", rest.SettlementPage, "settlements", PAGE_PORTFOLIO, filters
        )

    # -- commands

    async def create_order(self, body: bytes, *, shard: int | None) -> Attempt:
        """Send one order."""
        return await self._command("POST", _ORDERS, body, shard=shard)

    async def create_orders(self, body: bytes, *, count: int) -> Attempt:
        """Send several orders in one call; the whole cost must fit the bucket."""
        return await self._command("POST", f"{_ORDERS}/batched", body, times=count)

    async def cancel_order(
        self, order_id: str, *, ticker: str, shard: int | None, subaccount: int | None
    ) -> Attempt:
        """Cancel one order; naming shard and market saves the venue from guessing."""
        query = _query({"market_ticker": ticker, "exchange_index": shard, "subaccount": subaccount})
        path = f"{_ORDERS}/{_segment(order_id)}"
        template = f"{_ORDERS}/:order_id"
        return await self._command("DELETE", path, query=query, template=template, shard=shard)

    async def cancel_orders(self, body: bytes, *, count: int) -> Attempt:
        """Cancel several orders in one call."""
        return await self._command("DELETE", f"{_ORDERS}/batched", body, times=count)

    async def amend_order(
        self, order_id: str, body: bytes, *, shard: int | None, subaccount: int | None
    ) -> Attempt:
        """Change price or total quantity."""
        return await self._change("amend", order_id, body, shard, subaccount)

    async def decrease_order(
        self, order_id: str, body: bytes, *, shard: int | None, subaccount: int | None
    ) -> Attempt:
        """Take contracts off an order, which keeps its place in the queue."""
        return await self._change("decrease", order_id, body, shard, subaccount)

    async def transfer(self, body: bytes) -> rest.TransferAck:
        """Move cash between shards; the body's ``client_transfer_id`` makes it idempotent."""
        response = await self._post_read("/portfolio/intra_exchange_instance_transfer", body)
        return replies.decode(rest.TransferAck, response)

    async def transfer_status(self, transfer_id: str) -> str:
        """Return ``pending`` or ``complete``; 404 raises ``VenueRefusal`` (also just after)."""
        path = f"/portfolio/intra_exchange_instance_transfers/{_segment(transfer_id)}"
        template = "/portfolio/intra_exchange_instance_transfers/:transfer_id"
        reply = await self._get(path, rest.TransferReply, template=template)
        status = reply.transfer.status if reply.transfer is not None else reply.status
        if status is None:
            raise ProtocolError("a transfer without a status")
        return status

    async def target_allocation(self) -> rest.TargetAllocation:
        """Return how the venue rebalances cash between shards."""
        return await self._get("/portfolio/target_balance_allocation", rest.TargetAllocation)

    async def set_target_allocation(self, body: bytes) -> None:
        """Replace the target allocation."""
        await self._post_read("/portfolio/target_balance_allocation", body)

    # -- machinery

    async def _change(
        self, what: str, order_id: str, body: bytes, shard: int | None, subaccount: int | None
    ) -> Attempt:
        path = f"{_ORDERS}/{_segment(order_id)}/{what}"
        return await self._command(
            "POST",
            path,
            body,
            query=_query({"subaccount": subaccount}),
            template=f"{_ORDERS}/:order_id/{what}",
            shard=shard,
        )

    async def _command(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        *,
        query: str = "",
        template: str | None = None,
        shard: int | None = None,
        times: int = 1,
    ) -> Attempt:
        """Send one command once; whatever happens is returned, not raised."""
        try:
            scope = self._write_scope(shard)
            await self.limiter.acquire(scope, self._cost(method, template or path) * times)
            response = await self._send(method, path, query, body, signed=True)
        except AdapterError as exc:
            return exc
        if response.status == 429:
            self.limiter.drain(scope)
        return response

    def _write_scope(self, shard: int | None) -> str:
        """A shard other than 0, named in a single write, has a bucket of its own."""
        if not shard:
            return "write"
        scope = f"write:{shard}"
        self.limiter.ensure(scope, *self._write_figures)
        return scope

    async def _post_read(self, path: str, body: bytes) -> HttpResponse:
        """Send a write that the read bucket pays for; raises on refusal, never repeated."""
        await self.limiter.acquire("read", self._cost("POST", path))
        response = await self._send("POST", path, None, body, signed=True)
        if not 200 <= response.status < 300:
            raise replies.refusal(response)
        return response

    async def _get[T](
        self,
        path: str,
        kind: type[T],
        params: Params | str | None = None,
        *,
        template: str | None = None,
        signed: bool = True,
    ) -> T:
        query = params if isinstance(params, str) else _query(params or {})

        async def once() -> T:
            await self.limiter.acquire("read", self._cost("GET", template or path))
            response = await self._send("GET", path, query, None, signed=signed)
            if not 200 <= response.status < 300:
                if response.status == 429:
                    self.limiter.drain("read")
                raise replies.refusal(response)
            return replies.decode(kind, response)

        return await self._retry.run(once)

    async def _pages[T](
        self,
        path: str,
        kind: type[T],
        rows: str,
        limit: int,
        filters: Params,
        *,
        signed: bool = True,
    ) -> list:
        """Follow the cursor to the end; a page that fails fails the whole."""
        found: list = []
        cursor, seen = "", set[str]()
        while True:
            params = {**filters, "limit": limit, "cursor": cursor or None}
            page = await self._get(path, kind, params, signed=signed)
            found.extend(getattr(page, rows))
            cursor = _next_cursor(getattr(page, "cursor", ""), seen)
            if not cursor:
                return found

    def _cost(self, method: str, template: str) -> int:
        return self._costs.get((method, template), self._default_cost)

    async def _send(
        self, method: str, path: str, query: str | None, body: bytes | None, *, signed: bool
    ) -> HttpResponse:
        headers = {"Accept": "application/json", "Accept-Language": "en-US"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        if signed:
            if self._credential is None:
                raise UsageError(f"{method} {path} needs an API key: none was given")
            ts_ms = self._clock_ns() // 1_000_000
            headers.update(
                auth_headers(
                    self._credential.key_id,
                    self._credential.key,
                    method,
                    f"{self._path}{path}",
                    ts_ms,
                )
            )
        url = f"{self._base}{path}?{query}" if query else f"{self._base}{path}"
        request = HttpRequest(method, url, headers, body, self._timeout_s)
        return await self._transport.send(request)


def encode(body: Mapping[str, object]) -> bytes:
    """Return a request body, leaving out what is None."""
    return msgspec.json.encode({k: v for k, v in body.items() if v is not None})


def _query(params: Params) -> str:
    return urlencode({k: v for k, v in params.items() if v is not None})


def _segment(text: str) -> str:
    """Quote one path segment, so that no ticker can reach another endpoint."""
    if not text or text in {".", ".."}:
        raise UsageError(f"a ticker or id expected, found {text!r}")
    return quote(text, safe="")


def _next_cursor(cursor: str | None, seen: set[str]) -> str:
    """Return the next cursor, empty at the end.

    A malformed cursor silently returns the first page again, so a cursor seen twice is an error.
    """
    if not cursor:
        return ""
    if cursor in seen or len(seen) >= _PAGES_MAX:
        raise ProtocolError("the pages never end: a cursor came twice")
    seen.add(cursor)
    return cursor
