"""The real sockets: upgrade, faults, queues, delivery. Frames come from the sessions."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable, Iterable

from aiohttp import WSMsgType, web

from simulators.faults import Fault, FaultPlan, add_unknown_fields, find
from simulators.log import RequestLog
from simulators.pipe import MessagePipe
from simulators.polymarket.model import Emission
from simulators.polymarket.sockets import CLOSE, PONG, Session, dumps
from simulators.polymarket.world import NS_PER_S, World

_QUEUE = 10_000


class Socket:
    """One connection with its session, its faults and its bounded queue of frames."""

    def __init__(self, channel: str, session: Session, ws: web.WebSocketResponse) -> None:
        self.channel = channel
        self.session = session
        self.ws = ws
        self.pipe: MessagePipe[str] = MessagePipe()
        self.queue: asyncio.Queue[tuple[str, str, int]] = asyncio.Queue(_QUEUE)
        self.silent = False
        self.pongs = False
        self.heard_ns = 0

    def put(self, kind: str, frame: str = "", code: int = 1000) -> None:
        """Queue a frame or an ending; a reader too slow for the bound is cut off."""
        try:
            self.queue.put_nowait((kind, frame, code))
        except asyncio.QueueFull:
            self.silent = True
            _cut(self.ws)


class Hub:
    """All sockets of the venue."""

    def __init__(
        self, world: World, faults: FaultPlan, log: RequestLog, tick: Callable[[], None]
    ) -> None:
        self.world = world
        self.faults = faults
        self.log = log
        self.sockets: set[Socket] = set()
        self.frozen: set[str] = set()
        self.sent = asyncio.Condition()
        self.user_messages: dict[str, int] = {}
        self._tick = tick

    async def serve(
        self, request: web.Request, channel: str, session: Session
    ) -> web.StreamResponse:
        """Run one connection to its end."""
        faults = self.faults.hit("ws:connect")
        refused = find(faults, "reject")
        if refused is not None:
            return web.Response(status=refused.number("status", 502))
        if find(faults, "reset"):
            _cut(request)
            return web.Response(status=502)
        ws = web.WebSocketResponse(autoping=True, max_msg_size=1 << 22)
        await ws.prepare(request)
        socket = Socket(channel, session, ws)
        socket.silent = find(faults, "half_open") is not None
        socket.heard_ns = self.world.now_ns
        self.sockets.add(socket)
        writer = asyncio.create_task(self._write(socket))
        try:
            async for message in ws:
                if message.type == WSMsgType.TEXT:
                    self._tick()
                    self._receive(socket, str(message.data))
        finally:
            self.sockets.discard(socket)
            writer.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await writer
        return ws

    def _receive(self, socket: Socket, frame: str) -> None:
        now_ns = self.world.now_ns
        socket.heard_ns = now_ns
        if frame != "PING":
            self.log.append(
                now_ns=now_ns, kind="ws_in", route=socket.channel, request=_readable(frame)
            )
        if socket.silent and not (socket.pongs and frame == "PING"):
            return
        for answer in socket.session.receive(frame):
            if answer == CLOSE:
                socket.put("close", code=1008)
            elif answer == PONG or not answer.startswith(("[", "{")):
                socket.put("text", answer)
            else:
                self._push(socket, "book", answer)

    def deliver(self, emissions: Iterable[Emission]) -> None:
        """Send emissions to the sockets that want them."""
        for emission in emissions:
            kind = str(emission.payload.get("event_type", emission.topic))
            for socket in self.sockets:
                if socket.session.wants(emission):
                    self._push(socket, kind, socket.session.render(emission))
            if emission.topic == "user":
                self.log.append(
                    now_ns=self.world.now_ns,
                    kind="ws_out",
                    route="user",
                    subject=emission.keys[0],
                    reply=emission.payload,
                )

    def _push(self, socket: Socket, kind: str, frame: str) -> None:
        """Send one frame through the socket's faults; scope is ``ws:<event type>``."""
        if socket.channel in self.frozen or socket.silent:
            return
        account = socket.session.account
        faults = self.faults.hit(f"ws:{kind}", account)
        delivery = socket.pipe.push(_altered(frame, faults), faults)
        for text in delivery.messages:
            socket.put("text", text)
        self.user_messages[account] = self.user_messages.get(account, 0) + 1
        if delivery.ending == "half_open":
            socket.silent = True
            fault = find(faults, "half_open")
            socket.pongs = fault is not None and fault.flag("pong")
        elif delivery.ending:
            socket.put(delivery.ending, code=delivery.code)

    async def _write(self, socket: Socket) -> None:
        with contextlib.suppress(ConnectionError):
            while True:
                kind, frame, code = await socket.queue.get()
                if kind == "text":
                    await socket.ws.send_str(frame)
                elif kind == "ping":
                    await socket.ws.ping()
                elif kind == "close":
                    await socket.ws.close(code=code)
                    return
                else:
                    _cut(socket.ws)
                    return
                async with self.sent:
                    self.sent.notify_all()

    async def wait_messages(self, account: str, more: int) -> None:
        """Wait until `more` further frames went to an account's sockets."""
        goal = self.user_messages.get(account, 0) + more
        async with self.sent:
            await self.sent.wait_for(lambda: self.user_messages.get(account, 0) >= goal)

    def close_silent(self) -> None:
        """Close the sockets that sent nothing for too long, when the switch says so."""
        limit_s = self.world.switches.number("silence_close_s")
        if limit_s:
            for socket in self.sockets:
                if self.world.now_ns - socket.heard_ns > limit_s * NS_PER_S:
                    socket.put("close", code=1001)

    def ping_sports(self) -> None:
        """Send the sports stream's text ping."""
        for socket in self.sockets:
            if socket.channel == "sports" and not socket.silent:
                protocol = self.world.switches["sports_ping"] == "protocol"
                socket.put("ping" if protocol else "text", "ping")

    def drop(self, channel: str) -> int:
        """Cut every socket of a channel without a close frame; return how many."""
        cut = [s for s in self.sockets if channel in ("", s.channel)]
        for socket in cut:
            socket.put("reset")
        return len(cut)

    async def close(self) -> None:
        """Close every socket."""
        for socket in list(self.sockets):
            with contextlib.suppress(ConnectionError, asyncio.TimeoutError):
                async with asyncio.timeout(1):
                    await socket.ws.close(code=1001)


def _altered(frame: str, faults: tuple[Fault, ...]) -> str:
    changed = find(faults, "unknown_fields", "missing_field")
    if changed is None:
        return frame
    value = json.loads(frame)
    if changed.kind == "unknown_fields":
        return dumps(add_unknown_fields(value, changed.ordinal))
    name = changed.text("field")
    for item in value if isinstance(value, list) else [value]:
        item.pop(name, None)
    return dumps(value)


def _cut(holder: web.WebSocketResponse | web.Request) -> None:
    request = holder if isinstance(holder, web.Request) else holder._req  # noqa: SLF001 - aiohttp gives no public way to the transport of an upgraded response
    transport = request.transport if request is not None else None
    if transport is not None:
        transport.abort()


def _readable(frame: str) -> object:
    try:
        return json.loads(frame)
    except json.JSONDecodeError:
        return frame[:200]
