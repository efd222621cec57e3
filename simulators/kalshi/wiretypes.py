"""Numbers that the venue sends as JSON numbers instead of strings (strikes, multipliers)."""

from __future__ import annotations

from fractions import Fraction


def number(value: Fraction) -> int | float:
    """Return a fraction as the JSON number that the venue would write."""
    return int(value) if value.denominator == 1 else float(value)
