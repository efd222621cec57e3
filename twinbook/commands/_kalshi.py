"""What the Kalshi subcommands share: options, a REST client, one-line errors."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated

import typer
from rich.console import Console

from adapters.common.errors import AdapterError, VenueRefusal
from adapters.common.transport import AiohttpTransport
from adapters.kalshi.config import environment
from adapters.kalshi.constants import Environment
from adapters.kalshi.credentials import Credential, has_credential, load_credential
from adapters.kalshi.http import KalshiHttp

#: Exit codes: 1 a check failed, 3 a setting, key or answer that cannot be used.
EXIT_FAILED = 1
EXIT_UNUSABLE = 3

#: Tables keep their width in a pipe or a file; a terminal decides for itself.
out = Console(highlight=False, width=None if sys.stdout.isatty() else 150)
err = Console(stderr=True, highlight=False)

Env = Annotated[str, typer.Option("--env", help="demo or production.")]
KeyId = Annotated[str, typer.Option("--key-id", help="API key id; else KALSHI_[DEMO_]KEY_ID.")]
KeyFile = Annotated[
    str, typer.Option("--key-file", help="PEM file; else KALSHI_[DEMO_]PRIVATE_KEY_PATH.")
]
RestUrl = Annotated[
    str, typer.Option("--rest-url", help="Another REST address (simulator), up to /trade-api/v2.")
]
WsUrl = Annotated[str, typer.Option("--ws-url", help="Another WebSocket address (simulator).")]
Proxy = Annotated[str, typer.Option("--proxy", help="HTTP proxy.")]


@dataclass(frozen=True, slots=True)
class Session:
    """An open REST client and what it was opened with."""

    environment: Environment
    credential: Credential | None
    transport: AiohttpTransport
    http: KalshiHttp


@dataclass(frozen=True, slots=True)
class Wanted:
    """The options that name account and address."""

    env: str
    key_id: str = ""
    key_file: str = ""
    rest_url: str = ""
    ws_url: str = ""
    proxy: str = ""


def run(wanted: Wanted, work: Callable[[Session], Awaitable[None]], *, private: bool) -> None:
    """Open a session, do the work, and turn what goes wrong into one line and an exit code.

    Parameters
    ----------
    private : bool
        Whether the work needs a key; public work uses one if there is one.
    """
    try:
        asyncio.run(_run(wanted, work, private=private))
    except VenueRefusal as exc:
        hint = " (unknown to the venue)" if exc.status == 404 else ""
        err.print(f"kalshi: refused: {exc}{hint}", markup=False, soft_wrap=True)
        raise typer.Exit(EXIT_UNUSABLE) from None
    except AdapterError as exc:
        err.print(f"kalshi: {exc}", markup=False, soft_wrap=True)
        raise typer.Exit(EXIT_UNUSABLE) from None


async def _run(
    wanted: Wanted, work: Callable[[Session], Awaitable[None]], *, private: bool
) -> None:
    found = environment(wanted.env, rest_url=wanted.rest_url or None, ws_url=wanted.ws_url or None)
    credential: Credential | None = None
    if private or wanted.key_id or wanted.key_file or has_credential(wanted.env):
        credential = load_credential(
            wanted.env,
            key_id=wanted.key_id or None,
            private_key_path=wanted.key_file or None,
        )
    transport = AiohttpTransport(proxy_url=wanted.proxy or None)
    http = KalshiHttp(
        rest_url=found.rest_url,
        transport=transport,
        clock_ns=time.time_ns,
        credential=credential,
    )
    try:
        await work(Session(found, credential, transport, http))
    finally:
        await transport.close()
