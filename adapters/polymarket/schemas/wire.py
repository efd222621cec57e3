"""Reading loosely typed JSON: numbers that come as text, text that comes as JSON. Pure."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Final

import msgspec

from adapters.common.errors import ProtocolError

type Number = str | int | float | None
"""A number as the venue happens to send it; "" and null both mean absent."""

_NS_PER_S: Final = 1_000_000_000
_NS_PER_MS: Final = 1_000_000
_MS_BOUND: Final = 10**12
_BOUND: Final = Decimal(10) ** 18


def decimal(field: str, value: Number) -> Decimal:
    """Return a finite number.

    Raises
    ------
    ProtocolError
        When it is absent, not a number, or absurdly large.
    """
    found = decimal_or_none(field, value)
    if found is None:
        raise ProtocolError(f"{field}: missing, expected a number")
    return found


def decimal_or_none(field: str, value: Number) -> Decimal | None:
    """Return a finite number, or None for "" and null.

    A JSON double is read through its shortest text, so 0.1 is 0.1.
    """
    if value is None or value == "":
        return None
    try:
        found = Decimal(str(value))
    except InvalidOperation:
        raise ProtocolError(f"{field}: found {str(value)[:40]!r}, expected a number") from None
    if not found.is_finite() or abs(found) > _BOUND:
        raise ProtocolError(f"{field}: found {str(value)[:40]!r}, expected a finite number")
    return found


@lru_cache(maxsize=16_384)
def price_text(text: str) -> Decimal:
    """Return a price of the stream; the few hundred texts of a book are read once.

    Raises
    ------
    ProtocolError
        When it is no number in [0, 1].
    """
    return price("price", text)


@lru_cache(maxsize=65_536)
def size_text(text: str) -> Decimal:
    """Return a size of the stream; raises `ProtocolError` like `size`."""
    return size("size", text)


def price(field: str, value: Number) -> Decimal:
    """Return a number in [0, 1]."""
    found = decimal(field, value)
    if not 0 <= found <= 1:
        raise ProtocolError(f"{field}: found {found}, expected a price from 0 to 1")
    return found


def size(field: str, value: Number) -> Decimal:
    """Return a number of shares, not negative."""
    found = decimal(field, value)
    if found < 0:
        raise ProtocolError(f"{field}: found {found}, expected a size of at least 0")
    return found


def time_ns(field: str, value: Number, default_ns: int) -> int:
    """Return nanoseconds from seconds or milliseconds; the venue uses both in the same field.

    ISO text, which older endpoints send, is read as `default_ns`.
    """
    if value is None or value == "":
        return default_ns
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return default_ns
    if not number.is_finite() or number < 0 or number > _BOUND:
        raise ProtocolError(f"{field}: found {str(value)[:40]!r}, expected a time")
    unit = _NS_PER_S if number < _MS_BOUND else _NS_PER_MS
    return int(number * unit)


def decode[T](decoder: msgspec.json.Decoder[T], body: bytes, what: str) -> T:
    """Decode a body or raise the one `ProtocolError`, which quotes at most 80 bytes of it."""
    try:
        return decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as exc:
        start = body[:80].decode("utf-8", "replace")
        raise ProtocolError(f"{what}: {exc}; starts {start!r}") from exc


def json_in_string(field: str, value: object) -> list[str]:
    """Return a list of text from a real array or from JSON inside a string (Gamma).

    >>> json_in_string("outcomes", '["Yes", "No"]')
    ['Yes', 'No']
    """
    if value is None or value == "":
        return []
    items = value
    if isinstance(value, str):
        try:
            items = msgspec.json.decode(value)
        except (msgspec.MsgspecError, RecursionError):
            items = None
    if not isinstance(items, list):
        raise ProtocolError(f"{field}: found {str(value)[:60]!r}, expected a JSON list")
    return [str(item) for item in items]
