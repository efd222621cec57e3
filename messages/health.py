"""How good a venue's feed is, published by its data client for whoever trades on it."""

from __future__ import annotations

from nautilus_trader.core.data import Data
from nautilus_trader.model.data import DataType


class FeedHealth(Data):
    """The state of one feed of one venue, published at each change.

    Parameters
    ----------
    venue : str
        Nautilus venue code.
    feed : str
        Name of the feed at the venue's adapter, for example ``market-data``.
    state : str
        ``down``, ``connecting``, ``recovering`` (some books are being repaired) or ``good``.
    bad : tuple of str
        Symbols of the books that must not be believed, sorted.
    reason : str
        Why the feed is not good, for people.
    gaps, reconnects : int
        Counted since the client started.
    ts_last_frame_ns, ts_event, ts_init : int
        Last frame received, and the time of this message (UTC).
    """

    def __init__(
        self,
        *,
        venue: str,
        feed: str,
        state: str,
        bad: tuple[str, ...] = (),
        reason: str = "",
        gaps: int = 0,
        reconnects: int = 0,
        ts_last_frame_ns: int = 0,
        ts_event: int = 0,
        ts_init: int = 0,
    ) -> None:
        self.venue = venue
        self.feed = feed
        self.state = state
        self.bad = bad
        self.reason = reason
        self.gaps = gaps
        self.reconnects = reconnects
        self.ts_last_frame_ns = ts_last_frame_ns
        self._ts_event = ts_event
        self._ts_init = ts_init

    @property
    def ts_event(self) -> int:
        """Time of the change, in nanoseconds UTC."""
        return self._ts_event

    @property
    def ts_init(self) -> int:
        """Time this message was made, in nanoseconds UTC."""
        return self._ts_init

    @property
    def is_good(self) -> bool:
        """Whether every book of the feed may be believed."""
        return self.state == "good"

    def __repr__(self) -> str:
        return (
            f"FeedHealth(venue={self.venue}, feed={self.feed}, state={self.state}, "
            f"bad={list(self.bad)}, reason={self.reason!r}, gaps={self.gaps}, "
            f"reconnects={self.reconnects})"
        )


#: What a strategy subscribes to.
FEED_HEALTH = DataType(FeedHealth)
