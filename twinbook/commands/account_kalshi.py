"""``twinbook account kalshi``: cash per shard. Nothing is sent without --yes."""

from __future__ import annotations

import asyncio
import uuid
from decimal import Decimal, InvalidOperation
from typing import Annotated

import msgspec
import typer
from rich.table import Table

from adapters.common.errors import ConfigError, UsageError, VenueRefusal
from twinbook.commands._kalshi import (
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

app = typer.Typer(
    no_args_is_help=True,
    help="Kalshi: cash is held per shard; an order on a shard without cash is refused.",
)

Yes = Annotated[bool, typer.Option("--yes", help="Send it; without this it is only shown.")]

_WAIT_S = 15


@app.command()
def show(
    env: Env = "demo",
    key_id: KeyId = "",
    key_file: KeyFile = "",
    rest_url: RestUrl = "",
    proxy: Proxy = "",
) -> None:
    """Show cash by shard and the target allocation."""
    run(Wanted(env, key_id, key_file, rest_url, proxy=proxy), _show, private=True)


async def _show(session: Session) -> None:
    balance = await session.http.balance()
    target = await session.http.target_allocation()
    shares = {a.exchange_index: f"{a.percent} %" for a in target.allocations or []}
    cash = {s.exchange_index: s.balance for s in balance.balance_breakdown or []}
    table = Table("shard", "cash (USD)", "target")
    for shard in sorted(cash.keys() | shares.keys()):
        table.add_row(str(shard), cash.get(shard, "0"), shares.get(shard, "–"))
    table.add_row(
        "all", balance.balance_dollars or "", "" if shares else "no automatic rebalancing"
    )
    out.print(table)


@app.command()
def move(
    amount: Annotated[str, typer.Argument(help="Dollars, at most four decimals.")],
    source: Annotated[int, typer.Option("--from", min=0, help="Shard the cash leaves.")],
    target: Annotated[int, typer.Option("--to", min=0, help="Shard the cash goes to.")],
    env: Env = "demo",
    key_id: KeyId = "",
    key_file: KeyFile = "",
    rest_url: RestUrl = "",
    proxy: Proxy = "",
    yes: Yes = False,
) -> None:
    """Move cash between two shards of the account."""
    wanted = Wanted(env, key_id, key_file, rest_url, proxy=proxy)
    run(wanted, lambda session: _move(session, amount, source, target, yes=yes), private=True)


async def _move(session: Session, amount: str, source: int, target: int, *, yes: bool) -> None:
    units = centicents(amount)
    if source == target:
        raise ConfigError("--to", target, "another shard than --from")
    balance = await session.http.balance()
    cash = {s.exchange_index: Decimal(s.balance) for s in balance.balance_breakdown or []}
    for name, shard in (("--from", source), ("--to", target)):
        if cash and shard not in cash:
            raise ConfigError(name, shard, f"a shard of the account: {sorted(cash)}")
    if cash.get(source, Decimal(0)) < Decimal(units).scaleb(-4):
        raise ConfigError("AMOUNT", amount, f"at most the {cash.get(source)} on shard {source}")
    out.print(f"move {Decimal(units).scaleb(-4)} USD from shard {source} to shard {target}")
    if not _go(session, yes=yes):
        return
    transfer_id = str(uuid.uuid4())
    body = {
        "source": "event_contract",
        "destination": "event_contract",
        "amount": units,
        "source_exchange_shard": source,
        "destination_exchange_shard": target,
        "client_transfer_id": transfer_id,
    }
    ack = await session.http.transfer(msgspec.json.encode(body))
    out.print(f"transfer {ack.transfer_id}: {await _await_transfer(session, ack.transfer_id)}")


async def _await_transfer(session: Session, transfer_id: str) -> str:
    """Ask until the transfer is complete; just after its creation it may not be found."""
    status = "not found yet"
    for _ in range(_WAIT_S * 2):
        try:
            status = await session.http.transfer_status(transfer_id)
        except VenueRefusal as exc:
            if exc.status != 404:
                raise
        if status == "complete":
            return status
        await asyncio.sleep(0.5)
    return f"{status} after {_WAIT_S} s; look again with: twinbook account kalshi show"


@app.command()
def allocate(
    shares: Annotated[
        list[str] | None, typer.Argument(metavar="SHARD=PERCENT...", help="Sum 100; none: off.")
    ] = None,
    env: Env = "demo",
    key_id: KeyId = "",
    key_file: KeyFile = "",
    rest_url: RestUrl = "",
    proxy: Proxy = "",
    reserve: Annotated[
        str, typer.Option(help="Cash kept for resting orders: none, max or sum.")
    ] = "max",
    yes: Yes = False,
) -> None:
    """Set the allocation to which the venue rebalances cash every ten seconds; none: off."""
    wanted = Wanted(env, key_id, key_file, rest_url, proxy=proxy)
    run(
        wanted,
        lambda session: _allocate(session, shares or [], reserve, yes=yes),
        private=True,
    )


async def _allocate(session: Session, shares: list[str], reserve: str, *, yes: bool) -> None:
    allocations = allocation(shares)
    if reserve not in {"none", "max", "sum"}:
        raise ConfigError("--reserve", reserve, "none, max or sum")
    text = ", ".join(f"shard {a['exchange_index']}: {a['percent']} %" for a in allocations)
    out.print(f"target allocation: {text or 'off'}; reserved for resting orders: {reserve}")
    if not _go(session, yes=yes):
        return
    body = {"allocations": allocations, "resting_margin_reservation": reserve}
    await session.http.set_target_allocation(msgspec.json.encode(body))
    await _show(session)


def centicents(amount: str) -> int:
    """Return dollars as the venue's units of $0.0001.

    Raises
    ------
    ConfigError
        Not a positive amount of at most four decimals.
    """
    try:
        value = Decimal(amount).scaleb(4)
    except InvalidOperation:
        value = Decimal(-1)
    if not value.is_finite() or value <= 0 or value != value.to_integral_value():
        raise ConfigError("AMOUNT", amount, "dollars above 0 with at most four decimals")
    return int(value)


def allocation(shares: list[str]) -> list[dict[str, int]]:
    """Return ``SHARD=PERCENT`` texts as the venue's list.

    Raises
    ------
    ConfigError
        A text is malformed, a shard comes twice, or the percents do not make 100.
    """
    found: dict[int, int] = {}
    for share in shares:
        shard, sign, percent = share.partition("=")
        if not sign or not shard.isdecimal() or not percent.isdecimal() or int(shard) in found:
            raise ConfigError("SHARD=PERCENT", share, "for example 0=40 3=60, each shard once")
        found[int(shard)] = int(percent)
    if found and sum(found.values()) != 100:
        raise ConfigError("SHARD=PERCENT", f"a sum of {sum(found.values())}", "a sum of 100")
    return [{"exchange_index": s, "percent": p} for s, p in sorted(found.items())]


def _go(session: Session, *, yes: bool) -> bool:
    """Whether to send: never without --yes, and never to production in this version."""
    if not yes:
        out.print("nothing was sent; add --yes to send it")
        return False
    if session.environment.real_money:
        raise UsageError(
            "production: this version moves no real cash: the arm gate that live trading needs "
            "is not part of it; use the venue's site"
        )
    return True
