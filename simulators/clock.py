"""The venue's clock: real time that can be moved forward, or virtual time that only moves by hand.

Two readings exist because two clocks exist at a real venue. ``now_ns`` is the exchange's time:
it stamps orders, opens and closes markets, and an operator may advance it. ``wall_ns`` is what
request signatures are checked against: clients sign with the time of day, so advancing the
exchange by a day must not make every signature stale. Only a deliberate skew moves it.
"""

from __future__ import annotations

import time
from typing import Protocol

NS_PER_S = 1_000_000_000
NS_PER_MS = 1_000_000
NS_PER_US = 1_000


class Clock(Protocol):
    """What a simulated venue asks of a clock. All values are int nanoseconds UTC."""

    kind: str
    skew_ns: int

    def now_ns(self) -> int:
        """Return the exchange's time; it never goes back."""
        ...

    def wall_ns(self) -> int:
        """Return the time that signatures and expiries sent by clients are checked against."""
        ...

    def advance(self, delta_ns: int) -> int:
        """Move the exchange's time forward by ``delta_ns`` >= 0 and return it."""
        ...


class RealClock:
    """Time of day plus whatever was added by `advance`."""

    kind = "real"

    def __init__(self) -> None:
        self.skew_ns = 0
        self._ahead_ns = 0
        self._last_ns = 0

    def now_ns(self) -> int:
        """Return the exchange's time; strictly later than the last reading."""
        self._last_ns = max(self._last_ns + 1, time.time_ns() + self._ahead_ns)
        return self._last_ns

    def wall_ns(self) -> int:
        """Return the time of day plus the skew."""
        return time.time_ns() + self.skew_ns

    def advance(self, delta_ns: int) -> int:
        """Move the exchange's time forward by ``delta_ns`` and return it."""
        _refuse_backwards(delta_ns)
        self._ahead_ns += delta_ns
        return self.now_ns()


class VirtualClock:
    """Time that stands still until `advance`. Signatures are still checked by the time of day."""

    kind = "virtual"

    def __init__(self, start_ns: int) -> None:
        self.skew_ns = 0
        self._now_ns = start_ns

    def now_ns(self) -> int:
        """Return the exchange's time."""
        return self._now_ns

    def wall_ns(self) -> int:
        """Return the time of day plus the skew."""
        return time.time_ns() + self.skew_ns

    def advance(self, delta_ns: int) -> int:
        """Move the exchange's time forward by ``delta_ns`` and return it."""
        _refuse_backwards(delta_ns)
        self._now_ns += delta_ns
        return self._now_ns

    def set(self, now_ns: int) -> None:
        """Put the clock to ``now_ns``, which must not lie in its past (used by replay)."""
        self.advance(now_ns - self._now_ns)


def _refuse_backwards(delta_ns: int) -> None:
    if delta_ns < 0:
        raise ValueError(f"the clock cannot go back: delta_ns is {delta_ns}, allowed is >= 0")
