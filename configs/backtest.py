"""What a backtest can be told. ``configs/backtest.toml`` shows all of it with comments."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal

import msgspec

from backtests.data.synthetic.settings import GeneratorSettings
from backtests.models.hazard import HazardTable
from core.contracts import Venue
from core.fees.kalshi import Regime
from core.policy import Policy

Millis = Annotated[int, msgspec.Meta(ge=0, le=600_000)]

#: Fields that say where, not what: no part of the hash.
PLACES = ("data.dir",)


class _Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Base of all sections: unknown keys stop the start."""


class DataSettings(_Settings, frozen=True):
    """Where the books come from.

    Attributes
    ----------
    dir
        A dataset or a folder of recordings; ``--data`` wins. Without either, ``synthetic`` is
        generated.
    sessions
        Only these sessions; empty: all.
    accept_recorded
        Trade the pairs that a recording brings along though nobody approved them. Backtests only.
    synthetic
        The generated session: seed, pairs, minutes, ... (``twinbook data generate --help``).
    """

    dir: str | None = None
    sessions: tuple[str, ...] = ()
    accept_recorded: bool = False
    synthetic: GeneratorSettings | None = None


class CapitalSettings(_Settings, frozen=True):
    """Cash per venue before the first row, in the venue's currency (USD, pUSD, USD)."""

    KALSHI: Decimal = Decimal(10_000)
    POLYMARKET: Decimal = Decimal(10_000)
    POLYMARKET_US: Decimal = Decimal(10_000)

    def __post_init__(self) -> None:
        for venue in Venue:
            cash = getattr(self, venue.value)
            if cash <= 0 or cash != round(cash, 6):
                raise ValueError(
                    f"{venue.value}: found {cash}, allowed more than 0 with at most 6 decimals"
                )


class MillisByVenue(_Settings, frozen=True):
    """Milliseconds per venue."""

    KALSHI: Millis = 0
    POLYMARKET: Millis = 0
    POLYMARKET_US: Millis = 0


class FillSettings(_Settings, frozen=True):
    """How orders fill.

    Attributes
    ----------
    model
        ``hazard``: a leg fills with the chances of ``hazard`` (real two-leg trading), then by the
        book; ``pure``: by the book alone.
    seed
        Seed of the hazard's draws.
    hazard
        The chances; the defaults reproduce the public ledger described in ``docs/backtest.md``.
    compare
        Under ``hazard``, run a second time by the book alone and report both.
    """

    model: Literal["hazard", "pure"] = "hazard"
    seed: Annotated[int, msgspec.Meta(ge=0)] = 1
    hazard: HazardTable = HazardTable()
    compare: bool = True


class FeeSettings(_Settings, frozen=True):
    """Fee terms that replace those of ``pairs.json``; what is not set stays as recorded.

    Attributes
    ----------
    kalshi_regime
        Rounding rules: ``legacy``, ``2026q2`` or ``2026q3``.
    kalshi_member_precision
        Dollars to which Kalshi keeps the balance: 0.0001 direct, 0.01 through a broker.
    polymarket_rate
        Rate r of r·p·(1-p) on Polymarket, for example 0.05 for sports today.
    """

    kalshi_regime: Regime | None = None
    kalshi_member_precision: Decimal | None = None
    polymarket_rate: Decimal | None = None

    def __post_init__(self) -> None:
        precision, rate = self.kalshi_member_precision, self.polymarket_rate
        if precision is not None and precision not in (Decimal("0.0001"), Decimal("0.01")):
            raise ValueError(f"kalshi_member_precision: found {precision}, allowed 0.0001 or 0.01")
        if rate is not None and not 0 <= rate <= 1:
            raise ValueError(f"polymarket_rate: found {rate}, allowed 0 to 1")


class ExecutionSettings(_Settings, frozen=True):
    """Times and counts of the two-leg machine (``strategies.config``), the same in all modes.

    Attributes
    ----------
    observe_ms_min
        How long a pair must have been observed before it trades, milliseconds.
    order_ms_max
        How long an order may take before the venue is asked for it, milliseconds.
    hedge_wait_ms
        Pause before an exposed leg that could not be traded is decided again, milliseconds.
    hold_wait_ms
        Pause before a single leg that is worth holding is decided again, milliseconds.
    retry_ms
        Pause of a pair after a box that ended without contracts, milliseconds.
    complete_attempts_max
        Orders that may try to complete a box after its second leg missed.
    depth_levels
        Levels per side that the exact path reads.
    """

    observe_ms_min: Annotated[int, msgspec.Meta(ge=0)] = 0
    order_ms_max: Annotated[int, msgspec.Meta(ge=1)] = 10_000
    hedge_wait_ms: Annotated[int, msgspec.Meta(ge=1)] = 5_000
    hold_wait_ms: Annotated[int, msgspec.Meta(ge=1)] = 600_000
    retry_ms: Annotated[int, msgspec.Meta(ge=0)] = 5_000
    complete_attempts_max: Annotated[int, msgspec.Meta(ge=0)] = 1
    depth_levels: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 50


class ReplaySettings(_Settings, frozen=True):
    """How the data is run through.

    Attributes
    ----------
    chunk_rows
        Rows in memory at a time; 0 reads everything at once.
    windows_only
        Replay only the windows in which the scan sees a net edge (same decisions, less time).
    log_level
        Nautilus's log: ``OFF``, ``ERROR``, ``WARNING``, ``INFO`` or ``DEBUG``.
    """

    chunk_rows: Annotated[int, msgspec.Meta(ge=0)] = 50_000
    windows_only: bool = False
    log_level: Literal["OFF", "ERROR", "WARNING", "INFO", "DEBUG"] = "OFF"


class BacktestConfig(_Settings, frozen=True):
    """All settings of a backtest; every section may be left out.

    Attributes
    ----------
    latency_ms
        One way to each venue, milliseconds. Must be 0 under ``fills.model = "hazard"``, whose
        chances already contain it.
    delay_ms
        The venue's own delay before it matches a taker (Polymarket's ``seconds_delay`` on live
        sports), milliseconds; 0 under the hazard for the same reason.
    strategy
        Everything the strategy decides by: ``core.policy.Policy``, the same in all modes.
    """

    data: DataSettings = DataSettings()
    capital: CapitalSettings = CapitalSettings()
    fills: FillSettings = FillSettings()
    latency_ms: MillisByVenue = MillisByVenue()
    delay_ms: MillisByVenue = MillisByVenue()
    fees: FeeSettings = FeeSettings()
    replay: ReplaySettings = ReplaySettings()
    strategy: Policy = Policy()
    execution: ExecutionSettings = ExecutionSettings()

    def __post_init__(self) -> None:
        if self.fills.model != "hazard":
            return
        for name, table in (("latency_ms", self.latency_ms), ("delay_ms", self.delay_ms)):
            for venue in Venue:
                millis = getattr(table, venue.value)
                if millis:
                    raise ValueError(
                        f"{name}.{venue.value}: found {millis}, allowed 0 with fills.model = "
                        "'hazard', whose chances already contain latency and staleness"
                    )
