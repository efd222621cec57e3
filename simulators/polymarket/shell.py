"""HTTP around the handlers: authentication, faults, limits, errors, log, order of replies."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from simulators.clock import NS_PER_MS, NS_PER_S, Clock
from simulators.faults import Fault, FaultPlan, add_unknown_fields, find
from simulators.log import RequestLog
from simulators.polymarket import auth
from simulators.polymarket.hub import Hub
from simulators.polymarket.limits import Limits
from simulators.polymarket.model import Refusal
from simulators.polymarket.routes import Answer, Call, Route
from simulators.polymarket.world import World
from simulators.seeds import draw
from simulators.wire import Json

_BEFORE = ("reject", "error_before_accept", "timeout_before_accept", "rate_limit")
_TOO_MANY_HTML = "<html><head><title>Error 1015</title></head><body>rate limited</body></html>"


@dataclass(frozen=True, slots=True)
class Reply:
    """Status, body and headers on their way out; bodies other than text are JSON."""

    status: int
    body: Json
    headers: Mapping[str, str]
    kind: str = "application/json"

    def text(self) -> str:
        """Return the body as sent."""
        if self.kind != "application/json":
            return str(self.body)
        return json.dumps(self.body, separators=(",", ":"), ensure_ascii=False)


class Shell:
    """Runs routes for one venue."""

    def __init__(
        self,
        world: World,
        clock: Clock,
        faults: FaultPlan,
        log: RequestLog,
        hub: Hub,
        tick: Callable[[], None],
    ) -> None:
        self.world = world
        self.clock = clock
        self.faults = faults
        self.log = log
        self.hub = hub
        self.limits = Limits()
        self.stopping = asyncio.Event()
        self._tick = tick
        self._ordinal = 0
        self._skew: tuple[int, int] = (0, 0)
        self._pause_left = 0
        self._hidden: dict[str, int] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def mount(self, app: web.Application, routes: tuple[Route, ...], prefix: str = "") -> None:
        """Add routes to an application; `prefix` sets their fault scopes apart."""
        for route in routes:
            name = f"{route.method} {prefix}{route.path if not prefix else route.path[1:]}"
            app.router.add_route(route.method, route.path, self._handler(route, name))

    def _handler(self, route: Route, name: str) -> Callable[[web.Request], Any]:
        async def handle(request: web.Request) -> web.StreamResponse:
            return await self._serve(request, route, name)

        return handle

    async def _serve(self, request: web.Request, route: Route, name: str) -> web.StreamResponse:
        body = (await request.read()).decode("utf-8", "replace")
        self._tick()
        # Expiries that clients send are times of day; whole seconds, so that replays agree.
        ahead_ns = self.clock.now_ns() - self.clock.wall_ns() + self.clock.skew_ns
        self.world.ahead_ns = (ahead_ns + NS_PER_S // 2) // NS_PER_S * NS_PER_S
        self._ordinal += 1
        ordinal = self._ordinal
        account = request.headers.get("POLY_API_KEY", "")
        faults = self.faults.hit(name, account)
        self._begin(faults)
        before = find(faults, *_BEFORE)
        cut = find(faults, "reset")
        if before is not None:
            reply: Reply | None = _refuse(before)
        elif cut is not None and not cut.flag("applied"):
            reply = None
        else:
            reply = self.run(request, route, name, body)
            if find(faults, "delayed_visibility"):
                self._hide(reply, find(faults, "delayed_visibility"))
        self._record(request, name, account, body, reply, faults)
        return await self._answer(request, reply, faults, account, ordinal)

    def run(self, request: web.Request, route: Route, name: str, body: str) -> Reply:
        """Do what the request asks and return the reply."""
        call = Call(
            world=self.world,
            limits=self.limits,
            path=dict(request.match_info),
            query=_query(request),
            body=None,
            wall_ns=self.wall_ns(),
        )
        try:
            self.limits.route(name, self.world.now_ns)
            self._authenticate(call, request, route, body)
            call.body = _decode(body)
            call.hidden = self._unseen(route)
        except Refusal as refusal:
            return refusal_reply(refusal)
        return answer(call, route)

    def wall_ns(self) -> int:
        """Return the time that signatures are checked by."""
        return self.clock.wall_ns() + self._skew[0]

    def _authenticate(self, call: Call, request: web.Request, route: Route, body: str) -> None:
        if route.auth == "l1":
            call.login = auth.check_login(self.world, request.headers, call.wall_ns)
        elif route.auth == "l2":
            call.key = auth.check_request(
                self.world, request.headers, route.method, request.path, body, call.wall_ns
            )

    def _begin(self, faults: tuple[Fault, ...]) -> None:
        """Start and count down what lasts for several requests: skew and pauses."""
        skew, left = self._skew
        self._skew = (skew, left - 1) if left > 1 else (0, 0)
        fault = find(faults, "clock_skew")
        if fault is not None:
            self._skew = (fault.number("ms", 30_000) * NS_PER_MS, fault.number("requests", 3))
        if self._pause_left:
            self._pause_left -= 1
            if not self._pause_left:
                self.world.mode = "open"
        fault = find(faults, "pause")
        if fault is not None:
            self.world.mode = (
                "disabled" if fault.text("scope_of", "trading") == "exchange" else "cancel_only"
            )
            self._pause_left = fault.number("requests", 5)

    def _hide(self, reply: Reply, fault: Fault | None) -> None:
        reads = fault.number("requests", 3) if fault is not None else 0
        rows = reply.body if isinstance(reply.body, list) else [reply.body]
        for row in rows:
            if isinstance(row, dict) and row.get("orderID"):
                for unseen in (row["orderID"], *row.get("tradeIDs", ())):
                    self._hidden[unseen] = reads

    def _unseen(self, route: Route) -> frozenset[str]:
        """Return what reads do not show yet, counting this read."""
        if route.method != "GET" or not route.path.startswith("/data/") or not self._hidden:
            return frozenset()
        unseen = frozenset(self._hidden)
        self._hidden = {item: left - 1 for item, left in self._hidden.items() if left > 1}
        return unseen

    def _record(
        self,
        request: web.Request,
        name: str,
        account: str,
        body: str,
        reply: Reply | None,
        faults: tuple[Fault, ...],
    ) -> None:
        key = self.world.keys.get(account)
        nonce = request.headers.get("POLY_NONCE", "")
        self.log.append(
            now_ns=self.world.now_ns,
            kind="rest",
            route=name,
            subject=key.address if key is not None else request.headers.get("POLY_ADDRESS", ""),
            request={
                "path": dict(request.match_info),
                "query": _query(request),
                "body": _loads(body),
                "nonce": nonce,
                "ahead_ns": self.world.ahead_ns,
            },
            status=reply.status if reply is not None else 0,
            reply=reply.body if reply is not None else None,
            faults=[fault.kind for fault in faults],
        )

    async def _answer(
        self,
        request: web.Request,
        reply: Reply | None,
        faults: tuple[Fault, ...],
        account: str,
        ordinal: int,
    ) -> web.StreamResponse:
        """Send events and reply in the order drawn for this request."""
        hang = find(faults, "timeout_before_accept", "accept_then_timeout")
        if reply is None or find(faults, "reset"):
            self._flush()
            if request.transport is not None:
                request.transport.abort()
            return web.Response(status=502)
        if hang is not None:
            self._flush()
            await self.stopping.wait()
            return web.Response(status=504)
        after = find(faults, "accept_then_5xx")
        if after is not None:
            message = after.text("code", "Internal server error")
            reply = Reply(after.number("status", 503), {"error": message}, {})
        grown = find(faults, "unknown_fields")
        if grown is not None and reply.kind == "application/json":
            body = add_unknown_fields(reply.body, grown.ordinal)
            reply = Reply(reply.status, body, reply.headers)
        late = find(faults, "late_reply")
        if late is not None:
            self._flush()
            await self._late(account, late.number("messages", 1))
        response = web.Response(
            status=reply.status,
            text=reply.text(),
            headers=dict(reply.headers),
            content_type=reply.kind,
        )
        choice = str(self.world.switches["reply_order"])
        if not replies_first(choice, self.world.seed, ordinal):
            self._flush()
            return response
        await response.prepare(request)
        await response.write_eof()
        self._flush()
        return response

    async def _late(self, account: str, messages: int) -> None:
        waiter = asyncio.ensure_future(self.hub.wait_messages(account, messages))
        stop = asyncio.ensure_future(self.stopping.wait())
        _, rest = await asyncio.wait({waiter, stop}, return_when=asyncio.FIRST_COMPLETED)
        for task in rest:
            task.cancel()

    def _flush(self) -> None:
        self.hub.deliver(self.world.drain())


def replies_first(choice: str, seed: int, ordinal: int) -> bool:
    """Return whether a request's reply goes out before its events (``random``: drawn for it)."""
    if choice == "random":
        return draw(seed, "polymarket", "reply", ordinal) % 2 == 0
    return choice == "reply_first"


def answer(call: Call, route: Route) -> Reply:
    """Run a route's handler and turn what it gives or refuses into a reply."""
    try:
        value = route.handle(call)
    except Refusal as refusal:
        return refusal_reply(refusal)
    if isinstance(value, Answer):
        return Reply(value.status, value.body, call.headers, value.kind)
    return Reply(200, value, call.headers)


def _query(request: web.Request) -> dict[str, list[str]]:
    return {key: request.query.getall(key) for key in request.query}


def _decode(body: str) -> Json:
    try:
        return json.loads(body) if body else None
    except (json.JSONDecodeError, RecursionError) as error:
        raise Refusal(400, "Invalid payload") from error


def _loads(body: str) -> Json:
    try:
        return json.loads(body) if body else None
    except (json.JSONDecodeError, RecursionError):
        return body[:2000]


def refusal_reply(refusal: Refusal) -> Reply:
    """Turn a refusal into a reply; the venue rewrites the status by the words of the text."""
    extra = dict(refusal.extra)
    headers = dict(extra.pop("headers", {}))
    wait = extra.pop("retry_after", None)
    if wait is not None:
        headers["Retry-After"] = str(wait)
    html = extra.pop("html", None)
    if html is not None:
        return Reply(refusal.status, html, headers, "text/html")
    body = extra.pop("body", None) or {"error": refusal.message, **extra}
    return Reply(refusal.status, body, headers)


def _refuse(fault: Fault) -> Reply:
    if fault.kind == "rate_limit":
        headers = {"Retry-After": str(fault.number("retry_after", 1))}
        if fault.flag("html"):
            return Reply(429, _TOO_MANY_HTML, headers, "text/html")
        return Reply(429, {"error": "Too Many Requests"}, headers)
    if fault.kind == "timeout_before_accept":
        return Reply(504, {}, {})
    default = 400 if fault.kind == "reject" else 503
    message = fault.text("code", "Invalid order payload" if default == 400 else "")
    html = fault.text("html")
    if html:
        return Reply(fault.number("status", default), html, {}, "text/html")
    body = fault.params.get("body", {"error": message or "Internal server error"})
    return Reply(fault.number("status", default), body, {})
