"""Tickers and instrument symbols: ``KXA-26-B`` ↔ ``KXA-26-B-YES`` (pure).

A ticker is opaque: series and event come from the venue's records, never from its parts.
"""

from __future__ import annotations

from enum import StrEnum

from adapters.common.errors import UsageError


class Leg(StrEnum):
    """One outcome of a market, and the instrument that pays on it."""

    YES = "yes"
    NO = "no"

    @property
    def other(self) -> Leg:
        """The complement."""
        return Leg.NO if self is Leg.YES else Leg.YES


def symbol(ticker: str, leg: Leg) -> str:
    """Return the instrument symbol of one leg of a market."""
    return f"{ticker}-{leg.upper()}"


def split_symbol(text: str) -> tuple[str, Leg]:
    """Return ticker and leg of an instrument symbol.

    Raises
    ------
    UsageError
        The symbol does not end in ``-YES`` or ``-NO``.
    """
    ticker, _, ending = text.rpartition("-")
    if not ticker or ending not in {"YES", "NO"}:
        raise UsageError(f"instrument symbol: found {text!r}, allowed: TICKER-YES or TICKER-NO")
    return ticker, Leg(ending.lower())
