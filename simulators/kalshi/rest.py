"""What a REST handler gets and gives, and the checks that all of them share."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from simulators.kalshi.auth import ApiKey, KeyRing
from simulators.kalshi.candles import CandleStore
from simulators.kalshi.errors import bad_parameter, nested
from simulators.kalshi.exchange import Exchange
from simulators.kalshi.limits import Limits
from simulators.kalshi.model import Account
from simulators.kalshi.state import State
from simulators.wire import Json

UNDECODABLE = object()


@dataclass(slots=True)
class Core:
    """The parts of the venue that handlers use."""

    state: State
    exchange: Exchange
    candles: CandleStore
    keys: KeyRing
    limits: Limits


@dataclass(frozen=True, slots=True)
class Request:
    """One request after authentication.

    ``path`` holds the values of the template, ``query`` every value of each key, ``body`` the
    decoded JSON, None if empty, or `UNDECODABLE`.
    """

    operation: str
    path: Mapping[str, str]
    query: Mapping[str, Sequence[str]]
    body: Json = None
    key: ApiKey | None = None
    account: Account | None = None

    def text(self, name: str) -> str:
        """Return a query value, or ``""``."""
        values = self.query.get(name)
        return values[0] if values else ""

    def listed(self, name: str) -> list[str]:
        """Return comma-separated or repeated query values."""
        return [part for v in self.query.get(name, ()) for part in v.split(",") if part]

    def integer(self, name: str) -> int | None:
        """Return an integer query value, or None if absent; refuse anything else."""
        text = self.text(name)
        if not text:
            return None
        digits = text[1:] if text[:1] == "-" else text
        if not digits.isascii() or not digits.isdigit() or len(digits) > 18:
            raise bad_parameter(self.operation, camel(name), "number")
        return int(text)

    def flag(self, name: str) -> bool | None:
        """Return a boolean query value, or None if absent; refuse anything else."""
        text = self.text(name).lower()
        if not text:
            return None
        if text not in ("true", "false", "1", "0"):
            raise bad_parameter(self.operation, camel(name), "boolean")
        return text in ("true", "1")

    def one_of(self, name: str, allowed: Sequence[str]) -> str:
        """Return a query value of a fixed set, or ``""``; refuse anything else."""
        text = self.text(name)
        if text and text not in allowed:
            raise bad_parameter(self.operation, camel(name), "oneof")
        return text

    def limit(self, default: int, most: int) -> int:
        """Return the page size; above ``most`` is refused, not cut."""
        value = self.integer("limit")
        if value is None or value == 0:
            return default
        if value < 0:
            raise bad_parameter(self.operation, "Limit", "gte")
        if value > most:
            raise bad_parameter(self.operation, "Limit", "lte")
        return value

    @property
    def member(self) -> Account:
        """Return the account of an authenticated request."""
        assert self.account is not None
        return self.account

    def subaccount(self, default: int | None) -> int | None:
        """Return the subaccount a request concerns; a locked key sees its own alone."""
        value = self.integer("subaccount")
        return locked_subaccount(self.key, value, default)


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer: status and JSON body (None = no body)."""

    status: int
    body: Json = None


@dataclass(frozen=True, slots=True)
class Route:
    """One endpoint."""

    method: str
    template: str
    operation: str
    handler: Callable[[Core, Request], Reply]
    auth: bool = False
    write: bool = False
    scope: str = "read"
    parts: tuple[str, ...] = field(init=False, default=())

    def __post_init__(self) -> None:
        object.__setattr__(self, "parts", tuple(self.template.strip("/").split("/")))

    @property
    def name(self) -> str:
        """Return ``"METHOD /template"``: the name in logs, faults and costs."""
        return f"{self.method} {self.template}"


def ok(body: Json) -> Reply:
    """Return 200 with a body."""
    return Reply(200, body)


def camel(name: str) -> str:
    """Return a query key as the venue's error texts spell it."""
    return "".join(part.capitalize() for part in name.split("_"))


def locked_subaccount(key: ApiKey | None, asked: int | None, default: int | None) -> int | None:
    """Return the subaccount in force: a restricted key may name its own only."""
    if key is None or key.subaccount is None:
        return default if asked is None else asked
    if asked is not None and asked != key.subaccount:
        raise nested(403, "forbidden", details="this API key is restricted to a single sub-account")
    return key.subaccount


def page(
    rows: Sequence[tuple[int, Any]], limit: int, cursor: str, operation: str
) -> tuple[list[Any], str]:
    """Return one page and the cursor of the next (``""`` on the last).

    Rows carry a rising key. A malformed cursor silently gives the first page, as the venue does.
    """
    after = _decoded(cursor, operation)
    start = 0
    if after is not None:
        start = next((i for i, (key, _) in enumerate(rows) if key > after), len(rows))
    chosen = rows[start : start + limit]
    more = start + limit < len(rows)
    return [row for _, row in chosen], _encoded(chosen[-1][0], operation) if more else ""


def _encoded(key: int, operation: str) -> str:
    return base64.urlsafe_b64encode(f"{operation}|{key}".encode()).decode().rstrip("=")


def _decoded(cursor: str, operation: str) -> int | None:
    if not cursor:
        return None
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
        name, _, key = text.partition("|")
        return int(key) if name == operation else None
    except (ValueError, binascii.Error):
        return None
