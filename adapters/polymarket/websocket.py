"""Shells of the two sockets: they feed the pure protocols and keep the venue's text PING going."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Final

from adapters.common.errors import ConnectionLost, ProtocolError
from adapters.common.frames import FrameTap
from adapters.common.health import FeedMonitor
from adapters.common.stream import ReconnectingStream
from adapters.common.transport import WsTransport
from adapters.polymarket.book_hash import BookTerms
from adapters.polymarket.constants import (
    MARKET_SOCKET_ASSETS_MAX,
    PING_INTERVAL_SECS,
    PONG_TIMEOUT_SECS,
)
from adapters.polymarket.fills import TradeRecord
from adapters.polymarket.protocol import PING, Event, MarketProtocol, Refetch, Text
from adapters.polymarket.user import OrderRecord, receive_user

_NS: Final = 1_000_000_000
_PING_NS: Final = int(PING_INTERVAL_SECS * _NS)
_PONG_NS: Final = int(PONG_TIMEOUT_SECS * _NS)
_SNAPSHOT_WAIT_NS: Final = 2 * _NS
_IDLE_S: Final = 30.0


class _PingPong:
    """The venue's keepalive: text PING every 10 s; 30 s without an answer is a dead socket."""

    def __init__(self) -> None:
        self._pinged_ns = 0
        self._heard_ns = 0

    def open(self, now_ns: int) -> None:
        self._pinged_ns = self._heard_ns = now_ns

    def heard(self, now_ns: int) -> None:
        self._heard_ns = now_ns

    def tick(self, now_ns: int) -> bool:
        """Tell whether to send a PING now; raise when nothing answers."""
        if now_ns - self._heard_ns > _PONG_NS:
            raise ConnectionLost("nothing heard for 30 s, not even PONG")
        if now_ns - self._pinged_ns >= _PING_NS:
            self._pinged_ns = now_ns
            return True
        return False


class MarketSocket:
    """One socket of the market channel, at most 200 assets."""

    def __init__(
        self,
        *,
        name: str,
        transport: WsTransport,
        url: str,
        clock_ns: Callable[[], int],
        on_events: Callable[[list[Event]], None],
        on_health: Callable[[], None],
        tap: FrameTap | None = None,
    ) -> None:
        self.protocol = MarketProtocol()
        self.monitor = FeedMonitor(feed=name)
        self._clock_ns = clock_ns
        self._on_events = on_events
        self._on_health = on_health
        self._ping = _PingPong()
        self._outbox: list[str] = []
        self._opened_ns = 0
        self._redial = ""
        self.stream = ReconnectingStream(
            name=name,
            transport=transport,
            url=url,
            headers=dict,
            handler=self,
            clock_ns=clock_ns,
            idle_timeout_s=_IDLE_S,
            tap=tap,
        )

    @property
    def room(self) -> int:
        """Assets this socket can still take."""
        return MARKET_SOCKET_ASSETS_MAX - len(self.protocol.assets)

    async def subscribe(self, asset_id: str, terms: BookTerms) -> None:
        """Want an asset."""
        self._queue(self.protocol.subscribe(asset_id, terms))
        await self.stream.flush()

    async def unsubscribe(self, asset_id: str) -> None:
        """Stop wanting an asset."""
        self._queue(self.protocol.unsubscribe(asset_id))
        self.monitor.repaired(asset_id)
        await self.stream.flush()

    def redial(self, reason: str) -> None:
        """Drop the socket at the next tick: it is open but what it says is stale."""
        self._redial = reason

    def _queue(self, frame: str) -> None:
        if self.stream.connected:
            self._outbox.append(frame)

    # -- StreamHandler ----------------------------------------------------------------------------

    def on_dial(self) -> None:
        """A connection is being attempted."""
        self.monitor.dialing()
        self._on_health()

    def on_open(self) -> None:
        """Subscribe everything in the first frame; a later one of this type would be refused."""
        now_ns = self._clock_ns()
        self._ping.open(now_ns)
        self._opened_ns = now_ns
        self.monitor.opened(now_ns)
        self._outbox = [self.protocol.opening_frame()]
        self._on_health()

    def on_frame(self, frame: bytes) -> None:
        """Feed the protocol; an unreadable frame may have been a change, so the socket goes."""
        now_ns = self._clock_ns()
        self._ping.heard(now_ns)
        self.monitor.heard(now_ns)
        try:
            events = self.protocol.receive(frame, now_ns)
        except ProtocolError:
            self.monitor.protocol_errors += 1
            raise
        if events:
            self._on_events(events)

    def on_tick(self) -> None:
        """Once a second: keepalive, quiet groups, assets whose snapshot does not come."""
        if self._redial:
            reason, self._redial = self._redial, ""
            raise ConnectionLost(reason)
        now_ns = self._clock_ns()
        if self._ping.tick(now_ns):
            self._outbox.append(PING)
        events = self.protocol.check_quiet(now_ns)
        if now_ns - self._opened_ns >= _SNAPSHOT_WAIT_NS:
            for asset_id in self.protocol.assets:
                book = self.protocol.book(asset_id)
                if book is not None and not book.is_live:
                    events.append(Refetch(asset_id, "no snapshot yet"))
        if events:
            self._on_events(events)

    def on_lost(self, reason: str) -> None:
        """Withdraw every book."""
        self.monitor.lost(reason)
        events = self.protocol.on_disconnect()
        if events:
            self._on_events(events)
        self._on_health()

    def frames_to_send(self) -> Iterable[str]:
        """Hand over the outbox."""
        frames, self._outbox = self._outbox, []
        return frames


class UserSocket:
    """The user channel, all markets."""

    def __init__(
        self,
        *,
        transport: WsTransport,
        url: str,
        opening_frame: Callable[[], str],
        clock_ns: Callable[[], int],
        on_records: Callable[[list[OrderRecord | TradeRecord]], None],
        on_open: Callable[[], None],
        on_lost: Callable[[str], None],
        on_garbled: Callable[[str], None],
        tap: FrameTap | None = None,
    ) -> None:
        self.monitor = FeedMonitor(feed="user")
        self.counts: Counter[str] = Counter()
        self._clock_ns = clock_ns
        self._opening_frame = opening_frame
        self._on_records = on_records
        self._on_open = on_open
        self._on_lost = on_lost
        self._on_garbled = on_garbled
        self._ping = _PingPong()
        self._outbox: list[str] = []
        self.stream = ReconnectingStream(
            name="user",
            transport=transport,
            url=url,
            headers=dict,
            handler=self,
            clock_ns=clock_ns,
            idle_timeout_s=_IDLE_S,
            tap=tap,
        )

    def on_dial(self) -> None:
        """A connection is being attempted."""
        self.monitor.dialing()

    def on_open(self) -> None:
        """Authenticate at once, then let the owner reconcile: the channel replays nothing."""
        now_ns = self._clock_ns()
        self._ping.open(now_ns)
        self.monitor.opened(now_ns)
        self._outbox = [self._opening_frame()]
        self._on_open()

    def on_frame(self, frame: bytes) -> None:
        """Read records; one that cannot be read is asked for over REST instead."""
        now_ns = self._clock_ns()
        self._ping.heard(now_ns)
        self.monitor.heard(now_ns)
        try:
            found = receive_user(frame, now_ns)
        except ProtocolError as exc:
            self.monitor.protocol_errors += 1
            self._on_garbled(str(exc))
            return
        records = [record for record in found if not isinstance(record, Text)]
        if records:
            self._on_records(records)

    def on_tick(self) -> None:
        """Keepalive."""
        if self._ping.tick(self._clock_ns()):
            self._outbox.append(PING)

    def on_lost(self, reason: str) -> None:
        """Tell the owner."""
        self.monitor.lost(reason)
        self._on_lost(reason)

    def frames_to_send(self) -> Iterable[str]:
        """Hand over the outbox."""
        frames, self._outbox = self._outbox, []
        return frames
