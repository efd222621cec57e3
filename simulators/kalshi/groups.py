"""Order groups: a limit on what the orders of a group may fill in any 15 seconds."""

from __future__ import annotations

from collections.abc import Callable

from simulators.kalshi.errors import flat, nested, not_found
from simulators.kalshi.events import GroupChanged
from simulators.kalshi.model import Order, OrderGroup
from simulators.kalshi.state import State
from simulators.kalshi.units import CONTRACT, NS_PER_S

WINDOW_NS = 15 * NS_PER_S
LIMIT_MAX = 1_000_000 * CONTRACT

type Cancel = Callable[[State, Order, str], int]


def create_group(state: State, user_id: str, subaccount: int, shard: int, limit: int) -> OrderGroup:
    """Open a group with a limit in 0.01 contract."""
    _check_limit(limit)
    group = OrderGroup(state.new_id("group"), user_id, subaccount, shard, limit)
    state.groups[group.group_id] = group
    state.emit(GroupChanged("created", group, state.now_ns))
    return group


def owned_group(state: State, user_id: str, group_id: str) -> OrderGroup:
    """Return a group of the account, or refuse with 404."""
    group = state.groups.get(group_id)
    if group is None or group.user_id != user_id:
        raise not_found()
    return group


def admit(state: State, user_id: str, group_id: str, shard: int) -> OrderGroup:
    """Return the group that an order names; refuse if unknown, elsewhere or triggered."""
    group = state.groups.get(group_id)
    if group is None or group.user_id != user_id or group.exchange_index != shard:
        raise nested(404, "order_group_not_found")
    if not group.active:
        raise nested(400, "exceeded_order_group_risk_limit")
    return group


def note_fill(state: State, group_id: str, qty: int, cancel: Cancel) -> None:
    """Add a fill to the rolling window and trigger the group when it exceeds the limit."""
    group = state.groups.get(group_id)
    if group is None:
        return
    since = state.now_ns - WINDOW_NS
    group.fills = [(ts, size) for ts, size in group.fills if ts > since]
    group.fills.append((state.now_ns, qty))
    if group.active and sum(size for _, size in group.fills) > group.limit:
        trigger(state, group, cancel)


def trigger(state: State, group: OrderGroup, cancel: Cancel) -> None:
    """Cancel every order of the group and block new ones until reset."""
    group.active = False
    for order in members(state, group):
        cancel(state, order, "")
    state.emit(GroupChanged("triggered", group, state.now_ns))


def reset(state: State, group: OrderGroup) -> None:
    """Let the group trade again with an empty window."""
    group.active = True
    group.fills.clear()
    state.emit(GroupChanged("reset", group, state.now_ns))


def set_limit(state: State, group: OrderGroup, limit: int) -> None:
    """Change the limit (0.01 contract)."""
    _check_limit(limit)
    group.limit = limit
    state.emit(GroupChanged("limit_updated", group, state.now_ns))


def delete(state: State, group: OrderGroup, cancel: Cancel) -> None:
    """Cancel the group's orders and forget it."""
    for order in members(state, group):
        cancel(state, order, "")
    del state.groups[group.group_id]
    state.emit(GroupChanged("deleted", group, state.now_ns))


def members(state: State, group: OrderGroup) -> list[Order]:
    """Return the resting orders of a group."""
    return [o for o in state.resting(group.user_id) if o.group_id == group.group_id]


def _check_limit(limit: int) -> None:
    if not CONTRACT <= limit <= LIMIT_MAX:
        raise flat("contracts_limit must be between 1 and 1000000", "invalid_parameters")
