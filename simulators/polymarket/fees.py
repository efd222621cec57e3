"""Taker fees: shares × rate × (p(1−p))^exponent, in pUSD, rounded to five decimals.

Makers pay nothing. A BUY pays the fee on top of the spend, a SELL receives proceeds minus fee.
Source: docs.polymarket.com, trading/fees, as of 2026-10. The direction of rounding is not
documented (switch `fee_rounding`); a charge below 0.00001 after rounding is no charge.
"""

from __future__ import annotations

from simulators.polymarket.model import FeeTerms
from simulators.polymarket.units import ONE

_STEP = 10


def taker_fee(terms: FeeTerms | None, price: int, shares: int, rounding: str) -> int:
    """Return the fee in base units.

    Parameters
    ----------
    terms
        The market's schedule, None when fees are off.
    price, shares
        Base units.
    rounding
        ``half_up``, ``up`` or ``down`` at the fifth decimal.

    Examples
    --------
    100 shares at 0.55 with rate 0.05: 100 × 0.05 × 0.2475 = 1.2375.

    >>> taker_fee(FeeTerms("sports_fees_v3", 50_000), 550_000, 100_000_000, "half_up")
    1237500
    """
    if terms is None or terms.rate_ppm == 0:
        return 0
    top: int = shares * terms.rate_ppm * (price * (ONE - price)) ** terms.exponent
    bottom: int = ONE * (ONE * ONE) ** terms.exponent * _STEP
    extra = {"half_up": bottom // 2, "up": bottom - 1, "down": 0}[rounding]
    return (top + extra) // bottom * _STEP
