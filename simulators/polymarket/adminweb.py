"""The operator's actions over HTTP, mounted under ``/polymarket`` of the admin interface."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from simulators.admin import explain_mistakes, json_object
from simulators.log import RequestLog
from simulators.polymarket.hub import Hub
from simulators.polymarket.model import Refusal
from simulators.polymarket.operator import Operator

_CHANNELS = ("market", "user", "sports")


class AdminWeb:
    """The application of the operator's routes and of those about sockets."""

    def __init__(
        self, operator: Operator, hub: Hub, log: RequestLog, tick: Callable[[], None]
    ) -> None:
        self._operator = operator
        self._hub = hub
        self._log = log
        self._tick = tick

    def app(self) -> web.Application:
        """Return the application."""
        app = web.Application(middlewares=[explain_mistakes])
        for method, path, _ in self._operator.table():
            app.router.add_route(method, path, self._serve(f"{method} {path}"))
        app.router.add_post("/sockets/freeze", self._freeze)
        app.router.add_post("/sockets/drop", self._drop)
        app.router.add_get("/sockets", self._sockets)
        return app

    def _serve(self, name: str) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def run(request: web.Request) -> web.Response:
            body: dict[str, Any] = await json_object(request) if request.can_read_body else {}
            self._tick()
            world, path = self._operator.world, dict(request.match_info)
            if request.method != "GET":
                about = {"path": path, "body": body}
                self._log.append(now_ns=world.now_ns, kind="admin", route=name, request=about)
            try:
                answer = self._operator.apply(name, path, body)
            except Refusal as refusal:
                return web.json_response({"error": refusal.message}, status=refusal.status)
            except TypeError as error:
                raise ValueError(f"{name}: wrong or missing body ({error})") from error
            self._hub.deliver(world.drain())
            return web.json_response(answer)

        return run

    async def _freeze(self, request: web.Request) -> web.Response:
        """Stop (or resume) the frames of a channel; PONG goes on."""
        body = await json_object(request)
        channel = body.get("channel")
        if channel not in _CHANNELS:
            raise ValueError(f"channel is {channel!r}, allowed {list(_CHANNELS)}")
        change = self._hub.frozen.add if body.get("frozen", True) else self._hub.frozen.discard
        change(channel)
        return web.json_response({"frozen": sorted(self._hub.frozen)})

    async def _drop(self, request: web.Request) -> web.Response:
        """Cut the sockets of a channel (all without one), with no close frame."""
        body = await json_object(request)
        return web.json_response({"dropped": self._hub.drop(str(body.get("channel", "")))})

    async def _sockets(self, _: web.Request) -> web.Response:
        rows = [{"channel": s.channel, "account": s.session.account} for s in self._hub.sockets]
        return web.json_response(rows)
