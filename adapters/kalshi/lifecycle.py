"""What a lifecycle message, or the passing of time, makes of a market (pure).

Rules of the venue (docs /getting_started/market_lifecycle, read 2026-08-22):

1. Opening at ``open_time`` and closing at ``close_time`` are silent: only the clock tells.
2. ``activated`` is a reactivation, and cancels all resting orders of the market.
3. ``determined`` is not money: it can be disputed. Money moves at ``settled``.
4. ``close_date_updated`` moves the close either way, and may reopen a closed market.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from enum import StrEnum

from adapters.common.errors import ProtocolError
from adapters.kalshi.markets import ENDED, KalshiMarket
from adapters.kalshi.numbers import decimal
from adapters.kalshi.schemas import ws

_S = 1_000_000_000


class Session(StrEnum):
    """Whether a market trades at a moment."""

    BEFORE = "before opening"
    TRADING = "trading"
    HALTED = "deactivated"
    CLOSED = "closed"
    SETTLED = "settled"


def session(market: KalshiMarket, now_ns: int) -> Session:
    """Return the market's session at a moment (rule 1)."""
    if market.status in {"finalized", "settled"}:
        return Session.SETTLED
    if market.status in ENDED or (market.close_ns and now_ns >= market.close_ns):
        return Session.CLOSED
    if market.status == "inactive":
        return Session.HALTED
    if market.open_ns and now_ns < market.open_ns:
        return Session.BEFORE
    return Session.TRADING


def apply(market: KalshiMarket, msg: ws.LifecycleMsg) -> KalshiMarket:
    """Return the market after a lifecycle message; unknown kinds change nothing.

    Raises
    ------
    ProtocolError
        The message lacks what its kind promises.
    """
    kind = msg.event_type
    if kind == "activated":
        return replace(market, status="active")
    if kind == "deactivated":
        return replace(market, status="inactive")
    if kind == "close_date_updated":
        if msg.close_ts is None:
            raise ProtocolError(f"{market.ticker}: close_date_updated without close_ts")
        return replace(market, close_ns=msg.close_ts * _S)
    if kind == "determined":
        return replace(market, status="determined", settlement_value=_value(market, msg))
    if kind == "settled":
        return replace(market, status="finalized")
    if kind == "price_level_structure_updated" and msg.price_ranges:
        return market.with_ticks(msg.price_ranges, msg.price_level_structure or market.structure)
    return market


def _value(market: KalshiMarket, msg: ws.LifecycleMsg) -> Decimal | None:
    if msg.settlement_value:
        return decimal(msg.settlement_value)
    if msg.result in {"yes", "no"}:
        return Decimal(1) if msg.result == "yes" else Decimal(0)
    return market.settlement_value
