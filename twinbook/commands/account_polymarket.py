"""``twinbook account polymarket``: keys, approvals, wrapping and redeeming of one wallet.

Everything that changes something is a dry run until ``--execute``, and every transaction is shown
in words and in full before it is signed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from decimal import Decimal, InvalidOperation
from typing import Annotated

import typer

from adapters.common.errors import AdapterError, UsageError
from adapters.polymarket import redemption
from adapters.polymarket.chain import ChainClient
from adapters.polymarket.config import PolymarketDataClientConfig, hosts, is_loopback
from adapters.polymarket.constants import PUSD, USDC_E, AssetType, SignatureType
from adapters.polymarket.credentials import load_api_key, load_signer
from adapters.polymarket.eligibility import check_eligibility
from adapters.polymarket.http import ClobClient
from adapters.polymarket.hub import PolymarketHub
from adapters.polymarket.markets import Market
from adapters.polymarket.redemption import APPROVALS, Approval, Call
from adapters.polymarket.schemas.wire import decimal
from adapters.polymarket.signing import OrderSigner
from adapters.polymarket.symbols import padded_condition_id

app = typer.Typer(help="A Polymarket wallet: keys, approvals, wrap, redeem.", no_args_is_help=True)

#: Exit code of a refused or failed action.
EXIT_FAILED = 1
_MILLION = Decimal(1_000_000)

Environment = Annotated[str, typer.Option(help="production, or local with every URL given.")]
Url = Annotated[str | None, typer.Option(help="Replaces the environment's address.")]
RpcUrl = Annotated[str, typer.Option(help="JSON-RPC of a Polygon node.")]
Kind = Annotated[int, typer.Option(help="0 EOA, 1 proxy, 2 safe, 3 deposit wallet.")]
Funder = Annotated[str | None, typer.Option(help="The wallet that holds the funds.")]
Execute = Annotated[bool, typer.Option("--execute", help="Sign and send; else only show.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask before each transaction.")]


class Session:
    """One wallet at one place, for one command."""

    def __init__(self, hub: PolymarketHub, signer: OrderSigner, rpc_url: str) -> None:
        self.hub = hub
        self.signer = signer
        stored = load_api_key()
        self.clob: ClobClient = hub.account(signer, stored.key if stored else None)
        self.has_key = stored is not None
        self.chain = ChainClient(rpc_url, hub.transport) if rpc_url else None

    async def need_key(self) -> None:
        """Derive the API key where the environment holds none."""
        if not self.has_key:
            self.clob.api_key, _ = await self.clob.create_or_derive_key()

    def need_chain(self) -> ChainClient:
        """Return the chain client.

        Raises
        ------
        UsageError
            No node was named.
        """
        if self.chain is None:
            raise UsageError("--rpc-url: missing; name the JSON-RPC of a Polygon node")
        return self.chain


def run(
    work: Callable[[Session], Awaitable[None]],
    *,
    environment: str,
    urls: Sequence[str | None],
    rpc_url: str,
    signature_type: int,
    funder: str | None,
) -> None:
    """Open a session, do the work, close it; errors become one line and exit code 1."""

    async def inside() -> None:
        import time

        clob_url, gamma_url, data_api_url, geoblock_url = urls
        config = PolymarketDataClientConfig(
            environment=environment,
            clob_url=clob_url,
            gamma_url=gamma_url,
            data_api_url=data_api_url,
            ws_url=clob_url,
            geoblock_url=geoblock_url,
        )
        if environment == "local" and rpc_url and not is_loopback(rpc_url):
            raise UsageError(f"--rpc-url: found {rpc_url!r}, a local venue has a local chain")
        if signature_type not in set(SignatureType):
            raise UsageError(f"--signature-type: found {signature_type}, allowed: 0, 1, 2, 3")
        hub = PolymarketHub(hosts(config), clock_ns=time.time_ns)
        hub.join()
        try:
            session = Session(hub, load_signer(signature_type, funder), rpc_url)
            await hub.measure_clock()
            await work(session)
        finally:
            await hub.leave()

    try:
        asyncio.run(inside())
    except AdapterError as exc:
        typer.echo(f"twinbook account polymarket: {exc}", err=True)
        raise typer.Exit(EXIT_FAILED) from None


@app.command()
def keys(
    environment: Environment = "production",
    clob_url: Url = None,
    gamma_url: Url = None,
    data_url: Url = None,
    geoblock_url: Url = None,
    signature_type: Kind = 0,
    funder: Funder = None,
    show: Annotated[bool, typer.Option("--show", help="Print the secrets too.")] = False,
) -> None:
    """Derive the wallet's API key (the same one every time), creating it the first time."""

    async def work(session: Session) -> None:
        key, secret = await session.clob.create_or_derive_key()
        typer.echo(f"POLYMARKET_API_KEY={key.key}")
        typer.echo(f"POLYMARKET_API_SECRET={secret if show else '(hidden; --show prints it)'}")
        hidden = key.passphrase if show else "(hidden; --show prints it)"
        typer.echo(f"POLYMARKET_API_PASSPHRASE={hidden}")

    urls = (clob_url, gamma_url, data_url, geoblock_url)
    run(
        work, environment=environment, urls=urls, rpc_url="",
        signature_type=signature_type, funder=funder,
    )  # fmt: skip


@app.command()
def show(
    environment: Environment = "production",
    clob_url: Url = None,
    gamma_url: Url = None,
    data_url: Url = None,
    geoblock_url: Url = None,
    rpc_url: RpcUrl = "",
    signature_type: Kind = 0,
    funder: Funder = None,
) -> None:
    """Show wallet, permission to trade, balances and approvals. Changes nothing."""

    async def work(session: Session) -> None:
        await session.need_key()
        signer, clob = session.signer, session.clob
        kind = SignatureType(signer.signature_type)
        typer.echo(f"signer      {signer.address}")
        typer.echo(f"wallet      {signer.maker} (type {int(kind)}, {kind.name.lower()})")
        found = await check_eligibility(clob, session.hub.rest(session.hub.hosts.geoblock))
        typer.echo(f"permission  {found.permission.value} {found.reason}".rstrip())
        reply = await clob.balance(AssetType.COLLATERAL)
        at_venue = decimal("balance", reply.balance) / _MILLION
        typer.echo(f"pUSD        {at_venue} as the venue sees it")
        if session.chain is None:
            typer.echo("approvals   not read: name a node with --rpc-url")
            return
        on_chain = await session.chain.read(redemption.ask_balance(PUSD, signer.maker))
        bridged = await session.chain.read(redemption.ask_balance(USDC_E, signer.maker))
        typer.echo(f"pUSD        {Decimal(on_chain) / _MILLION} on chain")
        typer.echo(f"USDC.e      {Decimal(bridged) / _MILLION} on chain, not wrapped")
        for approval in APPROVALS:
            state = "yes" if await stands(session.chain, approval, signer.maker) else "missing"
            note = " (optional)" if approval.optional else ""
            typer.echo(f"approval    {state:<8} {approval.name}{note}")

    urls = (clob_url, gamma_url, data_url, geoblock_url)
    run(
        work, environment=environment, urls=urls, rpc_url=rpc_url,
        signature_type=signature_type, funder=funder,
    )  # fmt: skip


async def stands(chain: ChainClient, approval: Approval, owner: str) -> bool:
    """Tell whether an approval stands; a limited one below a trillion counts as missing."""
    found = await chain.read(redemption.ask_approval(approval, owner))
    return found >= 10**18 if approval.is_erc20 else found == 1


@app.command()
def approve(
    environment: Environment = "production",
    clob_url: Url = None,
    gamma_url: Url = None,
    data_url: Url = None,
    geoblock_url: Url = None,
    rpc_url: RpcUrl = "",
    signature_type: Kind = 0,
    funder: Funder = None,
    optional: Annotated[bool, typer.Option("--optional", help="Also split and redeem.")] = False,
    execute: Execute = False,
    yes: Yes = False,
) -> None:
    """Give the approvals that trading needs and that are missing."""

    async def work(session: Session) -> None:
        chain = session.need_chain()
        wanted = [a for a in APPROVALS if optional or not a.optional]
        missing = [a for a in wanted if not await stands(chain, a, session.signer.maker)]
        if not missing:
            typer.echo("Nothing to do: every approval stands.")
            return
        await perform(session, [redemption.approve(a) for a in missing], execute, yes)

    urls = (clob_url, gamma_url, data_url, geoblock_url)
    run(
        work, environment=environment, urls=urls, rpc_url=rpc_url,
        signature_type=signature_type, funder=funder,
    )  # fmt: skip


@app.command()
def wrap(
    amount: Annotated[str, typer.Argument(help="USDC.e to turn into pUSD, for example 250.5.")],
    environment: Environment = "production",
    clob_url: Url = None,
    gamma_url: Url = None,
    data_url: Url = None,
    geoblock_url: Url = None,
    rpc_url: RpcUrl = "",
    signature_type: Kind = 0,
    funder: Funder = None,
    execute: Execute = False,
    yes: Yes = False,
) -> None:
    """Wrap USDC.e into pUSD, one for one."""

    async def work(session: Session) -> None:
        chain = session.need_chain()
        wanted = parse_amount(amount)
        held = await chain.read(redemption.ask_balance(USDC_E, session.signer.maker))
        if wanted * _MILLION > held:
            raise UsageError(f"amount: found {wanted}, the wallet holds {held / _MILLION} USDC.e")
        calls = redemption.wrap(wanted, session.signer.maker)
        await perform(session, calls, execute, yes)

    urls = (clob_url, gamma_url, data_url, geoblock_url)
    run(
        work, environment=environment, urls=urls, rpc_url=rpc_url,
        signature_type=signature_type, funder=funder,
    )  # fmt: skip


@app.command()
def redeem(
    condition: Annotated[str, typer.Argument(help="Condition id of a resolved market.")],
    environment: Environment = "production",
    clob_url: Url = None,
    gamma_url: Url = None,
    data_url: Url = None,
    geoblock_url: Url = None,
    rpc_url: RpcUrl = "",
    signature_type: Kind = 0,
    funder: Funder = None,
    execute: Execute = False,
    yes: Yes = False,
) -> None:
    """Turn the shares of a resolved market into pUSD."""

    async def work(session: Session) -> None:
        session.need_chain()
        market, payouts = await resolved_market(session.hub, condition)
        await session.need_key()
        shares = [await held_shares(session.clob, market, a) for a in market.asset_ids]
        worth = sum((s * p for s, p in zip(shares, payouts, strict=True)), Decimal(0))
        for name, held, pays in zip(market.outcomes, shares, payouts, strict=True):
            typer.echo(f"{held} shares of {name} pay {pays} each")
        if not any(shares):
            typer.echo("Nothing to do: no shares of this market are held.")
            return
        typer.echo(f"together {worth} pUSD")
        calls = redemption.redeem(
            market.gamma_condition_id, shares, version=market.version, neg_risk=market.neg_risk
        )
        await perform(session, calls, execute, yes)

    urls = (clob_url, gamma_url, data_url, geoblock_url)
    run(
        work, environment=environment, urls=urls, rpc_url=rpc_url,
        signature_type=signature_type, funder=funder,
    )  # fmt: skip


@app.command()
def split(
    condition: Annotated[str, typer.Argument(help="Condition id of an open market.")],
    amount: Annotated[str, typer.Argument(help="pUSD to turn into as many shares of each.")],
    environment: Environment = "production",
    clob_url: Url = None,
    gamma_url: Url = None,
    data_url: Url = None,
    geoblock_url: Url = None,
    rpc_url: RpcUrl = "",
    signature_type: Kind = 0,
    funder: Funder = None,
    execute: Execute = False,
    yes: Yes = False,
) -> None:
    """Turn pUSD into as many shares of both outcomes."""
    work = partition(redemption.split, condition, amount, execute, yes)
    urls = (clob_url, gamma_url, data_url, geoblock_url)
    run(
        work, environment=environment, urls=urls, rpc_url=rpc_url,
        signature_type=signature_type, funder=funder,
    )  # fmt: skip


@app.command()
def merge(
    condition: Annotated[str, typer.Argument(help="Condition id of a market.")],
    amount: Annotated[str, typer.Argument(help="Shares of each outcome to turn into pUSD.")],
    environment: Environment = "production",
    clob_url: Url = None,
    gamma_url: Url = None,
    data_url: Url = None,
    geoblock_url: Url = None,
    rpc_url: RpcUrl = "",
    signature_type: Kind = 0,
    funder: Funder = None,
    execute: Execute = False,
    yes: Yes = False,
) -> None:
    """Turn equal shares of both outcomes back into pUSD."""
    work = partition(redemption.merge, condition, amount, execute, yes)
    urls = (clob_url, gamma_url, data_url, geoblock_url)
    run(
        work, environment=environment, urls=urls, rpc_url=rpc_url,
        signature_type=signature_type, funder=funder,
    )  # fmt: skip


def partition(
    build: Callable[..., Call], condition: str, amount: str, execute: bool, yes: bool
) -> Callable[[Session], Awaitable[None]]:
    """Return the work of a split or a merge."""

    async def work(session: Session) -> None:
        session.need_chain()
        wanted = parse_amount(amount)
        condition_id = padded_condition_id(condition)
        await session.hub.provider.load_conditions([condition])
        market = session.hub.provider.market_of_condition(condition_id)
        if market is None:
            raise UsageError(f"condition: {condition} is not in the catalogue")
        call = build(
            market.gamma_condition_id, wanted, version=market.version, neg_risk=market.neg_risk
        )
        typer.echo(f"{market.question}: {' and '.join(market.outcomes)}")
        await perform(session, [call], execute, yes)

    return work


async def resolved_market(
    hub: PolymarketHub, condition: str
) -> tuple[Market, tuple[Decimal, Decimal]]:
    """Return a market and its payouts.

    Raises
    ------
    UsageError
        The market is unknown or not resolved.
    """
    condition_id = padded_condition_id(condition)
    await hub.provider.load_conditions([condition])
    found = await hub.resolutions([condition_id])
    market = hub.provider.market_of_condition(condition_id)
    if market is None:
        raise UsageError(f"condition: {condition} is not in the catalogue")
    if condition_id not in found:
        raise UsageError(f"condition: {market.slug} is not resolved")
    return market, found[condition_id]


async def held_shares(clob: ClobClient, market: Market, asset_id: str) -> Decimal:
    """Return the wallet's shares of a token."""
    v2 = market.version.value == "v2"
    kind = AssetType.CONDITIONAL_V2 if v2 else AssetType.CONDITIONAL
    await clob.refresh_balance(kind, asset_id)
    return decimal("balance", (await clob.balance(kind, asset_id)).balance) / _MILLION


def parse_amount(text: str) -> Decimal:
    """Return a positive amount of at most six decimals."""
    try:
        amount = Decimal(text)
    except InvalidOperation:
        amount = Decimal(0)
    if not amount.is_finite() or amount <= 0 or amount != round(amount, 6):
        raise UsageError(f"amount: found {text!r}, allowed more than 0, at most 6 decimals")
    return amount


async def perform(session: Session, calls: Sequence[Call], execute: bool, yes: bool) -> None:
    """Show every transaction; sign and send them one after the other when told to."""
    signer, chain = session.signer, session.need_chain()
    for number, call in enumerate(calls, start=1):
        typer.echo(f"transaction {number} of {len(calls)}: {call.what}")
        typer.echo(f"  to    {call.to}")
        typer.echo(f"  data  0x{call.data.hex()}")
    if not execute:
        typer.echo("Dry run: nothing was signed. --execute sends them.")
        return
    if signer.signature_type is not SignatureType.EOA:
        raise UsageError(
            f"--execute: a wallet of type {int(signer.signature_type)} acts through Polymarket's "
            "relayer; make these calls on polymarket.com or with polymarket-client, this command "
            "signs for EOA wallets (type 0) only"
        )
    for number, call in enumerate(calls, start=1):
        if not yes and not typer.confirm(f"Sign and send transaction {number}: {call.what}?"):
            raise UsageError(f"stopped before transaction {number}; nothing after it was signed")
        tx_hash = await chain.send(signer, call)
        typer.echo(f"done {number} of {len(calls)}: {tx_hash}")
    await session.need_key()
    await session.clob.refresh_balance(AssetType.COLLATERAL)
