"""Bodies of the Gamma catalogue.

Traps: `outcomes`, `outcomePrices` and `clobTokenIds` are JSON inside strings while `positionIds` is
a real array; ids are text here and integers there; an absent `secondsDelay` is unknown, not 0; a
missing `version` is v1. Sources: `polymarket-client` 0.14.0 `models/gamma`, production captures.
"""

from __future__ import annotations

import msgspec

from adapters.polymarket.schemas.wire import Number

type Id = str | int | None
type JsonText = str | list[str | int | float] | None


class FeeSchedule(msgspec.Struct, frozen=True):
    """`feeSchedule` of a market."""

    rate: Number = None
    exponent: Number = None
    takerOnly: bool | None = None
    rebateRate: Number = None


class GammaTag(msgspec.Struct, frozen=True):
    """A tag of a market or event."""

    id: Id = None
    label: str | None = None
    slug: str | None = None


class GammaTeam(msgspec.Struct, frozen=True):
    """A team of a sports event."""

    name: str | None = None
    league: str | None = None
    abbreviation: str | None = None
    ordering: str | None = None


class GammaSeries(msgspec.Struct, frozen=True):
    """A series of an event."""

    id: Id = None
    slug: str | None = None
    title: str | None = None


class GammaEventRef(msgspec.Struct, frozen=True):
    """The event inside a market row, and the head of an event row."""

    id: Id = None
    slug: str | None = None
    ticker: str | None = None
    title: str | None = None
    startTime: str | None = None
    endDate: str | None = None
    gameId: Id = None
    teams: list[GammaTeam] | None = None
    seriesSlug: str | None = None
    series: list[GammaSeries] | None = None
    negRisk: bool | None = None
    enableNegRisk: bool | None = None
    negRiskAugmented: bool | None = None
    negRiskMarketID: str | None = None
    live: bool | None = None
    ended: bool | None = None
    score: str | None = None
    period: str | None = None
    closed: bool | None = None


class GammaMarket(msgspec.Struct, frozen=True):
    """One market."""

    id: Id = None
    version: str | None = None
    slug: str | None = None
    question: str | None = None
    description: str | None = None
    resolutionSource: str | None = None
    conditionId: str | None = None
    questionID: str | None = None
    outcomes: JsonText = None
    outcomePrices: JsonText = None
    clobTokenIds: JsonText = None
    positionIds: JsonText = None
    active: bool | None = None
    closed: bool | None = None
    archived: bool | None = None
    acceptingOrders: bool | None = None
    enableOrderBook: bool | None = None
    negRisk: bool | None = None
    negRiskMarketID: str | None = None
    negRiskOther: bool | None = None
    groupItemTitle: str | None = None
    startDate: str | None = None
    endDate: str | None = None
    gameStartTime: str | None = None
    eventStartTime: str | None = None
    closedTime: str | None = None
    orderPriceMinTickSize: Number = None
    orderMinSize: Number = None
    secondsDelay: Number = None
    clearBookOnStart: bool | None = None
    feesEnabled: bool | None = None
    feeType: str | None = None
    feeSchedule: FeeSchedule | None = None
    sportsMarketType: str | None = None
    line: Number = None
    gameId: Id = None
    umaResolutionStatus: str | None = None
    resolutionStatus: str | None = None
    bestBid: Number = None
    bestAsk: Number = None
    volumeNum: Number = None
    liquidityNum: Number = None
    createdAt: str | None = None
    tags: list[GammaTag] | None = None
    events: list[GammaEventRef] | None = None


class GammaEvent(GammaEventRef, frozen=True):
    """One event with its markets."""

    description: str | None = None
    tags: list[GammaTag] | None = None
    markets: list[GammaMarket] | None = None


class MarketPage(msgspec.Struct, frozen=True):
    """`GET /markets/keyset`."""

    markets: list[msgspec.Raw]
    next_cursor: str | None = None


class EventPage(msgspec.Struct, frozen=True):
    """`GET /events/keyset`."""

    events: list[msgspec.Raw]
    next_cursor: str | None = None
