"""The stream of one Kalshi connection: the protocol under a reconnecting socket."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from urllib.parse import urlsplit

from adapters.common.errors import ConnectFailed, ConnectionLost
from adapters.common.frames import FrameTap
from adapters.common.health import FeedMonitor
from adapters.common.stream import ReconnectingStream
from adapters.common.transport import WsTransport
from adapters.kalshi.credentials import Credential
from adapters.kalshi.protocol import BookBad, BookReset, Event, Redial, StreamProtocol
from adapters.kalshi.signing import auth_headers

_NS = 1_000_000_000
_FIRST_DIAL_S = 20.0


class KalshiStream:
    """One connection, kept open, its events handed to ``on_event`` in order.

    Parameters
    ----------
    name : str
        For health, logs and the frame tap.
    credential : Credential
        Signs each handshake anew; the venue wants a key even for public channels.
    on_event : callable
        Takes one event and the time of receipt in nanoseconds; returns at once.
    on_state : callable
        Called after the connection was made or lost: True for made.
    """

    def __init__(
        self,
        *,
        name: str,
        url: str,
        credential: Credential,
        transport: WsTransport,
        clock_ns: Callable[[], int],
        on_event: Callable[[Event, int], None],
        on_state: Callable[[bool], None],
        idle_timeout_s: float,
        resync_timeout_s: float = 5.0,
        tap: FrameTap | None = None,
    ) -> None:
        self.protocol = StreamProtocol(snapshot_timeout_ns=int(resync_timeout_s * _NS))
        self.health = FeedMonitor(name)
        self._clock_ns = clock_ns
        self._on_event = on_event
        self._on_state = on_state
        path = urlsplit(url).path

        def headers() -> dict[str, str]:
            ts_ms = clock_ns() // 1_000_000
            return auth_headers(credential.key_id, credential.key, "GET", path, ts_ms)

        self._stream = ReconnectingStream(
            name=name,
            transport=transport,
            url=url,
            headers=headers,
            handler=self,
            clock_ns=clock_ns,
            idle_timeout_s=idle_timeout_s,
            tap=tap,
        )

    async def run(self) -> None:
        """Keep the connection until :meth:`close`."""
        await self._stream.run()

    async def wait_open(self, opened: asyncio.Event) -> None:
        """Wait until the first connection stands.

        Raises
        ------
        ConnectFailed
            It does not; says what the last attempt met.
        """
        try:
            async with asyncio.timeout(_FIRST_DIAL_S):
                await opened.wait()
        except TimeoutError:
            why = self.health.reason or "no answer"
            raise ConnectFailed(
                f"{self.health.feed}: no stream in {_FIRST_DIAL_S:g} s: {why}"
            ) from None

    async def flush(self) -> None:
        """Send what :attr:`protocol` has queued."""
        await self._stream.flush()

    async def close(self) -> None:
        """Close for good."""
        await self._stream.close()

    def on_dial(self) -> None:
        """Note the attempt."""
        self.health.dialing()

    def on_open(self) -> None:
        """Begin the conversation on the new socket."""
        self.health.opened(self._clock_ns())
        self.protocol.opened()
        self._on_state(True)

    def on_frame(self, frame: bytes) -> None:
        """Hand on what a frame means; a frame that means nothing drops the socket."""
        now_ns = self._clock_ns()
        self.health.heard(now_ns)
        self._emit(self.protocol.receive(frame), now_ns)

    def on_tick(self) -> None:
        """Chase overdue snapshots."""
        now_ns = self._clock_ns()
        self._emit(self.protocol.tick(now_ns), now_ns)

    def on_lost(self, reason: str) -> None:
        """Declare every book bad, at once."""
        self.health.lost(reason)
        self._emit(self.protocol.lost(reason), self._clock_ns())
        self._on_state(False)

    def frames_to_send(self) -> Iterable[str]:
        """Hand over the queued commands."""
        return self.protocol.frames_to_send()

    def _emit(self, events: list[Event], now_ns: int) -> None:
        redial: Redial | None = None
        for event in events:
            if isinstance(event, Redial):
                redial = event
                continue
            if isinstance(event, BookBad):
                self.health.spoiled(event.ticker, event.reason)
            elif isinstance(event, BookReset):
                self.health.repaired(event.ticker)
            self._on_event(event, now_ns)
        if redial is not None:
            raise ConnectionLost(redial.reason)
