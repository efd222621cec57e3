"""How a cross-venue arbitrage decides: every number someone may tune, with its unit."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

import msgspec

from core.contracts import Venue
from core.limits import Limits
from core.reasons import Reason

BOOK_CHECKS = frozenset(
    {
        Reason.STALE_LEG,
        Reason.LEG_SKEW,
        Reason.ONE_SIDED,
        Reason.CROSSED,
        Reason.LOCKED,
        Reason.WIDE_SPREAD,
        Reason.TOO_GOOD,
    }
)
"""Checks that ``checks_off`` may switch off, to show what they prevent."""


class Odds(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Probability that an IOC order fills on a venue: as the first leg, and after the other."""

    first: Decimal
    second: Decimal

    def __post_init__(self) -> None:
        for field in ("first", "second"):
            if not 0 < getattr(self, field) <= 1:
                raise ValueError(f"{field}: found {getattr(self, field)}, allowed above 0 up to 1")


DEFAULT_ODDS = {
    Venue.KALSHI: Odds(Decimal("0.97"), Decimal("0.95")),
    Venue.POLYMARKET: Odds(Decimal("0.85"), Decimal("0.80")),
    Venue.POLYMARKET_US: Odds(Decimal("0.85"), Decimal("0.80")),
}
"""Priors of METHODS 3.6; replace them with measured ones."""


class Policy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of the decision.

    Attributes
    ----------
    age_ms_max
        Oldest observation of a leg that may be traded on, milliseconds.
    age_ms_by_venue
        The same for single venues, where it differs.
    skew_ms_max
        Largest time between the observations of both legs, milliseconds; 0 switches it off.
        Polled recordings need it: a cycle reads the venues 80 to 200 ms apart every few seconds.
    spread_max
        Widest spread of a leg, dollars.
    edge_max
        Net edge per contract above which a book is taken for an error, dollars.
    locked_max
        Locked profit of one box above which a book is taken for an error, dollars.
    net_edge_min
        Edge per contract wanted beyond divergence, carry and legging, dollars.
    tail, credit
        Weight of states in which a box pays less, or more, than a dollar.
    rate_year
        Hurdle rate of capital tied up, per year.
    lockup_days_default
        Days until paid where the pair does not say.
    lockup_days_extra
        Days added to the expected settlement (disputes, payout).
    odds
        Fill probabilities by venue, for the leg order and the legging charge.
    slippage_max
        Dollars the second leg's limit may go beyond the worst level planned, at most; the bound
        that completing must not be worse than unwinding holds as well.
    unwind_move
        Dollars the bid of the first leg is expected to fall before an unwind.
    hold_risk
        Dollars per contract that a single leg must be worth more unsold than sold before it is
        held: selling into an empty book is worse than waiting.
    size_min, size_max
        Contracts per box.
    grade_b_share
        Share of ``size_max`` for pairs of grade B.
    kelly_share
        Share of the Kelly fraction that one box may put at risk; 0 switches it off.
    own_consumption
        Remember what we took at a price and do not count it again until the level changes.
    close_early
        Sell boxes back when that beats holding.
    close_gain_min
        Dollars an early close must gain.
    plan
        ``auto`` chooses the leg order by expected cost, ``sequential`` never sends both at once,
        ``parallel`` always does.
    checks_off
        Book checks to skip; for demonstrations only.
    limits
        Bounds on exposure.
    """

    age_ms_max: int = 30_000
    age_ms_by_venue: dict[Venue, int] = {}
    skew_ms_max: int = 1_000
    spread_max: Decimal = Decimal("0.20")
    edge_max: Decimal = Decimal("0.20")
    locked_max: Decimal = Decimal(10_000)
    net_edge_min: Decimal = Decimal(0)
    tail: Decimal = Decimal(2)
    credit: Decimal = Decimal(0)
    rate_year: Decimal = Decimal("0.10")
    lockup_days_default: Decimal = Decimal(14)
    lockup_days_extra: Decimal = Decimal(1)
    odds: dict[Venue, Odds] = msgspec.field(default_factory=lambda: dict(DEFAULT_ODDS))
    slippage_max: Decimal = Decimal("0.01")
    unwind_move: Decimal = Decimal("0.01")
    hold_risk: Decimal = Decimal("0.10")
    size_min: Decimal = Decimal(5)
    size_max: Decimal = Decimal(1000)
    grade_b_share: Decimal = Decimal("0.5")
    kelly_share: Decimal = Decimal("0.25")
    own_consumption: bool = True
    close_early: bool = True
    close_gain_min: Decimal = Decimal("0.05")
    plan: Literal["auto", "sequential", "parallel"] = "sequential"
    checks_off: tuple[Reason, ...] = ()
    limits: Limits = Limits()

    def __post_init__(self) -> None:
        wrong = [reason for reason in self.checks_off if reason not in BOOK_CHECKS]
        if wrong:
            allowed = ", ".join(sorted(BOOK_CHECKS))
            raise ValueError(f"checks_off: found {wrong[0].value!r}, allowed {allowed}")
        self._positive("age_ms_max", "size_min", "size_max", "edge_max", "spread_max", "locked_max")
        for venue, age_ms in self.age_ms_by_venue.items():
            if age_ms <= 0:
                raise ValueError(
                    f"age_ms_by_venue.{venue.value}: found {age_ms}, allowed more than 0"
                )
        missing = [venue.value for venue in Venue if venue not in self.odds]
        if missing:
            raise ValueError(f"odds: {missing[0]} is missing")
        if self.size_max < self.size_min:
            raise ValueError(f"size_max: found {self.size_max}, allowed from {self.size_min}")
        for field in (
            "skew_ms_max", "net_edge_min", "tail", "credit", "rate_year", "lockup_days_default",
            "lockup_days_extra", "unwind_move", "hold_risk", "slippage_max", "grade_b_share",
            "kelly_share", "close_gain_min",
        ):  # fmt: skip
            if getattr(self, field) < 0:
                raise ValueError(f"{field}: found {getattr(self, field)}, allowed 0 or more")

    def age_ns_max(self, venue: Venue) -> int:
        """Return the oldest observation of a venue that may be traded on, ns."""
        return self.age_ms_by_venue.get(venue, self.age_ms_max) * 1_000_000

    def _positive(self, *fields: str) -> None:
        for field in fields:
            if getattr(self, field) <= 0:
                raise ValueError(f"{field}: found {getattr(self, field)}, allowed more than 0")
