"""Token ids, condition ids and instrument symbols. Pure.

An instrument's symbol is the outcome's token id (CTF token or Protocol V2 position id), which is
what books, orders and balances are keyed by. Protocol V2 rules, numbered:

1. An asset belongs to Protocol V2 if bits 40 to 103 of its id are zero.
2. Its condition id is the upper 31 bytes; Gamma shows 62 hex digits, CLOB and Data API want them
   right-padded to 64.
"""

from __future__ import annotations

from typing import Final

from adapters.common.errors import UsageError
from adapters.polymarket.constants import VENUE_NAME

_V2_RESERVED: Final = ((1 << 64) - 1) << 40


def check_asset_id(text: str) -> str:
    """Return a token id, or raise `UsageError` naming what was found.

    >>> check_asset_id("256")
    '256'
    """
    if not (text.isascii() and text.isdigit()) or int(text) >= 2**256:
        raise UsageError(f"token id: found {text[:90]!r}, expected a decimal integer below 2^256")
    return text


def asset_id_of(instrument_id: str) -> str:
    """Return the token id of `TOKEN.POLYMARKET`.

    Raises
    ------
    UsageError
        When the id belongs to another venue or does not start with a token id.
    """
    symbol, _, venue = instrument_id.rpartition(".")
    if venue != VENUE_NAME:
        raise UsageError(f"instrument id: found {instrument_id!r}, expected TOKEN.{VENUE_NAME}")
    return check_asset_id(symbol)


def instrument_id_text(asset_id: str) -> str:
    """Return the instrument id of a token."""
    return f"{check_asset_id(asset_id)}.{VENUE_NAME}"


def is_position_id(asset_id: str) -> bool:
    """Tell whether an id has the form of a Protocol V2 position (rule 1).

    The form alone never decides where a market trades: its `version` does.
    """
    return int(check_asset_id(asset_id)) & _V2_RESERVED == 0


def padded_condition_id(condition_id: str) -> str:
    """Return a condition id as CLOB and Data API want it: 0x and 64 digits (rule 2).

    >>> padded_condition_id("0x" + "ab" * 31)[-4:]
    'ab00'
    """
    digits = condition_id.lower().removeprefix("0x")
    try:
        int(digits, 16)
    except ValueError:
        digits = ""
    if len(digits) not in (62, 64):
        raise UsageError(
            f"condition id: found {condition_id[:80]!r}, expected 0x and 64 (or 62) hex digits"
        )
    return "0x" + digits.ljust(64, "0")
