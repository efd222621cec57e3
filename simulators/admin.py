"""The operator's interface: its own port, never a venue's. Tests and demos steer venues with it.

Routes common to all venues live here; each venue's own are mounted under ``/<venue>``. Every
answer is JSON; a mistake is 400 with ``{"error": "<what, found, allowed>"}``.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from aiohttp import web

from simulators.clock import NS_PER_MS, NS_PER_S, Clock
from simulators.market import BackgroundMarket, Playback
from simulators.venue import SimulatedVenue
from simulators.wire import Json

type Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Admin:
    """Common admin routes over the venues of one run."""

    def __init__(
        self, venues: Mapping[str, SimulatedVenue], clock: Clock, market: BackgroundMarket
    ) -> None:
        self._venues = dict(venues)
        self._clock = clock
        self._market = market
        self.playbacks: list[Playback] = []

    def app(self) -> web.Application:
        """Return the application, with each venue's routes mounted under its name."""
        app = web.Application(middlewares=[explain_mistakes])
        add = app.router.add_route
        add("GET", "/health", self._health)
        add("GET", "/faults", self._faults)
        add("POST", "/faults", self._add_faults)
        add("DELETE", "/faults", self._drop_faults)
        add("GET", "/switches", self._switches)
        add("PATCH", "/switches", self._set_switches)
        add("GET", "/log", self._log)
        add("GET", "/clock", self._time)
        add("POST", "/clock/advance", self._advance)
        add("POST", "/clock/skew", self._skew)
        add("GET", "/market", self._flow)
        add("POST", "/market", self._set_flow)
        add("POST", "/market/playback", self._play)
        for name, venue in self._venues.items():
            app.add_subapp(f"/{name}", venue.admin_app())
        return app

    def play(self, now_ns: int) -> None:
        """Play the rows of every session that are due; a session with a bad row ends there."""
        for playback in [p for p in self.playbacks if not p.finished]:
            try:
                playback.advance(now_ns)
            except ValueError as error:
                playback.fail(str(error))

    def _venue(self, name: str) -> SimulatedVenue:
        if name not in self._venues:
            raise ValueError(f"venue is {name!r}, running are {sorted(self._venues)}")
        return self._venues[name]

    def _named(self, request: web.Request) -> list[SimulatedVenue]:
        name = request.query.get("venue", "")
        return [self._venue(name)] if name else list(self._venues.values())

    def _note(self, venue: SimulatedVenue, route: str, request: Json) -> None:
        """Log a change of plan, so that a replay changes the same thing at the same point."""
        now_ns = self._clock.now_ns()
        venue.log.append(now_ns=now_ns, kind="plan", route=route, request=request)

    async def _health(self, _: web.Request) -> web.Response:
        return web.json_response({"venues": sorted(self._venues), "now_ns": self._clock.now_ns()})

    async def _faults(self, request: web.Request) -> web.Response:
        return web.json_response({v.name: v.faults.rules() for v in self._named(request)})

    async def _add_faults(self, request: web.Request) -> web.Response:
        body = await json_object(request)
        venue = self._venue(str(body.get("venue", "")))
        rules = body.get("rules")
        if not isinstance(rules, list) or not all(isinstance(rule, dict) for rule in rules):
            raise ValueError(f"rules is {rules!r}, expected a list of objects")
        added = venue.faults.extend(rules)
        self._note(venue, "add", rules)
        return web.json_response({"rules": [rule.to_json() for rule in added]})

    async def _drop_faults(self, request: web.Request) -> web.Response:
        rule_id = request.query.get("id", "")
        for venue in self._named(request):
            if rule_id:
                venue.faults.remove(rule_id)
            else:
                venue.faults.clear()
            self._note(venue, "remove" if rule_id else "clear", rule_id)
        return web.json_response({v.name: v.faults.rules() for v in self._named(request)})

    async def _switches(self, request: web.Request) -> web.Response:
        return web.json_response({v.name: v.switches.describe() for v in self._named(request)})

    async def _set_switches(self, request: web.Request) -> web.Response:
        body = await json_object(request)
        for name, values in body.items():
            if not isinstance(values, dict):
                raise ValueError(f"{name} is {values!r}, expected an object of switches")
            self._venue(name).switches.checked(values)
        for name, values in body.items():
            self._venue(name).switches.update(values)
            self._note(self._venue(name), "switches", values)
        return web.json_response({v.name: v.switches.values() for v in self._venues.values()})

    async def _log(self, request: web.Request) -> web.Response:
        after, limit = int(request.query.get("after", 0)), int(request.query.get("limit", 1000))
        kind = request.query.get("kind", "")
        return web.json_response(
            {
                v.name: [asdict(entry) for entry in v.log.entries(after, kind, limit)]
                for v in self._named(request)
            }
        )

    async def _time(self, _: web.Request | None = None) -> web.Response:
        return web.json_response(
            {
                "kind": self._clock.kind,
                "now_ns": self._clock.now_ns(),
                "wall_ns": self._clock.wall_ns(),
                "skew_ms": self._clock.skew_ns // NS_PER_MS,
            }
        )

    async def _advance(self, request: web.Request) -> web.Response:
        body = await json_object(request)
        units = {"ns": 1, "ms": NS_PER_MS, "seconds": NS_PER_S}
        unit = next((name for name in units if name in body), "")
        if not unit or not isinstance(body[unit], int):
            raise ValueError(f"expected one integer of {list(units)}, found {body!r}")
        now_ns = self._clock.advance(body[unit] * units[unit])
        for venue in self._venues.values():
            venue.tick(now_ns)
        self.play(now_ns)
        return web.json_response({"now_ns": now_ns})

    async def _skew(self, request: web.Request) -> web.Response:
        body = await json_object(request)
        if not isinstance(body.get("ms"), int):
            raise ValueError(f"expected an integer ms, found {body!r}")
        self._clock.skew_ns = body["ms"] * NS_PER_MS
        return await self._time()

    async def _flow(self, _: web.Request | None = None) -> web.Response:
        played = [
            {"played": p.played, "finished": p.finished, "error": p.error} for p in self.playbacks
        ]
        return web.json_response(
            {"running": self._market.running, "steps": self._market.steps, "playbacks": played}
        )

    async def _set_flow(self, request: web.Request) -> web.Response:
        body = await json_object(request)
        if "running" in body:
            self._market.running = bool(body["running"])
        steps = body.get("steps", 0)
        if not isinstance(steps, int) or not 0 <= steps <= 100_000:
            raise ValueError(f"steps is {steps!r}, allowed is 0 to 100000")
        for _ in range(steps):
            now_ns = self._clock.now_ns()
            self._market.step(now_ns)
            for venue in self._venues.values():
                venue.tick(now_ns)
        return await self._flow()

    async def _play(self, request: web.Request) -> web.Response:
        body = await json_object(request)
        venue = self._venue(str(body.get("venue", "")))
        path = existing_file(str(body.get("path", "")))
        markets = body.get("markets", {})
        if not isinstance(markets, dict):
            raise ValueError(f"markets is {markets!r}, expected an object of names")
        playback = Playback(
            venue.market_port(),
            path,
            self._clock.now_ns(),
            int(body.get("speed", 1)),
            str(body.get("recorded_venue", venue.name)),
            markets,
        )
        self.playbacks.append(playback)
        return await self._flow()


@web.middleware
async def explain_mistakes(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn a ValueError or KeyError of an admin handler into a 400 that says what is wrong."""
    try:
        return await handler(request)
    except (ValueError, TypeError, ArithmeticError) as error:
        return web.json_response({"error": str(error) or repr(error)}, status=400)
    except KeyError as error:
        return web.json_response({"error": f"missing or unknown: {error}"}, status=400)


def existing_file(name: str) -> Path:
    """Return the path of a file that exists.

    Raises
    ------
    ValueError
        There is no such file.

    """
    path = Path(name)
    if not path.is_file():
        raise ValueError(f"path is {name!r}: no such file")
    return path


async def json_object(request: web.Request) -> dict[str, Any]:
    """Return the request's JSON object.

    Raises
    ------
    ValueError
        The body is not a JSON object.

    """
    body = await request.json()
    if not isinstance(body, dict):
        raise ValueError(f"expected a JSON object, found {type(body).__name__}")
    return body
