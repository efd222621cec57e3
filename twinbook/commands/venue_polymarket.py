"""``twinbook venue polymarket``: is the venue there, what does it list, at what price."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Annotated

import msgspec
import typer

from adapters.common.errors import AdapterError, UsageError
from adapters.polymarket.config import PolymarketDataClientConfig, hosts
from adapters.polymarket.hub import PolymarketHub
from adapters.polymarket.markets import Market
from adapters.polymarket.schemas.clob import GeoblockReply
from adapters.polymarket.symbols import instrument_id_text

app = typer.Typer(help="Polymarket: check, list, show.", no_args_is_help=True)

EXIT_FAILED = 1

Environment = Annotated[str, typer.Option(help="production, or local with every URL given.")]
Url = Annotated[str | None, typer.Option(help="Replaces the environment's address.")]


def run(
    work: Callable[[PolymarketHub], Awaitable[None]], environment: str, urls: list[str | None]
) -> None:
    """Open the public side of the venue, do the work, close it."""

    async def inside() -> None:
        clob_url, gamma_url, data_api_url, geoblock_url = urls
        config = PolymarketDataClientConfig(
            environment=environment,
            clob_url=clob_url,
            gamma_url=gamma_url,
            data_api_url=data_api_url,
            ws_url=clob_url,
            geoblock_url=geoblock_url,
        )
        hub = PolymarketHub(hosts(config), clock_ns=time.time_ns)
        hub.join()
        try:
            await work(hub)
        finally:
            await hub.leave()

    try:
        asyncio.run(inside())
    except AdapterError as exc:
        typer.echo(f"twinbook venue polymarket: {exc}", err=True)
        raise typer.Exit(EXIT_FAILED) from None


@app.command()
def check(
    environment: Environment = "production",
    clob_url: Url = None,
    gamma_url: Url = None,
    data_url: Url = None,
    geoblock_url: Url = None,
) -> None:
    """Check version, clock and whether orders are accepted from here. Needs no key."""

    async def work(hub: PolymarketHub) -> None:
        typer.echo(f"order version  {await hub.clob.version()} (this release signs 2)")
        typer.echo(f"clock          the venue is {await hub.measure_clock()} s ahead")
        place = await hub.rest(hub.hosts.geoblock).read(
            msgspec.json.Decoder(GeoblockReply), "", scope="geoblock"
        )
        verdict = "NOT accepted" if place.blocked else "accepted"
        typer.echo(f"place          {place.country} {place.region}: orders are {verdict} from here")

    run(work, environment, [clob_url, gamma_url, data_url, geoblock_url])


@app.command("list")
def list_markets(
    environment: Environment = "production",
    clob_url: Url = None,
    gamma_url: Url = None,
    data_url: Url = None,
    geoblock_url: Url = None,
    tag: Annotated[str | None, typer.Option(help="Tag slug, for example nba.")] = None,
    event: Annotated[str | None, typer.Option(help="Event slug.")] = None,
    slug: Annotated[str | None, typer.Option(help="Market slug.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="Most markets shown.")] = 100,
) -> None:
    """List open markets: slug, tick, minimum, fee rate, condition."""

    async def work(hub: PolymarketHub) -> None:
        named = {"tag_slug": tag, "event_slug": event, "slug": slug}
        filters = {name: value for name, value in named.items() if value}
        await hub.provider.load_all_async({**filters, "max_markets": limit})
        for market in hub.provider.markets()[:limit]:
            typer.echo(line(market))
        if not hub.provider.markets():
            typer.echo("No market matches.")
        for name, why in list(hub.provider.refused.items())[:5]:
            typer.echo(f"not tradable: {name}: {why}", err=True)

    run(work, environment, [clob_url, gamma_url, data_url, geoblock_url])


def line(market: Market) -> str:
    """Return one line about a market."""
    fee = "unknown" if market.fees is None else str(market.fees.rate)
    state = "open" if market.accepting_orders and not market.closed else "closed"
    return (
        f"{market.slug:<48} {state:<6} tick {market.tick_size} min {market.min_size} fee {fee} "
        f"{market.version.value} {market.condition_id}"
    )


@app.command()
def show(
    market: Annotated[str, typer.Argument(help="Slug or condition id.")],
    environment: Environment = "production",
    clob_url: Url = None,
    gamma_url: Url = None,
    data_url: Url = None,
    geoblock_url: Url = None,
) -> None:
    """Show one market: outcomes, instruments, top of book, terms and rules."""

    async def work(hub: PolymarketHub) -> None:
        key = "condition_id" if market.startswith("0x") else "slug"
        await hub.provider.load_all_async({key: market})
        found = hub.provider.markets()
        if not found:
            raise UsageError(f"market: {market} is not in the catalogue (or not open)")
        await describe(hub, found[0])

    run(work, environment, [clob_url, gamma_url, data_url, geoblock_url])


async def describe(hub: PolymarketHub, market: Market) -> None:
    """Print one market."""
    typer.echo(market.question)
    typer.echo(line(market))
    for outcome, asset_id in zip(market.outcomes, market.asset_ids, strict=True):
        book = await hub.clob.book(asset_id)
        bid = f"{book.bids[-1].price} x {book.bids[-1].size}" if book.bids else "none"
        ask = f"{book.asks[-1].price} x {book.asks[-1].size}" if book.asks else "none"
        typer.echo(f"  {outcome}: bid {bid}, ask {ask}")
        typer.echo(f"    {instrument_id_text(asset_id)}")
    delay = "not said" if market.seconds_delay is None else f"{market.seconds_delay} s"
    typer.echo(f"taker delay    {delay}")
    typer.echo(f"book cleared   {'at the start' if market.clear_book_on_start else 'no'}")
    typer.echo(f"neg risk       {'yes' if market.neg_risk else 'no'}")
    typer.echo(f"rules sha256   {market.rules_sha256}")
    typer.echo(f"rules          {market.rules}")
