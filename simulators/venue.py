"""What the launcher asks of a simulated venue, and what it hands to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol

from aiohttp import web

from simulators.clock import Clock
from simulators.faults import FaultPlan
from simulators.log import RequestLog
from simulators.scenario import Scenario
from simulators.switches import Switches

type Levels = Sequence[tuple[Decimal, Decimal]]


@dataclass(frozen=True, slots=True)
class LaunchContext:
    """Everything a venue needs to start.

    Attributes
    ----------
    seed
        Seed of every draw.
    scenario
        Neutral events; the venue makes its own catalogue of them.
    clock
        Shared by all venues of the run.
    host
        Loopback address to listen on; ports are free ones unless the venue's options say more.
    state
        Folder for key files and logs; exists, private to the user.
    options
        Options of the command line that only this venue understands (``tier``, ``ports`` …).
    switches
        Initial switches.
    faults
        Initial fault rules.

    """

    seed: int
    scenario: Scenario
    clock: Clock
    host: str
    state: Path
    options: dict[str, Any]
    switches: dict[str, Any]
    faults: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class MarketRef:
    """One market as the background market sees it.

    Attributes
    ----------
    key
        The venue's own id of the market (Kalshi: ticker; Polymarket: token id of outcome 0).
    outcome
        ``"<event key>/<outcome key>"`` of the scenario: equal on both venues for the same
        outcome, so that their prices move together.
    fair
        Fair YES price at the start, dollars.
    step
        Coarsest price step that is valid everywhere in the book, dollars.
    fee_rate
        Taker fee as a share of P(1 − P), for makers that keep a distance.

    """

    key: str
    outcome: str
    fair: Decimal
    step: Decimal
    fee_rate: Decimal = Decimal("0.07")


class MarketPort(Protocol):
    """How the background market moves a venue's books. Prices and sizes are exact decimals."""

    def markets(self) -> Sequence[MarketRef]:
        """Return the markets that trade now."""
        ...

    def quote(self, key: str, bids: Levels, asks: Levels, now_ns: int) -> None:
        """Make the house's resting orders on a market equal these (price, size) levels."""
        ...

    def take(self, key: str, side: str, price: Decimal, size: Decimal, now_ns: int) -> None:
        """Send one immediate-or-cancel order of the crowd: side ``bid`` buys YES, ``ask`` sells."""
        ...


class SimulatedVenue(Protocol):
    """A venue that the launcher can run.

    A venue package offers ``create_venue(context: LaunchContext) -> SimulatedVenue``.
    """

    name: str
    switches: Switches
    faults: FaultPlan
    log: RequestLog

    async def start(self) -> dict[str, Any]:
        """Listen, and return the venue's part of the ready file."""
        ...

    async def stop(self) -> None:
        """Close every socket and end every task."""
        ...

    def admin_app(self) -> web.Application:
        """Return the routes mounted under ``/<name>`` of the admin interface."""
        ...

    def market_port(self) -> MarketPort:
        """Return the books for the background market."""
        ...

    def tick(self, now_ns: int) -> None:
        """Run every timer that is due at the exchange's time ``now_ns``."""
        ...
