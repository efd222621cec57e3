"""What a request is to a handler, and the table of handlers. Handlers are plain functions."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from simulators.polymarket.limits import Limits
from simulators.polymarket.model import Market, Refusal
from simulators.polymarket.world import ApiKey, World
from simulators.wire import Json


@dataclass(slots=True)
class Call:
    """One request.

    Attributes
    ----------
    query
        Every value of every parameter, in order.
    key
        The verified API key of a private call.
    login
        The verified (address, nonce) of a wallet login.
    headers
        Response headers that the handler adds to.
    hidden
        Order and trade ids that reads do not show yet (a fault).
    """

    world: World
    limits: Limits
    path: dict[str, str]
    query: Mapping[str, list[str]]
    body: Json
    key: ApiKey | None = None
    login: tuple[str, int] | None = None
    wall_ns: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    hidden: frozenset[str] = frozenset()

    @property
    def owner(self) -> ApiKey:
        """The verified API key; the table guarantees it for private routes."""
        if self.key is None:
            raise Refusal(401, "Unauthorized/Invalid api key")
        return self.key

    def one(self, name: str, default: str = "") -> str:
        """Return a parameter's first value."""
        values = self.query.get(name)
        return values[0] if values else default

    def many(self, name: str) -> list[str]:
        """Return all values of a repeated or comma-separated parameter."""
        return [part for value in self.query.get(name, []) for part in value.split(",") if part]

    def integer(self, name: str, default: int) -> int:
        """Return a parameter as an integer, or its default.

        Raises
        ------
        Refusal
            400 when it is not one.
        """
        value = self.one(name)
        if not value:
            return default
        if not value.lstrip("-").isdecimal():
            raise Refusal(400, f"invalid {name}: {value}")
        return int(value)

    def market(self, token: str) -> Market:
        """Return the market of a token on the order book.

        Raises
        ------
        Refusal
            400 for something that is no token id, 404 when no book exists.
        """
        if not token.isdecimal():
            raise Refusal(400, "Invalid token id")
        market = self.world.market_of(token)
        if market is None:
            raise Refusal(404, "No orderbook exists for the requested token id")
        return market


@dataclass(frozen=True, slots=True)
class Answer:
    """A reply that is not a plain 200 with JSON."""

    body: Json
    status: int = 200
    kind: str = "application/json"


type Handle = Callable[[Call], Json]


@dataclass(frozen=True, slots=True)
class Route:
    """One line of the table; `auth` is none, l1, l2 or any (l2 when headers are there)."""

    method: str
    path: str
    handle: Handle
    auth: str = "none"


def page(rows: list[dict[str, Any]], cursor: str, limit: int) -> dict[str, Any]:
    """Return one page of the order book's lists: cursors are base64 offsets, the end is LTE=.

    Raises
    ------
    Refusal
        400 for a cursor that is none.
    """
    try:
        start = int(base64.b64decode(cursor or "MA==", validate=True).decode())
    except (ValueError, binascii.Error) as error:
        raise Refusal(400, "invalid next_cursor") from error
    part = [] if start < 0 else rows[start : start + limit]
    end = start + limit
    more = start >= 0 and end < len(rows)
    after = base64.b64encode(str(end).encode()).decode() if more else "LTE="
    return {"limit": limit, "count": len(part), "next_cursor": after, "data": part}
