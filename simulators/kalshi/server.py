"""The sockets around the venue: HTTP and WebSocket on loopback, by aiohttp."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from aiohttp import WSCloseCode, WSMsgType, web

from simulators.admin import explain_mistakes, json_object
from simulators.clock import Clock
from simulators.faults import Fault, FaultPlan, find
from simulators.kalshi.app import WS_PATH, HttpInput, HttpOutput, KalshiApp, Verdict
from simulators.kalshi.auth import PublicKey, write_key
from simulators.kalshi.build import VenueSpec, build_app, default_accounts, key_id_of
from simulators.kalshi.errors import RefusalError
from simulators.kalshi.router import PREFIX
from simulators.kalshi.ws_session import Frame
from simulators.log import RequestLog
from simulators.pipe import MessagePipe
from simulators.switches import Switches
from simulators.venue import LaunchContext, Levels, MarketPort, MarketRef

PING_EVERY_S = 10.0
MESSAGE_BYTES_MAX = 64 * 1024 * 1024
WAITING_MESSAGES_MAX = 100_000


@dataclass(eq=False, slots=True)
class Socket:
    """One open WebSocket and what waits to be written to it."""

    number: int
    user_id: str
    ws: web.WebSocketResponse
    request: web.Request
    pipe: MessagePipe[str] = field(default_factory=MessagePipe)
    queue: asyncio.Queue[str | None] = field(default_factory=asyncio.Queue)
    silent: bool = False

    def cut(self) -> None:
        """Drop the connection without a close frame."""
        if self.request.transport is not None:
            self.request.transport.abort()


@dataclass(eq=False, slots=True)
class LateReply:
    """An answer that waits for messages to an account."""

    user_id: str
    left: int
    ready: asyncio.Event = field(default_factory=asyncio.Event)


class KalshiVenue:
    """A running Kalshi: the deterministic app, its sockets, its ports."""

    name = "kalshi"

    def __init__(self, context: LaunchContext) -> None:
        options = context.options
        tier = str(options.get("tier", "premier"))
        accounts = default_accounts(tier, int(options.get("dollars", 100_000)))
        spec = VenueSpec(
            context.seed,
            context.scenario.name,
            context.scenario.start_ns,
            accounts,
            context.switches,
            context.faults,
        )
        self._accounts: list[dict[str, str]] = []
        public: dict[str, PublicKey] = {}
        for account in accounts:
            path, public[account.name] = write_key(
                context.state, f"kalshi-{account.name}", account.key_type
            )
            self._accounts.append(
                {
                    "key_id": key_id_of(context.seed, account.name),
                    "private_key_path": str(path),
                    "key_type": account.key_type,
                }
            )
        log_path = context.state / "kalshi.log.jsonl" if options.get("log") else None
        self.app: KalshiApp = build_app(spec, public, log_path, context.scenario)
        self.log: RequestLog = self.app.log
        self.faults: FaultPlan = self.app.faults
        self.switches: Switches = self.app.state.switches
        self._context = context
        self._clock: Clock = context.clock
        self._sockets: dict[int, Socket] = {}
        self._late: list[LateReply] = []
        self._opened = 0
        self._stopping = asyncio.Event()
        self._runner: web.AppRunner | None = None

    async def start(self) -> dict[str, Any]:
        """Listen on two free ports (REST and WebSocket) and return the ready part."""
        app = web.Application(client_max_size=MESSAGE_BYTES_MAX)
        app.router.add_route("GET", WS_PATH, self._websocket)
        app.router.add_route("*", PREFIX + "/{tail:.*}", self._http)
        self._runner = web.AppRunner(
            app, access_log=None, handler_cancellation=True, shutdown_timeout=1.0
        )
        await self._runner.setup()
        host, options = self._context.host, self._context.options
        for name in ("rest_port", "ws_port"):
            site = web.TCPSite(self._runner, host, int(options.get(name, 0)))
            await site.start()
        rest, ws = (address[1] for address in self._runner.addresses)
        return {
            "rest": f"http://{host}:{rest}{PREFIX}",
            "ws": f"ws://{host}:{ws}{WS_PATH}",
            "accounts": self._accounts,
            "tickers": list(self.app.state.markets),
        }

    async def stop(self) -> None:
        """Close every socket, answer nothing more, end every task."""
        self._stopping.set()
        for socket in list(self._sockets.values()):
            socket.queue.put_nowait(None)
            with contextlib.suppress(ConnectionError, asyncio.TimeoutError):
                await asyncio.wait_for(socket.ws.close(code=WSCloseCode.GOING_AWAY), 1.0)
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
        self.log.close()

    def tick(self, now_ns: int) -> None:
        """Run due timers and send what they caused."""
        self.app.exchange.advance(now_ns)
        self.flush()

    def market_port(self) -> MarketPort:
        """Return the books for the background market."""
        return _Port(self)

    def admin_app(self) -> web.Application:
        """Return the operator's routes: ``GET`` or ``POST /{action}`` with a JSON object."""
        app = web.Application(middlewares=[explain_mistakes])
        app.router.add_get("/", self._actions)
        app.router.add_route("*", "/{action}", self._operate)
        return app

    def flush(self) -> None:
        """Hand every waiting message to its socket."""
        for number, frames in self.app.take_frames(self.app.state.now_ns).items():
            socket = self._sockets.get(number)
            if socket is not None:
                self._send(socket, frames)

    # operator

    async def _actions(self, _: web.Request) -> web.Response:
        return web.json_response({"actions": self.app.operator.names()})

    async def _operate(self, request: web.Request) -> web.Response:
        action = request.match_info["action"]
        body = await json_object(request) if request.can_read_body else {}
        if request.method != "POST" and action not in self.app.operator.READS:
            raise ValueError(f"{request.method} {action}: actions that change something are POST")
        result = self.app.operate(action, {**dict(request.query), **body}, self._clock.now_ns())
        self.flush()
        return web.json_response(result)

    # requests

    async def _http(self, request: web.Request) -> web.StreamResponse:
        path = request.rel_url.raw_path
        if path.endswith("/"):
            return web.Response(status=301, headers={"Location": path.rstrip("/")})
        taken = HttpInput(
            request.method,
            path,
            {key: request.rel_url.query.getall(key) for key in request.rel_url.query},
            _headers(request),
            await request.read(),
        )
        output = self.app.request(taken, self._clock.now_ns(), self._clock.wall_ns())
        late = self._wait_for_messages(taken, output)
        self.flush()
        if output.action == "hang":
            await self._stopping.wait()
            output = HttpOutput(503, None, "reset")
        if output.action == "reset":
            if request.transport is not None:
                request.transport.abort()
            return web.Response(status=503)
        if late is not None:
            await late.ready.wait()
        if output.body is None:
            return web.Response(status=output.status)
        return web.Response(
            status=output.status,
            text=json.dumps(output.body, separators=(",", ":")),
            content_type="application/json",
        )

    def _wait_for_messages(self, request: HttpInput, output: HttpOutput) -> LateReply | None:
        """Return what a late answer waits for; without an open socket it waits for nothing."""
        key = self.app.core.keys.keys.get(request.headers.get("KALSHI-ACCESS-KEY", ""))
        if output.action != "late" or key is None:
            return None
        if not any(socket.user_id == key.user_id for socket in self._sockets.values()):
            return None
        late = LateReply(key.user_id, output.messages)
        self._late.append(late)
        return late

    # sockets

    async def _websocket(self, request: web.Request) -> web.StreamResponse:
        now_ns = self._clock.now_ns()
        headers = _headers(request)
        faults = self.faults.hit("ws:connect", headers.get("KALSHI-ACCESS-KEY", ""))
        refused = find(faults, "reject")
        if find(faults, "reset") and request.transport is not None:
            request.transport.abort()
            return web.Response(status=503)
        if refused is not None:
            return web.Response(status=refused.number("status", 502), text="Bad Gateway")
        taken = HttpInput("GET", request.rel_url.raw_path, {}, headers)
        verdict = self.app.authenticate(taken, self._clock.wall_ns(), faults)
        self._opened += 1
        opened = self.app.open_socket(self._opened, verdict, now_ns)
        if isinstance(opened, RefusalError):
            return web.json_response(opened.body, status=opened.status)
        return await self._serve(request, opened.number, verdict, faults)

    async def _serve(
        self, request: web.Request, number: int, verdict: Verdict, faults: Iterable[Fault]
    ) -> web.StreamResponse:
        ws = web.WebSocketResponse(autoping=False, max_msg_size=MESSAGE_BYTES_MAX)
        await ws.prepare(request)
        assert verdict.key is not None
        socket = Socket(number, verdict.key.user_id, ws, request)
        socket.silent = find(faults, "half_open") is not None
        self._sockets[number] = socket
        tasks = [
            asyncio.create_task(_write(socket), name=f"kalshi-ws-{number}-write"),
            asyncio.create_task(_ping(socket), name=f"kalshi-ws-{number}-ping"),
        ]
        try:
            await self._read(socket)
        finally:
            self._sockets.pop(number, None)
            self.app.close_socket(number, self._clock.now_ns())
            self._release(socket.user_id, None)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        return ws

    async def _read(self, socket: Socket) -> None:
        async for message in socket.ws:
            if socket.silent:
                continue
            if message.type is WSMsgType.PING:
                await socket.ws.pong(message.data)
            elif message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                text = (
                    message.data
                    if isinstance(message.data, str)
                    else message.data.decode("utf-8", "replace")
                )
                faults = self.app.command(socket.number, text, self._clock.now_ns())
                self.flush()
                self._end(socket, faults)

    def _end(self, socket: Socket, faults: Iterable[Fault]) -> None:
        ending = find(faults, "half_open", "reset", "close")
        if ending is None:
            return
        if ending.kind == "half_open":
            socket.silent = True
        elif ending.kind == "reset":
            socket.cut()
        else:
            socket.queue.put_nowait(None)

    def _send(self, socket: Socket, frames: Iterable[Frame]) -> None:
        for frame in frames:
            text = json.dumps(frame.body, separators=(",", ":"))
            delivery = socket.pipe.push(text, frame.faults)
            if not socket.silent:
                for message in delivery.messages:
                    socket.queue.put_nowait(message)
                self._release(socket.user_id, len(delivery.messages))
            if delivery.ending == "half_open":
                socket.silent = True
            elif delivery.ending == "reset":
                socket.cut()
            elif delivery.ending == "close":
                socket.queue.put_nowait(None)
        if socket.queue.qsize() > WAITING_MESSAGES_MAX:
            socket.cut()  # a client that does not read is let go

    def _release(self, user_id: str, sent: int | None) -> None:
        """Count messages for late answers; None (a socket went away) frees them all."""
        for late in [late for late in self._late if late.user_id == user_id]:
            late.left = 0 if sent is None else late.left - sent
            if late.left <= 0:
                late.ready.set()
                self._late.remove(late)


class _Port:
    """The background market's way in; what it causes is sent at once."""

    def __init__(self, venue: KalshiVenue) -> None:
        self._venue = venue

    def markets(self) -> list[MarketRef]:
        return list(self._venue.app.port.markets())

    def quote(self, key: str, bids: Levels, asks: Levels, now_ns: int) -> None:
        self._venue.app.quote(key, bids, asks, now_ns)
        self._venue.flush()

    def take(self, key: str, side: str, price: Decimal, size: Decimal, now_ns: int) -> None:
        self._venue.app.take(key, side, price, size, now_ns)
        self._venue.flush()


async def _write(socket: Socket) -> None:
    """Write messages in order; None closes the connection."""
    with contextlib.suppress(ConnectionError, RuntimeError):
        while True:
            message = await socket.queue.get()
            if message is None:
                await socket.ws.close(code=WSCloseCode.GOING_AWAY)
                return
            await socket.ws.send_str(message)


async def _ping(socket: Socket) -> None:
    """Ping every 10 seconds with the payload that the venue uses."""
    with contextlib.suppress(ConnectionError, RuntimeError):
        while True:
            await asyncio.sleep(PING_EVERY_S)
            if not socket.silent:
                await socket.ws.ping(b"heartbeat")


def _headers(request: web.Request) -> dict[str, str]:
    return {
        name.upper(): value
        for name, value in request.headers.items()
        if name.upper().startswith("KALSHI-")
    }
