"""Orders and order groups."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from simulators.kalshi import groups
from simulators.kalshi.changes import (
    amend_order,
    cancel_all,
    cancel_order,
    decrease_order,
    live_order,
)
from simulators.kalshi.entry import create_order, is_archived
from simulators.kalshi.errors import RefusalError, bad_parameter, flat, nested, not_found
from simulators.kalshi.events import OrderChanged
from simulators.kalshi.matching import cancel_resting
from simulators.kalshi.model import Order, OrderGroup
from simulators.kalshi.render import Row, order_row
from simulators.kalshi.rest import (
    UNDECODABLE,
    Core,
    Reply,
    Request,
    Route,
    locked_subaccount,
    ok,
    page,
)
from simulators.kalshi.state import SHARDS, State
from simulators.kalshi.tickets import (
    decode,
    decode_create,
    parse_amend,
    parse_create,
    parse_decrease,
)
from simulators.kalshi.units import CONTRACT, DOLLAR, DOLLAR_PX, count, millis, parse_count, ratio4
from simulators.wire import Json

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z", re.IGNORECASE)
_CANCEL = {"order_id": str, "market_ticker": str, "subaccount": int, "exchange_index": int}
_GROUP = {
    "contracts_limit": int,
    "contracts_limit_fp": str,
    "subaccount": int,
    "exchange_index": int,
}


def post_order(core: Core, request: Request) -> Reply:
    """Create one order."""
    row = _create(core, request, decoded(request))
    return Reply(int(str(core.state.switches["create_status"])), row)


def post_batch(core: Core, request: Request) -> Reply:
    """Create several orders; each has its own result, and the batch is not atomic."""
    rows = _batch(core, request)
    for item in rows:
        decode_create(item)  # one wrong type makes the whole body undecodable
    results: list[Row] = []
    for item in rows:
        try:
            results.append(_create(core, request, item))
        except RefusalError as refusal:
            error = _item_error(refusal)
            client_id = item.get("client_order_id") if isinstance(item, dict) else None
            results.append(({"client_order_id": client_id} if client_id else {}) | error)
    return Reply(201, {"orders": results})


def delete_order(core: Core, request: Request) -> Reply:
    """Cancel one order."""
    order_id = checked_uuid(request.path["order_id"])
    ticker = request.text("market_ticker") or None
    row = _cancel(
        core, request, order_id, ticker, request.integer("exchange_index"), request.subaccount(0)
    )
    return ok(row)


def delete_batch(core: Core, request: Request) -> Reply:
    """Cancel several orders; each has its own result."""
    results: list[Row] = []
    rows = [
        decode(item, "BatchCancelOrdersV2RequestOrder", _CANCEL) for item in _batch(core, request)
    ]
    for row in rows:
        order_id = row.get("order_id", "")
        try:
            subaccount = locked_subaccount(request.key, row.get("subaccount"), 0)
            results.append(
                _cancel(
                    core,
                    request,
                    checked_uuid(order_id),
                    row.get("market_ticker"),
                    row.get("exchange_index"),
                    subaccount,
                )
            )
        except RefusalError as refusal:
            base = {"order_id": order_id, "reduced_by": "0.00"}
            results.append(base | _item_error(refusal))
    return ok({"orders": results})


def delete_all(core: Core, request: Request) -> Reply:
    """Cancel all orders: 204 without a body."""
    cancel_all(core.state, request.member, request.subaccount(None))
    return Reply(204)


def post_amend(core: Core, request: Request) -> Reply:
    """Amend one order; ``count`` is the total."""
    ticket = parse_amend(decoded(request))
    order = live_order(
        core.state,
        request.member,
        checked_uuid(request.path["order_id"]),
        market_ticker=None,
        exchange_index=_amend_shard(core, request, ticket.exchange_index),
        subaccount=request.subaccount(0),
    )
    amend_order(core.state, request.member, order, ticket)
    return ok(_result(core.state, order))


def post_decrease(core: Core, request: Request) -> Reply:
    """Decrease one order; it keeps its place."""
    ticket = parse_decrease(decoded(request))
    order = live_order(
        core.state,
        request.member,
        checked_uuid(request.path["order_id"]),
        market_ticker=ticket.market_ticker,
        exchange_index=ticket.exchange_index,
        subaccount=request.subaccount(0),
    )
    decrease_order(core.state, order, ticket)
    return ok(
        {
            "order_id": order.order_id,
            "client_order_id": order.client_order_id,
            "remaining_count": count(order.remaining),
            "ts_ms": millis(core.state.now_ns),
        }
    )


def get_orders(core: Core, request: Request) -> Reply:
    """Return the account's orders of the live window, newest first."""
    return _orders(core, request, archived=False)


def get_historical_orders(core: Core, request: Request) -> Reply:
    """Return the account's orders older than the cutoff."""
    return _orders(core, request, archived=True)


def get_order(core: Core, request: Request) -> Reply:
    """Return one order."""
    order = _readable(core, request).get(checked_uuid(request.path["order_id"]))
    if order is None or is_archived(core.state, order):
        raise not_found()
    if request.subaccount(order.subaccount) != order.subaccount:
        raise not_found()
    return ok({"order": order_row(core.state, order)})


def get_queue_position(core: Core, request: Request) -> Reply:
    """Return the quantity ahead of one order."""
    order = core.state.orders.get(checked_uuid(request.path["order_id"]))
    if order is None or order.user_id != request.member.user_id or order.status != "resting":
        raise not_found()
    ahead = core.state.books[order.ticker].ahead(order)
    return ok({"queue_position_fp": count(ahead)})


def get_queue_positions(core: Core, request: Request) -> Reply:
    """Return the quantity ahead of every resting order of some markets or an event."""
    tickers, event = request.listed("market_tickers"), request.text("event_ticker")
    if not tickers and not event:
        raise bad_parameter(request.operation, "MarketTickers", "required_without")
    subaccount = request.subaccount(0)
    rows = [
        {
            "order_id": order.order_id,
            "market_ticker": order.ticker,
            "queue_position_fp": count(core.state.books[order.ticker].ahead(order)),
        }
        for order in core.state.resting(request.member.user_id)
        if order.subaccount == subaccount
        and (order.ticker in tickers or core.state.markets[order.ticker].event_ticker == event)
    ]
    return ok({"queue_positions": rows})


def removed(_: Core, __: Request) -> Reply:
    """Answer an order mutation of the old API, gone since July 2026."""
    raise nested(410, "deprecated_v1_order_endpoint", "Please switch to the V2 endpoints")


def post_group(core: Core, request: Request) -> Reply:
    """Create an order group."""
    row = decode(decoded(request), "CreateOrderGroupRequest", _GROUP)
    subaccount = locked_subaccount(request.key, row.get("subaccount"), 0)
    assert subaccount is not None
    group = groups.create_group(
        core.state, request.member.user_id, subaccount, row.get("exchange_index", 0), _limit(row)
    )
    body = {"order_group_id": group.group_id, "subaccount": subaccount}
    return Reply(201, body | {"exchange_index": group.exchange_index})


def get_groups(core: Core, request: Request) -> Reply:
    """Return the account's order groups."""
    subaccount = request.subaccount(None)
    rows = [
        {"id": group.group_id} | _group_row(group)
        for group in core.state.groups.values()
        if group.user_id == request.member.user_id
        and (subaccount is None or group.subaccount == subaccount)
    ]
    return ok({"order_groups": rows})


def get_group(core: Core, request: Request) -> Reply:
    """Return one order group with its resting orders."""
    group = _group(core, request)
    orders = [order.order_id for order in groups.members(core.state, group)]
    return ok(_group_row(group) | {"orders": orders})


def delete_group(core: Core, request: Request) -> Reply:
    """Cancel a group's orders and forget it."""
    groups.delete(core.state, _group(core, request), cancel_resting)
    return ok({})


def reset_group(core: Core, request: Request) -> Reply:
    """Let a triggered group trade again."""
    groups.reset(core.state, _group(core, request))
    return ok({})


def trigger_group(core: Core, request: Request) -> Reply:
    """Cancel a group's orders by hand and block new ones."""
    groups.trigger(core.state, _group(core, request), cancel_resting)
    return ok({})


def limit_group(core: Core, request: Request) -> Reply:
    """Change a group's limit."""
    row = decode(decoded(request), "UpdateOrderGroupLimitRequest", _GROUP)
    groups.set_limit(core.state, _group(core, request), _limit(row))
    return ok({})


def decoded(request: Request) -> Json:
    """Return the body, or refuse what is not JSON."""
    if request.body is UNDECODABLE:
        raise flat("invalid character looking for beginning of value")
    if request.body is None:
        raise flat("EOF")
    return request.body


def checked_uuid(text: str) -> str:
    """Return an id in lower case, or refuse what is no UUID."""
    if not _UUID.match(text):
        raise nested(400, "invalid_UUID", "invalid UUID")
    return text.lower()


def _create(core: Core, request: Request, body: Json) -> Row:
    ticket = parse_create(body)
    subaccount = locked_subaccount(request.key, body.get("subaccount"), 0)
    assert subaccount is not None
    ticket = replace(ticket, subaccount=subaccount)
    try:
        order = create_order(core.state, request.member, ticket)
    except RefusalError:
        if core.state.switches["rejected_create_user_order"]:
            _tell_rejected(core.state, request, body)
        raise
    return _result(core.state, order)


def _tell_rejected(state: State, request: Request, body: dict[str, Any]) -> None:
    ghost = Order(
        order_id=state.new_id("rejected"),
        client_order_id=str(body.get("client_order_id", "")),
        user_id=request.member.user_id,
        subaccount=0,
        ticker=str(body["ticker"]),
        side=str(body["side"]),
        px=0,
        initial=parse_count(str(body["count"])) or 0,
        remaining=0,
        tif=str(body["time_in_force"]),
        stp=str(body["self_trade_prevention_type"]),
        created_ns=state.now_ns,
        updated_ns=state.now_ns,
        exchange_index=0,
        status="canceled",
    )
    state.emit(OrderChanged(ghost, ""))


def _result(state: State, order: Order) -> Row:
    """Return the flat answer to a create or amend; averages only exist with fills."""
    row: Row = {
        "order_id": order.order_id,
        "client_order_id": order.client_order_id,
        "fill_count": count(order.filled),
        "remaining_count": count(order.remaining),
        "ts_ms": millis(state.now_ns),
    }
    if order.filled:
        fees = order.taker_fees + order.maker_fees
        row["average_fill_price"] = ratio4(order.fill_value, order.filled, DOLLAR_PX)
        row["average_fee_paid"] = ratio4(fees * CONTRACT, order.filled, DOLLAR)
    return row


def _cancel(
    core: Core,
    request: Request,
    order_id: str,
    ticker: str | None,
    shard: int | None,
    subaccount: int | None,
) -> Row:
    _check_exchange(core.state)
    order = live_order(
        core.state,
        request.member,
        order_id,
        market_ticker=ticker,
        exchange_index=shard,
        subaccount=subaccount,
    )
    left = cancel_order(core.state, order)
    row: Row = {"order_id": order_id, "reduced_by": count(left), "ts_ms": millis(core.state.now_ns)}
    if core.state.switches["cancel_client_id"]:
        row["client_order_id"] = order.client_order_id
    return row


def _check_exchange(state: State) -> None:
    if all(state.exchange_paused.get(shard, 0) for shard in SHARDS):
        raise nested(409, "exchange_is_paused")


def _amend_shard(core: Core, request: Request, asked: int | None) -> int | None:
    """Return the shard an amend goes to: its body names the ticker, so it routes itself."""
    if asked is not None and asked >= 0:
        return asked
    order = core.state.orders.get(request.path["order_id"].lower())
    return order.exchange_index if order is not None else 0


def _batch(core: Core, request: Request) -> list[Json]:
    body = decoded(request)
    rows = body.get("orders") if isinstance(body, dict) else None
    if not isinstance(rows, list) or not rows:
        raise flat("Key: 'Orders' Error:Field validation for 'Orders' failed on the 'required' tag")
    most = core.state.switches.number("batch_orders_max")
    if most and len(rows) > most:
        raise flat("Key: 'Orders' Error:Field validation for 'Orders' failed on the 'max' tag")
    return rows


def _item_error(refusal: RefusalError) -> Row:
    inner = refusal.body.get("error", refusal.body)
    return {"error": dict(inner) if isinstance(inner, dict) else {"message": str(inner)}}


def _readable(core: Core, request: Request) -> dict[str, Order]:
    core.state.read.read(core.state.now_ns)
    return core.state.read.orders.get(request.member.user_id, {})


def _orders(core: Core, request: Request, *, archived: bool) -> Reply:
    limit = request.limit(100, 1000)
    status = request.one_of("status", ("resting", "canceled", "executed"))
    checks = _order_checks(core, request, status)
    newest_first = [
        (-number, order)
        for number, order in enumerate(_readable(core, request).values(), start=1)
        if is_archived(core.state, order) == archived and all(check(order) for check in checks)
    ]
    newest_first.reverse()
    rows, cursor = page(newest_first, limit, request.text("cursor"), request.operation)
    return ok({"orders": [order_row(core.state, order) for order in rows], "cursor": cursor})


def _order_checks(core: Core, request: Request, status: str) -> list[Callable[[Order], bool]]:
    ticker, events = request.text("ticker"), request.listed("event_ticker")
    low, high = request.integer("min_ts"), request.integer("max_ts")
    shard, subaccount = request.integer("exchange_index"), request.subaccount(None)
    if len(events) > 10:
        raise bad_parameter(request.operation, "EventTicker", "max")
    checks: list[Callable[[Order], bool]] = []
    if ticker:
        checks.append(lambda o: o.ticker == ticker)
    if events:
        checks.append(lambda o: core.state.markets[o.ticker].event_ticker in events)
    if status:
        checks.append(lambda o: o.status == status)
    if low is not None:
        checks.append(lambda o: millis(o.created_ns) >= low * 1000)
    if high is not None:
        checks.append(lambda o: millis(o.created_ns) <= high * 1000)
    if shard is not None and shard >= 0:
        checks.append(lambda o: o.exchange_index == shard)
    if subaccount is not None:
        checks.append(lambda o: o.subaccount == subaccount)
    return checks


def _group(core: Core, request: Request) -> OrderGroup:
    group = groups.owned_group(core.state, request.member.user_id, request.path["order_group_id"])
    subaccount = request.subaccount(None)
    if subaccount is not None and group.subaccount != subaccount:
        raise not_found()
    return group


def _group_row(group: OrderGroup) -> Row:
    return {
        "contracts_limit_fp": count(group.limit),
        "is_auto_cancel_enabled": True,
        "exchange_index": group.exchange_index,
    }


def _limit(row: dict[str, Any]) -> int:
    exact = parse_count(row["contracts_limit_fp"]) if "contracts_limit_fp" in row else None
    whole = row["contracts_limit"] * CONTRACT if "contracts_limit" in row else None
    if exact is None and whole is None:
        raise flat("contracts_limit or contracts_limit_fp is required", "invalid_parameters")
    if exact is not None and whole is not None and exact != whole:
        raise flat("contracts_limit and contracts_limit_fp must match", "invalid_parameters")
    limit = exact if exact is not None else whole
    assert limit is not None
    return limit


def _write(method: str, template: str, operation: str, handler: Any) -> Route:  # noqa: ANN401 - a handler
    return Route(method, template, operation, handler, auth=True, write=True, scope="write")


def _read(template: str, operation: str, handler: Any) -> Route:  # noqa: ANN401 - a handler
    return Route("GET", template, operation, handler, auth=True)


_V2, _OLD, _GROUPS = "/portfolio/events/orders", "/portfolio/orders", "/portfolio/order_groups"
_ONE, _GROUP_ID = _V2 + "/{order_id}", _GROUPS + "/{order_group_id}"
ROUTES = (
    _write("POST", _V2, "CreateOrderV2", post_order),
    _write("DELETE", _V2, "CancelAllOrders", delete_all),
    _write("POST", _V2 + "/batched", "BatchCreateOrdersV2", post_batch),
    _write("DELETE", _V2 + "/batched", "BatchCancelOrdersV2", delete_batch),
    _write("DELETE", _ONE, "CancelOrderV2", delete_order),
    _write("POST", _ONE + "/amend", "AmendOrderV2", post_amend),
    _write("POST", _ONE + "/decrease", "DecreaseOrderV2", post_decrease),
    _read(_OLD, "GetOrders", get_orders),
    _read(_OLD + "/queue_positions", "GetOrderQueuePositions", get_queue_positions),
    _read(_OLD + "/{order_id}", "GetOrder", get_order),
    _read(_OLD + "/{order_id}/queue_position", "GetOrderQueuePosition", get_queue_position),
    _read("/historical/orders", "GetHistoricalOrders", get_historical_orders),
    _write("POST", _OLD, "CreateOrder", removed),
    _write("POST", _OLD + "/batched", "BatchCreateOrders", removed),
    _write("DELETE", _OLD + "/batched", "BatchCancelOrders", removed),
    _write("DELETE", _OLD + "/{order_id}", "CancelOrder", removed),
    _write("POST", _OLD + "/{order_id}/amend", "AmendOrder", removed),
    _write("POST", _OLD + "/{order_id}/decrease", "DecreaseOrder", removed),
    _read(_GROUPS, "GetOrderGroups", get_groups),
    _write("POST", _GROUPS + "/create", "CreateOrderGroup", post_group),
    _read(_GROUP_ID, "GetOrderGroup", get_group),
    _write("DELETE", _GROUP_ID, "DeleteOrderGroup", delete_group),
    _write("PUT", _GROUP_ID + "/reset", "ResetOrderGroup", reset_group),
    _write("PUT", _GROUP_ID + "/trigger", "TriggerOrderGroup", trigger_group),
    _write("PUT", _GROUP_ID + "/limit", "UpdateOrderGroupLimit", limit_group),
)
