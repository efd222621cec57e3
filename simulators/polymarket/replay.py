"""Run a log again: the same inputs at the same exchange times must give the same answers.

The log has no signatures, so the replayed world takes orders on trust; everything else is the
same code. Requests that a fault hit are repeated when the fault let them through, and not compared.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simulators.log import read_log, redact
from simulators.polymarket import data, gamma, operations, private, public
from simulators.polymarket.catalogue import build, open_accounts
from simulators.polymarket.chain import Chain
from simulators.polymarket.limits import Limits
from simulators.polymarket.model import Refusal
from simulators.polymarket.operator import Operator, account_json
from simulators.polymarket.routes import Call, Route
from simulators.polymarket.shell import answer
from simulators.polymarket.units import units
from simulators.polymarket.world import ApiKey, World
from simulators.scenario import load_scenario

_NOT_APPLIED = {"reject", "error_before_accept", "timeout_before_accept", "rate_limit"}


@dataclass(frozen=True, slots=True)
class Difference:
    """One answer that came out otherwise."""

    ordinal: int
    route: str
    logged: Any
    replayed: Any


def replay(path: Path) -> list[Difference]:
    """Return what differs between a log and its repetition; an empty list is the proof.

    Raises
    ------
    ValueError
        The file is no log of this venue.
    """
    header, rows = read_log(path)
    if header.get("venue") != "polymarket":
        raise ValueError(f"{path}: the log is of {header.get('venue')!r}, expected 'polymarket'")
    run = _Run(header)
    found: list[Difference] = []
    for row in rows:
        differs = run.step(row)
        if differs is not None:
            found.append(differs)
    return found


class _Run:
    def __init__(self, header: dict[str, Any]) -> None:
        options = header["options"]
        self.world = World(
            header["seed"],
            header["start_ns"],
            header["switches"],
            trusting=True,
        )
        scenario = load_scenario(header["scenario"], header["scenario_ns"])
        self.world.hazards = scenario.hazards
        build(self.world, scenario.on("polymarket"))
        operations.schedule_games(self.world)
        for account in open_accounts(self.world, units(options.get("cash", 10_000))):
            account_json(self.world, account)
        self.limits = Limits()
        chain = Chain(self.world)
        self.routes: dict[str, Route] = {}
        for prefix, table in (
            ("", (*public.ROUTES, *private.ROUTES)),
            ("gamma/", gamma.ROUTES),
            ("data/", data.ROUTES),
            ("site/", chain.routes()),
        ):
            for route in table:
                shown = route.path[1:] if prefix else route.path
                self.routes[f"{route.method} {prefix}{shown}"] = route
        self.operator = Operator(self.world)

    def step(self, row: dict[str, Any]) -> Difference | None:
        """Repeat one entry."""
        self.world.run(row["now_ns"])
        kind, request = row["kind"], row["request"]
        if kind == "tick":
            self._crowd(row["route"], request)
        elif kind == "admin":
            self._admin(row["route"], request)
        elif kind == "rest" and not _NOT_APPLIED & set(row["faults"]):
            return self._request(row)
        self.world.drain()
        return None

    def _crowd(self, route: str, request: dict[str, Any]) -> None:
        market = self.world.by_token[request["token"]]
        if route == "quote":
            bids, asks = ([tuple(level) for level in request[s]] for s in ("bids", "asks"))
            operations.quote(self.world, market, bids, asks)
        else:
            operations.take(self.world, market, request["buy"], request["price"], request["size"])

    def _admin(self, route: str, request: dict[str, Any]) -> None:
        try:
            self.operator.apply(route, request["path"], request["body"])
        except (Refusal, ValueError, KeyError, TypeError):
            return  # refused the first time, too

    def _request(self, row: dict[str, Any]) -> Difference | None:
        request, route = row["request"], self.routes.get(row["route"])
        self.world.ahead_ns = request["ahead_ns"]
        if route is None or row["status"] in (0, 401):
            return None
        call = Call(
            world=self.world,
            limits=self.limits,
            path=request["path"],
            query=request["query"],
            body=request["body"],
            key=self._key(row["subject"]) if route.auth == "l2" else None,
            login=(row["subject"], int(request["nonce"] or 0)) if route.auth == "l1" else None,
        )
        reply = answer(call, route)
        self.world.drain()
        if row["faults"] or route.path == "/time" or reply.status == 429:
            return None
        again = json.loads(json.dumps(redact(reply.body)))
        if again == row["reply"] and reply.status == row["status"]:
            return None
        return Difference(row["ordinal"], row["route"], row["reply"], again)

    def _key(self, address: str) -> ApiKey | None:
        for key in self.world.keys.values():
            if key.address == address:
                return key
        return None
