"""Changes to resting orders: cancel, cancel all, decrease, amend."""

from __future__ import annotations

from simulators.kalshi.entry import (
    check_client_id_text,
    check_funds,
    check_trading,
    checked_count,
    checked_expiry,
    checked_price,
    client_id_taken,
)
from simulators.kalshi.errors import nested, not_found
from simulators.kalshi.matching import book_delta, cancel_resting, rest, sweep
from simulators.kalshi.model import Account, Order
from simulators.kalshi.state import SHARDS, State
from simulators.kalshi.tickets import AmendTicket, DecreaseTicket
from simulators.kalshi.units import NS_PER_S, parse_count

TAIL_NS = 60 * NS_PER_S


def live_order(
    state: State,
    account: Account,
    order_id: str,
    *,
    market_ticker: str | None,
    exchange_index: int | None,
    subaccount: int | None,
) -> Order:
    """Return a resting order of the account, found the way the venue routes it.

    Without a ticker and without an index shard 0 is assumed. Unknown, executed and canceled
    orders answer alike.
    """
    order = state.orders.get(order_id)
    if order is None or order.user_id != account.user_id or order.status != "resting":
        raise not_found()
    if subaccount is not None and order.subaccount != subaccount:
        raise not_found()
    shard = 0
    if exchange_index is not None and exchange_index >= 0:
        shard = exchange_index
    elif market_ticker is not None:
        if market_ticker != order.ticker:
            raise not_found()
        shard = state.markets[market_ticker].exchange_index
    if order.exchange_index != shard:
        raise not_found()
    return order


def cancel_order(state: State, order: Order) -> int:
    """Cancel a resting order and return the quantity taken out."""
    check_trading(state, state.markets[order.ticker], cancel=True)
    return cancel_resting(state, order, "")


def cancel_all(state: State, account: Account, subaccount: int | None) -> int:
    """Cancel all resting orders on all shards that may be canceled; return how many."""
    if all(state.exchange_paused.get(shard, 0) for shard in SHARDS):
        raise nested(409, "exchange_is_paused")
    count = 0
    for order in state.resting(account.user_id):
        active = state.markets[order.ticker].status == "active"
        paused = state.exchange_paused.get(order.exchange_index, 0)
        if (subaccount is None or order.subaccount == subaccount) and active and not paused:
            cancel_resting(state, order, "")
            count += 1
    if state.switches["cancel_all_tail"]:
        state.cancel_all_until[account.user_id] = state.now_ns + TAIL_NS
    return count


def decrease_order(state: State, order: Order, ticket: DecreaseTicket) -> Order:
    """Take quantity off a resting order; it keeps its place in the queue."""
    check_trading(state, state.markets[order.ticker])
    text = ticket.reduce_by if ticket.reduce_by is not None else ticket.reduce_to
    assert text is not None
    amount = parse_count(text)
    if amount is None:
        raise nested(400, "invalid_order_size")
    left = order.remaining - amount if ticket.reduce_by is not None else amount
    if left > order.remaining or (ticket.reduce_by is not None and not amount):
        raise nested(400, "invalid_order_size")
    if left <= 0:
        if state.switches["decrease_to_zero"] == "reject" or left < 0:
            raise nested(400, "invalid_order_size")
        cancel_resting(state, order, "Decrease")
        return order
    shrink(state, order, left)
    state.show_order(order, "Decrease")
    return order


def shrink(state: State, order: Order, left: int) -> None:
    """Lower the remaining quantity of a resting order in place."""
    change = left - order.remaining
    order.remaining = left
    order.initial += change
    order.updated_ns = state.now_ns
    order.reason = "Decrease"
    if change:
        book_delta(state, order, change)


def amend_order(state: State, account: Account, order: Order, ticket: AmendTicket) -> Order:
    """Change price, total quantity, expiry or client id of a resting order.

    The order keeps its place only if the price stays and the quantity does not grow.
    """
    market = state.markets[order.ticker]
    check_trading(state, market)
    _check_identity(state, order, ticket)
    total = checked_count(ticket.count)
    px = checked_price(state, market, ticket.price)
    expiry_ns = _amended_expiry(state, order, ticket)
    _check_new_client_id(state, account, order, ticket)
    left = total - order.filled
    if left < 0 or (left == 0 and state.switches["amend_to_filled"] == "reject"):
        raise nested(400, "invalid_amend_qty_for_order")
    crosses = state.books[order.ticker].crosses(order.side, px)
    if order.post_only and crosses and left:
        raise nested(400, "invalid_order", details="post only cross")
    check_funds(state, account, market, order.side, left, px, order.subaccount, order.order_id)
    _rename(state, account, order, ticket)
    if not left:
        cancel_resting(state, order, "Amend")
        return order
    order.expiry_ns = expiry_ns
    if expiry_ns:
        state.at(expiry_ns, "expire", order.order_id)
    if px == order.px and left <= order.remaining:
        shrink(state, order, left)
        order.reason = "Amend"
        state.show_order(order, "Amend")
        return order
    _requeue(state, order, px, left, total)
    return order


def _requeue(state: State, order: Order, px: int, left: int, total: int) -> None:
    state.take_out(order)
    book_delta(state, order, -order.remaining)
    order.px, order.remaining, order.initial = px, left, total
    order.updated_ns, order.reason = state.now_ns, "Amend"
    state.show_order(order, "Amend")
    sweep(state, order)
    if order.status == "resting" and order.remaining:
        rest(state, order)
    elif order.status == "canceled":
        state.show_order(order, order.reason)


def expire(state: State, order: Order) -> None:
    """Cancel an order whose expiry has passed."""
    if order.status == "resting" and order.expiry_ns and order.expiry_ns <= state.now_ns:
        cancel_resting(state, order, "ExpiryCancel")


def cancel_tail(state: State, order: Order) -> None:
    """Cancel an order that a recent cancel-all still reaches."""
    if order.status == "resting":
        cancel_resting(state, order, "")


def _check_identity(state: State, order: Order, ticket: AmendTicket) -> None:
    if ticket.ticker != order.ticker:
        raise nested(400, "order_ticker_mismatch")
    if ticket.side != order.side:
        raise nested(400, "order_side_mismatch")
    if ticket.client_order_id is None and state.switches["amend_needs_client_id"]:
        raise nested(400, "invalid_parameters", details="client_order_id")
    if ticket.client_order_id not in (None, order.client_order_id):
        raise nested(400, "order_id_and_client_order_id_mismatch")


def _amended_expiry(state: State, order: Order, ticket: AmendTicket) -> int:
    if ticket.expiration_s is None:
        return order.expiry_ns
    return checked_expiry(state, ticket.expiration_s) if ticket.expiration_s else 0


def _check_new_client_id(state: State, account: Account, order: Order, ticket: AmendTicket) -> None:
    fresh = ticket.updated_client_order_id
    if not fresh or fresh == order.client_order_id:
        return
    check_client_id_text(state, fresh)
    if client_id_taken(state, account.user_id, fresh):
        raise nested(409, "order_already_exists")


def _rename(state: State, account: Account, order: Order, ticket: AmendTicket) -> None:
    if ticket.updated_client_order_id:
        order.client_order_id = ticket.updated_client_order_id
        state.client_ids[(account.user_id, order.client_order_id)] = order.order_id
