"""What to load from the archives."""

from __future__ import annotations

from datetime import datetime

import msgspec

from core.contracts import Venue


class ArchiveSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to load.

    Parameters
    ----------
    first, last : datetime
        The window's first and last hour (UTC), both included.
    seed_hours : int
        Hours read before the window to seed the books.
    delay_ms : mapping
        Modelled milliseconds from the venue's time to our receipt, per venue.
    use_degraded : bool
        Read degraded files (seeded once, later snapshots only compared) instead of skipping them.
    heartbeat_s : int
        A live book without a message for this long is written again, unchanged, while its venue
        says anything about any market: a quiet market is not a stale one. 0 switches it off.
    reproduced_min : float
        Pairs with a market that reproduced a smaller share of its later snapshots are left out.
    """

    first: datetime
    last: datetime
    seed_hours: int = 2
    delay_ms: dict[Venue, int] = msgspec.field(
        default_factory=lambda: {Venue.KALSHI: 50, Venue.POLYMARKET: 50}
    )
    use_degraded: bool = False
    reproduced_min: float = 0.0
    heartbeat_s: int = 10

    def __post_init__(self) -> None:
        if self.last < self.first:
            raise ValueError(f"last: found {self.last}; allowed: from {self.first}")
        if not 0 <= self.seed_hours <= 48:
            raise ValueError(f"seed_hours: found {self.seed_hours}; allowed: 0 to 48")
        if not 0 <= self.reproduced_min <= 1:
            raise ValueError(f"reproduced_min: found {self.reproduced_min}; allowed: 0 to 1")
        if not 0 <= self.heartbeat_s <= 3600:
            raise ValueError(f"heartbeat_s: found {self.heartbeat_s}; allowed: 0 to 3600")
        for venue, delay in self.delay_ms.items():
            if not 0 <= delay <= 60_000:
                raise ValueError(f"delay_ms.{venue}: found {delay}; allowed: 0 to 60000")
