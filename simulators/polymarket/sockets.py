"""What the streams say to each socket: subscriptions and the rules of their frames. No I/O.

A session takes text frames in and gives text frames out; the hub owns the real sockets.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from simulators.polymarket.auth import check_socket
from simulators.polymarket.frames import initial_book
from simulators.polymarket.model import Emission
from simulators.polymarket.world import ApiKey, World

PONG = "PONG"
INVALID = "INVALID OPERATION"
NO_NEW = "NO NEW ASSETS"
CLOSE = "\0close"
"""Not a frame: the session asks for its socket to be closed."""


def dumps(value: object) -> str:
    """Return compact JSON as the venue sends it."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _object(frame: str) -> dict[str, Any] | None:
    try:
        value = json.loads(frame)
    except json.JSONDecodeError:
        return None
    return value if isinstance(value, dict) else None


@dataclass(slots=True)
class MarketSession:
    """One socket of ``/ws/market``."""

    world: World
    tokens: set[str] = field(default_factory=set)
    custom: bool = False
    opened: bool = False
    account: str = ""

    def receive(self, frame: str) -> list[str]:
        """Take one text frame and return the answers."""
        if frame == "PING":
            return [PONG]
        message = _object(frame)
        if message is None:
            return [INVALID]
        operation = message.get("operation")
        if operation is None and str(message.get("type", "")).lower() == "market":
            if self.opened:
                return [INVALID]
            self.opened = True
            return self._subscribe(message, first=True)
        if not self.opened or operation not in ("subscribe", "unsubscribe"):
            return [INVALID]
        if operation == "unsubscribe":
            self.tokens.difference_update(self._assets(message))
            return []
        return self._subscribe(message, first=False)

    def _assets(self, message: dict[str, Any]) -> list[str]:
        assets = message.get("assets_ids")
        return [str(item) for item in assets] if isinstance(assets, list) else []

    def _subscribe(self, message: dict[str, Any], *, first: bool) -> list[str]:
        """Add assets; their books come as one array. The custom flag applies before all checks."""
        if "custom_feature_enabled" in message:
            self.custom = message["custom_feature_enabled"] is True
        fresh = [a for a in dict.fromkeys(self._assets(message)) if a not in self.tokens]
        if not fresh and not first:
            return [NO_NEW]
        self.tokens.update(fresh)
        limit = self.world.switches.number("max_assets_per_socket")
        if limit and len(self.tokens) > limit:
            return []
        books = [
            initial_book(market, market.index(token))
            for token in fresh
            if (market := self.world.market_of(token)) is not None and not market.closed
        ]
        return [dumps(books) + "\n"] if books else []

    def wants(self, emission: Emission) -> bool:
        """Return whether an emission is for this socket."""
        if emission.topic != "market" or not self.opened or (emission.custom and not self.custom):
            return False
        return not emission.keys or any(token in self.tokens for token in emission.keys)

    def render(self, emission: Emission) -> str:
        """Return the frame of an emission."""
        payload = emission.payload
        only = self.world.switches["price_change_entries"] == "subscribed"
        if only and payload.get("event_type") == "price_change":
            kept = [c for c in payload["price_changes"] if c["asset_id"] in self.tokens]
            payload = {**payload, "price_changes": kept}
        return dumps(payload)


@dataclass(slots=True)
class UserSession:
    """One socket of ``/ws/user``; nothing is replayed to it."""

    world: World
    key: ApiKey | None = None
    markets: set[str] | None = None
    account: str = ""

    def receive(self, frame: str) -> list[str]:
        """Take one text frame and return the answers; wrong credentials close the socket."""
        if frame == "PING":
            return [PONG]
        message = _object(frame)
        if message is None:
            return [INVALID]
        if self.key is None:
            self.key = check_socket(self.world, message.get("auth"))
            if self.key is None or str(message.get("type", "")).lower() != "user":
                self.key = None
                return [CLOSE]
            self.account = self.key.key
            markets = _conditions(message)
            self.markets = set(markets) if markets else None
            return []
        operation = message.get("operation")
        if operation not in ("subscribe", "unsubscribe"):
            return [INVALID]
        self._change(operation, _conditions(message))
        return []

    def _change(self, operation: str, markets: list[str]) -> None:
        """Narrow or widen the filter; a socket on all markets is narrowed by the first one."""
        if operation == "subscribe":
            self.markets = (self.markets or set()) | set(markets)
        elif self.markets is not None:
            self.markets -= set(markets)
            self.markets = self.markets or None

    def wants(self, emission: Emission) -> bool:
        """Return whether an emission is for this socket."""
        if emission.topic != "user" or self.key is None:
            return False
        if self.key.address.lower() not in emission.keys:
            return False
        return self.markets is None or emission.market in self.markets

    def render(self, emission: Emission) -> str:
        """Return the frame of an emission."""
        return dumps(emission.payload)


@dataclass(slots=True)
class SportsSession:
    """One socket of the sports stream: every game at once, no subscription."""

    world: World
    account: str = ""

    def receive(self, frame: str) -> list[str]:
        """Take a frame: the answer to a ping, which needs no answer."""
        return ["pong"] if frame == "ping" else []

    def wants(self, emission: Emission) -> bool:
        """Return whether an emission is for this socket."""
        return emission.topic == "sports"

    def render(self, emission: Emission) -> str:
        """Return the frame of an emission."""
        return dumps(emission.payload)


type Session = MarketSession | UserSession | SportsSession


def _conditions(message: dict[str, Any]) -> list[str]:
    markets = message.get("markets")
    return [str(item).lower() for item in markets] if isinstance(markets, list) else []
