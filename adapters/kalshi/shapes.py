"""Compare the shapes of two venues' answers: demo and simulator, or demo then and now."""

from __future__ import annotations

import msgspec

from adapters.common.errors import ProtocolError
from adapters.common.transport import HttpRequest, HttpTransport
from adapters.kalshi.http import KalshiHttp

#: Public reads that both sides answer without a key.
PUBLIC = (
    "/exchange/status",
    "/exchange/schedule",
    "/account/endpoint_costs",
    "/markets?limit=5&status=open",
    "/events?limit=5",
    "/markets/trades?limit=5",
    "/series/fee_changes",
    "/historical/cutoff",
)


def shape(value: object) -> object:
    """Return the structure of a decoded answer: types for values, merged rows for lists."""
    if isinstance(value, dict):
        return {key: shape(item) for key, item in sorted(value.items())}
    if isinstance(value, list):
        merged: object = None
        for item in value:
            merged = _merge(merged, shape(item))
        return [merged]
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "bool"
    return "number" if isinstance(value, (int, float)) else "string"


def differences(mine: object, theirs: object, where: str = "") -> list[str]:
    """Return where two shapes contradict each other; a null, or an empty list, fits anything."""
    if mine in ("null", None) or theirs in ("null", None):
        return []
    if isinstance(mine, dict) and isinstance(theirs, dict):
        found = [f"{where}.{key} only here" for key in mine.keys() - theirs.keys()]
        found += [f"{where}.{key} only there" for key in theirs.keys() - mine.keys()]
        for key in mine.keys() & theirs.keys():
            found += differences(mine[key], theirs[key], f"{where}.{key}")
        return sorted(found)
    if isinstance(mine, list) and isinstance(theirs, list):
        return differences(mine[0], theirs[0], f"{where}[]")
    return [] if mine == theirs else [f"{where} is {_name(mine)} here, {_name(theirs)} there"]


async def compare(http: KalshiHttp, transport: HttpTransport, other_url: str) -> list[str]:
    """Return how the public answers of ``http`` and of another REST address differ."""
    found: list[str] = []
    for path in PUBLIC:
        mine = await transport.send(HttpRequest("GET", f"{http.base_url}{path}"))
        theirs = await transport.send(HttpRequest("GET", f"{other_url}{path}"))
        route = path.partition("?")[0]
        if mine.status != theirs.status:
            found.append(f"{route}: {mine.status} here, {theirs.status} there")
            continue
        found += differences(shape(_json(mine.body)), shape(_json(theirs.body)), route)
    return found


def _merge(first: object, second: object) -> object:
    if first in (None, "null"):
        return second
    if isinstance(first, dict) and isinstance(second, dict):
        keys = first.keys() | second.keys()
        return {key: _merge(first.get(key), second.get(key)) for key in sorted(keys)}
    return first


def _name(value: object) -> str:
    return (
        "object" if isinstance(value, dict) else "list" if isinstance(value, list) else str(value)
    )


def _json(body: bytes) -> object:
    try:
        return msgspec.json.decode(body)
    except msgspec.MsgspecError as exc:
        raise ProtocolError(f"an answer that is not JSON: {exc}") from exc
