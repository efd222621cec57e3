"""From a method and a path to the answer: route, permission, tokens, handler."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from simulators.kalshi import (
    rest_catalogue,
    rest_exchange,
    rest_markets,
    rest_orders,
    rest_portfolio,
)
from simulators.kalshi.auth import ApiKey
from simulators.kalshi.errors import RefusalError, nested
from simulators.kalshi.limits import cost_of, write_buckets
from simulators.kalshi.rest import UNDECODABLE, Core, Reply, Request, Route
from simulators.wire import Json

PREFIX = "/trade-api/v2"
ROUTES: tuple[Route, ...] = (
    *rest_markets.ROUTES,
    *rest_catalogue.ROUTES,
    *rest_orders.ROUTES,
    *rest_portfolio.ROUTES,
    *rest_exchange.ROUTES,
)
# A key locked to one subaccount may trade and read its own data; the rest answers 403.
_OPEN_TO_LOCKED = (
    "/portfolio/events/orders",
    "/portfolio/orders",
    "/portfolio/order_groups",
    "/portfolio/balance",
    "/portfolio/positions",
    "/portfolio/fills",
    "/portfolio/settlements",
    "/historical/",
    "/account/limits",
)
_INTEGER = re.compile(r"-?\d{1,9}\Z", re.ASCII)
_LOCKED_TEXT = "this API key is restricted to a single sub-account and cannot access this endpoint"


@dataclass(frozen=True, slots=True)
class Found:
    """A route with the values of its template."""

    route: Route
    values: Mapping[str, str]


def find_route(method: str, path: str) -> Found | None:
    """Return the route of a path below ``/trade-api/v2``; literal parts win over templates."""
    parts = tuple(path.strip("/").split("/"))
    best: Found | None = None
    fewest = len(parts) + 1
    for route in ROUTES:
        if route.method != method or len(route.parts) != len(parts):
            continue
        values = _match(route.parts, parts)
        if values is not None and len(values) < fewest:
            best, fewest = Found(route, values), len(values)
    return best


def decode_body(raw: bytes) -> Json:
    """Return the JSON of a body, None if it is empty, `UNDECODABLE` if it is not JSON."""
    if not raw.strip():
        return None
    try:
        return json.loads(raw)
    except ValueError:
        return UNDECODABLE


def answer(
    core: Core,
    found: Found,
    query: Mapping[str, Sequence[str]],
    body: Json,
    key: ApiKey | None,
) -> Reply:
    """Answer one request at ``core.state.now_ns``; refusals become replies."""
    try:
        request = _admitted(core, found, query, body, key)
        return found.route.handler(core, request)
    except RefusalError as refusal:
        return refused(core, refusal)


def refused(core: Core, refusal: RefusalError) -> Reply:
    """Return a refusal as a reply."""
    error = refusal.body.get("error")
    serviced = core.state.switches["error_service_key"] and refusal.status != 401
    if isinstance(error, dict) and serviced:
        return Reply(refusal.status, {"error": error | {"service": "exchange"}})
    return Reply(refusal.status, refusal.body)


def _admitted(
    core: Core,
    found: Found,
    query: Mapping[str, Sequence[str]],
    body: Json,
    key: ApiKey | None,
) -> Request:
    route = found.route
    account = core.state.accounts[key.user_id] if key is not None else None
    request = Request(route.operation, found.values, query, body, key, account)
    if account is None or key is None:
        if route.auth:
            raise nested(401, "signature_is_missing_from_headers")
        core.limits.admit_public(core.state.now_ns)
        return request
    buckets: tuple[str, ...] = ("read",)
    if route.write:
        batch = route.template.endswith("/batched")
        buckets = write_buckets(_shard(request), batch, core.state.switches)
    cost = cost_of(route.name, body)
    core.limits.admit(account.user_id, account.tier, buckets, cost, core.state.now_ns)
    _check_scope(route, key)
    return request


def _check_scope(route: Route, key: ApiKey) -> None:
    if not route.auth:
        return
    granted = {scope.split("::")[0] for scope in key.scopes if "::" not in scope}
    if route.scope == "write" and route.write and "write::trade" in key.scopes:
        granted.add("write")
    if route.template == "/portfolio/balance" and "read::portfolio_balance" in key.scopes:
        granted.add("read")
    if "transfer" in route.template and "write::transfer" in key.scopes:
        granted.add("write")
    if route.scope not in granted:
        raise nested(403, "forbidden", details=f"this API key lacks the scope {route.scope}")
    if key.subaccount is not None and not route.template.startswith(_OPEN_TO_LOCKED):
        raise nested(403, "forbidden", details=_LOCKED_TEXT)


def _shard(request: Request) -> int | None:
    """Return the shard a write names, in its body or its query."""
    if isinstance(request.body, dict):
        value = request.body.get("exchange_index")
        if isinstance(value, int) and not isinstance(value, bool):
            return value
    text = request.text("exchange_index")
    return int(text) if _INTEGER.match(text) else None


def _match(template: tuple[str, ...], parts: tuple[str, ...]) -> dict[str, str] | None:
    values: dict[str, str] = {}
    for expected, part in zip(template, parts, strict=True):
        if expected.startswith("{"):
            values[expected[1:-1]] = part
        elif expected != part:
            return None
    return values
