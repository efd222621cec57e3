"""What the session generator can be told, with the values it was calibrated to."""

from __future__ import annotations

from typing import Literal

import msgspec

#: 2026-11-02T17:00:00Z, a Monday in the regime both venues' current fee schedules describe.
DEFAULT_START_NS = 1_793_638_800_000_000_000


class VenueStyle(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How one venue quotes one kind of market.

    Parameters
    ----------
    tick : int
        Price step in $0.0001.
    spread : float
        Median spread in dollars; ``spread_sigma`` is the log deviation of its 30-second blocks.
    size : float
        Median contracts at the best price; ``size_sigma`` the log deviation of one level.
    rate : float
        Median book messages a minute and book; ``rate_sigma`` its log deviation over books.
    requote : float
        Share of messages that may move the best price; the others change the size of a level.
    """

    tick: int
    spread: float
    spread_sigma: float
    size: float
    size_sigma: float
    rate: float
    rate_sigma: float
    requote: float


class Style(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One kind of event: an outright (many small moves) or a game in play (jumps).

    ``price`` is the range of the first fair price; ``vol`` the deviation of the log odds in one
    square-root minute; ``jumps`` the goals and baskets an hour and ``jump`` the deviation of the
    log odds at one; ``lag_s`` the median seconds by which the slower venue follows a jump
    (``lag_sigma`` its log deviation); ``basis`` the deviation of the slow price difference
    between the venues in dollars.
    """

    kalshi: VenueStyle
    polymarket: VenueStyle
    price: tuple[float, float]
    vol: float
    jumps: float
    jump: float
    lag_s: float
    lag_sigma: float
    basis: float
    polymarket_rate: str


#: Calibrated on the World Cup recordings of July 2026 (both venues quote steps of 0.1 cent).
OUTRIGHT = Style(
    kalshi=VenueStyle(
        tick=10, spread=0.0024, spread_sigma=0.75, size=420, size_sigma=2.0, rate=16,
        rate_sigma=0.3, requote=0.35,
    ),
    polymarket=VenueStyle(
        tick=10, spread=0.0012, spread_sigma=0.6, size=1250, size_sigma=2.2, rate=16,
        rate_sigma=0.3, requote=0.22,
    ),
    price=(0.04, 0.4),
    vol=0.014,
    jumps=5.0,
    jump=0.16,
    lag_s=14.0,
    lag_sigma=0.9,
    basis=0.003,
    polymarket_rate="0.05",
)  # fmt: skip

#: Calibrated on the NBA recordings of February 2026 (one row per message, cent steps on Kalshi).
GAME = Style(
    kalshi=VenueStyle(
        tick=100, spread=0.012, spread_sigma=0.45, size=2300, size_sigma=1.8, rate=24,
        rate_sigma=1.3, requote=0.35,
    ),
    polymarket=VenueStyle(
        tick=100, spread=0.014, spread_sigma=0.5, size=700, size_sigma=1.8, rate=12,
        rate_sigma=1.3, requote=0.35,
    ),
    price=(0.2, 0.8),
    vol=0.03,
    jumps=12.0,
    jump=0.18,
    lag_s=2.5,
    lag_sigma=1.1,
    basis=0.004,
    polymarket_rate="0.05",
)  # fmt: skip


class GeneratorSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A session to make; the same settings give the same bytes.

    Parameters
    ----------
    seed : int
        Everything random follows from it.
    pairs : int
        Number of pairs; each is one Kalshi and one Polymarket market.
    minutes : float
        Length of the session.
    rate : float
        Multiplies the message rate of every book.
    levels : int
        Price levels kept on each side of a book.
    style : {"mixed", "outright", "game"}
        Kind of events; ``mixed`` alternates.
    start_ns : int
        Receive time of the session's beginning, ns UTC.
    special_settlements : bool
        With at least three pairs, the last settles void and (with four) the one before scalar.
    """

    seed: int = 7
    pairs: int = 6
    minutes: float = 90.0
    rate: float = 1.0
    levels: int = 6
    style: Literal["mixed", "outright", "game"] = "mixed"
    start_ns: int = DEFAULT_START_NS
    special_settlements: bool = True

    def __post_init__(self) -> None:
        bounds: dict[str, tuple[float, float, float]] = {
            "seed": (self.seed, 0, 2**63 - 1),
            "pairs": (self.pairs, 1, 5_000),
            "minutes": (self.minutes, 1, 60 * 24 * 366),
            "rate": (self.rate, 0.01, 10_000),
            "levels": (self.levels, 1, 40),
            "start_ns": (self.start_ns, 1, 4_000_000_000_000_000_000),
        }
        for name, (value, low, high) in bounds.items():
            if not low <= value <= high:
                raise ValueError(f"{name}: found {value}; allowed: {low} to {high}")

    def style_of(self, pair: int) -> Style:
        """Return the style of the pair with this number (from 0)."""
        if self.style == "mixed":
            return (OUTRIGHT, GAME)[pair % 2]
        return OUTRIGHT if self.style == "outright" else GAME

    @property
    def duration_ns(self) -> int:
        """Length of the session in nanoseconds."""
        return round(self.minutes * 60) * 1_000_000_000
