"""Starts the simulated venues that exist, writes the ready file, stops them cleanly."""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import shutil
import signal
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from aiohttp import web

from simulators.admin import Admin
from simulators.clock import NS_PER_MS, Clock, RealClock, VirtualClock
from simulators.market import BackgroundMarket
from simulators.scenario import load_scenario
from simulators.venue import LaunchContext, SimulatedVenue

VENUES = ("kalshi", "polymarket")


@dataclass(frozen=True, slots=True)
class LaunchConfig:
    """What to start.

    Attributes
    ----------
    venues
        Names; empty means every venue that exists.
    virtual_start_ns
        Start of a virtual clock, or 0 for real time.
    step_ms
        Pause between two steps of the background market in real time.
    state
        Folder for keys and logs; None makes a temporary one that is removed at the end.

    """

    venues: tuple[str, ...] = ()
    seed: int = 7
    scenario: str = "default"
    host: str = "127.0.0.1"
    admin_port: int = 0
    virtual_start_ns: int = 0
    step_ms: int = 200
    state: Path | None = None
    ready: Path | None = None
    options: dict[str, dict[str, Any]] = field(default_factory=dict)
    switches: dict[str, dict[str, Any]] = field(default_factory=dict)
    faults: dict[str, list[dict[str, Any]]] = field(default_factory=dict)


class Launcher:
    """One run: ``async with Launcher(config) as run: run.ready``.

    Attributes
    ----------
    ready
        The content of the ready file: ``admin`` and one part for each venue.
    venues
        The running venues by name.

    """

    def __init__(self, config: LaunchConfig) -> None:
        self.config = config
        self.venues: dict[str, SimulatedVenue] = {}
        self.ready: dict[str, Any] = {}
        self.clock: Clock = (
            VirtualClock(config.virtual_start_ns) if config.virtual_start_ns else RealClock()
        )
        self.market: BackgroundMarket | None = None
        self._runner: web.AppRunner | None = None
        self._pump: asyncio.Task[None] | None = None
        self._temporary: Path | None = None

    async def __aenter__(self) -> Launcher:
        try:
            await self._start()
        except BaseException:
            await self.stop()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def _start(self) -> None:
        config = self.config
        scenario = load_scenario(config.scenario, self.clock.now_ns())
        state = self._state_folder()
        for name, module in discover(config.venues):
            context = LaunchContext(
                seed=config.seed,
                scenario=scenario,
                clock=self.clock,
                host=config.host,
                state=state,
                options=config.options.get(name, {}),
                switches=config.switches.get(name, {}),
                faults=config.faults.get(name, []),
            )
            self.venues[name] = module.create_venue(context)
        parts = {name: await venue.start() for name, venue in self.venues.items()}
        ports = {name: venue.market_port() for name, venue in self.venues.items()}
        self.market = BackgroundMarket(config.seed, ports)
        self.market.running = bool(scenario.options.get("flow", True))
        if self.market.running:
            self.market.step(self.clock.now_ns())
        admin = Admin(self.venues, self.clock, self.market)
        self.ready = {"admin": await self._listen(admin.app()), **parts}
        self._pump = asyncio.create_task(self._run(admin), name="simulators-pump")
        if config.ready is not None:
            write_ready(config.ready, self.ready)

    async def until(self, stop: asyncio.Event) -> None:
        """Wait for ``stop``; raise what ended the passing of time if that comes first."""
        assert self._pump is not None
        waiting = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait({waiting, self._pump}, return_when=asyncio.FIRST_COMPLETED)
            if self._pump.done():
                await self._pump
        finally:
            waiting.cancel()

    async def stop(self) -> None:
        """Stop in the reverse order of starting; safe to call twice.

        What ended the passing of time before its end, if anything did, is raised when all is
        closed.
        """
        failure = await self._stop_pump()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
        for venue in reversed(self.venues.values()):
            await venue.stop()
        self.venues.clear()
        if self._temporary is not None:
            shutil.rmtree(self._temporary, ignore_errors=True)
            self._temporary = None
        if failure is not None:
            raise failure

    async def _stop_pump(self) -> BaseException | None:
        if self._pump is None:
            return None
        self._pump.cancel()
        (result,) = await asyncio.gather(self._pump, return_exceptions=True)
        self._pump = None
        return None if isinstance(result, asyncio.CancelledError) else result

    def _state_folder(self) -> Path:
        if self.config.state is not None:
            self.config.state.mkdir(mode=0o700, parents=True, exist_ok=True)
            return self.config.state
        self._temporary = Path(tempfile.mkdtemp(prefix="twinbook-simulators-"))
        return self._temporary

    async def _listen(self, app: web.Application) -> str:
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self.config.host, self.config.admin_port)
        await site.start()
        port = self._runner.addresses[0][1]
        return f"http://{self.config.host}:{port}"

    async def _run(self, admin: Admin) -> None:
        """Let real time pass: timers, background market, playback. Virtual time waits for admin."""
        assert self.market is not None
        elapsed_ms, beat_ms = 0, 20
        while True:
            await asyncio.sleep(beat_ms / 1000)
            if self.clock.kind != "real":
                continue
            now_ns = self.clock.now_ns()
            for venue in self.venues.values():
                venue.tick(now_ns)
            elapsed_ms += beat_ms
            if elapsed_ms >= self.config.step_ms:
                elapsed_ms = 0
                if self.market.running:
                    self.market.step(now_ns)
            admin.play(now_ns)


def discover(names: Sequence[str] = ()) -> list[tuple[str, ModuleType]]:
    """Return the venue packages to run, as (name, module).

    Raises
    ------
    ValueError
        A venue was asked for by name and does not exist.

    """
    found: list[tuple[str, ModuleType]] = []
    for name in names or VENUES:
        if name not in VENUES:
            raise ValueError(f"venue {name!r} is unknown: choose one of {', '.join(VENUES)}")
        module = _load(name)
        if module is not None:
            found.append((name, module))
        elif names:
            raise ValueError(f"venue {name!r} does not exist yet")
    return found


def _load(name: str) -> ModuleType | None:
    package = f"simulators.{name}"
    try:
        module = importlib.import_module(package)
    except ModuleNotFoundError as error:
        if error.name == package:
            return None
        raise
    return module if hasattr(module, "create_venue") else None


def write_ready(path: Path, ready: dict[str, Any]) -> None:
    """Write the ready file in one move: a reader sees nothing or all of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=path.name, dir=path.parent)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(ready, file, indent=2)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())
    Path(name).replace(path)


async def serve(config: LaunchConfig) -> None:
    """Run until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    async with Launcher(config) as run:
        if config.ready is None:
            print(json.dumps(run.ready, indent=2), flush=True)  # noqa: T201 - this is the command's output
        await run.until(stop)


def now_ns_of_start(virtual: bool) -> int:
    """Return the start of a virtual clock (the current second), or 0 for real time."""
    now_ns = RealClock().now_ns()
    return now_ns - now_ns % (1000 * NS_PER_MS) if virtual else 0
