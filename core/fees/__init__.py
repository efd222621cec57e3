"""Exact fees of the three venues, as market data: by market, by date, by member."""

from __future__ import annotations

from core.fees.base import (
    NEW_ORDER,
    FeeCharge,
    FeeSchedule,
    FeeState,
    UnknownFeesError,
)
from core.fees.kalshi import (
    FEE_TYPES,
    REGIMES,
    KalshiFeeChange,
    KalshiFees,
    KalshiSchedule,
    Regime,
    regime_at,
)
from core.fees.polymarket import (
    PolymarketFees,
    PolymarketSchedule,
    gross_for,
    historical_fees,
)
from core.fees.polymarket_us import PolymarketUSFees, PolymarketUSSchedule

FeeTerms = KalshiFees | PolymarketFees | PolymarketUSFees
"""Fee terms of a market, as stored in ``pairs.json``; ``terms.at(ts_ns)`` gives the schedule."""

__all__ = [
    "FEE_TYPES",
    "NEW_ORDER",
    "REGIMES",
    "FeeCharge",
    "FeeSchedule",
    "FeeState",
    "FeeTerms",
    "KalshiFeeChange",
    "KalshiFees",
    "KalshiSchedule",
    "PolymarketFees",
    "PolymarketSchedule",
    "PolymarketUSFees",
    "PolymarketUSSchedule",
    "Regime",
    "UnknownFeesError",
    "gross_for",
    "historical_fees",
    "regime_at",
]
