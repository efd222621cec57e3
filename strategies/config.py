"""Settings of the cross-venue arbitrage: the same bytes in backtest, paper, sim and live."""

from __future__ import annotations

from nautilus_trader.config import StrategyConfig

from core.legs import Rules
from core.policy import Policy

_MS = 1_000_000


class CrossVenueArbConfig(StrategyConfig, frozen=True, kw_only=True):
    """Settings of :class:`strategies.cross_venue_arb.CrossVenueArb`.

    Parameters
    ----------
    pairs_json : str
        ``pairs.json`` text of schema 1 (``docs/pairs.md``). Settlement values in it are not used:
        pass pairs through ``core.pairs.blind``.
    policy : Policy
        How to decide; every field is documented at :class:`core.policy.Policy`.
    accept_recorded_pairs : bool, default False
        Trade pairs whose approval is of kind ``recorded``. Backtests only.
    observe_ms_min : int, default 0
        How long a pair must have been observed before it trades, milliseconds.
    order_ms_max : int, default 10000
        How long an order may take before the venue is asked for it, milliseconds.
    hedge_wait_ms : int, default 5000
        Pause before an exposed leg that could not be traded is decided again, milliseconds.
    hold_wait_ms : int, default 600000
        Pause before a single leg that is worth holding is decided again, milliseconds.
    retry_ms : int, default 5000
        Pause of a pair after a box that ended without contracts, milliseconds: the quote that
        missed us is likely to miss us again.
    complete_attempts_max : int, default 1
        Orders that may try to complete a box after its second leg missed.
    counters_every_ms : int, default 0
        How often counters are published while running, milliseconds; 0 only at the stop.
    depth_levels : int, default 50
        Levels per side the exact path reads.
    """

    pairs_json: str
    policy: Policy = Policy()
    accept_recorded_pairs: bool = False
    observe_ms_min: int = 0
    order_ms_max: int = 10_000
    hedge_wait_ms: int = 5_000
    hold_wait_ms: int = 600_000
    retry_ms: int = 5_000
    complete_attempts_max: int = 1
    counters_every_ms: int = 0
    depth_levels: int = 50

    def rules(self, lot_u: int) -> Rules:
        """Return the machine's times and counts for a pair."""
        return Rules(
            lot_u=lot_u,
            order_ns=self.order_ms_max * _MS,
            wait_ns=self.hedge_wait_ms * _MS,
            hold_ns=self.hold_wait_ms * _MS,
            attempts_max=self.complete_attempts_max,
        )
