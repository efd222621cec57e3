"""The venue as the launcher runs it: four listeners, one world."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from aiohttp import web

from simulators.clock import NS_PER_S
from simulators.faults import FaultPlan
from simulators.log import RequestLog
from simulators.polymarket import data, gamma, operations, private, public
from simulators.polymarket.adminweb import AdminWeb
from simulators.polymarket.catalogue import Listed, build, open_accounts
from simulators.polymarket.chain import Chain
from simulators.polymarket.hub import Hub
from simulators.polymarket.model import Market
from simulators.polymarket.operator import Operator, account_json, noise
from simulators.polymarket.routes import Call, Route
from simulators.polymarket.shell import Shell
from simulators.polymarket.sockets import MarketSession, Session, SportsSession, UserSession
from simulators.polymarket.units import ONE, units
from simulators.polymarket.world import World
from simulators.venue import LaunchContext, Levels, MarketRef
from simulators.wire import Json

_OPTIONS = ("cash", "log", "ports", "tier")
_PING_NS = 5 * NS_PER_S
_NOISE_NS = 2 * NS_PER_S


class PolymarketVenue:
    """Order book, catalogue, data and chain on loopback.

    Options: ``cash`` (pUSD of each account, 10000), ``log`` (file of the request log),
    ``tier`` (rate tier), ``ports`` ("clob,gamma,data,site", 0 = free).
    """

    name = "polymarket"

    def __init__(self, context: LaunchContext) -> None:
        unknown = sorted(set(context.options) - set(_OPTIONS))
        if unknown:
            raise ValueError(f"polymarket option {unknown[0]!r}, allowed {list(_OPTIONS)}")
        options = context.options
        self.clock = context.clock
        self.host = context.host
        self.ports = _ports(str(options.get("ports", "0,0,0,0")))
        self.world = World(context.seed, context.clock.now_ns(), context.switches)
        self.switches = self.world.switches
        if "tier" in options:
            self.switches.update({"rate_tier": options["tier"]})
        self.world.hazards = context.scenario.hazards
        self.listed = build(self.world, context.scenario.on("polymarket"))
        operations.schedule_games(self.world)
        self.accounts = open_accounts(self.world, _cash(options.get("cash", 10_000)))
        self.faults = FaultPlan(context.seed, context.faults)
        path = options.get("log")
        self.log = RequestLog(self.name, Path(str(path)) if path else None)
        self.log.header(
            seed=context.seed,
            scenario=context.scenario.name,
            start_ns=self.world.now_ns,
            scenario_ns=context.scenario.start_ns,
            switches=self.switches.values(),
            options={name: options[name] for name in options if name != "log"},
        )
        self.hub = Hub(self.world, self.faults, self.log, self._catch_up)
        self.shell = Shell(self.world, self.clock, self.faults, self.log, self.hub, self._catch_up)
        self.chain = Chain(self.world)
        self.operator = Operator(self.world)
        self._runners: list[web.AppRunner] = []
        self._pinged_ns = self._noised_ns = self.world.now_ns
        self.ready: dict[str, Any] = {}

    async def start(self) -> dict[str, Any]:
        """Listen on four ports and return the ready file's part."""
        clob, gamma_app, data_app, site = (web.Application() for _ in range(4))
        self.shell.mount(clob, (*public.ROUTES, *private.ROUTES))
        self.shell.mount(gamma_app, gamma.ROUTES, "gamma/")
        self.shell.mount(data_app, data.ROUTES, "data/")
        self.shell.mount(site, (Route("GET", "/api/geoblock", _geoblock), *self.chain.routes()),
                         "site/")  # fmt: skip
        clob.router.add_get("/ws/market", self._market_socket)
        clob.router.add_get("/ws/user", self._user_socket)
        site.router.add_get("/ws", self._sports_socket)
        urls = [
            await self._listen(app, port)
            for app, port in zip((clob, gamma_app, data_app, site), self.ports, strict=True)
        ]
        sockets = urls[0].replace("http", "ws", 1)
        tradable = [item.market for item in self.listed if self.world.on_clob(item.market)]
        self.ready = {
            "clob": urls[0],
            "gamma": urls[1],
            "data": urls[2],
            "ws_market": f"{sockets}/ws/market",
            "ws_user": f"{sockets}/ws/user",
            "chain_id": self.world.chain_id,
            "accounts": [account_json(self.world, account) for account in self.accounts],
            "tokens": [token for market in tradable for token in market.tokens],
            "ws_sports": urls[3].replace("http", "ws", 1) + "/ws",
            "geoblock": f"{urls[3]}/api/geoblock",
            "rpc": f"{urls[3]}/rpc",
            "relayer": urls[3],
        }
        return self.ready

    async def stop(self) -> None:
        """Close every socket, let hanging requests go, end every task."""
        self.shell.stopping.set()
        await self.hub.close()
        for runner in self._runners:
            await runner.cleanup()
        self._runners.clear()
        self.log.close()

    def admin_app(self) -> web.Application:
        """Return the operator's routes."""
        return AdminWeb(self.operator, self.hub, self.log, self._catch_up).app()

    def market_port(self) -> MarketBooks:
        """Return the books for the background market."""
        return MarketBooks(self)

    def tick(self, now_ns: int) -> None:
        """Run what is due and send what it caused."""
        self.world.run(now_ns)
        if now_ns - self._pinged_ns >= _PING_NS:
            self._pinged_ns = now_ns
            self.hub.ping_sports()
            operations.repeat_games(self.world)
            self.hub.close_silent()
        if now_ns - self._noised_ns >= _NOISE_NS:
            self._noised_ns = now_ns
            noise(self.world)
        self.hub.deliver(self.world.drain())

    def record(self, route: str, request: dict[str, Any]) -> None:
        """Log what the background market does."""
        self.log.append(now_ns=self.world.now_ns, kind="tick", route=route, request=request)

    def _catch_up(self) -> None:
        self.tick(self.clock.now_ns())

    async def _listen(self, app: web.Application, port: int) -> str:
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1, handler_cancellation=True)
        await runner.setup()
        self._runners.append(runner)
        await web.TCPSite(runner, self.host, port).start()
        return f"http://{self.host}:{runner.addresses[0][1]}"

    async def _market_socket(self, request: web.Request) -> web.StreamResponse:
        return await self._socket(request, "market", MarketSession(self.world))

    async def _user_socket(self, request: web.Request) -> web.StreamResponse:
        return await self._socket(request, "user", UserSession(self.world))

    async def _sports_socket(self, request: web.Request) -> web.StreamResponse:
        return await self._socket(request, "sports", SportsSession(self.world))

    async def _socket(
        self, request: web.Request, channel: str, session: Session
    ) -> web.StreamResponse:
        return await self.hub.serve(request, channel, session)


class MarketBooks:
    """The venue's books as the background market sees them."""

    def __init__(self, venue: PolymarketVenue) -> None:
        self._venue = venue
        self._by_key: dict[str, Listed] = {item.market.tokens[0]: item for item in venue.listed}

    def markets(self) -> Sequence[MarketRef]:
        """Return the markets that trade now."""
        world = self._venue.world
        return [
            MarketRef(key, item.outcome, item.fair, Decimal("0.01"), _rate(item.market))
            for key, item in self._by_key.items()
            if item.market.accepting and not item.market.closed and world.on_clob(item.market)
        ]

    def quote(self, key: str, bids: Levels, asks: Levels, now_ns: int) -> None:
        """Make the crowd's resting orders equal these levels."""
        venue = self._venue
        venue.world.run(now_ns)
        market = self._by_key[key].market
        below, above = _scaled(market, bids), _scaled(market, asks)
        venue.record("quote", {"token": key, "bids": below, "asks": above})
        operations.quote(venue.world, market, below, above)
        venue.hub.deliver(venue.world.drain())

    def take(self, key: str, side: str, price: Decimal, size: Decimal, now_ns: int) -> None:
        """Send one immediate order of the crowd."""
        venue = self._venue
        venue.world.run(now_ns)
        market = self._by_key[key].market
        row = {"token": key, "buy": side == "bid", "price": units(price), "size": units(size)}
        venue.record("take", row)
        operations.take(venue.world, market, side == "bid", units(price), units(size))
        venue.hub.deliver(venue.world.drain())


def _rate(market: Market) -> Decimal:
    return Decimal(market.fees.rate_ppm if market.fees is not None else 0) / ONE


def _scaled(market: Market, levels: Levels) -> list[tuple[int, int]]:
    """Return levels in base units, those off the market's tick left out."""
    scaled = [(units(price), units(size)) for price, size in levels]
    return [(price, size) for price, size in scaled if price % market.tick == 0 and 0 < price < ONE]


def _geoblock(call: Call) -> Json:
    blocked = call.world.blocked_region
    return {
        "blocked": blocked,
        "ip": "127.0.0.1",
        "country": "US" if blocked else "PT",
        "region": "NY" if blocked else "11",
    }


def _cash(value: Json) -> int:
    try:
        cash = units(value)
    except ValueError as error:
        raise ValueError(f"polymarket option cash: {error}") from error
    if cash < 0:
        raise ValueError(f"polymarket option cash is {value}, allowed is >= 0")
    return cash


def _ports(value: str) -> tuple[int, ...]:
    parts = value.split(",")
    if len(parts) != 4 or not all(part.strip().isdecimal() for part in parts):
        raise ValueError(f"polymarket option ports is {value!r}: expected clob,gamma,data,site")
    return tuple(int(part) for part in parts)
