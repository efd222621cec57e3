"""``twinbook venue kalshi``: is everything in order, and what is there to trade."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Annotated

import typer
from rich.table import Table

from adapters.common.errors import AdapterError, ConfigError
from adapters.common.transport import HttpRequest
from adapters.kalshi import shapes
from adapters.kalshi.constants import CLOCK_SKEW_SAFE_MS
from adapters.kalshi.markets import KalshiMarket
from adapters.kalshi.providers import KalshiInstrumentProvider, check_filters
from adapters.kalshi.schemas import rest
from twinbook.commands._kalshi import (
    EXIT_FAILED,
    Env,
    KeyFile,
    KeyId,
    Proxy,
    RestUrl,
    Session,
    Wanted,
    out,
    run,
)

app = typer.Typer(no_args_is_help=True, help="Kalshi: keys, clock, limits, balances, markets.")


@app.command()
def check(
    env: Env = "demo",
    key_id: KeyId = "",
    key_file: KeyFile = "",
    rest_url: RestUrl = "",
    proxy: Proxy = "",
    against: Annotated[
        str, typer.Option(help="Compare the shapes of answers with those of this REST address.")
    ] = "",
) -> None:
    """Check credentials, clock, limits, exchange status and balances per shard.

    With --against (a running simulator's REST address) the fields and types of every public answer
    are compared as well.
    """
    found = Wanted(env, key_id, key_file, rest_url, proxy=proxy)
    run(found, lambda session: _check(session, against), private=True)


async def _check(session: Session, against: str) -> None:
    table = Table("check", "result", "")
    failed = False
    steps = [
        ("key", _key),
        ("clock", _clock),
        ("limits", _limits),
        ("exchange", _exchange),
        ("attestation", _attestation),
        ("balance", _balance),
    ]
    for name, step in steps:
        try:
            good, text = await step(session)
        except AdapterError as exc:
            good, text = False, str(exc)
        failed |= not good
        table.add_row(name, "ok" if good else "FAILED", text)
    if against:
        differences = await shapes.compare(session.http, session.transport, against.rstrip("/"))
        failed |= bool(differences)
        text = "; ".join(differences) or "the same fields and types in every answer compared"
        table.add_row("shapes", "FAILED" if differences else "ok", text)
    out.print(table)
    if failed:
        raise typer.Exit(EXIT_FAILED)


async def _key(session: Session) -> tuple[bool, str]:
    credential = session.credential
    kind = credential.key_type if credential is not None else "none"
    note = "" if kind == "ed25519" else " (Ed25519 signs several times faster)"
    return True, f"{kind}, environment {session.environment.name}{note}"


async def _clock(session: Session) -> tuple[bool, str]:
    """Compare with the Date header, which has whole seconds: the middle of its second is taken."""
    request = HttpRequest("GET", f"{session.environment.rest_url}/exchange/status")
    before_ms = time.time_ns() // 1_000_000
    response = await session.transport.send(request)
    after_ms = time.time_ns() // 1_000_000
    date = response.headers.get("date")
    if date is None:
        return False, "the venue sent no Date header"
    theirs_ms = int(parsedate_to_datetime(date).timestamp()) * 1000 + 500
    skew_ms = (before_ms + after_ms) // 2 - theirs_ms
    good = abs(skew_ms) < CLOCK_SKEW_SAFE_MS - 1_000
    return good, f"{skew_ms:+d} ms ± 600 ms, allowed ± {CLOCK_SKEW_SAFE_MS} ms"


async def _limits(session: Session) -> tuple[bool, str]:
    limits = await session.http.load_limits()
    read, write = limits.read, limits.write
    return True, (
        f"tier {limits.usage_tier}: read {read.refill_rate:g}/s (holds {read.bucket_capacity:g}), "
        f"write {write.refill_rate:g}/s (holds {write.bucket_capacity:g}); an order costs 10"
    )


async def _exchange(session: Session) -> tuple[bool, str]:
    status = await session.http.exchange_status()
    shards = [
        f"{s.exchange_index} {'trades' if s.trading_active and s.exchange_active else 'PAUSED'}"
        for s in status.exchange_index_statuses or []
    ]
    good = status.exchange_active and status.trading_active
    return good, "; ".join(shards) or ("trades" if good else "PAUSED")


async def _attestation(session: Session) -> tuple[bool, str]:
    keys = await session.http.api_keys()
    until_s = keys.api_key_region_expiration_ts
    if until_s is None:
        return True, "location never attested: sports, elections, entertainment may be closed"
    until = datetime.fromtimestamp(until_s, tz=UTC)
    return until_s > time.time(), f"location attested until {until:%Y-%m-%d %H:%M} UTC"


async def _balance(session: Session) -> tuple[bool, str]:
    balance = await session.http.balance()
    shards = [f"shard {s.exchange_index}: {s.balance}" for s in balance.balance_breakdown or []]
    return True, f"{balance.balance_dollars} USD; " + ("; ".join(shards) or "no shards shown")


@app.command("list")
def list_markets(
    env: Env = "demo",
    key_id: KeyId = "",
    key_file: KeyFile = "",
    rest_url: RestUrl = "",
    proxy: Proxy = "",
    series: Annotated[str, typer.Option(help="Series ticker.")] = "",
    event: Annotated[str, typer.Option(help="Event ticker.")] = "",
    category: Annotated[str, typer.Option(help="Category, for example Sports.")] = "",
    status: Annotated[str, typer.Option(help="unopened, open, paused, closed, settled.")] = "open",
    limit: Annotated[int, typer.Option(help="Most rows shown.", min=1)] = 50,
) -> None:
    """List markets with top of book, close time and shard."""
    filters = {
        "series_ticker": series or None,
        "event_ticker": event or None,
        "category": category or None,
        "status": status,
    }
    wanted = Wanted(env, key_id, key_file, rest_url, proxy=proxy)
    run(wanted, lambda session: _list(session, filters, limit), private=False)


async def _list(session: Session, filters: dict, limit: int) -> None:
    if "category" in filters and filters["category"] is None:
        filters = {k: v for k, v in filters.items() if v is not None}
    check_filters(filters)
    query = {k: v for k, v in filters.items() if k != "category"}
    rows: list[rest.Market] = []
    total = 0
    provider = KalshiInstrumentProvider(session.http, time.time_ns)
    if "category" in filters:
        await provider.load_all_async(filters)
        rows = await session.http.markets_by_ticker(sorted(provider.markets)[:limit])
        total = len(provider.markets)
    else:
        async for page in session.http.market_pages(**query, mve_filter="exclude"):
            total += len(page)
            rows.extend(page[: max(0, limit - len(rows))])
    table = Table("ticker", "bid", "ask", "last", "volume", "closes (UTC)", "shard", "title")
    for market in rows:
        table.add_row(
            market.ticker,
            _quote(market.yes_bid_dollars),
            _quote(market.yes_ask_dollars),
            _quote(market.last_price_dollars),
            market.volume_fp or "",
            (market.close_time or "")[:16],
            "" if market.exchange_index is None else str(market.exchange_index),
            (market.title or market.yes_sub_title or "")[:60],
        )
    out.print(table)
    out.print(f"{len(rows)} of {total} markets")


@app.command()
def show(
    tickers: Annotated[list[str], typer.Argument(metavar="TICKER...")],
    env: Env = "demo",
    key_id: KeyId = "",
    key_file: KeyFile = "",
    rest_url: RestUrl = "",
    proxy: Proxy = "",
    depth: Annotated[int, typer.Option(help="Levels shown.", min=1)] = 5,
) -> None:
    """Show markets: rules and their hash, ticks, fees, times, book."""
    wanted = Wanted(env, key_id, key_file, rest_url, proxy=proxy)
    run(wanted, lambda session: _show(session, tickers, depth), private=False)


async def _show(session: Session, tickers: list[str], depth: int) -> None:
    if not tickers:
        raise ConfigError("TICKER", "nothing", "at least one ticker")
    provider = KalshiInstrumentProvider(session.http, time.time_ns)
    await provider.load_tickers(tickers)
    for ticker in tickers:
        _print_market(provider.markets[ticker])
        _print_book(await session.http.orderbook(ticker), depth)


def _print_market(market: KalshiMarket) -> None:
    bands = ", ".join(f"{b.start}–{b.end} by {b.step}" for b in market.ticks)
    table = Table(show_header=False, title=market.ticker, title_justify="left")
    rows = [
        ("title", market.title),
        ("YES / NO", f"{market.yes_title} / {market.no_title}"),
        ("instruments", f"{market.ticker}-YES.KALSHI, {market.ticker}-NO.KALSHI"),
        ("status", market.status),
        ("event, series", f"{market.event_ticker}, {market.series_ticker}"),
        ("category", market.category),
        ("closes", _utc(market.close_ns)),
        ("settles (forecast)", _utc(market.expected_settlement_ns)),
        ("ticks", f"{market.structure}: {bands}"),
        ("fees", f"{market.fees.type} × {market.fees.multiplier}"),
        ("shard", str(market.shard)),
        ("rules", market.rules),
        ("rules SHA-256", market.rules_sha256),
    ]
    for name, value in rows:
        table.add_row(name, value)
    out.print(table)


def _print_book(book: rest.OrderbookFp, depth: int) -> None:
    bids = sorted(book.yes_dollars or [], reverse=True)[:depth]
    asks = sorted(book.no_dollars or [], reverse=True)[:depth]
    table = Table("YES bid", "size", "NO bid", "size ", title="book", title_justify="left")
    for row in range(max(len(bids), len(asks))):
        left = bids[row] if row < len(bids) else ("", "")
        right = asks[row] if row < len(asks) else ("", "")
        table.add_row(*left, *right)
    out.print(table)


def _quote(text: str | None) -> str:
    """Show a quote; 0 and 1 mean that there is none."""
    return "" if text in (None, "0.0000", "1.0000") else text


def _utc(ns: int) -> str:
    moment = datetime.fromtimestamp(ns // 1_000_000_000, tz=UTC)
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC" if ns else "unknown"
