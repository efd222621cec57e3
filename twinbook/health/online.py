"""Checks that ask the venues: whether they can be reached, and whether clocks agree.

Two unauthenticated requests, no keys, no market data. Hosts: Kalshi API environments page and
Polymarket CLOB documentation, both read 2026-11.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from email.utils import parsedate_to_datetime

import aiohttp

from twinbook.health.checks import Finding

#: (name, address that answers anybody)
VENUES: tuple[tuple[str, str], ...] = (
    ("kalshi", "https://external-api.kalshi.com/trade-api/v2/exchange/status"),
    ("polymarket", "https://clob.polymarket.com/time"),
)
TIMEOUT_S = 5.0
#: HTTP dates have whole seconds: below this nothing can be said.
SKEW_WARN_S = 2.0
SKEW_FAIL_S = 30.0


def examine_online(venues: Sequence[tuple[str, str]] = VENUES) -> list[Finding]:
    """Ask each venue once and compare clocks; an unreachable venue is a warning."""
    return asyncio.run(_examine(venues))


async def _examine(venues: Sequence[tuple[str, str]]) -> list[Finding]:
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
    async with aiohttp.ClientSession(timeout=timeout, trust_env=True) as session:
        return list(await asyncio.gather(*(_ask(session, name, url) for name, url in venues)))


async def _ask(session: aiohttp.ClientSession, name: str, url: str) -> Finding:
    what = f"online {name}"
    started = time.time()
    try:
        async with session.get(url) as response:
            ended = time.time()
            status, date = response.status, response.headers.get("Date")
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        words = f"{url}: {type(error).__name__}"
        return Finding(
            "warn", what, words, "check the network, a proxy (HTTPS_PROXY) or a firewall"
        )
    if status in {403, 451}:
        fix = "the venue does not serve this place; see docs/choices.md on who may trade where"
        return Finding("warn", what, f"answered {status}", fix)
    try:
        theirs = parsedate_to_datetime(date or "").timestamp()
    except ValueError:
        return Finding(
            "ok", what, f"answered {status} in {(ended - started) * 1000:.0f} ms, no time"
        )
    return skew_finding(what, status, ended - started, _skew(started, ended, theirs))


def _skew(started: float, ended: float, theirs: float) -> float:
    """Return how far our clock lies outside what the answer allows (its second is cut off)."""
    if ended < theirs:
        return theirs - ended
    return max(0.0, started - (theirs + 1.0))


def skew_finding(what: str, status: int, round_trip_s: float, skew_s: float) -> Finding:
    """Judge an answer and the difference of the clocks."""
    words = f"answered {status} in {round_trip_s * 1000:.0f} ms, clocks differ by {skew_s:.1f} s"
    fix = "set this machine's clock: `timedatectl set-ntp true`"
    if skew_s > SKEW_FAIL_S:
        return Finding("fail", what, f"{words}: signatures will be refused", fix)
    if skew_s > SKEW_WARN_S:
        return Finding("warn", what, words, fix)
    return Finding("ok", what, words)
