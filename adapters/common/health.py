"""How good a feed is right now: pure bookkeeping that the shells publish for strategies.

A strategy needs one question answered before it trades on a book: is what I see what the venue
has? A feed is GOOD only while its socket is open, its subscription is acknowledged and no gap is
unrepaired. Silence is judged against the age of the last frame, by the reader, who knows how old
is too old.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class FeedState(StrEnum):
    """The state of one feed or of one book on it."""

    DOWN = "down"
    CONNECTING = "connecting"
    RECOVERING = "recovering"
    GOOD = "good"


@dataclass(slots=True)
class FeedMonitor:
    """Counters and state of one feed.

    Attributes
    ----------
    feed : str
        Name of the feed, for example ``market-data``.
    bad : set of str
        Books on the feed that are being repaired.
    """

    feed: str
    connected: bool = False
    connecting: bool = False
    frames: int = 0
    gaps: int = 0
    reconnects: int = 0
    protocol_errors: int = 0
    ts_last_frame_ns: int = 0
    reason: str = ""
    bad: set[str] = field(default_factory=set)

    def dialing(self) -> None:
        """Note an attempt to connect."""
        self.connecting = True

    def opened(self, now_ns: int) -> None:
        """Note an open socket."""
        self.connected = True
        self.connecting = False
        self.ts_last_frame_ns = now_ns
        self.reason = ""

    def heard(self, now_ns: int) -> None:
        """Note one frame."""
        self.frames += 1
        self.ts_last_frame_ns = now_ns

    def lost(self, reason: str) -> None:
        """Note a lost connection."""
        if self.connected:
            self.reconnects += 1
        self.connected = False
        self.connecting = False
        self.reason = reason

    def spoiled(self, book: str, reason: str) -> None:
        """Note that a book can no longer be believed."""
        if book not in self.bad:
            self.bad.add(book)
            self.gaps += 1
        self.reason = reason

    def repaired(self, book: str) -> None:
        """Note that a book is whole again."""
        self.bad.discard(book)
        if not self.bad:
            self.reason = ""

    @property
    def state(self) -> FeedState:
        """The state of the feed as a whole."""
        if not self.connected:
            return FeedState.CONNECTING if self.connecting else FeedState.DOWN
        return FeedState.RECOVERING if self.bad else FeedState.GOOD
