"""Exact units of the venue: prices in $0.0001, quantities in 0.01 contract, cash in $0.000001.

A price times a quantity is an amount of cash with no rounding at all: 10^-4 × 10^-2 = 10^-6.
Everything on the wire is a decimal string (KALSHI, conventions); integers are the exception.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache

DOLLAR_PX = 10_000
CONTRACT = 100
DOLLAR = 1_000_000
CENT = 10_000
CENTICENT = 100
NS_PER_S = 1_000_000_000
NS_PER_MS = 1_000_000

_PRICE = re.compile(r"(\d{1,4})(?:\.(\d{1,4}))?\Z", re.ASCII)
_COUNT = re.compile(r"(\d{1,12})(?:\.(\d{0,2}))?\Z", re.ASCII)


def parse_price(text: str) -> int | None:
    """Return a dollar string in $0.0001, or None if it is no price with at most 4 decimals."""
    found = _PRICE.match(text)
    if found is None:
        return None
    return int(found[1]) * DOLLAR_PX + int((found[2] or "").ljust(4, "0"))


def parse_count(text: str) -> int | None:
    """Return a quantity string in 0.01 contract, or None if it has more than 2 decimals."""
    found = _COUNT.match(text)
    if found is None:
        return None
    return int(found[1]) * CONTRACT + int((found[2] or "").ljust(2, "0"))


def price(px: int) -> str:
    """Return $0.0001 as ``"0.4700"``."""
    return f"{px // DOLLAR_PX}.{px % DOLLAR_PX:04d}"


def count(qty: int) -> str:
    """Return 0.01 contracts as ``"3.00"`` or ``"-3.00"``."""
    sign, size = ("-", -qty) if qty < 0 else ("", qty)
    return f"{sign}{size // CONTRACT}.{size % CONTRACT:02d}"


def money(micro: int) -> str:
    """Return $0.000001 as ``"0.017500"``."""
    sign, size = ("-", -micro) if micro < 0 else ("", micro)
    return f"{sign}{size // DOLLAR}.{size % DOLLAR:06d}"


def money4(micro: int) -> str:
    """Return cash cut to $0.0001, as in ``balance_dollars``."""
    sign, size = ("-", -micro) if micro < 0 else ("", micro)
    return f"{sign}{size // DOLLAR}.{size % DOLLAR // CENTICENT:04d}"


def ratio4(numerator: int, denominator: int, unit: int) -> str:
    """Return numerator / denominator (in ``unit`` per dollar) as dollars, half up at 4 decimals."""
    scaled = (2 * numerator * DOLLAR_PX + denominator * unit) // (2 * denominator * unit)
    return price(scaled)


def rfc3339(ns: int) -> str:
    """Return UTC time with microseconds and no trailing zeros: ``2026-06-11T06:29:47.42784Z``."""
    whole, fraction = divmod(ns, NS_PER_S)
    text = _second(whole)
    micros = f"{fraction // 1000:06d}".rstrip("0")
    return f"{text}.{micros}Z" if micros else f"{text}Z"


@lru_cache(maxsize=8192)
def _second(whole: int) -> str:
    return datetime.fromtimestamp(whole, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def seconds(ns: int) -> int:
    """Return whole Unix seconds."""
    return ns // NS_PER_S


def millis(ns: int) -> int:
    """Return whole Unix milliseconds."""
    return ns // NS_PER_MS
