"""A market as we trade it: read from Gamma, or refused with a reason. Pure.

Traps of the catalogue handled here: JSON inside strings; token ids chosen by `version`, never by
which field is present (v1 markets carry `positionIds` too); an absent `secondsDelay` is unknown;
`takerBaseFee` 1000 is no fee; `endDate` of a game is not its end.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

import msgspec

from adapters.common.errors import ProtocolError, UsageError
from adapters.polymarket.amounts import AmountError, check_tick
from adapters.polymarket.book_hash import BookTerms
from adapters.polymarket.constants import ProtocolVersion
from adapters.polymarket.schemas.gamma import GammaEventRef, GammaMarket
from adapters.polymarket.schemas.wire import decimal, decimal_or_none, json_in_string
from adapters.polymarket.signing import NEG_RISK, PROTOCOL_V2, STANDARD, Exchange
from adapters.polymarket.symbols import check_asset_id, padded_condition_id
from core.fees.polymarket import PolymarketFees

_NS: Final = 1_000_000_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class NotTradable(UsageError):
    """A catalogue row we do not make an instrument of; the message says why."""


class Team(msgspec.Struct, frozen=True):
    """A side of a game."""

    name: str
    abbreviation: str
    home_away: str


class Market(msgspec.Struct, frozen=True, kw_only=True):
    """One binary market. Times are ns UTC, 0 when unknown."""

    gamma_id: str
    slug: str
    question: str
    version: ProtocolVersion
    condition_id: str
    """0x and 64 digits, the form of CLOB and Data API."""
    gamma_condition_id: str
    """As Gamma prints it: 62 digits on Protocol V2."""
    asset_ids: tuple[str, str]
    outcomes: tuple[str, str]
    tick_size: Decimal
    min_size: Decimal
    fees: PolymarketFees | None
    """None when the market's terms are unreadable: it must not be traded."""
    fee_problem: str = ""
    neg_risk: bool = False
    neg_risk_market_id: str = ""
    placeholder: bool = False
    """An unnamed outcome of an augmented neg-risk event."""
    active: bool = False
    closed: bool = False
    accepting_orders: bool = False
    seconds_delay: Decimal | None = None
    clear_book_on_start: bool = False
    game_start_ns: int = 0
    end_ns: int = 0
    start_ns: int = 0
    event_id: str = ""
    event_slug: str = ""
    event_title: str = ""
    game_id: str = ""
    series_slug: str = ""
    sports_market_type: str = ""
    line: Decimal | None = None
    teams: tuple[Team, ...] = ()
    tags: tuple[str, ...] = ()
    group_item_title: str = ""
    rules: str = ""
    resolution_source: str = ""
    outcome_prices: tuple[Decimal, ...] = ()
    resolution_status: str = ""

    @property
    def rules_sha256(self) -> str:
        """SHA-256 of the rules text, UTF-8, as the venue sent it."""
        return hashlib.sha256(self.rules.encode()).hexdigest()

    @property
    def exchange(self) -> Exchange:
        """The contract orders are signed for."""
        if self.version is ProtocolVersion.V2:
            return PROTOCOL_V2
        return NEG_RISK if self.neg_risk else STANDARD

    @property
    def book_terms(self) -> BookTerms:
        """What the book hash needs of the market."""
        return BookTerms(
            market=self.condition_id,
            min_order_size=plain(self.min_size),
            tick_size=plain(self.tick_size),
            neg_risk=self.neg_risk,
            version="v2" if self.version is ProtocolVersion.V2 else "",
        )

    def other(self, asset_id: str) -> str:
        """Return the complement's token id."""
        first, second = self.asset_ids
        return second if asset_id == first else first

    def index(self, asset_id: str) -> int:
        """Return 0 for the YES (first) outcome's token, 1 for the other."""
        return self.asset_ids.index(asset_id)


def plain(value: Decimal) -> str:
    """Print a number without trailing zeros or exponent.

    >>> plain(Decimal("5.00"))
    '5'
    """
    return f"{value.normalize():f}"


def parse_market(row: GammaMarket) -> Market:
    """Return a market.

    Raises
    ------
    NotTradable
        When the row is no binary order-book market, or of a protocol version nobody knows.
    ProtocolError
        When a field contradicts the venue's documents.
    """
    where = row.slug or str(row.id)
    version = _version(row)
    outcomes, ids = _outcomes(where, row, version)
    try:
        condition_id = padded_condition_id(row.conditionId or "")
        asset_ids = (check_asset_id(ids[0]), check_asset_id(ids[1]))
        tick = decimal(f"{where}: orderPriceMinTickSize", row.orderPriceMinTickSize)
        check_tick(tick)
    except (AmountError, UsageError) as exc:
        raise ProtocolError(f"{where}: {exc}") from exc
    fees, problem = parse_fees(row)
    event = row.events[0] if row.events else GammaEventRef()
    return Market(
        gamma_id=str(row.id or ""),
        slug=row.slug or "",
        question=row.question or row.slug or condition_id,
        version=version,
        condition_id=condition_id,
        gamma_condition_id=row.conditionId or condition_id,
        asset_ids=asset_ids,
        outcomes=(outcomes[0], outcomes[1]),
        tick_size=tick,
        min_size=decimal_or_none(f"{where}: orderMinSize", row.orderMinSize) or Decimal(5),
        fees=fees,
        fee_problem=problem,
        neg_risk=bool(row.negRisk),
        neg_risk_market_id=row.negRiskMarketID or "",
        placeholder=bool(row.negRiskOther),
        active=bool(row.active),
        closed=bool(row.closed),
        accepting_orders=bool(row.acceptingOrders),
        seconds_delay=decimal_or_none(f"{where}: secondsDelay", row.secondsDelay),
        clear_book_on_start=bool(row.clearBookOnStart),
        game_start_ns=parse_time_ns(row.gameStartTime or event.startTime),
        end_ns=parse_time_ns(row.endDate),
        start_ns=parse_time_ns(row.startDate),
        event_id=str(event.id or ""),
        event_slug=event.slug or "",
        event_title=event.title or "",
        game_id=str(row.gameId or event.gameId or ""),
        series_slug=event.seriesSlug or "",
        sports_market_type=row.sportsMarketType or "",
        line=decimal_or_none(f"{where}: line", row.line),
        teams=tuple(
            Team(t.name or "", t.abbreviation or "", t.ordering or "") for t in event.teams or ()
        ),
        tags=tuple(t.slug for t in row.tags or () if t.slug),
        group_item_title=row.groupItemTitle or "",
        rules=row.description or "",
        resolution_source=row.resolutionSource or "",
        outcome_prices=_outcome_prices(where, row),
        resolution_status=row.umaResolutionStatus or row.resolutionStatus or "",
    )


def _outcomes(
    where: str, row: GammaMarket, version: ProtocolVersion
) -> tuple[list[str], list[str]]:
    """Return two outcomes and their two token ids, or raise `NotTradable`."""
    outcomes = json_in_string(f"{where}: outcomes", row.outcomes)
    if len(outcomes) != 2:
        raise NotTradable(f"{where}: {len(outcomes)} outcomes, only binary markets are traded")
    ids = json_in_string(
        f"{where}: token ids",
        row.positionIds if version is ProtocolVersion.V2 else row.clobTokenIds,
    )
    if len(ids) != 2:
        raise NotTradable(f"{where}: {len(ids)} token ids, the order book may not be open yet")
    if not row.conditionId:
        raise NotTradable(f"{where}: no condition id")
    if row.enableOrderBook is False:
        raise NotTradable(f"{where}: has no order book")
    return outcomes, ids


def _version(row: GammaMarket) -> ProtocolVersion:
    if row.version is None or row.version == "":
        return ProtocolVersion.V1
    try:
        return ProtocolVersion(row.version)
    except ValueError:
        raise NotTradable(
            f"{row.slug or row.id}: protocol version {row.version!r} is not known to this release"
        ) from None


def _outcome_prices(where: str, row: GammaMarket) -> tuple[Decimal, ...]:
    texts = json_in_string(f"{where}: outcomePrices", row.outcomePrices)
    return tuple(decimal(f"{where}: outcomePrices", text) for text in texts)


def parse_fees(row: GammaMarket) -> tuple[PolymarketFees | None, str]:
    """Return the market's own fee terms, or None and the reason why they cannot be charged.

    Terms whose `feesEnabled` is false are zero. Enabled fees without a schedule are unknown.
    """
    if row.feesEnabled is False:
        return PolymarketFees(Decimal(0)), ""
    schedule = row.feeSchedule
    if schedule is None:
        if row.feesEnabled is None and not row.feeType:
            return PolymarketFees(Decimal(0)), ""
        return None, "fees are enabled but the schedule is missing"
    rate = decimal_or_none("feeSchedule.rate", schedule.rate)
    exponent = decimal_or_none("feeSchedule.exponent", schedule.exponent)
    if rate is None or not 0 <= rate < 1:
        return None, f"feeSchedule.rate: found {schedule.rate!r}"
    if schedule.takerOnly is False:
        return None, "feeSchedule.takerOnly is false: makers would pay, which nobody documented"
    terms = PolymarketFees(rate, exponent if exponent is not None else Decimal(1))
    try:
        terms.at(0)
    except ValueError as exc:
        return None, str(exc)
    return terms, ""


def payouts(market: Market) -> tuple[Decimal, Decimal] | None:
    """Return what each outcome pays if Gamma's row says the market is resolved, else None.

    `closed` alone is not a resolution, and last prices of a closed market are not payouts: the
    status must say resolved (or settled) and the two prices be 1/0, 0/1 or 0.5/0.5.
    """
    if not market.closed or market.resolution_status.lower() not in ("resolved", "settled"):
        return None
    if len(market.outcome_prices) != 2:
        return None
    first, second = market.outcome_prices
    if (first, second) in ((1, 0), (0, 1)) or first == second == Decimal("0.5"):
        return first, second
    return None


def parse_time_ns(text: str | None) -> int:
    """Return ns UTC of any of the venue's time formats, 0 when absent or unreadable.

    >>> parse_time_ns("2026-07-24 00:00:16+00")
    1784851216000000000
    """
    if not text:
        return 0
    candidate = text.strip().replace(" ", "T", 1)
    if candidate[-3:-2] in ("+", "-") and ":" in candidate[:-3]:
        candidate += ":00"
    try:
        moment = datetime.fromisoformat(candidate)
    except ValueError:
        return 0
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    delta = moment - _EPOCH
    return (delta.days * 86_400 + delta.seconds) * _NS + delta.microseconds * 1_000
