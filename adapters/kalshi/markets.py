"""A market as this adapter knows it: market, event, series and fees joined (pure)."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal

from adapters.common.errors import ProtocolError
from adapters.kalshi.fees import fee_terms
from adapters.kalshi.schemas import rest
from adapters.kalshi.times import optional_ns
from core.fees.kalshi import KalshiFees
from core.money import PriceGrid, TickBand

#: Statuses in which a market has ended for good or waits for its money.
ENDED = frozenset({"determined", "disputed", "amended", "finalized", "settled"})


@dataclass(frozen=True, slots=True)
class KalshiMarket:
    """One market.

    Attributes
    ----------
    ticks : tuple of TickBand
        Bands of orderable YES prices; ``grid`` is made from them.
    shard : int or None
        Exchange index; None where the venue does not say.
    open_ns, close_ns, expected_settlement_ns : int
        Trading interval, and the forecast of the outcome plus settlement timer; 0 if unknown.
    settlement_value : Decimal or None
        What one YES paid, once determined.
    """

    ticker: str
    event_ticker: str
    series_ticker: str
    title: str
    yes_title: str
    no_title: str
    category: str
    status: str
    market_type: str
    ticks: tuple[TickBand, ...]
    structure: str
    fees: KalshiFees
    shard: int | None
    open_ns: int
    close_ns: int
    expected_settlement_ns: int
    settlement_timer_s: int
    rules: str
    rules_sha256: str
    mutually_exclusive: bool
    collateral_return: str
    can_close_early: bool
    settlement_value: Decimal | None
    grid: PriceGrid = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "grid", PriceGrid(self.ticks))

    def with_ticks(self, ranges: Sequence[rest.PriceRange], structure: str) -> KalshiMarket:
        """Return the market with another price grid."""
        return replace(self, ticks=tick_bands(ranges), structure=structure)


def tick_bands(ranges: Sequence[rest.PriceRange] | None) -> tuple[TickBand, ...]:
    """Return the bands of ``price_ranges``, the only source of truth about ticks.

    Raises
    ------
    ProtocolError
        Missing, or not a grid from 0 to 1.
    """
    if not ranges:
        raise ProtocolError("price_ranges: found nothing, expected at least one band")
    try:
        bands = tuple(TickBand(Decimal(r.start), Decimal(r.end), Decimal(r.step)) for r in ranges)
        return PriceGrid(bands).bands
    except (ValueError, ArithmeticError) as exc:
        raise ProtocolError(f"price_ranges: {exc}") from exc


def join(
    market: rest.Market,
    event: rest.Event | None,
    series: rest.Series | None,
    *,
    series_changes: Sequence[rest.SeriesFeeChange] = (),
    event_changes: Sequence[rest.EventFeeChange] = (),
) -> KalshiMarket:
    """Join a market with its event and series.

    Raises
    ------
    ProtocolError
        A field this adapter cannot do without is missing or unreadable; names the market.
    """
    try:
        return _join(market, event, series, series_changes, event_changes)
    except ProtocolError as exc:
        raise ProtocolError(f"market {market.ticker}: {exc}") from exc


def _join(
    market: rest.Market,
    event: rest.Event | None,
    series: rest.Series | None,
    series_changes: Sequence[rest.SeriesFeeChange],
    event_changes: Sequence[rest.EventFeeChange],
) -> KalshiMarket:
    text = rules_text(market, event, series)
    expected_ns = optional_ns(market.expected_expiration_time)
    timer_s = market.settlement_timer_seconds or 0
    shard = market.exchange_index
    if shard is None and event is not None:
        shard = event.exchange_index
    return KalshiMarket(
        ticker=market.ticker,
        event_ticker=market.event_ticker,
        series_ticker=event.series_ticker if event is not None else "",
        title=market.title or (event.title if event is not None else "") or market.ticker,
        yes_title=market.yes_sub_title or "",
        no_title=market.no_sub_title or "",
        category=_category(event, series),
        status=market.status,
        market_type=market.market_type,
        ticks=tick_bands(market.price_ranges),
        structure=market.price_level_structure or "",
        fees=fee_terms(
            market, event, series, series_changes=series_changes, event_changes=event_changes
        ),
        shard=shard,
        open_ns=optional_ns(market.open_time),
        close_ns=optional_ns(market.close_time),
        expected_settlement_ns=expected_ns + timer_s * 1_000_000_000 if expected_ns else 0,
        settlement_timer_s=timer_s,
        rules=text,
        rules_sha256=hashlib.sha256(text.encode()).hexdigest(),
        mutually_exclusive=bool(event.mutually_exclusive) if event is not None else False,
        collateral_return=(event.collateral_return_type or "") if event is not None else "",
        can_close_early=bool(market.can_close_early),
        settlement_value=_settled(market),
    )


def rules_text(market: rest.Market, event: rest.Event | None, series: rest.Series | None) -> str:
    """Return the text whose change must stop trading, normalised so that only words count.

    Primary and secondary rules, the early-close condition and the sources of settlement, each
    part on a line, in Unicode NFC with runs of white space made one space.
    """
    sources = (event.settlement_sources if event is not None else None) or (
        series.settlement_sources if series is not None else None
    )
    named = sorted(f"{s.name or ''} {s.url or ''}".strip() for s in sources or [])
    parts = [
        market.rules_primary or "",
        market.rules_secondary or "",
        market.early_close_condition or "",
        *named,
    ]
    return "\n".join(" ".join(unicodedata.normalize("NFC", part).split()) for part in parts)


def _category(event: rest.Event | None, series: rest.Series | None) -> str:
    if series is not None and series.category:
        return series.category
    return (event.category or "") if event is not None else ""


def _settled(market: rest.Market) -> Decimal | None:
    """Return the determined value of one YES, None while it is open or unreadable."""
    if market.settlement_value_dollars and market.status in ENDED:
        return Decimal(market.settlement_value_dollars)
    if market.status in ENDED and market.result in {"yes", "no"}:
        return Decimal(1) if market.result == "yes" else Decimal(0)
    return None
