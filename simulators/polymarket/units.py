"""Money and shares as integers of 0.000001, and how the venue prints them."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

ONE = 1_000_000
"""One dollar, one share, or a price of 1, in base units."""

CENT_SHARE = 10_000
"""Order sizes are whole multiples of 0.01 share."""

TICKS = (100_000, 10_000, 5_000, 2_500, 1_000, 100)
"""Allowed tick sizes: 0.1, 0.01, 0.005, 0.0025, 0.001, 0.0001."""


def text(units: int) -> str:
    """Print base units as the venue does: no exponent, no trailing zeros (``"0.5"``, ``"12"``)."""
    if units < 0:
        return "-" + text(-units)
    whole, part = divmod(units, ONE)
    return f"{whole}.{part:06d}".rstrip("0") if part else str(whole)


def number(units: int) -> float | int:
    """Return base units as the JSON number that Gamma and the Data API print."""
    whole, part = divmod(units, ONE)
    return whole if part == 0 else float(text(units))


def units(value: object) -> int:
    """Read a decimal written as text or number into base units.

    Raises
    ------
    ValueError
        Not a decimal, or finer than 0.000001.
    """
    try:
        scaled = Decimal(str(value)) * ONE
    except InvalidOperation as error:
        raise ValueError(f"{value!r} is not a decimal number") from error
    if not scaled.is_finite() or scaled != scaled.to_integral_value():
        raise ValueError(f"{value!r} is finer than 0.000001 or not finite")
    return int(scaled)


def decimals(amount: int) -> int:
    """Return how many decimals base units need (0 to 6)."""
    for places in range(7):
        if amount % 10 ** (6 - places) == 0:
            return places
    raise AssertionError("unreachable: every integer has at most six decimals")
