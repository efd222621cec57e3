"""Keep one socket open: dial, feed a pure protocol, send what it asks, dial again.

The protocol decides everything (:class:`StreamHandler`); this shell owns only the socket and the
waiting. Headers are made anew for each dial, because a signature holds a time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Protocol

from adapters.common.errors import AdapterError, ConnectionLost, ProtocolError
from adapters.common.frames import FrameTap
from adapters.common.retry import Backoff, jitter
from adapters.common.transport import WsConnection, WsTransport


class StreamHandler(Protocol):
    """What a stream's owner does when something happens; every method returns at once."""

    def on_dial(self) -> None:
        """A connection is being attempted."""

    def on_open(self) -> None:
        """The socket is open; queue the subscriptions."""

    def on_frame(self, frame: bytes) -> None:
        """One data frame came in; raise ``ProtocolError`` to have the socket dropped."""

    def on_tick(self) -> None:
        """About once a second while connected; raise ``ConnectionLost`` to dial again."""

    def on_lost(self, reason: str) -> None:
        """The socket is gone; whatever it fed is no longer true."""

    def frames_to_send(self) -> Iterable[str]:
        """Hand over, and forget, the frames to send."""


class ReconnectingStream:
    """One socket, kept open until :meth:`close`.

    Parameters
    ----------
    headers : callable
        Called for each dial.
    idle_timeout_s : float
        Silence after which the socket counts as dead, in seconds.
    tap : FrameTap, optional
        Records every frame as received.
    """

    def __init__(
        self,
        *,
        name: str,
        transport: WsTransport,
        url: str,
        headers: Callable[[], Mapping[str, str]],
        handler: StreamHandler,
        clock_ns: Callable[[], int],
        idle_timeout_s: float = 25.0,
        backoff: Backoff | None = None,
        draw: Callable[[], float] = jitter,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        tap: FrameTap | None = None,
    ) -> None:
        self.name = name
        self._transport = transport
        self._url = url
        self._headers = headers
        self._handler = handler
        self._clock_ns = clock_ns
        self._idle_timeout_s = idle_timeout_s
        self._backoff = backoff or Backoff(first_s=0.25, most_s=20.0)
        self._draw = draw
        self._sleep = sleep
        self._tap = tap
        self._socket: WsConnection | None = None
        self._closing = False
        self._failures = 0

    @property
    def connected(self) -> bool:
        """Whether a socket is open."""
        return self._socket is not None

    async def run(self) -> None:
        """Dial, and dial again with growing waits, until :meth:`close`."""
        while not self._closing:
            reason = await self._session()
            if self._closing:
                return
            self._failures += 1
            self._handler.on_lost(reason)
            await self._sleep(self._backoff.delay_s(self._failures, self._draw()))

    async def flush(self) -> None:
        """Send what the handler has queued; a lost socket is left to :meth:`run`."""
        socket = self._socket
        if socket is None:
            return
        try:
            await self._flush(socket)
        except ConnectionLost:
            await socket.close()

    async def close(self) -> None:
        """Close for good."""
        self._closing = True
        if self._socket is not None:
            await self._socket.close()

    async def _session(self) -> str:
        """Run one connection from dial to loss; return why it ended."""
        socket: WsConnection | None = None
        ticker: asyncio.Task[None] | None = None
        try:
            self._handler.on_dial()
            socket = await self._transport.connect(
                self._url, self._headers(), idle_timeout_s=self._idle_timeout_s
            )
            self._socket = socket
            self._handler.on_open()
            await self._flush(socket)
            ticker = asyncio.get_running_loop().create_task(self._tick(socket))
            await self._pump(socket)
        except AdapterError as exc:
            return f"{type(exc).__name__}: {exc}"
        except Exception as exc:
            # Our own mistake: the feed is declared lost, loudly, rather than left dead in silence.
            return f"a fault of ours: {exc!r}"
        finally:
            self._socket = None
            if ticker is not None:
                ticker.cancel()
            if socket is not None:
                await socket.close()
        return "closed"

    async def _pump(self, socket: WsConnection) -> None:
        while not self._closing:
            frame = await socket.receive()
            # Only a frame proves that the venue serves us: a handshake alone may repeat for ever.
            self._failures = 0
            if self._tap is not None:
                self._tap.write(self._clock_ns(), self.name, frame)
            self._handler.on_frame(frame)
            await self._flush(socket)

    async def _flush(self, socket: WsConnection) -> None:
        for frame in self._handler.frames_to_send():
            await socket.send(frame)

    async def _tick(self, socket: WsConnection) -> None:
        """Give the handler a second hand; its complaint closes the socket, and so ends the pump."""
        try:
            while True:
                await asyncio.sleep(1.0)
                self._handler.on_tick()
                await self._flush(socket)
        except (ConnectionLost, ProtocolError):
            await socket.close()
