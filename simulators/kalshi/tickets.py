"""Order requests as they come off the wire, checked the way the venue checks them.

The venue decodes first (wrong JSON types → flat error), then validates (missing or unknown
values → flat error), then looks at the market. Numbers must be strings.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from simulators.kalshi.errors import flat, nested

_SIDES = ("bid", "ask")
_TIFS = ("good_till_canceled", "immediate_or_cancel", "fill_or_kill")
_STPS = ("taker_at_cross", "maker")
_GO_NAMES = {str: "string", int: "int64", bool: "bool"}

_CREATE: dict[str, type] = {
    "ticker": str,
    "client_order_id": str,
    "side": str,
    "count": str,
    "price": str,
    "time_in_force": str,
    "self_trade_prevention_type": str,
    "expiration_time": int,
    "post_only": bool,
    "reduce_only": bool,
    "cancel_order_on_pause": bool,
    "subaccount": int,
    "order_group_id": str,
    "exchange_index": int,
}
_AMEND: dict[str, type] = {
    "ticker": str,
    "side": str,
    "price": str,
    "count": str,
    "client_order_id": str,
    "updated_client_order_id": str,
    "expiration_time": int,
    "exchange_index": int,
}
_DECREASE: dict[str, type] = {
    "reduce_by": str,
    "reduce_to": str,
    "market_ticker": str,
    "exchange_index": int,
}


@dataclass(frozen=True, slots=True)
class CreateTicket:
    """A create request that decoded; values are still the client's."""

    ticker: str
    side: str
    count: str
    price: str
    tif: str
    stp: str
    client_order_id: str = ""
    expiration_s: int = 0
    post_only: bool = False
    reduce_only: bool = False
    cancel_on_pause: bool = False
    subaccount: int = 0
    group_id: str = ""
    exchange_index: int | None = None


@dataclass(frozen=True, slots=True)
class AmendTicket:
    """An amend request that decoded. ``count`` is the total, filled part included."""

    ticker: str
    side: str
    price: str
    count: str
    client_order_id: str | None = None
    updated_client_order_id: str | None = None
    expiration_s: int | None = None
    exchange_index: int | None = None


@dataclass(frozen=True, slots=True)
class DecreaseTicket:
    """A decrease request that decoded: exactly one of the two is set."""

    reduce_by: str | None
    reduce_to: str | None
    market_ticker: str | None = None
    exchange_index: int | None = None


def decode_create(body: Any) -> dict[str, Any]:  # noqa: ANN401 - undecoded JSON
    """Return the fields of a create request, or raise the decoder's flat error."""
    return decode(body, "CreateOrderV2Request", _CREATE)


def parse_create(body: Any) -> CreateTicket:  # noqa: ANN401 - undecoded JSON
    """Return a create request, or raise the refusal the venue would send."""
    row = decode_create(body)
    _require(row, "CreateOrderV2Request", "ticker", "side", "count", "price", "time_in_force",
             "self_trade_prevention_type")  # fmt: skip
    _one_of(row, "CreateOrderV2Request", "side", _SIDES)
    _one_of(row, "CreateOrderV2Request", "time_in_force", _TIFS)
    _one_of(row, "CreateOrderV2Request", "self_trade_prevention_type", _STPS)
    if not 0 <= row.get("subaccount", 0) <= 63:
        raise flat("subaccount must be between 0 and 63", "invalid_parameters")
    return CreateTicket(
        ticker=row["ticker"],
        side=row["side"],
        count=row["count"],
        price=row["price"],
        tif=row["time_in_force"],
        stp=row["self_trade_prevention_type"],
        client_order_id=row.get("client_order_id", ""),
        expiration_s=row.get("expiration_time", 0),
        post_only=row.get("post_only", False),
        reduce_only=row.get("reduce_only", False),
        cancel_on_pause=row.get("cancel_order_on_pause", False),
        subaccount=row.get("subaccount", 0),
        group_id=row.get("order_group_id", ""),
        exchange_index=row.get("exchange_index"),
    )


def parse_amend(body: Any) -> AmendTicket:  # noqa: ANN401 - undecoded JSON
    """Return an amend request, or raise the refusal the venue would send."""
    row = decode(body, "AmendOrderV2Request", _AMEND)
    _require(row, "AmendOrderV2Request", "ticker", "side", "price", "count")
    _one_of(row, "AmendOrderV2Request", "side", _SIDES)
    return AmendTicket(
        ticker=row["ticker"],
        side=row["side"],
        price=row["price"],
        count=row["count"],
        client_order_id=row.get("client_order_id"),
        updated_client_order_id=row.get("updated_client_order_id"),
        expiration_s=row.get("expiration_time"),
        exchange_index=row.get("exchange_index"),
    )


def parse_decrease(body: Any) -> DecreaseTicket:  # noqa: ANN401 - undecoded JSON
    """Return a decrease request, or raise the refusal the venue would send."""
    row = decode(body, "DecreaseOrderV2Request", _DECREASE)
    if ("reduce_by" in row) == ("reduce_to" in row):
        raise nested(400, "invalid_parameters", details="exactly one of reduce_by and reduce_to")
    return DecreaseTicket(
        row.get("reduce_by"),
        row.get("reduce_to"),
        row.get("market_ticker"),
        row.get("exchange_index"),
    )


def decode(body: Any, name: str, fields: Mapping[str, type]) -> dict[str, Any]:  # noqa: ANN401
    """Return the known fields of a JSON object; a wrong type is the decoder's flat error."""
    if not isinstance(body, dict):
        found = _json_name(body)
        raise flat(f"json: cannot unmarshal {found} into Go value of type {name}")
    row: dict[str, Any] = {}
    for key, kind in fields.items():
        value = body.get(key)
        if value is None:
            continue
        if type(value) is not kind:
            raise flat(
                f"json: cannot unmarshal {_json_name(value)} into Go struct field "
                f"{name}.{key} of type {_GO_NAMES[kind]}"
            )
        row[key] = value
    return row


def _json_name(value: object) -> str:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int | float):
        return "number"
    if isinstance(value, str):
        return "string"
    return "array" if isinstance(value, list) else "object"


def _camel(key: str) -> str:
    return "".join(part.capitalize() for part in key.split("_"))


def _require(row: Mapping[str, Any], name: str, *keys: str) -> None:
    for key in keys:
        if not row.get(key):
            raise flat(
                f"Key: '{name}.{_camel(key)}' Error:Field validation for '{_camel(key)}' "
                f"failed on the 'required' tag"
            )


def _one_of(row: Mapping[str, Any], name: str, key: str, allowed: tuple[str, ...]) -> None:
    if row[key] not in allowed:
        raise flat(
            f"Key: '{name}.{_camel(key)}' Error:Field validation for '{_camel(key)}' "
            f"failed on the 'oneof' tag"
        )
