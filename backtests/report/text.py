"""Numbers, times and words for people; everything that reaches the page is escaped here."""

from __future__ import annotations

import html
from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal

MINUS = "−"
NBSP = "\u00a0"
NS = 1_000_000_000
_VOID = {"br"}


class Markup(str):
    """HTML that is already safe; any other text is escaped when it enters the page."""

    __slots__ = ()


def esc(value: object) -> Markup:
    """Escape a value unless it is markup already."""
    return value if isinstance(value, Markup) else Markup(html.escape(str(value), quote=True))


def tag(name: str, *children: object, **attributes: object) -> Markup:
    """Return an element; ``cls`` is the class, ``_`` in attribute names becomes ``-``."""
    parts = [
        f' {"class" if key == "cls" else key.replace("_", "-")}="{html.escape(str(value))}"'
        for key, value in attributes.items()
        if value is not None
    ]
    if name in _VOID:
        return Markup(f"<{name}{''.join(parts)}/>")
    return Markup(f"<{name}{''.join(parts)}>{join(children)}</{name}>")


def join(children: Iterable[object], by: str = "") -> Markup:
    """Join pieces, escaping what is not markup."""
    return Markup(by.join(esc(c) for c in children))


def plain_number(value: Decimal, places_min: int = 0) -> str:
    """Write a number exactly, with thousands separators and a true minus sign.

    >>> plain_number(Decimal("-12345.678000"), 2)
    '−12,345.678'
    """
    text = f"{value:f}"
    negative = text.startswith("-")
    whole, _, part = text.lstrip("-").partition(".")
    part = part.rstrip("0").ljust(places_min, "0")
    number = f"{int(whole):,}" + (f".{part}" if part else "")
    return f"{MINUS}{number}" if negative and value != 0 else number


def usd(value: Decimal, *, sign: bool = False) -> str:
    """Write dollars exactly, never rounded: ``$1,234.50``, ``−$0.0125``, ``+$3.00``."""
    number = plain_number(abs(value), 2)
    lead = MINUS if value < 0 else "+" if sign and value > 0 else ""
    return f"{lead}${number}"


def cents(value: Decimal | float, places: int = 2) -> str:
    """Write dollars per contract as cents, rounded for reading: ``1.16 c`` (no break inside)."""
    return f"{float(value) * 100:.{places}f}{NBSP}c".replace("-", MINUS)


def percent(value: Decimal | float, places: int = 1) -> str:
    """Write a share as a percentage."""
    return f"{float(value) * 100:.{places}f}{NBSP}%".replace("-", MINUS)


def count(n: int) -> str:
    """Write a whole number with separators."""
    return f"{n:,}"


def some(n: int | Decimal, one: str, many: str | None = None) -> str:
    """Write a count with its noun: ``1 box``, ``3 boxes``."""
    number = count(n) if isinstance(n, int) else plain_number(n)
    return f"{number} {one if n == 1 else many or one + 's'}"


def when(ts_ns: int, *, seconds: bool = True) -> str:
    """Write an instant: ``5 Jul 2026 14:30:05 UTC``."""
    if ts_ns <= 0:
        return "unknown"
    at = datetime.fromtimestamp(ts_ns // NS, tz=UTC)
    return f"{at.day} {at:%b %Y %H:%M:%S UTC}" if seconds else f"{at.day} {at:%b %Y %H:%M UTC}"


def clock(ts_ns: int) -> str:
    """Write an instant to the millisecond, for tables."""
    at = datetime.fromtimestamp(ts_ns // NS, tz=UTC)
    return f"{at:%Y-%m-%d %H:%M:%S}.{ts_ns % NS // 1_000_000:03d}"


def span(ns: int | float) -> str:
    """Write a length of time: ``7.2 ms``, ``3.7 s``, ``41 min``, ``2 h 5 min``, ``15 d 3 h``."""
    seconds = ns / NS
    if 0 < seconds < 0.995:
        return f"{seconds * 1000:.{0 if seconds >= 0.0095 else 1}f}{NBSP}ms"
    if seconds < 120:
        digits = 0 if seconds == round(seconds) and not 0 < seconds < 10 else 1
        return f"{seconds:.{digits}f}{NBSP}s"
    minutes = round(seconds / 60)
    if minutes < 120:
        return f"{minutes}{NBSP}min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    days, hours = divmod(hours, 24)
    return f"{days} d {hours} h" if hours else f"{days} d"


def listed(words: Iterable[str]) -> str:
    """Join words as a sentence does: ``a, b and c``."""
    items = list(words)
    return (
        items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}" if items else ""
    )
