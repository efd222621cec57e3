"""REST and WebSocket over aiohttp: one method each, nothing venue-specific.

The transport moves bytes. It adds no header, follows no redirect (a redirect would break a
signature), retries nothing, and turns every failure into one of the errors of
:mod:`adapters.common.errors`, with ``sent`` saying whether the request may have landed.

Sessions belong to the running loop and are made on first use, so a transport may be built
before a loop exists.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import aiohttp
from aiohttp import WSMsgType
from yarl import URL

from adapters.common.errors import ConnectFailed, ConnectionLost, RequestTimeout

#: Largest frame accepted (64 MiB, the largest any venue of ours documents).
FRAME_BYTES_MAX = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """One request, complete: the URL goes out byte for byte as given.

    Attributes
    ----------
    timeout_s : float
        Longest wait for the whole answer, in seconds.
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes | None = field(default=None, repr=False)
    timeout_s: float = 10.0


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """One answer; header names are lower case."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)

    def retry_after_s(self) -> float | None:
        """Return the seconds of ``Retry-After``, None where absent or a date."""
        value = self.headers.get("retry-after", "")
        return float(value) if value.isascii() and value.isdecimal() else None


class HttpTransport(Protocol):
    """Send one request, return one answer or raise a ``TransportError``."""

    async def send(self, request: HttpRequest) -> HttpResponse:
        """Send ``request`` once."""

    async def close(self) -> None:
        """Release connections."""


class WsConnection(Protocol):
    """One open socket."""

    async def send(self, frame: str) -> None:
        """Send one text frame; raise ``ConnectionLost`` if the socket is gone."""

    async def receive(self) -> bytes:
        """Return the next data frame; raise ``ConnectionLost`` at close, break or silence."""

    async def close(self) -> None:
        """Close; never raises."""


class WsTransport(Protocol):
    """Open sockets."""

    async def connect(
        self, url: str, headers: Mapping[str, str], *, idle_timeout_s: float
    ) -> WsConnection:
        """Open one socket or raise ``ConnectFailed``."""

    async def close(self) -> None:
        """Release what the connections share."""


class AiohttpTransport:
    """Both transports over one aiohttp session per loop.

    Parameters
    ----------
    proxy_url : str, optional
        Proxy for everything this venue's client sends.
    connections : int, default 32
        Most simultaneous REST connections.
    connect_timeout_s : float, default 5.0
        Longest wait for TCP and TLS.
    """

    def __init__(
        self,
        *,
        proxy_url: str | None = None,
        connections: int = 32,
        connect_timeout_s: float = 5.0,
    ) -> None:
        self._proxy_url = proxy_url or None
        self._connections = connections
        self._connect_timeout_s = connect_timeout_s
        self._session: aiohttp.ClientSession | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def _current(self) -> aiohttp.ClientSession:
        loop = asyncio.get_running_loop()
        if self._session is None or self._session.closed or self._loop is not loop:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    limit=self._connections, ttl_dns_cache=300, keepalive_timeout=30.0
                ),
                auto_decompress=True,
                trust_env=False,
                raise_for_status=False,
                cookie_jar=aiohttp.DummyCookieJar(),
            )
            self._loop = loop
        return self._session

    async def send(self, request: HttpRequest) -> HttpResponse:
        """Send ``request`` once and return the whole answer.

        Raises
        ------
        ConnectFailed
            No connection: nothing was sent.
        RequestTimeout, ConnectionLost
            The request may have landed.
        """
        timeout = aiohttp.ClientTimeout(
            total=request.timeout_s, sock_connect=self._connect_timeout_s
        )
        where = f"{request.method} {URL(request.url, encoded=True).path}"
        try:
            # aiohttp itself repeats GET, PUT and DELETE when a kept-alive connection turns out
            # to be dead. Venues apply a repeated DELETE once; its 404 is never read as done.
            async with self._current().request(
                request.method,
                URL(request.url, encoded=True),
                headers=request.headers,
                data=request.body,
                timeout=timeout,
                proxy=self._proxy_url,
                allow_redirects=False,
            ) as response:
                body = await response.read()
                headers = {k.lower(): v for k, v in response.headers.items()}
                return HttpResponse(response.status, body, headers)
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as exc:
            raise ConnectFailed(f"{where}: {type(exc).__name__}") from exc
        except TimeoutError as exc:
            raise RequestTimeout(f"{where}: no answer in {request.timeout_s:g} s") from exc
        except (aiohttp.ClientError, OSError) as exc:
            raise ConnectionLost(f"{where}: {type(exc).__name__}") from exc

    async def connect(
        self, url: str, headers: Mapping[str, str], *, idle_timeout_s: float
    ) -> AiohttpSocket:
        """Open one WebSocket.

        Parameters
        ----------
        idle_timeout_s : float
            Silence, pings included, after which the socket counts as dead. Half of it without
            a frame makes us ping.

        Raises
        ------
        ConnectFailed
            The handshake did not complete; the message holds the HTTP status if there was one.
        """
        where = URL(url, encoded=True).path
        try:
            async with asyncio.timeout(self._connect_timeout_s):
                socket = await self._current().ws_connect(
                    URL(url, encoded=True),
                    headers=headers,
                    proxy=self._proxy_url,
                    autoping=False,
                    autoclose=True,
                    compress=0,
                    max_msg_size=FRAME_BYTES_MAX,
                    timeout=aiohttp.ClientWSTimeout(ws_close=1.0),
                )
        except aiohttp.WSServerHandshakeError as exc:
            raise ConnectFailed(f"{where}: handshake answered HTTP {exc.status}") from exc
        except TimeoutError as exc:
            text = f"{where}: no handshake in {self._connect_timeout_s:g} s"
            raise ConnectFailed(text) from exc
        except (aiohttp.ClientError, OSError) as exc:
            raise ConnectFailed(f"{where}: {type(exc).__name__}") from exc
        return AiohttpSocket(socket, idle_timeout_s)

    async def close(self) -> None:
        """Close the session; a later call opens a new one."""
        session, self._session = self._session, None
        if session is not None and self._loop is asyncio.get_running_loop():
            await session.close()


class AiohttpSocket:
    """One aiohttp WebSocket that answers pings and notices silence."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse, idle_timeout_s: float) -> None:
        self._socket = socket
        self._idle_timeout_s = idle_timeout_s

    async def send(self, frame: str) -> None:
        """Send one text frame.

        Raises
        ------
        ConnectionLost
            The socket is closed or broken.
        """
        if self._socket.closed:
            raise ConnectionLost("the socket is closed")
        try:
            await self._socket.send_str(frame)
        except (aiohttp.ClientError, OSError, RuntimeError) as exc:
            raise ConnectionLost(f"sending failed: {type(exc).__name__}") from exc

    async def receive(self) -> bytes:
        """Return the next data frame as bytes, answering pings on the way.

        Raises
        ------
        ConnectionLost
            Closed, broken, or silent for the idle timeout.
        """
        pinged = False
        while True:
            try:
                message = await self._socket.receive(timeout=self._idle_timeout_s / 2)
            except TimeoutError:
                if pinged:
                    text = f"silent for {self._idle_timeout_s:g} s"
                    raise ConnectionLost(text) from None
                pinged = True
                await self._ping()
                continue
            kind = message.type
            if kind is WSMsgType.TEXT:
                return message.data.encode()
            if kind is WSMsgType.BINARY:
                return bytes(message.data)
            pinged = False
            if kind is WSMsgType.PING:
                await self._pong(message.data)
            elif kind is not WSMsgType.PONG:
                code = self._socket.close_code
                raise ConnectionLost(f"closed by the other side (code {code})")

    async def _ping(self) -> None:
        try:
            await self._socket.ping()
        except (aiohttp.ClientError, OSError, RuntimeError) as exc:
            raise ConnectionLost(f"ping failed: {type(exc).__name__}") from exc

    async def _pong(self, payload: bytes) -> None:
        try:
            await self._socket.pong(payload)
        except (aiohttp.ClientError, OSError, RuntimeError) as exc:
            raise ConnectionLost(f"pong failed: {type(exc).__name__}") from exc

    async def close(self) -> None:
        """Close the socket; a failure to say goodbye is no failure."""
        try:
            await self._socket.close()
        except (aiohttp.ClientError, OSError, RuntimeError, TimeoutError):
            return
